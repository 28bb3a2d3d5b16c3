//! The time of the calendar, which tokens and certificates go by.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970.
#[allow(
    clippy::disallowed_methods,
    reason = "tokens say calendar time, and nothing else does"
)]
pub(super) fn wall_clock() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}
