//! What drives a session from its opening to its end: the backend's future and the deadline, in one future.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::CatchUnwind;
use tokio::time::Sleep;
use tracing::error;

use crate::moment::Moment;

use super::backend::Served;
use super::clock::{ask_anew, instant, now, turn};
use super::handle::{Schedule, SessionHandle};
use super::registration::Registration;
use super::summary;
use super::wakers::Due;

/// Runs one session. Dropping it gives its place in the registry free; the session is closed then.
///
/// It must always be polled in the same task. HTTP sessions have one of its own for it. A WebSocket's task has the receiver too
/// and works in turns: it polls what is due with [`Self::poll_due`], between [`Self::begin_turn`] and [`Self::end_turn`].
#[must_use = "a session does nothing until its driver is polled"]
pub struct Driver {
    handle: Arc<SessionHandle>,
    backend: Option<CatchUnwind<AssertUnwindSafe<Served>>>,
    /// Armed for the earliest deadline known; a later one is only looked up when it fires.
    sleep: Option<Pin<Box<Sleep>>>,
    /// What it is armed for, and wakes the task for; it may fire a little later. Until then it need not be asked, which would
    /// fetch its memory for each message.
    armed_for: Option<Moment>,
    registration: Registration,
    closed: bool,
}

impl Driver {
    pub(super) fn new(
        handle: Arc<SessionHandle>,
        backend: Served,
        registration: Registration,
    ) -> Self {
        Self {
            handle,
            backend: Some(AssertUnwindSafe(backend).catch_unwind()),
            sleep: None,
            armed_for: None,
            registration,
            closed: false,
        }
    }

    /// Begins a turn of the task of `context`: until it ends, what would wake the task is noted instead. What is to be looked
    /// at, whatever else the task was woken for.
    pub fn begin_turn(&self, context: &Context<'_>) -> Due {
        self.handle.begin_turn(context)
    }

    /// What has become due in this turn, which goes on.
    pub fn noted(&self) -> Due {
        self.handle.noted()
    }

    /// What has become due in this turn; it is over when that is nothing.
    pub fn end_turn(&self) -> Due {
        self.handle.end_turn()
    }

    /// Polls what is `due`. Ready as the driver itself, which must not be polled in any other way.
    pub fn poll_due(&mut self, context: &mut Context<'_>, due: Due) -> Poll<()> {
        if due.backend() {
            self.poll_backend(context);
        }
        let fired = || self.armed_for.is_some_and(|deadline| deadline <= now());
        if due.deadline || fired() {
            self.close_in_time(context);
        }
        self.over()
    }

    fn poll_backend(&mut self, context: &mut Context<'_>) {
        let Some(backend) = &mut self.backend else {
            return;
        };
        if let Poll::Ready(outcome) = Pin::new(backend).poll(context) {
            self.backend = None;
            if outcome.is_err() {
                // The connection, dropped while unwinding, has ended the session with 1011.
                error!(session = %self.handle.id(), "the backend panicked; its session ends with code 1011");
            }
        }
    }

    /// Ready when the session is closed.
    fn poll_deadline(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let deadline = match self.handle.poll_schedule(context) {
                Schedule::Closed => return Poll::Ready(()),
                Schedule::Idle => return Poll::Pending,
                Schedule::At(deadline) => deadline,
            };
            let known = self.armed_for == Some(deadline);
            if known && now() < deadline {
                return Poll::Pending;
            }
            let until = || instant(in_company(deadline));
            let sleep = match &mut self.sleep {
                Some(sleep) => {
                    if !known {
                        sleep.as_mut().reset(until());
                    }
                    sleep
                }
                none => none.insert(Box::pin(tokio::time::sleep_until(until()))),
            };
            self.armed_for = Some(deadline);
            // Out of budget, the timer would not learn whom to wake, and the next turn would not ask it.
            let mut sleep = tokio::task::unconstrained(sleep.as_mut());
            if Pin::new(&mut sleep).poll(context).is_pending() {
                return Poll::Pending;
            }
            ask_anew();
            self.handle.timeout();
        }
    }

    fn close_in_time(&mut self, context: &mut Context<'_>) {
        if self.closed || self.poll_deadline(context).is_pending() {
            return;
        }
        self.closed = true;
        self.sleep = None;
        if let Some(end) = self.handle.ended() {
            summary::tell(&self.handle, &end);
            self.registration.close(end, self.handle.owner().clone());
        }
    }

    /// A backend may take its time after the end; until then the session keeps its place in the counts.
    fn over(&self) -> Poll<()> {
        if self.closed && self.backend.is_none() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        turn(|| {
            self.poll_backend(context);
            self.close_in_time(context);
            self.over()
        })
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.handle.end_turns();
        if self.closed {
            return;
        }
        self.handle.forsaken();
        if let Some(end) = self.handle.ended() {
            summary::tell(&self.handle, &end);
        }
    }
}

/// Where a deadline that is far away is on the grid: a little later, together with others. A heartbeat that comes alone costs the
/// wake-up of a processor; those of thousands of sessions stay spread over their time, but come in groups.
fn in_company(deadline: Moment) -> Moment {
    const FAR: Duration = Duration::from_secs(10);
    const GRID: u64 = 1000;
    if deadline < now() + FAR {
        return deadline;
    }
    let since_start = u64::try_from(deadline.since_start().as_millis()).unwrap_or(u64::MAX);
    let on_grid = since_start.div_ceil(GRID).saturating_mul(GRID);
    Moment::START + Duration::from_millis(on_grid)
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver")
            .field("session", &self.handle)
            .finish_non_exhaustive()
    }
}
