//! How fast sessions may be opened, and messages sent.

use std::time::Duration;

use crate::carriers::CARRIERS;
use crate::fixture::{OPEN, echo_server, messages, opened, read_response, service, text};
use crate::raw_socket::RawSocket;
use crate::support::{ANSWER_DEADLINE, Request, Server, Session, now};

/// Sessions that are opened too fast are told 1013, in every transport's framing; later ones open again.
#[test]
fn sessions_opened_too_fast_are_refused_for_a_while() {
    let server = echo_server("sessions_per_second = 1\nsessions_burst = 2");
    let poll = || text(&Session::new(&server, "/echo").poll());
    let refused = "c[1013,\"Too many new sessions a second\"]";
    assert_eq!([poll(), poll()], [OPEN, OPEN]);
    // Within a second at most one more opens.
    let told = CARRIERS.map(|carrier| {
        let session = Session::new(&server, "/echo");
        carrier.first_frame(&server, &session) == carrier.wrap(refused)
    });
    let told = told.iter().filter(|told| **told).count();
    assert!(told >= CARRIERS.len() - 1, "{told} were refused");
    let start = now();
    while poll() != OPEN {
        assert!(start.elapsed() < ANSWER_DEADLINE, "none opens again");
    }
}

/// Each client network has its own rate, on WebSockets too; `/info` is answered all the same.
#[test]
fn each_client_network_has_its_own_rate() {
    let options = "sessions_per_second_per_client = 1\nsessions_burst_per_client = 1";
    let service = service("/echo", "echo:", options);
    let server = Server::with_config(&format!("trusted_proxies = [\"127.0.0.1\"]\n{service}"));
    let poll = |address: &str| {
        let session = Session::new(&server, "/echo");
        let request = Request::post(session.url("/xhr")).header("X-Forwarded-For", address);
        text(&server.request(&request))
    };
    let refused = "Too many new sessions a second from this network";
    let first = poll("192.0.2.1");
    let second = poll("192.0.2.1");
    assert_eq!(first, OPEN);
    assert_eq!(second, format!("c[1013,\"{refused}\"]\n"));
    assert_eq!(poll("192.0.2.2"), OPEN);
    let mut sockets = [(); 2].map(|()| RawSocket::open(&server, "/echo/websocket"));
    assert_eq!(sockets[1].assert_close(1013), refused);
    assert_eq!(server.get("/echo/info").head.status, 200);
}

/// A browser that sends faster than it may waits for its turn, on HTTP and on WebSockets, and all that it sent arrives in order.
#[test]
fn messages_that_come_too_fast_wait() {
    let server = echo_server("messages_per_second = 20\nmessages_burst = 2");
    let session = opened(&server, "/echo");
    let start = now();
    (0..6).for_each(|number| session.send(&format!("[\"{number}\"]")));
    assert!(start.elapsed() > Duration::from_millis(190), "none waited");
    let mut received = Vec::new();
    while received.len() < 6 {
        received.extend(messages(&text(&session.poll())));
    }
    assert_eq!(received, ["0", "1", "2", "3", "4", "5"]);

    let mut socket = RawSocket::open_sockjs(&server, "/echo");
    let start = now();
    (0..6).for_each(|number| socket.send_text(&format!("[\"{number}\"]")));
    let mut received = Vec::new();
    while received.len() < 6 {
        let frame = socket.receive();
        received.extend(messages(&String::from_utf8_lossy(&frame.payload)));
    }
    assert_eq!(received, ["0", "1", "2", "3", "4", "5"]);
    assert!(start.elapsed() > Duration::from_millis(190), "none waited");
}

/// A send that would have to wait for longer than `deliver_timeout` is answered with 429, which names the limit; the session goes on.
#[test]
fn send_that_waits_too_long_for_the_rate_is_refused() {
    for (limit, told) in [
        ("messages_per_second = 1\nmessages_burst = 1", "messages"),
        ("bytes_per_second = 1\nbytes_burst = 5", "bytes"),
    ] {
        let server = echo_server(&format!("{limit}\ndeliver_timeout = \"100ms\""));
        let session = opened(&server, "/echo");
        session.send("[\"first\"]");
        session
            .post("/xhr_send", "[\"second\"]")
            .assert_is(429, &format!("Too many {told} a second."));
        session.poll().assert_is(200, "a[\"first\"]\n");
    }
}

