//! What of another configuration a running program cannot take over.

use super::Config;
use super::key::Section;
use super::keys::TOP;

/// Tables that are read once, when the program starts.
const AT_START: &[&str] = &["admin", "drain", "server"];

impl Config {
    /// The keys that differ from what `running` was started with and need a restart, like `server.backlog`. Certificates do not.
    pub fn needs_restart(&self, running: &Self) -> Vec<String> {
        let sections = TOP.iter();
        let read_once = sections.filter(|section| AT_START.contains(&section.name));
        let differing = |section: &'static Section<Self>| {
            let keys = section.keys.iter().filter(|key| {
                let written = |config| (key.get)(config).map(|value| value.to_string());
                written(self) != written(running)
            });
            keys.map(|key| format!("{}.{}", section.name, key.field.name))
        };
        let mut keys: Vec<_> = read_once.flat_map(differing).collect();
        if self.listen != running.listen {
            keys.push("listen".to_owned());
        }
        let places = |config: &Self| {
            let listeners = config.listeners.iter().map(|listener| {
                let tls = !listener.tls.certificates.is_empty();
                let (address, proxy_protocol) = (listener.address.clone(), listener.proxy_protocol);
                (address, tls, proxy_protocol, listener.mode)
            });
            listeners.collect::<Vec<_>>()
        };
        if places(self) != places(running) {
            keys.push("listener".to_owned());
        }
        keys
    }
}
