//! `sockjs-gateway bench`: load for a SockJS service, made with the client, and what came of it.
//!
//! A thread has one runtime and many sessions, a task each, that share nothing but a tally. Whether messages are lost or
//! out of order is in the messages themselves.

pub(crate) mod command;
mod control;
mod inquiries;
mod openings;
mod payload;
mod plan;
mod process;
mod progress;
mod report;
mod seat;
mod tally;
mod traffic;
mod worker;

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until, timeout};

use crate::client::Builder;

use control::{Control, Phase};
use payload::Template;
use plan::{Plan, Schedule};
use process::Usage;
use progress::Progress;
use seat::Run;
use tally::Tally;
use worker::Worker;

/// Sessions that may be opening at the same time.
const OPENING: usize = 64;
/// Time to open all of them.
const OPENING_TIMEOUT: Duration = Duration::from_secs(60);
/// Time for what is on its way at the end, and to close.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// What a run has measured.
#[derive(Debug)]
struct Measured {
    plan: Plan,
    tally: Tally,
    /// How long sending was measured, without warm-up.
    time: Duration,
    /// From the first attempt to open a session until the last one was.
    opening: Duration,
    /// Used by the server while it was measured, and its memory before the first session.
    server: Option<(Usage, u64)>,
    /// Used by this program while it was measured.
    own: Usage,
    interrupted: bool,
}

/// Runs `plan`. `server`: the process to watch. Ends early, with what it has, when `stop` is done.
///
/// # Errors
/// What keeps it from running at all.
async fn measure(
    plan: Plan,
    builder: Builder,
    server: Option<u32>,
    stop: impl Future<Output = ()>,
    progress: &Progress,
) -> Result<Measured, String> {
    let usage = |id: u32| {
        process::usage(id)
            .map_err(|error| format!("cannot watch process {id}, of --pid or this one: {error}"))
    };
    let before = server.map(usage).transpose()?;
    let schedule = plan.rate.map(|rate| Schedule::new(rate, plan.senders()));
    let run = Arc::new(Run {
        builder,
        control: Control::new(plan.seats()),
        template: Template::new(rand::random(), plan.size),
        schedule,
        opening: Semaphore::new(OPENING),
        plan,
    });
    let control = &run.control;
    let began = Instant::now();
    let workers =
        worker::start(&run).map_err(|error| format!("cannot start threads: {error}; use fewer"))?;
    // It is asked for again after it was done.
    let mut stop = pin!(stop.fuse());
    let opening = async {
        let _ = timeout(OPENING_TIMEOUT, control.all_settled()).await;
    };
    let watch = |progress: &Progress, done: f64| progress.show(&run, &workers, done);
    let mut interrupted = until(opening, stop.as_mut(), || watch(progress, 0.0)).await;
    let opening = began.elapsed();

    let start = Instant::now();
    let (warmup, all) = (run.plan.warmup, run.plan.warmup + run.plan.duration);
    let share = || start.elapsed().as_secs_f64() / all.as_secs_f64();
    control.run(start);
    let pacer = worker::start_pacer(&run).map_err(|error| format!("cannot start: {error}"))?;
    if !interrupted {
        let warm = sleep_until(start + warmup);
        interrupted = until(warm, stop.as_mut(), || watch(progress, share())).await;
    }
    let at_begin = (server.map(usage).transpose(), usage(std::process::id()));
    let begin = Instant::now();
    let mut end = begin + run.plan.duration;
    control.measure(begin, end);
    if !interrupted {
        let time = sleep_until(end);
        interrupted = until(time, stop.as_mut(), || watch(progress, share())).await;
    }
    if interrupted {
        end = Instant::now();
        control.end_at(end);
    }
    let at_end = (server.map(usage).transpose(), usage(std::process::id()));
    let time = end - begin;
    control.enter(Phase::Draining);
    let draining = async {
        let _ = timeout(DRAIN_TIMEOUT, control.all_done()).await;
    };
    interrupted |= until(draining, stop.as_mut(), || watch(progress, 1.0)).await;
    control.enter(Phase::Over);
    progress.done();

    let mut tally = Tally::default();
    for Worker {
        tally: counted,
        thread,
    } in workers
    {
        thread
            .join()
            .map_err(|_| "a thread of the bench panicked".to_owned())?;
        tally.add(&counted.lock());
    }
    if let Some(pacer) = pacer {
        let _ = pacer.join();
    }
    let server = match (before, at_begin.0, at_end.0) {
        (Some(before), Ok(Some(begin)), Ok(Some(end))) => {
            Some((end.since(&begin), before.resident))
        }
        (None, ..) => None,
        // What was counted is worth all the more then.
        _ => {
            tally.problem("the process of --pid has ended");
            None
        }
    };
    Ok(Measured {
        tally,
        time,
        opening,
        server,
        own: at_end.1?.since(&at_begin.1?),
        interrupted,
        plan: run.plan.clone(),
    })
}

/// Waits for `event`, and shows how far it is meanwhile. Gives whether it was stopped before.
async fn until(
    event: impl Future<Output = ()>,
    mut stop: Pin<&mut impl Future<Output = ()>>,
    mut show: impl FnMut(),
) -> bool {
    let mut event = pin!(event);
    let mut tick = tokio::time::interval(progress::INTERVAL);
    loop {
        tokio::select! {
            biased;
            () = &mut event => return false,
            () = &mut stop => return true,
            _ = tick.tick() => show(),
        }
    }
}
