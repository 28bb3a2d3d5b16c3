//! Keys that say nothing without another one: who writes them expects something that will not happen.

use std::time::Duration;

use crate::network::{NetworkConfig, WebsocketProof};
use crate::registry::ClientPrefixes;
use crate::server::ServerConfig;
use crate::service::Origins;
use crate::session::{InboundRate, SessionConfig, SlowConsumer};
use crate::transport::{TRANSPORTS, TransportConfig};

use super::key::Key;
use super::keys::SERVICE;
use super::mistake::Mistake;
use super::value::{Content, Table, Value};
use super::{Config, ServiceSettings};

/// A key, whether it means something beside the others, and what to write as well. Defaults may be written without it: they are printed.
struct Condition<C> {
    section: &'static str,
    key: &'static str,
    /// The keys that give it an effect.
    needs: &'static [&'static str],
    holds: fn(&C) -> bool,
    lacks: &'static str,
}

/// Of keys outside of services.
const OF_TOP: &[Condition<Config>] = &[
    Condition {
        section: "server",
        key: "client_ipv4_prefix",
        needs: &["server.max_connections_per_client"],
        holds: |config| {
            let usual = ServerConfig::default().clients.ipv4;
            config.server.max_connections_per_client.is_some()
                || config.server.clients.ipv4 == usual
        },
        lacks: "max_connections_per_client",
    },
    Condition {
        section: "server",
        key: "client_ipv6_prefix",
        needs: &["server.max_connections_per_client"],
        holds: |config| {
            let usual = ServerConfig::default().clients.ipv6;
            config.server.max_connections_per_client.is_some()
                || config.server.clients.ipv6 == usual
        },
        lacks: "max_connections_per_client",
    },
    Condition {
        section: "admin",
        key: "tap_contents",
        needs: &["admin.listen"],
        holds: |config| config.admin.listen.is_some() || !config.admin.tap_contents,
        lacks: "admin.listen",
    },
];

