//! Bounds on heads, connections and time, below SockJS.

use std::time::{Duration, Instant};

use crate::fixture::{OPEN, opened, park_poll, read_response, service};
use crate::support::{CLOSE_DEADLINE, Connection, Server, Session, now};

const GREETING: &str = "GET /echo HTTP/1.1\r\nHost: x\r\n";

/// A server with an echo service and these lines under `[server]`.
fn server(options: &str) -> Server {
    let service = service("/echo", "echo:", "body_timeout = \"400ms\"");
    Server::with_config(&format!("[server]\n{options}\n{service}"))
}

/// Sends a byte every 20 ms until the connection ends; how long that took.
#[track_caller]
fn trickle(connection: &mut Connection, byte: &[u8], start: Instant) -> (String, Duration) {
    loop {
        if !connection.try_send_raw(byte) || connection.has_news(Duration::from_millis(20)) {
            let taken = start.elapsed();
            return (connection.read_until_ended(CLOSE_DEADLINE), taken);
        }
        assert!(start.elapsed() < Duration::from_secs(5), "still open");
    }
}

#[track_caller]
fn assert_about(taken: Duration, expected: Duration) {
    assert!(
        taken > expected.mul_f32(0.7) && taken < expected + Duration::from_secs(1),
        "closed after {taken:?} instead of {expected:?}"
    );
}

/// A head of more than `max_header_size` is refused; a single long field, or many. (RFC 6585 §5)
#[test]
fn head_over_the_size_limit_is_refused() {
    let server = server("max_header_size = \"16KiB\"");
    let one = format!("{GREETING}X: {}\r\n\r\n", "x".repeat(20_000));
    let many = format!(
        "{GREETING}{}\r\n",
        format!("X: {}\r\n", "x".repeat(1000)).repeat(20)
    );
    for head in [one, many] {
        let mut connection = server.connect();
        connection.try_send_raw(head.as_bytes());
        let answer = connection.read_until_ended(CLOSE_DEADLINE);
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer:?}");
    }
    let mut connection = server.connect();
    connection.send_raw(format!("{GREETING}X: {}\r\n\r\n", "x".repeat(12_000)).as_bytes());
    assert_eq!(connection.read_head().status, 200);
}

/// A head that never ends is refused at the limit, not when memory is gone.
#[test]
fn endless_head_is_refused() {
    let server = server("");
    let mut connection = server.connect();
    connection.send_raw(GREETING.as_bytes());
    connection.limit_writes(Duration::from_secs(5));
    let line = format!("X: {}\r\n", "x".repeat(4000));
    let mut sent = 0;
    while connection.try_send_raw(line.as_bytes())
        && !connection.has_news(Duration::from_micros(100))
    {
        sent += 1;
        assert!(sent < 2000, "took {sent} lines of 4 KB");
    }
    let answer = connection.read_until_ended(CLOSE_DEADLINE);
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431 "),
        "{answer:?}"
    );
}

/// So many fields and no more. (CVE-2024-37890 crashed `ws` with many)
#[test]
fn header_fields_are_counted() {
    let server = server("max_headers = 20");
    let request = |count: usize| format!("{GREETING}{}\r\n", "X: y\r\n".repeat(count - 1));
    let mut connection = server.connect();
    connection.send_raw(request(20).as_bytes());
    assert_eq!(connection.read_head().status, 200);
    let mut connection = server.connect();
    connection.send_raw(request(21).as_bytes());
    let answer = connection.read_until_ended(CLOSE_DEADLINE);
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer:?}");
}

/// A long target is refused. (RFC 9110 §15.5.15)
#[test]
fn long_target_is_refused() {
    let server = server("max_header_size = \"16KiB\"");
    let mut connection = server.connect();
    let request = format!(
        "GET /echo?{} HTTP/1.1\r\nHost: x\r\n\r\n",
        "x".repeat(70_000)
    );
    connection.try_send_raw(request.as_bytes());
    let answer = connection.read_until_ended(CLOSE_DEADLINE);
    assert!(
        answer.starts_with("HTTP/1.1 431 ") || answer.starts_with("HTTP/1.1 414 "),
        "{answer:?}"
    );
}

/// Hostile field values cost no time: the handshake's lists and the cookie are read in one pass. (CVE-2021-32640 and others)
#[test]
fn long_fields_are_read_in_linear_time() {
    let server = server("max_header_size = \"64KiB\"");
    let values = [
        ",".repeat(60_000),
        " ".repeat(60_000),
        "a=;".repeat(20_000),
        "\"\\".repeat(30_000),
    ];
    for value in values {
        for name in [
            "Connection",
            "Sec-WebSocket-Protocol",
            "Sec-WebSocket-Extensions",
            "Cookie",
            "If-None-Match",
        ] {
            let start = now();
            let mut connection = server.connect();
            let request = format!(
                "GET /echo/websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n{name}: {value}\r\n\r\n"
            );
            connection.send_raw(request.as_bytes());
            assert!(connection.read_head().status < 500);
            assert!(
                start.elapsed() < Duration::from_secs(1),
                "{name} took {:?}",
                start.elapsed()
            );
        }
    }
}

/// A head must be complete within `header_timeout`, however busily it trickles; a silent connection likewise.
#[test]
fn slow_head_is_disconnected_at_header_timeout() {
    let server = server("header_timeout = \"400ms\"");
    let mut connection = server.connect();
    connection.send_raw(GREETING.as_bytes());
    let (_, taken) = trickle(&mut connection, b"X", now());
    assert_about(taken, Duration::from_millis(400));

    let start = now();
    server.connect().read_until_ended(Duration::from_secs(2));
    assert_about(start.elapsed(), Duration::from_millis(400));
}

