//! What an operator can set about the memory of client networks.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

/// What is learnt of client networks, and what is known beforehand.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NetworkConfig {
    /// Whether anything is learnt. Default yes. Without, only the pins apply.
    pub learn: bool,
    /// Most networks remembered; those not seen for longest are forgotten first. Default 16384, about 1.6 KiB each. Half of
    /// them are for networks that are told apart by forwarding fields of proxies that are not trusted.
    pub capacity: usize,
    /// Whether heartbeats follow what the network shows. Default yes.
    pub adaptive_heartbeat: bool,
    /// Silence after which a new network's first session gets a heartbeat; longer silences are tried step by step, up to
    /// `heartbeat_delay`. Default 2 s.
    pub first_heartbeat: Duration,
    /// Shortest heartbeat ever learnt. Default 1 s.
    pub heartbeat_floor: Duration,
    /// How long a learnt timer holds. Default 24 h.
    pub remember: Duration,
    /// When a WebSocket has to answer a Ping before it gets its `o`.
    pub prove_websocket: WebsocketProof,
    /// What is known of networks beforehand; the first that matches counts.
    pub pins: Vec<Pin>,
}

/// When a SockJS WebSocket has to answer a Ping before `o` is sent, so that a network that kills WebSockets right after
/// opening is noticed while sockjs-client can still fall back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WebsocketProof {
    /// On networks where WebSockets died like that; on those nothing is known of, for at most 100 ms; not on others.
    #[default]
    Auto,
    /// Always: one round trip more.
    Always,
    /// Never.
    Never,
}

/// What an operator knows of a network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pin {
    /// Addresses of the browsers, after trusted proxies.
    pub clients: Vec<IpNet>,
    /// Silence after which a heartbeat is sent.
    pub heartbeat_delay: Option<Duration>,
    /// Whether `/info` offers WebSocket.
    pub websocket: Option<bool>,
    /// Whether streaming responses end after one frame.
    pub one_frame: Option<bool>,
}

impl Pin {
    pub(super) fn is_for(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        self.clients.iter().any(|network| network.contains(&client))
    }
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self {
            learn: true,
            capacity: 16_384,
            adaptive_heartbeat: true,
            first_heartbeat: Duration::from_secs(2),
            heartbeat_floor: Duration::from_secs(1),
            remember: Duration::from_secs(24 * 60 * 60),
            prove_websocket: WebsocketProof::Auto,
            pins: Vec::new(),
        }
    }
}
