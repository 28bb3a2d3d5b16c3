//! One rule each.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn session(now: Moment) -> Session {
    Session::new(Arc::new(SessionConfig::default()), now)
}

fn attach(session: &mut Session, now: Moment) -> u32 {
    match session.handle_attach(now, Manner::new(Liveness::Connection)) {
        Attach::Granted(attachment) => attachment,
        refused => panic!("not attached: {refused:?}"),
    }
}

/// The next frame as a word: `o`, `h`, `a:x,y`, `c:1002`.
fn frame(session: &mut Session, now: Moment) -> Option<String> {
    session.poll_frame(now).map(|frame| match frame {
        Frame::Open => "o".into(),
        Frame::Heartbeat => "h".into(),
        Frame::Messages(messages) => {
            let texts: Vec<_> = messages.iter().filter_map(Message::as_text).collect();
            format!("a:{}", texts.join(","))
        }
        Frame::Close(reason) => format!("c:{}", reason.code),
    })
}

/// Opens a session as a polling browser does: the first response carries `o`, the second request is parked.
fn polling(now: Moment) -> (Session, u32) {
    let mut session = session(now);
    let first = attach(&mut session, now);
    assert_eq!(frame(&mut session, now).as_deref(), Some("o"));
    session.handle_detach(now, first, Detach::Done);
    let second = attach(&mut session, now);
    (session, second)
}

fn send(session: &mut Session, text: &str) {
    session
        .handle_backend_message(text.into())
        .expect("room in the queue");
}

/// sockjs-protocol, `Protocol.test_simpleSession`
#[test]
fn open_frame_comes_first_then_messages_in_one_frame() {
    let now = epoch();
    let mut session = session(now);
    send(&mut session, "a");
    attach(&mut session, now);
    assert_eq!(frame(&mut session, now).as_deref(), Some("o"));
    send(&mut session, "b");
    assert_eq!(frame(&mut session, now).as_deref(), Some("a:a,b"));
    send(&mut session, "c");
    assert_eq!(frame(&mut session, now).as_deref(), Some("a:c"));
    assert_eq!(frame(&mut session, now), None);
}

/// sockjs-protocol, `HandlingClose.test_close_request`
#[test]
fn second_receiver_is_refused_and_the_first_stays() {
    let now = epoch();
    let (mut session, _) = polling(now);
    assert_eq!(
        session.handle_attach(now, Manner::new(Liveness::Connection)),
        Attach::Busy
    );
    send(&mut session, "a");
    assert_eq!(frame(&mut session, now).as_deref(), Some("a:a"));
}

/// sockjs-protocol, `Protocol.test_closeSession`: `o` before `c`, even when the backend closes at once.
#[test]
fn open_frame_precedes_an_immediate_close() {
    let now = epoch();
    let mut session = session(now);
    session.handle_end(EndCause::Backend, CloseReason::new(3000, "Go away!"));
    let first = attach(&mut session, now);
    assert_eq!(frame(&mut session, now).as_deref(), Some("o"));
    session.handle_detach(now, first, Detach::Done);
    attach(&mut session, now);
    assert_eq!(frame(&mut session, now).as_deref(), Some("c:3000"));
    assert_eq!(frame(&mut session, now), None);
    assert!(session.is_closed());
}

/// Messages accepted before a close are delivered before the close frame.
#[test]
fn queued_messages_precede_the_close_frame() {
    let now = epoch();
    let (mut session, _) = polling(now);
    send(&mut session, "last");
    session.handle_end(EndCause::Backend, CloseReason::NORMAL);
    assert_eq!(
        session.handle_backend_message("late".into()),
        Err(Refused::Ended("late".into()))
    );
    assert_eq!(frame(&mut session, now).as_deref(), Some("a:last"));
    assert_eq!(frame(&mut session, now).as_deref(), Some("c:1000"));
}

