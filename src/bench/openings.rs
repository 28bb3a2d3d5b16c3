//! Sessions that are opened and closed all the time, and sessions that are open and silent.

use std::future::poll_fn;
use std::task::Poll;

use super::control::Phase;
use super::seat::Seat;

/// Opens and closes one session after the other while the run lasts.
pub(super) async fn open_and_close(seat: Seat) {
    let control = &seat.run.control;
    control.settle();
    let starting = poll_fn(|context| {
        control.register(seat.index, context.waker());
        match control.phase() {
            Phase::Opening => Poll::Pending,
            _ => Poll::Ready(()),
        }
    });
    starting.await;
    while control.phase() == Phase::Running {
        let began = control.now();
        if began >= control.end() {
            return;
        }
        let Some(opened) = seat.until_over(seat.run.builder.connect()).await else {
            return;
        };
        let mut client = match opened {
            Ok(client) => client,
            Err(error) => {
                seat.refused(&error).await;
                continue;
            }
        };
        {
            let now = control.now();
            let mut tally = seat.tally.lock();
            tally.opened += 1;
            if control.measures(now) {
                tally.counted += 1;
                tally.latency.record(now - began);
            }
        }
        let closed = seat.until_over(client.close(1000, "")).await;
        if closed.is_some()
            && let Some(reason) = client.closed()
            && reason.code != 1000
        {
            seat.ended(Some(&reason));
        }
    }
}

/// Opens a session, and leaves it to its server.
pub(super) async fn leave(seat: Seat) {
    drop(seat.open().await);
}

/// Opens a session, and keeps it open while the run lasts.
pub(super) async fn hold(seat: Seat) {
    let Some(mut client) = seat.open().await else {
        return;
    };
    let control = &seat.run.control;
    let mut heard = client.heartbeats();
    let lives = poll_fn(|context| {
        control.register(seat.index, context.waker());
        if control.phase() >= Phase::Draining {
            return Poll::Ready(true);
        }
        while let Poll::Ready(event) = client.poll_recv(context) {
            if event.is_none() {
                return Poll::Ready(false);
            }
            seat.tally.lock().foreign += 1;
        }
        let new = client.heartbeats() - heard;
        if new > 0
            && let Some(second) = control.second(control.now())
        {
            seat.tally.lock().beat(second, new);
        }
        heard += new;
        Poll::Pending
    });
    if !lives.await {
        seat.ended(client.closed().as_ref());
    }
    seat.tally.lock().heartbeats += client.heartbeats();
    seat.until_over(client.close(1000, "")).await;
}
