//! What may be asked of a session without changing it.

use std::time::Duration;

use crate::moment::Moment;

use super::attached::Attached;
use super::{End, Session, SessionConfig, State};

impl Session {
    /// What it began with.
    pub fn config(&self) -> &SessionConfig {
        &self.config
    }

    /// The end, from the moment it is decided.
    pub fn end(&self) -> Option<&End> {
        self.end.as_deref()
    }

    /// Whether the session is closed: no receiver can attach, nothing more will be delivered.
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Whether the browser has shown that it receives: it sent something, came back, answered on a WebSocket, or stayed
    /// attached for `proof_delay`.
    pub fn is_proven(&self) -> bool {
        self.proven
    }

    /// Whether the attached receiver is to end with the next frame, because another one follows.
    pub fn gives_way(&self) -> bool {
        let receiver = self.receiver.as_ref();
        receiver.is_some_and(Attached::gives_way)
    }

    /// Whether [`Self::poll_frame`] has a frame for the attached receiver.
    pub fn has_frame(&self) -> bool {
        let receiver = self.receiver.as_ref();
        receiver.is_some_and(|receiver| {
            let there = self.state == State::Opening
                || self.has_untaken()
                || self.end.is_some()
                || receiver.heartbeat_due;
            there && !receiver.close_taken
        })
    }

    /// Whether there are messages for a receiver to take.
    pub(super) fn has_untaken(&self) -> bool {
        self.taken < self.outbound.len() && self.state != State::Closed
    }

    /// Whether a receiver is attached.
    pub fn has_receiver(&self) -> bool {
        self.receiver.is_some()
    }

    /// When it was opened.
    pub const fn opened(&self) -> Moment {
        self.opened
    }

    /// For how long it has waited for its next receiver, if it does; the time before the first does not count.
    pub fn waited(&self, now: Moment) -> Option<Duration> {
        let waits = self.attachment > 0 && self.receiver.is_none();
        waits.then(|| now.saturating_duration_since(self.detached_at))
    }

    /// Whether the backend has dealt with everything that was handed in, as far as asking for more shows it.
    pub fn is_settled(&self) -> bool {
        (self.has_given_all() && !self.backend_busy) || self.end.is_some()
    }

    /// Whether no message waits for the backend.
    pub fn has_given_all(&self) -> bool {
        self.inbound.len() == 0
    }

    /// Number of the last attachment.
    pub fn attachment(&self) -> u32 {
        self.attachment
    }

    /// Bytes held in both queues.
    pub fn queued_bytes(&self) -> usize {
        self.outbound.bytes() + self.inbound.bytes()
    }
}
