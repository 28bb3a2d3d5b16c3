//! The seam to whatever a session talks to.

use std::any::Any;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use super::connection::{Connection, Handshake};
use super::dials::Dials;
use super::health::Health;

/// The future that serves one connection. It may end before the connection does (when it moved the connection
/// elsewhere); a connection ends when it is dropped.
pub type Served = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What answers a sub-protocol offer.
pub type Negotiation<'a> =
    Pin<Box<dyn Future<Output = Result<Negotiated, NegotiationFailed>> + Send + 'a>>;

/// What comes of an attempt to reach it: why it cannot be, for people.
pub type Reaching<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

/// What a session talks to: an upstream, a broker, or a handler of yours. Every `async fn(Connection)` is one.
///
/// ```
/// use sockjs_gateway::{Backend, Connection};
///
/// async fn echo(mut connection: Connection) {
///     while let Some(message) = connection.recv().await {
///         if connection.send(message).await.is_err() {
///             break;
///         }
///     }
/// }
/// fn is_backend(_: impl Backend) {}
/// is_backend(echo);
/// ```
pub trait Backend: Send + Sync + 'static {
    /// Serves one session. Called once per session, from its opening on.
    fn serve(&self, connection: Connection) -> Served;

    /// Chooses one of the sub-protocols a raw WebSocket offers, before it is accepted. By default none.
    /// (RFC 6455 §4.2.2)
    fn negotiate<'a>(
        &'a self,
        _handshake: &'a Handshake,
        _offered: &'a [String],
    ) -> Negotiation<'a> {
        Box::pin(std::future::ready(Ok(Negotiated::default())))
    }

    /// Tries whether sessions could be served now, without a browser: an upstream is dialled, and left again. By default
    /// nobody else is needed.
    fn reach(&self) -> Reaching<'_> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Whether it dials somebody for its sessions, and counts that in `dials` from now on. Called by the service that it is given to. By
    /// default no.
    fn counts_dials(&self, _dials: &Arc<Dials>) -> bool {
        false
    }

    /// How tries to reach who else is needed went, sessions' and those of [`Self::reach`]. By default nobody is needed.
    fn health(&self) -> Option<&Health> {
        None
    }

    /// Whether [`Connection::handshake`] is wanted; keeping it costs about a kilobyte per session. By default yes.
    fn wants_handshake(&self) -> bool {
        true
    }
}

impl<F, Fut> Backend for F
where
    F: Fn(Connection) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    fn serve(&self, connection: Connection) -> Served {
        Box::pin(self(connection))
    }
}

/// Outcome of a negotiation.
#[derive(Default)]
pub struct Negotiated {
    /// The chosen sub-protocol; must be one of those offered.
    pub protocol: Option<String>,
    /// Whatever the backend wants to find again with [`Connection::take_negotiated`], such as an upstream connection.
    pub state: Option<Box<dyn Any + Send + Sync>>,
}

impl fmt::Debug for Negotiated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Negotiated")
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}

/// The backend cannot be reached; the WebSocket is refused with 502. The text says why, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NegotiationFailed(pub String);
