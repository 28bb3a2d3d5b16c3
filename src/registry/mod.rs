//! Living sessions of one service: who they are, how many, what remains of them when they end.
//!
//! A session is found by the id in the URL, per service. WebSocket sessions have no such address
//! (sockjs-protocol, `Websocket.test_reuseSessionId`); they are only counted and reached for shutdown.

mod admission;
mod backend;
mod budget;
mod census;
mod clients;
mod clock;
mod connection;
mod counts;
mod dials;
mod driver;
mod handle;
mod health;
mod histogram;
mod holders;
mod limit;
mod look;
mod newcomers;
mod openings;
mod queue_memory;
mod receiver;
mod registration;
mod shard;
mod summary;
mod tally;
mod tap;
#[cfg(test)]
mod tests;
mod tombstones;
mod wakers;
mod wire;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use crate::identity::Caller;
use crate::network::Path;
use crate::protocol::CloseReason;
use crate::session::{EndCause, RateLimit, SessionConfig, SessionId};

pub use crate::throttle::{Throttle, Throttles};
use admission::Admission;
pub use admission::{Opener, Ticket};
pub use backend::{Backend, Negotiated, Negotiation, NegotiationFailed, Reaching, Served};
pub use budget::{Budget, Budgets, Reservation};
pub use census::{Census, Level, TransportCensus};
pub use clients::{Client, ClientLimits, ClientPlace, ClientPrefixes, Clients};
pub(crate) use clock::{ask_anew, now, present, turn};
pub use connection::{Connection, Handshake, Peer, SendError, Sender, Sending};
pub use counts::{Counts, LimitHits};
pub use dials::{DialCounts, DialOutcome, Dials};
pub use driver::Driver;
pub use handle::SessionHandle;
pub use health::{Health, Tries};
pub use histogram::{Distribution, Histogram};
pub(crate) use limit::{Culprit, Limit};
pub use look::{IdStart, Look, Opening};
pub(crate) use newcomers::{Newcomer, Newcomers};
pub use receiver::Receiver;
use registration::{Key, Registration};
use shard::{Entry, Shard};
use tally::{Tallies, Totals};
pub use tap::{Load, MOST_TAPS, Passage, Tap, Tapped};
pub use wakers::Due;
pub use wire::Wire;

/// Living sessions of one service.
pub struct Registry {
    /// For sessions that are opened from now on; never locked for anything else.
    settings: Mutex<Settings>,
    shards: [Mutex<Shard>; SHARDS],
    /// By which ids fall to shards.
    key: u64,
    /// What new sessions are refused with, while they are.
    refusing: RwLock<Option<CloseReason>>,
    totals: Arc<Totals>,
    tallies: Tallies,
    /// Whether the backend dials.
    dials: AtomicBool,
    admission: Admission,
    /// Notified when the last session ended.
    emptied: Notify,
    this: Weak<Self>,
}

/// What a session begins with, and keeps.
#[derive(Clone)]
struct Settings {
    config: Arc<SessionConfig>,
    backend: Arc<dyn Backend>,
    clients: ClientLimits,
    openings: RateLimit,
}

const SHARDS: usize = 16;

/// Where lines about sessions are logged, so that they can be chosen by one name.
pub(crate) const LOG: &str = "sockjs_gateway::session";

/// Outcome of [`Registry::get_or_open`].
#[derive(Debug)]
pub enum Found {
    /// The living session with that id.
    Living(Arc<SessionHandle>),
    /// A new session; its driver must be polled.
    Opened(Arc<SessionHandle>, Driver),
    /// It has ended.
    Ended {
        /// The close frame to answer with.
        reason: CloseReason,
        /// Whether somebody was answered with it before.
        again: bool,
    },
    /// There is none, and none is opened: answer with this close frame.
    Refused(CloseReason),
    /// It belongs to somebody else: as if there were none, and none can be opened.
    Foreign,
}

impl Registry {
    /// A registry of the service with that path prefix, whose sessions talk to `backend` and stay within `budgets`.
    pub fn new(
        service: Arc<str>,
        config: SessionConfig,
        backend: Arc<dyn Backend>,
        budgets: Budgets,
    ) -> Arc<Self> {
        let totals = Totals::new(service, budgets);
        let dials = backend.counts_dials(&totals.dials);
        let registry = Arc::new_cyclic(|this| Self {
            settings: Mutex::new(Settings {
                config: Arc::new(config),
                backend,
                clients: ClientLimits::default(),
                openings: RateLimit::default(),
            }),
            shards: std::array::from_fn(|_| Mutex::default()),
            key: rand::random(),
            refusing: RwLock::default(),
            totals,
            tallies: Tallies::default(),
            dials: AtomicBool::new(dials),
            admission: Admission::default(),
            emptied: Notify::new(),
            this: this.clone(),
        });
        let reliefs = registry.budgets().reliefs();
        reliefs.for_each(|relief| relief.add(&registry.totals.holders));
        registry
    }