/// Polls that come and go move no timer: the driver is asked to look again when an earlier deadline has fired, not before.
#[test]
fn polls_that_come_and_go_leave_the_timer_alone() {
    let start = epoch();
    let (mut session, parked) = polling(start);
    session.handle_detach(start, parked, Detach::Done);
    let armed = session.poll_timeout();
    session.poll_wakes();
    for second in 1..5 {
        let now = start + second * SECOND;
        let Attach::Granted(poll) = session.handle_attach(now, Manner::new(Liveness::Connection))
        else {
            panic!("it is free");
        };
        assert_eq!(session.poll_timeout(), armed);
        session.handle_detach(now, poll, Detach::Done);
        assert!(
            !session.poll_wakes().driver,
            "the deadline has become later"
        );
    }
    session.handle_timeout(start + 5 * SECOND, false);
    assert!(!session.is_closed());
    assert_eq!(session.poll_timeout(), Some(start + 9 * SECOND));
}

/// A session nobody reads ends after `disconnect_delay`, exactly. (sockjs-protocol, session URLs)
#[test]
fn session_without_receiver_ends_after_disconnect_delay() {
    let start = epoch();
    let (mut session, parked) = polling(start);
    session.handle_detach(start, parked, Detach::Done);
    assert_eq!(session.poll_timeout(), Some(start + 5 * SECOND));
    session.handle_timeout(start + Duration::from_millis(4_999), false);
    assert!(!session.is_closed());
    session.handle_timeout(start + 5 * SECOND, false);
    assert_eq!(session.end().map(|end| end.cause), Some(EndCause::Expired));
    assert_eq!(
        session.handle_attach(start + 5 * SECOND, Manner::new(Liveness::Connection)),
        Attach::Ended(CloseReason::INTERRUPTED)
    );
}

/// sockjs-protocol, `HandlingClose.test_abort_xhr_polling`: no silent continuation after an abort.
#[test]
fn aborted_receiver_ends_the_session_at_once() {
    let now = epoch();
    let (mut session, parked) = polling(now);
    session.poll_wakes();
    session.handle_detach(now, parked, Detach::Aborted);
    assert!(session.is_closed());
    assert!(session.poll_wakes().backend);
    assert_eq!(
        session.handle_attach(now, Manner::new(Liveness::Connection)),
        Attach::Ended(CloseReason::INTERRUPTED)
    );
    assert_eq!(
        session.handle_browser_messages(now, &mut vec!["x".into()]),
        Deliver::Ended
    );
}

/// Bytes that a proxy has are not with the browser, however long it has had them and however it ends the connection.
#[test]
fn session_resumes_only_when_its_messages_are_known_to_have_arrived() {
    let resumes = Manner {
        streams: true,
        resumes: true,
        ..Manner::new(Liveness::Connection)
    };
    for (spoke_after, goes_on) in [(None, false), (Some(100), false), (Some(2500), true)] {
        let start = epoch();
        let (mut session, opening) = polling(start);
        session.handle_detach(start, opening, Detach::Done);
        let Attach::Granted(stream) = session.handle_attach(start, resumes) else {
            panic!("nothing is attached");
        };
        session
            .handle_backend_message("x".into())
            .expect("the queue is empty");
        frame(&mut session, start);
        session.handle_handed_over(stream);
        session.handle_left(start, stream);
        if let Some(after) = spoke_after {
            let now = start + Duration::from_millis(after);
            session.handle_browser_messages(now, &mut vec!["alive".into()]);
        }
        session.handle_detach(start + 4 * SECOND, stream, Detach::Ended);
        assert_eq!(!session.is_closed(), goes_on, "{spoke_after:?}");
    }
}

/// A batch whose response never left is not silently lost.
#[test]
fn batch_taken_by_an_aborted_receiver_is_reported_undelivered() {
    let now = epoch();
    let (mut session, parked) = polling(now);
    send(&mut session, "a");
    frame(&mut session, now);
    send(&mut session, "b");
    session.handle_detach(now, parked, Detach::Aborted);
    assert_eq!(
        session.take_undelivered(),
        vec![Message::from("a"), Message::from("b")]
    );
}

