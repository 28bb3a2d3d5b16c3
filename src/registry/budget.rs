//! Bounds that many sessions share: how many there are, and how much memory their queues take together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::queue_memory::Relief;

/// A counter that never exceeds its limit, nor lets its parent exceed its own: a service's within the process's.
#[derive(Debug)]
pub struct Budget {
    used: AtomicUsize,
    limit: AtomicUsize,
    parent: Option<Arc<Self>>,
}

impl Budget {
    /// A budget of `limit` units, all free.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            used: AtomicUsize::new(0),
            limit: AtomicUsize::new(limit),
            parent: None,
        })
    }

    /// A budget of `limit` units that are also taken from `parent`.
    pub fn within(parent: &Arc<Self>, limit: usize) -> Arc<Self> {
        Arc::new(Self {
            used: AtomicUsize::new(0),
            limit: AtomicUsize::new(limit),
            parent: Some(Arc::clone(parent)),
        })
    }

    /// Units in use.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// The most that can be in use.
    pub fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    /// Sets another limit. What is in use stays, also beyond it.
    pub fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Whether it, or the one around it, is used up to its high-water mark, seven eighths of the limit.
    pub fn is_short(&self) -> bool {
        let outer = self.parent.as_ref();
        self.is_full_to_the_mark() || outer.is_some_and(|outer| outer.is_short())
    }

    /// Whether it, or the one around it, is used by more than a half: what comes beyond is not for those who can take as much as they like.
    pub fn is_half_used(&self) -> bool {
        let outer = self.parent.as_ref();
        self.used() > self.limit() / 2 || outer.is_some_and(|outer| outer.is_half_used())
    }

    /// Whether there is one around it, which many share.
    pub(super) fn is_of_service(&self) -> bool {
        self.parent.is_some()
    }

    /// Whether all of it is used, whatever there is in the one around it.
    pub(super) fn is_used_up(&self) -> bool {
        self.used() >= self.limit()
    }

    /// As [`Self::is_short`], of this one alone.
    pub(super) fn is_full_to_the_mark(&self) -> bool {
        let limit = self.limit();
        self.used() > limit - limit / 8
    }

    /// How much is used beyond three quarters of the limit.
    pub(super) fn excess(&self) -> usize {
        let limit = self.limit();
        self.used().saturating_sub(limit - limit / 4)
    }

    /// Takes `amount` until the guard is dropped, or nothing when that would exceed a limit.
    pub fn reserve(self: &Arc<Self>, amount: usize) -> Option<Reservation> {
        self.take(amount).then(|| Reservation {
            budget: Arc::clone(self),
            amount,
        })
    }

    fn take(&self, amount: usize) -> bool {
        let limit = self.limit();
        let within = |used: usize| used.checked_add(amount).filter(|used| *used <= limit);
        if self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, within)
            .is_err()
        {
            return false;
        }
        let granted = self
            .parent
            .as_ref()
            .is_none_or(|parent| parent.take(amount));
        if !granted {
            self.used.fetch_sub(amount, Ordering::Relaxed);
        }
        granted
    }

    fn give_back(&self, amount: usize) {
        self.used.fetch_sub(amount, Ordering::Relaxed);
        if let Some(parent) = &self.parent {
            parent.give_back(amount);
        }
    }
}

/// A part of a [`Budget`], given back when dropped.
#[derive(Debug)]
pub struct Reservation {
    budget: Arc<Budget>,
    amount: usize,
}

impl Reservation {
    /// An empty part of the same budget.
    pub fn sibling(&self) -> Self {
        Self {
            budget: Arc::clone(&self.budget),
            amount: 0,
        }
    }

    /// Another part of the same budget, or nothing when that would exceed a limit.
    pub fn another(&self, amount: usize) -> Option<Self> {
        self.budget.reserve(amount)
    }

