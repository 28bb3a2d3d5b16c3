//! A gateway in the making.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::registry::{Backend, Budgets};

use super::look::Outside;
use super::page::Page;
use super::routes::Routes;
use super::{ConfigError, Gateway, GatewayConfig, Inner, Service, ServiceConfig, TrustedProxies};

/// Builds a [`Gateway`].
#[must_use]
pub struct GatewayBuilder {
    pub(super) services: Vec<(ServiceConfig, Arc<dyn Backend>)>,
    pages: HashMap<&'static str, Page>,
    outside: Option<Arc<dyn Outside>>,
    pub(super) config: GatewayConfig,
}

impl Gateway {
    /// A gateway without services.
    pub fn builder() -> GatewayBuilder {
        GatewayBuilder {
            services: Vec::new(),
            pages: HashMap::new(),
            outside: None,
            config: GatewayConfig::default(),
        }
    }
}

impl GatewayBuilder {
    /// Adds a service: its sessions talk to `backend`.
    pub fn service(self, config: ServiceConfig, backend: impl Backend) -> Self {
        self.shared_service(config, Arc::new(backend))
    }

    /// As [`Self::service`], for a backend chosen at run time.
    pub fn shared_service(mut self, config: ServiceConfig, backend: Arc<dyn Backend>) -> Self {
        self.services.push((config, backend));
        self
    }

    /// Serves a fixed file at `path`, outside the services.
    pub fn page(
        mut self,
        path: &'static str,
        content_type: &'static str,
        content: &'static str,
    ) -> Self {
        self.pages.insert(path, Page::fixed(content_type, content));
        self
    }

    /// Who answers what is neither for a service nor for a page. A reload does not replace it.
    #[cfg(feature = "cli")]
    pub(crate) fn outside(mut self, outside: Arc<dyn Outside>) -> Self {
        self.outside = Some(outside);
        self
    }

    /// What all services share, in place of what was set before.
    pub fn config(mut self, config: GatewayConfig) -> Self {
        self.config = config;
        self
    }

    /// Proxies whose `Forwarded` and `X-Forwarded-*` fields are believed. Default none.
    pub fn trusted_proxies(mut self, trusted: TrustedProxies) -> Self {
        self.config.trusted_proxies = trusted;
        self
    }

    /// The most sessions of all services together. Default 1 000 000.
    pub fn max_sessions(mut self, sessions: usize) -> Self {
        self.config.max_sessions = sessions;
        self
    }

    /// Bytes that all queues and bodies may take together, beyond 16 KiB that each session has for itself. Default 1 GiB.
    pub fn queue_memory(mut self, bytes: usize) -> Self {
        self.config.queue_memory = bytes;
        self
    }

    /// The gateway.
    ///
    /// # Errors
    /// [`ConfigError`] for a prefix that is malformed or used twice, and for a transport that does not exist.
    pub fn build(self) -> Result<Gateway, ConfigError> {
        self.check()?;
        let GatewayConfig {
            trusted_proxies,
            max_sessions,
            queue_memory,
            health,
        } = self.config;
        let budgets = Budgets::new(max_sessions, queue_memory);
        let services = self.services.into_iter();
        let services =
            services.map(|(config, backend)| Arc::new(Service::new(config, backend, &budgets)));
        let routes = Routes::new(services.collect(), Vec::new(), trusted_proxies, health);
        Ok(Gateway(Arc::new(Inner {
            routes: ArcSwap::from_pointee(routes),
            pages: self.pages,
            outside: self.outside,
            budgets,
            connections: Arc::default(),
            log_lines_dropped: OnceLock::new(),
            draining: Mutex::default(),
            trying: Default::default(),
        })))
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        for (index, (config, _)) in self.services.iter().enumerate() {
            config.check()?;
            let mut before = self.services[..index].iter();
            if before.any(|(other, _)| other.prefix == config.prefix) {
                return Err(ConfigError::PrefixTwice(config.prefix.to_string()));
            }
            let health = &self.config.health;
            let paths = [&health.live_path, &health.ready_path];
            if health.public && paths.contains(&&config.prefix) {
                return Err(ConfigError::HealthAtPrefix(config.prefix.to_string()));
            }
        }
        Ok(())
    }
}
