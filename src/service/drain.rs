//! The end of a gateway: no new sessions, and the living ones ended at once or over time; and the way back.

use std::sync::Arc;
use std::time::Duration;

use rand::seq::SliceRandom as _;

use crate::protocol::CloseReason;

use super::Gateway;
use super::routes::Routes;

impl Gateway {
    /// Refuses new sessions from now on and ends the living ones: what is queued is delivered, then the close frame.
    pub fn stop(&self, reason: &CloseReason) {
        let routes = self.refuse(reason);
        routes
            .registries()
            .for_each(|registry| registry.stop(reason));
    }

    /// Refuses new sessions from now on, and ends the living ones in random order, spread over `window`, so that their browsers do
    /// not come back all at once: what is queued is delivered, then the close frame. Done when all have been ended; they are gone
    /// when [`Self::emptied`] is. To give it up half-way, drop the future and call [`Self::undrain`].
    pub async fn drain(&self, reason: &CloseReason, window: Duration) {
        let routes = self.refuse(reason);
        let registries = routes.registries();
        // Weak: who ends meanwhile is not kept.
        let mut living: Vec<_> = registries
            .flat_map(|registry| registry.living())
            .map(|session| Arc::downgrade(&session))
            .collect();
        living.shuffle(&mut rand::rng());
        let (begun, count) = (tokio::time::Instant::now(), living.len());
        for (index, session) in living.into_iter().enumerate() {
            let due = window.mul_f64(index as f64 / count as f64);
            if begun.elapsed() < due {
                tokio::select! {
                    () = tokio::time::sleep_until(begun + due) => {}
                    // Nobody is left to wait for.
                    () = self.emptied() => break,
                }
            }
            if let Some(session) = session.upgrade() {
                session.shut_down(reason);
            }
        }
        // Those that were being opened meanwhile.
        self.stop(reason);
    }

    /// Refuses new sessions with `reason` from now on; the living ones go on. [`Self::drain`] ends them, [`Self::undrain`] takes it back.
    pub fn close_doors(&self, reason: &CloseReason) {
        self.refuse(reason);
    }

    /// Refuses new sessions everywhere, also of services that a reload adds.
    fn refuse(&self, reason: &CloseReason) -> Arc<Routes> {
        let mut draining = self.0.draining.lock();
        draining.get_or_insert_with(|| reason.clone());
        let routes = self.0.routes.load_full();
        routes
            .registries()
            .for_each(|registry| registry.refuse(reason));
        routes
    }

    /// After [`Self::drain`] or [`Self::stop`]: opens new sessions again. Those that were ended stay ended.
    pub fn undrain(&self) {
        let mut draining = self.0.draining.lock();
        *draining = None;
        let routes = self.0.routes.load();
        let services = routes.services.iter();
        services
            .flat_map(|service| service.registries())
            .for_each(|registry| registry.admit());
        let leaving = routes.leaving.iter();
        leaving
            .flat_map(|service| service.registries())
            .for_each(|registry| registry.stop(&CloseReason::SERVICE_REMOVED));
    }

    /// Whether new sessions are refused because of [`Self::drain`] or [`Self::stop`].
    pub fn is_draining(&self) -> bool {
        self.0.draining.lock().is_some()
    }

    /// Waits until no session lives.
    pub async fn emptied(&self) {
        loop {
            let routes = self.0.routes.load_full();
            for registry in routes.registries() {
                registry.emptied().await;
            }
            // A reload may have added services meanwhile.
            let now = self.0.routes.load();
            if now.registries().all(|registry| registry.is_empty()) {
                return;
            }
        }
    }
}