/// What left is not reported; what was queued behind it is.
#[test]
fn batch_that_left_is_not_undelivered() {
    let now = epoch();
    let (mut session, parked) = polling(now);
    send(&mut session, "a");
    frame(&mut session, now);
    session.handle_handed_over(parked);
    session.handle_left(now, parked);
    send(&mut session, "b");
    session.handle_detach(now, parked, Detach::Aborted);
    assert_eq!(session.take_undelivered(), vec![Message::from("b")]);
}

/// The browser can only come back when it has the response: the time to download it does not count.
#[test]
fn disconnect_delay_starts_when_the_response_has_left() {
    let start = epoch();
    let (mut session, parked) = polling(start);
    send(&mut session, "large");
    frame(&mut session, start);
    session.handle_detach(start, parked, Detach::Done);
    for second in [5, 10, 15] {
        session.handle_timeout(start + second * SECOND, false);
        assert!(
            !session.is_closed(),
            "expired while its response was being written"
        );
    }
    session.handle_handed_over(parked);
    session.handle_left(start + 17 * SECOND, parked);
    session.handle_timeout(start + 20 * SECOND, false);
    assert!(!session.is_closed());
    session.handle_timeout(start + 22 * SECOND, false);
    assert!(session.is_closed());
}

/// A connection that breaks after its response was written puts that response in doubt, unless the browser came back.
#[test]
fn doubt_about_the_last_response_ends_the_session_only_before_the_next_request() {
    let now = epoch();
    let (mut session, second) = polling(now);
    session.handle_doubt(second - 1);
    assert!(!session.is_closed());
    session.handle_detach(now, second, Detach::Done);
    session.handle_doubt(second);
    assert_eq!(
        session.end().map(|end| end.cause),
        Some(EndCause::Interrupted)
    );
}

/// `h` after 25 s of silence, measured from the last frame. (sockjs-protocol, heartbeats)
#[test]
fn heartbeat_breaks_the_silence_of_a_parked_receiver() {
    let start = epoch();
    let (mut session, _) = polling(start);
    send(&mut session, "a");
    assert_eq!(
        frame(&mut session, start + 10 * SECOND).as_deref(),
        Some("a:a")
    );
    assert_eq!(session.poll_timeout(), Some(start + 35 * SECOND));
    session.handle_timeout(start + 35 * SECOND, false);
    assert!(session.poll_wakes().receiver);
    assert_eq!(
        frame(&mut session, start + 35 * SECOND).as_deref(),
        Some("h")
    );
    assert_eq!(frame(&mut session, start + 35 * SECOND), None);
}

/// A receiver that takes nothing for two heartbeats holds a dead connection.
#[test]
fn receiver_that_takes_no_heartbeat_is_cut_off() {
    let start = epoch();
    let (mut session, _) = polling(start);
    session.handle_timeout(start + 25 * SECOND, false);
    session.poll_wakes();
    session.handle_timeout(start + 50 * SECOND, false);
    assert!(session.is_closed());
    assert!(session.poll_wakes().cut_off);
}

/// A large frame over a slow line takes longer than a heartbeat: as long as bytes leave, nobody is gone.
#[test]
fn slow_receiver_is_not_cut_off_while_bytes_leave() {
    let start = epoch();
    let (mut session, _) = polling(start);
    for beat in 1..10 {
        session.handle_timeout(start + beat * 25 * SECOND, beat > 1);
    }
    assert!(!session.is_closed());
    session.handle_timeout(start + 250 * SECOND, false);
    assert!(session.is_closed());
}