/// Of keys of a service.
const CONDITIONS: &[Condition<ServiceSettings>] = &[
    Condition {
        section: "",
        key: "max_sessions_per_user",
        needs: &["auth"],
        holds: |settings| settings.auth.is_some(),
        lacks: "auth = \"NAME\", which says who users are",
    },
    Condition {
        section: "",
        key: "sessions_burst",
        needs: &["sessions_per_second"],
        holds: |settings| settings.config.openings.per_second.is_some(),
        lacks: "sessions_per_second",
    },
    Condition {
        section: "",
        key: "sessions_burst_per_client",
        needs: &["sessions_per_second_per_client"],
        holds: |settings| settings.config.clients.openings.per_second.is_some(),
        lacks: "sessions_per_second_per_client",
    },
    Condition {
        section: "",
        key: "messages_burst",
        needs: &["messages_per_second"],
        holds: |settings| rate(settings).messages.per_second.is_some(),
        lacks: "messages_per_second",
    },
    Condition {
        section: "",
        key: "bytes_burst",
        needs: &["bytes_per_second"],
        holds: |settings| rate(settings).bytes.per_second.is_some(),
        lacks: "bytes_per_second",
    },
    Condition {
        section: "",
        key: "rate_exceeded",
        needs: &["messages_per_second", "bytes_per_second"],
        holds: |settings| {
            let rate = rate(settings);
            rate.is_limited() || rate.exceeded == InboundRate::default().exceeded
        },
        lacks: "messages_per_second or bytes_per_second",
    },
    Condition {
        section: "",
        key: "slow_consumer_timeout",
        needs: &["slow_consumer"],
        holds: |settings| {
            let (session, usual) = (&settings.config.session, SessionConfig::default());
            session.slow_consumer == SlowConsumer::Close
                || session.slow_consumer_timeout == usual.slow_consumer_timeout
        },
        lacks: "slow_consumer = \"close\"",
    },
    Condition {
        section: "",
        key: "doctor_results",
        needs: &["doctor"],
        holds: |settings| settings.config.doctor || settings.config.doctor_results == 0,
        lacks: "doctor = true",
    },
    Condition {
        section: "",
        key: "allow_missing_origin",
        needs: &["origins"],
        holds: |settings| {
            settings.config.allow_missing_origin || settings.config.origins != Origins::Any
        },
        lacks: "origins = \"same\" or a list: with \"*\" every page is let in, and so is every program",
    },
    Condition {
        section: "",
        key: "transports",
        needs: &["websocket"],
        holds: |settings| settings.config.transports.is_none() || has_transports(settings),
        lacks: "websocket = true: none of these transports is left",
    },
    Condition {
        section: "",
        key: "max_message_size",
        needs: &["max_body_size"],
        holds: |settings| {
            let (own, usual) = (&settings.config.transport, TransportConfig::default());
            let size = own.messages.max_message_size;
            size <= own.max_body_size || size == usual.messages.max_message_size
        },
        lacks: "a max_body_size that is as large",
    },
    Condition {
        section: "",
        key: "client_ipv4_prefix",
        needs: OF_CLIENTS,
        holds: |settings| {
            let usual = ClientPrefixes::default().ipv4;
            tells_clients_apart(settings) || settings.config.clients.prefixes.ipv4 == usual
        },
        lacks: "max_sessions_per_client, sessions_per_second_per_client or auth",
    },
    Condition {
        section: "",
        key: "client_ipv6_prefix",
        needs: OF_CLIENTS,
        holds: |settings| {
            let usual = ClientPrefixes::default().ipv6;
            tells_clients_apart(settings) || settings.config.clients.prefixes.ipv6 == usual
        },
        lacks: "max_sessions_per_client, sessions_per_second_per_client or auth",
    },
    Condition {
        section: "network",
        key: "prove_websocket",
        needs: &["network.learn", "network.pin"],
        holds: |settings| {
            let network = network(settings);
            let is_known = network.learn || !network.pins.is_empty();
            is_known || network.prove_websocket != WebsocketProof::Always
        },
        lacks: "learn = true",
    },
    Condition {
        section: "network",
        key: "first_heartbeat",
        needs: &["network.learn", "network.adaptive_heartbeat"],
        holds: |settings| {
            let usual = NetworkConfig::default().first_heartbeat;
            adapts(settings) || network(settings).first_heartbeat == usual
        },
        lacks: "learn = true, adaptive_heartbeat = true and a heartbeat_delay",
    },
    Condition {
        section: "network",
        key: "first_heartbeat",
        needs: &["heartbeat_delay"],
        holds: |settings| {
            let (first, usual) = (network(settings).first_heartbeat, NetworkConfig::default());
            !adapts(settings) || first == usual.first_heartbeat || is_within_delay(settings, first)
        },
        lacks: "a heartbeat_delay that is as long",
    },
    Condition {
        section: "network",
        key: "heartbeat_floor",
        needs: &["network.learn", "network.adaptive_heartbeat"],
        holds: |settings| {
            let usual = NetworkConfig::default().heartbeat_floor;
            adapts(settings) || network(settings).heartbeat_floor == usual
        },
        lacks: "learn = true, adaptive_heartbeat = true and a heartbeat_delay",
    },
    Condition {
        section: "network",
        key: "heartbeat_floor",
        needs: &["heartbeat_delay"],
        holds: |settings| {
            let (floor, usual) = (network(settings).heartbeat_floor, NetworkConfig::default());
            !adapts(settings) || floor == usual.heartbeat_floor || is_within_delay(settings, floor)
        },
        lacks: "a heartbeat_delay that is as long",
    },
];

const OF_CLIENTS: &[&str] = &[
    "max_sessions_per_client",
    "sessions_per_second_per_client",
    "auth",
];

/// Whether a transport is left.
fn has_transports(settings: &ServiceSettings) -> bool {
    let config = &settings.config;
    TRANSPORTS.iter().any(|transport| {
        let mut endpoints = transport.endpoints.iter();
        let is_served = config.websocket || endpoints.any(|endpoint| !endpoint.hints.websocket);
        is_served && config.offers(transport.name)
    })
}

fn tells_clients_apart(settings: &ServiceSettings) -> bool {
    let clients = &settings.config.clients;
    let is_limited = clients.sessions.is_some() || clients.openings.per_second.is_some();
    // Whom an authenticator asks, client networks take turns at.
    is_limited || settings.auth.is_some()
}

fn network(settings: &ServiceSettings) -> &NetworkConfig {
    &settings.config.network
}

/// Whether heartbeats are learnt.
fn adapts(settings: &ServiceSettings) -> bool {
    let network = network(settings);
    let beats = settings.config.session.heartbeat_delay.is_some();
    network.learn && network.adaptive_heartbeat && beats
}

fn is_within_delay(settings: &ServiceSettings, silence: Duration) -> bool {
    let delay = settings.config.session.heartbeat_delay;
    delay.is_none_or(|delay| silence <= delay)
}

