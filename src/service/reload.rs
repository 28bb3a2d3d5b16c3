//! Other services for a gateway that runs.

use std::sync::Arc;

use crate::protocol::CloseReason;
use crate::registry::Backend;

use super::gate::Gate;
use super::routes::Routes;
use super::{ConfigError, Gateway, GatewayBuilder, GatewayConfig, Service, ServiceConfig};

/// Configs of before that count for sessions which began under them.
const EARLIER: usize = 16;

/// What a reload changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reloaded {
    /// Prefixes of services that are new.
    pub added: Vec<Arc<str>>,
    /// Prefixes of services that end.
    pub removed: Vec<Arc<str>>,
}

impl Gateway {
    /// Replaces services, trusted proxies and limits by those of `builder`, all at once, for requests that come from now on;
    /// its pages are not looked at. Services are told apart by their prefix.
    ///
    /// Sessions that live go on as they began, with the config and the backend that they had. A service that is left out refuses
    /// new sessions and ends the living ones with 1001, after what is queued; it answers until they are gone.
    ///
    /// Must be called in a tokio runtime.
    ///
    /// # Errors
    /// As for [`GatewayBuilder::build`]; nothing has changed then.
    pub fn reload(&self, builder: GatewayBuilder) -> Result<Reloaded, ConfigError> {
        builder.check()?;
        let GatewayConfig {
            trusted_proxies,
            max_sessions,
            queue_memory,
            health,
        } = builder.config;
        let draining = self.0.draining.lock();
        let before = self.0.routes.load_full();
        self.0.budgets.set_limits(max_sessions, queue_memory);
        let (mut reloaded, mut services) = (Reloaded::default(), Vec::new());
        for (config, backend) in builder.services {
            let known = before
                .services
                .iter()
                .find(|known| known.config.prefix == config.prefix);
            services.push(match known {
                Some(known) => known.renewed(config, backend),
                None => {
                    reloaded.added.push(Arc::clone(&config.prefix));
                    let service = Service::new(config, backend, &self.0.budgets);
                    if let Some(reason) = &*draining {
                        let registries = service.registries();
                        registries.for_each(|registry| registry.refuse(reason));
                    }
                    Arc::new(service)
                }
            });
        }
        let is_left_out = |known: &&Arc<Service>| {
            !services
                .iter()
                .any(|service| service.config.prefix == known.config.prefix)
        };
        let left_out: Vec<_> = before
            .services
            .iter()
            .filter(is_left_out)
            .cloned()
            .collect();
        reloaded.removed = left_out
            .iter()
            .map(|service| Arc::clone(&service.config.prefix))
            .collect();
        let mut leaving = before.leaving.clone();
        leaving.extend(left_out.iter().cloned());
        self.0.routes.store(Arc::new(Routes::new(
            services,
            leaving,
            trusted_proxies,
            health,
        )));
        for service in left_out {
            for registry in service.registries() {
                // A drain ends the living ones in its own time.
                match &*draining {
                    Some(reason) => registry.refuse(reason),
                    None => registry.stop(&CloseReason::SERVICE_REMOVED),
                }
            }
            tokio::spawn(self.clone().forget(service));
        }
        Ok(reloaded)
    }

    /// Takes a service out that was left out, once nobody asks for its sessions any more.
    async fn forget(self, service: Arc<Service>) {
        for registry in service.registries() {
            registry.emptied().await;
        }
        // Polls that were under way are still told how their session ended.
        tokio::time::sleep(service.config.session.disconnect_delay).await;
        let _changing = self.0.draining.lock();
        let routes = self.0.routes.load();
        let others = routes
            .leaving
            .iter()
            .filter(|leaving| !Arc::ptr_eq(leaving, &service));
        let next = Routes::new(
            routes.services.clone(),
            others.cloned().collect(),
            routes.trusted.clone(),
            routes.health.clone(),
        );
        self.0.routes.store(Arc::new(next));
    }
}

impl Service {
    /// The same service with another config and backend: its sessions stay, and what it learnt where that still means the same.
    fn renewed(self: &Arc<Self>, config: ServiceConfig, backend: Arc<dyn Backend>) -> Arc<Self> {
        let registry = &self.context.registry;
        registry.renew(config.session.clone(), Gate::around(backend, &config));
        registry.limit_openings(config.openings, config.clients);
        registry
            .budgets()
            .set_limits(config.max_sessions, config.queue_memory);
        if config == *self.config {
            return Arc::clone(self);
        }
        let networks = if config.learns_as(&self.config) {
            Arc::clone(&self.context.networks)
        } else {
            config.networks()
        };
        let mut earlier = self.earlier.clone();
        if registry.is_empty() {
            earlier.clear();
        }
        let same = |known: &ServiceConfig| known.lets_in_as(&config);
        if !same(&self.config) {
            earlier.push(Arc::clone(&self.config));
        }
        earlier.retain(|known| !same(known));
        if earlier.len() > EARLIER {
            earlier.remove(0);
        }
        Arc::new(Self::with(config, earlier, Arc::clone(registry), networks))
    }
}
