//! One session as a state machine: inputs are `handle_*`, outputs are `poll_*`, time is an argument.
//!
//! Pure: no I/O, lock, clock or task. Whom to wake is an output too ([`Wakes`]).
//!
//! ```text
//!             first receiver takes `o`          the backend closes
//!   Opening ──────────────────────────▶ Open ──────────────────────▶ Closing
//!      │                                  │                             │ `c` taken, or the
//!      │ receiver cut off, no receiver for disconnect_delay,            │ receiver cut off,
//!      │ browser closes                   │                             │ or disconnect_delay
//!      └──────────────────────────────────┴────────────▶ Closed ◀───────┘
//! ```
//!
//! A closed session stays closed. Messages for the browser stay in the queue until it is known that they left
//! ([`Session::handle_left`]); what is still there when the session is closed was not delivered.

mod answers;
mod attached;
mod config;
mod deadlines;
mod end;
mod id;
mod inbound;
mod outbound;
mod pace;
mod questions;
mod queue;
#[cfg(test)]
mod tests;
mod traffic;

use std::sync::Arc;
use std::time::Duration;

use crate::moment::Moment;
use crate::protocol::{CloseReason, Frame, Messages};

pub use answers::{Attach, Deliver, Detach, Excess, Liveness, Manner, Refused, Wakes};
use attached::Attached;
pub use config::{InboundRate, QueueLimits, RateExceeded, SessionConfig, SlowConsumer};
pub use end::{End, EndCause};
pub use id::{InvalidSessionId, MAX_SESSION_ID, SessionId};
use inbound::Pace;
pub use pace::{Bucket, Rate, RateLimit};
use queue::Queue;
pub use traffic::{Queued, Standing, Traffic};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Opening,
    Open,
    Closing,
    Closed,
}

/// One session. See the module's documentation.
#[derive(Debug)]
pub struct Session {
    config: Arc<SessionConfig>,
    state: State,
    end: Option<Box<End>>,
    receiver: Option<Attached>,
    /// Counts receivers; names the last one.
    attachment: u32,
    detached_at: Moment,
    /// How soon the first heartbeat is due, until it was taken: see [`Self::beats_first_after`].
    first_beat: Option<Duration>,
    outbound: Queue,
    /// Messages at the front of `outbound` that a receiver took and that are not known to have left.
    taken: usize,
    /// Bytes of those.
    taken_bytes: usize,
    /// How many of those were handed over whole: a frame that was only begun has not left with the one before.
    handed_over: usize,
    opened: Moment,
    inbound: Queue,
    traffic: Traffic,
    /// What is left of the rate at which the browser may send, where there is one.
    pace: Option<Box<Pace>>,
    /// The backend took a message and did not ask for the next one yet.
    backend_busy: bool,
    /// Since when the backend waits for room and nothing has left.
    blocked_since: Option<Moment>,
    /// Messages dropped since the last question.
    dropped: u32,
    proven: bool,
    /// A receiver was asked to give way, and no messages were taken since.
    hurried: bool,
    /// A receiver was turned away since the last one attached.
    turned_away: bool,
    /// The deadline the driver was last told.
    armed: Option<Moment>,
    wakes: Wakes,
}

impl Session {
    /// A session without a receiver: one must attach within `disconnect_delay`.
    pub fn new(config: Arc<SessionConfig>, now: Moment) -> Self {
        Self {
            pace: Pace::of(&config.inbound_rate),
            config,
            state: State::Opening,
            end: None,
            receiver: None,
            attachment: 0,
            detached_at: now,
            first_beat: None,
            outbound: Queue::new(),
            taken: 0,
            taken_bytes: 0,
            handed_over: 0,
            opened: now,
            inbound: Queue::new(),
            traffic: Traffic::default(),
            backend_busy: false,
            blocked_since: None,
            dropped: 0,
            proven: false,
            hurried: false,
            turned_away: false,
            armed: None,
            wakes: Wakes::default(),
        }
    }

    /// A receiver wants the frames. (sockjs-protocol, `HandlingClose.test_close_request`: one at a time)
    pub fn handle_attach(&mut self, now: Moment, manner: Manner) -> Attach {
        if self.receiver.is_some() {
            return Attach::Busy;
        }
        if let (State::Closed, Some(end)) = (self.state, &self.end) {
            return Attach::Ended(end.reason.clone());
        }
        self.turned_away = false;
        // A browser asks again only after it has read the response before.
        self.release(self.taken);
        self.attachment = self.attachment.wrapping_add(1);
        if self.attachment > 1 || manner.liveness == Liveness::Pong {
            self.prove();
        }
        let mut receiver = Attached::new(now, manner, self.beat_delay());
        receiver.proof_at = (!self.proven).then(|| now + self.config.proof_delay);
        self.receiver = Some(receiver);
        self.check_deadline();
        Attach::Granted(self.attachment)
    }

