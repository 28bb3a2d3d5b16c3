//! The one clock of all sessions and connections. It follows tokio's, which tests pause.

use std::cell::Cell;
use std::sync::OnceLock;
use std::time::Duration;

use tokio::time::Instant;

use crate::moment::Moment;

/// What this thread's turn knows of the time.
#[derive(Clone, Copy)]
enum Turn {
    /// There is none.
    Over,
    /// Nobody has asked yet.
    Unasked,
    /// It was asked for.
    Asked(Instant, Moment),
}

thread_local! {
    static TURN: Cell<Turn> = const { Cell::new(Turn::Over) };
}

/// Lets `act` be a turn of a task, in which time stands still: the clock is looked at when it is asked for first. A look takes
/// 25 to 50 ns, and each part of a message's way asks. Within another turn it belongs to that.
pub(crate) fn turn<R>(act: impl FnOnce() -> R) -> R {
    /// Also while unwinding.
    struct End(Turn);
    impl Drop for End {
        fn drop(&mut self) {
            TURN.set(self.0);
        }
    }
    let before = TURN.get();
    if matches!(before, Turn::Over) {
        TURN.set(Turn::Unasked);
    } else {
        return act();
    }
    let _end = End(before);
    act()
}

/// The present, or the moment at which the turn that goes on asked first.
pub(crate) fn now() -> Moment {
    asked().1
}

/// The same as tokio's timers have it.
pub(crate) fn present() -> Instant {
    asked().0
}

fn asked() -> (Instant, Moment) {
    let turn = TURN.get();
    if let Turn::Asked(instant, moment) = turn {
        return (instant, moment);
    }
    let instant = Instant::now();
    let moment = Moment::START + instant.saturating_duration_since(start());
    if matches!(turn, Turn::Unasked) {
        TURN.set(Turn::Asked(instant, moment));
    }
    (instant, moment)
}

/// Lets the turn ask anew, because a timer has fired: for it, time has gone on.
pub(crate) fn ask_anew() {
    if matches!(TURN.get(), Turn::Asked(..)) {
        TURN.set(Turn::Unasked);
    }
}

/// When that is for tokio's timers; decades away where the system's clock does not go as far.
pub(super) fn instant(moment: Moment) -> Instant {
    const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    let start = start();
    start
        .checked_add(moment.since_start())
        .unwrap_or_else(|| start + FAR)
}

/// A while before anybody asked first, because clocks that tests pause may be a little behind.
fn start() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    const MARGIN: Duration = Duration::from_secs(60 * 60);
    *START.get_or_init(|| {
        let first = Instant::now();
        first.checked_sub(MARGIN).unwrap_or(first)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Time goes on outside of turns only, and each turn asks anew.
    #[tokio::test(start_paused = true)]
    async fn time_stands_still_within_a_turn() {
        let begin = now();
        let mut advancing = Box::pin(tokio::time::advance(SECOND));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        turn(|| {
            assert_eq!(now(), begin);
            turn(|| {
                // The clock goes on with the first poll.
                let _ = advancing.as_mut().poll(&mut context);
                assert_eq!(now(), begin, "a turn within is a part of it");
            });
            assert_eq!(now(), begin);
            ask_anew();
            assert_eq!(now(), begin + SECOND);
        });
        assert_eq!(now(), begin + SECOND);
        turn(|| assert_eq!(now(), begin + SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn turn_that_panics_is_over() {
        let begin = now();
        let panicking = std::panic::catch_unwind(|| {
            turn(|| {
                assert_eq!(now(), begin);
                panic!("within a turn");
            });
        });
        assert!(panicking.is_err());
        tokio::time::advance(SECOND).await;
        assert_eq!(now(), begin + SECOND);
    }
}
