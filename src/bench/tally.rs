//! What one worker has counted, and how that of several is put together. Pure.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

/// Kinds of problems that are told apart.
const MAX_PROBLEMS: usize = 16;
/// Longest latency that is told apart, in nanoseconds: an hour.
const LONGEST: u64 = 3_600_000_000_000;

/// Times in nanoseconds, to three digits.
#[derive(Clone, Debug)]
pub(super) struct Times(Histogram<u64>);

impl Default for Times {
    fn default() -> Self {
        let made = Histogram::new_with_bounds(1, LONGEST, 3);
        Self(made.expect("the bounds are valid"))
    }
}

/// What people ask of times. In microseconds.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Summary {
    pub(super) count: u64,
    pub(super) min: f64,
    pub(super) mean: f64,
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
    pub(super) p999: f64,
    pub(super) max: f64,
}

impl Times {
    pub(super) fn record(&mut self, nanoseconds: u64) {
        self.0.saturating_record(nanoseconds.max(1));
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.0.add(&other.0).expect("all have the same bounds");
    }

    /// `None` when nothing was recorded.
    pub(super) fn summary(&self) -> Option<Summary> {
        let microseconds = |nanoseconds: f64| (nanoseconds / 10.0).round() / 100.0;
        let at = |quantile| microseconds(self.0.value_at_quantile(quantile) as f64);
        (!self.0.is_empty()).then(|| Summary {
            count: self.0.len(),
            min: microseconds(self.0.min() as f64),
            mean: microseconds(self.0.mean()),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: microseconds(self.0.max() as f64),
        })
    }
}

/// Everything that is counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// Sessions that were opened, were not, and ended before they were to.
    pub(super) opened: u64,
    pub(super) failed: u64,
    pub(super) ended: u64,
    /// Messages of the whole run, with warm-up and end.
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) lost: u64,
    pub(super) reordered: u64,
    pub(super) duplicated: u64,
    /// Not of this run.
    pub(super) foreign: u64,
    /// Were to be sent, and the session was not ready in time.
    pub(super) unsent: u64,
    /// Received, or opened, while it was measured.
    pub(super) counted: u64,
    /// Frames of silence: `h`, and Pings.
    pub(super) heartbeats: u64,
    /// Those of silent sessions, by the second of the measured time in which they came.
    pub(super) beats: Vec<u64>,
    pub(super) latency: Times,
    /// From when messages were to be sent to when they were.
    pub(super) lateness: Times,
    /// What went wrong, and how often.
    pub(super) problems: BTreeMap<String, u64>,
}

impl Tally {
    pub(super) fn problem(&mut self, what: &str) {
        self.problems(what, 1);
    }

    fn problems(&mut self, what: &str, count: u64) {
        let full = self.problems.len() >= MAX_PROBLEMS && !self.problems.contains_key(what);
        let what = if full { "other" } else { what };
        *self.problems.entry(what.to_owned()).or_default() += count;
    }

    /// Counts heartbeats that came in one second of the measured time.
    pub(super) fn beat(&mut self, second: usize, count: u64) {
        if self.beats.len() <= second {
            self.beats.resize(second + 1, 0);
        }
        self.beats[second] += count;
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.opened += other.opened;
        self.failed += other.failed;
        self.ended += other.ended;
        self.sent += other.sent;
        self.received += other.received;
        self.lost += other.lost;
        self.reordered += other.reordered;
        self.duplicated += other.duplicated;
        self.foreign += other.foreign;
        self.unsent += other.unsent;
        self.counted += other.counted;
        self.heartbeats += other.heartbeats;
        for (second, count) in other.beats.iter().enumerate() {
            self.beat(second, *count);
        }
        self.latency.add(&other.latency);
        self.lateness.add(&other.lateness);
        for (what, count) in &other.problems {
            self.problems(what, *count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_what_was_recorded() {
        let (mut one, mut other) = (Times::default(), Times::default());
        assert_eq!(one.summary(), None);
        for microseconds in 1..=1000 {
            let times = if microseconds % 2 == 0 {
                &mut one
            } else {
                &mut other
            };
            times.record(microseconds * 1000);
        }
        one.add(&other);
        let summary = one.summary().expect("something was recorded");
        assert_eq!(summary.count, 1000);
        let near = |found: f64, expected: f64| (found - expected).abs() <= expected / 500.0;
        assert!(
            near(summary.min, 1.0) && near(summary.max, 1000.0),
            "{summary:?}"
        );
        assert!(
            near(summary.mean, 500.5) && near(summary.p50, 500.0),
            "{summary:?}"
        );
        assert!(
            near(summary.p90, 900.0) && near(summary.p99, 990.0),
            "{summary:?}"
        );
        assert!(near(summary.p999, 999.0), "{summary:?}");
    }

    /// A clock that stands still, and a wait of a day, are no reason to fail.
    #[test]
    fn times_out_of_bounds_are_recorded_as_the_bound() {
        let mut times = Times::default();
        times.record(0);
        times.record(u64::MAX);
        assert_eq!(times.summary().map(|summary| summary.count), Some(2));
    }

    #[test]
    fn tallies_are_added_and_problems_are_bounded() {
        let (mut one, mut other) = (Tally::default(), Tally::default());
        (one.sent, other.sent, other.lost) = (1, 2, 3);
        one.problem("x");
        for number in 0..100 {
            other.problem(&number.to_string());
        }
        other.problem("x");
        one.add(&other);
        assert_eq!((one.sent, one.lost), (3, 3));
        assert_eq!(one.problems.values().sum::<u64>(), 102);
        assert!(one.problems.len() <= MAX_PROBLEMS + 1);
    }

    #[test]
    fn heartbeats_are_counted_by_the_second() {
        let (mut one, mut other) = (Tally::default(), Tally::default());
        one.beat(1, 2);
        other.beat(1, 1);
        other.beat(3, 4);
        one.add(&other);
        assert_eq!(one.beats, [0, 3, 0, 4]);
    }
}
