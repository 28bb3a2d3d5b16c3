//! How often limits were reached and requests refused, for whoever watches the service.

use std::sync::atomic::{AtomicU64, Ordering};

use tracing::warn;

use crate::identity::Caller;
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
    /// Requests refused because pages of their origin may not use the service.
    pub origins_refused: AtomicU64,
    /// Requests with no identity that the service takes; those that open a session are told so in a close frame.
    pub unauthenticated: AtomicU64,
    told: Throttle,
    pub(super) told_of_client: Throttle,
    told_of_foreign: Throttle,
}

/// How often one limit was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitHits {
    /// Its name in metrics: the key that sets it.
    pub limit: &'static str,
    /// What is counted, for people.
    pub about: &'static str,
    /// How often it happened.
    pub hits: u64,
}

impl Counts {
    /// All of them. The one place where metrics get them from: a new counter does not compile without its line here.
    pub fn limits(&self) -> Vec<LimitHits> {
        let Self {
            too_many_sessions,
            too_many_of_client,
            out_of_queue_memory,
            blocked,
            slow_consumers_closed,
            messages_dropped,
            // Of `refusals`.
            origins_refused: _,
            unauthenticated: _,
            told: _,
            told_of_client: _,
            told_of_foreign: _,
        } = self;
        [
            ("max_sessions", "sessions refused, because of the service's or of all", too_many_sessions),
            ("max_sessions_per_client", "sessions refused", too_many_of_client),
            ("queue_memory", "sessions ended", out_of_queue_memory),
            ("outbound", "times that a backend began to wait for its browser: `outbound_bytes`, `outbound_messages`", blocked),
            ("slow_consumer_timeout", "sessions ended by `slow_consumer = \"close\"`", slow_consumers_closed),
            ("drop_oldest", "messages dropped by `slow_consumer = \"drop-oldest\"`", messages_dropped),
        ]
        .map(|(limit, about, counter)| LimitHits {
            limit,
            about,
            hits: counter.load(Ordering::Relaxed),
        })
        .to_vec()
    }

    /// Requests that were refused: the reason, what it means, and how many.
    pub fn refusals(&self) -> [(&'static str, &'static str, u64); 2] {
        [
            (
                "origin",
                "pages of their origin may not use the service: [origins.md](origins.md)",
                self.origins_refused.load(Ordering::Relaxed),
            ),
            (
                "authentication",
                "they had no token that is right: [auth.md](auth.md)",
                self.unauthenticated.load(Ordering::Relaxed),
            ),
        ]
    }

    pub(crate) fn add(counter: &AtomicU64, events: usize) {
        counter.fetch_add(events as u64, Ordering::Relaxed);
    }

    /// A request was for a session that belongs to somebody else.
    pub(super) fn foreign(&self, caller: &Caller) {
        let Some(held_back) = self.told_of_foreign.admit() else {
            return;
        };
        if caller.is_tied_by_cookies() {
            warn!(
                held_back,
                "request answered 404: it has not the cookie that its session is bound to; browsers that keep out third-party cookies need session_binding = \"identity\" or \"none\""
            );
        } else {
            warn!(
                held_back,
                "request answered 404: its session is somebody else's (session_binding = \"identity\")"
            );
        }
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