    /// What sessions that are opened now talk to.
    pub fn backend(&self) -> Arc<dyn Backend> {
        self.settings().backend
    }

    /// The config of sessions that are opened now.
    pub fn config(&self) -> Arc<SessionConfig> {
        self.settings().config
    }

    /// Sessions that are opened from now on have another config and another backend; the living ones keep theirs.
    pub fn renew(&self, config: SessionConfig, backend: Arc<dyn Backend>) {
        let dials = backend.counts_dials(&self.totals.dials);
        self.dials.store(dials, Ordering::Relaxed);
        let mut settings = self.settings.lock();
        if *settings.config != config {
            settings.config = Arc::new(config);
        }
        settings.backend = backend;
    }

    /// How fast sessions may be opened from now on, and what each client may have; by default there is no limit. Sessions that live are
    /// counted where there was a limit when they were opened.
    pub fn limit_openings(&self, openings: RateLimit, clients: ClientLimits) {
        let mut settings = self.settings.lock();
        settings.openings = openings;
        settings.clients = clients;
    }

    /// Bounds of its sessions.
    pub fn budgets(&self) -> &Budgets {
        &self.totals.budgets
    }

    /// How often its limits were reached.
    pub fn counts(&self) -> &Counts {
        &self.totals.counts
    }

    /// A receiver is to be told again that there is nothing for it; how long to hold it back.
    pub fn holds_back(&self) -> Option<Duration> {
        let spacing = self.config().poll_spacing?;
        Counts::add(&self.counts().polls_held, 1);
        Some(spacing)
    }

    fn settings(&self) -> Settings {
        self.settings.lock().clone()
    }

    /// Memory for queues and bodies, shared by the process.
    pub fn queue_memory(&self) -> &Arc<Budget> {
        &self.budgets().queue_memory
    }

    /// Queue memory for a head of so many bytes, while its request waits for somebody else's answer; none for a small one. As for
    /// bodies: who can send heads must not keep others from their sessions.
    ///
    /// # Errors
    /// There is none left: the close frame to answer with.
    pub fn room_for_head(&self, bytes: usize) -> Result<Option<Reservation>, CloseReason> {
        if bytes <= queue_memory::FREE_HEAD {
            return Ok(None);
        }
        let budget = self.queue_memory();
        let room = (!budget.is_half_used()).then(|| budget.reserve(bytes));
        room.flatten()
            .map(Some)
            .ok_or_else(|| self.refuse_for_memory())
    }

