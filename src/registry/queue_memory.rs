//! Memory of queues: what a session holds of it, and who gives way when it runs short.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::task::yield_now;
use tracing::warn;

use crate::moment::Moment;
use crate::throttle::Throttle;

use super::budget::{Budget, Reservation};
use super::clock::{now, present};
use super::holders::{Holders, Listed};

/// What every session may queue without asking the budget, so that small messages cost no shared counter. The limit on the number of
/// sessions bounds it.
const FREE: usize = 16 * 1024;
/// What the kept head of a session's first request may have without asking: more than most have.
pub(super) const FREE_HEAD: usize = 4096;
/// Unit in which the budget is asked.
const STEP: usize = 16 * 1024;
/// Sessions that are looked at, or ended, before others have their turn on the thread: some ten microseconds.
const AT_A_TIME: usize = 128;
/// Least time between two looks for the slowest sessions: those that were ended need some to give their memory back.
const PAUSE: Duration = Duration::from_millis(100);

/// What a session's queues, and the head that is kept for its backend, hold of the budget.
#[derive(Debug)]
pub(super) struct Hold {
    part: Reservation,
    /// Bytes of the head.
    head: usize,
    /// When it last became smaller, or began.
    since: Moment,
    _listed: Listed,
}

/// What became of asking the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// There is enough.
    Granted,
    /// It was granted, but memory runs short.
    Short,
    /// There is none.
    Refused,
}

impl Hold {
    /// Keeps what is held in step with `queued` bytes, and with a `head` of so many when that has changed. A head is asked for exactly:
    /// in HTTP/2 it costs its sender next to nothing. (RFC 7541 §2.3) Boxed, because most sessions hold nothing. Where it begins to hold, the
    /// session is put on the `list`.
    pub(super) fn follow(
        hold: &mut Option<Box<Self>>,
        head: Option<usize>,
        queued: usize,
        budget: &Arc<Budget>,
        list: impl FnOnce() -> Listed,
    ) -> Asked {
        // As for most sessions, most of the time.
        if hold.is_none() && head.is_none() && queued <= FREE {
            return Asked::Granted;
        }
        let kept = || hold.as_ref().map_or(0, |hold| hold.head);
        let head = head.unwrap_or_else(kept);
        let head = if head <= FREE_HEAD { 0 } else { head };
        let queued = if queued <= FREE { 0 } else { queued };
        let wanted = queued.next_multiple_of(STEP) + head;
        if wanted == 0 {
            if hold.is_some() {
                *hold = None;
            }
            return Asked::Granted;
        }
        let granted = match hold {
            Some(hold) if wanted <= hold.part.amount() => {
                hold.head = head;
                if wanted < hold.part.amount() {
                    hold.part.shrink_to(wanted);
                    hold.since = now();
                }
                return Asked::Granted;
            }
            Some(hold) => {
                hold.head = head;
                hold.part.grow_to(wanted)
            }
            none => {
                *none = budget.reserve(wanted).map(|part| {
                    Box::new(Self {
                        part,
                        head,
                        since: now(),
                        _listed: list(),
                    })
                });
                none.is_some()
            }
        };
        match granted {
            false => Asked::Refused,
            true if budget.is_short() => Asked::Short,
            true => Asked::Granted,
        }
    }

    /// How much is held, and how slow the session is: bytes times the time since they last became fewer.
    pub(super) fn weight(&self, now: Moment) -> (usize, u128) {
        let bytes = self.part.amount();
        let held = now.saturating_duration_since(self.since).as_millis() + 1;
        (bytes, bytes as u128 * held)
    }
}

/// Ends the slowest of the sessions that share a budget when it runs short.
#[derive(Debug)]
pub(super) struct Relief {
    budget: Arc<Budget>,
    holders: Mutex<Vec<Weak<Holders>>>,
    /// Where it runs: senders may be outside of any runtime.
    runtime: OnceLock<Handle>,
    running: AtomicBool,
    told: Throttle,
}

/// While it runs; also when its runtime ends first.
struct Running(Arc<Relief>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.store(false, Ordering::Release);
    }
}

impl Relief {
    pub(super) fn new(budget: &Arc<Budget>) -> Arc<Self> {
        Arc::new(Self {
            budget: Arc::clone(budget),
            holders: Mutex::default(),
            runtime: OnceLock::new(),
            running: AtomicBool::new(false),
            told: Throttle::default(),
        })
    }

    /// These share the budget too.
    pub(super) fn add(&self, more: &Arc<Holders>) {
        let mut holders = self.holders.lock();
        holders.retain(|holders| holders.strong_count() > 0);
        holders.push(Arc::downgrade(more));
    }

