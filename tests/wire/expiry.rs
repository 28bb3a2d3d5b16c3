//! Sessions without a receiver end on time, and their ids are remembered.

use std::thread;
use std::time::{Duration, Instant};

use crate::fixture::{
    INTERRUPTED, OPEN, echo_server, messages, opened, read_response, send_poll, service, text,
};
use crate::support::{Request, Server, Session, now};

/// Lets real time pass: what is tested here is the clock.
fn pass_until(moment: Instant) {
    if let Some(left) = moment.checked_duration_since(now()) {
        thread::sleep(left);
    }
}

/// Waits until the session has ended, which only `xhr_send` shows without becoming a receiver.
#[track_caller]
fn wait_until_gone(session: &Session<'_>, limit: Duration) -> Duration {
    let start = now();
    while session.post("/xhr_send", "[]").head.status != 404 {
        assert!(start.elapsed() < limit, "still there after {limit:?}");
        thread::sleep(Duration::from_millis(5));
    }
    start.elapsed()
}

/// A poll inside `disconnect_delay` always finds its session, with what came meanwhile; a second after it, it never does.
#[test]
fn sessions_live_up_to_disconnect_delay_and_no_longer() {
    const DELAY: Duration = Duration::from_millis(2000);
    let server = echo_server("disconnect_delay = \"2s\"");
    let sessions: Vec<_> = (0..50).map(|_| (opened(&server, "/echo"), now())).collect();
    for (session, opened_at) in &sessions {
        pass_until(*opened_at + DELAY - Duration::from_millis(1000));
        session.send("[\"still\"]");
        session.poll().assert_is(200, "a[\"still\"]\n");
    }
    pass_until(now() + DELAY + Duration::from_millis(500));
    for (session, _) in &sessions {
        session.post("/xhr_send", "[\"x\"]").assert_not_found();
        session.poll().assert_is(200, INTERRUPTED);
    }
}

/// Only receiving keeps a session alive: `xhr_send` does not. (sockjs-node)
#[test]
fn sending_does_not_keep_a_session_alive() {
    let server = echo_server("disconnect_delay = \"500ms\"");
    let session = opened(&server, "/echo");
    let lived = wait_until_gone(&session, Duration::from_millis(1500));
    assert!(lived > Duration::from_millis(400), "only {lived:?}");
}

/// A receiver that stays attached keeps the session, however long: the delay starts when it leaves.
#[test]
fn attached_receiver_keeps_the_session_beyond_disconnect_delay() {
    let server = echo_server("disconnect_delay = \"200ms\"");
    let session = opened(&server, "/echo");
    let mut parked = send_poll(&server, &session);
    parked.assert_silent(Duration::from_millis(700));
    session.send("[\"x\"]");
    read_response(&mut parked).assert_is(200, "a[\"x\"]\n");
}

/// An id that expired answers 1002 for three times `disconnect_delay`, so that a poll that was late cannot open a session
/// nobody reads; then it is a new one. Asking does not prolong it. (sockjs-protocol issue 91)
#[test]
fn expired_id_is_remembered_for_three_delays() {
    const DELAY: Duration = Duration::from_millis(300);
    let server = echo_server("disconnect_delay = \"300ms\"");
    let session = opened(&server, "/echo");
    wait_until_gone(&session, Duration::from_secs(2));
    let expired = now();
    loop {
        let answer = session.poll();
        let elapsed = expired.elapsed();
        if answer.body == OPEN.as_bytes() {
            assert!(
                elapsed > DELAY * 3 - Duration::from_millis(50),
                "a new session after {elapsed:?}"
            );
            return;
        }
        answer.assert_is(200, INTERRUPTED);
        assert!(
            elapsed < DELAY * 3 + Duration::from_secs(1),
            "not forgotten after {elapsed:?}"
        );
        thread::sleep(Duration::from_millis(20));
    }
}

/// What arrives at the very moment of expiry finds the session or its end, never a new session and never a gap.
#[test]
fn poll_at_the_moment_of_expiry_finds_the_session_or_its_end() {
    let server = echo_server("disconnect_delay = \"200ms\"");
    thread::scope(|scope| {
        for offset in 0..40 {
            let server = &server;
            scope.spawn(move || {
                let session = opened(server, "/echo");
                session.send("[\"before\"]");
                pass_until(now() + Duration::from_millis(180 + offset));
                let answer = session.poll();
                if text(&answer) == INTERRUPTED {
                    session.post("/xhr_send", "[\"x\"]").assert_not_found();
                } else {
                    assert_eq!(messages(&text(&answer)), ["before"]);
                    session.send("[\"after\"]");
                    session.poll().assert_is(200, "a[\"after\"]\n");
                }
            });
        }
    });
}

/// A session the backend closed goes on telling so for as long as the browser asks. (sockjs-node re-arms at each)
#[test]
fn closed_id_is_told_as_long_as_the_browser_asks() {
    let server = Server::with_config(&service("/close", "close:", "disconnect_delay = \"200ms\""));
    let session = opened(&server, "/close");
    let start = now();
    while start.elapsed() < Duration::from_millis(1500) {
        session.poll().assert_is(200, "c[3000,\"Go away!\"]\n");
        thread::sleep(Duration::from_millis(100));
    }
}

/// Messages for a session the backend has closed are taken and dropped: a 404 would hide the close frame behind sockjs-client's
/// "Sending error". (sockjs-node)
#[test]
fn send_to_a_closed_session_is_accepted_and_dropped() {
    let server = Server::with_config(&service("/close", "close:", ""));
    let session = opened(&server, "/close");
    session.send("[\"x\"]");
    session.poll().assert_is(200, "c[3000,\"Go away!\"]\n");
    session.send("[\"x\"]");
    session.poll().assert_is(200, "c[3000,\"Go away!\"]\n");
}

/// A session that ended gives its place free.
#[test]
fn expired_sessions_give_their_places_free() {
    let server = echo_server("disconnect_delay = \"200ms\"\nmax_sessions = 3");
    let first: Vec<_> = (0..3).map(|_| opened(&server, "/echo")).collect();
    Session::new(&server, "/echo")
        .poll()
        .assert_is(200, "c[1013,\"Too many sessions\"]\n");
    for session in &first {
        wait_until_gone(session, Duration::from_secs(2));
    }
    for _ in 0..3 {
        opened(&server, "/echo");
    }
}

/// A thousand idle sessions all end, and the server is as quick as before.
#[test]
fn thousand_idle_sessions_all_end() {
    let server = echo_server("disconnect_delay = \"500ms\"\nmax_sessions = 1000");
    let mut connection = server.connect();
    let sessions: Vec<_> = (0..1000).map(|_| Session::new(&server, "/echo")).collect();
    let mut refused = 0;
    for session in &sessions {
        let response = connection.exchange(&Request::post(session.url("/xhr")));
        refused += usize::from(response.body != OPEN.as_bytes());
    }
    // On a slow machine the first may have ended before the last opens; none is refused either way.
    assert_eq!(refused, 0);
    for session in &sessions {
        wait_until_gone(session, Duration::from_secs(2));
    }
    opened(&server, "/echo");
}