    /// The session with that id, or a new one. One atomic step: of two requests with a new id one opens the session.
    /// `path` is called when one is opened, and `handshake` then, if the backend wants it.
    pub fn get_or_open<'a>(
        &self,
        id: &SessionId,
        opener: impl Into<Opener<'a>>,
        path: impl FnOnce() -> Option<Path>,
        handshake: impl FnOnce() -> Handshake,
    ) -> Found {
        let opener = opener.into();
        let caller = opener.caller();
        let mut shard = self.shard(id).lock();
        match shard.get(id) {
            Some(Entry::Living(handle)) if handle.is_there_for(caller) => {
                return Found::Living(Arc::clone(handle));
            }
            Some(Entry::Living(_)) => {
                drop(shard);
                self.counts().foreign(caller);
                return Found::Foreign;
            }
            Some(Entry::Ended(tomb)) if !caller.reaches(&tomb.owner, true) => {
                return Found::Foreign;
            }
            Some(Entry::Ended(tomb)) => {
                let end = &tomb.end;
                let (cause, reason) = (end.cause, end.reason.clone());
                if cause.is_told() {
                    // A browser that keeps asking keeps being told. (sockjs-node)
                    shard.renew(id, now() + self.lingering(cause));
                }
                let again = shard.tell(id);
                return Found::Ended { reason, again };
            }
            None => {}
        }
        match self.register(opener, path) {
            Err(reason) => Found::Refused(reason),
            Ok((handle, place)) => {
                let key = Key::Named(id.clone());
                shard.open(&key, Arc::clone(&handle));
                drop(shard);
                let registration = Registration::new(self.this.clone(), key, place);
                let driver = self.start(&handle, false, handshake, None, registration);
                Found::Opened(handle, driver)
            }
        }
    }

    /// A new session without an address: a WebSocket's.
    ///
    /// # Errors
    /// The reason to close the WebSocket with, when a limit is reached or the service has stopped.
    pub fn open_unnamed<'a>(
        &self,
        raw: bool,
        opener: impl Into<Opener<'a>>,
        path: Option<Path>,
        handshake: impl FnOnce() -> Handshake,
        negotiated: Option<Box<dyn std::any::Any + Send + Sync>>,
    ) -> Result<(Arc<SessionHandle>, Driver), CloseReason> {
        let (handle, place) = self.register(opener.into(), || path)?;
        let key = Key::Unnamed(handle.id());
        self.shard_of(&key).lock().open(&key, Arc::clone(&handle));
        if let Some(reason) = self.refusing() {
            // `stop` may have looked through the shards in between.
            handle.end(EndCause::Shutdown, reason);
        }
        let registration = Registration::new(self.this.clone(), key, place);
        let driver = self.start(&handle, raw, handshake, negotiated, registration);
        Ok((handle, driver))
    }

    /// The living session with that id, to deliver to. An ended one is told by its cause.
    ///
    /// # Errors
    /// The cause of the end, when the id's session ended a short while ago; `None` for an unknown id, and for
    /// a session that belongs to somebody else.
    pub fn get(
        &self,
        id: &SessionId,
        caller: &Caller,
    ) -> Result<Arc<SessionHandle>, Option<EndCause>> {
        let shard = self.shard(id).lock();
        match shard.get(id) {
            Some(Entry::Living(handle)) if handle.is_there_for(caller) => Ok(Arc::clone(handle)),
            Some(Entry::Ended(tomb)) if caller.reaches(&tomb.owner, true) => {
                Err(Some(tomb.end.cause))
            }
            Some(Entry::Living(_)) => {
                drop(shard);
                self.counts().foreign(caller);
                Err(None)
            }
            _ => Err(None),
        }
    }

    /// Number of living sessions.
    pub fn len(&self) -> usize {
        self.budgets().sessions.used()
    }

    /// Whether no session lives.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Refuses new sessions with `reason` from now on, and ends the living ones with it.
    pub fn stop(&self, reason: &CloseReason) {
        self.refuse(reason);
        for handle in self.living() {
            handle.shut_down(reason);
        }
    }

    /// Refuses new sessions with `reason` from now on; the living ones go on. Who refuses already keeps the reason.
    pub fn refuse(&self, reason: &CloseReason) {
        self.refusing.write().get_or_insert_with(|| reason.clone());
    }

    /// Opens new sessions again.
    pub fn admit(&self) {
        *self.refusing.write() = None;
    }

    fn refusing(&self) -> Option<CloseReason> {
        self.refusing.read().clone()
    }

    /// Whether that id has a session, or had one a short while ago.
    pub fn knows(&self, id: &SessionId) -> bool {
        self.shard(id).lock().get(id).is_some()
    }

    /// The living sessions, as they are now.
    pub fn living(&self) -> Vec<Arc<SessionHandle>> {
        let shards = 0..self.shards.len();
        shards.flat_map(|shard| self.in_shard(shard)).collect()
    }

    fn in_shard(&self, shard: usize) -> Vec<Arc<SessionHandle>> {
        self.shards[shard].lock().living().cloned().collect()
    }

    /// Waits until no session lives.
    pub async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.is_empty() {
                return;
            }
            emptied.await;
        }
    }

    fn start(
        &self,
        handle: &Arc<SessionHandle>,
        raw: bool,
        handshake: impl FnOnce() -> Handshake,
        negotiated: Option<Box<dyn std::any::Any + Send + Sync>>,
        registration: Registration,
    ) -> Driver {
        let backend = self.backend();
        let handshake = backend.wants_handshake().then(|| Box::new(handshake()));
        let connection = Connection::new(Arc::clone(handle), raw, handshake, negotiated);
        Driver::new(Arc::clone(handle), backend.serve(connection), registration)
    }

    fn shard(&self, id: &SessionId) -> &Mutex<Shard> {
        &self.shards[self.shard_index(id)]
    }

    /// Not a keyed hash as the shard's own map has, but nobody can choose ids that meet in one shard without knowing the key.
    fn shard_index(&self, id: &SessionId) -> usize {
        let mixed = id.bytes().fold(self.key, |mixed, byte| {
            (mixed ^ u64::from(byte)).wrapping_mul(self.key | 1)
        });
        (mixed >> 32) as usize % SHARDS
    }

    fn shard_of(&self, key: &Key) -> &Mutex<Shard> {
        match key {
            Key::Named(id) => self.shard(id),
            Key::Unnamed(id) => &self.shards[usize::from(id.as_bytes()[0]) % SHARDS],
        }
    }

    /// How long an ended id is remembered. A cut connection's for `disconnect_delay`, as a living session would be; an
    /// expired or closed one's for longer, so that a poll that was delayed on its way does not open a session nobody reads.
    fn lingering(&self, cause: EndCause) -> Duration {
        match cause {
            EndCause::Interrupted => self.config().disconnect_delay,
            _ => self.config().disconnect_delay * 3,
        }
    }

    /// Removes tombstones as they fall due, until there are none.
    async fn sweep(this: Weak<Self>, shard: usize) {
        loop {
            let Some((due, soonest)) = this.upgrade().and_then(|registry| {
                let due = registry.shards[shard].lock().bury()?;
                Some((due, now() + registry.config().disconnect_delay))
            }) else {
                return;
            };
            // One that is due earlier may be added meanwhile, but not one that is due before this.
            tokio::time::sleep_until(clock::instant(due.min(soonest))).await;
        }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("sessions", &self.len())
            .finish_non_exhaustive()
    }
}
