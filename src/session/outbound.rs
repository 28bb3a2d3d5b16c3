//! Messages on their way to the browser, and what becomes of them when it reads more slowly than its backend sends.

use crate::moment::Moment;
use crate::protocol::{CloseReason, Message};

use super::{EndCause, Refused, Session, SlowConsumer, State};

impl Session {
    /// A message for the browser.
    ///
    /// # Errors
    /// The message is given back when there is no room, or when the session has ended.
    pub fn handle_backend_message(&mut self, message: Message) -> Result<(), Refused> {
        if self.end.is_some() {
            return Err(Refused::Ended(message));
        }
        if !self.has_room_out(message.len()) {
            return Err(Refused::Full(message));
        }
        self.outbound.push(message);
        self.wakes.receiver = true;
        Ok(())
    }

    /// The messages that never left, once the session is closed; empties them.
    pub fn take_undelivered(&mut self) -> Vec<Message> {
        if self.state != State::Closed {
            return Vec::new();
        }
        (self.taken, self.taken_bytes, self.handed_over) = (0, 0, 0);
        self.outbound.drain()
    }

    /// The backend has to wait for room; whether a wait begins. Where that may end the session, its time runs from the first wait, and
    /// anew from whatever leaves the queue.
    pub fn handle_blocked(&mut self, now: Moment) -> bool {
        let begins = self.blocked_since.is_none() && self.end.is_none();
        if begins {
            self.blocked_since = Some(now);
            self.check_deadline();
        }
        begins
    }

    /// The memory of its queue is needed: the session is closed at once, and what is queued is not delivered any more. In the middle of a
    /// frame there is no place for the code, and what was taken of it fills buffers too: that connection is cut off.
    pub fn handle_exhausted(&mut self) {
        self.close(EndCause::Overload, CloseReason::OUT_OF_BUDGET);
        self.wakes.cut_off |= self.taken > 0;
    }

    /// How many messages were dropped since the last question, to make room for newer ones.
    pub fn poll_dropped(&mut self) -> usize {
        std::mem::take(&mut self.dropped) as usize
    }

    /// When the backend will have waited for too long.
    pub(super) fn blocked_until(&self) -> Option<Moment> {
        let ends = self.config.slow_consumer == SlowConsumer::Close;
        let since = self.blocked_since.filter(|_| ends)?;
        since.checked_add(self.config.slow_consumer_timeout)
    }

    /// The first messages have left.
    pub(super) fn release(&mut self, count: usize) {
        if count > 0 {
            self.wakes.room_out = true;
            self.blocked_since = None;
        }
        let before = self.outbound.bytes();
        (0..count).for_each(|_| drop(self.outbound.pop()));
        self.taken -= count;
        self.taken_bytes -= before - self.outbound.bytes();
        self.handed_over = 0;
    }

    /// Whether a message of so many bytes fits into the queue, after older ones were dropped where that is wanted. A receiver has the
    /// messages at the front: they stay, and their room is not asked for.
    fn has_room_out(&mut self, bytes: usize) -> bool {
        let limits = self.config.outbound;
        if self.outbound.has_room(limits, 1, bytes) {
            return true;
        }
        if self.config.slow_consumer != SlowConsumer::DropOldest {
            return false;
        }
        loop {
            let waiting = self.outbound.len() - self.taken;
            let waiting_bytes = self.outbound.bytes() - self.taken_bytes;
            let fits =
                waiting < limits.messages && waiting_bytes.saturating_add(bytes) <= limits.bytes;
            if fits || !self.outbound.drop_behind(self.taken) {
                return true;
            }
            self.dropped = self.dropped.saturating_add(1);
        }
    }
}