    /// Sessions are opened in this runtime.
    pub(super) fn runs_here(&self) {
        if self.runtime.get().is_none()
            && let Ok(runtime) = Handle::try_current()
        {
            let _ = self.runtime.set(runtime);
        }
    }

    /// Looks for the slowest while memory is short, unless that is being done.
    pub(super) fn begin(self: &Arc<Self>) {
        if let Some(runtime) = self.runtime.get()
            && self.budget.is_full_to_the_mark()
            && !self.running.swap(true, Ordering::AcqRel)
        {
            let running = Running(Arc::clone(self));
            runtime.spawn(async move {
                let (relief, begun) = (Arc::clone(&running.0), present());
                relief.relieve().await;
                // However many sessions there are, most of the time is left for them.
                let pause = PAUSE.max(begun.elapsed() * 10);
                tokio::time::sleep(pause).await;
                drop(running);
                relief.begin();
            });
        }
    }

    /// Ends the slowest until a quarter of the budget is free, those counted that end already.
    async fn relieve(&self) {
        let mut slowest = Slowest::new(self.budget.excess());
        let services: Vec<_> = self.holders.lock().clone();
        for holders in services.iter().filter_map(Weak::upgrade) {
            let mut from = Some(0);
            while let Some(first) = from {
                let (sessions, next) = holders.some(first, AT_A_TIME);
                let now = now();
                for session in sessions {
                    match session.holds(now) {
                        Some((bytes, _, true)) => slowest.gives_back(bytes),
                        Some((bytes, weight, false)) => slowest.add(weight, bytes, session),
                        None => {}
                    }
                }
                from = next;
                yield_now().await;
            }
        }
        let slowest = slowest.sessions();
        let ended = slowest.len();
        for some in slowest.chunks(AT_A_TIME) {
            some.iter().for_each(|session| session.give_up());
            yield_now().await;
        }
        if ended > 0
            && let Some(held_back) = self.told.admit()
        {
            let (service, limit) = match slowest.first() {
                Some(session) if self.budget.is_of_service() => (
                    Some(&*session.tally().of_service.service),
                    "queue_memory of the service",
                ),
                _ => (None, "queue_memory of all services"),
            };
            warn!(
                service,
                ended,
                limit,
                bytes = self.budget.limit(),
                held_back,
                "sessions ended: queue_memory runs short, and theirs were the slowest browsers"
            );
        }
    }
}

/// The heaviest of those that were seen: as many as are needed for so many bytes.
struct Slowest<S> {
    needed: usize,
    /// What they hold.
    bytes: usize,
    /// The lightest first.
    heap: BinaryHeap<Reverse<Heavy<S>>>,
}

struct Heavy<S> {
    weight: u128,
    bytes: usize,
    session: S,
}

impl<S> Slowest<S> {
    fn new(needed: usize) -> Self {
        Self {
            needed,
            bytes: 0,
            heap: BinaryHeap::new(),
        }
    }

    fn add(&mut self, weight: u128, bytes: usize, session: S) {
        self.bytes += bytes;
        self.heap.push(Reverse(Heavy {
            weight,
            bytes,
            session,
        }));
        self.let_go();
    }

    /// So many bytes are not needed any more.
    fn gives_back(&mut self, bytes: usize) {
        self.needed = self.needed.saturating_sub(bytes);
        self.let_go();
    }

    /// The lightest go while what the others hold is enough.
    fn let_go(&mut self) {
        while let Some(Reverse(lightest)) = self.heap.peek()
            && self.bytes - lightest.bytes >= self.needed
        {
            self.bytes -= lightest.bytes;
            self.heap.pop();
        }
    }

    fn sessions(self) -> Vec<S> {
        let heavy = self.heap.into_iter();
        heavy.map(|Reverse(heavy)| heavy.session).collect()
    }
}

impl<S> PartialEq for Heavy<S> {
    fn eq(&self, other: &Self) -> bool {
        self.weight == other.weight
    }
}

impl<S> Eq for Heavy<S> {}

