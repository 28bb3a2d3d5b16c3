//! Bounds that many sessions share: how many there are, and how much memory their queues take together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A counter that never exceeds its limit. Shared by all sessions of a service, or of the process.
#[derive(Debug)]
pub struct Budget {
    used: AtomicUsize,
    limit: usize,
}

impl Budget {
    /// A budget of `limit` units, all free.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            used: AtomicUsize::new(0),
            limit,
        })
    }

    /// Units in use.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// The most that can be in use.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Takes `amount` until the guard is dropped, or nothing when that would exceed the limit.
    pub fn reserve(self: &Arc<Self>, amount: usize) -> Option<Reservation> {
        let mut reservation = Reservation {
            budget: Arc::clone(self),
            amount: 0,
        };
        reservation.grow_to(amount).then_some(reservation)
    }
}

/// A part of a [`Budget`], given back when dropped.
#[derive(Debug)]
pub struct Reservation {
    budget: Arc<Budget>,
    amount: usize,
}

impl Reservation {
    /// Makes the part at least `amount`; `false`, and no change, when that would exceed the limit.
    pub fn grow_to(&mut self, amount: usize) -> bool {
        let Some(more) = amount.checked_sub(self.amount).filter(|more| *more > 0) else {
            return true;
        };
        let limit = self.budget.limit;
        let grown = self
            .budget
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(more).filter(|used| *used <= limit)
            });
        self.amount += if grown.is_ok() { more } else { 0 };
        grown.is_ok()
    }

    /// Makes the part at most `amount`.
    pub fn shrink_to(&mut self, amount: usize) {
        let less = self.amount.saturating_sub(amount);
        self.amount -= less;
        self.budget.used.fetch_sub(less, Ordering::Relaxed);
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
}
