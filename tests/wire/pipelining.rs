//! Several requests on one connection before the first is answered. (RFC 9112 §9.3.2)
//!
//! A poll that waits would hold up what stands behind it, and a server that does not read cannot see that the browser left.

use std::time::Duration;

use crate::fixture::{
    INTERRUPTED, OPEN, echo_server, messages, opened, park_poll, read_response, send_poll, text,
};
use crate::support::{ANSWER_DEADLINE, Request, Server, Session, Stream};

fn poll(session: &Session<'_>) -> Request {
    Request::post(session.url("/xhr"))
}

fn send(session: &Session<'_>, body: &str) -> Request {
    Request::post(session.url("/xhr_send")).body(body)
}

fn encoded(server: &Server, requests: &[Request]) -> Vec<u8> {
    let bytes = requests
        .iter()
        .map(|request| request.encode(&server.address));
    bytes.collect::<Vec<_>>().concat()
}

/// A request that arrives behind a poll that waits ends it with `h`, and is answered then.
#[test]
fn request_behind_a_parked_poll_ends_it_and_is_answered() {
    let server = echo_server("");
    for _ in 0..50 {
        let session = opened(&server, "/echo");
        let mut connection = park_poll(&server, &session);
        connection.send(&send(&session, "[\"x\"]"));
        read_response(&mut connection).assert_is(200, "h\n");
        read_response(&mut connection).assert_is(204, "");
        session.poll().assert_is(200, "a[\"x\"]\n");
    }
}

/// The same when both come in one segment: what is behind a poll must be seen however it arrives.
#[test]
fn poll_and_send_in_one_segment_are_both_answered() {
    let server = echo_server("");
    let session = opened(&server, "/echo");
    for round in 0..20 {
        let mut connection = server.connect();
        let message = format!("[\"{round}\"]");
        let pair = [poll(&session), send(&session, &message)];
        connection.send_raw(&encoded(&server, &pair));
        read_response(&mut connection).assert_is(200, "h\n");
        read_response(&mut connection).assert_is(204, "");
        session.poll().assert_is(200, &format!("a{message}\n"));
    }
}

/// The browser that sent both and then left is missed at once, as any other.
#[test]
fn abort_behind_a_pipelined_request_is_noticed() {
    let server = echo_server("");
    let session = opened(&server, "/echo");
    let mut connection = server.connect();
    let pair = [poll(&session), send(&session, "[\"x\"]")];
    connection.send_raw(&encoded(&server, &pair));
    drop(connection);
    // Whatever was answered into the void: the session goes on with everything, or it has ended.
    let answer = text(&session.poll());
    assert!(
        answer == INTERRUPTED || answer == "a[\"x\"]\n",
        "{answer:?} after the abort"
    );
}

/// First the message, then the poll: answered in order, and the poll brings the echo.
#[test]
fn send_and_poll_in_one_segment_are_answered_in_order() {
    let server = echo_server("");
    let session = opened(&server, "/echo");
    let mut connection = server.connect();
    for _ in 0..50 {
        let pair = [send(&session, "[\"x\"]"), poll(&session)];
        connection.send_raw(&encoded(&server, &pair));
        assert_eq!(connection.read_head().status, 204);
        read_response(&mut connection).assert_is(200, "a[\"x\"]\n");
    }
}

/// A stream ends in favour of what comes behind it.
#[test]
fn request_behind_a_stream_ends_it_and_is_answered() {
    let server = echo_server("");
    let session = Session::new(&server, "/echo");
    let mut stream = session.open_xhr_streaming();
    stream.assert_chunk(OPEN);
    stream.connection.send(&send(&session, "[\"x\"]"));
    let mut received = Vec::new();
    while let Some(chunk) = stream.next_chunk() {
        assert!(chunk == "h\n" || chunk.starts_with('a'), "{chunk:?}");
        if chunk.starts_with('a') {
            received.extend(messages(&chunk));
        }
    }
    read_response(&mut stream.connection).assert_is(204, "");
    if received.is_empty() {
        received = messages(&text(&session.poll()));
    }
    assert_eq!(received, ["x"]);
}

