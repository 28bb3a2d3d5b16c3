//! How often limits were reached and requests refused, for whoever watches the service.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::field::display;
use tracing::warn;

use crate::identity::Caller;
use crate::throttle::Throttle;

use super::limit::Limit;

/// What happened since the start of the service. Events are rare, so one counter each is enough.
#[derive(Debug, Default)]
pub struct Counts {
    /// Sessions refused because there were too many, of the service or of the process.
    pub too_many_sessions: AtomicU64,
    /// Sessions refused because their client network had too many.
    pub too_many_of_client: AtomicU64,
    /// Sessions refused because their user had too many.
    pub too_many_of_user: AtomicU64,
    /// Sessions refused because the service's came too fast one after the other.
    pub opened_too_fast: AtomicU64,
    /// Sessions refused because those of their client network came too fast one after the other.
    pub opened_too_fast_by_client: AtomicU64,
    /// Sessions refused because memory for queues ran short.
    pub refused_for_queue_memory: AtomicU64,
    /// Sessions ended because memory for queues ran short, and they were the slowest.
    pub ended_for_queue_memory: AtomicU64,
    /// Sessions ended because there was no memory for their own queues.
    pub out_of_queue_memory: AtomicU64,
    /// Request bodies refused because there was no memory for them.
    pub bodies_out_of_memory: AtomicU64,
    /// Messages, arrays of them or request bodies that were larger than they may be.
    pub too_big: AtomicU64,
    /// Request bodies that took longer than `body_timeout`.
    pub bodies_timed_out: AtomicU64,
    /// Sends refused after `deliver_timeout`, because the backend did not read or the browser was too fast.
    pub deliver_timeouts: AtomicU64,
    /// Receiving requests that were answered later, because there was nothing for them again (`poll_spacing`).
    pub polls_held: AtomicU64,
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
    /// Times that messages of a browser began to wait because they came faster than they may.
    pub paced: AtomicU64,
    /// Sessions ended because no first message came: within `first_message_timeout`, or as a token within the authenticator's
    /// `message_timeout`.
    pub first_message_timeouts: AtomicU64,
    /// Sessions ended because their browser sent faster than it may.
    pub closed_excessive: AtomicU64,
    /// Prefix of the service.
    pub(super) service: Arc<str>,
    /// For each [`Limit`].
    pub(super) told: [Throttle; Limit::COUNT],
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
    /// Those of the service with this prefix.
    pub(super) fn of(service: Arc<str>) -> Self {
        Self {
            service,
            ..Self::default()
        }
    }

    /// All of them. The one place where metrics get them from: a new counter does not compile without its line here.
    pub fn limits(&self) -> Vec<LimitHits> {
        let Self {
            too_many_sessions,
            too_many_of_client,
            too_many_of_user,
            opened_too_fast,
            opened_too_fast_by_client,
            refused_for_queue_memory,
            ended_for_queue_memory,
            out_of_queue_memory,
            bodies_out_of_memory,
            too_big,
            bodies_timed_out,
            deliver_timeouts,
            polls_held,
            paced,
            closed_excessive,
            first_message_timeouts,
            blocked,
            slow_consumers_closed,
            messages_dropped,
            // Of `refusals`.
            origins_refused: _,
            unauthenticated: _,
            service: _,
            told: _,
            told_of_foreign: _,
        } = self;
        [
            ("max_sessions", "sessions refused, because of the service's or of all", too_many_sessions),
            ("max_sessions_per_client", "sessions refused", too_many_of_client),
            ("max_sessions_per_user", "sessions refused", too_many_of_user),
            ("sessions_per_second", "sessions refused", opened_too_fast),
            ("sessions_per_second_per_client", "sessions refused", opened_too_fast_by_client),
            ("queue_memory", "sessions ended, because there was none for their own queues", out_of_queue_memory),
            ("queue_memory_slowest", "sessions ended, because it ran short and they were the slowest", ended_for_queue_memory),
            ("queue_memory_new", "sessions refused, because it ran short", refused_for_queue_memory),
            ("queue_memory_bodies", "request bodies refused", bodies_out_of_memory),
            ("max_size", "messages, arrays or bodies refused: `max_message_size`, `max_messages`, `max_body_size`", too_big),
            ("body_timeout", "request bodies refused", bodies_timed_out),
            ("deliver_timeout", "sends refused", deliver_timeouts),
            ("poll_spacing", "receiving requests held back", polls_held),
            ("rate_wait", "times that messages of a browser began to wait: `messages_per_second`, `bytes_per_second`", paced),
            ("rate_close", "sessions ended by `rate_exceeded = \"close\"`", closed_excessive),
            ("first_message_timeout", "sessions ended by it, or by `message_timeout` of `[[auth]]`", first_message_timeouts),
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
        let (service, peer) = (&*self.service, caller.address().map(display));
        if caller.is_tied_by_cookies() {
            warn!(
                service,
                peer,
                held_back,
                "request answered 404: it has not the cookie that its session is bound to; browsers that keep out third-party cookies need session_binding = \"identity\" or \"none\""
            );
        } else {
            warn!(
                service,
                peer,
                held_back,
                "request answered 404: its session is somebody else's (session_binding = \"identity\")"
            );
        }
    }
}
