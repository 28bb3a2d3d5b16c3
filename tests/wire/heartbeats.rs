//! Silence is broken on every transport, in its own way.

use std::time::Duration;

use crate::carriers::{CARRIERS, Carrier, EVENTSOURCE, HTMLFILE, JSONP, XHR, XHR_STREAMING};
use crate::fixture::echo_server;
use crate::raw_socket::{CLOSE, FIN, PING, PONG, RawSocket};
use crate::support::{Server, Session, now};

const BEAT: Duration = Duration::from_millis(300);
const NO_ANSWER: &str = "No response from heartbeat";

fn server() -> Server {
    echo_server("heartbeat_delay = \"300ms\"\npong_timeout = \"200ms\"")
}

/// The next request of the session is answered with `h` after the delay.
#[track_caller]
fn assert_heartbeat(carrier: Carrier) {
    let server = server();
    let session = Session::new(&server, "/echo");
    let mut reader = carrier.reader(&server, &session);
    assert_eq!(reader.next_frame(), carrier.wrap("o"));
    // The first may come after half the time, so that sessions do not beat in phase.
    for least in [0.4, 0.8, 0.8] {
        let silent_since = now();
        assert_eq!(reader.next_frame(), carrier.wrap("h"));
        let silence = silent_since.elapsed();
        assert!(silence > BEAT.mul_f32(least), "`h` after {silence:?}");
        assert!(silence < BEAT * 4, "`h` after {silence:?}");
    }
    session.send("[\"x\"]");
    assert_eq!(reader.next_frame(), carrier.wrap("a[\"x\"]"));
    let expected = if carrier.polls { 5 } else { 1 };
    assert_eq!(
        reader.responses, expected,
        "a heartbeat ends a poll and leaves a stream open"
    );
}

/// A poll ends with `h` and the browser asks again.
#[test]
fn xhr_poll_ends_with_a_heartbeat() {
    assert_heartbeat(XHR);
}

/// jsonp polls too: sockjs-client gives one up after 35 s.
#[test]
fn jsonp_poll_ends_with_a_heartbeat() {
    assert_heartbeat(JSONP);
}

/// A stream goes on.
#[test]
fn xhr_streaming_carries_heartbeats() {
    assert_heartbeat(XHR_STREAMING);
}

/// A stream goes on.
#[test]
fn eventsource_carries_heartbeats() {
    assert_heartbeat(EVENTSOURCE);
}

/// A stream goes on.
#[test]
fn htmlfile_carries_heartbeats() {
    assert_heartbeat(HTMLFILE);
}

/// Messages break the silence as well: no heartbeat while they come. (sockjs-node)
#[test]
fn traffic_postpones_heartbeats() {
    let server = server();
    let session = Session::new(&server, "/echo");
    let mut stream = session.open_xhr_streaming();
    stream.assert_chunk("o\n");
    let start = now();
    while start.elapsed() < BEAT * 4 {
        session.send("[\"x\"]");
        stream.assert_chunk("a[\"x\"]\n");
        stream.connection.assert_silent(BEAT / 4);
    }
}

/// A WebSocket is pinged, at its own beat, and lives as long as it answers. (sockjs-node)
#[test]
fn websockets_that_answer_pings_live_on() {
    let server = server();
    for path in ["/echo/000/ws/websocket", "/echo/websocket"] {
        let mut socket = RawSocket::open(&server, path);
        if path != "/echo/websocket" {
            socket.assert_text("o");
        }
        for _ in 0..4 {
            let ping = socket.receive();
            assert_eq!(ping.first, FIN | PING, "{path}");
            socket.send(FIN | PONG, &ping.payload);
        }
        socket.connection.assert_silent(BEAT / 3);
    }
}

/// A SockJS WebSocket that answers no Ping is told why and closed. (sockjs-node: 3000 and this text)
#[test]
fn websocket_that_answers_no_ping_is_told_and_closed() {
    let server = server();
    let mut socket = RawSocket::open_sockjs(&server, "/echo");
    assert_eq!(socket.receive().first, FIN | PING);
    socket.assert_text(&format!("c[3000,\"{NO_ANSWER}\"]"));
    assert_eq!(socket.assert_close(3000), NO_ANSWER);
}

/// A timeout longer than the beat works too: the answer to the first Ping is what is waited for, not that to the last.
#[test]
fn unanswered_ping_counts_although_more_pings_follow() {
    let server = echo_server("heartbeat_delay = \"200ms\"\npong_timeout = \"700ms\"");
    let mut socket = RawSocket::open(&server, "/echo/websocket");
    let pings = (0..10)
        .take_while(|_| socket.receive().first == FIN | PING)
        .count();
    assert!(pings < 10, "{pings} unanswered Pings and no end");
}

/// A raw WebSocket has no frames to be told with: only the Close frame. (sockjs-protocol, `RawWebsocket`)
#[test]
fn raw_websocket_that_answers_no_ping_is_closed() {
    let server = server();
    let mut socket = RawSocket::open(&server, "/echo/websocket");
    assert_eq!(socket.receive().first, FIN | PING);
    assert_eq!(socket.assert_close(3000), NO_ANSWER);
}

/// A peer that does not even answer the Close frame is not waited for.
#[test]
fn dead_websocket_is_disconnected_after_close_timeout() {
    let server = echo_server(
        "heartbeat_delay = \"200ms\"\npong_timeout = \"200ms\"\nclose_timeout = \"300ms\"",
    );
    let mut socket = RawSocket::open(&server, "/echo/websocket");
    assert_eq!(socket.receive().first, FIN | PING);
    assert_eq!(socket.receive().first, FIN | CLOSE);
    socket.assert_ended(Duration::from_secs(2));
}

/// Anything a WebSocket sends shows that it lives: a message instead of a Pong will do.
#[test]
fn message_counts_as_an_answer_to_a_ping() {
    let server = server();
    let mut socket = RawSocket::open_sockjs(&server, "/echo");
    for _ in 0..4 {
        assert_eq!(socket.receive().first, FIN | PING);
        socket.send_text("[\"x\"]");
        socket.assert_text("a[\"x\"]");
    }
}

/// `heartbeat_delay = "off"` means none.
#[test]
fn heartbeats_can_be_turned_off() {
    let server = echo_server("heartbeat_delay = \"off\"");
    let mut streams = Vec::new();
    for carrier in CARRIERS.iter().filter(|carrier| !carrier.polls) {
        let session = Session::new(&server, "/echo");
        let mut stream = carrier.open(&server, &session);
        stream.assert_chunk(&carrier.wrap("o"));
        streams.push(stream);
    }
    let mut socket = RawSocket::open_sockjs(&server, "/echo");
    socket.connection.assert_silent(Duration::from_millis(800));
    for mut stream in streams {
        stream.connection.assert_silent(Duration::from_millis(1));
    }
}

/// Heartbeats do not keep an abandoned session: without a receiver there are none.
#[test]
fn session_without_receiver_ends_in_spite_of_heartbeats() {
    let server = echo_server("heartbeat_delay = \"100ms\"\ndisconnect_delay = \"300ms\"");
    let session = Session::new(&server, "/echo");
    session.poll().assert_is(200, "o\n");
    std::thread::sleep(Duration::from_millis(800));
    session.post("/xhr_send", "[\"x\"]").assert_not_found();
}
