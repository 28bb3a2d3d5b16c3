//! What is known of one client network: the parts together, and what is logged when something is found out.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use crate::moment::Moment;

use super::belief::Belief;
use super::cuts::{Cuts, below};
use super::finding::{Finding, tell};
use super::path::{Path, SHORTEST};
use super::responses::Streams;
use super::silence::{Scout, Silence};
use super::trial;
use super::visit::{Handshake, ServerKey, Visits};
use super::{Pin, Shared, WebsocketProof};

/// How the way of a WebSocket is proven before `o` is sent on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// It is not.
    None,
    /// A Ping is sent, and `o` after the Pong or after this time.
    Brief(Duration),
    /// A Ping is sent, and `o` after the Pong.
    Full,
}

/// On a network of which nothing is known, `o` waits no longer than this for the Pong.
const BRIEF: Duration = Duration::from_millis(100);
/// A WebSocket that dies so young, while it was used, makes the next visits do without after a single time.
const YOUNG: Duration = Duration::from_secs(15);
/// Where nothing is known of silences, a connection that was silent for less was in use.
const IN_USE: Duration = Duration::from_secs(2);
/// How long such a single experience counts.
const PRECAUTION: Duration = Duration::from_secs(10 * 60);

/// What is known of one network.
pub struct Network {
    shared: Arc<Shared>,
    pin: Option<Pin>,
    state: Mutex<State>,
}

struct State {
    websocket: Belief,
    streaming: Belief,
    /// Trials of streams since the last that had an answer: their pages only listened.
    undecided: u8,
    silence: Option<Silence>,
    ages: Cuts,
    age_limit: Option<(Duration, Moment)>,
    visits: Visits,
    /// When a WebSocket last died right after opening.
    killed: Option<Moment>,
    /// When a WebSocket was last found to live for long.
    grown_up: Option<Moment>,
}

impl Network {
    pub(super) fn new(shared: Arc<Shared>, pin: Option<Pin>) -> Self {
        let silence = shared.steps.map(Silence::new);
        Self {
            shared,
            pin,
            state: Mutex::new(State {
                websocket: Belief::default(),
                streaming: Belief::default(),
                undecided: 0,
                silence,
                ages: Cuts::default(),
                age_limit: None,
                visits: Visits::default(),
                killed: None,
                grown_up: None,
            }),
        }
    }

