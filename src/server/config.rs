//! What an operator can set about the server.

use std::time::Duration;

use crate::protocol::CloseReason;
use crate::registry::ClientPrefixes;

/// Limits of connections and of stopping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// The most connections at a time; each request or WebSocket that is open on an HTTP/2 connection counts as one more.
    /// Default 200 000.
    pub max_connections: usize,
    /// The most connections at a time of one client network: by the address of the TCP peer, or in its PROXY header. Proxies that are
    /// trusted are not counted. `None`, the default, sets no limit.
    pub max_connections_per_client: Option<usize>,
    /// Which addresses are one client network for that.
    pub clients: ClientPrefixes,
    /// Time for a request's head to arrive, from its first byte on, or from the connection's; and for a PROXY header and a TLS
    /// handshake. Default 10 s.
    pub header_timeout: Duration,
    /// Time a connection may be idle between requests. Longer than proxies keep theirs, so that it is they who close and
    /// no request meets a closing connection. Default 75 s.
    pub idle_timeout: Duration,
    /// Largest request head in bytes; also bounds what is buffered per connection. At least 8 KiB. Default 32 KiB.
    pub max_header_size: usize,
    /// Most header fields of a request; more than 4096 are never taken. Default 100.
    pub max_headers: usize,
    /// Whether HTTP/2 is spoken: where TLS negotiates `h2`, and to clients that begin with its preface (RFC 9113 §3). Default yes.
    pub http2: bool,
    /// The most requests and WebSockets at a time on an HTTP/2 connection (RFC 9113 §5.1.2). A proxy carries those of many
    /// browsers on one, and a parked receiver is one. Default 10 000.
    pub http2_max_streams: u32,
    /// Time after which a peer that acknowledges nothing is given up (`TCP_USER_TIMEOUT`, Linux). Default 60 s.
    pub tcp_user_timeout: Option<Duration>,
    /// Silence after which TCP asks whether the peer is still there, and HTTP/2 asks with a PING. `None` does not ask. Default
    /// 60 s.
    pub tcp_keepalive: Option<Duration>,
    /// Whether small writes leave at once (`TCP_NODELAY`). Default yes.
    pub tcp_nodelay: bool,
    /// Whether other processes may listen on the same ports (`SO_REUSEPORT`). Default no.
    pub reuse_port: bool,
    /// Length of the queue of connections not accepted yet. Default 4096.
    pub backlog: u16,
    /// Time over which sessions are ended, in random order, when the server stops. Default none: all at once.
    pub drain_window: Duration,
    /// What they are told. Default 1012 `Service restart`.
    pub drain_reason: CloseReason,
    /// Time that sessions have after that to take what is queued. Default 10 s.
    pub shutdown_grace: Duration,
    /// Time that connections have after that to write what is left. Default 1 s.
    pub close_grace: Duration,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            max_connections: 200_000,
            max_connections_per_client: None,
            clients: ClientPrefixes::default(),
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            max_header_size: 32 * 1024,
            max_headers: 100,
            http2: true,
            http2_max_streams: 10_000,
            tcp_user_timeout: Some(Duration::from_secs(60)),
            tcp_keepalive: Some(Duration::from_secs(60)),
            tcp_nodelay: true,
            reuse_port: false,
            backlog: 4096,
            drain_window: Duration::ZERO,
            drain_reason: CloseReason::SERVICE_RESTART,
            shutdown_grace: Duration::from_secs(10),
            close_grace: Duration::from_secs(1),
        }
    }
}
