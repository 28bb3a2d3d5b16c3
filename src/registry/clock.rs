//! The one clock of all sessions. It follows tokio's, which tests pause.

use std::sync::OnceLock;
use std::time::Duration;

use tokio::time::Instant;

use crate::moment::Moment;

/// The present.
pub(crate) fn now() -> Moment {
    Moment::START + Instant::now().saturating_duration_since(start())
}

/// When that is for tokio's timers; decades away where the system's clock does not go as far.
pub(super) fn instant(moment: Moment) -> Instant {
    const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    let start = start();
    start
        .checked_add(moment.since_start())
        .unwrap_or_else(|| start + FAR)
}

/// A while before anybody asked first, because clocks that tests pause may be a little behind.
fn start() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    const MARGIN: Duration = Duration::from_secs(60 * 60);
    *START.get_or_init(|| {
        let first = Instant::now();
        first.checked_sub(MARGIN).unwrap_or(first)
    })
}
