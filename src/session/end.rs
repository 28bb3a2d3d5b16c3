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
    /// The identity that opened it has expired, or its first message was to say who it is and did not.
    Identity,
    /// An operator ended it.
    Operator,
}

impl EndCause {
    /// All of them, in this order.
    pub const ALL: [Self; 10] = [
        Self::Backend,
        Self::Browser,
        Self::Interrupted,
        Self::Expired,
        Self::Unresponsive,
        Self::Violation,
        Self::Overload,
        Self::Shutdown,
        Self::Identity,
        Self::Operator,
    ];

    /// Its name in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Backend => "backend",
            Self::Browser => "browser",
            Self::Interrupted => "interrupted",
            Self::Expired => "expired",
            Self::Unresponsive => "unresponsive",
            Self::Violation => "violation",
            Self::Overload => "overload",
            Self::Shutdown => "shutdown",
            Self::Identity => "identity",
            Self::Operator => "operator",
        }
    }

    /// One line on it, for people.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Backend => "the backend closed it, or ended",
            Self::Browser => "the browser closed its WebSocket",
            Self::Interrupted => {
                "the receiving connection was cut off; also how pages on HTTP transports end a session, since SockJS has no message for that"
            }
            Self::Expired => "no receiver came back within `disconnect_delay`",
            Self::Unresponsive => {
                "a Ping was not answered, nothing was read for two heartbeats, or no first message came within `first_message_timeout`"
            }
            Self::Violation => {
                "the browser sent what the protocol does not allow, or more than a limit"
            }
            Self::Overload => "a bound of the gateway was reached",
            Self::Shutdown => "the gateway, or the service, stops",
            Self::Identity => {
                "the identity that opened it has expired, or its first message did not say in time who it is"
            }
            Self::Operator => "an operator ended it",
        }
    }

    /// Who ended the session: `backend`, `browser`, `gateway`, or `network` where the way to the browser ended, or the page was left.
    pub const fn closed_by(self) -> &'static str {
        match self {
            Self::Backend => "backend",
            Self::Browser => "browser",
            Self::Interrupted | Self::Expired => "network",
            Self::Unresponsive
            | Self::Violation
            | Self::Overload
            | Self::Shutdown
            | Self::Identity
            | Self::Operator => "gateway",
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    /// Counters are kept by number: each is at its place, once.
    #[test]
    fn causes_are_listed_in_their_order() {
        for (index, cause) in EndCause::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, index);
        }
    }
}
