//! What servers count of their connections, for the gateway that they serve.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::registry::{Budget, Level};

use super::reading::ConnectionReading;

/// What came of a TLS handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsOutcome {
    /// It is complete.
    Completed,
    /// The peer went away.
    Gone,
    /// It was not complete within `server.header_timeout`.
    TimedOut,
    /// What came is no TLS.
    NotTls,
    /// No version, cipher or other parameter that both know.
    Incompatible,
    /// The peer refused: mostly it does not trust the certificate.
    RefusedByPeer,
    /// The peer's certificate is missing or wrong.
    ClientCertificate,
    /// Anything else.
    Other,
}

impl TlsOutcome {
    /// All of them, in this order, with their names and what they mean.
    pub const ALL: [(Self, &'static str, &'static str); 8] = [
        (Self::Completed, "completed", "it is complete"),
        (Self::Gone, "gone", "the peer went away"),
        (
            Self::TimedOut,
            "timed_out",
            "not complete within `server.header_timeout`",
        ),
        (
            Self::NotTls,
            "not_tls",
            "what came is no TLS, such as plain HTTP",
        ),
        (
            Self::Incompatible,
            "incompatible",
            "no version or cipher that both know",
        ),
        (
            Self::RefusedByPeer,
            "refused_by_peer",
            "the peer sent an alert: mostly it does not trust the certificate",
        ),
        (
            Self::ClientCertificate,
            "client_certificate",
            "the peer's own certificate is missing or wrong",
        ),
        (Self::Other, "other", "anything else"),
    ];
}

/// Why a connection, or a request on one, was not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionRefusal {
    /// There are too many.
    TooMany,
    /// There are too many of its client network.
    TooManyOfClient,
    /// A PROXY header was to come, from who is no trusted proxy.
    Distrusted,
    /// A request in HTTP/2: there are too many connections and requests.
    TooManyRequests,
    /// On the admin listener, it had not shown that it may ask, and gave its place to the next.
    Displaced,
}

impl ConnectionRefusal {
    /// All of them, in this order, with their names and what they mean.
    pub const ALL: [(Self, &'static str, &'static str); 5] = [
        (
            Self::TooMany,
            "max_connections",
            "closed at once, because of `server.max_connections`",
        ),
        (
            Self::TooManyOfClient,
            "max_connections_per_client",
            "closed, because of `server.max_connections_per_client`",
        ),
        (
            Self::Distrusted,
            "proxy_protocol",
            "closed: who connects to a listener with `proxy_protocol` must be one of `trusted_proxies`",
        ),
        (
            Self::TooManyRequests,
            "http2_request",
            "no connection, but a request on one in HTTP/2, because of `server.max_connections`; its client may send it again",
        ),
        (
            Self::Displaced,
            "admin_newcomer",
            "on the admin listener: ended before it showed that it may ask, because others came and found no place",
        ),
    ];
}

/// Why the head of a request was not taken: no service has seen it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadRefusal {
    /// It is larger than `server.max_header_size`.
    TooLarge,
    /// It has more fields than `server.max_headers`.
    TooManyFields,
    /// Its target is longer than any can be.
    LongTarget,
    /// A version that is not spoken here.
    Version,
    /// It is no request that two readers must take for the same.
    Malformed,
}

impl HeadRefusal {
    /// All of them, in this order, with their names and what they mean.
    pub const ALL: [(Self, &'static str, &'static str); 5] = [
        (
            Self::TooLarge,
            "max_header_size",
            "431: larger than `server.max_header_size`. In HTTP/2 one that is more than twice as large is answered without being counted",
        ),
        (
            Self::TooManyFields,
            "max_headers",
            "431: more fields than `server.max_headers`",
        ),
        (
            Self::LongTarget,
            "target",
            "414: a target of more than 65534 bytes",
        ),
        (
            Self::Version,
            "version",
            "505: another version of HTTP, or HTTP/2 where it is off",
        ),
        (
            Self::Malformed,
            "malformed",
            "400 or 501: no HTTP, such as TLS on a listener without; or what two readers may take differently, such as two lengths or hosts",
        ),
    ];
}

/// What did not come in its time, so that a connection was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionTimeout {
    /// Anything at all, on a new connection.
    First,
    /// The rest of what has to come before a request is answered.
    Head,
    /// The rest of a body that nobody wants.
    Body,
    /// A further request.
    Idle,
    /// Somebody who takes the answer.
    Answer,
    /// The answer to a PING of HTTP/2.
    Ping,
}

impl ConnectionTimeout {
    /// All of them, in this order, with their names and what they mean.
    pub const ALL: [(Self, &'static str, &'static str); 6] = [
        (
            Self::First,
            "unused",
            "nothing came on a new connection within `server.header_timeout`: browsers open some in advance",
        ),
        (
            Self::Head,
            "header",
            "a PROXY header, TLS handshake, preface of HTTP/2 or head of a request was not complete within `server.header_timeout`",
        ),
        (
            Self::Body,
            "body",
            "the rest of a body that nobody wants did not come within `server.header_timeout` after the answer. Bodies that are read: `body_timeout` of `sockjs_limit_hits_total`",
        ),
        (
            Self::Idle,
            "idle",
            "no further request came within `server.idle_timeout`",
        ),
        (
            Self::Answer,
            "answer",
            "nothing of a complete answer was taken for `server.idle_timeout`. In HTTP/2 its stream alone is reset",
        ),
        (
            Self::Ping,
            "ping",
            "HTTP/2: no answer to a PING, to the first within `server.header_timeout`, to others within 20 s",
        ),
    ];
}