    /// A receiver was turned away, because another one is attached; whether one was before, and none attached since.
    pub fn handle_turned_away(&mut self) -> bool {
        std::mem::replace(&mut self.turned_away, true)
    }

    /// The receiver of `attachment` is gone. What it took and did not report with [`Self::handle_left`] stays queued;
    /// after an end that was not ours the session is closed (sockjs-protocol, `HandlingClose.test_abort_xhr_streaming`), unless
    /// the browser comes back by itself and nothing can have been lost on the way.
    pub fn handle_detach(&mut self, now: Moment, attachment: u32, how: Detach) {
        if attachment != self.attachment {
            return;
        }
        let Some(receiver) = self.receiver.take() else {
            return;
        };
        self.detached_at = now;
        self.wakes.vacant = true;
        let goes_on = self.state != State::Opening
            && self.taken == 0
            && receiver.can_resume(now, how == Detach::Ended);
        if how != Detach::Done && !goes_on {
            self.close(EndCause::Interrupted, CloseReason::INTERRUPTED);
        }
        self.check_deadline();
    }

    /// What the receiver of `attachment` took is whole with whoever writes it.
    pub fn handle_handed_over(&mut self, attachment: u32) {
        if attachment == self.attachment {
            self.handed_over = self.taken;
        }
    }

    /// What the receiver of `attachment` handed over has left this machine's hands. Only from now on can the browser come
    /// back.
    pub fn handle_left(&mut self, now: Moment, attachment: u32) {
        if attachment == self.attachment {
            self.detached_at = self.detached_at.max(now);
            self.release(self.handed_over);
        }
    }

    /// What the receiver of `attachment`, which is still attached, took was written whole: handed over and left in one. A
    /// response needs two steps, because a frame may be handed over while only the one before it has left.
    pub fn handle_written(&mut self, attachment: u32) {
        if attachment == self.attachment {
            self.release(self.taken);
        }
    }

    /// The connection that carried the response of `attachment` broke, so the response may not have arrived. Unless the
    /// browser has come back since, the session ends: rather a named end than a silent gap.
    pub fn handle_doubt(&mut self, attachment: u32) {
        if attachment == self.attachment && self.receiver.is_none() {
            self.close(EndCause::Interrupted, CloseReason::INTERRUPTED);
        }
    }

    /// Nothing will be done for the session any more, as when its browser left before its WebSocket was there: it is closed.
    pub fn handle_forsaken(&mut self) {
        self.close(EndCause::Interrupted, CloseReason::INTERRUPTED);
    }

    /// Anything came from the browser's WebSocket: it is alive.
    pub fn handle_alive(&mut self, now: Moment) {
        if let Some(receiver) = &mut self.receiver
            && receiver.heard(now)
        {
            // Nobody is to be woken for the answer that has come.
            self.armed = None;
            self.check_deadline();
        }
    }

    /// From now on a heartbeat is due after this silence, when it is shorter than `heartbeat_delay`.
    pub fn handle_silence(&mut self, silence: Option<Duration>) {
        if let Some(receiver) = &mut self.receiver {
            receiver.set_silence(silence);
        }
        self.check_deadline();
    }

    /// The receiver is to give way at `at`, instead of when it was to.
    pub fn handle_recycle(&mut self, at: Option<Moment>) {
        if let Some(receiver) = &mut self.receiver {
            receiver.recycle_later(at);
        }
        self.check_deadline();
    }

    /// The receiver should give way, because another request waits behind it: a heartbeat is due now. When the one before gave way like that,
    /// and no messages went, it is due `poll_spacing` after the receiver came.
    pub fn handle_hurry(&mut self, now: Moment) {
        let spacing = self.config.poll_spacing.filter(|_| self.hurried);
        if let Some(receiver) = &mut self.receiver {
            self.hurried = true;
            if !receiver.hurry(now, spacing.unwrap_or_default()) {
                self.check_deadline();
            }
        }
    }

    /// The browser closed its WebSocket.
    pub fn handle_browser_close(&mut self, reason: CloseReason) {
        self.close(EndCause::Browser, reason);
    }

    /// The session is to end: messages already queued are delivered, then the close frame. The first end wins.
    pub fn handle_end(&mut self, cause: EndCause, reason: CloseReason) {
        if self.end.is_some() {
            return;
        }
        self.end = Some(Box::new(End { cause, reason }));
        self.blocked_since = None;
        if cause == EndCause::Backend {
            self.inbound.drain();
        }
        if self.state == State::Open {
            self.state = State::Closing;
        }
        self.wakes.receiver = true;
        self.wakes.backend = true;
        self.wakes.room_in = true;
        self.wakes.room_out = true;
        self.wakes.settled = true;
    }

