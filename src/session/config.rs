//! What an operator can set about a session.

use std::time::Duration;

use super::pace::RateLimit;

/// Timing and bounds of one session. The defaults of timing are sockjs-node's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionConfig {
    /// Silence after which an `h` frame (HTTP) or a Ping (WebSocket) is sent. `None` sends none. Default 25 s; must stay
    /// below the 35 s after which sockjs-client gives up a jsonp poll.
    pub heartbeat_delay: Option<Duration>,
    /// Time without a receiver after which a session has ended. Default 5 s.
    pub disconnect_delay: Duration,
    /// Time a browser has to answer a Ping. Default 10 s.
    pub pong_timeout: Duration,
    /// Time a first streaming response must stay open before its path counts as proven, when the browser neither sends
    /// nor reconnects earlier. Until then a backend that waits for proof is not dialled. Default 1 s.
    pub proof_delay: Duration,
    /// Least time that an answer without messages takes when the one before was such an answer too: a browser, or a proxy, that asks again and
    /// again is held back by it. `None` holds nobody. Default 100 ms.
    pub poll_spacing: Option<Duration>,
    /// Messages waiting for the browser, those of the response being written included. Default 1 MiB and 8192 messages.
    pub outbound: QueueLimits,
    /// Messages waiting for the backend. Default 1 MiB and 8192 messages.
    pub inbound: QueueLimits,
    /// Time from the opening within which the browser must send its first message, or the session ends with 1008 "No first message".
    /// Default `None`: it need not send any.
    pub first_message_timeout: Option<Duration>,
    /// How fast the browser may send. Default no limit.
    pub inbound_rate: InboundRate,
    /// What happens when the queue towards the browser is full. Default: the backend waits.
    pub slow_consumer: SlowConsumer,
    /// Time for which the backend may wait without anything leaving the queue, with [`SlowConsumer::Close`]. Default 30 s.
    pub slow_consumer_timeout: Duration,
}

/// What happens when a browser reads more slowly than its backend sends, and `outbound` is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SlowConsumer {
    /// The backend waits: an upstream is not read.
    #[default]
    Pause,
    /// The backend waits; when nothing has left the queue for `slow_consumer_timeout`, the session ends with 1013 "Reads too
    /// slowly", whether or not the backend sends again.
    Close,
    /// The oldest messages that no receiver has taken make room for the new one. `outbound` then bounds those that wait; what is
    /// being written comes on top.
    DropOldest,
}

/// How fast a browser may send to its backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InboundRate {
    /// Messages. Default no limit.
    pub messages: RateLimit,
    /// Bytes of messages, after decoding. Default no limit.
    pub bytes: RateLimit,
    /// What happens to what comes faster. Default: it waits.
    pub exceeded: RateExceeded,
}

impl InboundRate {
    /// Whether there is any limit.
    pub fn is_limited(&self) -> bool {
        self.messages.per_second.is_some() || self.bytes.per_second.is_some()
    }
}

/// What happens when a browser sends faster than it may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RateExceeded {
    /// It waits, as with a full queue: its WebSocket is not read, its request is not answered.
    #[default]
    Wait,
    /// The session ends with 1008, and a reason that names the limit.
    Close,
}

/// Bound of a queue. A queue that is empty takes one message, or one request's messages, of any size that got this far,
/// so that a limit below the message limit cannot stop a session for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Sum of the messages' lengths in bytes.
    pub bytes: usize,
    /// Number of messages.
    pub messages: usize,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self {
            bytes: 1 << 20,
            messages: 8192,
        }
    }
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            heartbeat_delay: Some(Duration::from_secs(25)),
            disconnect_delay: Duration::from_secs(5),
            pong_timeout: Duration::from_secs(10),
            proof_delay: Duration::from_secs(1),
            poll_spacing: Some(Duration::from_millis(100)),
            outbound: QueueLimits::default(),
            inbound: QueueLimits::default(),
            first_message_timeout: None,
            inbound_rate: InboundRate::default(),
            slow_consumer: SlowConsumer::Pause,
            slow_consumer_timeout: Duration::from_secs(30),
        }
    }
}
