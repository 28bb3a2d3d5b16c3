//! Frames as RFC 6455 has them, and as it forbids them.

use std::time::Duration;

use crate::fixture::{echo_server, service};
use crate::raw_socket::{
    BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, RawFrame, RawSocket, TEXT, frame,
};
use crate::support::{CLOSE_DEADLINE, Server, now};

/// Messages may come in pieces, with control frames in between. (RFC 6455 §5.4)
#[test]
fn fragmented_messages_are_put_together() {
    let server = echo_server("");
    let mut socket = RawSocket::open_sockjs(&server, "/echo");
    socket.send(TEXT, b"[\"a");
    socket.send(FIN | PING, b"between");
    socket.send(CONTINUATION, b"");
    socket.send(CONTINUATION, b"b");
    socket.send(FIN | CONTINUATION, b"c\"]");
    let pong = RawFrame {
        first: FIN | PONG,
        payload: b"between".to_vec(),
    };
    assert_eq!(socket.receive(), pong);
    socket.assert_text("a[\"abc\"]");
}

/// A character may be cut by a fragment. (RFC 6455 §8.1)
#[test]
fn character_cut_by_fragments_survives() {
    let server = echo_server("");
    let mut socket = RawSocket::open(&server, "/echo/websocket");
    socket.send(TEXT, &"😀".as_bytes()[..2]);
    socket.send(FIN | CONTINUATION, &"😀".as_bytes()[2..]);
    socket.assert_text("😀");
}

/// A Ping is answered with its payload; an unasked Pong is ignored. (RFC 6455 §5.5)
#[test]
fn pings_are_answered_and_pongs_ignored() {
    let server = echo_server("");
    for path in ["/echo/websocket", "/echo/000/x/websocket"] {
        let mut socket = RawSocket::open(&server, path);
        if path != "/echo/websocket" {
            socket.assert_text("o");
        }
        socket.send(FIN | PONG, b"unasked");
        for payload in [&b""[..], b"x", &[b'p'; 125]] {
            socket.send(FIN | PING, payload);
            let pong = socket.receive();
            assert_eq!((pong.first, &pong.payload[..]), (FIN | PONG, payload));
        }
    }
}

/// Raw WebSockets carry what they get, text as text and binary as binary, empty messages included.
/// (sockjs-protocol, `RawWebsocket`)
#[test]
fn raw_messages_come_back_as_they_are() {
    let server = echo_server("");
    let mut socket = RawSocket::open(&server, "/echo/websocket");
    for (opcode, payload) in [
        (TEXT, &b"x"[..]),
        (BINARY, b"\0\xff"),
        (TEXT, b""),
        (BINARY, b""),
        (TEXT, b"[1]"),
        (TEXT, &[b'x'; 70_000]),
    ] {
        socket.send(FIN | opcode, payload);
        let back = socket.receive();
        assert_eq!(
            (back.first, back.payload.len()),
            (FIN | opcode, payload.len())
        );
        assert_eq!(back.payload, payload);
    }
}

/// The browser's code and reason are echoed, and the connection ends. (RFC 6455 §5.5.1; sockjs-node)
#[test]
fn close_is_echoed() {
    let server = echo_server("");
    for path in ["/echo/websocket", "/echo/000/x/websocket"] {
        for (code, reason) in [(1000, ""), (1001, "bye"), (3000, "Go away!"), (4999, "é")] {
            let mut socket = RawSocket::open(&server, path);
            if path != "/echo/websocket" {
                socket.assert_text("o");
            }
            socket.send_close(code, reason);
            let echoed = socket.assert_close(code);
            assert!(echoed == reason || echoed.is_empty(), "{echoed:?}");
            socket.assert_ended(CLOSE_DEADLINE);
        }
    }
}

