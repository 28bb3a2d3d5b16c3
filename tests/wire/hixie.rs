//! The WebSocket draft of 2010 that the suite still asks for, beyond its handshake. (draft-hixie-thewebsocketprotocol-76;
//! sockjs-protocol, `Websocket.test_haproxy`)

use crate::fixture::echo_server;
use crate::support::{CLOSE_DEADLINE, Connection, Request, Server};

/// Keys, nonce and answer of the suite's example.
const KEY1: &str = "4 @1  46546xW%0l 1 5";
const KEY2: &str = "12998 5 Y3 1  .P00";
const NONCE: &[u8] = b"aaaaaaaa";
const ANSWER: [u8; 16] = [
    0xca, 0x34, 0x00, 0xd8, 0xa5, 0x08, 0x47, 0x97, 0x2c, 0xd5, 0x71, 0x5a, 0xba, 0xbf, 0x43, 0x7b,
];

fn handshake(path: &str, key1: &str, key2: &str) -> Request {
    Request::get(path)
        .header("Connection", "Upgrade")
        .header("Upgrade", "WebSocket")
        .header("Sec-WebSocket-Key1", key1)
        .header("Sec-WebSocket-Key2", key2)
        .header("Origin", "http://example.com")
}

/// A connection after its handshake and the `o`.
#[track_caller]
fn open(server: &Server) -> Connection {
    let mut connection = server.connect();
    let head = connection.request(&handshake("/echo/000/x/websocket", KEY1, KEY2));
    assert_eq!(head.status, 101);
    connection.send_raw(NONCE);
    assert_eq!(connection.read_exact(16), ANSWER);
    assert_eq!(connection.read_exact(3), b"\0o\xff");
    connection
}

#[track_caller]
fn assert_text(connection: &mut Connection, expected: &str) {
    let wrapped = [b"\0", expected.as_bytes(), b"\xff"].concat();
    let received = connection.read_exact(wrapped.len());
    assert_eq!(
        String::from_utf8_lossy(&received),
        String::from_utf8_lossy(&wrapped)
    );
}

/// Messages go both ways, and the close is echoed.
#[test]
fn messages_are_echoed_and_the_close_too() {
    let server = echo_server("");
    let mut connection = open(&server);
    connection.send_raw(b"\0[\"a\"]\xff");
    assert_text(&mut connection, "a[\"a\"]");
    connection.send_raw("\0[\"é\",\"b\"]".as_bytes());
    connection.send_raw(b"\xff");
    assert_text(&mut connection, "a[\"é\",\"b\"]");
    connection.send_raw(b"\xff\0");
    let ended = connection.read_to_end(CLOSE_DEADLINE);
    assert_eq!(ended, b"\xff\0", "the close is answered by a close");
}

/// A frame may come in single bytes, and the nonce with it.
#[test]
fn bytes_may_come_one_by_one() {
    let server = echo_server("");
    let mut connection = server.connect();
    connection.send(&handshake("/echo/000/x/websocket", KEY1, KEY2));
    for byte in [NONCE, b"\0[\"x\"]\xff"].concat() {
        connection.send_raw(&[byte]);
    }
    assert_eq!(connection.read_head().status, 101);
    assert_eq!(connection.read_exact(16), ANSWER);
    assert_text(&mut connection, "o");
    assert_text(&mut connection, "a[\"x\"]");
}

/// Broken JSON ends the connection, and hurts nobody else.
#[test]
fn broken_json_ends_the_connection() {
    let server = echo_server("");
    for message in ["[1]", "[\"a", "{}"] {
        let mut connection = open(&server);
        connection.send_raw(&[b"\0", message.as_bytes(), b"\xff"].concat());
        connection.read_until_ended(CLOSE_DEADLINE * 2);
    }
    server.assert_alive();
}

/// Keys without blanks divide by nothing, and are refused. (the draft's §4.1: a key has at least one blank)
#[test]
fn keys_that_cannot_be_are_refused() {
    let server = echo_server("");
    for (key1, key2) in [
        ("1234", KEY2),
        (KEY1, "   "),
        ("1 a", "x"),
        (" ", " "),
        ("99999999999999999999999 ", KEY2),
    ] {
        let head = server
            .connect()
            .request(&handshake("/echo/000/x/websocket", key1, key2));
        assert_eq!(head.status, 400, "{key1:?} {key2:?}");
    }
    server.assert_alive();
}

/// Raw WebSockets never had browsers of that draft. (sockjs-node: 400)
#[test]
fn raw_websocket_does_not_speak_it() {
    let server = echo_server("");
    let request = handshake("/echo/websocket", KEY1, KEY2);
    assert_eq!(server.connect().request(&request).status, 400);
}

/// A browser that never sends its nonce is not waited for longer than a body.
#[test]
fn missing_nonce_is_given_up() {
    let server = echo_server("body_timeout = \"300ms\"");
    let mut connection = server.connect();
    let head = connection.request(&handshake("/echo/000/x/websocket", KEY1, KEY2));
    assert_eq!(head.status, 101);
    connection.send_raw(&NONCE[..7]);
    assert_eq!(connection.read_until_ended(CLOSE_DEADLINE * 2), "");
}

/// A message without an end is bounded.
#[test]
fn endless_message_is_cut_off() {
    let server = echo_server("max_body_size = \"64KiB\"");
    let mut connection = open(&server);
    connection.limit_writes(CLOSE_DEADLINE);
    connection.send_raw(b"\0");
    let mut sent = 0;
    while connection.try_send_raw(&[b'x'; 8192]) {
        sent += 1;
        assert!(sent < 2000, "took {sent} pieces of 8 KiB");
    }
}

/// Heartbeats are `h` frames: the draft has no Ping.
#[test]
fn heartbeats_are_frames() {
    let server = echo_server("heartbeat_delay = \"200ms\"");
    let mut connection = open(&server);
    assert_text(&mut connection, "h");
    assert_text(&mut connection, "h");
}

/// A session over the limit is refused with its reason, as on every transport.
#[test]
fn session_over_the_limit_is_told_why() {
    let server = echo_server("max_sessions = 1");
    let _first = open(&server);
    let mut second = server.connect();
    let head = second.request(&handshake("/echo/000/y/websocket", KEY1, KEY2));
    assert_eq!(head.status, 101);
    second.send_raw(NONCE);
    assert_eq!(second.read_exact(16), ANSWER);
    assert_text(&mut second, "c[1013,\"Too many sessions\"]");
    assert_eq!(second.read_to_end(CLOSE_DEADLINE), b"\xff\0");
}
