//! One session's way through its network: what is asked of its responses, and what its fate teaches.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::moment::Moment;

use super::finding::{Finding, Report};
use super::responses::{Responses, Streams};
use super::silence::Scout;
use super::socket::Socket;
use super::visit::ServerKey;
use super::{Network, Proof};

/// Shorter silences say nothing about timers, unless heartbeats come as fast.
pub(super) const SHORTEST: Duration = Duration::from_secs(1);

/// What one response of a session is to be like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResponsePlan {
    /// It ends after its first frame.
    pub one_frame: bool,
    /// It ends after this time.
    pub max_age: Option<Duration>,
}

/// The way of one session. All times come from outside.
#[derive(Debug)]
pub struct Path {
    place: Place,
    way: Way,
    /// When the silence was last asked for.
    asked: Moment,
}

/// After this time a silence is asked for again, so that who lets longer ones happen is known to be there, and who no longer
/// does stops.
const FRESH: Duration = Duration::from_secs(50);

/// Whose way it is.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) network: Arc<Network>,
    pub(super) server: ServerKey,
    pub(super) session: Scout,
    client: Option<IpAddr>,
    findings: Vec<Finding>,
}

#[derive(Debug)]
enum Way {
    Socket(Socket),
    Responses(Responses),
}

impl Place {
    fn new(network: Arc<Network>, server: ServerKey, client: Option<IpAddr>) -> Self {
        Self {
            session: network.next_session(),
            network,
            server,
            client,
            findings: Vec::new(),
        }
    }

    /// To be reported.
    pub(super) fn found(&mut self, finding: Option<Finding>) {
        self.findings.extend(finding);
    }

    /// The connection lives after such a silence.
    pub(super) fn survived(&self, gap: Duration) {
        self.network.survived_silence(self.session, gap);
    }

    /// A connection ended after such a silence: `certainly` cut off, or perhaps because its page went.
    pub(super) fn cut_in_silence(&mut self, now: Moment, gap: Duration, certainly: bool) {
        let network = &self.network;
        let finding = network.cut_in_silence(now, self.session, gap, certainly);
        self.found(finding);
    }
}

impl Path {
    pub(super) fn of_socket(
        network: Arc<Network>,
        server: ServerKey,
        client: Option<IpAddr>,
        now: Moment,
    ) -> Self {
        Self {
            place: Place::new(network, server, client),
            way: Way::Socket(Socket::new(now)),
            asked: now,
        }
    }

    pub(super) fn of_responses(
        network: Arc<Network>,
        server: ServerKey,
        client: Option<IpAddr>,
        streams: Streams,
        now: Moment,
    ) -> Self {
        Self {
            place: Place::new(network, server, client),
            way: Way::Responses(Responses::new(streams, now)),
            asked: now,
        }
    }

    /// The silence after which a heartbeat is due; `None` leaves it to the service's.
    pub fn silence(&mut self, now: Moment) -> Option<Duration> {
        self.asked = now;
        self.place.network.silence(now, self.place.session)
    }

    /// Whether it is time to ask for the silence again.
    pub fn is_stale(&self, now: Moment) -> bool {
        now.saturating_duration_since(self.asked) >= FRESH
    }

    /// How a WebSocket's way is proven before its `o`.
    pub fn proof(&self, now: Moment) -> Proof {
        self.place.network.proof(now)
    }

    /// A response begins, or a WebSocket. The browser's client waits for `pause` between two responses.
    pub fn begun(&mut self, now: Moment, streams: bool, pause: Duration) -> ResponsePlan {
        match &mut self.way {
            Way::Socket(_) => ResponsePlan::default(),
            Way::Responses(responses) => responses.begun(&mut self.place, now, streams, pause),
        }
    }

    /// The browser sent messages. When the trial that is going on has its answer, the stream may go on until the instant that
    /// is returned.
    pub fn wrote(&mut self, now: Moment) -> Option<Option<Moment>> {
        match &mut self.way {
            Way::Socket(_) => None,
            Way::Responses(responses) => responses.wrote(&mut self.place, now),
        }
    }

    /// A frame goes to the browser; `heartbeat` when it is one.
    pub fn said(&mut self, now: Moment, heartbeat: bool) {
        match &mut self.way {
            Way::Socket(socket) => socket.said(now, heartbeat),
            Way::Responses(responses) => responses.said(&mut self.place, now),
        }
    }

    /// Something came on the browser's WebSocket.
    pub fn heard(&mut self, now: Moment) {
        if let Way::Socket(socket) = &mut self.way {
            socket.heard(&mut self.place, now);
        }
    }

    /// A response ended in order.
    pub fn finished(&mut self, now: Moment) {
        if let Way::Responses(responses) = &mut self.way {
            responses.finished(now);
        }
    }

    /// A response, or the WebSocket, was cut off.
    pub fn aborted(&mut self, now: Moment) {
        match &mut self.way {
            Way::Socket(socket) => socket.aborted(&mut self.place, now),
            Way::Responses(responses) => responses.aborted(&mut self.place, now),
        }
    }

    /// Nobody answers at the other end (any more).
    pub fn unresponsive(&mut self, now: Moment) {
        if let Way::Socket(socket) = &mut self.way {
            socket.unresponsive(&mut self.place, now);
        }
    }

    /// The browser closed its WebSocket, or the server's side ended the session: nothing is to be learnt from the rest.
    pub fn over(&mut self, now: Moment) {
        if let Way::Socket(socket) = &self.way {
            socket.over(&self.place, now);
        }
    }

    /// What was found out since the last call. To be told when no lock is held.
    pub fn take_report(&mut self) -> Option<Report> {
        if self.place.findings.is_empty() {
            return None;
        }
        Some(Report {
            network: Arc::clone(&self.place.network),
            client: self.place.client,
            findings: std::mem::take(&mut self.place.findings),
        })
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        self.place.network.session_gone(self.place.session);
    }
}
