//! What must hold for a session: single rules first, then a seeded random walk over all inputs with its invariants
//! checked after every step.

use std::collections::VecDeque;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[allow(
    clippy::disallowed_methods,
    reason = "a starting point for test time; nothing depends on its value"
)]
fn epoch() -> Instant {
    Instant::now()
}

fn session(now: Instant) -> Session {
    Session::new(Arc::new(SessionConfig::default()), now)
}

fn attach(session: &mut Session, now: Instant) -> u32 {
    match session.handle_attach(now, Liveness::Connection) {
        Attach::Granted(attachment) => attachment,
        refused => panic!("not attached: {refused:?}"),
    }
}

/// The next frame as a word: `o`, `h`, `a:x,y`, `c:1002`.
fn frame(session: &mut Session, now: Instant) -> Option<String> {
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
fn polling(now: Instant) -> (Session, u32) {
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
        session.handle_attach(now, Liveness::Connection),
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

/// A session nobody reads ends after `disconnect_delay`, exactly. (sockjs-protocol, session URLs)
#[test]
fn session_without_receiver_ends_after_disconnect_delay() {
    let start = epoch();
    let (mut session, parked) = polling(start);
    session.handle_detach(start, parked, Detach::Done);
    assert_eq!(session.poll_timeout(), Some(start + 5 * SECOND));
    session.handle_timeout(start + Duration::from_millis(4_999));
    assert!(!session.is_closed());
    session.handle_timeout(start + 5 * SECOND);
    assert_eq!(session.end().map(|end| end.cause), Some(EndCause::Expired));
    assert_eq!(
        session.handle_attach(start + 5 * SECOND, Liveness::Connection),
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
        session.handle_attach(now, Liveness::Connection),
        Attach::Ended(CloseReason::INTERRUPTED)
    );
    assert_eq!(
        session.handle_browser_messages(&mut vec!["x".into()]),
        Deliver::Ended
    );
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
    session.handle_left(parked);
    send(&mut session, "b");
    session.handle_detach(now, parked, Detach::Aborted);
    assert_eq!(session.take_undelivered(), vec![Message::from("b")]);
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
    session.handle_timeout(start + 35 * SECOND);
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
    session.handle_timeout(start + 25 * SECOND);
    session.poll_wakes();
    session.handle_timeout(start + 50 * SECOND);
    assert!(session.is_closed());
    assert!(session.poll_wakes().cut_off);
}

/// sockjs-node: a Ping every 25 s, and 10 s for its Pong.
#[test]
fn unanswered_ping_ends_a_websocket_session() {
    let start = epoch();
    let mut session = session(start);
    assert_eq!(
        session.handle_attach(start, Liveness::Pong),
        Attach::Granted(1)
    );
    frame(&mut session, start);
    session.handle_timeout(start + 25 * SECOND);
    assert_eq!(
        frame(&mut session, start + 25 * SECOND).as_deref(),
        Some("h")
    );
    session.handle_alive();
    session.handle_timeout(start + 50 * SECOND);
    assert_eq!(
        frame(&mut session, start + 50 * SECOND).as_deref(),
        Some("h")
    );
    assert_eq!(session.poll_timeout(), Some(start + 60 * SECOND));
    session.handle_timeout(start + 60 * SECOND);
    assert_eq!(
        frame(&mut session, start + 60 * SECOND).as_deref(),
        Some("c:3000")
    );
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
    session.handle_attach(start, Liveness::Pong);
    frame(&mut session, start);
    for second in 1..11 {
        session.handle_timeout(start + second * SECOND);
        assert_eq!(
            frame(&mut session, start + second * SECOND).as_deref(),
            Some("h")
        );
    }
    session.handle_timeout(start + 11 * SECOND);
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
    session.handle_left(first);
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
        session.handle_browser_messages(&mut vec!["1".into()]),
        Deliver::Accepted
    );
    let mut batch = vec![Message::from("2"), Message::from("3")];
    assert_eq!(session.handle_browser_messages(&mut batch), Deliver::Full);
    assert_eq!(batch.len(), 2);
    session.poll_wakes();
    assert_eq!(session.poll_message(), Some("1".into()));
    assert!(session.poll_wakes().room_in);
    assert_eq!(
        session.handle_browser_messages(&mut batch),
        Deliver::Accepted
    );
}

/// Messages the browser got a 204 for reach the backend even when the session ends right after.
#[test]
fn accepted_messages_outlive_an_interrupted_session() {
    let now = epoch();
    let (mut session, parked) = polling(now);
    session.handle_browser_messages(&mut vec!["paid".into()]);
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
    sender.handle_browser_messages(&mut vec!["x".into()]);
    assert!(sender.is_proven());

    let mut socket = session(start);
    socket.handle_attach(start, Liveness::Pong);
    assert!(socket.is_proven());

    let mut stream = session(start);
    attach(&mut stream, start);
    frame(&mut stream, start);
    assert_eq!(stream.poll_timeout(), Some(start + SECOND));
    stream.handle_timeout(start + SECOND);
    assert!(stream.is_proven());
}

/// What was handed in is settled once the backend asks for more, so that a poll right after a send finds the answer.
#[test]
fn session_is_settled_when_the_backend_asks_for_more() {
    let now = epoch();
    let (mut session, _) = polling(now);
    assert!(session.is_settled());
    session.handle_browser_messages(&mut vec!["x".into()]);
    assert!(!session.is_settled());
    session.poll_message();
    assert!(!session.is_settled(), "the backend is still at it");
    session.poll_wakes();
    assert_eq!(session.poll_message(), None);
    assert!(session.is_settled());
    assert!(session.poll_wakes().settled);
}

/// After a named end the browser's late messages are void, not an error that would hide the end's code.
#[test]
fn late_messages_to_a_closed_backend_are_void() {
    let now = epoch();
    let (mut session, _) = polling(now);
    session.handle_end(EndCause::Backend, CloseReason::new(3000, "Go away!"));
    assert_eq!(
        session.handle_browser_messages(&mut vec!["x".into()]),
        Deliver::Accepted
    );
    assert_eq!(session.poll_message(), None);
}

/// What a session must have done, kept beside it by the random walk.
#[derive(Default)]
struct Model {
    next_out: u64,
    next_in: u64,
    /// Accepted from the backend and not yet known to have left, oldest first.
    outbound: VecDeque<u64>,
    /// How many of `outbound` the present receiver took.
    taken: usize,
    inbound: VecDeque<u64>,
    opened: bool,
    closes_taken: usize,
    receiver: Option<u32>,
    first_end: Option<End>,
    closed: bool,
}

impl Model {
    fn left(&mut self) {
        self.outbound.drain(..self.taken);
        self.taken = 0;
    }
}

fn number(message: &Message) -> u64 {
    message
        .as_text()
        .and_then(|text| text.trim_start_matches('x').parse().ok())
        .expect("a number the walk sent")
}

fn step(session: &mut Session, model: &mut Model, now: &mut Instant, random: &mut StdRng) {
    let padding = "x".repeat(random.random_range(0..40));
    match random.random_range(0..12) {
        0 | 1 => {
            let liveness = if random.random_bool(0.2) {
                Liveness::Pong
            } else {
                Liveness::Connection
            };
            match session.handle_attach(*now, liveness) {
                Attach::Granted(attachment) => {
                    assert!(model.receiver.is_none(), "two receivers");
                    assert!(!model.closed, "a closed session was attached");
                    model.left();
                    model.receiver = Some(attachment);
                    model.closes_taken = 0;
                }
                Attach::Busy => assert!(model.receiver.is_some()),
                Attach::Ended(reason) => {
                    assert!(model.closed);
                    assert_eq!(
                        Some(&reason),
                        model.first_end.as_ref().map(|end| &end.reason)
                    );
                }
            }
        }
        2 => {
            let how = if random.random_bool(0.2) {
                Detach::Aborted
            } else {
                Detach::Done
            };
            let stale = random.random_bool(0.1);
            let attachment = model.receiver.unwrap_or(0).wrapping_sub(u32::from(stale));
            session.handle_detach(*now, attachment, how);
            if !stale && model.receiver.take().is_some() {
                model.closed |= how == Detach::Aborted;
            }
        }
        3 => {
            session.handle_left(session.attachment());
            model.left();
        }
        4 => {
            let sent = model.next_in;
            let mut batch: Vec<Message> = (0..random.random_range(0..4))
                .map(|i| format!("{padding}{}", sent + i).into())
                .collect();
            let count = batch.len() as u64;
            match session.handle_browser_messages(&mut batch) {
                Deliver::Accepted => {
                    assert!(batch.is_empty());
                    if model.first_end.is_none() {
                        model.inbound.extend(sent..sent + count);
                        model.next_in += count;
                    }
                }
                Deliver::Full | Deliver::Ended => {
                    assert_eq!(batch.len() as u64, count, "part of a batch was taken")
                }
            }
        }
        5 | 6 => {
            match session.handle_backend_message(format!("{padding}{}", model.next_out).into()) {
                Ok(()) => {
                    assert!(
                        model.first_end.is_none(),
                        "a message was taken after the end"
                    );
                    model.outbound.push_back(model.next_out);
                    model.next_out += 1;
                }
                Err(Refused::Full(_)) => {
                    assert!(!model.outbound.is_empty(), "an empty queue is never full")
                }
                Err(Refused::Ended(_)) => assert!(model.first_end.is_some()),
            }
        }
        7 | 8 => {
            let expected = model
                .outbound
                .iter()
                .skip(model.taken)
                .copied()
                .collect::<Vec<_>>();
            match session.poll_frame(*now) {
                None => {}
                Some(_) if model.receiver.is_none() => panic!("a frame without a receiver"),
                Some(_) if model.closes_taken > 0 => panic!("a frame after the close frame"),
                Some(Frame::Open) => {
                    assert!(!model.opened, "two open frames");
                    model.opened = true;
                }
                Some(Frame::Messages(messages)) => {
                    assert!(model.opened, "messages before the open frame");
                    assert_eq!(messages.iter().map(number).collect::<Vec<_>>(), expected);
                    model.taken = model.outbound.len();
                }
                Some(Frame::Close(reason)) => {
                    assert!(
                        model.opened || model.closed,
                        "a close frame before the open frame"
                    );
                    assert_eq!(
                        Some(reason),
                        model.first_end.as_ref().map(|end| &end.reason)
                    );
                    model.closes_taken += 1;
                    model.closed = true;
                }
                Some(Frame::Heartbeat) => assert!(model.opened && expected.is_empty()),
            }
        }
        9 => {
            if let Some(message) = session.poll_message() {
                assert_eq!(
                    Some(number(&message)),
                    model.inbound.pop_front(),
                    "inbound order"
                );
            }
        }
        10 => {
            *now += Duration::from_millis(random.random_range(0..3_000));
            if let Some(deadline) = session.poll_timeout()
                && deadline <= *now
            {
                session.handle_timeout(*now);
                assert!(
                    session.poll_timeout().is_none_or(|next| next > *now),
                    "a deadline that is never met"
                );
                model.closed |= session.is_closed();
            }
        }
        _ => match random.random_range(0..20) {
            0 => session.handle_end(EndCause::Backend, CloseReason::new(3000, "Go away!")),
            1 => session.handle_end(EndCause::Shutdown, CloseReason::SERVICE_RESTART),
            2 => {
                session.handle_browser_close(CloseReason::NORMAL);
                model.closed = true;
            }
            3 => {
                let attachment = session.attachment();
                session.handle_doubt(attachment);
                model.closed |= model.receiver.is_none();
            }
            _ => session.handle_alive(),
        },
    }
}

fn check_invariants(session: &mut Session, model: &mut Model) {
    let wakes = session.poll_wakes();
    if let (Some(first), Some(end)) = (&model.first_end, session.end()) {
        assert_eq!(first, end, "a second end replaced the first");
    }
    if model.first_end.is_none()
        && let Some(end) = session.end()
    {
        model.first_end = Some(end.clone());
        if end.cause == EndCause::Backend {
            model.inbound.clear();
        }
        assert!(wakes.backend, "the backend was not told of the end");
    }
    assert_eq!(session.is_closed(), model.closed, "closed");
    assert!(
        !session.is_closed() || session.end().is_some(),
        "closed without an end"
    );
    assert_eq!(
        session.outbound.len(),
        model.outbound.len(),
        "a message for the browser was lost or doubled"
    );
    assert_eq!(
        session.inbound.len(),
        model.inbound.len(),
        "a message for the backend was lost or doubled"
    );
    assert!(session.taken <= session.outbound.len());
    for queue in [&session.outbound, &session.inbound] {
        assert_eq!(
            queue.bytes(),
            queue.messages().iter().map(Message::len).sum::<usize>(),
            "byte count"
        );
    }
    let deadline = session.deadline();
    assert_eq!(
        deadline.is_none(),
        session.is_closed(),
        "a living session has a deadline, a closed one none"
    );
    let told = session
        .armed
        .is_some_and(|armed| deadline.is_some_and(|deadline| armed <= deadline));
    assert!(
        told || wakes.driver || session.is_closed(),
        "the driver would wake too late"
    );
    session.poll_timeout();
}

fn walk(seed: u64, steps: usize) {
    let mut random = StdRng::seed_from_u64(seed);
    let config = SessionConfig {
        outbound: QueueLimits {
            bytes: random.random_range(1..400),
            messages: random.random_range(1..20),
        },
        inbound: QueueLimits {
            bytes: random.random_range(1..400),
            messages: random.random_range(1..20),
        },
        ..SessionConfig::default()
    };
    let mut now = epoch();
    let mut session = Session::new(Arc::new(config), now);
    session.poll_timeout();
    let mut model = Model::default();
    for _ in 0..steps {
        step(&mut session, &mut model, &mut now, &mut random);
        check_invariants(&mut session, &mut model);
    }
    if session.is_closed() {
        let undelivered: Vec<_> = session.take_undelivered().iter().map(number).collect();
        assert_eq!(
            undelivered,
            Vec::from(model.outbound),
            "what did not leave is undelivered"
        );
    }
}

/// Every invariant holds in every order of inputs. A failing run prints its seed; `SESSION_SEED=n` repeats it,
/// `SESSION_WALKS=n` walks more often than the 2 000 times (200 000 steps and more) of an ordinary run.
#[test]
fn random_walks_keep_the_invariants() {
    let number_from = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|value| value.parse::<u64>().ok())
    };
    if let Some(seed) = number_from("SESSION_SEED") {
        return walk(seed, 150);
    }
    let first = rand::rng().random::<u64>() >> 1;
    for seed in first..first + number_from("SESSION_WALKS").unwrap_or(2_000) {
        let outcome = std::panic::catch_unwind(|| walk(seed, 150));
        assert!(
            outcome.is_ok(),
            "a random walk failed: repeat it with SESSION_SEED={seed}"
        );
    }
}