/// sockjs-node: a Ping every 25 s, and 10 s for its Pong.
#[test]
fn unanswered_ping_ends_a_websocket_session() {
    let start = epoch();
    let mut session = session(start);
    assert_eq!(
        session.handle_attach(start, Manner::new(Liveness::Pong)),
        Attach::Granted(1)
    );
    frame(&mut session, start);
    session.handle_timeout(start + 25 * SECOND, false);
    assert_eq!(
        frame(&mut session, start + 25 * SECOND).as_deref(),
        Some("h")
    );
    session.handle_alive(start + 25 * SECOND);
    session.handle_timeout(start + 50 * SECOND, false);
    assert_eq!(
        frame(&mut session, start + 50 * SECOND).as_deref(),
        Some("h")
    );
    assert_eq!(session.poll_timeout(), Some(start + 60 * SECOND));
    session.handle_timeout(start + 60 * SECOND, false);
    assert_eq!(
        frame(&mut session, start + 60 * SECOND).as_deref(),
        Some("c:3000")
    );
}

/// An answer that has come is not waited for: a timer that was set for it moves, once, to the next heartbeat.
#[test]
fn pong_moves_the_timer_that_was_set_for_it() {
    let start = epoch();
    let mut session = session(start);
    session.handle_attach(start, Manner::new(Liveness::Pong));
    frame(&mut session, start);
    session.handle_timeout(start + 25 * SECOND, false);
    frame(&mut session, start + 25 * SECOND);
    assert_eq!(session.poll_timeout(), Some(start + 35 * SECOND));
    session.poll_wakes();
    session.handle_alive(start + 26 * SECOND);
    assert!(session.poll_wakes().driver, "the timer was left");
    assert_eq!(session.poll_timeout(), Some(start + 50 * SECOND));
    session.handle_alive(start + 27 * SECOND);
    assert!(!session.poll_wakes().driver, "nothing was waited for");
}

/// Pings that only keep the way open do not shorten the outage that a connection survives.
#[test]
fn early_pings_do_not_start_the_pong_deadline_earlier() {
    let start = epoch();
    let mut session = session(start);
    let manner = Manner {
        silence: Some(2 * SECOND),
        ..Manner::new(Liveness::Pong)
    };
    session.handle_attach(start, manner);
    frame(&mut session, start);
    for beat in 1..17 {
        let now = start + 2 * beat * SECOND;
        session.handle_timeout(now, false);
        assert_eq!(
            frame(&mut session, now).as_deref(),
            Some("h"),
            "after {beat} beats"
        );
    }
    session.handle_timeout(start + 35 * SECOND, false);
    let told = frame(&mut session, start + 35 * SECOND);
    assert_eq!(
        told.as_deref(),
        Some("c:3000"),
        "25 s and 10 s, as without them"
    );
}

/// While nothing is read from a browser, because its messages wait for room, its answer cannot come: it is not dead.
#[test]
fn browser_whose_messages_wait_for_room_is_not_found_dead() {
    let start = epoch();
    let config = SessionConfig {
        inbound: QueueLimits {
            bytes: 100,
            messages: 1,
        },
        ..SessionConfig::default()
    };
    let mut session = Session::new(Arc::new(config), start);
    session.handle_attach(start, Manner::new(Liveness::Pong));
    frame(&mut session, start);
    let deliver = |session: &mut Session, now| {
        session.handle_browser_messages(now, &mut vec![Message::from("x")])
    };
    assert_eq!(deliver(&mut session, start), Deliver::Accepted);
    session.handle_timeout(start + 25 * SECOND, false);
    assert_eq!(
        frame(&mut session, start + 25 * SECOND).as_deref(),
        Some("h")
    );
    assert_eq!(deliver(&mut session, start + 26 * SECOND), Deliver::Full);
    for late in [35, 45, 55] {
        session.handle_timeout(start + late * SECOND, false);
        assert!(session.end().is_none(), "after {late} s");
    }
    // From when there is room, it has its time again.
    session.poll_message();
    assert_eq!(
        deliver(&mut session, start + 56 * SECOND),
        Deliver::Accepted
    );
    session.handle_timeout(start + 64 * SECOND, false);
    assert!(session.end().is_none());
    session.handle_timeout(start + 65 * SECOND, false);
    assert!(session.end().is_some());
}

