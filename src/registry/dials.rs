//! How often backends dialled for the sessions of a service, and what came of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::census::add_all;
use super::histogram::{Distribution, Histogram};

/// What came of a dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialOutcome {
    /// The upstream's WebSocket is open.
    Opened,
    /// Nobody listens there, or the way is blocked.
    Unreachable,
    /// No answer within the dial timeout.
    TimedOut,
    /// It answered the handshake with another status than 101.
    Refused,
    /// What it answered is no WebSocket handshake.
    Broken,
    /// The session was over before there was an answer.
    Abandoned,
}

impl DialOutcome {
    /// All of them, in this order, with their names and what they mean.
    pub const ALL: [(Self, &'static str, &'static str); 6] = [
        (Self::Opened, "opened", "its WebSocket is open"),
        (
            Self::Unreachable,
            "unreachable",
            "nobody listens there, its name or certificate is wrong, or the way is blocked",
        ),
        (
            Self::TimedOut,
            "timed_out",
            "no answer within `upstream.dial_timeout`",
        ),
        (
            Self::Refused,
            "refused",
            "it answered with another status than 101",
        ),
        (
            Self::Broken,
            "broken",
            "what it answered is no WebSocket handshake",
        ),
        (
            Self::Abandoned,
            "abandoned",
            "the session was over before there was an answer",
        ),
    ];
}

/// Counts the dials of a service; it outlives the backends that a reload replaces.
#[derive(Debug)]
pub struct Dials {
    outcomes: [AtomicU64; DialOutcome::ALL.len()],
    latency: Histogram<{ LATENCIES.len() }>,
}

/// From a neighbour's handshake to the default dial timeout.
static LATENCIES: [Duration; 10] = [
    Duration::from_millis(1),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2500),
    Duration::from_secs(10),
];

/// What [`Dials`] has counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DialCounts {
    /// How often each outcome came, in the order of [`DialOutcome::ALL`].
    pub outcomes: [u64; DialOutcome::ALL.len()],
    /// How long those took that opened.
    pub latency: Distribution,
}

impl Default for Dials {
    fn default() -> Self {
        Self {
            outcomes: Default::default(),
            latency: Histogram::new(&LATENCIES),
        }
    }
}

impl DialCounts {
    /// As if both had been counted by one.
    pub(super) fn add(&mut self, more: &Self) {
        add_all(&mut self.outcomes, more.outcomes);
        self.latency.add(&more.latency);
    }
}

impl Dials {
    /// A dial ended with `outcome` after that time.
    pub fn count(&self, outcome: DialOutcome, took: Duration) {
        self.outcomes[outcome as usize].fetch_add(1, Ordering::Relaxed);
        if outcome == DialOutcome::Opened {
            self.latency.observe(took);
        }
    }

    /// What was counted so far.
    pub fn read(&self) -> DialCounts {
        DialCounts {
            outcomes: std::array::from_fn(|outcome| self.outcomes[outcome].load(Ordering::Relaxed)),
            latency: self.latency.read(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counters are kept by number: each outcome is at its place, and only those that opened have a latency.
    #[test]
    fn outcomes_are_counted_at_their_places() {
        let dials = Dials::default();
        for (index, (outcome, ..)) in DialOutcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, index);
            dials.count(outcome, Duration::from_millis(3));
        }
        let read = dials.read();
        assert_eq!(read.outcomes, [1; DialOutcome::ALL.len()]);
        assert_eq!(read.latency.count(), 1);
    }
}