/// A hundred requests at once are a hundred answers in order.
#[test]
fn many_pipelined_requests_are_answered_in_order() {
    let server = echo_server("");
    let session = opened(&server, "/echo");
    let mut requests: Vec<_> = (0..100)
        .map(|number| send(&session, &format!("[\"{number}\"]")))
        .collect();
    requests.push(Request::get("/echo"));
    requests.push(poll(&session));
    let mut connection = server.connect();
    connection.send_raw(&encoded(&server, &requests));
    for _ in 0..100 {
        // A 204 has no body to read; what follows it is the next answer.
        assert_eq!(connection.read_head().status, 204);
    }
    read_response(&mut connection).assert_is(200, "Welcome to SockJS!\n");
    let received = messages(&text(&read_response(&mut connection)));
    let expected: Vec<_> = (0..100).map(|number| number.to_string()).collect();
    assert_eq!(received, expected);
}

/// Garbage behind a poll that waits: the poll may be answered, the garbage is refused, and the session survives or has
/// ended by name. (sockjs-node drops the session)
#[test]
fn garbage_behind_a_parked_poll_is_refused() {
    for garbage in [
        "\0\0\0\0",
        "GARBAGE\r\n\r\n",
        "\u{16}\u{3}\u{1}",
        "]]]]\n\n\n\n",
    ] {
        let server = echo_server("");
        let session = opened(&server, "/echo");
        let mut connection = park_poll(&server, &session);
        connection.send_raw(garbage.as_bytes());
        connection.finish_sending();
        let answers = connection.read_until_ended(ANSWER_DEADLINE);
        assert!(
            answers.matches("HTTP/1.1 ").count() <= 2,
            "{garbage:?}: {answers}"
        );
        assert!(!answers.contains("HTTP/1.1 5"), "{garbage:?}: {answers}");

        let mut next = send_poll(&server, &session);
        let status = session.post("/xhr_send", "[\"x\"]").head.status;
        let answer = text(&read_response(&mut next));
        match status {
            204 => assert!(
                answer == "a[\"x\"]\n" || answer == INTERRUPTED,
                "{answer:?}"
            ),
            404 => assert_eq!(answer, INTERRUPTED),
            other => panic!("status {other}"),
        }
        server.assert_alive();
    }
}

/// A line end too much between requests is no request. (RFC 9112 §2.2: at least one empty line is ignored)
#[test]
fn empty_line_between_requests_is_ignored() {
    let server = echo_server("");
    let mut connection = server.connect();
    for _ in 0..3 {
        connection.send_raw(b"\r\n");
        connection
            .exchange(&Request::get("/echo"))
            .assert_is(200, "Welcome to SockJS!\n");
    }
}

/// Nor is it one behind a poll that waits: old clients send one behind each body.
#[test]
fn empty_line_behind_a_parked_poll_leaves_it_waiting() {
    let server = echo_server("");
    let session = opened(&server, "/echo");
    let mut connection = park_poll(&server, &session);
    connection.send_raw(b"\r\n");
    connection.assert_silent(Duration::from_millis(50));
    session.send("[\"x\"]");
    read_response(&mut connection).assert_is(200, "a[\"x\"]\n");
    connection
        .exchange(&Request::get("/echo"))
        .assert_is(200, "Welcome to SockJS!\n");
}

/// Behind a request that upgrades stand WebSocket frames; those that came in the same segment count.
#[test]
fn frames_in_the_segment_of_the_handshake_are_read() {
    use crate::raw_socket::{FIN, RawSocket, TEXT, frame};
    let server = echo_server("");
    let mut connection = server.connect();
    let handshake = crate::fixture::upgrade("/echo/000/x/websocket").encode(&server.address);
    let message = frame(FIN | TEXT, b"[\"early\"]", true);
    connection.send_raw(&[handshake, message].concat());
    assert_eq!(connection.read_head().status, 101);
    let mut socket = RawSocket { connection };
    socket.assert_text("o");
    socket.assert_text("a[\"early\"]");
}

/// A stream whose reader pipelines without end is not held open by it.
#[test]
fn stream_in_front_of_many_requests_ends_once() {
    let server = echo_server("");
    let session = Session::new(&server, "/echo");
    let request = Request::post(session.url("/xhr_streaming"));
    let mut connection = server.connect();
    let many: Vec<_> = std::iter::once(request)
        .chain((0..20).map(|_| Request::get("/echo")))
        .collect();
    connection.send_raw(&encoded(&server, &many));
    let head = connection.read_head();
    let mut stream = Stream { head, connection };
    while stream.next_chunk().is_some() {}
    for _ in 0..20 {
        read_response(&mut stream.connection).assert_is(200, "Welcome to SockJS!\n");
    }
    stream.connection.assert_silent(Duration::from_millis(20));
}