    /// Acts on every deadline that `now` has reached. `progressing`: bytes were written to the receiver's connection since
    /// the call before.
    pub fn handle_timeout(&mut self, now: Moment, progressing: bool) {
        self.armed = None;
        let reached = |deadline: Option<Moment>| deadline.is_some_and(|deadline| deadline <= now);
        if reached(self.blocked_until()) {
            self.handle_end(EndCause::Overload, CloseReason::SLOW_CONSUMER);
        }
        if reached(self.first_message_by()) {
            self.handle_end(EndCause::Unresponsive, CloseReason::NO_FIRST_MESSAGE);
        }
        if reached(self.paced_until()) {
            self.go_on();
        }
        match &mut self.receiver {
            None if self.state == State::Closed
                || self.detached_at + self.config.disconnect_delay > now => {}
            // A response that is still being written: a slow browser, which its connection's own deadlines watch.
            None if self.taken > 0 => self.detached_at = now,
            None => self.close(EndCause::Expired, CloseReason::INTERRUPTED),
            Some(receiver) if reached(receiver.pong_by) && receiver.held_up => {
                receiver.pong_by = Some(now + self.config.pong_timeout);
            }
            Some(receiver) if reached(receiver.pong_by) => {
                receiver.pong_by = None;
                self.handle_end(EndCause::Unresponsive, CloseReason::NO_PONG);
            }
            Some(receiver) => {
                let waited = reached(receiver.proof_at);
                let proven = waited && self.state != State::Opening;
                if waited && !proven {
                    // The `o` has not even been taken.
                    receiver.proof_at = Some(now + self.config.proof_delay);
                }
                let Some(due) = receiver.beat(now, progressing, self.config.heartbeat_delay) else {
                    self.close(EndCause::Unresponsive, CloseReason::INTERRUPTED);
                    self.wakes.cut_off = true;
                    return;
                };
                self.wakes.receiver |= due;
                if proven {
                    self.prove();
                }
            }
        }
    }

    /// The next frame for the attached receiver, if there is one. Order: `o`, messages, `c`; `h` when nothing else is there.
    /// [`Wakes::receiver`] tells when another is there behind it.
    pub fn poll_frame(&mut self, now: Moment) -> Option<Frame<'_>> {
        if !self.has_frame() {
            return None;
        }
        let has_untaken = self.has_untaken();
        let beat_delay = self.beat_delay();
        let receiver = self.receiver.as_mut()?;
        if self.state == State::Opening {
            self.state = if self.end.is_some() {
                State::Closing
            } else {
                State::Open
            };
            receiver.took_open(now, beat_delay);
            self.hurried = false;
            self.wakes.receiver |= self.has_frame();
            return Some(Frame::Open);
        }
        if has_untaken {
            receiver.took_messages(now, beat_delay);
            self.hurried = false;
            let from = self.taken;
            self.taken = self.outbound.len();
            self.traffic.messages_out += (self.taken - from) as u64;
            self.traffic.bytes_out += (self.outbound.bytes() - self.taken_bytes) as u64;
            self.taken_bytes = self.outbound.bytes();
            self.wakes.receiver |= self.has_frame();
            let (front, back) = self.outbound.messages().as_slices();
            let in_front = from.min(front.len());
            return Some(Frame::Messages(Messages::new(
                &front[in_front..],
                &back[from - in_front..],
            )));
        }
        if self.end.is_some() {
            receiver.close_taken = true;
            if self.state != State::Closed {
                self.state = State::Closed;
                self.wakes.driver = true;
                self.wakes.backend = true;
            }
            return self.end.as_deref().map(|end| Frame::Close(&end.reason));
        }
        receiver.took_heartbeat(now);
        self.first_beat = None;
        if receiver.is_pinged() {
            receiver.awaits_pong(now, beat_delay, self.config.pong_timeout);
            self.check_deadline();
        }
        Some(Frame::Heartbeat)
    }

    /// Whom the inputs and outputs since the last call want woken.
    pub fn poll_wakes(&mut self) -> Wakes {
        std::mem::take(&mut self.wakes)
    }

    /// Closed at once: nothing queued is delivered any more.
    fn close(&mut self, cause: EndCause, reason: CloseReason) {
        if self.state == State::Closed {
            return;
        }
        self.handle_end(cause, reason);
        self.state = State::Closed;
        self.wakes.driver = true;
        self.wakes.backend = true;
    }

    fn prove(&mut self) {
        if self.proven {
            return;
        }
        self.proven = true;
        self.wakes.backend = true;
        if let Some(receiver) = &mut self.receiver {
            receiver.proof_at = None;
        }
    }
}
