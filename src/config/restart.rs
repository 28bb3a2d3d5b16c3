//! What of another configuration a running program cannot take over.

use super::Config;
use super::key::{Kind as _, Section};
use super::keys::TOP;
use super::tables::{ListenerTable, Listeners};
use super::value::Value;

/// Tables that are read once, when the program starts.
const AT_START: &[&str] = &["admin", "drain", "server"];

impl Config {
    /// The keys that differ from what `running` was started with and need a restart, like `server.backlog`. Certificates do not, nor
    /// another admin token; but whether one is asked for does.
    pub fn needs_restart(&self, running: &Self) -> Vec<String> {
        let sections = TOP.iter();
        let read_once = sections.filter(|section| AT_START.contains(&section.name));
        let differing = |section: &'static Section<Self>| {
            let keys = section.keys.iter().filter(|key| {
                let written = |config| (key.get)(config).map(|value| value.to_string());
                let is_read_again = section.name == "admin"
                    && key.field.name == "token_file"
                    && self.admin.token_file.is_some()
                    && running.admin.token_file.is_some();
                written(self) != written(running) && !is_read_again
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

    /// The listeners of `running`, which stay open, with the certificates that this configuration has for them. They are told apart as
    /// [`Certificates::reload`](crate::server::Certificates::reload) does.
    pub(super) fn open_listeners(&self, running: &Self) -> Option<Value> {
        let speaks_tls = |listener: &ListenerTable| !listener.tls.certificates.is_empty();
        let mut left: Vec<_> = self.listeners.iter().collect();
        let mut open = running.listeners.clone();
        for listener in &mut open {
            let of_address = |other: &&ListenerTable| other.address == listener.address;
            let Some(place) = left.iter().position(of_address) else {
                continue;
            };
            let other = left.remove(place);
            if speaks_tls(listener) && speaks_tls(other) {
                listener.tls.clone_from(&other.tls);
            }
        }
        Listeners::show(&open)
    }
}
