//! How often limits were reached, for whoever watches the service.

use std::sync::atomic::{AtomicU64, Ordering};

use tracing::warn;

use crate::throttle::Throttle;

/// What happened since the start of the service. Events are rare, so one counter each is enough.
#[derive(Debug, Default)]
pub struct Counts {
    /// Sessions refused because there were too many, of the service or of the process.
    pub too_many_sessions: AtomicU64,
    /// Sessions refused because their client had too many.
    pub too_many_of_client: AtomicU64,
    /// Sessions ended because there was no memory for their queues.
    pub out_of_queue_memory: AtomicU64,
    /// Times that a backend began to wait for room in the queue towards its browser, or was first refused it.
    pub blocked: AtomicU64,
    /// Sessions ended because their browser left the queue full for `slow_consumer_timeout`.
    pub slow_consumers_closed: AtomicU64,
    /// Messages dropped to make room for newer ones.
    pub messages_dropped: AtomicU64,
    told: Throttle,
    pub(super) told_of_client: Throttle,
}

impl Counts {
    pub(super) fn add(counter: &AtomicU64, events: usize) {
        counter.fetch_add(events as u64, Ordering::Relaxed);
    }

    pub(super) fn closed_slow_consumer(&self) {
        Self::add(&self.slow_consumers_closed, 1);
        if let Some(held_back) = self.told.admit() {
            warn!(
                held_back,
                "session ended: its browser reads too slowly (slow_consumer = \"close\")"
            );
        }
    }

    /// None, mostly.
    pub(super) fn dropped(&self, messages: usize) {
        if messages == 0 {
            return;
        }
        Self::add(&self.messages_dropped, messages);
        if let Some(held_back) = self.told.admit() {
            warn!(
                messages,
                held_back,
                "messages dropped: a browser reads too slowly (slow_consumer = \"drop-oldest\")"
            );
        }
    }
}
