//! A receiver that the browser gives up is noticed before anything is answered on its account. (sockjs-protocol, `HandlingClose.test_abort_*`)

use std::thread;
use std::time::Duration;

use crate::carriers::{CARRIERS, XHR_STREAMING};
use crate::fixture::{
    INTERRUPTED, OPEN, STILL_OPEN, echo_server, messages, opened, park_poll, read_response,
    send_poll, service,
};
use crate::support::{Request, Server, Session, now};

/// Rounds of a race; the peers fail one in five at worst, the best never.
const ROUNDS: usize = 200;

/// The next poll, sent at once, finds the session ended: never 2010 on account of the dead one, never a new `o`, which
/// sockjs-client reports as "Server lost session". (sockjs-protocol, `HandlingClose.test_abort_xhr_polling`)
#[test]
fn poll_after_an_aborted_poll_is_told_1002_at_zero_gap() {
    let server = echo_server("");
    for round in 0..ROUNDS {
        let session = opened(&server, "/echo");
        let parked = park_poll(&server, &session);
        if round % 2 == 0 {
            drop(parked);
        } else {
            parked.reset();
        }
        session.poll().assert_is(200, INTERRUPTED);
    }
}

/// The same for streams. (sockjs-protocol, `HandlingClose.test_abort_xhr_streaming`)
#[test]
fn stream_after_an_aborted_stream_is_told_1002_at_zero_gap() {
    let server = echo_server("");
    for round in 0..ROUNDS {
        let session = Session::new(&server, "/echo");
        let mut first = session.open_xhr_streaming();
        first.assert_chunk(OPEN);
        if round % 2 == 0 {
            drop(first);
        } else {
            first.connection.reset();
        }
        let mut second = session.open_xhr_streaming();
        second.assert_chunk(INTERRUPTED);
        second.assert_ended();
    }
}

/// Every transport tells it in its own framing. (sockjs-protocol, `HandlingClose`)
#[test]
fn every_transport_tells_the_abort() {
    let server = echo_server("");
    for carrier in CARRIERS {
        let session = Session::new(&server, "/echo");
        XHR_STREAMING.open(&server, &session).assert_chunk(OPEN);
        let expected = carrier.wrap("c[1002,\"Connection interrupted\"]");
        assert_eq!(carrier.first_frame(&server, &session), expected);
    }
}

/// As long as the first receiver is there, a second one is refused, and the first keeps the session.
/// (sockjs-protocol, `HandlingClose.test_close_request`)
#[test]
fn receiver_that_is_still_there_keeps_the_session_from_others() {
    let server = echo_server("");
    for round in 0..ROUNDS {
        let session = Session::new(&server, "/echo");
        let mut first = session.open_xhr_streaming();
        first.assert_chunk(OPEN);
        session.poll().assert_is(200, STILL_OPEN);
        session.send(&format!("[\"{round}\"]"));
        first.assert_chunk(&format!("a[\"{round}\"]\n"));
    }
}

/// The same with a poll that waits, refused and then answered.
/// (sockjs-protocol, `HandlingClose.test_close_request`)
#[test]
fn parked_poll_survives_many_refused_ones() {
    let server = echo_server("");
    let session = opened(&server, "/echo");
    let mut parked = park_poll(&server, &session);
    for _ in 0..50 {
        session.poll().assert_is(200, STILL_OPEN);
    }
    session.send("[\"x\"]");
    read_response(&mut parked).assert_is(200, "a[\"x\"]\n");
}

