//! What the session's inputs take and answer, and whom they want woken.

use std::time::Duration;

use crate::protocol::{CloseReason, Message};

/// How a receiver shows that it is alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// HTTP: the connection itself; heartbeats are `h` frames, and any frame counts as one.
    Connection,
    /// WebSocket: heartbeats are Pings that must be answered.
    Pong,
}

/// How a receiver takes frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manner {
    /// How it shows that it is alive.
    pub liveness: Liveness,
    /// It takes frame after frame, as a streaming response and a WebSocket do.
    pub streams: bool,
    /// It gives way after its first frame.
    pub one_frame: bool,
    /// It gives way after this time.
    pub max_age: Option<Duration>,
    /// A browser whose connection is cut off comes back by itself, so that the session outlives the cut.
    pub resumes: bool,
    /// Time that the browser's client waits before it comes back after a response.
    pub pause: Duration,
    /// Silence after which a heartbeat is due, when shorter than `heartbeat_delay`.
    pub silence: Option<Duration>,
}

impl Manner {
    /// One that takes frames for as long as its connection lasts.
    pub const fn new(liveness: Liveness) -> Self {
        Self {
            liveness,
            streams: false,
            one_frame: false,
            max_age: None,
            resumes: false,
            pause: Duration::ZERO,
            silence: None,
        }
    }
}

/// Answer to [`super::Session::handle_attach`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attach {
    /// The receiver now takes the frames. The number names this attachment in later inputs.
    Granted(u32),
    /// Another receiver is attached.
    Busy,
    /// The session is closed.
    Ended(CloseReason),
}

/// How a receiver ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detach {
    /// In order: its response is complete, the browser will send another request.
    Done,
    /// The connection was ended by the other side, in order.
    Ended,
    /// Cut off by the network or the browser.
    Aborted,
}

/// Answer to [`super::Session::handle_browser_messages`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deliver {
    /// All were taken. (Or dropped, because the backend has ended the session and the browser is told so by the close frame: as on
    /// a WebSocket, data after a close has no receiver.)
    Accepted,
    /// None was taken: the inbound queue is full, or they come faster than they may. Try again after [`Wakes::room_in`].
    Full,
    /// They came faster than they may, and the session has ended because of it; they were dropped.
    Excessive,
    /// None was taken: the session is closed.
    Ended,
    /// None was taken: the service stops, and the browser is told so by the close frame.
    Void,
}

/// What a browser sends more of than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// Messages in a second.
    Messages,
    /// Bytes in a second.
    Bytes,
}

/// Why [`super::Session::handle_backend_message`] did not take a message; it is given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The outbound queue is full. Try again after [`Wakes::room_out`].
    Full(Message),
    /// The session has ended.
    Ended(Message),
}

/// Whom to wake after the lock is released.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wakes {
    /// The receiver: a frame may be there.
    pub receiver: bool,
    /// The backend: a message is there, the path is proven, or the session ended.
    pub backend: bool,
    /// The driver: the deadline is earlier than the one it waits for, or the session closed.
    pub driver: bool,
    /// Whoever waits to hand in browser messages.
    pub room_in: bool,
    /// Whoever waits to send to the browser.
    pub room_out: bool,
    /// Whoever waits for the backend to have dealt with what was handed in.
    pub settled: bool,
    /// Whoever waits for the receiver to be gone.
    pub vacant: bool,
    /// The connection of the receiver, to end it: it takes nothing any more.
    pub cut_off: bool,
}

impl Wakes {
    /// Whether nobody is to be woken.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
