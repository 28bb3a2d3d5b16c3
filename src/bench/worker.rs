//! Threads: each runs its share of the sessions, one of them all at the times when messages are to be sent.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::Mutex;

use super::control::Phase;
use super::plan::Scenario;
use super::seat::{Run, Seat};
use super::tally::Tally;
use super::{inquiries, openings, traffic};

/// Longest sleep of who wakes sessions, so that it notices the end.
const MAX_SLEEP: Duration = Duration::from_millis(50);

/// A thread and what its sessions have counted.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) tally: Arc<Mutex<Tally>>,
    pub(super) thread: JoinHandle<()>,
}

/// Starts the threads, which open their sessions.
///
/// # Errors
/// When there can be no more threads.
pub(super) fn start(run: &Arc<Run>) -> io::Result<Vec<Worker>> {
    let threads = run.plan.threads.min(run.plan.seats());
    (0..threads)
        .map(|number| {
            let tally = Arc::new(Mutex::new(Tally::default()));
            let of_this = (0..run.plan.seats()).filter(|index| index % threads == number);
            let seats: Vec<_> = of_this
                .map(|index| Seat {
                    index,
                    run: Arc::clone(run),
                    tally: Arc::clone(&tally),
                })
                .collect();
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let thread = thread::Builder::new().name(format!("bench-{number}"));
            let thread = thread.spawn(move || runtime.block_on(serve(seats)))?;
            Ok(Worker { tally, thread })
        })
        .collect()
}

async fn serve(seats: Vec<Seat>) {
    let tasks: Vec<_> = seats
        .into_iter()
        .map(|seat| {
            tokio::spawn(async move {
                let run = Arc::clone(&seat.run);
                match run.plan.scenario {
                    Scenario::Echo | Scenario::FanOut => traffic::serve(seat).await,
                    Scenario::Connect => openings::open_and_close(seat).await,
                    Scenario::Idle if run.plan.unpolled => openings::leave(seat).await,
                    Scenario::Idle => openings::hold(seat).await,
                    Scenario::Info => inquiries::ask(seat).await,
                }
                run.control.finish();
            })
        })
        .collect();
    for task in tasks {
        // One that panicked is missed by its messages.
        let _ = task.await;
    }
}

/// Wakes each session when its next message is to be sent. A runtime's timers tell milliseconds apart, which is longer than
/// most answers take.
///
/// # Errors
/// When there can be no more threads.
pub(super) fn start_pacer(run: &Arc<Run>) -> io::Result<Option<JoinHandle<()>>> {
    let Some(schedule) = run.schedule else {
        return Ok(None);
    };
    let run = Arc::clone(run);
    let pacing = move || {
        let (control, senders) = (&run.control, run.plan.senders().max(1) as u128);
        let start = control.start();
        let mut slot = 0_u128;
        while control.phase() == Phase::Running {
            let now = control.now();
            let next = start.saturating_add(schedule.slot(slot));
            if next <= now {
                control.wake(usize::try_from(slot % senders).unwrap_or(0));
                slot += 1;
            } else {
                thread::sleep(Duration::from_nanos(next - now).min(MAX_SLEEP));
            }
        }
    };
    let thread = thread::Builder::new().name("bench-pacer".to_owned());
    thread.spawn(pacing).map(Some)
}
