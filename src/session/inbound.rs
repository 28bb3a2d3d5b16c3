//! Messages on their way to the backend, and what becomes of them when they come faster than they may.

use crate::moment::Moment;
use crate::protocol::{CloseReason, Message};

use super::pace::{Bucket, Rate};
use super::{Deliver, EndCause, Excess, InboundRate, RateExceeded, Session};

/// What is left of the rate at which a browser may send.
#[derive(Debug)]
pub(super) struct Pace {
    messages: Option<(Rate, Bucket)>,
    bytes: Option<(Rate, Bucket)>,
    /// What is waited for, and until when; then the time is `None`, until somebody tries again.
    waits: Option<(Excess, Option<Moment>)>,
    /// A wait has begun since the last question.
    begun: bool,
}

impl Pace {
    pub(super) fn of(rate: &InboundRate) -> Option<Box<Self>> {
        let full = |rate| (rate, Bucket::default());
        rate.is_limited().then(|| {
            Box::new(Self {
                messages: rate.messages.rate().map(full),
                bytes: rate.bytes.rate().map(full),
                waits: None,
                begun: false,
            })
        })
    }

    /// Takes so much, if it may come now.
    ///
    /// # Errors
    /// What is exceeded, and when it may come.
    fn take(&mut self, now: Moment, messages: usize, bytes: usize) -> Result<(), (Excess, Moment)> {
        let mut limits = [
            (Excess::Messages, &mut self.messages, messages),
            (Excess::Bytes, &mut self.bytes, bytes),
        ];
        let ready = limits.iter().filter_map(|(excess, limit, amount)| {
            let (rate, bucket) = limit.as_ref()?;
            Some((*excess, bucket.ready(now, *rate, *amount)?))
        });
        if let Some(last) = ready.max_by_key(|(_, ready)| *ready) {
            return Err(last);
        }
        for (_, limit, amount) in &mut limits {
            if let Some((rate, bucket)) = limit {
                bucket.charge(now, *rate, *amount);
            }
        }
        Ok(())
    }
}

impl Excess {
    fn reason(self) -> CloseReason {
        match self {
            Self::Messages => CloseReason::TOO_MANY_MESSAGES,
            Self::Bytes => CloseReason::TOO_MANY_BYTES,
        }
    }
}

impl Session {
    /// Messages from the browser: all are taken and `messages` is left empty, or none is.
    pub fn handle_browser_messages(&mut self, now: Moment, messages: &mut Vec<Message>) -> Deliver {
        if let Some(end) = &self.end {
            return match end.cause {
                EndCause::Shutdown => Deliver::Void,
                cause if cause.is_told() => {
                    messages.clear();
                    Deliver::Accepted
                }
                _ => Deliver::Ended,
            };
        }
        let bytes: usize = messages.iter().map(Message::len).sum();
        let has_room = self
            .inbound
            .has_room(self.config.inbound, messages.len(), bytes);
        let excess = match &mut self.pace {
            Some(pace) if has_room && !messages.is_empty() => {
                pace.take(now, messages.len(), bytes).err()
            }
            _ => None,
        };
        if let Some((excess, _)) = excess
            && self.config.inbound_rate.exceeded == RateExceeded::Close
        {
            messages.clear();
            self.handle_end(EndCause::Violation, excess.reason());
            return Deliver::Excessive;
        }
        if let Some(receiver) = &mut self.receiver {
            receiver.held_up = !has_room || excess.is_some();
        }
        if self.pace.is_some() {
            self.wait_for(excess);
        }
        if !has_room || excess.is_some() {
            return Deliver::Full;
        }
        // Whoever sends has read the `o`.
        self.prove();
        if let Some(receiver) = &mut self.receiver {
            receiver.spoke(now);
        }
        if !messages.is_empty() {
            self.traffic.messages_in += messages.len() as u64;
            self.traffic.bytes_in += bytes as u64;
            messages
                .drain(..)
                .for_each(|message| self.inbound.push(message));
            self.wakes.backend = true;
        }
        Deliver::Accepted
    }

    /// The next message for the backend. After an end that the backend did not cause, what was accepted is still given.
    pub fn poll_message(&mut self) -> Option<Message> {
        let Some(message) = self.inbound.pop() else {
            self.wakes.settled |= std::mem::take(&mut self.backend_busy);
            return None;
        };
        self.backend_busy = true;
        self.wakes.room_in = true;
        Some(message)
    }

    /// What messages wait for, when it is not for room.
    pub fn excess(&self) -> Option<Excess> {
        let waits = self.pace.as_ref()?.waits;
        waits.map(|(excess, _)| excess)
    }

    /// Whether messages have begun to wait for the rate since the last question.
    pub fn poll_paced(&mut self) -> bool {
        let pace = self.pace.as_mut();
        pace.is_some_and(|pace| std::mem::take(&mut pace.begun))
    }

    /// When messages that wait may come.
    pub(super) fn paced_until(&self) -> Option<Moment> {
        let (_, until) = self.pace.as_ref()?.waits?;
        until
    }

    /// They may come now.
    pub(super) fn go_on(&mut self) {
        if let Some(pace) = &mut self.pace
            && let Some((_, until)) = &mut pace.waits
        {
            *until = None;
            self.wakes.room_in = true;
        }
    }

    fn wait_for(&mut self, excess: Option<(Excess, Moment)>) {
        if let Some(pace) = &mut self.pace {
            pace.begun |= excess.is_some() && pace.waits.is_none();
            pace.waits = excess.map(|(excess, until)| (excess, Some(until)));
        }
        if excess.is_some() {
            self.check_deadline();
        }
    }
}