/// However often it is pinged, a browser has `pong_timeout` for its first answer.
#[test]
fn later_pings_do_not_extend_the_pong_deadline() {
    let start = epoch();
    let config = SessionConfig {
        heartbeat_delay: Some(SECOND),
        ..SessionConfig::default()
    };
    let mut session = Session::new(Arc::new(config), start);
    session.handle_attach(start, Manner::new(Liveness::Pong));
    frame(&mut session, start);
    for second in 1..11 {
        session.handle_timeout(start + second * SECOND, false);
        assert_eq!(
            frame(&mut session, start + second * SECOND).as_deref(),
            Some("h")
        );
    }
    session.handle_timeout(start + 11 * SECOND, false);
    assert_eq!(
        frame(&mut session, start + 11 * SECOND).as_deref(),
        Some("c:3000")
    );
}

/// A full queue refuses, gives the message back, and tells when there is room.
#[test]
fn full_outbound_queue_gives_the_message_back() {
    let now = epoch();
    let config = SessionConfig {
        outbound: QueueLimits {
            bytes: 10,
            messages: 2,
        },
        ..SessionConfig::default()
    };
    let mut session = Session::new(Arc::new(config), now);
    send(
        &mut session,
        "a message beyond the limit is taken by an empty queue",
    );
    assert_eq!(
        session.handle_backend_message("b".into()),
        Err(Refused::Full("b".into()))
    );
    let first = attach(&mut session, now);
    frame(&mut session, now);
    frame(&mut session, now);
    assert!(
        !session.poll_wakes().room_out,
        "what is being written still takes its room"
    );
    session.handle_handed_over(first);
    session.handle_left(now, first);
    assert!(session.poll_wakes().room_out);
    send(&mut session, "b");
}

/// All of a request's messages or none, so that a retry cannot double any.
#[test]
fn full_inbound_queue_takes_no_part_of_a_batch() {
    let now = epoch();
    let config = SessionConfig {
        inbound: QueueLimits {
            bytes: 1000,
            messages: 2,
        },
        ..SessionConfig::default()
    };
    let mut session = Session::new(Arc::new(config), now);
    assert_eq!(
        session.handle_browser_messages(now, &mut vec!["1".into()]),
        Deliver::Accepted
    );
    let mut batch = vec![Message::from("2"), Message::from("3")];
    assert_eq!(
        session.handle_browser_messages(now, &mut batch),
        Deliver::Full
    );
    assert_eq!(batch.len(), 2);
    session.poll_wakes();
    assert_eq!(session.poll_message(), Some("1".into()));
    assert!(session.poll_wakes().room_in);
    assert_eq!(
        session.handle_browser_messages(now, &mut batch),
        Deliver::Accepted
    );
}

/// Messages the browser got a 204 for reach the backend even when the session ends right after.
#[test]
fn accepted_messages_outlive_an_interrupted_session() {
    let now = epoch();
    let (mut session, parked) = polling(now);
    session.handle_browser_messages(now, &mut vec!["paid".into()]);
    session.handle_detach(now, parked, Detach::Aborted);
    assert_eq!(session.poll_message(), Some("paid".into()));
}

/// The receive path is proven by a second request, by a message, by a WebSocket, or by staying attached.
#[test]
fn path_is_proven_by_whatever_shows_that_the_browser_received() {
    let start = epoch();
    assert!(polling(start).0.is_proven());

    let mut sender = session(start);
    attach(&mut sender, start);
    assert!(!sender.is_proven());
    sender.handle_browser_messages(start, &mut vec!["x".into()]);
    assert!(sender.is_proven());

    let mut socket = session(start);
    socket.handle_attach(start, Manner::new(Liveness::Pong));
    assert!(socket.is_proven());

    let mut stream = session(start);
    attach(&mut stream, start);
    frame(&mut stream, start);
    assert_eq!(stream.poll_timeout(), Some(start + SECOND));
    stream.handle_timeout(start + SECOND, false);
    assert!(stream.is_proven());
}

