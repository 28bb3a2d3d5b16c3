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
    /// The HTTP status with which the last one was refused, where it was: somebody was reached, who did not want whoever tried.
    pub refused: Option<u16>,
}

impl Health {
    /// A try went well.
    pub fn succeeded(&self) {
        let mut tries = self.tries.lock();
        tries.succeeded += 1;
        tries.failed_in_a_row = 0;
        tries.last = Some(now());
        tries.refused = None;
    }

    /// A try failed.
    pub fn failed(&self, problem: String) {
        self.fails(problem, None);
    }

    /// A try failed, by the word of whom it reached: an HTTP status, which may be about the one who tried only.
    pub fn refused(&self, status: u16, problem: String) {
        self.fails(problem, Some(status));
    }

    fn fails(&self, problem: String, refused: Option<u16>) {
        let mut tries = self.tries.lock();
        tries.refused = refused;
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

    /// Whether the last try reached somebody, if only to be refused; `None` before there was one.
    pub fn is_reached(&self) -> Option<bool> {
        self.is_up().map(|up| up || self.refused.is_some())
    }

    /// Time since the last try.
    pub fn age(&self) -> Option<Duration> {
        self.last.map(|last| now().saturating_duration_since(last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A refusal is a failure of somebody who was reached; the next try decides anew.
    #[tokio::test(start_paused = true)]
    async fn who_refuses_is_reached_and_not_up() {
        let health = Health::default();
        let known = || {
            let tries = health.tries();
            (tries.is_up(), tries.is_reached(), tries.refused)
        };
        assert_eq!(known(), (None, None, None));
        health.refused(403, "answered 403".to_owned());
        assert_eq!(known(), (Some(false), Some(true), Some(403)));
        health.failed("cannot connect".to_owned());
        assert_eq!(known(), (Some(false), Some(false), None));
        health.refused(403, "answered 403".to_owned());
        assert_eq!(health.tries().failed_in_a_row, 3);
        health.succeeded();
        assert_eq!(known(), (Some(true), Some(true), None));
        let tries = health.tries();
        assert_eq!((tries.succeeded, tries.failed), (1, 3));
    }
}
