//! Browsers that read more slowly than their backend sends.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// A session with room for two messages, attached, its `o` taken.
fn session(policy: SlowConsumer, now: Moment) -> Session {
    let config = SessionConfig {
        outbound: QueueLimits {
            bytes: 100,
            messages: 2,
        },
        slow_consumer: policy,
        slow_consumer_timeout: 3 * SECOND,
        ..SessionConfig::default()
    };
    let mut session = Session::new(Arc::new(config), now);
    session.handle_attach(now, Manner::new(Liveness::Connection));
    assert!(matches!(session.poll_frame(now), Some(Frame::Open)));
    session
}

/// The texts of the next frame; the code of a close frame.
fn taken(session: &mut Session, now: Moment) -> Vec<String> {
    match session.poll_frame(now) {
        Some(Frame::Messages(messages)) => {
            let texts = messages.iter().filter_map(Message::as_text);
            texts.map(str::to_owned).collect()
        }
        Some(Frame::Close(reason)) => vec![format!("{} {}", reason.code, reason.reason)],
        other => panic!("no messages: {other:?}"),
    }
}

/// Sends as a backend that waits does.
fn send(session: &mut Session, now: Moment, text: &str) -> bool {
    let sent = session.handle_backend_message(text.into()).is_ok();
    if !sent {
        session.handle_blocked(now);
    }
    sent
}

/// With `pause` a backend may wait for as long as the browser lives.
#[test]
fn paused_backend_waits_without_end() {
    let start = epoch();
    let mut session = session(SlowConsumer::Pause, start);
    let sent = ["1", "2", "3"].map(|text| send(&mut session, start, text));
    assert_eq!(sent, [true, true, false]);
    session.handle_timeout(start + 20 * SECOND, false);
    assert!(session.end().is_none());
}

/// With `close` the time runs from the first message without room, and nobody has to send for it to end.
#[test]
fn queue_that_stays_full_ends_the_session_by_the_clock() {
    let start = epoch();
    let mut session = session(SlowConsumer::Close, start);
    for text in ["1", "2"] {
        send(&mut session, start, text);
    }
    // Until its heartbeat there is nothing to wait for.
    session.handle_timeout(start + SECOND, false);
    session.poll_timeout();
    session.poll_wakes();
    assert!(!send(&mut session, start + SECOND, "3"));
    assert!(session.poll_wakes().driver, "the driver has to know");
    assert!(!send(&mut session, start + 2 * SECOND, "3"));
    assert_eq!(session.poll_timeout(), Some(start + 4 * SECOND));
    session.handle_timeout(start + 3 * SECOND, false);
    assert!(session.end().is_none());
    session.handle_timeout(start + 4 * SECOND, false);
    assert_eq!(taken(&mut session, start + 4 * SECOND), ["1", "2"]);
    let told = taken(&mut session, start + 4 * SECOND);
    assert_eq!(told, ["1013 Reads too slowly"]);
}

/// A browser that takes anything at all has its time again.
#[test]
fn slow_browser_that_goes_on_reading_is_not_closed() {
    let start = epoch();
    let mut session = session(SlowConsumer::Close, start);
    for second in 0..20 {
        let now = start + second * SECOND;
        while send(&mut session, now, "x") {}
        if second % 2 == 0 {
            taken(&mut session, now);
            session.handle_written(1);
        }
        session.handle_timeout(now, true);
        assert!(session.end().is_none(), "after {second} s");
    }
}

/// What is dropped is the oldest that waits: order is kept, and what a receiver has is not touched.
#[test]
fn oldest_messages_make_room_for_the_newest() {
    let start = epoch();
    let mut session = session(SlowConsumer::DropOldest, start);
    assert!(send(&mut session, start, "1"));
    assert_eq!(taken(&mut session, start), ["1"]);
    for text in ["2", "3", "4", "5"] {
        assert!(send(&mut session, start, text), "{text}");
    }
    assert_eq!((session.poll_dropped(), session.poll_dropped()), (2, 0));
    assert_eq!(taken(&mut session, start), ["4", "5"]);
    session.handle_written(1);
    assert_eq!(session.queued_bytes(), 0);
    assert!(send(&mut session, start, "6"));
    assert_eq!(taken(&mut session, start), ["6"]);
}

/// A message that is larger than the queue is taken when nothing else waits, as by an empty queue.
#[test]
fn large_message_takes_the_place_of_all_that_wait() {
    let start = epoch();
    let mut session = session(SlowConsumer::DropOldest, start);
    send(&mut session, start, "1");
    send(&mut session, start, "2");
    assert!(send(&mut session, start, &"x".repeat(200)));
    assert_eq!(session.poll_dropped(), 2);
    assert_eq!(taken(&mut session, start), ["x".repeat(200)]);
}

/// Who has to make room is closed at once: its code comes instead of what is queued, and the backend gets that back.
#[test]
fn session_that_makes_room_delivers_nothing_more() {
    let start = epoch();
    let mut session = session(SlowConsumer::Pause, start);
    send(&mut session, start, "1");
    session.handle_exhausted();
    assert!(!session.poll_wakes().cut_off, "the code can be written");
    let told = taken(&mut session, start);
    assert_eq!(told, ["1013 Server is out of queue memory"]);
    assert_eq!(session.take_undelivered().len(), 1);
}

/// In the middle of a frame no code can be written: the connection goes, and with it what its buffers hold.
#[test]
fn receiver_of_a_session_that_makes_room_is_cut_off_within_a_frame() {
    let start = epoch();
    let mut session = session(SlowConsumer::Pause, start);
    send(&mut session, start, "1");
    assert_eq!(taken(&mut session, start), ["1"]);
    session.handle_exhausted();
    assert!(session.is_closed() && session.poll_wakes().cut_off);
}
