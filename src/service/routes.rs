//! What is in force: the services by their prefixes, and who is believed. Replaced as a whole.

use std::sync::Arc;

use crate::protocol::CloseReason;
use crate::registry::Registry;

use super::{Service, TrustedProxies};

pub(super) struct Routes {
    /// The longest prefix first.
    pub(super) services: Vec<Arc<Service>>,
    /// Services that were left out, and still end their sessions.
    pub(super) leaving: Vec<Arc<Service>>,
    pub(super) trusted: TrustedProxies,
}

impl Routes {
    pub(super) fn new(
        mut services: Vec<Arc<Service>>,
        leaving: Vec<Arc<Service>>,
        trusted: TrustedProxies,
    ) -> Self {
        // Of two prefixes that match, such as `/a` and `/a/b`, the longer one decides.
        services.sort_by_key(|service| std::cmp::Reverse(service.config.prefix.len()));
        Self {
            services,
            leaving,
            trusted,
        }
    }

    /// The service of a path, and the path below its prefix.
    pub(super) fn find<'a>(&self, path: &'a str) -> Option<(&Arc<Service>, &'a str)> {
        let services = self.services.iter().chain(&self.leaving);
        let mut found = services.filter_map(|service| {
            let rest = path.strip_prefix(&*service.config.prefix)?;
            (rest.is_empty() || rest.starts_with('/')).then_some((service, rest))
        });
        found.next()
    }

    pub(super) fn registries(&self) -> impl Iterator<Item = &Arc<Registry>> {
        let services = self.services.iter().chain(&self.leaving);
        services.flat_map(|service| service.registries())
    }

    pub(super) fn stop(&self, reason: &CloseReason) {
        self.registries().for_each(|registry| registry.stop(reason));
    }
}
