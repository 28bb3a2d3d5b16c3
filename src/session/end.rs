//! The end of a session: by whose doing, and what the browser is told.

use crate::protocol::CloseReason;

/// Why a session ended, by whose doing. Given to the backend once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndCause {
    /// The backend closed it, or ended.
    Backend,
    /// The browser closed its WebSocket.
    Browser,
    /// The receiving connection was cut off. Also a page on an HTTP transport that called `close()`, or was left: SockJS has no
    /// message for that.
    Interrupted,
    /// No receiver for `disconnect_delay`.
    Expired,
    /// A Ping was not answered, or nothing was read for two heartbeats.
    Unresponsive,
    /// The browser sent what the protocol does not allow, or more than a limit.
    Violation,
    /// A bound of the server was reached.
    Overload,
    /// The server stops.
    Shutdown,
    /// The identity that opened it has expired.
    Identity,
}

impl EndCause {
    /// Whether the end starts on the server's side, so that the browser learns of it from a close frame.
    pub const fn is_told(self) -> bool {
        !matches!(self, Self::Browser | Self::Interrupted | Self::Expired)
    }
}

/// The end of a session: the cause, and the code and reason the browser gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// By whose doing.
    pub cause: EndCause,
    /// What stands in the close frame; for [`EndCause::Browser`], what the browser's close frame said.
    pub reason: CloseReason,
}
