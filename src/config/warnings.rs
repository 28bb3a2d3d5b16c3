//! What is allowed, but seldom meant.

use std::time::Duration;

use crate::service::Origins;

use super::mistake::Mistake;
use super::units::{write_duration, write_size};
use super::{Config, ServiceSettings};

/// After which sockjs-client gives up a jsonp poll; fixed there.
const JSONP_TIMEOUT: Duration = Duration::from_secs(35);
const JSONP: &str = "jsonp-polling";

impl Config {
    /// What is allowed but seldom meant.
    pub fn warnings(&self) -> Vec<Mistake> {
        let mut warnings: Vec<_> = self.admin_warning().into_iter().collect();
        warnings.extend(self.auth_warnings());
        warnings.extend(self.tls_warnings());
        let mut proxies = self.gateway.trusted_proxies.entries();
        if let Some(everybody) = proxies.find(|network| network.ends_with("/0")) {
            let origin = self.origin_of("", "trusted_proxies");
            let what = format!(
                "{everybody} is everybody: whoever connects can say that it is another, and what the host and scheme are that origins are compared with; name the proxies alone"
            );
            warnings.push(Mistake::new(&origin, "trusted_proxies", what));
        }
        for (index, service) in self.services.iter().enumerate() {
            self.warn_of_service(index, &service.settings, &mut warnings);
        }
        warnings
    }

    fn warn_of_service(
        &self,
        index: usize,
        settings: &ServiceSettings,
        warnings: &mut Vec<Mistake>,
    ) {
        let config = &settings.config;
        let mut warn = |section: &str, key: &str, what: &str| {
            let origin = self.origin_in_service(index, section, key);
            let dot = if section.is_empty() { "" } else { "." };
            let key = format!("service {:?}: {section}{dot}{key}", config.prefix);
            warnings.push(Mistake::new(&origin, key, what));
        };
        let beat = config.session.heartbeat_delay;
        if beat.is_none_or(|delay| delay >= JSONP_TIMEOUT) && config.offers(JSONP) {
            let what = "sockjs-client gives up a jsonp poll in which nothing has come for 35 s; write less than \"35s\", or transports without jsonp-polling";
            warn("", "heartbeat_delay", what);
        }
        match &config.origins {
            Origins::Any => {
                let what =
                    "pages of every site may use this service; a list of origins limits them";
                warn("", "origins", what);
            }
            Origins::List(list) => {
                for wide in list
                    .iter()
                    .filter(|origin| is_of_whole_domain(&origin.to_string()))
                {
                    let what = format!(
                        "{wide} is every site below a top-level domain, and anybody can have one there; name the sites"
                    );
                    warn("", "origins", &what);
                }
            }
            Origins::Same => {}
        }
        let all = &self.gateway;
        if config.max_sessions > all.max_sessions && self.is_written(index, "max_sessions") {
            let what = format!(
                "is more than max_sessions of all services together ({})",
                all.max_sessions
            );
            warn("", "max_sessions", &what);
        }
        if config.queue_memory > all.queue_memory && self.is_written(index, "queue_memory") {
            let most = write_size(all.queue_memory);
            let what = format!("is more than queue_memory of all services together ({most})");
            warn("", "queue_memory", &what);
        }
        let memory = config.queue_memory.min(all.queue_memory);
        if config.session.outbound.bytes > memory {
            let what = format!(
                "one session whose browser reads slowly can fill queue_memory ({})",
                write_size(memory)
            );
            warn("", "outbound_bytes", &what);
        }
        if let Some(delay) = beat {
            let pins = config.network.pins.iter();
            for pinned in pins
                .filter_map(|pin| pin.heartbeat_delay)
                .filter(|own| *own > delay)
            {
                let what = format!(
                    "a heartbeat_delay of {} has no effect above that of the service ({})",
                    write_duration(pinned),
                    write_duration(delay)
                );
                warn("network", "pin", &what);
            }
        }
    }

    /// Whether somebody has said something of a service's key.
    fn is_written(&self, index: usize, key: &str) -> bool {
        self.origin_in_service(index, "", key) != super::Origin::Default
    }
}

/// Whether an origin is every site of a top-level domain, as `https://*.com` is.
fn is_of_whole_domain(origin: &str) -> bool {
    let below = origin.split_once("://*.").map(|(_, below)| below);
    let domain = below.map(|below| below.split(':').next().unwrap_or_default());
    domain
        .is_some_and(|domain| !domain.trim_end_matches('.').contains('.') && domain != "localhost")
}
