//! Connections that ask for `/info`, one request after the other.

use std::future::poll_fn;
use std::task::{Context, Poll};

use crate::client::Inquiry;

use super::control::Phase;
use super::seat::Seat;

/// Asks while the run lasts: when it is time, or, without a rate, when the answer before has come.
pub(super) async fn ask(seat: Seat) {
    let control = &seat.run.control;
    let mut inquiry = Inquiry::new(&seat.run.builder);
    // The first one opens the connection, and is not measured.
    let first = seat.until_over(inquiry.ask()).await;
    let opened = count(&seat, first);
    control.settle();
    if !opened {
        return;
    }
    let mut sent = 0;
    while let Some(time) = poll_fn(|context| poll_due(&seat, sent, context)).await {
        sent += 1;
        {
            let mut tally = seat.tally.lock();
            tally.sent += 1;
            if control.measures(time) {
                tally.lateness.record(control.now().saturating_sub(time));
            }
        }
        let Some(answer) = seat.until_over(inquiry.ask()).await else {
            break;
        };
        if let Err(error) = answer {
            seat.refused(&error).await;
            continue;
        }
        let now = control.now();
        let mut tally = seat.tally.lock();
        tally.received += 1;
        if control.measures(now) {
            tally.counted += 1;
        }
        if control.measures(time) {
            tally.latency.record(now.saturating_sub(time));
        }
    }
    if let Some(schedule) = &seat.run.schedule {
        let all = control.end().saturating_sub(control.start());
        let all = schedule.before(seat.index, all);
        seat.tally.lock().unsent += all.saturating_sub(sent);
    }
}

fn count(seat: &Seat, answer: Option<Result<(), crate::client::Error>>) -> bool {
    match answer {
        Some(Ok(())) => {
            seat.tally.lock().opened += 1;
            true
        }
        Some(Err(error)) => {
            seat.failed(&error);
            false
        }
        None => {
            let mut tally = seat.tally.lock();
            tally.failed += 1;
            tally.problem("/info was not answered before the run began");
            false
        }
    }
}

/// When the next request is, or was, to be sent, once it is. `None` at the end.
fn poll_due(seat: &Seat, sent: u64, context: &mut Context<'_>) -> Poll<Option<u64>> {
    let control = &seat.run.control;
    control.register(seat.index, context.waker());
    let now = control.now();
    match control.phase() {
        Phase::Opening => return Poll::Pending,
        Phase::Running if now < control.end() => {}
        _ => return Poll::Ready(None),
    }
    let due = match &seat.run.schedule {
        None => now,
        // When it was to be sent: an answer that is late does not hide those behind it.
        Some(schedule) => control.start() + schedule.time(seat.index, sent),
    };
    if due <= now {
        Poll::Ready(Some(due))
    } else {
        Poll::Pending
    }
}
