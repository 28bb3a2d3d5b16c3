//! SIGTERM: everybody is told, what is queued is delivered, and the process ends in time.

use std::time::Duration;

use crate::carriers::CARRIERS;
use crate::fixture::{
    OPEN, echo_server, messages, opened, park_poll, read_response, service, text,
};
use crate::raw_socket::RawSocket;
use crate::support::{ANSWER_DEADLINE, CLOSE_DEADLINE, Request, Server, Session, now};

const RESTART: &str = "c[1012,\"Service restart\"]";

/// How the process ended within the default grace.
#[track_caller]
fn exit_code(server: &Server) -> Option<i32> {
    server.wait_for_exit(Duration::from_secs(12)).code()
}

/// A poll that waits gets 1012 "Service Restart". (WebSocket close code registry)
#[test]
fn parked_poll_is_told() {
    let server = echo_server("");
    let session = opened(&server, "/echo");
    let mut parked = park_poll(&server, &session);
    server.signal("TERM");
    read_response(&mut parked).assert_is(200, &format!("{RESTART}\n"));
    parked.read_until_ended(ANSWER_DEADLINE);
    assert_eq!(exit_code(&server), Some(0));
}

/// Streams get it in their framing, and end.
#[test]
fn streams_are_told_and_ended() {
    let server = echo_server("");
    let sessions: Vec<_> = CARRIERS
        .iter()
        .filter(|carrier| !carrier.polls)
        .map(|carrier| (carrier, Session::new(&server, "/echo")))
        .collect();
    let mut streams = Vec::new();
    for (carrier, session) in &sessions {
        let mut stream = carrier.open(&server, session);
        stream.assert_chunk(&carrier.wrap("o"));
        streams.push((carrier, stream));
    }
    server.signal("TERM");
    for (carrier, stream) in &mut streams {
        stream.assert_chunk(&carrier.wrap(RESTART));
        stream.assert_ended();
    }
    assert_eq!(exit_code(&server), Some(0));
}

/// WebSockets get the frame and the Close, raw ones the Close alone.
#[test]
fn websockets_are_told_and_closed() {
    let server = echo_server("");
    let mut socket = RawSocket::open_sockjs(&server, "/echo");
    let mut raw = RawSocket::open(&server, "/echo/websocket");
    server.signal("TERM");
    socket.assert_told_and_closed(1012, "Service restart");
    assert_eq!(raw.assert_close(1012), "Service restart");
    raw.answer_close(1012);
    assert_eq!(exit_code(&server), Some(0));
}

/// SIGINT, the terminal's Ctrl-C, does the same.
#[test]
fn interrupt_stops_in_order_too() {
    let server = echo_server("");
    let mut raw = RawSocket::open(&server, "/echo/websocket");
    server.signal("INT");
    raw.assert_close(1012);
    raw.answer_close(1012);
    assert_eq!(exit_code(&server), Some(0));
}

/// With nobody there it ends at once.
#[test]
fn idle_server_stops_at_once() {
    let server = echo_server("");
    let mut idle = server.connect();
    idle.exchange(&Request::get("/echo"))
        .assert_is(200, "Welcome to SockJS!\n");
    server.signal("TERM");
    let start = now();
    assert_eq!(server.wait_for_exit(ANSWER_DEADLINE).code(), Some(0));
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(idle.read_until_ended(CLOSE_DEADLINE), "");
}

/// What is queued is delivered before the close, to a browser that comes back within the grace.
#[test]
fn queued_messages_are_delivered_before_the_close() {
    let server = Server::with_config(&service("/room", "broadcast:", ""));
    let session = opened(&server, "/room");
    let mut witness = RawSocket::open_sockjs(&server, "/room");
    for message in ["[\"queued\"]", "[\"last\"]"] {
        witness.send_text(message);
        witness.assert_text(&format!("a{message}"));
    }
    // When the second one is heard, the first one is queued for everybody.
    let mut connection = server.connect();
    connection
        .exchange(&Request::get("/room"))
        .assert_is(200, "Welcome to SockJS!\n");
    server.signal("TERM");
    let poll = Request::post(session.url("/xhr"));
    let queued = messages(&text(&connection.exchange(&poll)));
    assert_eq!(queued[0], "queued");
    connection
        .exchange(&poll)
        .assert_is(200, &format!("{RESTART}\n"));
    assert_eq!(exit_code(&server), Some(0));
}

/// New sessions are refused meanwhile, with the same reason.
#[test]
fn new_sessions_are_refused_while_stopping() {
    let server = echo_server("");
    let lingering = opened(&server, "/echo");
    let mut connection = server.connect();
    connection
        .exchange(&Request::get("/echo"))
        .assert_is(200, "Welcome to SockJS!\n");
    let mut witness = RawSocket::open_sockjs(&server, "/echo");
    server.signal("TERM");
    witness.assert_text(RESTART);
    let session = Session::new(&server, "/echo");
    connection
        .exchange(&Request::post(session.url("/xhr")))
        .assert_is(200, &format!("{RESTART}\n"));
    drop(lingering);
}

