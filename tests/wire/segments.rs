//! TCP cuts a stream of requests anywhere; where it does must not matter. (RFC 9112 §9.3.2)
//!
//! A server that looks for the request behind a waiting poll has to find where each one ends.

use std::time::Duration;

use crate::fixture::{
    INTERRUPTED, OPEN, echo_server, messages, opened, park_poll, read_response, text,
};
use crate::support::{Connection, Request, Server, Session};

fn poll(session: &Session<'_>) -> Request {
    Request::post(session.url("/xhr"))
}

/// A `POST …/xhr_send` with its body in chunks.
fn chunked_send(session: &Session<'_>, message: &str) -> String {
    format!(
        "POST {} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\n[\"\r\n{:x}\r\n{message}\r\n2\r\n\"]\r\n0\r\nT: x\r\n\r\n",
        session.url("/xhr_send"),
        message.len()
    )
}

fn send(session: &Session<'_>, message: &str) -> String {
    let body = format!("[\"{message}\"]");
    format!(
        "POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}",
        session.url("/xhr_send"),
        body.len()
    )
}

fn encoded_poll(session: &Session<'_>) -> String {
    format!(
        "POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        session.url("/xhr")
    )
}

/// Pseudo-random numbers, the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits fit") % limit
    }
}

/// Sends `bytes` in pieces at the given ends, as segments of their own.
fn send_in_pieces(connection: &mut Connection, bytes: &[u8], ends: &[usize]) {
    let mut start = 0;
    for &end in ends.iter().chain([&bytes.len()]) {
        connection.send_raw(&bytes[start..end]);
        start = end;
        // Most pieces are read on their own then; the test holds either way.
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// Messages with and without chunks, polls and pages in one stream that is cut at random: each is answered, in order, and
/// every message arrives once and in order.
#[test]
fn stream_of_requests_may_be_cut_anywhere() {
    let server = echo_server("");
    let mut numbers = Numbers(1);
    for round in 0..30 {
        let session = opened(&server, "/echo");
        let mut stream = String::new();
        let mut kinds = Vec::new();
        let mut sent = Vec::new();
        for index in 0..25 {
            let kind = numbers.below(4);
            kinds.push(kind);
            let message = format!("{index}{}", "x".repeat(numbers.below(40)));
            match kind {
                0 => stream.push_str(&send(&session, &message)),
                1 => stream.push_str(&chunked_send(&session, &message)),
                2 => stream.push_str("GET /echo HTTP/1.1\r\nHost: x\r\n\r\n"),
                _ => stream.push_str(&encoded_poll(&session)),
            }
            if kind < 2 {
                sent.push(message);
            }
        }
        // The last request is none that waits.
        stream.push_str("GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
        kinds.push(2);
        let mut ends: Vec<_> = (0..numbers.below(40))
            .map(|_| numbers.below(stream.len()))
            .collect();
        ends.sort_unstable();
        let mut connection = server.connect();
        send_in_pieces(&mut connection, stream.as_bytes(), &ends);
        let mut received = Vec::new();
        for (index, kind) in kinds.iter().enumerate() {
            if *kind < 2 {
                assert_eq!(connection.read_head().status, 204, "round {round}, {index}");
                continue;
            }
            let body = text(&read_response(&mut connection));
            if *kind == 2 {
                assert_eq!(body, "Welcome to SockJS!\n", "round {round}, {index}");
            } else if body != "h\n" {
                received.extend(messages(&body));
            }
        }
        if received.len() < sent.len() {
            received.extend(messages(&text(&session.poll())));
        }
        assert_eq!(received, sent, "round {round}");
    }
}

/// Two requests behind each other, cut at every byte: the poll in front gives way each time.
#[test]
fn poll_gives_way_wherever_the_stream_is_cut() {
    let server = echo_server("");
    let session = opened(&server, "/echo");
    let pair = format!("{}{}", encoded_poll(&session), send(&session, "x"));
    let mut connection = server.connect();
    for end in 1..pair.len() {
        send_in_pieces(&mut connection, pair.as_bytes(), &[end]);
        read_response(&mut connection).assert_is(200, "h\n");
        assert_eq!(connection.read_head().status, 204);
        session.poll().assert_is(200, "a[\"x\"]\n");
    }
}

/// The same with a body in front of the poll, so that its head begins in the middle of a segment.
#[test]
fn poll_behind_a_body_gives_way_wherever_the_stream_is_cut() {
    let server = echo_server("");
    let session = opened(&server, "/echo");
    for first in [send(&session, "1"), chunked_send(&session, "1")] {
        let stream = format!("{first}{}{}", encoded_poll(&session), send(&session, "2"));
        let from = first.len() - 5;
        let to = first.len() + encoded_poll(&session).len() + 5;
        let mut connection = server.connect();
        for end in from..to {
            send_in_pieces(&mut connection, stream.as_bytes(), &[end]);
            assert_eq!(connection.read_head().status, 204, "cut at {end}");
            let mut received = match text(&read_response(&mut connection)).as_str() {
                "h\n" => Vec::new(),
                frame => messages(frame),
            };
            assert_eq!(connection.read_head().status, 204, "cut at {end}");
            while received.len() < 2 {
                received.extend(messages(&text(&session.poll())));
            }
            assert_eq!(received, ["1", "2"], "cut at {end}");
        }
    }
}

/// A poll with nothing behind it waits, even where it came in one segment with what was before it.
#[test]
fn poll_behind_a_send_waits() {
    let server = echo_server("");
    let session = opened(&server, "/echo");
    for before in ["[]", " [ ] "] {
        let mut connection = server.connect();
        let stream = format!(
            "POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{before}{}",
            session.url("/xhr_send"),
            before.len(),
            encoded_poll(&session)
        );
        connection.send_raw(stream.as_bytes());
        assert_eq!(connection.read_head().status, 204);
        connection.assert_silent(Duration::from_millis(150));
        session.send("[\"x\"]");
        read_response(&mut connection).assert_is(200, "a[\"x\"]\n");
    }
}

/// A poll may have a body, which means nothing; it is not taken for a request behind the poll.
#[test]
fn body_of_a_poll_is_no_request_behind_it() {
    let server = echo_server("");
    let session = opened(&server, "/echo");
    let path = session.url("/xhr");
    for request in [
        format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\n[\"body\"]"),
        format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n"
        ),
    ] {
        for end in [
            request.len(),
            request.len() - 1,
            request.len() - 4,
            request.len() - 9,
        ] {
            let mut connection = server.connect();
            send_in_pieces(&mut connection, request.as_bytes(), &[end]);
            connection.assert_silent(Duration::from_millis(60));
            session.post("/xhr_send", "[\"x\"]").assert_is(204, "");
            read_response(&mut connection).assert_is(200, "a[\"x\"]\n");
        }
    }
}

/// The abort of a poll that had something in front of it, or a body, is noticed as any other.
#[test]
fn abort_is_noticed_whatever_came_before_the_poll() {
    let server = echo_server("");
    let prefixes = |session: &Session<'_>| {
        [
            send(session, "1"),
            chunked_send(session, "1"),
            "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
            "\r\n".to_owned(),
        ]
    };
    for index in 0..4 {
        let session = Session::new(&server, "/echo");
        session.poll().assert_is(200, OPEN);
        let mut connection = server.connect();
        let before = &prefixes(&session)[index];
        connection.send_raw(format!("{before}{}", encoded_poll(&session)).as_bytes());
        if index < 2 {
            assert_eq!(connection.read_head().status, 204);
            read_response(&mut connection).assert_is(200, "a[\"1\"]\n");
            connection.send(&poll(&session));
        } else if index == 2 {
            read_response(&mut connection).assert_is(200, "Welcome to SockJS!\n");
        }
        connection.assert_silent(Duration::from_millis(50));
        drop(connection);
        session.poll().assert_is(200, INTERRUPTED);
    }
}

/// Line ends may be bare line feeds, which RFC 9112 §2.2 lets a server accept: refused, or understood in full.
#[test]
fn bare_line_feeds_are_refused_or_understood() {
    let server = echo_server("");
    let session = opened(&server, "/echo");
    let bare = |request: String| request.replace("\r\n", "\n");
    let mut connection = server.connect();
    let pair = format!("{}{}", encoded_poll(&session), send(&session, "x"));
    connection.send_raw(bare(pair).as_bytes());
    let first = read_response(&mut connection);
    if first.head.status == 400 {
        return;
    }
    first.assert_is(200, "h\n");
    assert_eq!(connection.read_head().status, 204);
    session.poll().assert_is(200, "a[\"x\"]\n");

    let mut connection = server.connect();
    connection.send_raw(bare(encoded_poll(&session)).as_bytes());
    connection.assert_silent(Duration::from_millis(50));
    drop(connection);
    session.poll().assert_is(200, INTERRUPTED);
}

/// A request that never ends behind a poll does not keep the poll, nor the connection.
#[test]
fn half_a_request_behind_a_poll_ends_the_poll() {
    let config = crate::fixture::service("/echo", "echo:", "");
    let server = Server::with_config(&format!("[server]\nheader_timeout = \"300ms\"\n{config}"));
    let session = opened(&server, "/echo");
    let mut connection = park_poll(&server, &session);
    connection.send_raw(b"POST /echo/000/x/xhr HTT");
    read_response(&mut connection).assert_is(200, "h\n");
    assert_eq!(connection.read_until_ended(Duration::from_secs(2)), "");
    session.send("[\"x\"]");
    session.poll().assert_is(200, "a[\"x\"]\n");
}
