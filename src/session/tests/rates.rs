//! Browsers that send faster than they may.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// A session whose browser may send two messages a second, or 100 bytes, attached, its `o` taken.
fn session(exceeded: RateExceeded, now: Moment) -> Session {
    let config = SessionConfig {
        inbound_rate: InboundRate {
            messages: RateLimit::per_second(2, 2),
            bytes: RateLimit::per_second(100, 100),
            exceeded,
        },
        ..SessionConfig::default()
    };
    let mut session = Session::new(Arc::new(config), now);
    session.handle_attach(now, Manner::new(Liveness::Pong));
    assert!(matches!(session.poll_frame(now), Some(Frame::Open)));
    session
}

fn send(session: &mut Session, now: Moment, texts: &[&str]) -> Deliver {
    let mut messages = texts.iter().map(|text| (*text).into()).collect();
    let answer = session.handle_browser_messages(now, &mut messages);
    assert_eq!(messages.is_empty(), answer != Deliver::Full);
    answer
}

/// What comes too fast is taken when its time has come, and whoever waits is woken then.
#[test]
fn messages_wait_for_their_time() {
    let start = epoch();
    let mut session = session(RateExceeded::Wait, start);
    session.poll_timeout();
    session.poll_wakes();
    assert_eq!(send(&mut session, start, &["1", "2"]), Deliver::Accepted);
    assert_eq!(session.excess(), None);
    assert_eq!(send(&mut session, start, &["3"]), Deliver::Full);
    assert_eq!(session.excess(), Some(Excess::Messages));
    assert!(session.poll_paced() && !session.poll_paced());
    assert!(session.poll_wakes().driver, "the driver has to know");
    assert_eq!(session.poll_timeout(), Some(start + SECOND / 2));
    session.handle_timeout(start + SECOND / 2, false);
    assert!(session.poll_wakes().room_in);
    assert_eq!(
        send(&mut session, start + SECOND / 2, &["3"]),
        Deliver::Accepted
    );
    assert_eq!(session.excess(), None);
}

/// Bytes have a rate of their own; the one that takes longer is told.
#[test]
fn bytes_are_counted_too() {
    let start = epoch();
    let mut session = session(RateExceeded::Wait, start);
    let long = "x".repeat(300);
    assert_eq!(send(&mut session, start, &[&long]), Deliver::Accepted);
    assert_eq!(send(&mut session, start, &["x"]), Deliver::Full);
    assert_eq!(session.excess(), Some(Excess::Bytes));
    let due = start + Duration::from_millis(2010);
    assert_eq!(session.poll_timeout(), Some(due));
    assert_eq!(send(&mut session, due, &["x"]), Deliver::Accepted);
}

/// Of a browser that is not read, an answer to a Ping cannot be seen: it is not found dead because it sends too fast.
#[test]
fn browser_that_waits_is_not_taken_for_dead() {
    let start = epoch();
    let mut session = session(RateExceeded::Wait, start);
    let beat = start + 25 * SECOND;
    session.handle_timeout(beat, false);
    assert!(matches!(session.poll_frame(beat), Some(Frame::Heartbeat)));
    let long = "x".repeat(100_000);
    assert_eq!(send(&mut session, beat, &[&long]), Deliver::Accepted);
    assert_eq!(send(&mut session, beat, &["x"]), Deliver::Full);
    session.handle_timeout(beat + 20 * SECOND, false);
    assert!(session.end().is_none());
}

/// With `close` the first message over the rate ends the session.
#[test]
fn excess_can_end_the_session() {
    let start = epoch();
    let mut session = session(RateExceeded::Close, start);
    assert_eq!(send(&mut session, start, &["1", "2"]), Deliver::Accepted);
    assert_eq!(send(&mut session, start, &["3"]), Deliver::Excessive);
    let end = session.end().expect("an end");
    assert_eq!(
        (end.cause, &*end.reason.reason),
        (EndCause::Violation, "Too many messages a second")
    );
    assert_eq!(send(&mut session, start, &["4"]), Deliver::Accepted);
}