impl<S> PartialOrd for Heavy<S> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<S> Ord for Heavy<S> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.weight.cmp(&other.weight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// As when a session's queues have grown or shrunk to `queued`.
    fn follow(hold: &mut Option<Box<Hold>>, queued: usize, budget: &Arc<Budget>) -> Asked {
        keep(hold, None, queued, budget)
    }

    /// As [`follow`], and its head has so many bytes from now on.
    fn keep(
        hold: &mut Option<Box<Hold>>,
        head: Option<usize>,
        queued: usize,
        budget: &Arc<Budget>,
    ) -> Asked {
        let list = || Arc::<Holders>::default().list(Weak::new());
        Hold::follow(hold, head, queued, budget, list)
    }

    /// Small queues do not ask; larger ones ask in steps, and give back what they do not need.
    #[test]
    fn budget_is_asked_in_steps_beyond_what_is_free() {
        let budget = Budget::new(1 << 20);
        let mut hold = None;
        for (queued, held) in [
            (FREE, 0),
            (FREE + 1, 2 * STEP),
            (3 * STEP, 3 * STEP),
            (STEP + 1, 2 * STEP),
            (0, 0),
        ] {
            let asked = follow(&mut hold, queued, &budget);
            assert_eq!((asked, budget.used()), (Asked::Granted, held), "{queued}");
        }
    }

    /// A head that is kept counts in whole, beside the queues, until it is dropped; small ones do not ask.
    #[test]
    fn heads_that_are_kept_count() {
        let budget = Budget::new(1 << 20);
        let mut hold = None;
        for (head, queued, held) in [
            (FREE_HEAD, 0, 0),
            (FREE_HEAD + 1, 0, FREE_HEAD + 1),
            (30_000, FREE, 30_000),
            (30_000, FREE + 1, 2 * STEP + 30_000),
        ] {
            let asked = keep(&mut hold, Some(head), queued, &budget);
            assert_eq!(
                (asked, budget.used()),
                (Asked::Granted, held),
                "{head}, {queued}"
            );
        }
        assert_eq!(follow(&mut hold, 0, &budget), Asked::Granted);
        assert_eq!(
            budget.used(),
            30_000,
            "the queues are empty, the head is kept"
        );
        assert_eq!(keep(&mut hold, Some(0), 0, &budget), Asked::Granted);
        assert_eq!(budget.used(), 0);
    }

    /// Who asks learns that memory runs short before there is none.
    #[test]
    fn shortness_is_told_before_the_end() {
        let budget = Budget::new(16 * STEP);
        let (mut first, mut second) = (None, None);
        let follow = |hold: &mut Option<Box<Hold>>, steps| follow(hold, steps * STEP, &budget);
        assert_eq!(follow(&mut first, 14), Asked::Granted);
        assert_eq!(follow(&mut first, 15), Asked::Short);
        assert_eq!(follow(&mut first, 15), Asked::Granted, "nothing was asked");
        assert_eq!(follow(&mut second, 2), Asked::Refused);
    }

    /// A queue that becomes smaller is younger than one that does not; of two of one age the larger is heavier.
    #[tokio::test(start_paused = true)]
    async fn weight_is_bytes_times_the_time_without_progress() {
        let budget = Budget::new(1 << 20);
        let mut holds: [Option<Box<Hold>>; 3] = Default::default();
        for (hold, steps) in holds.iter_mut().zip([2, 4, 4]) {
            follow(hold, steps * STEP, &budget);
        }
        tokio::time::advance(10 * SECOND).await;
        follow(&mut holds[2], 3 * STEP, &budget);
        tokio::time::advance(SECOND).await;
        let weights = holds.map(|hold| hold.map(|hold| hold.weight(now()).1));
        assert!(weights[1] > weights[0] && weights[0] > weights[2]);
    }

    /// Of all that were seen the heaviest are chosen, as few as are enough.
    #[test]
    fn the_slowest_are_the_heaviest_that_are_needed() {
        for needed in [0, 1, 50, 51, 500, 5000] {
            for given_back in [0, 49, 1000] {
                let mut slowest = Slowest::new(needed);
                let bytes = |number: usize| 10 + number % 7;
                // In an order without order; each weight is there once.
                let weights = (0..100_usize).map(|number| (number * 37 + 11) % 100);
                for (number, weight) in weights.clone().enumerate() {
                    slowest.add(weight as u128, bytes(number), weight);
                    if number == 50 {
                        slowest.gives_back(given_back);
                    }
                }
                let mut expected: Vec<_> = weights.enumerate().collect();
                expected.sort_by_key(|(_, weight)| Reverse(*weight));
                let mut sum = 0;
                let left = needed.saturating_sub(given_back);
                let expected = expected.into_iter().take_while(|(number, _)| {
                    let wanted = sum < left;
                    sum += bytes(*number);
                    wanted
                });
                let expected: Vec<_> = expected.map(|(_, weight)| weight).collect();
                let mut chosen = slowest.sessions();
                chosen.sort_by_key(|weight| Reverse(*weight));
                assert_eq!(chosen, expected, "{needed} {given_back}");
            }
        }
    }
}
