//! What is counted of a session, and how it stands.

use std::ops::AddAssign;

use super::{Session, State};

/// Messages of a session or of several, and their bytes: the messages' own, without framing and escapes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Messages that were accepted from browsers.
    pub messages_in: u64,
    /// Bytes of those.
    pub bytes_in: u64,
    /// Messages that went into frames for browsers.
    pub messages_out: u64,
    /// Bytes of those.
    pub bytes_out: u64,
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, more: Self) {
        self.messages_in += more.messages_in;
        self.bytes_in += more.bytes_in;
        self.messages_out += more.messages_out;
        self.bytes_out += more.bytes_out;
    }
}

/// What waits in queues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queued {
    /// Messages for backends.
    pub messages_in: u64,
    /// Bytes of those.
    pub bytes_in: u64,
    /// Messages for browsers, those that are being written included.
    pub messages_out: u64,
    /// Bytes of those.
    pub bytes_out: u64,
}

impl AddAssign for Queued {
    fn add_assign(&mut self, more: Self) {
        self.messages_in += more.messages_in;
        self.bytes_in += more.bytes_in;
        self.messages_out += more.messages_out;
        self.bytes_out += more.bytes_out;
    }
}

/// How a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// No receiver has taken `o` yet.
    Opening,
    /// Open, with a receiver.
    Receiving,
    /// Open, between two receivers.
    Waiting,
    /// The end is decided and not told yet.
    Closing,
    /// Nothing more will be delivered.
    Closed,
}

impl Standing {
    /// All but [`Self::Closed`], with their names and what they mean.
    pub const LIVING: [(Self, &'static str, &'static str); 4] = [
        (
            Self::Opening,
            "opening",
            "no response or socket has taken the open frame yet",
        ),
        (
            Self::Receiving,
            "receiving",
            "open; a response or socket takes its messages",
        ),
        (
            Self::Waiting,
            "waiting",
            "open, between two responses: for the browser to come back",
        ),
        (
            Self::Closing,
            "closing",
            "has ended; what is queued and the close frame are still to be taken",
        ),
    ];
}

impl Session {
    /// What came and went since it was opened. Final once the session is closed.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// What waits in its queues.
    pub fn queued(&self) -> Queued {
        Queued {
            messages_in: self.inbound.len() as u64,
            bytes_in: self.inbound.bytes() as u64,
            messages_out: self.outbound.len() as u64,
            bytes_out: self.outbound.bytes() as u64,
        }
    }

    /// How it stands.
    pub fn standing(&self) -> Standing {
        match self.state {
            State::Closed => Standing::Closed,
            _ if self.end.is_some() => Standing::Closing,
            State::Opening => Standing::Opening,
            _ if self.receiver.is_some() => Standing::Receiving,
            _ => Standing::Waiting,
        }
    }
}