    /// Makes the part at least `amount`; `false`, and no change, when that would exceed a limit.
    pub fn grow_to(&mut self, amount: usize) -> bool {
        let more = amount.saturating_sub(self.amount);
        let granted = more == 0 || self.budget.take(more);
        if granted {
            self.amount += more;
        }
        granted
    }

    /// Makes the part at most `amount`.
    pub fn shrink_to(&mut self, amount: usize) {
        let less = self.amount.saturating_sub(amount);
        if less > 0 {
            self.amount -= less;
            self.budget.give_back(less);
        }
    }

    /// How much is taken.
    pub fn amount(&self) -> usize {
        self.amount
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

/// Bounds on all sessions together: of a process, or, as children of those, of one service.
#[derive(Clone, Debug)]
pub struct Budgets {
    /// Number of living sessions.
    pub sessions: Arc<Budget>,
    /// Bytes in the queues of all sessions (beyond a small free part per session) and in request bodies being read.
    pub queue_memory: Arc<Budget>,
    /// Who ends the slowest when that memory runs short; and around it, who does when the process's does.
    relief: Arc<Relief>,
    outer_relief: Option<Arc<Relief>>,
}

impl Budgets {
    /// Bounds of `sessions` and of `queue_memory` bytes.
    pub fn new(sessions: usize, queue_memory: usize) -> Self {
        Self::of(Budget::new(sessions), Budget::new(queue_memory), None)
    }

    /// Sets other bounds; what is in use stays.
    pub fn set_limits(&self, sessions: usize, queue_memory: usize) {
        self.sessions.set_limit(sessions);
        self.queue_memory.set_limit(queue_memory);
    }

    /// The same within `self`.
    pub fn child(&self, sessions: usize, queue_memory: usize) -> Self {
        Self::of(
            Budget::within(&self.sessions, sessions),
            Budget::within(&self.queue_memory, queue_memory),
            Some(Arc::clone(&self.relief)),
        )
    }

    fn of(
        sessions: Arc<Budget>,
        queue_memory: Arc<Budget>,
        outer_relief: Option<Arc<Relief>>,
    ) -> Self {
        Self {
            relief: Relief::new(&queue_memory),
            sessions,
            queue_memory,
            outer_relief,
        }
    }

    pub(super) fn reliefs(&self) -> impl Iterator<Item = &Arc<Relief>> {
        std::iter::once(&self.relief).chain(&self.outer_relief)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is reserved never exceeds the limit and comes back whole.
    #[test]
    fn reservations_stay_within_the_limit_and_come_back() {
        let budget = Budget::new(10);
        let mut first = budget.reserve(6).expect("within the limit");
        assert!(budget.reserve(5).is_none());
        assert!(first.grow_to(10));
        assert!(!first.grow_to(11));
        first.shrink_to(3);
        assert_eq!((budget.used(), first.amount()), (3, 3));
        drop(first);
        assert_eq!(budget.used(), 0);
    }

    /// A lower limit takes nothing away, and gives nothing more until enough has come back.
    #[test]
    fn limits_can_be_changed() {
        let budget = Budget::new(2);
        let parts = [budget.reserve(1), budget.reserve(1)];
        budget.set_limit(1);
        assert!(budget.reserve(1).is_none());
        drop(parts);
        let part = budget.reserve(1);
        assert!(part.is_some() && budget.reserve(1).is_none());
        budget.set_limit(2);
        assert!(budget.reserve(1).is_some());
    }

    /// A part is taken from the budget and from the one around it, or from neither.
    #[test]
    fn inner_budgets_are_bounded_by_the_outer_one() {
        let process = Budget::new(10);
        let services = [Budget::within(&process, 8), Budget::within(&process, 8)];
        let first = services[0].reserve(7).expect("within both limits");
        assert!(services[1].reserve(4).is_none(), "the outer limit holds");
        assert_eq!((services[1].used(), process.used()), (0, 7));
        let second = services[1].reserve(3).expect("within both limits");
        drop((first, second));
        assert_eq!(
            (services[0].used(), services[1].used(), process.used()),
            (0, 0, 0)
        );
    }
}
