//! Time limits on the wire: nothing in this suite waits without one.

use std::time::{Duration, Instant};

/// Limit for anything the server has to answer. The official suite allows 1 s per read; a busy
/// machine that runs many tests at once gets more.
pub(crate) const ANSWER_DEADLINE: Duration = Duration::from_secs(5);

/// Limit for an end the server has to announce at once: the zero chunk, EOF of an HTTP/1.0 response.
/// The official suite allows 0.1 s for EOF. The point is to tell "at once" from keep-alive and session
/// timeouts, which start at 5 s.
pub(crate) const CLOSE_DEADLINE: Duration = Duration::from_secs(1);

/// Limit for connecting, and for the shipped binary to announce its address.
pub(crate) const START_DEADLINE: Duration = Duration::from_secs(10);

/// A moment after which waiting counts as a failure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    /// The moment `limit` from now.
    pub(crate) fn after(limit: Duration) -> Self {
        Self(now() + limit)
    }

    /// Time left, or `None` when it has run out. Never zero, which sockets reject as a timeout.
    pub(crate) fn remaining(self) -> Option<Duration> {
        self.0
            .checked_duration_since(now())
            .filter(|left| !left.is_zero())
    }
}

/// The real clock.
#[allow(
    clippy::disallowed_methods,
    reason = "real sockets need the real clock; the suite reads it only here"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}