/// A Close frame without a code is answered. (RFC 6455 §5.5.1)
#[test]
fn close_without_a_code_is_answered() {
    let server = echo_server("");
    let mut socket = RawSocket::open_sockjs(&server, "/echo");
    socket.send(FIN | CLOSE, b"");
    assert_eq!(socket.receive().first, FIN | CLOSE);
    socket.assert_ended(CLOSE_DEADLINE);
}

/// Codes that must not be sent are violations, not echoed. (RFC 6455 §7.4)
#[test]
fn forbidden_close_codes_are_violations() {
    let server = echo_server("");
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535] {
        let mut socket = RawSocket::open_sockjs(&server, "/echo");
        socket.send_close(code, "");
        socket.assert_close(1002);
        socket.assert_ended(CLOSE_DEADLINE);
    }
    let mut socket = RawSocket::open_sockjs(&server, "/echo");
    socket.send(FIN | CLOSE, &[3]);
    socket.assert_close(1002);
    let mut socket = RawSocket::open_sockjs(&server, "/echo");
    socket.send(FIN | CLOSE, b"\x03\xe8\xff");
    let answer = socket.receive();
    assert_eq!(answer.first, FIN | CLOSE);
    assert!(
        [1002_u16, 1007]
            .map(u16::to_be_bytes)
            .contains(&[answer.payload[0], answer.payload[1]])
    );
}

/// Breaches of the framing end with 1002, those of the encoding with 1007. (RFC 6455 §5.1, §5.2, §5.4, §5.5, §8.1; aiohttp and
/// tornado accept unmasked frames)
#[test]
fn breaches_of_the_framing_close_the_websocket() {
    let server = echo_server("");
    let cases: [(&str, u16, Vec<u8>); 12] = [
        ("unmasked", 1002, frame(FIN | TEXT, b"[\"x\"]", false)),
        ("RSV1", 1002, frame(FIN | 0x40 | TEXT, b"[\"x\"]", true)),
        ("RSV2", 1002, frame(FIN | 0x20 | TEXT, b"[\"x\"]", true)),
        ("RSV3", 1002, frame(FIN | 0x10 | TEXT, b"[\"x\"]", true)),
        ("opcode 3", 1002, frame(FIN | 0x3, b"", true)),
        ("opcode 15", 1002, frame(FIN | 0xF, b"", true)),
        (
            "lone continuation",
            1002,
            frame(FIN | CONTINUATION, b"x", true),
        ),
        ("fragmented Ping", 1002, frame(PING, b"", true)),
        (
            "text within a message",
            1002,
            [frame(TEXT, b"[", true), frame(FIN | TEXT, b"]", true)].concat(),
        ),
        ("not UTF-8", 1007, frame(FIN | TEXT, b"[\"\xff\"]", true)),
        ("overlong", 1007, frame(FIN | TEXT, b"[\"\xc0\x80\"]", true)),
        (
            "surrogate",
            1007,
            frame(FIN | TEXT, b"[\"\xed\xa0\x80\"]", true),
        ),
    ];
    for (what, code, bytes) in cases {
        for path in ["/echo/websocket", "/echo/000/x/websocket"] {
            let mut socket = RawSocket::open(&server, path);
            if path != "/echo/websocket" {
                socket.assert_text("o");
            }
            socket.connection.send_raw(&bytes);
            let close = socket.receive();
            assert_eq!(close.first, FIN | CLOSE, "{what} on {path}");
            let sent = u16::from_be_bytes([close.payload[0], close.payload[1]]);
            assert_eq!(sent, code, "{what} on {path}");
            socket.answer_close(code);
        }
    }
    server.assert_alive();
}

/// The code of a breach is seen even when more comes behind it: the end must not run over it. (RFC 6455 §7.1.1)
#[test]
fn close_frame_reaches_a_browser_that_is_still_sending() {
    let server = echo_server("");
    for _ in 0..20 {
        let mut socket = RawSocket::open_sockjs(&server, "/echo");
        let breach = frame(FIN | TEXT, b"[1]", true);
        let rest = frame(FIN | TEXT, &[b' '; 60_000], true);
        socket.connection.limit_writes(CLOSE_DEADLINE);
        socket.connection.try_send_raw(&[breach, rest].concat());
        assert_eq!(socket.assert_close(3000), "Broken framing.");
    }
}

