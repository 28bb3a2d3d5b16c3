//! The attached receiver and its deadlines.

use std::time::{Duration, Instant};

use super::Liveness;

/// The one receiver that is attached.
#[derive(Debug)]
pub(super) struct Attached {
    pub(super) liveness: Liveness,
    /// A heartbeat is to be taken.
    pub(super) heartbeat_due: bool,
    pub(super) heartbeat_at: Option<Instant>,
    pub(super) pong_by: Option<Instant>,
    /// When staying attached proves the path; `None` once proven.
    pub(super) proof_at: Option<Instant>,
    /// The close frame was taken: nothing may follow.
    pub(super) close_taken: bool,
}

impl Attached {
    /// Any frame of an HTTP response breaks the silence; Pings keep their own beat.
    pub(super) fn renew_heartbeat(
        &mut self,
        ordinary: bool,
        now: Instant,
        delay: Option<Duration>,
    ) {
        if ordinary {
            self.heartbeat_due = false;
            self.heartbeat_at = delay.map(|delay| now + delay);
        }
    }
}
