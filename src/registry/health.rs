//! What is known of whoever a backend depends on.

use std::time::Duration;

use parking_lot::Mutex;

use crate::moment::Moment;

use super::clock::now;

/// How tries to reach somebody went.
#[derive(Debug, Default)]
pub struct Health {
    tries: Mutex<Tries>,
}

/// What is known at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tries {
    /// That succeeded, since the backend was made.
    pub succeeded: u64,
    /// That failed.
    pub failed: u64,
    /// That failed since the last success.
    pub failed_in_a_row: u64,
    /// When the last one ended.
    pub last: Option<Moment>,
    /// What was wrong with the last one that failed.
    pub problem: Option<String>,
}

impl Health {
    /// A try went well.
    pub fn succeeded(&self) {
        let mut tries = self.tries.lock();
        tries.succeeded += 1;
        tries.failed_in_a_row = 0;
        tries.last = Some(now());
    }

    /// A try failed.
    pub fn failed(&self, problem: String) {
        let mut tries = self.tries.lock();
        tries.failed += 1;
        tries.failed_in_a_row += 1;
        tries.last = Some(now());
        tries.problem = Some(problem);
    }

    /// What is known now.
    pub fn tries(&self) -> Tries {
        self.tries.lock().clone()
    }
}

impl Tries {
    /// Whether the last try went well; `None` before there was one.
    pub fn is_up(&self) -> Option<bool> {
        self.last.map(|_| self.failed_in_a_row == 0)
    }

    /// Time since the last try.
    pub fn age(&self) -> Option<Duration> {
        self.last.map(|last| now().saturating_duration_since(last))
    }
}
