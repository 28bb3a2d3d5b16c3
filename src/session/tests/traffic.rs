//! What a session counts.

use super::*;

fn session(config: SessionConfig, now: Moment) -> Session {
    let mut session = Session::new(Arc::new(config), now);
    session.handle_attach(now, Manner::new(Liveness::Connection));
    assert!(matches!(session.poll_frame(now), Some(Frame::Open)));
    session
}

/// Bytes are those of the messages, and what comes counts when it is accepted: all of a request, or nothing.
#[test]
fn accepted_messages_are_counted() {
    let now = epoch();
    let mut session = session(
        SessionConfig {
            inbound: QueueLimits {
                bytes: 100,
                messages: 2,
            },
            ..SessionConfig::default()
        },
        now,
    );
    let mut deliver = |texts: &[&str]| {
        let mut messages = texts.iter().map(|text| Message::from(*text)).collect();
        session.handle_browser_messages(now, &mut messages)
    };
    assert_eq!(deliver(&["\"ü\"", ""]), Deliver::Accepted);
    assert_eq!(deliver(&["no room"]), Deliver::Full);
    let traffic = session.traffic();
    assert_eq!((traffic.messages_in, traffic.bytes_in), (2, 4));
    let queued = session.queued();
    assert_eq!((queued.messages_in, queued.bytes_in), (2, 4));
}

/// A message counts once, when a frame takes it: not while it waits, not again when it has left, and never when it was dropped.
#[test]
fn messages_in_frames_are_counted_once() {
    let now = epoch();
    let mut session = session(
        SessionConfig {
            outbound: QueueLimits {
                bytes: 100,
                messages: 2,
            },
            slow_consumer: SlowConsumer::DropOldest,
            ..SessionConfig::default()
        },
        now,
    );
    let out = |session: &Session| {
        let traffic = session.traffic();
        (traffic.messages_out, traffic.bytes_out)
    };
    for text in ["1", "22", "333"] {
        assert!(session.handle_backend_message(text.into()).is_ok());
    }
    assert_eq!(out(&session), (0, 0));
    assert!(matches!(session.poll_frame(now), Some(Frame::Messages(_))));
    assert_eq!(out(&session), (2, 5));
    assert!(session.handle_backend_message("4444".into()).is_ok());
    session.handle_written(session.attachment());
    assert_eq!(out(&session), (2, 5));
    assert_eq!(session.queued().bytes_out, 4);
    assert!(matches!(session.poll_frame(now), Some(Frame::Messages(_))));
    assert_eq!(out(&session), (3, 9));
    session.handle_end(EndCause::Backend, CloseReason::NORMAL);
    assert!(matches!(session.poll_frame(now), Some(Frame::Close(_))));
    session.handle_written(session.attachment());
    assert_eq!(out(&session), (3, 9));
}
