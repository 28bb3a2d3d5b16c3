//! A SockJS server that puts every SockJS transport, and raw WebSocket, in front of whatever a session should talk to:
//! an existing WebSocket server, or a handler of yours.
//!
//! ```no_run
//! use sockjs_gateway::{Connection, Gateway, Server, ServerConfig, ServiceConfig};
//!
//! /// Sends every message back.
//! async fn echo(mut connection: Connection) {
//!     while let Some(message) = connection.recv().await {
//!         if connection.send(message).await.is_err() {
//!             break;
//!         }
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let gateway = Gateway::builder().service(ServiceConfig::new("/echo"), echo).build()?;
//!     let server = Server::bind("127.0.0.1:8081".parse()?, gateway, ServerConfig::default())?;
//!     server.serve(std::future::pending()).await;
//!     Ok(())
//! }
//! ```
//!
//! A [`Gateway`] is also a [`hyper::service::Service`] and, with feature `tower`, a `tower::Service` that mounts in axum
//! (`examples/axum.rs`).
//!
//! # Where things are
//!
//! | module | what |
//! |---|---|
//! | [`protocol`] | SockJS on the wire, pure: frames, escaping, URLs |
//! | [`session`] | one session as a state machine, pure |
//! | [`fields`] | the header fields of a request |
//! | [`identity`] | who opened a session |
//! | `auth` | tokens (feature `auth`, on by default) |
//! | [`network`] | what client networks let through: learnt, bounded, expiring |
//! | [`registry`] | living sessions, [`Backend`] and [`Connection`] |
//! | [`metrics`] | what is measured, for Prometheus and in OpenMetrics |
//! | [`transport`] | HTTP ⇄ session, one file per transport |
//! | [`service`] | [`Gateway`]: prefixes, origins, CORS, cookies |
//! | [`doctor`] | what a network does to SockJS, and what to change |
//! | [`backend`] | echo, broadcast, `ws://` and `wss://` upstreams |
//! | [`server`] | [`Server`]: a TCP port with limits, graceful stop |
//! | `client` | a SockJS client (feature `client`, part of `cli`) |
//! | `admin`, `arguments`, `bench`, `config`, `cli`, `probe`, `recipes`, `remote` | the program `sockjs-gateway` (feature `cli`, on by default) |
//!
//! # What is promised
//!
//! Messages arrive in order and once. A message that provably never left for the browser is not lost silently: the session
//! ends with a named code and [`Connection::take_undelivered`] has it. (Where an application serves the [`Gateway`] itself, this
//! means: was not handed to the server. [`Server`] also knows what was written.) What a network lost after it left is not known to
//! anyone: SockJS has no acknowledgement.

#![warn(missing_docs)]

#[cfg(feature = "cli")]
mod admin;
#[cfg(feature = "cli")]
mod arguments;
#[cfg(feature = "auth")]
pub mod auth;
pub mod backend;
#[cfg(feature = "cli")]
mod bench;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "client")]
pub mod client;
mod closes;
#[cfg(feature = "cli")]
pub mod config;
pub mod doctor;
pub mod fields;
pub mod identity;
pub mod metrics;
pub mod moment;
pub mod network;
#[cfg(any(feature = "auth", feature = "client"))]
#[cfg_attr(
    not(all(feature = "auth", feature = "client")),
    allow(dead_code, reason = "each of the two uses a part")
)]
mod outward;
#[cfg(feature = "cli")]
mod probe;
mod procfs;
pub mod protocol;
#[cfg(feature = "cli")]
pub mod recipes;
pub mod registry;
#[cfg(feature = "cli")]
mod remote;
mod secret;
pub mod server;
pub mod service;
pub mod session;
mod throttle;
pub mod transport;
mod websocket;

#[doc(inline)]
pub use backend::{Upstream, UpstreamConfig};
#[doc(inline)]
pub use identity::{Authentication, Authenticator, Identity, Refusal, SessionBinding};
#[doc(inline)]
pub use network::{Findings, NetworkConfig, Pin, WebsocketProof};
#[doc(inline)]
pub use protocol::{CloseReason, Message};
#[doc(inline)]
pub use registry::{
    Backend, ClientLimits, ClientPrefixes, Connection, Counts, Handshake, Negotiated, Negotiation,
    NegotiationFailed, Peer, Reaching, SendError, Sender, Sending, Served,
};
#[doc(inline)]
pub use server::{
    BindError, CertificateFiles, Certificates, ConnectionCounts, ListenAddress, ListenerConfig,
    Server, ServerConfig, TlsConfig, TlsError, TlsRemark,
};
#[doc(inline)]
pub use service::{
    AllowedOrigin, ConfigError, ConnectionInfo, CorsFields, Gateway, GatewayBuilder, GatewayConfig,
    HealthConfig, InvalidOrigin, Origins, Readiness, ServiceConfig, ServiceLook, TrustedProxies,
    UpstreamHealth,
};
#[doc(inline)]
pub use session::{
    End, EndCause, InboundRate, QueueLimits, RateExceeded, RateLimit, SessionConfig, SlowConsumer,
};
#[doc(inline)]
pub use transport::{Chunks, TransportConfig};
