//! How many streams of a connection are open, and whether their opening is abused.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::registry::{Reservation, present};

/// Most requests that may be taken back at once before the connection is ended. Each that is not gives one back, so that half of
/// them can go on for ever, which no attack has use for. (CVE-2023-44487)
const PATIENCE: usize = 500;

/// A request that is taken back this soon was, as far as can be seen, never meant. A receiver that a page leaves is older, mostly.
const SOON: Duration = Duration::from_secs(1);

/// The open streams of a connection.
#[derive(Debug)]
pub(super) struct Streams {
    open: AtomicUsize,
    /// How many more may be taken back.
    patience: AtomicUsize,
    /// The first was opened, the last is gone, or patience is.
    changed: Notify,
}

impl Default for Streams {
    fn default() -> Self {
        Self {
            open: AtomicUsize::new(0),
            patience: AtomicUsize::new(PATIENCE),
            changed: Notify::new(),
        }
    }
}

impl Streams {
    /// Counts one more.
    pub(super) fn begin(this: &Arc<Self>, place: Reservation) -> Open {
        if this.open.fetch_add(1, Ordering::Relaxed) == 0 {
            this.changed.notify_one();
        }
        Open {
            streams: Arc::clone(this),
            since: present(),
            reset: false,
            _place: place,
        }
    }

    /// Number of open streams.
    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Whether too many were taken back.
    pub(super) fn is_abused(&self) -> bool {
        self.patience.load(Ordering::Relaxed) == 0
    }

    /// Done when there may be streams where there were none, or none where there were some, or they are abused. Cancel safe.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}

/// A stream that is open.
#[derive(Debug)]
pub(super) struct Open {
    streams: Arc<Streams>,
    since: Instant,
    reset: bool,
    /// Among the connections and streams there may be.
    _place: Reservation,
}

impl Open {
    /// The peer has taken it back.
    pub(super) fn was_reset(&mut self) {
        self.reset = true;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let Streams {
            open,
            patience,
            changed,
        } = &*self.streams;
        let step = if self.reset && present().saturating_duration_since(self.since) < SOON {
            |left: usize| left.checked_sub(1)
        } else {
            // Once it is gone it stays so.
            |left: usize| (1..PATIENCE).contains(&left).then(|| left + 1)
        };
        let before = patience.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step);
        let last = open.fetch_sub(1, Ordering::Relaxed) == 1;
        if last || before == Ok(1) {
            changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Budget;

    fn end(streams: &Arc<Streams>, reset: bool) {
        let place = Budget::new(1).reserve(1).expect("room");
        let mut open = Streams::begin(streams, place);
        assert_eq!(streams.open(), 1);
        if reset {
            open.was_reset();
        }
    }

    /// Requests that are taken back at once end the connection, unless as many are not.
    #[tokio::test(start_paused = true)]
    async fn patience_ends() {
        let streams = Arc::new(Streams::default());
        for _ in 0..10 * PATIENCE {
            end(&streams, true);
            end(&streams, false);
        }
        assert!(!streams.is_abused());
        for _ in 0..PATIENCE {
            end(&streams, true);
        }
        assert!(streams.is_abused());
        end(&streams, false);
        assert!(streams.is_abused(), "it does not come back");
        assert_eq!(streams.open(), 0);
    }

    /// Pages that are left after a while take their receivers back, however many they are.
    #[tokio::test(start_paused = true)]
    async fn receivers_of_pages_that_are_left_are_no_abuse() {
        let streams = Arc::new(Streams::default());
        let budget = Budget::new(10 * PATIENCE);
        let place = || budget.reserve(1).expect("room");
        let mut open: Vec<_> = (0..10 * PATIENCE)
            .map(|_| Streams::begin(&streams, place()))
            .collect();
        tokio::time::advance(SOON).await;
        open.iter_mut().for_each(Open::was_reset);
        drop(open);
        assert!(!streams.is_abused());
    }
}
