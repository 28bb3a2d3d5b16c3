//! Limits as operators are told of them: the key that sets each, what comes of reaching it, and where that is counted.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tracing::warn;
use uuid::Uuid;

use crate::protocol::CloseReason;
use crate::session::EndCause;

use super::counts::Counts;
use super::handle::SessionHandle;

/// A limit whose reaching is a warning. That a backend waits for its browser, and that a receiving request is answered a little later, is
/// none: those are counted only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// Sessions of the service.
    Sessions,
    /// Sessions of all services.
    AllSessions,
    /// Sessions of a client network.
    OfClient,
    /// Sessions of a user.
    OfUser,
    /// New sessions a second.
    Openings,
    /// New sessions a second of a client network.
    OpeningsOfClient,
    /// Queue memory of the service, for new sessions.
    Memory,
    /// Queue memory of all services, for new sessions.
    AllMemory,
    /// Queue memory for a session that has begun.
    OwnMemory,
    /// Queue memory for what a request brings.
    BodyMemory,
    /// Bytes of a body.
    BodySize,
    /// Bytes of a message.
    MessageSize,
    /// Messages that come together.
    Messages,
    /// Time for a body.
    BodyTime,
    /// Time that a send waits for room.
    DeliverTime,
    /// Time that a send waits for its rate.
    DeliverRate,
    /// Time for the first message.
    FirstMessage,
    /// Messages or bytes a second, where the browser waits.
    RateWait,
    /// Messages or bytes a second, where its session ends.
    RateClose,
    /// Time that a browser leaves its queue full, where its session ends.
    SlowConsumer,
    /// What is queued for a browser, where the oldest goes.
    DropOldest,
}

/// Who reached a limit, as far as it is known.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Culprit {
    /// The gateway's own id of the session.
    pub(crate) session: Option<Uuid>,
    pub(crate) peer: Option<IpAddr>,
    /// How many sessions the service has.
    pub(crate) sessions: Option<usize>,
}

impl Limit {
    /// How many there are.
    pub(super) const COUNT: usize = Self::DropOldest as usize + 1;

    /// The key that sets it, what comes of it for people, and where it is counted.
    fn row(self, counts: &Counts) -> (&'static str, &'static str, &AtomicU64) {
        const REFUSED: &str = "session refused";
        match self {
            Self::Sessions => (
                "max_sessions of the service",
                REFUSED,
                &counts.too_many_sessions,
            ),
            Self::AllSessions => (
                "max_sessions of all services",
                REFUSED,
                &counts.too_many_sessions,
            ),
            Self::OfClient => (
                "max_sessions_per_client",
                REFUSED,
                &counts.too_many_of_client,
            ),
            Self::OfUser => ("max_sessions_per_user", REFUSED, &counts.too_many_of_user),
            Self::Openings => ("sessions_per_second", REFUSED, &counts.opened_too_fast),
            Self::OpeningsOfClient => (
                "sessions_per_second_per_client",
                REFUSED,
                &counts.opened_too_fast_by_client,
            ),
            Self::Memory => (
                "queue_memory of the service",
                REFUSED,
                &counts.refused_for_queue_memory,
            ),
            Self::AllMemory => (
                "queue_memory of all services",
                REFUSED,
                &counts.refused_for_queue_memory,
            ),
            Self::OwnMemory => (
                "queue_memory",
                "session ended: there is no memory left for its queues",
                &counts.out_of_queue_memory,
            ),
            Self::BodyMemory => (
                "queue_memory",
                "request answered 503: there is no memory left for what it brings",
                &counts.bodies_out_of_memory,
            ),
            Self::BodySize => (
                "max_body_size",
                "request answered 413: its body is too large",
                &counts.too_big,
            ),
            Self::MessageSize => (
                "max_message_size",
                "message refused, with 413 or 1009: it is too large",
                &counts.too_big,
            ),
            Self::Messages => (
                "max_messages",
                "messages refused, with 413 or 1009: too many come together",
                &counts.too_big,
            ),
            Self::BodyTime => (
                "body_timeout",
                "request answered 408: its body did not come in time",
                &counts.bodies_timed_out,
            ),
            Self::DeliverTime => (
                "deliver_timeout",
                "request answered 503: the backend does not read",
                &counts.deliver_timeouts,
            ),
            Self::DeliverRate => (
                "deliver_timeout, after messages_per_second or bytes_per_second",
                "request answered 429: the browser sends more than it may",
                &counts.deliver_timeouts,
            ),
            Self::FirstMessage => (
                "first_message_timeout",
                "session ended: its browser has sent no message",
                &counts.first_message_timeouts,
            ),
            Self::RateWait => (
                "messages_per_second, bytes_per_second",
                "messages wait: a browser sends more of them, or of bytes, than it may",
                &counts.paced,
            ),
            Self::RateClose => (
                "messages_per_second, bytes_per_second",
                "session ended: its browser sends more than it may (rate_exceeded = \"close\")",
                &counts.closed_excessive,
            ),
            Self::SlowConsumer => (
                "slow_consumer_timeout",
                "session ended: its browser reads too slowly (slow_consumer = \"close\")",
                &counts.slow_consumers_closed,
            ),
            Self::DropOldest => (
                "outbound_bytes, outbound_messages",
                "messages dropped: a browser reads too slowly (slow_consumer = \"drop-oldest\")",
                &counts.messages_dropped,
            ),
        }
    }
}

impl Counts {
    /// A limit was reached once more: it is counted, and told at most once in ten seconds.
    pub(crate) fn reached(&self, limit: Limit, by: Culprit) {
        self.reached_times(limit, 1, by);
    }

    /// As [`Self::reached`], for so many at once.
    pub(super) fn reached_times(&self, limit: Limit, times: usize, by: Culprit) {
        let (key, what, counter) = limit.row(self);
        Self::add(counter, times);
        if let Some(held_back) = self.told[limit as usize].admit() {
            warn!(
                service = &*self.service,
                session = by.session.map(display),
                peer = by.peer.map(display),
                sessions = by.sessions,
                messages = (limit == Limit::DropOldest).then_some(times),
                limit = key,
                held_back,
                "{what}"
            );
        }
    }
}

impl SessionHandle {
    /// The browser sent more at once than this limit allows: the session ends with 1009.
    pub(crate) fn exceeded(self: &Arc<Self>, limit: Limit) {
        self.reached(limit);
        self.end(EndCause::Violation, CloseReason::TOO_BIG);
    }

    /// It reached a limit: that is counted and told. Also under its lock, which nothing here takes.
    pub(crate) fn reached(&self, limit: Limit) {
        self.counts().reached(limit, self.culprit());
    }

    /// So many messages were dropped to make room for newer ones; none, mostly.
    pub(super) fn dropped(&self, messages: usize) {
        if messages > 0 {
            let counts = self.counts();
            counts.reached_times(Limit::DropOldest, messages, self.culprit());
        }
    }

    fn culprit(&self) -> Culprit {
        Culprit {
            session: Some(self.id()),
            peer: self.address(),
            sessions: None,
        }
    }
}
