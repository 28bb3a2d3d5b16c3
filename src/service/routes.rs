//! What is in force: the services by their prefixes, and who is believed. Replaced as a whole.

use std::sync::Arc;

use crate::registry::Registry;

use super::{HealthConfig, Service, TrustedProxies};

pub(super) struct Routes {
    /// The longest prefix first.
    pub(super) services: Vec<Arc<Service>>,
    /// Services that were left out, and still end their sessions.
    pub(super) leaving: Vec<Arc<Service>>,
    pub(super) trusted: TrustedProxies,
    pub(super) health: HealthConfig,
}

impl Routes {
    pub(super) fn new(
        mut services: Vec<Arc<Service>>,
        leaving: Vec<Arc<Service>>,
        trusted: TrustedProxies,
        health: HealthConfig,
    ) -> Self {
        // Of two prefixes that match, such as `/a` and `/a/b`, the longer one decides.
        services.sort_by_key(|service| std::cmp::Reverse(service.config.prefix.len()));
        Self {
            services,
            leaving,
            trusted,
            health,
        }
    }

    /// The service of a path, and the path below its prefix.
    pub(super) fn find<'a>(&self, path: &'a str) -> Option<(&Arc<Service>, &'a str)> {
        let found = |service: &&Arc<Service>| service.below(path).is_some();
        let mut service = self.services.iter().find(found);
        if !self.leaving.is_empty() {
            let mut leaving = self.leaving.iter().filter(found);
            service = match leaving.clone().find(|service| service.knows(path)) {
                Some(knows) => Some(knows),
                // New sessions are refused there, unless a service that stays has the path.
                None => service.or_else(|| leaving.next()),
            };
        }
        service.and_then(|service| Some((service, service.below(path)?)))
    }

    pub(super) fn registries(&self) -> impl Iterator<Item = &Arc<Registry>> {
        let services = self.services.iter().chain(&self.leaving);
        services.flat_map(|service| service.registries())
    }
}
