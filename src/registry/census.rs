//! What a registry's sessions come to, those that live and those that have ended, at one point in time.

use std::sync::atomic::Ordering;

use crate::session::{EndCause, Queued, Standing, Traffic};

use super::dials::DialCounts;
use super::handle::SessionHandle;
use super::histogram::Distribution;
use super::tally::CODES;
use super::{Budget, Registry};

/// The sessions of one service since its start.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Census {
    /// By the transport that opened them, of those that have opened any.
    pub transports: Vec<TransportCensus>,
    /// Close codes and how many sessions ended with them. `None` stands for all others.
    pub codes: Vec<(Option<u16>, u64)>,
    /// What waits in the queues of living sessions.
    pub queued: Queued,
    /// How long sessions have waited for their next receiver.
    pub receiver_waits: Distribution,
    /// Dials of the backend; `None` when it makes none.
    pub dials: Option<DialCounts>,
    /// Places of sessions: in use until everything of a session is over, the backend's last words included.
    pub places: Level,
    /// Bytes of queue memory.
    pub queue_memory: Level,
}

/// The sessions that one transport opened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TransportCensus {
    /// Name of the transport.
    pub transport: &'static str,
    /// How many were opened.
    pub opened: u64,
    /// How many were closed, for each of [`EndCause::ALL`].
    pub closed: [u64; EndCause::ALL.len()],
    /// How many stand in each way of [`Standing::LIVING`].
    pub living: [u64; Standing::LIVING.len()],
    /// What came and went, of ended sessions too.
    pub traffic: Traffic,
}

/// How much of a bound is in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// In use.
    pub used: usize,
    /// The most that can be.
    pub limit: usize,
}

impl Level {
    /// That of `budget`.
    pub fn of(budget: &Budget) -> Self {
        Self {
            used: budget.used(),
            limit: budget.limit(),
        }
    }
}

/// What a session adds to the census.
pub(super) struct Glance {
    pub(super) standing: Standing,
    pub(super) traffic: Traffic,
    pub(super) queued: Queued,
}

/// Sums, by tally.
#[derive(Debug, Default)]
pub(super) struct Sums {
    /// Of each tally, how many stand in each way, and what came and went.
    by_tally: Vec<([u64; Standing::LIVING.len()], Traffic)>,
    queued: Queued,
}

impl Sums {
    pub(super) fn add_ended(&mut self, tally: usize, traffic: Traffic) {
        self.at(tally).1 += traffic;
    }

    pub(super) fn add_living(&mut self, handle: &SessionHandle) {
        let glance = handle.glance();
        self.queued += glance.queued;
        let (living, traffic) = self.at(handle.tally().index);
        *traffic += glance.traffic;
        if let Some(count) = living.get_mut(glance.standing as usize) {
            *count += 1;
        }
    }

    fn at(&mut self, tally: usize) -> &mut ([u64; Standing::LIVING.len()], Traffic) {
        if self.by_tally.len() <= tally {
            self.by_tally.resize(tally + 1, Default::default());
        }
        &mut self.by_tally[tally]
    }
}

impl Registry {
    /// Counts everything. Looks at each living session for a moment, which takes up to a tenth of a second for a hundred thousand of
    /// them.
    pub fn census(&self) -> Census {
        let mut sums = Sums::default();
        for shard in &self.shards {
            // A session leaves the living and joins the ended in one step, so that it is here once. What a session of the roll counts
            // until it is looked at, or has ended with by then, is in no other sum; so no sum is ever less than one before.
            let (ended, living) = shard.lock().roll();
            for (tally, traffic) in ended.into_iter().enumerate() {
                sums.add_ended(tally, traffic);
            }
            living.iter().for_each(|handle| sums.add_living(handle));
        }
        let Sums { by_tally, queued } = sums;
        let mut by_tally = by_tally.into_iter();
        let tallies = self.tallies.all();
        let transports = tallies.iter().map(|tally| {
            let (living, traffic) = by_tally.next().unwrap_or_default();
            let (opened, closed) = tally.read();
            TransportCensus {
                transport: tally.transport,
                opened,
                closed,
                living,
                traffic,
            }
        });
        let transports = transports.collect();
        let totals = &self.totals;
        let names = CODES.iter().copied().map(Some).chain([None]);
        Census {
            transports,
            codes: names.zip(totals.codes()).collect(),
            queued,
            receiver_waits: totals.waits.read(),
            dials: self
                .dials
                .load(Ordering::Relaxed)
                .then(|| totals.dials.read()),
            places: Level::of(&self.budgets().sessions),
            queue_memory: Level::of(&self.budgets().queue_memory),
        }
    }
}

/// Adds what was counted of a service with the same prefix.
impl std::ops::AddAssign for Census {
    fn add_assign(&mut self, more: Self) {
        for more in more.transports {
            match self
                .transports
                .iter_mut()
                .find(|known| known.transport == more.transport)
            {
                Some(known) => known.add(&more),
                None => self.transports.push(more),
            }
        }
        add_all(
            self.codes.iter_mut().map(|(_, count)| count),
            more.codes.iter().map(|(_, count)| *count),
        );
        self.queued += more.queued;
        self.receiver_waits.add(&more.receiver_waits);
        match (&mut self.dials, more.dials) {
            (Some(dials), Some(more)) => dials.add(&more),
            (dials, more) => *dials = dials.take().or(more),
        }
        self.places.used += more.places.used;
        self.queue_memory.used += more.queue_memory.used;
    }
}

impl TransportCensus {
    fn add(&mut self, more: &Self) {
        self.opened += more.opened;
        add_all(&mut self.closed, more.closed);
        add_all(&mut self.living, more.living);
        self.traffic += more.traffic;
    }
}

/// Adds numbers that stand at the same places.
pub(super) fn add_all<'a>(
    counts: impl IntoIterator<Item = &'a mut u64>,
    more: impl IntoIterator<Item = u64>,
) {
    for (count, more) in counts.into_iter().zip(more) {
        *count += more;
    }
}