/// Counts connections of the servers of a gateway.
#[derive(Default)]
pub(crate) struct Connections {
    accepted: AtomicU64,
    refused: [AtomicU64; ConnectionRefusal::ALL.len()],
    heads: [AtomicU64; HeadRefusal::ALL.len()],
    timed_out: [AtomicU64; ConnectionTimeout::ALL.len()],
    tls: [AtomicU64; TlsOutcome::ALL.len()],
    /// The places of each server's connections, while it serves.
    places: Mutex<Vec<Weak<Budget>>>,
}

impl Connections {
    /// A server begins, whose connections take places of `places`.
    pub(crate) fn serve(&self, places: &Arc<Budget>) {
        let mut known = self.places.lock();
        known.retain(|known| known.strong_count() > 0);
        known.push(Arc::downgrade(places));
    }

    /// A connection was accepted.
    pub(crate) fn accepted(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection, or a request on one, was not served.
    pub(crate) fn refused(&self, why: ConnectionRefusal) {
        self.refused[why as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// The head of a request was not taken.
    pub(crate) fn head_refused(&self, why: HeadRefusal) {
        self.heads[why as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// A connection is ended because something did not come in its time.
    pub(crate) fn timed_out(&self, what: ConnectionTimeout) {
        self.timed_out[what as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// A TLS handshake begins.
    pub(crate) fn handshake(self: &Arc<Self>) -> TlsHandshake {
        TlsHandshake {
            connections: Arc::clone(self),
            outcome: TlsOutcome::TimedOut,
        }
    }

    /// Whether a server has begun.
    pub(crate) fn have_server(&self) -> bool {
        !self.places.lock().is_empty()
    }

    /// What was counted so far.
    pub(crate) fn read(&self) -> ConnectionReading {
        let mut open = Level::default();
        for budget in self.places.lock().iter().filter_map(Weak::upgrade) {
            open.used += budget.used();
            open.limit += budget.limit();
        }
        ConnectionReading {
            open,
            accepted: self.accepted.load(Ordering::Relaxed),
            refused: all(&self.refused),
            heads_refused: all(&self.heads),
            timed_out: all(&self.timed_out),
            tls: all(&self.tls),
        }
    }
}

fn all<const COUNT: usize>(counters: &[AtomicU64; COUNT]) -> [u64; COUNT] {
    counters
        .each_ref()
        .map(|counter| counter.load(Ordering::Relaxed))
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").finish_non_exhaustive()
    }
}

/// A TLS handshake under way; one that is dropped before its end was given up because it took too long.
#[derive(Debug)]
#[must_use = "it is counted when dropped"]
pub(crate) struct TlsHandshake {
    connections: Arc<Connections>,
    outcome: TlsOutcome,
}

impl TlsHandshake {
    /// What came of it.
    pub(crate) fn ended(mut self, outcome: TlsOutcome) {
        self.outcome = outcome;
    }
}

impl Drop for TlsHandshake {
    fn drop(&mut self) {
        self.connections.tls[self.outcome as usize].fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counters are kept by number: each event is at its place, and a handshake that never ended is one that took too long.
    #[test]
    fn events_are_counted_at_their_places() {
        let connections = Arc::new(Connections::default());
        assert!(!connections.have_server());
        let places = Budget::new(5);
        connections.serve(&places);
        for (index, (outcome, ..)) in TlsOutcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, index);
            connections.handshake().ended(outcome);
        }
        drop(connections.handshake());
        let _taken = places.reserve(2);
        assert!(connections.have_server());
        let read = connections.read();
        let mut expected = [1; TlsOutcome::ALL.len()];
        expected[TlsOutcome::TimedOut as usize] = 2;
        assert_eq!(read.tls, expected);
        for (index, (why, ..)) in ConnectionRefusal::ALL.into_iter().enumerate() {
            assert_eq!(why as usize, index);
            connections.refused(why);
        }
        for (index, (why, ..)) in HeadRefusal::ALL.into_iter().enumerate() {
            assert_eq!(why as usize, index);
            connections.head_refused(why);
        }
        for (index, (what, ..)) in ConnectionTimeout::ALL.into_iter().enumerate() {
            assert_eq!(what as usize, index);
            connections.timed_out(what);
        }
        let read = connections.read();
        assert_eq!(read.refused, [1; ConnectionRefusal::ALL.len()]);
        assert_eq!(read.heads_refused, [1; HeadRefusal::ALL.len()]);
        assert_eq!(read.timed_out, [1; ConnectionTimeout::ALL.len()]);
        assert_eq!((read.open.used, read.open.limit), (2, 5));
    }
}
