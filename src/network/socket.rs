//! What the fate of a session on a WebSocket teaches.

use std::time::Duration;

use crate::moment::Moment;

use super::path::{Place, SHORTEST};
use super::visit::Handshake;

/// A WebSocket that dies within this time was killed for what it is.
const INFANCY: Duration = Duration::from_secs(2);
/// One that lived for so long shows that its network leaves them alone.
const GROWN_UP: Duration = Duration::from_secs(60);

/// The way of a session that is a WebSocket.
#[derive(Debug)]
pub(super) struct Socket {
    opened: Moment,
    /// When something last went to the browser, and when something last came.
    said: Moment,
    heard: Moment,
    /// A silence whose end was not answered yet.
    unanswered: Option<Duration>,
    /// The browser has answered.
    proven: bool,
}

impl Socket {
    pub(super) fn new(now: Moment) -> Self {
        Self {
            opened: now,
            said: now,
            heard: now,
            unanswered: None,
            proven: false,
        }
    }

    pub(super) fn said(&mut self, now: Moment, heartbeat: bool) {
        // What moves in one direction keeps the connection open as well.
        let gap = now.saturating_duration_since(self.said.max(self.heard));
        if heartbeat {
            self.unanswered = Some(gap);
        }
        self.said = now;
    }

    pub(super) fn heard(&mut self, place: &mut Place, now: Moment) {
        let gap = now.saturating_duration_since(self.said.max(self.heard));
        self.heard = now;
        if !self.proven {
            self.proven = true;
            place
                .network
                .handshake(now, place.server, Handshake::Proven);
        }
        place.survived(gap);
        if let Some(gap) = self.unanswered.take() {
            place.survived(gap);
            let age = now.saturating_duration_since(self.opened);
            if age >= GROWN_UP {
                place.network.websocket_grew_up(now);
            }
            place.network.survived_age(age);
        }
    }

    pub(super) fn aborted(&mut self, place: &mut Place, now: Moment) {
        if !self.proven {
            // Perhaps the page was left before it was open. If it falls back to another transport, that counts.
            return;
        }
        let age = now.saturating_duration_since(self.opened);
        let silent = now.saturating_duration_since(self.said.max(self.heard));
        if age < INFANCY {
            let finding = place.network.websocket_killed(now, place.server);
            place.found(finding);
            return;
        }
        if silent >= SHORTEST {
            place.cut_in_silence(now, silent, true);
        }
        if place.network.is_safe(silent) {
            let finding = place.network.cut_at_age(now, age);
            place.found(finding);
        }
    }

    /// Something on the way forgot the connection, or a machine went to sleep: a step was too far if that happens again.
    pub(super) fn unresponsive(&mut self, place: &mut Place, now: Moment) {
        if let Some(gap) = self.unanswered.take().filter(|_| self.proven) {
            place.cut_in_silence(now, gap, false);
        }
    }

    pub(super) fn over(&self, place: &Place, now: Moment) {
        if self.proven {
            place.network.websocket_worked(now);
        }
    }
}
