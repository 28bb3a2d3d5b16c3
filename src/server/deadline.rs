//! Ends a connection whose request head does not come, that idles, or whose peer reads nothing.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep};

use crate::registry::{ask_anew, present};

use super::ServerConfig;

/// What the connection is doing, as far as deadlines care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing came yet on a new connection.
    New,
    /// A part of a request's head came.
    Head,
    /// A request is being answered.
    Busy,
    /// The answer is written and nothing came since.
    Idle,
    /// An answer is complete and waits for room in the socket.
    Writing,
    /// The last answer was written, or there is none: the end of the connection is awaited.
    Ending,
}

/// The deadline that follows from the phase. The timer is moved only where it has to be: an ordinary request costs it nothing.
pub(super) struct Deadline {
    phase: Phase,
    by: Instant,
    sleep: Pin<Box<Sleep>>,
    /// What it is armed for.
    armed_for: Instant,
    /// It will wake the task: until then it need not be asked, which would fetch its memory for each request.
    wakes: bool,
}

/// Time for a peer to close its side after ours was shut. (RFC 9112 §9.6)
const LINGER: Duration = Duration::from_secs(1);

impl Deadline {
    pub(super) fn new(config: &ServerConfig) -> Self {
        let by = present() + config.header_timeout;
        Self {
            phase: Phase::New,
            by,
            sleep: Box::pin(tokio::time::sleep_until(by)),
            armed_for: by,
            wakes: false,
        }
    }

    /// The connection goes over to `phase`; the time runs from now on.
    pub(super) fn enter(&mut self, phase: Phase, config: &ServerConfig) {
        if phase == self.phase {
            return;
        }
        self.phase = phase;
        let time = match phase {
            Phase::Busy => return,
            Phase::New | Phase::Head => config.header_timeout,
            Phase::Idle | Phase::Writing => config.idle_timeout,
            Phase::Ending => LINGER,
        };
        self.by = present() + time;
    }

    /// Something was written.
    pub(super) fn progressed(&mut self, config: &ServerConfig) {
        if self.phase == Phase::Writing {
            self.by = present() + config.idle_timeout;
        }
    }

    /// Ready when the connection has to end. Always to be polled in the same task.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.phase == Phase::Busy {
            return Poll::Pending;
        }
        // An earlier deadline moves the timer, a later one is looked at when it fires.
        if self.by < self.armed_for {
            self.arm();
        }
        if self.wakes && present() < self.armed_for {
            return Poll::Pending;
        }
        // Out of budget, the timer would not learn whom to wake.
        while pin!(unconstrained(self.sleep.as_mut()))
            .poll(context)
            .is_ready()
        {
            ask_anew();
            if self.by <= present() {
                return Poll::Ready(());
            }
            self.arm();
        }
        self.wakes = true;
        Poll::Pending
    }

    fn arm(&mut self) {
        self.armed_for = self.by;
        self.wakes = false;
        self.sleep.as_mut().reset(self.by);
    }

    pub(super) const fn phase(&self) -> Phase {
        self.phase
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const HEAD: Duration = Duration::from_secs(1);
    const IDLE: Duration = Duration::from_secs(10);

    fn config() -> ServerConfig {
        ServerConfig {
            header_timeout: HEAD,
            idle_timeout: IDLE,
            ..ServerConfig::default()
        }
    }

    /// How long it is until `deadline` ends the connection, if it does within a minute.
    async fn time_left(deadline: &mut Deadline) -> Option<Duration> {
        let begin = Instant::now();
        let ended = poll_fn(|context| deadline.poll(context));
        let ended = tokio::time::timeout(Duration::from_secs(60), ended).await;
        ended.ok().map(|()| begin.elapsed())
    }

    #[track_caller]
    fn assert_about(left: Option<Duration>, expected: Duration) {
        let left = left.expect("it ends");
        assert!(
            left.abs_diff(expected) < Duration::from_millis(5),
            "after {left:?}, not {expected:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn every_phase_has_its_time() {
        let config = config();
        assert_about(time_left(&mut Deadline::new(&config)).await, HEAD);
        for (phase, time) in [
            (Phase::Head, HEAD),
            (Phase::Idle, IDLE),
            (Phase::Writing, IDLE),
            (Phase::Ending, LINGER),
        ] {
            let mut deadline = Deadline::new(&config);
            deadline.enter(Phase::Busy, &config);
            assert_eq!(
                time_left(&mut deadline).await,
                None,
                "an answer takes its time"
            );
            deadline.enter(phase, &config);
            assert_about(time_left(&mut deadline).await, time);
        }
    }

    /// A head that trickles does not push its deadline, and one on an idle connection has less time than that had.
    #[tokio::test(start_paused = true)]
    async fn time_of_a_head_runs_from_its_first_byte() {
        let config = config();
        let mut deadline = Deadline::new(&config);
        deadline.enter(Phase::Busy, &config);
        deadline.enter(Phase::Idle, &config);
        let _ = poll_fn(|context| Poll::Ready(deadline.poll(context))).await;
        deadline.enter(Phase::Head, &config);
        tokio::time::advance(HEAD / 2).await;
        deadline.enter(Phase::Head, &config);
        assert_about(time_left(&mut deadline).await, HEAD / 2);
    }

    /// A slow reader has time as long as it reads.
    #[tokio::test(start_paused = true)]
    async fn progress_of_an_answer_extends_its_time() {
        let config = config();
        let mut deadline = Deadline::new(&config);
        deadline.enter(Phase::Writing, &config);
        for _ in 0..3 {
            tokio::time::advance(IDLE - HEAD).await;
            deadline.progressed(&config);
        }
        assert_about(time_left(&mut deadline).await, IDLE);
    }
}
