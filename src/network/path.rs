//! One session's way through its network: what is asked of its responses, and what its fate teaches.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::silence::Scout;
use super::visit::{Handshake, ServerKey};
use super::{Network, Proof};

/// A first stream whose beginning may be held back somewhere is ended after this time: then it arrives all the same, before
/// sockjs-client gives up after twice 300 ms.
const TRIAL: Duration = Duration::from_millis(300);
/// A browser that had read the stream before its end was sent would have written this much earlier than it came back.
const AHEAD: Duration = Duration::from_millis(150);
/// What a page and its client take to write, beside round trips.
const THOUGHT: Duration = Duration::from_millis(100);
/// Round trips until a first message has come: connection, message.
const ROUND_TRIPS: u32 = 2;
/// A first stream that is still there after this time has arrived: sockjs-client would have given it up.
const KEPT: Duration = Duration::from_secs(5);
/// A WebSocket that dies within this time was killed for what it is.
const INFANCY: Duration = Duration::from_secs(2);
/// One that lived for so long shows that its network leaves them alone.
const GROWN_UP: Duration = Duration::from_secs(60);
/// Shorter silences and lives say nothing about timers.
const SHORTEST: Duration = Duration::from_secs(1);

/// What one response of a session is to be like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResponsePlan {
    /// It ends after its first frame.
    pub one_frame: bool,
    /// It ends after this time.
    pub max_age: Option<Duration>,
}

/// How streams of a session are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Streams {
    /// As streams.
    Flowing,
    /// The first one is ended early; how the browser takes it shows what the network does to them.
    Trial,
    /// As streams; whether the browser keeps the first one shows what the network does to them, more slowly.
    Patient,
    /// One frame per response.
    OneFrame,
}

/// The way of one session. All times come from outside.
#[derive(Debug)]
pub struct Path {
    network: Arc<Network>,
    server: ServerKey,
    session: Scout,
    client: Option<IpAddr>,
    websocket: bool,
    streams: Streams,
    opened: Instant,
    /// Responses begun.
    responses: u32,
    response_begun: Instant,
    responding: bool,
    /// When something last went to the browser, and when something last came, on this connection.
    said: Instant,
    heard: Instant,
    /// A silence whose end was not answered yet.
    unanswered: Option<Duration>,
    first_message: Option<Instant>,
    /// When the trial ended, and when the browser came back after it without having written before.
    finished: Instant,
    returned: Option<Instant>,
    /// The silence in which the last response was cut off.
    cut: Option<Duration>,
    proven: bool,
    over: bool,
}

impl Path {
    pub(super) fn new(
        network: Arc<Network>,
        server: ServerKey,
        client: Option<IpAddr>,
        websocket: bool,
        streams: Streams,
        now: Instant,
    ) -> Self {
        Self {
            session: network.next_session(),
            network,
            server,
            client,
            websocket,
            streams,
            opened: now,
            responses: 0,
            response_begun: now,
            responding: false,
            said: now,
            heard: now,
            unanswered: None,
            first_message: None,
            finished: now,
            returned: None,
            cut: None,
            proven: false,
            over: false,
        }
    }

    /// The silence after which a heartbeat is due; `None` leaves it to the service's.
    pub fn silence(&self, now: Instant) -> Option<Duration> {
        self.network.silence(now, self.session)
    }

    /// How a WebSocket's way is proven before its `o`.
    pub fn proof(&self, now: Instant) -> Proof {
        self.network.proof(now)
    }

    /// A response begins, or a WebSocket. The browser's client waits for `pause` between two responses.
    pub fn begun(&mut self, now: Instant, streams: bool, pause: Duration) -> ResponsePlan {
        self.responses = self.responses.saturating_add(1);
        self.response_begun = now;
        self.responding = true;
        self.said = now;
        self.heard = now;
        self.unanswered = None;
        if let Some(gap) = self.cut.take() {
            // It has come back for more: no page that went.
            self.network
                .cut_in_silence(now, self.session, self.client, gap, true);
        }
        if self.responses == 2 {
            self.network.stream_used(now, self.server);
        }
        if self.websocket || !streams {
            return ResponsePlan::default();
        }
        if self.streams == Streams::Trial && self.responses > 1 {
            self.judge_trial(now, pause);
        }
        ResponsePlan {
            one_frame: self.streams == Streams::OneFrame,
            max_age: match self.streams {
                Streams::Trial => Some(TRIAL),
                Streams::OneFrame => None,
                Streams::Flowing | Streams::Patient => self.network.response_age(now),
            },
        }
    }

