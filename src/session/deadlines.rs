//! When a session has to be looked at again.

use std::time::Duration;

use crate::moment::Moment;

use super::{Session, State};

impl Session {
    /// The first heartbeat comes after this fraction of `heartbeat_delay`, at most 1. Sessions that are opened at once, after
    /// an outage, are to beat at different times for as long as they live.
    pub fn beats_first_after(&mut self, fraction: f32) {
        let delay = self.config.heartbeat_delay;
        self.first_beat = delay.map(|delay| delay.mul_f32(fraction));
    }

    /// When [`Self::handle_timeout`] must be called next. The answer is remembered, and stays until then: a deadline that has
    /// become later is seen when the earlier one fires, so that sessions between polls do not move a timer for each.
    /// [`Wakes::driver`](super::Wakes::driver) tells when it has become earlier, or when the answer to a Ping has come.
    pub fn poll_timeout(&mut self) -> Option<Moment> {
        self.armed = match (self.armed, self.deadline()) {
            (Some(armed), Some(deadline)) => Some(armed.min(deadline)),
            (armed, deadline) => armed.or(deadline),
        };
        self.armed
    }

    pub(super) fn beat_delay(&self) -> Option<Duration> {
        self.first_beat.or(self.config.heartbeat_delay)
    }

    pub(super) fn deadline(&self) -> Option<Moment> {
        let receivers = match &self.receiver {
            _ if self.state == State::Closed => return None,
            None => Some(self.detached_at + self.config.disconnect_delay),
            Some(receiver) => receiver.deadline(),
        };
        let others = [
            self.blocked_until(),
            self.paced_until(),
            self.first_message_by(),
        ];
        others.into_iter().chain([receivers]).flatten().min()
    }

    /// When the browser must have sent its first message, while it has not.
    pub(super) fn first_message_by(&self) -> Option<Moment> {
        let timeout = self.config.first_message_timeout?;
        let silent = self.traffic.messages_in == 0 && self.end.is_none();
        silent.then(|| self.opened + timeout)
    }

    /// A deadline that the driver sets itself has become earlier: it looks again.
    pub fn handle_earlier_deadline(&mut self) {
        self.wakes.driver = true;
    }

    pub(super) fn check_deadline(&mut self) {
        let earlier = match (self.deadline(), self.armed) {
            (Some(deadline), Some(armed)) => deadline < armed,
            (Some(_), None) => true,
            (None, _) => false,
        };
        self.wakes.driver |= earlier;
    }
}