/// Connections are accepted while sessions are being ended: a proxy may need a new one for the poll that takes what is queued.
/// When they are gone, so is the server.
#[test]
fn connections_are_accepted_until_the_sessions_are_gone() {
    let server = echo_server("");
    let session = opened(&server, "/echo");
    let mut witness = RawSocket::open_sockjs(&server, "/echo");
    server.signal("TERM");
    witness.assert_text(RESTART);
    session.poll().assert_is(200, &format!("{RESTART}\n"));
    drop(witness);
    assert_eq!(exit_code(&server), Some(0));
    let refused = std::net::TcpStream::connect(&server.address.authority);
    let refused = refused.map_err(|error| error.kind()).err();
    assert_eq!(refused, Some(std::io::ErrorKind::ConnectionRefused));
}

/// With a window, sessions are ended one after another, with the code and reason that were set; until their turn they work, while
/// new ones are refused.
#[test]
fn window_spreads_the_ends() {
    let drain = "[drain]\nwindow = \"1s\"\ncode = 4012\nreason = \"moving\"\n";
    let server = Server::with_config(&format!("{drain}{}", service("/echo", "echo:", "")));
    let mut sockets: Vec<_> = (0..20)
        .map(|_| RawSocket::open_sockjs(&server, "/echo"))
        .collect();
    server.signal("TERM");
    let start = now();
    // The first one is ended at once; by then new ones are refused.
    let refused = Session::new(&server, "/echo");
    let told = || text(&refused.poll()) == "c[4012,\"moving\"]\n";
    while !told() {
        assert!(start.elapsed() < ANSWER_DEADLINE, "new sessions are let in");
    }
    let mut ends: Vec<_> = Vec::new();
    while let Some(mut socket) = sockets.pop() {
        socket.assert_told_and_closed(4012, "moving");
        ends.push(start.elapsed());
    }
    let last = ends.iter().max().expect("twenty");
    assert!(*last > Duration::from_millis(700), "{ends:?}");
    assert_eq!(exit_code(&server), Some(0));
}

/// A session whose browser does not come back holds the process no longer than `disconnect_delay`; one whose WebSocket does
/// not answer no longer than `close_timeout`; and nobody longer than `shutdown_grace`.
#[test]
fn shutdown_grace_is_the_limit() {
    for (options, table) in [
        (
            "disconnect_delay = \"300ms\"\nclose_timeout = \"300ms\"",
            "",
        ),
        (
            "disconnect_delay = \"60s\"\nclose_timeout = \"60s\"",
            "[server]\nshutdown_grace = \"500ms\"\n",
        ),
    ] {
        let config = format!("{table}{}", service("/echo", "echo:", options));
        let server = Server::with_config(&config);
        opened(&server, "/echo").send("[\"never fetched\"]");
        let mut silent = RawSocket::open_sockjs(&server, "/echo");
        server.signal("TERM");
        let start = now();
        assert_eq!(server.wait_for_exit(ANSWER_DEADLINE).code(), Some(0));
        assert!(
            start.elapsed() < Duration::from_secs(3),
            "{:?}",
            start.elapsed()
        );
        silent.assert_text(RESTART);
    }
}

/// A second signal ends the process at once, with 1.
#[test]
fn second_signal_ends_at_once() {
    let server = echo_server("disconnect_delay = \"60s\"");
    let _ = opened(&server, "/echo");
    let mut witness = RawSocket::open_sockjs(&server, "/echo");
    server.signal("TERM");
    witness.assert_text(RESTART);
    server.signal("TERM");
    assert_eq!(server.wait_for_exit(CLOSE_DEADLINE * 2).code(), Some(1));
}

/// The stop is logged, with what it does. (STYLE, Logs)
#[test]
fn stop_is_logged() {
    let mut server = echo_server("");
    assert!(server.get("/echo").head.status == 200);
    server.signal("TERM");
    assert_eq!(server.wait_for_exit(ANSWER_DEADLINE).code(), Some(0));
    let start = now();
    while !server.log().iter().any(|line| line.contains("stopped")) {
        assert!(start.elapsed() < ANSWER_DEADLINE, "{:?}", server.log());
    }
    assert!(server.log().iter().any(|line| line.contains("stopping")));
}

/// A browser that asks for its first frame at the moment of the signal gets an answer, or no connection; never silence.
#[test]
fn poll_at_the_moment_of_the_signal_is_answered() {
    for _ in 0..10 {
        let server = echo_server("disconnect_delay = \"200ms\"");
        let mut connections: Vec<_> = (0..10).map(|_| server.connect()).collect();
        let sessions: Vec<_> = (0..10).map(|_| Session::new(&server, "/echo")).collect();
        for (index, (connection, session)) in connections.iter_mut().zip(&sessions).enumerate() {
            if index == 5 {
                server.signal("TERM");
            }
            connection.try_send_raw(&Request::post(session.url("/xhr")).encode(&server.address));
        }
        for connection in &mut connections {
            let answer = connection.read_until_ended(ANSWER_DEADLINE);
            let frame = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
            let told = frame == OPEN || frame == format!("{RESTART}\n") || answer.is_empty();
            assert!(told, "{answer:?}");
        }
        assert_eq!(exit_code(&server), Some(0));
    }
}