    /// The browser came back after a trial. One that had read it in time has written meanwhile, if it has anything to say.
    fn judge_trial(&mut self, now: Instant, pause: Duration) {
        let returned = now.checked_sub(pause).unwrap_or(now).max(self.finished);
        let ahead = self
            .first_message
            .is_some_and(|first| returned.saturating_duration_since(first) >= AHEAD);
        if ahead {
            self.streams_flow(now);
            return;
        }
        self.streams = Streams::OneFrame;
        self.returned = Some(returned);
        if let Some(first) = self.first_message {
            self.judge_answer(first);
        } else {
            self.network.streaming_undecided();
        }
    }

    /// The browser wrote about when it came back. It was waiting for the end of the trial, unless its way is so long that
    /// this is what a message takes anyway.
    fn judge_answer(&mut self, now: Instant) {
        let Some(returned) = self.returned.take() else {
            return;
        };
        let round_trip = returned.saturating_duration_since(self.finished);
        let soon = now.saturating_duration_since(returned) <= round_trip + THOUGHT;
        let late = self.finished.saturating_duration_since(self.opened)
            > round_trip * ROUND_TRIPS + THOUGHT;
        if soon && late {
            self.network.streaming_failed(now, self.client);
        } else {
            self.network.streaming_undecided();
        }
    }

    fn streams_flow(&mut self, now: Instant) {
        self.streams = Streams::Flowing;
        self.network.streaming_worked(now, self.server);
    }

    /// The browser wrote. When the trial that is going on has its answer, the stream may go on until the instant that is
    /// returned.
    pub fn wrote(&mut self, now: Instant) -> Option<Option<Instant>> {
        self.proven = true;
        if self.websocket || self.first_message.is_some() {
            return None;
        }
        self.first_message = Some(now);
        if matches!(self.streams, Streams::Trial | Streams::Patient) && self.responding {
            self.streams_flow(now);
            let age = self.network.response_age(now);
            return Some(age.map(|age| self.response_begun + age));
        }
        self.judge_answer(now);
        None
    }

    /// A frame goes to the browser; `heartbeat` when it is one.
    pub fn said(&mut self, now: Instant, heartbeat: bool) {
        if self.websocket {
            let gap = now.saturating_duration_since(self.said.min(self.heard));
            self.unanswered = heartbeat.then_some(gap);
        } else {
            let age = now.saturating_duration_since(self.response_begun);
            let is_first = self.responses == 1;
            if self.streams == Streams::Patient && is_first && age >= KEPT {
                self.streams_flow(now);
            }
            self.survived(now.saturating_duration_since(self.said));
        }
        self.said = now;
    }

    /// Something came on the browser's WebSocket.
    pub fn heard(&mut self, now: Instant) {
        let gap = now.saturating_duration_since(self.said.max(self.heard));
        self.heard = now;
        if !self.proven {
            self.proven = true;
            self.network.handshake(now, self.server, Handshake::Proven);
        }
        self.survived(gap);
        if let Some(gap) = self.unanswered.take() {
            self.survived(gap);
            let age = now.saturating_duration_since(self.opened);
            if age >= GROWN_UP {
                self.network.websocket_grew_up(now);
            }
            self.network.survived_age(age);
        }
    }

    /// The connection lives after such a silence.
    fn survived(&self, gap: Duration) {
        if gap >= SHORTEST {
            self.network.survived_silence(self.session, gap);
        }
    }

    /// A response ended in order.
    pub fn finished(&mut self, now: Instant) {
        self.responding = false;
        self.finished = now;
    }

    /// A response, or the WebSocket, was cut off.
    pub fn aborted(&mut self, now: Instant) {
        self.responding = false;
        if self.over {
            return;
        }
        let age = now.saturating_duration_since(self.response_begun);
        let silent = now.saturating_duration_since(self.said.max(self.heard));
        if self.websocket {
            self.over = true;
            if !self.proven {
                // Perhaps the page was left before it was open. If it falls back to another transport, that counts.
                return;
            }
            if age < INFANCY {
                self.network.websocket_killed(now, self.server, self.client);
                return;
            }
        } else if !self.proven && self.responses == 1 {
            // Given up for the next transport.
            return;
        }
        if silent >= SHORTEST {
            // A page that goes ends its responses in the same way; one that comes back was cut off.
            self.network
                .cut_in_silence(now, self.session, self.client, silent, self.websocket);
            self.cut = (!self.websocket).then_some(silent);
        }
        if self.websocket && age >= SHORTEST && self.network.is_safe(silent) {
            self.network.cut_at_age(now, self.client, age);
        }
    }

    /// The browser closed its WebSocket, or the server's side ended the session: nothing is to be learnt from the rest.
    pub fn over(&mut self, now: Instant) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        if self.websocket && self.proven {
            self.network.websocket_worked(now);
        }
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        self.network.session_gone(self.session);
    }
}
