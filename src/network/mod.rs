//! What client networks let through: a bounded, expiring memory, read by `/info` and the transports, written by what
//! sessions experience.
//!
//! A *client network* is the browser's address (of IPv6 its first 64 bits), what proxies added to the request, and the browser's family, together
//! hashed with a key of this process. Only browsers are remembered: other programs do not fall back from transport to
//! transport, and are served as configured.
//!
//! | experience | consequence for the network |
//! |---|---|
//! | a WebSocket handshake is swallowed or refused, or the WebSocket dies at once | `/info` answers `websocket: false` |
//! | a WebSocket died right after opening | a Ping is answered before `o` is sent |
//! | the beginning of a stream arrives only with its end | streaming responses end after one frame |
//! | connections die after the same silence | heartbeats come before it |
//! | connections die at the same age | responses end before it |
//!
//! Each has a bound in visits and time and heals by itself (`belief.rs`). All parts take the time as an argument; only
//! `client` locks, and only `finding` logs.

mod belief;
mod client;
mod config;
mod cuts;
mod finding;
mod path;
mod responses;
mod silence;
mod socket;
#[cfg(test)]
mod tests;
mod trial;
mod visit;

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use http::header::{FORWARDED, HeaderName, USER_AGENT, VIA};
use parking_lot::Mutex;

use crate::fields::Fields;
use crate::moment::Moment;
use crate::throttle::Throttle;

pub use client::{Network, Proof};
pub use config::{NetworkConfig, Pin, WebsocketProof};
pub use finding::{Findings, Report};
pub use path::{Path, ResponsePlan};
use silence::Steps;

/// The networks of one service's clients.
pub struct Networks {
    shared: Arc<Shared>,
    hasher: RandomState,
    known: Mutex<Generations>,
    /// Those that are told apart by what proxies say that are not trusted, which may be made up.
    claimed: Mutex<Generations>,
}

/// What the networks of a service have in common.
struct Shared {
    service: Arc<str>,
    config: NetworkConfig,
    steps: Option<Steps>,
    response_age: Option<Duration>,
    sessions: AtomicU64,
    findings: Findings,
    /// Findings are logged, but a flood of them is not.
    log: Throttle,
}

/// Two generations, so that the least recently used half can be forgotten at once.
#[derive(Default)]
struct Generations {
    young: HashMap<u64, Arc<Network>>,
    old: HashMap<u64, Arc<Network>>,
}

impl Networks {
    /// An empty memory. `heartbeat_delay` and `response_max_age` are the service's: nothing learnt makes them longer.
    pub fn new(
        service: Arc<str>,
        config: NetworkConfig,
        heartbeat_delay: Option<Duration>,
        response_max_age: Option<Duration>,
    ) -> Self {
        let steps = heartbeat_delay
            .filter(|_| config.adaptive_heartbeat)
            .map(|target| Steps {
                first: config.first_heartbeat,
                floor: config.heartbeat_floor,
                target,
                remember: config.remember,
            });
        Self {
            shared: Arc::new(Shared {
                service,
                config,
                steps,
                response_age: response_max_age,
                sessions: AtomicU64::new(0),
                findings: Findings::default(),
                log: Throttle::default(),
            }),
            hasher: RandomState::new(),
            known: Mutex::default(),
            claimed: Mutex::default(),
        }
    }

    /// The network that a request of a browser at `client` comes from; `None` when nothing is to be learnt or known of it.
    /// `resolved` says that `client` is what trusted proxies said, so that nothing else in the request names it.
    pub fn of(
        &self,
        client: Option<IpAddr>,
        resolved: bool,
        fields: &Fields,
    ) -> Option<Arc<Network>> {
        self.find(client, resolved, fields)
            .map(|(network, _)| network)
    }

    /// `/info` is answered to a browser at `client`: whether it offers WebSocket, where the service does.
    pub fn offer_websocket(
        &self,
        client: Option<IpAddr>,
        resolved: bool,
        fields: &Fields,
        now: Moment,
        service_does: bool,
    ) -> bool {
        self.find(client, resolved, fields)
            .map_or(service_does, |(network, tunnel)| {
                network.offer_websocket(now, service_does, tunnel.as_deref())
            })
    }

