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
}

impl ConnectionRefusal {
    /// All of them, in this order, with their names and what they mean.
    pub const ALL: [(Self, &'static str, &'static str); 4] = [
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
    ];
}

/// Counts connections of the servers of a gateway.
#[derive(Default)]
pub(crate) struct Connections {
    accepted: AtomicU64,
    refused: [AtomicU64; ConnectionRefusal::ALL.len()],
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

    /// A TLS handshake begins.
    pub(crate) fn handshake(self: &Arc<Self>) -> TlsHandshake {
        TlsHandshake {
            connections: Arc::clone(self),
            outcome: TlsOutcome::TimedOut,
        }
    }

    /// What was counted so far; `None` when no server has begun.
    pub(crate) fn read(&self) -> Option<ConnectionReading> {
        let places = self.places.lock();
        if places.is_empty() {
            return None;
        }
        let mut open = Level::default();
        for budget in places.iter().filter_map(Weak::upgrade) {
            open.used += budget.used();
            open.limit += budget.limit();
        }
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Some(ConnectionReading {
            open,
            accepted: count(&self.accepted),
            refused: std::array::from_fn(|why| count(&self.refused[why])),
            tls: std::array::from_fn(|outcome| count(&self.tls[outcome])),
        })
    }
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

    /// Counters are kept by number: each outcome is at its place, and a handshake that never ended is one that took too long.
    #[test]
    fn handshakes_are_counted_at_their_places() {
        let connections = Arc::new(Connections::default());
        assert!(connections.read().is_none());
        let places = Budget::new(5);
        connections.serve(&places);
        for (index, (outcome, ..)) in TlsOutcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, index);
            connections.handshake().ended(outcome);
        }
        drop(connections.handshake());
        let _taken = places.reserve(2);
        let read = connections.read().expect("a server has begun");
        let mut expected = [1; TlsOutcome::ALL.len()];
        expected[TlsOutcome::TimedOut as usize] = 2;
        assert_eq!(read.tls, expected);
        for (index, (why, ..)) in ConnectionRefusal::ALL.into_iter().enumerate() {
            assert_eq!(why as usize, index);
            connections.refused(why);
        }
        let read = connections.read().expect("a server has begun");
        assert_eq!(read.refused, [1; ConnectionRefusal::ALL.len()]);
        assert_eq!((read.open.used, read.open.limit), (2, 5));
    }
}