/// Whether keys of `[service.upstream]` are of any use.
fn has_upstream(settings: &ServiceSettings) -> bool {
    let backend = &settings.backend;
    backend.starts_with("ws:") || backend.starts_with("wss:")
}

/// Keys of `[service.upstream]` that are not as by default.
fn of_upstream(settings: &ServiceSettings) -> impl Iterator<Item = &'static str> {
    let usual = ServiceSettings::default();
    let mut sections = SERVICE.iter();
    let section = sections.find(|section| section.name == "upstream");
    let keys = section.into_iter().flat_map(|section| section.keys);
    let written = |key: &Key<ServiceSettings>, settings: &ServiceSettings| {
        (key.get)(settings).map(|value| value.to_string())
    };
    let changed = keys.filter(move |key| written(key, settings) != written(key, &usual));
    let names: Vec<_> = changed.map(|key| key.field.name).collect();
    names.into_iter()
}

fn rate(settings: &ServiceSettings) -> &InboundRate {
    &settings.config.session.inbound_rate
}

/// Without what a key of a section has no effect.
pub(super) fn needed(path: &str, key: &str) -> Option<&'static str> {
    fn lacks<C>(conditions: &[Condition<C>], section: &str, key: &str) -> Option<&'static str> {
        let mut conditions = conditions.iter();
        let is_it = |one: &&Condition<C>| one.section == section && one.key == key;
        conditions.find(is_it).map(|condition| condition.lacks)
    }
    match path.split_once('.') {
        Some(("service", section)) => lacks(CONDITIONS, section, key),
        None if path == "service" => lacks(CONDITIONS, "", key),
        _ => lacks(OF_TOP, path, key),
    }
}

/// Keys that have no effect in a service, whether they are set or not: their sections and names.
pub(super) fn idle(
    settings: &ServiceSettings,
) -> impl Iterator<Item = (&'static str, &'static str)> {
    let idle = CONDITIONS
        .iter()
        .filter(|condition| !(condition.holds)(settings));
    let idle = idle.map(|condition| (condition.section, condition.key));
    let upstream = of_upstream(settings).filter(|_| !has_upstream(settings));
    let idle: Vec<_> = idle.chain(upstream.map(|key| ("upstream", key))).collect();
    idle.into_iter()
}

/// What in the service's own table has no effect. In `[defaults]` a key may wait for the service that gives it one. Nothing is said
/// where one of the keys is `unknown`.
pub(super) fn unmet(
    settings: &ServiceSettings,
    table: &Table,
    unknown: impl Fn(&str) -> bool,
) -> Vec<Mistake> {
    let mut unmet = find_unmet(CONDITIONS, settings, table, &unknown);
    let upstream = match table.get("upstream").map(|value| &value.content) {
        Some(Content::Table(upstream)) if !unknown("backend") && !has_upstream(settings) => {
            upstream
        }
        _ => return unmet,
    };
    for key in of_upstream(settings) {
        if let Some(value) = upstream.get(key) {
            let key = format!("upstream.{key}");
            unmet.push(without(value, key, "a ws:// or wss:// backend"));
        }
    }
    unmet
}

/// What outside of services has no effect.
pub(super) fn unmet_outside(
    config: &Config,
    table: &Table,
    unknown: impl Fn(&str) -> bool,
) -> Vec<Mistake> {
    find_unmet(OF_TOP, config, table, &unknown)
}

fn find_unmet<C>(
    conditions: &[Condition<C>],
    config: &C,
    table: &Table,
    unknown: &impl Fn(&str) -> bool,
) -> Vec<Mistake> {
    let unmet = conditions.iter().filter_map(|condition| {
        let Condition { section, key, .. } = condition;
        let (table, path) = match (*section, table.get(section).map(|value| &value.content)) {
            ("", _) => (table, (*key).to_owned()),
            (section, Some(Content::Table(table))) => (table, format!("{section}.{key}")),
            _ => return None,
        };
        let value = table.get(key)?;
        let mut keys = condition.needs.iter().copied().chain([path.as_str()]);
        let unmet = !(condition.holds)(config) && !keys.any(unknown);
        unmet.then(|| without(value, path.clone(), condition.lacks))
    });
    unmet.collect()
}

fn without(value: &Value, key: String, lacks: &str) -> Mistake {
    let what = format!("has no effect without {lacks}; write that too, or leave this out");
    Mistake::new(&value.origin, key, what)
}
