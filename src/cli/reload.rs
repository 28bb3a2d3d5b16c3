//! SIGHUP: the configuration is read again, checked as a whole, and takes the place of what is in force.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info, warn};

use super::settings::Settings;
use crate::config::Config;
use crate::server::Certificates;
use crate::service::Gateway;

/// What is needed to read it again, and what it is for.
pub(super) struct Reload {
    pub(super) settings: Settings,
    pub(super) gateway: Gateway,
    pub(super) certificates: Certificates,
}

/// Logs what is allowed but seldom meant.
pub(super) fn warn_of(config: &Config) {
    for warning in config.warnings() {
        warn!(place = %warning.origin, "{}: {}", warning.key, warning.what);
    }
}

impl Reload {
    /// Reloads at each SIGHUP, for ever. `config` is what is in force.
    pub(super) async fn at_signals(self, mut config: Config) {
        let mut signals = match signal(SignalKind::hangup()) {
            Ok(signals) => signals,
            Err(error) => return warn!(%error, "SIGHUP will not reload the configuration"),
        };
        while signals.recv().await.is_some() {
            match self.reload(&config) {
                Ok(next) => config = next,
                Err(mistakes) => {
                    for mistake in mistakes.lines() {
                        error!("{mistake}");
                    }
                    error!("the configuration was not reloaded; what was in force stays");
                }
            }
        }
    }

    /// The configuration that is in force then.
    fn reload(&self, before: &Config) -> Result<Config, String> {
        let config = self.settings.load(None)?;
        // From here on nothing can be wrong but files that changed in this moment.
        let listeners = config.all_listeners();
        let certificates = self.certificates.reload(&listeners);
        certificates.map_err(|error| error.to_string())?;
        let reloaded = self.gateway.reload(config.builder());
        let reloaded = reloaded.map_err(|error| error.to_string())?;
        warn_of(&config);
        let addresses = |config: &Config| {
            let listeners = config.all_listeners().into_iter();
            listeners
                .map(|listener| {
                    (
                        listener.address,
                        listener.tls.is_some(),
                        listener.proxy_protocol,
                    )
                })
                .collect::<Vec<_>>()
        };
        if addresses(&config) != addresses(before) || config.server != before.server {
            warn!("listeners and [server] are as they were; changes of theirs need a restart");
        }
        let names = |prefixes: &[Arc<str>]| prefixes.join(" ");
        info!(
            added = names(&reloaded.added),
            removed = names(&reloaded.removed),
            "configuration reloaded"
        );
        Ok(config)
    }
}
