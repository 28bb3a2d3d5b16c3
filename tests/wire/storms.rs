//! Browsers and proxies that ask again and again although there is nothing for them: each answer takes a little longer than it has to.

use std::time::Duration;

use crate::carriers::CARRIERS;
use crate::fixture::{
    INTERRUPTED, OPEN, STILL_OPEN, echo_server, messages, opened, park_poll, read_response, text,
};
use crate::support::{Connection, Request, Server, Session, now};

const SPACING: Duration = Duration::from_millis(100);
/// So long that a test would fail if anything were held.
const FOR_EVER: &str = "poll_spacing = \"1h\"";

/// A session whose poll was cut off.
fn interrupted<'a>(server: &'a Server) -> Session<'a> {
    let session = opened(server, "/echo");
    drop(park_poll(server, &session));
    session
}

fn ask(connection: &mut Connection, session: &Session<'_>) -> String {
    connection.send(&Request::post(session.url("/xhr")));
    text(&read_response(connection))
}

/// Time that `act` takes.
fn time(act: impl FnOnce()) -> Duration {
    let start = now();
    act();
    start.elapsed()
}

/// Who asks for an ended session is told at once, on every transport; who asks again, over whatever connection, is held back.
#[test]
fn end_that_was_told_is_told_again_after_a_while() {
    let server = echo_server(FOR_EVER);
    for carrier in CARRIERS {
        let session = interrupted(&server);
        let told = carrier.first_frame(&server, &session);
        assert_eq!(told, carrier.wrap(INTERRUPTED.trim_end()));
    }
    let server = echo_server("");
    let session = interrupted(&server);
    session.poll().assert_is(200, INTERRUPTED);
    let taken = time(|| (0..3).for_each(|_| session.poll().assert_is(200, INTERRUPTED)));
    // The very first may have come before what remains of the session was written down.
    assert!(taken >= 2 * SPACING, "{taken:?}");
}

/// Of a session that another connection reads, the first is told at once, and the next ones are held back.
#[test]
fn polls_beside_another_are_spaced() {
    let server = echo_server("");
    let session = opened(&server, "/echo");
    let mut parked = park_poll(&server, &session);
    let taken = time(|| (0..3).for_each(|_| session.poll().assert_is(200, STILL_OPEN)));
    assert!(taken >= 3 * SPACING, "{taken:?}");
    session.send("[\"x\"]");
    read_response(&mut parked).assert_is(200, "a[\"x\"]\n");
    drop(park_poll(&server, &session));
}

/// Who opens sessions again and again that a limit refuses, over one connection, is held back from the second on.
#[test]
fn refusals_on_one_connection_are_spaced() {
    let server = echo_server("max_sessions = 1");
    let _first = opened(&server, "/echo");
    let mut connection = server.connect();
    let mut refused = || {
        let told = ask(&mut connection, &Session::new(&server, "/echo"));
        assert_eq!(told, "c[1013,\"Too many sessions\"]\n");
    };
    refused();
    let taken = time(|| (0..3).for_each(|_| refused()));
    assert!(taken >= 3 * SPACING, "{taken:?}");
}

/// Polls behind one another on one connection, each of which ends the one before it, are spaced.
#[test]
fn pipelined_polls_are_spaced() {
    let server = echo_server("");
    let session = opened(&server, "/echo");
    let mut connection = server.connect();
    let poll = Request::post(session.url("/xhr"));
    (0..5).for_each(|_| connection.send(&poll));
    read_response(&mut connection).assert_is(200, "h\n");
    let taken = time(|| {
        (0..3).for_each(|_| read_response(&mut connection).assert_is(200, "h\n"));
    });
    // The first of them was asked for before the time began.
    assert!(taken >= 2 * SPACING, "{taken:?}");
}

/// A browser that polls as it should is never held: not after messages, nor for a new session on a connection that was told an end.
#[test]
fn polls_that_bring_something_are_not_held() {
    let server = echo_server(FOR_EVER);
    let ended = interrupted(&server);
    let mut connection = server.connect();
    assert_eq!(ask(&mut connection, &ended), INTERRUPTED);
    let session = Session::new(&server, "/echo");
    assert_eq!(ask(&mut connection, &session), OPEN);
    for number in 0..20 {
        session.send(&format!("[\"{number}\"]"));
        let frame = ask(&mut connection, &session);
        assert_eq!(messages(&frame), [number.to_string()]);
    }
}
