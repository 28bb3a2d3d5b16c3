//! `ws://` and `wss://`: one upstream WebSocket per session.

mod dial;
mod link;
mod relay;
#[cfg(feature = "tls")]
pub(crate) mod tls_failure;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use http::header::{AUTHORIZATION, COOKIE, HeaderName, ORIGIN, USER_AGENT};
use tracing::debug;

use crate::registry::{
    Backend, Connection, Dials, Handshake, Health, LOG, Negotiated, Negotiation, NegotiationFailed,
    Reaching, Served,
};

use super::BackendError;
#[cfg(feature = "tls")]
pub(crate) use dial::connector as tls_connector;
use dial::{Dialled, Dialler};
#[cfg(any(feature = "auth", feature = "client"))]
pub(crate) use link::Link;

/// What an operator can set about upstream connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamConfig {
    /// Time for a dial: name, TCP, TLS and handshake. Default 10 s.
    pub dial_timeout: Duration,
    /// Fields of the browser's request that are passed on. `x-forwarded-for`, `-proto` and `-host` are made here, from what
    /// trusted proxies said. Default: cookie, authorization, user-agent, origin and those three.
    pub headers: Vec<HeaderName>,
    /// What happens to a binary message for a browser on SockJS, which carries text only.
    pub binary: BinaryPolicy,
    /// Silence of the upstream after which it is pinged. `None` never pings. Default 25 s.
    pub ping_delay: Option<Duration>,
    /// Time it has to answer a Ping, or a close. Default 10 s.
    pub pong_timeout: Duration,
    /// Longest message taken from the upstream, in bytes. Default 4 MiB.
    pub max_message_size: usize,
    /// Certificates (PEM) that `wss://` upstreams may be signed by, instead of the system's.
    pub ca_file: Option<std::path::PathBuf>,
}

impl UpstreamConfig {
    /// Finds what is wrong.
    ///
    /// # Errors
    /// [`BackendError::ForbiddenHeader`] for a field that must not be passed on.
    pub fn check(&self) -> Result<(), BackendError> {
        self.headers.iter().try_for_each(check_passed_on)
    }
}

/// Checks that a field of the browser's request may be passed on.
///
/// # Errors
/// [`BackendError::ForbiddenHeader`]
pub(crate) fn check_passed_on(name: &HeaderName) -> Result<(), BackendError> {
    if dial::is_forbidden(name) {
        Err(BackendError::ForbiddenHeader(name.to_string()))
    } else {
        Ok(())
    }
}

/// What happens to a binary message that SockJS cannot carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BinaryPolicy {
    /// The session is closed with 1003.
    #[default]
    Close,
    /// It is sent as base64 text (RFC 4648 §4).
    Base64,
}

/// `x-forwarded-for`
pub(super) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// `x-forwarded-proto`
pub(super) const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// `x-forwarded-host`
pub(super) const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

impl Default for UpstreamConfig {
    fn default() -> Self {
        Self {
            dial_timeout: Duration::from_secs(10),
            headers: vec![
                COOKIE,
                AUTHORIZATION,
                USER_AGENT,
                ORIGIN,
                X_FORWARDED_FOR,
                X_FORWARDED_PROTO,
                X_FORWARDED_HOST,
            ],
            binary: BinaryPolicy::Close,
            ping_delay: Some(Duration::from_secs(25)),
            pong_timeout: Duration::from_secs(10),
            max_message_size: 4 << 20,
            ca_file: None,
        }
    }
}

/// A WebSocket server that sessions are passed on to.
#[derive(Debug)]
pub struct Upstream {
    dialler: Arc<Dialler>,
}

impl Upstream {
    /// An upstream at `url`, such as `ws://127.0.0.1:9000/socket?room=1`. Nothing is dialled yet.
    ///
    /// # Errors
    /// [`BackendError`] for a URL that is not `ws://` or `wss://`, for header fields that must not be passed on, and for
    /// certificates that cannot be read.
    pub fn new(url: &str, config: UpstreamConfig) -> Result<Self, BackendError> {
        Dialler::new(url, config).map(|dialler| Self {
            dialler: Arc::new(dialler),
        })
    }
}

impl Backend for Upstream {
    /// Dials when the browser has shown that it receives, so that a half-working transport leaves no trace upstream.
    fn serve(&self, mut connection: Connection) -> Served {
        let dialler = Arc::clone(&self.dialler);
        Box::pin(async move {
            let dialled = match connection.take_negotiated::<Dialled>() {
                Some(dialled) => *dialled,
                None => {
                    if !connection.proven().await {
                        return;
                    }
                    // Boxed: what a dial needs is not kept for the life of the session.
                    let dial = Box::pin(dialler.dial(connection.handshake(), &[]));
                    let dialled = tokio::select! {
                        biased;
                        dialled = dial => dialled,
                        () = connection.abandoned() => return,
                    };
                    match dialled {
                        Ok(dialled) => {
                            debug!(target: LOG, session = %connection.id(), upstream = %dialler, "upstream dialled");
                            dialled
                        }
                        Err(failure) => {
                            debug!(target: LOG, session = %connection.id(), upstream = %dialler, %failure, "upstream not dialled");
                            let (service, session) = (connection.service(), connection.id());
                            dialler.tell(service, Some(session), failure.kind(), &failure);
                            connection.close(1014, failure.reason());
                            return;
                        }
                    }
                }
            };
            drop(connection.take_handshake());
            relay::run(dialled.socket, connection, &dialler).await;
        })
    }

    /// The upstream chooses, so it is dialled before the browser gets its answer.
    fn negotiate<'a>(&'a self, handshake: &'a Handshake, offered: &'a [String]) -> Negotiation<'a> {
        Box::pin(async move {
            let dialled = self.dialler.dial(Some(handshake), offered).await;
            let dialled = dialled.map_err(|failure| {
                let service = &*handshake.prefix;
                self.dialler.tell(service, None, failure.kind(), &failure);
                NegotiationFailed(failure.to_string())
            })?;
            Ok(Negotiated {
                protocol: dialled.protocol.clone(),
                state: Some(Box::new(dialled)),
            })
        })
    }

    fn counts_dials(&self, dials: &Arc<Dials>) -> bool {
        self.dialler.count_in(dials);
        true
    }

    fn health(&self) -> Option<&Health> {
        Some(self.dialler.health())
    }

    /// Opens a WebSocket as for a browser that says nothing of itself, and closes it.
    fn reach(&self) -> Reaching<'_> {
        Box::pin(async move {
            let dialled = self.dialler.dial(None, &[]).await;
            let mut socket = dialled.map_err(|failure| failure.to_string())?.socket;
            let closing = async {
                let _ = socket.close(None).await;
                while socket.next().await.is_some_and(|message| message.is_ok()) {}
            };
            // That it opened is what was asked; how it closes is not.
            let _ = tokio::time::timeout(self.dialler.config().pong_timeout, closing).await;
            Ok(())
        })
    }
}
