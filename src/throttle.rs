//! Log lines that a flood of the same event must not turn into a flood of lines.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
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

/// A throttle for each of a few kinds of events, so that a flood of one kind does not hide the others.
#[derive(Debug, Default)]
pub struct Throttles(Mutex<Vec<(&'static str, Arc<Throttle>)>>);

/// The most kinds that are told apart; what comes beyond shares the throttle of the last.
const KINDS: usize = 32;

impl Throttles {
    /// As [`Throttle::admit`], of this kind.
    pub fn admit(&self, kind: &'static str) -> Option<u64> {
        let throttle = {
            let mut kinds = self.0.lock();
            let known = kinds.iter().find(|(known, _)| *known == kind);
            let full = kinds.last().filter(|_| kinds.len() == KINDS);
            match known.or(full) {
                Some((_, throttle)) => Arc::clone(throttle),
                None => {
                    let throttle = Arc::<Throttle>::default();
                    kinds.push((kind, Arc::clone(&throttle)));
                    throttle
                }
            }
        };
        throttle.admit()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One kind of event does not hide another.
    #[tokio::test(start_paused = true)]
    async fn kinds_are_told_apart() {
        let throttles = Throttles::default();
        assert_eq!(throttles.admit("a"), Some(0));
        assert_eq!(throttles.admit("a"), None);
        assert_eq!(throttles.admit("b"), Some(0));
        tokio::time::sleep(PAUSE).await;
        assert_eq!(throttles.admit("a"), Some(1));
    }

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