    /// What is learnt, unless nothing is to be.
    fn learning(&self) -> Option<MutexGuard<'_, State>> {
        self.shared.config.learn.then(|| self.state.lock())
    }

    /// `/info` is answered: whether it offers WebSocket, where the service does. `tunnel` is the network that WebSockets of
    /// these browsers come from, where it is another one.
    pub(super) fn offer_websocket(
        &self,
        now: Moment,
        service_does: bool,
        tunnel: Option<&Self>,
    ) -> bool {
        let pinned = self.pin.as_ref().and_then(|pin| pin.websocket);
        if !self.shared.config.learn {
            return service_does && pinned.unwrap_or(true);
        }
        let avoids = |network: &Self| network.state.lock().websocket.avoids(now);
        let avoided = avoids(self) | tunnel.is_some_and(avoids);
        let offered = service_does && pinned.unwrap_or(!avoided);
        self.state.lock().visits.asked(now, offered);
        offered
    }

    /// A WebSocket session is opened below `server`.
    pub fn open_websocket(
        self: &Arc<Self>,
        now: Moment,
        server: &str,
        client: Option<IpAddr>,
    ) -> Path {
        let server = self.server_key(server);
        // Until the browser answers on it.
        self.handshake(now, server, Handshake::Failed);
        Path::of_socket(Arc::clone(self), server, client, now)
    }

    /// What should have been a WebSocket handshake came as something else.
    pub fn handshake_refused(&self, now: Moment, server: &str) {
        self.handshake(now, self.server_key(server), Handshake::Failed);
    }

    /// An HTTP session is opened below `server`; its first request `streams`, or polls.
    pub fn open_http(
        self: &Arc<Self>,
        now: Moment,
        server: &str,
        streams: bool,
        client: Option<IpAddr>,
    ) -> Path {
        let server = self.server_key(server);
        let mut state = self.state.lock();
        let shown = state.visits.opened(now, server, streams);
        let failed = match shown.handshake {
            Handshake::Failed => true,
            // Others of this network have shown that handshakes arrive: it is a page that wants none.
            Handshake::Missing => !state.websocket.is_good(now),
            Handshake::Unseen | Handshake::Proven => false,
        };
        let websocket_failed = failed && state.websocket.failed(now);
        let held = shown.stream_held && state.streaming.failed(now);
        if shown.stream_held {
            state.undecided = 0;
        }
        let avoided = streams && state.streaming.avoids(now);
        let unknown = state.way_of_unknown_streams();
        drop(state);
        if websocket_failed {
            let how = "the handshake did not arrive, or led to nothing";
            tell(self, client, Finding::Websocket { how });
        }
        if held {
            tell(self, client, Finding::Streaming);
        }
        let streams = match self.pin.as_ref().and_then(|pin| pin.one_frame) {
            Some(true) => Streams::OneFrame,
            Some(false) => Streams::Flowing,
            None if !self.shared.config.learn => Streams::Flowing,
            None if shown.stream_held || avoided => Streams::OneFrame,
            None => unknown,
        };
        Path::of_responses(Arc::clone(self), server, client, streams, now)
    }

    fn server_key(&self, server: &str) -> ServerKey {
        // Only compared within this network; whoever wants collisions can choose equal segments as well.
        use std::hash::{DefaultHasher, Hash as _, Hasher as _};
        let mut hasher = DefaultHasher::new();
        server.hash(&mut hasher);
        hasher.finish()
    }

    pub(super) fn next_session(&self) -> Scout {
        self.shared.sessions.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn proof(&self, now: Moment) -> Proof {
        match self.shared.config.prove_websocket {
            WebsocketProof::Always => return Proof::Full,
            WebsocketProof::Never => return Proof::None,
            WebsocketProof::Auto if !self.shared.config.learn => return Proof::None,
            WebsocketProof::Auto => {}
        }
        let state = self.state.lock();
        let lately = |at: Option<Moment>| {
            at.is_some_and(|at| now.saturating_duration_since(at) < self.shared.config.remember)
        };
        if lately(state.killed) {
            Proof::Full
        } else if lately(state.grown_up) {
            Proof::None
        } else {
            Proof::Brief(BRIEF)
        }
    }

    pub(super) fn silence(&self, now: Moment, session: Scout) -> Option<Duration> {
        let pinned = self.pin.as_ref().and_then(|pin| pin.heartbeat_delay);
        pinned.or_else(|| {
            let steps = self.shared.steps.filter(|_| self.shared.config.learn)?;
            let silence = &mut self.state.lock().silence;
            silence
                .as_mut()
                .map(|silence| silence.delay(now, steps, session))
        })
    }

    /// The shortest silence that says something about timers.
    pub(super) fn shortest_silence(&self) -> Duration {
        let first = self.shared.steps.map_or(SHORTEST, |steps| steps.first);
        first.min(SHORTEST)
    }

    pub(super) fn survived_silence(&self, session: Scout, gap: Duration) {
        if gap < self.shortest_silence() {
            return;
        }
        if let (Some(silence), Some(steps)) = (&mut self.state.lock().silence, self.shared.steps) {
            silence.survived(steps, session, gap);
        }
    }

    pub(super) fn is_safe(&self, gap: Duration) -> bool {
        match &self.state.lock().silence {
            Some(silence) => silence.is_safe(gap),
            None => gap < IN_USE,
        }
    }

    pub(super) fn cut_in_silence(
        &self,
        now: Moment,
        session: Scout,
        gap: Duration,
        certainly: bool,
    ) -> Option<Finding> {
        let mut state = self.learning()?;
        let silence = state.silence.as_mut()?;
        let heartbeat = silence.cut(now, self.shared.steps?, session, gap, certainly)?;
        Some(Finding::Silence {
            cut_after: gap,
            heartbeat,
        })
    }

    pub(super) fn session_gone(&self, session: Scout) {
        if let Some(silence) = &mut self.state.lock().silence {
            silence.left(session);
        }
    }

    /// The age at which responses are to end.
    pub(super) fn response_age(&self, now: Moment) -> Option<Duration> {
        let learnt = self.state.lock().age_limit;
        let learnt = learnt
            .filter(|(_, until)| now < *until)
            .map(|(limit, _)| limit);
        [learnt, self.shared.response_age]
            .into_iter()
            .flatten()
            .min()
    }

    pub(super) fn survived_age(&self, age: Duration) {
        let mut state = self.state.lock();
        state.ages.survived(age);
        if state.age_limit.is_some_and(|(limit, _)| below(age) > limit) {
            state.age_limit = None;
        }
    }

    pub(super) fn cut_at_age(&self, now: Moment, age: Duration) -> Option<Finding> {
        let mut state = self.learning()?;
        let agreed = state.ages.cut(now, age);
        let (limit, remember) = match agreed {
            Some(shortest) => (below(shortest), self.shared.config.remember),
            // To end a response early, or to do without WebSocket for a few visits, costs little.
            None if age < YOUNG && !state.websocket.is_good(now) => (below(age), PRECAUTION),
            None => return None,
        };
        state.age_limit = Some((limit.max(Duration::from_secs(1)), now + remember));
        Some(Finding::Age {
            cut_after: age,
            response_age: limit,
            without_websocket: state.websocket.failed(now),
        })
    }

    pub(super) fn handshake(&self, now: Moment, server: ServerKey, handshake: Handshake) {
        self.state.lock().visits.handshake(now, server, handshake);
    }

    /// A WebSocket that worked was cut off right after it was opened.
    pub(super) fn websocket_killed(&self, now: Moment, server: ServerKey) -> Option<Finding> {
        let mut state = self.learning()?;
        state.killed = Some(now);
        // The fallback that follows is no second failure.
        state.visits.handshake(now, server, Handshake::Unseen);
        let how = "it died right after opening";
        let believed = state.websocket.failed(now);
        believed.then_some(Finding::Websocket { how })
    }

    pub(super) fn websocket_worked(&self, now: Moment) {
        self.state.lock().websocket.worked(now);
    }

    pub(super) fn websocket_grew_up(&self, now: Moment) {
        let mut state = self.state.lock();
        state.websocket.worked(now);
        state.grown_up = Some(now);
        state.killed = None;
    }

    /// The browser came back for more of what a stream had brought, or kept it for long.
    pub(super) fn stream_used(&self, now: Moment, server: ServerKey) {
        self.state.lock().visits.stream_used(now, server);
    }

    pub(super) fn streaming_worked(&self, now: Moment, server: ServerKey) {
        let mut state = self.state.lock();
        state.streaming.worked(now);
        state.undecided = 0;
        state.visits.stream_used(now, server);
    }

    pub(super) fn streaming_failed(&self, now: Moment) -> Option<Finding> {
        let mut state = self.learning()?;
        state.undecided = 0;
        state.streaming.failed(now).then_some(Finding::Streaming)
    }

    /// A trial has ended. Its answer, if there is one, comes later.
    pub(super) fn streaming_undecided(&self) {
        let mut state = self.state.lock();
        state.undecided = state.undecided.saturating_add(1);
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }
}

impl State {
    /// How the streams of a session are sent about which nothing is believed.
    fn way_of_unknown_streams(&self) -> Streams {
        match self.undecided {
            0 if self.streaming.has_failed() => Streams::Trial(trial::FURTHER),
            0 if self.streaming.was_tried() => Streams::Patient,
            1 => Streams::Trial(trial::FURTHER),
            0 | 2 => Streams::Trial(trial::FIRST),
            _ => Streams::Patient,
        }
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("pin", &self.pin)
            .finish_non_exhaustive()
    }
}
