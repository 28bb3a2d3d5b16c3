//! What is counted of a service's sessions. Nothing here is touched for a message: sessions count those themselves, and whoever asks adds
//! them up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::RwLock;

use crate::session::{End, EndCause};

use super::budget::Budgets;
use super::clients::Clients;
use super::counts::Counts;
use super::dials::Dials;
use super::histogram::Histogram;
use super::holders::Holders;
use super::queue_memory::Relief;

/// What all sessions of a service count in.
#[derive(Debug)]
pub(super) struct Totals {
    /// Path prefix of the service.
    pub(super) service: Arc<str>,
    /// Bounds of its sessions.
    pub(super) budgets: Budgets,
    pub(super) counts: Counts,
    /// How many sessions each client has, where that is limited.
    pub(super) clients: Arc<Clients>,
    pub(super) dials: Arc<Dials>,
    /// Its sessions that hold queue memory.
    pub(super) holders: Arc<Holders>,
    /// How long sessions waited for their next receiver.
    pub(super) waits: Histogram<{ WAITS.len() }>,
    codes: [AtomicU64; CODES.len() + 1],
}

/// What those count in that one transport opened.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) of_service: Arc<Totals>,
    pub(super) transport: &'static str,
    /// Its place among those of the service.
    pub(super) index: usize,
    opened: AtomicU64,
    closed: [AtomicU64; EndCause::ALL.len()],
}

/// The tallies of a service: one for each transport that has opened a session.
#[derive(Debug, Default)]
pub(super) struct Tallies(RwLock<Vec<Arc<Tally>>>);

/// From a browser that polls again at once to one that comes back when most have been given up.
static WAITS: [Duration; 9] = [
    Duration::from_millis(1),
    Duration::from_millis(5),
    Duration::from_millis(25),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2500),
    Duration::from_secs(5),
];

/// Close codes that are counted each by itself; whatever else browsers and backends may choose is counted together.
pub(super) const CODES: [u16; 17] = [
    1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1011, 1012, 1013, 1014, 2010, 3000, 4401,
    4402,
];

impl Totals {
    pub(super) fn new(service: Arc<str>, budgets: Budgets) -> Arc<Self> {
        Arc::new(Self {
            counts: Counts::of(Arc::clone(&service)),
            service,
            budgets,
            clients: Arc::default(),
            dials: Arc::default(),
            holders: Arc::default(),
            waits: Histogram::new(&WAITS),
            codes: Default::default(),
        })
    }

    /// Queue memory runs short: the slowest sessions are to end.
    pub(super) fn relieve(&self) {
        self.budgets.reliefs().for_each(Relief::begin);
    }

    /// How many sessions were closed with each code of [`CODES`], and with others.
    pub(super) fn codes(&self) -> [u64; CODES.len() + 1] {
        std::array::from_fn(|code| self.codes[code].load(Ordering::Relaxed))
    }
}

impl Tally {
    pub(super) fn opened(&self) {
        self.opened.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn closed(&self, end: &End) {
        self.closed[end.cause as usize].fetch_add(1, Ordering::Relaxed);
        let place = CODES.iter().position(|code| *code == end.reason.code);
        let codes = &self.of_service.codes;
        codes[place.unwrap_or(CODES.len())].fetch_add(1, Ordering::Relaxed);
    }

    /// How many were opened, and how many were closed for each cause.
    pub(super) fn read(&self) -> (u64, [u64; EndCause::ALL.len()]) {
        // Closed ones first: not more of them than were opened.
        let closed = std::array::from_fn(|cause| self.closed[cause].load(Ordering::Relaxed));
        (self.opened.load(Ordering::Relaxed), closed)
    }
}

impl Tallies {
    /// The tally of a transport.
    pub(super) fn of(&self, transport: &'static str, totals: &Arc<Totals>) -> Arc<Tally> {
        let find = |known: &[Arc<Tally>]| {
            let known = known.iter().find(|tally| tally.transport == transport);
            known.cloned()
        };
        if let Some(tally) = find(&self.0.read()) {
            return tally;
        }
        let mut known = self.0.write();
        if let Some(tally) = find(&known) {
            return tally;
        }
        let tally = Arc::new(Tally {
            of_service: Arc::clone(totals),
            transport,
            index: known.len(),
            opened: AtomicU64::new(0),
            closed: Default::default(),
        });
        known.push(Arc::clone(&tally));
        tally
    }

    /// All of them, each at its index.
    pub(super) fn all(&self) -> Vec<Arc<Tally>> {
        self.0.read().clone()
    }
}
