//! How long things took, counted by bounds that are fixed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counts durations. Two additions per observation, and no lock.
#[derive(Debug)]
pub struct Histogram<const BOUNDS: usize> {
    bounds: &'static [Duration; BOUNDS],
    within: [AtomicU64; BOUNDS],
    beyond: AtomicU64,
    nanos: AtomicU64,
}

/// What a [`Histogram`] has counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Distribution {
    /// Upper bounds, ascending, and how many observations were at most that and more than the bound before.
    pub within: Vec<(Duration, u64)>,
    /// Those over the last bound.
    pub beyond: u64,
    /// All together.
    pub sum: Duration,
}

impl Distribution {
    /// Number of observations.
    pub fn count(&self) -> u64 {
        let within = self.within.iter().map(|(_, count)| count);
        within.sum::<u64>() + self.beyond
    }

    /// As if both had been counted by one. Their bounds must be the same.
    pub(super) fn add(&mut self, more: &Self) {
        if self.within.is_empty() {
            self.within.clone_from(&more.within);
        } else {
            for ((_, count), (_, more)) in self.within.iter_mut().zip(&more.within) {
                *count += more;
            }
        }
        self.beyond += more.beyond;
        self.sum += more.sum;
    }
}

impl<const BOUNDS: usize> Histogram<BOUNDS> {
    /// Nothing counted; `bounds` ascend.
    pub fn new(bounds: &'static [Duration; BOUNDS]) -> Self {
        Self {
            bounds,
            within: std::array::from_fn(|_| AtomicU64::new(0)),
            beyond: AtomicU64::new(0),
            nanos: AtomicU64::new(0),
        }
    }

    /// Something took that long.
    pub fn observe(&self, duration: Duration) {
        let place = self.bounds.iter().position(|bound| duration <= *bound);
        let counter = place.map_or(&self.beyond, |place| &self.within[place]);
        counter.fetch_add(1, Ordering::Relaxed);
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// What was counted so far.
    pub fn read(&self) -> Distribution {
        let counts = self
            .within
            .iter()
            .map(|count| count.load(Ordering::Relaxed));
        Distribution {
            within: self.bounds.iter().copied().zip(counts).collect(),
            beyond: self.beyond.load(Ordering::Relaxed),
            sum: Duration::from_nanos(self.nanos.load(Ordering::Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: [Duration; 2] = [Duration::from_millis(10), Duration::from_secs(1)];

    /// A bound belongs to what is below it. (Prometheus, `le`: less than or equal)
    #[test]
    fn observations_are_counted_by_the_first_bound_that_holds_them() {
        let histogram = Histogram::new(&BOUNDS);
        for millis in [0, 10, 11, 1000, 1001, 5000] {
            histogram.observe(Duration::from_millis(millis));
        }
        let read = histogram.read();
        assert_eq!(read.within, [(BOUNDS[0], 2), (BOUNDS[1], 2)]);
        assert_eq!((read.beyond, read.count()), (2, 6));
        assert_eq!(read.sum, Duration::from_millis(7022));
        let mut twice = Distribution::default();
        twice.add(&read);
        twice.add(&read);
        assert_eq!((twice.count(), twice.sum), (12, read.sum * 2));
    }
}