    /// The network of a request, and that of the same browsers without anything that proxies add, if it is known: forward
    /// proxies say what they hand on, but not in the tunnels that WebSockets get through them.
    fn find(
        &self,
        client: Option<IpAddr>,
        resolved: bool,
        fields: &Fields,
    ) -> Option<(Arc<Network>, Option<Arc<Network>>)> {
        let config = &self.shared.config;
        let pin = client.and_then(|client| config.pins.iter().find(|pin| pin.is_for(client)));
        let family = family(fields).filter(|_| config.learn);
        if pin.is_none() && family.is_none() {
            return None;
        }
        let forwarded = if resolved {
            Vec::new()
        } else {
            forwarded(fields)
        };
        // Their names may change with every connection, as those of a content delivery network's edges do.
        let hops = fields.items(&VIA).count();
        let client = client.map(network_of);
        let key = |forwarded: &[String], hops: usize| {
            self.hasher.hash_one((client, family, forwarded, hops))
        };
        let make = || Arc::new(Network::new(Arc::clone(&self.shared), pin.cloned()));
        let get = |memory: &Mutex<Generations>| {
            memory
                .lock()
                .get(key(&forwarded, hops), config.capacity / 2, make)
        };
        let network = if forwarded.is_empty() {
            get(&self.known)
        } else {
            get(&self.claimed)
        };
        let tunnel = if forwarded.is_empty() && hops == 0 {
            None
        } else {
            self.known.lock().peek(key(&[], 0))
        };
        Some((network, tunnel))
    }

    /// What was found out so far.
    pub fn findings(&self) -> &Findings {
        &self.shared.findings
    }
}

impl Generations {
    fn peek(&self, key: u64) -> Option<Arc<Network>> {
        self.young.get(&key).or_else(|| self.old.get(&key)).cloned()
    }

    fn get(
        &mut self,
        key: u64,
        capacity: usize,
        make: impl FnOnce() -> Arc<Network>,
    ) -> Arc<Network> {
        if let Some(network) = self.young.get(&key) {
            return Arc::clone(network);
        }
        let network = self.old.remove(&key).unwrap_or_else(make);
        if self.young.len() >= capacity.div_ceil(2) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, Arc::clone(&network));
        network
    }
}

/// What stands for a client's network: of IPv6 the first half, since a host has as many addresses as it likes below that.
/// (RFC 4291 §2.5.4)
fn network_of(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        address @ IpAddr::V4(_) => address,
    }
}

/// What proxies that are not trusted say of the browser's address, without ports.
fn forwarded(fields: &Fields) -> Vec<String> {
    let added = [
        FORWARDED,
        HeaderName::from_static("x-forwarded-for"),
        HeaderName::from_static("x-real-ip"),
    ];
    let items = added.iter().flat_map(|name| fields.items(name));
    let without_port = |item: &str| match item.parse::<SocketAddr>() {
        Ok(address) => address.ip().to_string(),
        Err(_) => item.to_owned(),
    };
    items.take(MOST_HOPS).map(without_port).collect()
}

/// Longer chains are cut.
const MOST_HOPS: usize = 16;

/// The kind of browser, or `None` for other programs.
fn family(fields: &Fields) -> Option<&'static str> {
    const FAMILIES: [&str; 8] = [
        "Firefox/",
        "Edg",
        "OPR/",
        "SamsungBrowser/",
        "Chrome/",
        "CriOS/",
        "Safari/",
        "Trident/",
    ];
    let agent = fields.get(&USER_AGENT)?.text()?;
    if !agent.starts_with("Mozilla/") {
        return None;
    }
    let known = FAMILIES.into_iter().find(|family| agent.contains(family));
    Some(known.unwrap_or("other"))
}

impl fmt::Debug for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Networks").finish_non_exhaustive()
    }
}
