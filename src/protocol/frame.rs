//! The four SockJS frames, the messages in them, and the reason in a close frame. Their bytes are made in [`super::framing`].

use bytes::Bytes;
use bytestring::ByteString;

/// One message as the application sees it. SockJS carries text only; binary exists on raw WebSockets.
///
/// Cloning is cheap: the content is shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// UTF-8 text.
    Text(ByteString),
    /// Bytes of a raw WebSocket's binary frame.
    Binary(Bytes),
}

impl Message {
    /// Length of the content in bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether the content is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The text, if this is a text message.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<ByteString> for Message {
    fn from(text: ByteString) -> Self {
        Self::Text(text)
    }
}

impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Self {
        Self::Binary(bytes)
    }
}

/// Why a session or a raw WebSocket ends: `c[code,"reason"]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseReason {
    /// Close code: 1000, or 3000 to 4999 for applications; 1001 to 1015 and 2010 are used as the protocols define them.
    pub code: u16,
    /// Text for people. On WebSockets at most 123 bytes of it are sent (RFC 6455 §5.5).
    pub reason: ByteString,
}

impl CloseReason {
    /// What a session ends with when its backend just ends. (sockjs-node's default)
    pub const NORMAL: Self = Self::of(1000, "Normal closure");
    /// A second receiver while the first is attached. (sockjs-protocol, `Protocol.test_simpleSession`)
    pub const ANOTHER_CONNECTION: Self = Self::of(2010, "Another connection still open");
    /// The receiver was cut off. (sockjs-protocol, `HandlingClose.test_abort_xhr_streaming`)
    pub const INTERRUPTED: Self = Self::of(1002, "Connection interrupted");
    /// A ping was not answered in time. (sockjs-node's text)
    pub const NO_PONG: Self = Self::of(3000, "No response from heartbeat");
    /// The server stops. (1012 "Service Restart", WebSocket close code registry)
    pub const SERVICE_RESTART: Self = Self::of(1012, "Service restart");
    /// The service is no more.
    pub const SERVICE_REMOVED: Self = Self::of(1001, "Service removed");
    /// The backend failed. (RFC 6455 §7.4.1: 1011)
    pub const INTERNAL_ERROR: Self = Self::of(1011, "Internal error");
    /// A limit on the number of sessions is reached. (1013 "Try Again Later", WebSocket close code registry)
    pub const TOO_MANY_SESSIONS: Self = Self::of(1013, "Too many sessions");
    /// A limit on the number of sessions of one client is reached. (1013 "Try Again Later")
    pub const TOO_MANY_OF_CLIENT: Self = Self::of(1013, "Too many sessions from this network");
    /// A limit on the number of sessions of one user is reached. (1013 "Try Again Later")
    pub const TOO_MANY_OF_USER: Self = Self::of(1013, "Too many sessions of this user");
    /// Sessions are opened faster than a service allows. (1013 "Try Again Later")
    pub const TOO_FAST: Self = Self::of(1013, "Too many new sessions a second");
    /// Sessions are opened faster than one client may. (1013 "Try Again Later")
    pub const TOO_FAST_OF_CLIENT: Self =
        Self::of(1013, "Too many new sessions a second from this network");
    /// The memory that all queues may take together is used up. (1013 "Try Again Later")
    pub const OUT_OF_BUDGET: Self = Self::of(1013, "Server is out of queue memory");
    /// The browser sent no message for too long after it had opened. (RFC 6455 §7.4.1: 1008)
    pub const NO_FIRST_MESSAGE: Self = Self::of(1008, "No first message");
    /// The browser left its queue full for too long. (1013 "Try Again Later")
    pub const SLOW_CONSUMER: Self = Self::of(1013, "Reads too slowly");
    /// The browser sends more messages in a second than it may. (RFC 6455 §7.4.1: 1008)
    pub const TOO_MANY_MESSAGES: Self = Self::of(1008, "Too many messages a second");
    /// The browser sends more bytes in a second than it may. (RFC 6455 §7.4.1: 1008)
    pub const TOO_MANY_BYTES: Self = Self::of(1008, "Too many bytes a second");
    /// A message over the size limit. (RFC 6455 §7.4.1: 1009)
    pub const TOO_BIG: Self = Self::of(1009, "Message too big");
    /// A WebSocket payload that is not the JSON the protocol asks for. (sockjs-node's code and text)
    pub const BROKEN_FRAMING: Self = Self::of(3000, "Broken framing.");
    /// Binary data where only text can be carried. (RFC 6455 §7.4.1: 1003)
    pub const TEXT_ONLY: Self = Self::of(1003, "Only text messages are supported");

    const fn of(code: u16, reason: &'static str) -> Self {
        Self {
            code,
            reason: ByteString::from_static(reason),
        }
    }

    /// A reason of your own, e.g. `CloseReason::new(3000, "Go away!")`.
    pub fn new(code: u16, reason: impl Into<ByteString>) -> Self {
        Self {
            code,
            reason: reason.into(),
        }
    }

    /// The reason cut to the 123 bytes that fit a WebSocket close frame, at a character boundary. (RFC 6455 §5.5)
    pub fn websocket_reason(&self) -> &str {
        &self.reason[..self.reason.floor_char_boundary(123)]
    }

    /// Whether `code` may stand in a WebSocket close frame. (RFC 6455 §7.4; 1005, 1006 and 1015 never may)
    pub fn is_sendable(&self) -> bool {
        matches!(self.code, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

/// The messages of one `a[…]` frame, in order, borrowed from the session's queue.
#[derive(Clone, Copy, Debug)]
pub struct Messages<'a> {
    front: &'a [Message],
    back: &'a [Message],
}

impl<'a> Messages<'a> {
    /// Messages of `front`, then of `back` (the two halves of a ring buffer).
    pub fn new(front: &'a [Message], back: &'a [Message]) -> Self {
        Self { front, back }
    }

    /// All messages in order.
    pub fn iter(&self) -> impl Iterator<Item = &'a Message> + use<'a> {
        self.front.iter().chain(self.back)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.front.len() + self.back.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sum of the messages' lengths in bytes.
    pub fn total_bytes(&self) -> usize {
        self.iter().map(Message::len).sum()
    }
}

/// One frame from the server to the browser. (sockjs-protocol, "Protocol and framing")
#[derive(Clone, Copy, Debug)]
pub enum Frame<'a> {
    /// `o`
    Open,
    /// `h`
    Heartbeat,
    /// `a["…"]`
    Messages(Messages<'a>),
    /// `c[code,"reason"]`
    Close(&'a CloseReason),
}

impl Frame<'_> {
    /// Whether nothing may follow this frame on the same response or socket.
    pub fn is_close(&self) -> bool {
        matches!(self, Self::Close(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A WebSocket control frame carries 125 bytes: two for the code, 123 for the reason. (RFC 6455 §5.5)
    #[test]
    fn websocket_reason_is_cut_at_a_character_boundary() {
        let reason = CloseReason::new(3000, "é".repeat(100));
        assert_eq!(reason.websocket_reason().len(), 122);
        assert_eq!(CloseReason::new(3000, "bye").websocket_reason(), "bye");
    }

    /// Codes that only local software may report never go on the wire. (RFC 6455 §7.4.1)
    #[test]
    fn reserved_codes_are_not_sendable() {
        for code in [0, 999, 1004, 1005, 1006, 1015, 2010, 2999, 5000] {
            assert!(!CloseReason::new(code, "").is_sendable(), "{code}");
        }
        for code in [1000, 1001, 1011, 1012, 3000, 4999] {
            assert!(CloseReason::new(code, "").is_sendable(), "{code}");
        }
    }
}