/// What was handed in is settled once the backend asks for more, so that a poll right after a send finds the answer.
#[test]
fn session_is_settled_when_the_backend_asks_for_more() {
    let now = epoch();
    let (mut session, _) = polling(now);
    assert!(session.is_settled());
    session.handle_browser_messages(now, &mut vec!["x".into()]);
    assert!(!session.is_settled());
    session.poll_message();
    assert!(!session.is_settled(), "the backend is still at it");
    session.poll_wakes();
    assert_eq!(session.poll_message(), None);
    assert!(session.is_settled());
    assert!(session.poll_wakes().settled);
}

/// When the service stops, late messages are not taken for delivered: what was acknowledged reaches the backend.
#[test]
fn late_messages_to_a_service_that_stops_are_not_taken() {
    let now = epoch();
    let (mut session, _) = polling(now);
    session.handle_browser_messages(now, &mut vec!["before".into()]);
    session.handle_end(EndCause::Shutdown, CloseReason::SERVICE_RESTART);
    let mut late = vec!["late".into()];
    assert_eq!(
        session.handle_browser_messages(now, &mut late),
        Deliver::Void
    );
    assert_eq!(late.len(), 1);
    assert_eq!(session.poll_message(), Some("before".into()));
    assert_eq!(session.poll_message(), None);
}

/// After a named end the browser's late messages are void, not an error that would hide the end's code.
#[test]
fn late_messages_to_a_closed_backend_are_void() {
    let now = epoch();
    let (mut session, _) = polling(now);
    session.handle_end(EndCause::Backend, CloseReason::new(3000, "Go away!"));
    assert_eq!(
        session.handle_browser_messages(now, &mut vec!["x".into()]),
        Deliver::Accepted
    );
    assert_eq!(session.poll_message(), None);
}

/// The first receiver gives way at once to what comes behind it. A next one that is asked before any message went does when it has been there
/// for `poll_spacing`, and one that has been there for as long already, at once.
#[test]
fn receivers_that_give_way_one_after_the_other_are_spaced() {
    let start = epoch();
    let spacing = Duration::from_millis(100);
    let (mut session, attachment) = polling(start);
    let next = |session: &mut Session, attachment: u32, now: Moment| {
        session.handle_detach(now, attachment, Detach::Done);
        match session.handle_attach(now, Manner::new(Liveness::Connection)) {
            Attach::Granted(attachment) => attachment,
            other => panic!("{other:?}"),
        }
    };
    session.handle_hurry(start);
    assert_eq!(frame(&mut session, start).as_deref(), Some("h"));

    let attachment = next(&mut session, attachment, start);
    session.poll_timeout();
    session.poll_wakes();
    session.handle_hurry(start);
    assert_eq!(frame(&mut session, start), None);
    assert!(session.poll_wakes().driver, "the driver has to know");
    session.handle_timeout(start + spacing, false);
    assert_eq!(frame(&mut session, start + spacing).as_deref(), Some("h"));

    let attachment = next(&mut session, attachment, start + spacing);
    session.handle_hurry(start + 2 * spacing);
    let now = start + 2 * spacing;
    assert_eq!(frame(&mut session, now).as_deref(), Some("h"));

    let attachment = next(&mut session, attachment, now);
    session.handle_hurry(now);
    assert!(session.handle_backend_message("x".into()).is_ok());
    assert!(frame(&mut session, now).is_some(), "messages are not held");
    session.handle_written(attachment);
    next(&mut session, attachment, now);
    session.handle_hurry(now);
    assert_eq!(frame(&mut session, now).as_deref(), Some("h"));
}