/// The same for a second request on a connection that has been answered before.
#[test]
fn slow_second_head_is_disconnected_at_header_timeout() {
    let server = server("header_timeout = \"400ms\"");
    let mut connection = server.connect();
    connection.send_raw(format!("{GREETING}\r\n").as_bytes());
    assert_eq!(connection.read_head().status, 200);
    connection.read_exact("Welcome to SockJS!\n".len());
    let start = now();
    connection.send_raw(GREETING.as_bytes());
    let (_, taken) = trickle(&mut connection, b"X", start);
    assert_about(taken, Duration::from_millis(400));
}

/// An answered connection may idle longer than a head may take, up to `idle_timeout`.
#[test]
fn idle_connection_is_closed_at_idle_timeout() {
    let server = server("header_timeout = \"200ms\"\nidle_timeout = \"900ms\"");
    let mut connection = server.connect();
    connection.send_raw(format!("{GREETING}\r\n").as_bytes());
    assert_eq!(connection.read_head().status, 200);
    connection.read_exact("Welcome to SockJS!\n".len());
    let start = now();
    assert_eq!(connection.read_until_ended(Duration::from_secs(3)), "");
    assert_about(start.elapsed(), Duration::from_millis(900));
}

/// A peer that reads nothing of its answers has as long as one that idles, whether they are small or large.
#[test]
fn answers_that_nobody_reads_are_given_up_at_idle_timeout() {
    let service = service("/echo", "echo:", "doctor = true");
    let server = Server::with_config(&format!(
        "[server]\nidle_timeout = \"400ms\"\ntcp_user_timeout = \"off\"\nmax_connections = 1\n{service}"
    ));
    for (path, count) in [("/echo", 40_000), ("/echo/doctor/sockjs.js", 1000)] {
        let mut connection = server.connect();
        connection.shrink_receive_buffer();
        connection.limit_writes(Duration::from_millis(200));
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        connection.try_send_raw(request.repeat(count).as_bytes());
        wait_for_a_place(&server);
    }
}

/// No deadline of the connection touches a poll that waits, a stream or a WebSocket.
#[test]
fn deadlines_of_connections_leave_receivers_alone() {
    let server = server("header_timeout = \"150ms\"\nidle_timeout = \"150ms\"");
    let session = opened(&server, "/echo");
    let mut parked = park_poll(&server, &session);
    let mut stream = Session::new(&server, "/echo").open_xhr_streaming();
    stream.assert_chunk(OPEN);
    let mut socket = crate::raw_socket::RawSocket::open_sockjs(&server, "/echo");
    parked.assert_silent(Duration::from_millis(600));
    stream.connection.assert_silent(Duration::from_millis(5));
    socket.send_text("[\"x\"]");
    socket.assert_text("a[\"x\"]");
    session.send("[\"x\"]");
    read_response(&mut parked).assert_is(200, "a[\"x\"]\n");
}

/// A body that does not come, or trickles, is given up at `body_timeout`. (RFC 9110 §15.5.9)
#[test]
fn slow_body_is_refused_at_body_timeout() {
    let server = server("");
    let session = opened(&server, "/echo");
    for url in ["/xhr_send", "/jsonp_send", "/xhr", "/xhr_streaming"] {
        for framing in [
            "Content-Length: 1000\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n3e8\r\n",
        ] {
            let mut connection = server.connect();
            let head = format!("POST {} HTTP/1.1\r\nHost: x\r\n{framing}", session.url(url));
            connection.send_raw(head.as_bytes());
            let (answer, taken) = trickle(&mut connection, b" ", now());
            assert!(answer.starts_with("HTTP/1.1 408 "), "{url}: {answer:?}");
            assert_about(taken, Duration::from_millis(400));
        }
    }
}

/// A compressed body is refused before it can grow. (RFC 9110 §15.5.16)
#[test]
fn compressed_body_is_refused() {
    let server = server("");
    let session = opened(&server, "/echo");
    for coding in ["gzip", "deflate", "br", "GZIP", "identity, gzip"] {
        let request = crate::support::Request::post(session.url("/xhr_send"))
            .header("Content-Encoding", coding)
            .body("[\"x\"]");
        let response = server.request(&request);
        assert_eq!(response.head.status, 415, "{coding}");
    }
    let plain = crate::support::Request::post(session.url("/xhr_send"))
        .header("Content-Encoding", "identity")
        .body("[\"x\"]");
    server.request(&plain).assert_is(204, "");
}

/// More connections than allowed are closed at once; those that are there go on, and places come free.
#[test]
fn connections_are_bounded() {
    let server = server("max_connections = 4");
    let mut stream = Session::new(&server, "/echo").open_xhr_streaming();
    stream.assert_chunk(OPEN);
    let mut others: Vec<_> = (0..3).map(|_| server.connect()).collect();
    for other in &mut others {
        other.send_raw(format!("{GREETING}\r\n").as_bytes());
        assert_eq!(other.read_head().status, 200);
    }
    for _ in 0..10 {
        let mut refused = server.connect();
        assert_eq!(refused.read_until_ended(CLOSE_DEADLINE), "");
    }
    stream.connection.assert_silent(Duration::from_millis(5));
    drop(others);
    wait_for_a_place(&server);
}

/// Connects until a connection is not closed at once, as one too many is.
#[track_caller]
fn wait_for_a_place(server: &Server) {
    let start = now();
    loop {
        let mut connection = server.connect();
        if connection.try_send_raw(format!("{GREETING}\r\n").as_bytes())
            && connection
                .read_for(Duration::from_millis(200))
                .0
                .starts_with("HTTP/1.1 200 ")
        {
            break;
        }
        assert!(
            start.elapsed() < Duration::from_secs(3),
            "no place came free"
        );
    }
}