/// An aborted id is a new one again after `disconnect_delay`, and not before: until then every answer is 1002.
/// (sockjs-protocol, `HandlingClose.test_abort_xhr_streaming` allows both)
#[test]
fn aborted_id_opens_afresh_after_disconnect_delay() {
    let server = echo_server("disconnect_delay = \"400ms\"");
    let session = Session::new(&server, "/echo");
    XHR_STREAMING.open(&server, &session).assert_chunk(OPEN);
    let aborted = now();
    loop {
        let answer = session.poll();
        let elapsed = aborted.elapsed();
        if answer.body == OPEN.as_bytes() {
            assert!(elapsed >= Duration::from_millis(390), "after {elapsed:?}");
            return;
        }
        answer.assert_is(200, INTERRUPTED);
        assert!(elapsed < Duration::from_millis(1400), "after {elapsed:?}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// A half-close says that no further request comes; while a poll waits it counts as an abort, as in sockjs-node.
#[test]
fn half_closed_poll_counts_as_aborted() {
    let server = echo_server("");
    let session = opened(&server, "/echo");
    let mut parked = park_poll(&server, &session);
    parked.finish_sending();
    session.poll().assert_is(200, INTERRUPTED);
}

/// The same when it comes before the receiver waits, because the connection before is looked at first.
#[test]
fn half_close_before_a_receiver_waits_counts_as_an_abort() {
    let server = echo_server("");
    for path in ["/xhr", "/xhr_streaming"] {
        for _ in 0..ROUNDS {
            let session = Session::new(&server, "/echo");
            let mut answered = send_poll(&server, &session);
            read_response(&mut answered).assert_is(200, OPEN);
            let mut given_up = server.connect();
            given_up.send(&Request::post(session.url(path)));
            given_up.finish_sending();
            given_up.read_until_ended(Duration::from_secs(5));
        }
    }
}

/// Once the abort is known, messages for the session are refused.
/// (sockjs-protocol, `XhrPolling.test_invalid_session`)
#[test]
fn send_after_a_noticed_abort_is_not_found() {
    let server = echo_server("");
    for _ in 0..20 {
        let session = opened(&server, "/echo");
        drop(park_poll(&server, &session));
        session.poll().assert_is(200, INTERRUPTED);
        session.post("/xhr_send", "[\"x\"]").assert_not_found();
        let form = session.send_form("d=%5B%22x%22%5D");
        form.assert_not_found();
    }
}

/// A message sent right after the abort is refused, or the backend has it: never 204 and gone.
/// (sockjs-go, aiohttp and Spring lose it)
#[test]
fn send_at_zero_gap_after_an_abort_is_refused_or_reaches_the_backend() {
    let server = Server::with_config(&service("/room", "broadcast:", ""));
    let witness = Session::new(&server, "/room");
    let mut heard = witness.open_xhr_streaming();
    heard.assert_chunk(OPEN);
    for round in 0..ROUNDS {
        let session = Session::new(&server, "/room");
        let mut stream = session.open_xhr_streaming();
        stream.assert_chunk(OPEN);
        drop(stream);
        let message = format!("[\"{round}\"]");
        let status = session.post("/xhr_send", message.as_str()).head.status;
        witness.send("[\"next\"]");
        // Two sessions: which of their messages the room hears first is open.
        let mut expected = match status {
            204 => vec![round.to_string(), "next".to_owned()],
            404 => vec!["next".to_owned()],
            other => panic!("status {other}"),
        };
        while !expected.is_empty() {
            let frame = heard.next_chunk().expect("the stream goes on");
            for heard in messages(&frame) {
                let at = expected.iter().position(|message| *message == heard);
                expected.remove(
                    at.unwrap_or_else(|| panic!("{heard:?} while {expected:?} are to come")),
                );
            }
        }
    }
}

/// A request that never became a receiver leaves no trace: the session is the other's.
#[test]
fn poll_aborted_while_refused_does_not_disturb_the_first() {
    let server = echo_server("");
    let session = opened(&server, "/echo");
    let mut parked = park_poll(&server, &session);
    for _ in 0..50 {
        drop(send_poll(&server, &session));
    }
    session.poll().assert_is(200, STILL_OPEN);
    session.send("[\"x\"]");
    read_response(&mut parked).assert_is(200, "a[\"x\"]\n");
}
