//! How far a run is, in a terminal.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use super::seat::Run;
use super::worker::Worker;

/// Time between two looks.
pub(super) const INTERVAL: Duration = Duration::from_millis(200);
const WIDTH: usize = 24;

/// One line on standard error that changes, where somebody looks at it.
#[derive(Debug)]
pub(super) struct Progress {
    shown: bool,
}

impl Progress {
    /// Shown when standard error is a terminal.
    pub(super) fn new() -> Self {
        Self {
            shown: std::io::stderr().is_terminal(),
        }
    }

    /// `done`: 0 while sessions are opened, 1 at the end.
    pub(super) fn show(&self, run: &Run, workers: &[Worker], done: f64) {
        if !self.shown {
            return;
        }
        let (mut opened, mut received, mut failed) = (0, 0, 0);
        for worker in workers {
            let tally = worker.tally.lock();
            opened += tally.opened;
            received += tally.received;
            failed += tally.failed + tally.ended;
        }
        let bar = bar(done);
        let failed = if failed > 0 {
            format!(", {failed} failed")
        } else {
            String::new()
        };
        let sessions = run.control.settled();
        let what = if done <= 0.0 {
            format!("{sessions}/{} sessions", run.plan.seats())
        } else if run.plan.scenario.sends() {
            format!("{received} messages")
        } else {
            format!("{opened} sessions")
        };
        let _ = write!(std::io::stderr(), "\r\x1b[K{bar} {what}{failed}");
    }

    /// Takes the line away.
    pub(super) fn done(&self) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

fn bar(done: f64) -> String {
    let full = (done.clamp(0.0, 1.0) * WIDTH as f64).round() as usize;
    format!("[{}{}]", "█".repeat(full), "·".repeat(WIDTH - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bar_is_as_long_whatever_is_done() {
        for (done, full) in [(-1.0, 0), (0.0, 0), (0.5, 12), (1.0, 24), (7.0, 24)] {
            let bar = bar(done);
            assert_eq!(bar.matches('█').count(), full);
            assert_eq!(bar.chars().count(), WIDTH + 2);
        }
    }
}
