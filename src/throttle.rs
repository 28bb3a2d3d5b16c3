//! Log lines that a flood of the same event must not turn into a flood of lines.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Lets one event through, and then at most one every ten seconds, with the number of those held back.
#[derive(Debug)]
pub struct Throttle {
    started: Instant,
    /// Milliseconds after `started` at which the next is let through.
    next: AtomicU64,
    held_back: AtomicU64,
}

const PAUSE: Duration = Duration::from_secs(10);

impl Default for Throttle {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            next: AtomicU64::new(0),
            held_back: AtomicU64::new(0),
        }
    }
}

impl Throttle {
    /// How many were held back since the last one, if this event is let through.
    pub fn admit(&self) -> Option<u64> {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let next = self.next.load(Ordering::Relaxed);
        let pause = u64::try_from(PAUSE.as_millis()).unwrap_or(u64::MAX);
        let due = now >= next
            && self
                .next
                .compare_exchange(
                    next,
                    now.saturating_add(pause),
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                )
                .is_ok();
        if !due {
            self.held_back.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(self.held_back.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first event is told at once; of a flood, one every ten seconds, with the count of the others.
    #[tokio::test(start_paused = true)]
    async fn flood_is_told_every_ten_seconds() {
        let throttle = Throttle::default();
        assert_eq!(throttle.admit(), Some(0));
        assert_eq!([throttle.admit(), throttle.admit()], [None, None]);
        tokio::time::sleep(PAUSE).await;
        assert_eq!(throttle.admit(), Some(2));
    }
}
