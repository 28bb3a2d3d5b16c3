//! Memory of queues: what a session holds of it, and who gives way when it runs short.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::task::yield_now;
use tracing::warn;

use crate::moment::Moment;
use crate::throttle::Throttle;

use super::Registry;
use super::budget::{Budget, Reservation};
use super::clock::{now, present};
use super::handle::SessionHandle;

/// What every session may queue without asking the budget, so that small messages cost no shared counter. The limit on the number of
/// sessions bounds it.
const FREE: usize = 16 * 1024;
/// Unit in which the budget is asked.
const STEP: usize = 16 * 1024;
/// Least time between two looks for the slowest sessions: those that were ended need some to give their memory back.
const PAUSE: Duration = Duration::from_millis(100);

/// What a session's queues hold of the budget.
#[derive(Debug)]
pub(super) struct Hold {
    part: Reservation,
    /// When it last became smaller, or began.
    since: Moment,
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
    /// Keeps what is held in step with `queued` bytes. Boxed, because most sessions hold nothing.
    pub(super) fn follow(
        hold: &mut Option<Box<Self>>,
        queued: usize,
        budget: &Arc<Budget>,
    ) -> Asked {
        if queued <= FREE {
            if hold.is_some() {
                *hold = None;
            }
            return Asked::Granted;
        }
        let wanted = queued.next_multiple_of(STEP);
        let granted = match hold {
            Some(hold) if wanted <= hold.part.amount() => {
                if wanted < hold.part.amount() {
                    hold.part.shrink_to(wanted);
                    hold.since = now();
                }
                return Asked::Granted;
            }
            Some(hold) => hold.part.grow_to(wanted),
            none => {
                let since = now();
                *none = budget
                    .reserve(wanted)
                    .map(|part| Box::new(Self { part, since }));
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
    registries: Mutex<Vec<Weak<Registry>>>,
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
            registries: Mutex::default(),
            runtime: OnceLock::new(),
            running: AtomicBool::new(false),
            told: Throttle::default(),
        })
    }

    /// Sessions of this registry share the budget too.
    pub(super) fn add(&self, registry: Weak<Registry>) {
        let mut registries = self.registries.lock();
        registries.retain(|registry| registry.strong_count() > 0);
        registries.push(registry);
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
        let mut excess = self.budget.excess();
        let mut holding: Vec<(u128, usize, Arc<SessionHandle>)> = Vec::new();
        let registries: Vec<_> = self.registries.lock().clone();
        for registry in registries.iter().filter_map(Weak::upgrade) {
            for shard in 0..registry.shards.len() {
                let sessions = registry.in_shard(shard);
                let now = now();
                for session in sessions {
                    match session.holds(now) {
                        Some((bytes, _, true)) => excess = excess.saturating_sub(bytes),
                        Some((bytes, weight, false)) => holding.push((weight, bytes, session)),
                        None => {}
                    }
                }
                yield_now().await;
            }
        }
        holding.sort_unstable_by_key(|(weight, ..)| std::cmp::Reverse(*weight));
        let mut ended = 0_usize;
        for (_, bytes, session) in holding {
            if excess == 0 {
                break;
            }
            excess = excess.saturating_sub(bytes);
            session.give_up();
            ended += 1;
        }
        if ended > 0
            && let Some(held_back) = self.told.admit()
        {
            let limit = self.budget.limit();
            warn!(
                ended,
                limit,
                held_back,
                "sessions ended: queue_memory runs short, and theirs were the slowest browsers"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

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
            let asked = Hold::follow(&mut hold, queued, &budget);
            assert_eq!((asked, budget.used()), (Asked::Granted, held), "{queued}");
        }
    }

    /// Who asks learns that memory runs short before there is none.
    #[test]
    fn shortness_is_told_before_the_end() {
        let budget = Budget::new(16 * STEP);
        let (mut first, mut second) = (None, None);
        let follow =
            |hold: &mut Option<Box<Hold>>, steps| Hold::follow(hold, steps * STEP, &budget);
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
            Hold::follow(hold, steps * STEP, &budget);
        }
        tokio::time::advance(10 * SECOND).await;
        Hold::follow(&mut holds[2], 3 * STEP, &budget);
        tokio::time::advance(SECOND).await;
        let weights = holds.map(|hold| hold.map(|hold| hold.weight(now()).1));
        assert!(weights[1] > weights[0] && weights[0] > weights[2]);
    }
}