/// The close of the backend: `c` frame, then the WebSocket's own with the same code; on a raw one the latter only.
/// (sockjs-protocol, `Websocket.test_close`, `RawWebsocket.test_close`)
#[test]
fn close_of_the_backend_is_told() {
    let server = Server::with_config(&service("/close", "close:", ""));
    let mut socket = RawSocket::open_sockjs(&server, "/close");
    socket.assert_told_and_closed(3000, "Go away!");
    let mut raw = RawSocket::open(&server, "/close/websocket");
    assert_eq!(raw.assert_close(3000), "Go away!");
    raw.answer_close(3000);
}

/// A browser that does not answer the Close frame is not waited for longer than `close_timeout`.
#[test]
fn unanswered_close_ends_at_close_timeout() {
    let server = Server::with_config(&service("/close", "close:", "close_timeout = \"300ms\""));
    let mut raw = RawSocket::open(&server, "/close/websocket");
    raw.assert_close(3000);
    let start = now();
    raw.assert_ended(Duration::from_secs(2));
    assert!(
        start.elapsed() > Duration::from_millis(200),
        "{:?}",
        start.elapsed()
    );
}

/// Both ends may close at once; the connection ends either way.
#[test]
fn simultaneous_closes_end_the_connection() {
    let server = Server::with_config(&service("/close", "close:", ""));
    for _ in 0..50 {
        let mut raw = RawSocket::open(&server, "/close/websocket");
        raw.send_close(1000, "");
        assert_eq!(raw.receive().first, FIN | CLOSE);
        raw.assert_ended(CLOSE_DEADLINE);
    }
}

/// What the browser sends after its own Close frame is nothing. (RFC 6455 §5.5.1)
#[test]
fn data_after_close_is_ignored() {
    let server = echo_server("");
    let mut socket = RawSocket::open_sockjs(&server, "/echo");
    let close = frame(FIN | CLOSE, &1000_u16.to_be_bytes(), true);
    let data = frame(FIN | TEXT, b"[\"late\"]", true);
    socket.connection.send_raw(&[close, data].concat());
    socket.assert_close(1000);
    socket.assert_ended(CLOSE_DEADLINE);
}

/// Messages sent right before the browser closes were accepted, and reach the backend.
#[test]
fn messages_before_a_close_reach_the_backend() {
    let server = Server::with_config(&service("/room", "broadcast:", ""));
    let mut witness = RawSocket::open_sockjs(&server, "/room");
    for round in 0..50 {
        let mut socket = RawSocket::open_sockjs(&server, "/room");
        let message = frame(FIN | TEXT, format!("[\"{round}\"]").as_bytes(), true);
        let close = frame(FIN | CLOSE, &1000_u16.to_be_bytes(), true);
        socket.connection.send_raw(&[message, close].concat());
        witness.assert_text(&format!("a[\"{round}\"]"));
    }
}

/// Frames may come in single bytes.
#[test]
fn frame_in_single_bytes_is_read() {
    let server = echo_server("");
    let mut socket = RawSocket::open_sockjs(&server, "/echo");
    for byte in frame(FIN | TEXT, b"[\"slow\"]", true) {
        socket.connection.send_raw(&[byte]);
    }
    socket.assert_text("a[\"slow\"]");
}

/// An abrupt end at any byte of a frame is the browser's leaving, nothing worse.
#[test]
fn reset_at_any_byte_of_a_frame_is_harmless() {
    let server = echo_server("");
    let bytes = frame(FIN | TEXT, b"[\"x\"]", true);
    for length in 0..bytes.len() {
        let mut socket = RawSocket::open_sockjs(&server, "/echo");
        socket.connection.send_raw(&bytes[..length]);
        socket.connection.reset();
    }
    server.assert_alive();
}
