//! What operators see of a gateway's services.

use std::sync::Arc;

use crate::registry::Registry;
use crate::transport::{Answer, Request};

use super::{ConnectionInfo, Gateway};

/// A service as an operator sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServiceLook {
    /// Its path.
    pub prefix: Arc<str>,
    /// Its sessions, limits and counters.
    pub registry: Arc<Registry>,
    /// Whether a reload left it out, and it ends its sessions.
    pub leaving: bool,
    /// Whether it is what a service's doctor tests with.
    pub doctor: bool,
}

/// Answers what is neither for a service nor one of the gateway's pages.
pub(crate) trait Outside: Send + Sync {
    fn answer(&self, request: Request, connection: &ConnectionInfo) -> Answer;
}

impl Gateway {
    /// Every service there is now, in the order of their prefixes; those that are leaving behind the others.
    pub fn services(&self) -> Vec<ServiceLook> {
        let routes = self.0.routes.load();
        let staying = routes.services.iter().map(|service| (service, false));
        let leaving = routes.leaving.iter().map(|service| (service, true));
        let all = staying.chain(leaving).flat_map(|(service, leaving)| {
            let own = &service.config.prefix;
            let services = service.with_doctor();
            services.map(move |one| ServiceLook {
                prefix: Arc::clone(&one.config.prefix),
                registry: Arc::clone(&one.context.registry),
                leaving,
                doctor: one.config.prefix != *own,
            })
        });
        let mut all: Vec<_> = all.collect();
        all.sort_by(|one, other| {
            let place = |look: &ServiceLook| (look.leaving, Arc::clone(&look.prefix));
            place(one).cmp(&place(other))
        });
        all
    }

    /// The most sessions of all services together, and the bytes that their queues and bodies take and may take.
    pub fn limits(&self) -> (usize, usize, usize) {
        let budgets = &self.0.budgets;
        let memory = &budgets.queue_memory;
        (budgets.sessions.limit(), memory.used(), memory.limit())
    }
}