/// With `close` the session ends with 1008, after what the backend has sent, and the send itself is not refused: a browser would not see
/// the code behind its "Sending error".
#[test]
fn session_that_sends_too_fast_can_be_closed() {
    let limit = "messages_per_second = 1\nmessages_burst = 1\nrate_exceeded = \"close\"";
    let server = echo_server(limit);
    let told = "Too many messages a second";
    let session = opened(&server, "/echo");
    session.send("[\"first\"]");
    session.poll().assert_is(200, "a[\"first\"]\n");
    session.send("[\"second\"]");
    let closed = format!("c[1008,\"{told}\"]\n");
    session.poll().assert_is(200, &closed);

    let mut parked = server.connect();
    let session = opened(&server, "/echo");
    session.send("[\"first\"]");
    session.poll().assert_is(200, "a[\"first\"]\n");
    parked.send(&Request::post(session.url("/xhr")));
    session.send("[\"second\"]");
    read_response(&mut parked).assert_is(200, &closed);

    let mut socket = RawSocket::open_sockjs(&server, "/echo");
    socket.send_text("[\"first\"]");
    socket.assert_text("a[\"first\"]");
    socket.send_text("[\"second\"]");
    socket.assert_told_and_closed(1008, told);
}

/// Sends that wait count as queue memory: there is room for some, and others are refused at once instead of being kept.
#[test]
fn sends_that_wait_are_bounded_by_queue_memory() {
    let options = "queue_memory = \"1MiB\"\nbytes_per_second = 1000\nbytes_burst = 1000\ndeliver_timeout = \"1m\"";
    let server = echo_server(options);
    let session = opened(&server, "/echo");
    session.send("[\"the first, of any size, is taken\"]");
    let body = format!("[\"{}\"]", "x".repeat(200_000));
    let mut waiting: Vec<_> = (0..8)
        .map(|_| {
            let mut connection = server.connect();
            let send = Request::post(session.url("/xhr_send"));
            connection.send(&send.body(body.clone()));
            connection
        })
        .collect();
    // At least two of them are too many: the last answer of all comes first.
    let refused = read_response(waiting.last_mut().expect("eight"));
    refused.assert_is(503, "Server is out of queue memory.");
    assert_eq!(server.get("/echo/info").head.status, 200);
}

/// Sends whose browsers have gone do not wait: what they took of the memory is free for others.
#[test]
fn sends_that_wait_give_their_memory_back_with_their_connection() {
    let options = "queue_memory = \"1MiB\"\nbytes_per_second = 1000\nbytes_burst = 1000\ndeliver_timeout = \"1m\"";
    let server = echo_server(options);
    let session = opened(&server, "/echo");
    let body = format!("[\"{}\"]", "x".repeat(200_000));
    // The first, of any size, is taken, and to be paid for.
    session.send(&body);
    let send = Request::post(session.url("/xhr_send")).body(body);
    let waits = || {
        let mut connection = server.connect();
        connection.send(&send);
        (!connection.has_news(Duration::from_millis(300))).then_some(connection)
    };
    for _ in 0..4 {
        let mut waiting: Vec<_> = std::iter::from_fn(waits).collect();
        assert!((1..4).contains(&waiting.len()), "{} wait", waiting.len());
        for connection in &mut waiting {
            connection.finish_sending();
            assert_eq!(connection.read_until_ended(ANSWER_DEADLINE), "");
        }
    }
}

/// A send for a session that does not exist is answered from its head: nothing of its body is kept.
#[test]
fn bodies_for_nobody_are_not_waited_for() {
    let server = echo_server("");
    let mut connection = server.connect();
    let head = "POST /echo/0/nobody/xhr_send HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n[\"";
    connection.send_raw(head.as_bytes());
    read_response(&mut connection).assert_is(404, "Session not found.");
}
