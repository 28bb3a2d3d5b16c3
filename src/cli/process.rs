//! What the admin listener asks of the program.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use crate::admin::{ListenerAbout, Process, ReloadOutcome, Reloading, ServiceAbout};
use crate::backend::without_secrets;
use crate::config::Config;
use crate::protocol::CloseReason;

/// Where what comes of a reload is to be told.
pub(super) type Asked = oneshot::Sender<Result<ReloadOutcome, Vec<String>>>;

/// The program as its operators see it.
pub(super) struct Program {
    in_force: ArcSwap<InForce>,
    listeners: Vec<ListenerAbout>,
    drain: (CloseReason, Duration),
    stopping: Arc<AtomicBool>,
    reload: mpsc::Sender<Asked>,
}

/// What a reload replaces.
struct InForce {
    services: Vec<ServiceAbout>,
    config: Value,
}

impl InForce {
    /// Of what was read last, in a program that was started with `running`.
    fn of(config: &Config, running: &Config) -> Self {
        let about = |service: &crate::config::ConfiguredService| ServiceAbout {
            prefix: Arc::clone(&service.settings.config.prefix),
            name: service.settings.name(),
            backend: without_secrets(&service.settings.backend),
        };
        Self {
            services: config.services.iter().map(about).collect(),
            config: config.show_beside(running),
        }
    }
}

impl Program {
    /// Reloads are asked for on `reload`.
    pub(super) fn new(
        config: &Config,
        listeners: Vec<ListenerAbout>,
        stopping: Arc<AtomicBool>,
        reload: mpsc::Sender<Asked>,
    ) -> Arc<Self> {
        Arc::new(Self {
            in_force: ArcSwap::from_pointee(InForce::of(config, config)),
            listeners,
            drain: (
                config.server.drain_reason.clone(),
                config.server.drain_window,
            ),
            stopping,
            reload,
        })
    }

    /// This configuration is in force now, but for what needs a restart: that is as in `running`.
    pub(super) fn reloaded(&self, config: &Config, running: &Config) {
        self.in_force.store(Arc::new(InForce::of(config, running)));
    }
}

impl Process for Program {
    fn services(&self) -> Vec<ServiceAbout> {
        self.in_force.load().services.clone()
    }

    fn listeners(&self) -> Vec<ListenerAbout> {
        self.listeners.clone()
    }

    fn config(&self) -> Value {
        self.in_force.load().config.clone()
    }

    fn drain(&self) -> (CloseReason, Duration) {
        self.drain.clone()
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    fn reload(&self) -> Reloading {
        let (asked, outcome) = oneshot::channel();
        let requests = self.reload.clone();
        let stopping = Arc::clone(&self.stopping);
        Box::pin(async move {
            let is_stopping = || stopping.load(Ordering::Relaxed);
            if is_stopping() {
                return None;
            }
            requests.send(asked).await.ok()?;
            let outcome = outcome.await.ok()?;
            // It may have begun to stop before it came to this.
            outcome
                .map(Some)
                .or_else(|mistakes| {
                    if is_stopping() {
                        Ok(None)
                    } else {
                        Err(mistakes)
                    }
                })
                .transpose()
        })
    }
}
