//! Every size and number a browser chooses has a bound, and crossing it has a name.

use std::time::Duration;

use crate::carriers::CARRIERS;
use crate::fixture::{OPEN, echo_server, messages, opened, service, text, upgrade};
use crate::raw_socket::{BINARY, CONTINUATION, FIN, RawSocket, TEXT, frame};
use crate::support::{ANSWER_DEADLINE, CLOSE_DEADLINE, Request, Server, Session, now};

const LIMITS: &str = "max_body_size = \"64KiB\"\nmax_messages = 100\nmax_message_size = \"4KiB\"";

/// URLs that read a body.
const BODIES: [&str; 4] = ["/xhr_send", "/jsonp_send", "/xhr", "/xhr_streaming"];

/// A body announced as too long is refused although it does not come; the connection ends, since what follows on it would be
/// the body. (RFC 9110 §15.5.14)
#[test]
fn declared_body_over_the_limit_is_refused_without_waiting_for_it() {
    let server = echo_server(LIMITS);
    for url in BODIES {
        for length in ["65537", "10000000000", "9223372036854775807"] {
            let session = opened(&server, "/echo");
            let mut connection = server.connect();
            connection.send_raw(
                format!(
                    "POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n[",
                    session.url(url)
                )
                .as_bytes(),
            );
            let answer = connection.read_until_ended(CLOSE_DEADLINE);
            assert!(
                answer.starts_with("HTTP/1.1 413 "),
                "{url} {length}: {answer}"
            );
        }
    }
}

/// A body whose length is not announced is refused as soon as it is over the limit.
#[test]
fn chunked_body_over_the_limit_is_refused() {
    let server = echo_server(LIMITS);
    for url in BODIES {
        let session = opened(&server, "/echo");
        let mut connection = server.connect();
        connection.limit_writes(ANSWER_DEADLINE);
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
            session.url(url)
        );
        connection.send_raw(head.as_bytes());
        let chunk = format!("2000\r\n{}\r\n", " ".repeat(0x2000));
        let mut sent = 0;
        while !connection.has_news(Duration::from_micros(100))
            && connection.try_send_raw(chunk.as_bytes())
        {
            sent += 1;
            assert!(sent < 2000, "{url}: took {sent} chunks of 8 KiB");
        }
        let answer = connection.read_until_ended(CLOSE_DEADLINE);
        assert!(answer.starts_with("HTTP/1.1 413 "), "{url}: {answer:?}");
        session.send("[\"alive\"]");
    }
}

/// The refusal can be read even by a browser that is still busy sending a large body: an early close must not destroy it.
/// (RFC 9112 §9.6)
#[test]
fn refusal_reaches_a_browser_that_is_still_sending() {
    let server = echo_server(LIMITS);
    let session = opened(&server, "/echo");
    let path = session.url("/xhr_send");
    let body = vec![b' '; 4 << 20];
    for _ in 0..20 {
        let mut connection = server.connect();
        connection.limit_writes(ANSWER_DEADLINE);
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        connection.send_raw(head.as_bytes());
        let _ = connection.try_send_raw(&body);
        let answer = connection.read_until_ended(ANSWER_DEADLINE);
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer:?}");
    }
}

/// A body of exactly the limit is taken.
#[test]
fn body_of_exactly_the_limit_is_accepted() {
    let server = echo_server(LIMITS);
    let session = opened(&server, "/echo");
    let body = format!("[\"x\"]{}", " ".repeat(65_536 - 5));
    session.send(&body);
    session.poll().assert_is(200, "a[\"x\"]\n");
}

/// So many messages in one request and no more; the session goes on.
#[test]
fn messages_per_request_are_bounded() {
    let server = echo_server(LIMITS);
    let session = opened(&server, "/echo");
    let array = |count: usize| format!("[{}]", vec!["\"x\""; count].join(","));
    session
        .post("/xhr_send", array(101))
        .assert_is(413, "Too many messages in one request.");
    let form = session.send_form(&format!("d={}", array(101)));
    form.assert_is(413, "Too many messages in one request.");
    session.send(&array(100));
    assert_eq!(messages(&text(&session.poll())).len(), 100);
}

/// A message of so many bytes and no more, counted after decoding; the session goes on.
#[test]
fn message_size_is_bounded() {
    let server = echo_server(LIMITS);
    let session = opened(&server, "/echo");
    for too_long in ["x".repeat(4097), "é".repeat(2049), "\\n".repeat(4097)] {
        session
            .post("/xhr_send", format!("[\"a\",\"{too_long}\"]"))
            .assert_is(413, "Message too big.");
    }
    session.send(&format!("[\"{}\"]", "\\u0041".repeat(4096)));
    session
        .poll()
        .assert_is(200, &format!("a[\"{}\"]\n", "A".repeat(4096)));
}

/// On a WebSocket the limits close with 1009. As after everything the browser does wrong, the Close frame alone tells it.
/// (RFC 6455 §7.4.1; sockjs-protocol, `Websocket.test_broken_json`)
#[test]
fn websocket_over_a_limit_is_closed_with_1009() {
    let server = echo_server(LIMITS);
    let too_many = format!("[{}]", vec!["\"x\""; 101].join(","));
    let too_long = format!("[\"{}\"]", "x".repeat(4097));
    let too_big = " ".repeat(65_537);
    for message in [too_many, too_long, too_big] {
        let mut socket = RawSocket::open_sockjs(&server, "/echo");
        socket.send_text(&message);
        assert_eq!(socket.assert_close(1009), "Message too big");
        socket.answer_close(1009);
    }
}

/// The announced length of a frame is enough: its content is not waited for. (RFC 6455 §7.4.1)
#[test]
fn websocket_frame_announced_too_long_is_closed_unread() {
    let server = echo_server(LIMITS);
    let mut socket = RawSocket::open_sockjs(&server, "/echo");
    let mut head = vec![FIN | TEXT, 0x80 | 127];
    head.extend((1_u64 << 40).to_be_bytes());
    head.extend([0; 4]);
    socket.connection.send_raw(&head);
    assert_eq!(socket.assert_close(1009), "Message too big");
    socket.answer_close(1009);
}

/// Fragments count together. (RFC 6455 §5.4)
#[test]
fn websocket_fragments_are_bounded_together() {
    let server = echo_server(LIMITS);
    let mut socket = RawSocket::open_sockjs(&server, "/echo");
    socket.send(TEXT, &[b' '; 30_000]);
    socket.send(CONTINUATION, &[b' '; 30_000]);
    socket.send(CONTINUATION, &[b' '; 30_000]);
    assert_eq!(socket.assert_close(1009), "Message too big");
    socket.answer_close(1009);
}

/// A raw WebSocket's messages have the same bound, text and binary.
#[test]
fn raw_websocket_message_over_the_limit_is_closed_with_1009() {
    let server = echo_server(LIMITS);
    for opcode in [TEXT, BINARY] {
        let mut socket = RawSocket::open(&server, "/echo/websocket");
        socket.send(FIN | opcode, &[b'x'; 4097]);
        assert_eq!(socket.assert_close(1009), "Message too big");
        socket.answer_close(1009);
    }
}

/// More sessions than allowed are told 1013 "Try Again Later", in every transport's framing, and open later.
/// (WebSocket close code registry)
#[test]
fn sessions_are_bounded() {
    let server = echo_server("max_sessions = 2");
    let streams = [(); 2].map(|()| {
        let mut stream = Session::new(&server, "/echo").open_xhr_streaming();
        stream.assert_chunk(OPEN);
        stream
    });
    for carrier in CARRIERS {
        let refused = Session::new(&server, "/echo");
        assert_eq!(
            carrier.first_frame(&server, &refused),
            carrier.wrap("c[1013,\"Too many sessions\"]")
        );
    }
    let mut socket = RawSocket::open(&server, "/echo/000/ws/websocket");
    socket.assert_told_and_closed(1013, "Too many sessions");
    let mut raw = RawSocket::open(&server, "/echo/websocket");
    assert_eq!(raw.assert_close(1013), "Too many sessions");
    drop(streams);

    let refused = Session::new(&server, "/echo");
    let start = now();
    while text(&refused.poll()) != OPEN {
        assert!(start.elapsed() < ANSWER_DEADLINE, "no place became free");
    }
}

/// The bound on sessions of one network counts its addresses together, on every transport, and no other network.
#[test]
fn sessions_of_a_client_network_are_bounded() {
    let service = service("/echo", "echo:", "max_sessions_per_client = 1");
    let server = Server::with_config(&format!("trusted_proxies = [\"127.0.0.1\"]\n{service}"));
    let poll = |address: &str| {
        let session = Session::new(&server, "/echo");
        let request = Request::post(session.url("/xhr")).header("X-Forwarded-For", address);
        text(&server.request(&request))
    };
    let refused = "c[1013,\"Too many sessions from this network\"]\n";
    assert_eq!(poll("2001:db8:0:1::1"), OPEN);
    assert_eq!(poll("2001:db8:0:2::2"), refused);
    assert_eq!(poll("2001:db8:1:2::2"), OPEN);
    assert_eq!([poll("192.0.2.1"), poll("192.0.2.2")], [OPEN, OPEN]);
    let own = opened(&server, "/echo");
    for carrier in CARRIERS {
        let session = Session::new(&server, "/echo");
        assert_eq!(
            carrier.first_frame(&server, &session),
            carrier.wrap(refused.trim_end())
        );
    }
    let mut socket = RawSocket::open(&server, "/echo/websocket");
    assert_eq!(
        socket.assert_close(1013),
        "Too many sessions from this network"
    );
    drop(own);
}

/// The bound on all services together counts across them.
#[test]
fn sessions_of_all_services_are_bounded_together() {
    let services = [service("/a", "echo:", ""), service("/b", "echo:", "")].concat();
    let server = Server::with_config(&format!("max_sessions = 2\n{services}"));
    opened(&server, "/a");
    opened(&server, "/b");
    for refused in ["/a", "/b"] {
        Session::new(&server, refused)
            .poll()
            .assert_is(200, "c[1013,\"Too many sessions\"]\n");
    }
}

/// A session id of 128 bytes is one; a longer one is not found, on any transport.
#[test]
fn session_ids_are_bounded() {
    let server = echo_server("");
    let longest = format!("/echo/000/{}/xhr", "x".repeat(128));
    server.post(&longest).assert_is(200, OPEN);
    let id = "x".repeat(129);
    for carrier in CARRIERS {
        let path = format!("/echo/000/{id}{}", carrier.suffix);
        let body = (carrier.method == "POST").then(Vec::new);
        server
            .request(&Request::new(carrier.method, path, body))
            .assert_not_found();
    }
    let upgrade = upgrade(format!("/echo/000/{id}/websocket"));
    server.request(&upgrade).assert_not_found();
}

/// A callback of 64 characters is one; a longer one is invalid, and opens no session.
#[test]
fn callbacks_are_bounded() {
    let server = echo_server("");
    let session = Session::new(&server, "/echo");
    for transport in ["/jsonp", "/htmlfile"] {
        let too_long = format!("{transport}?c={}", "x".repeat(65));
        session
            .get(&too_long)
            .assert_refused_with("invalid \"callback\" parameter");
    }
    let longest = "x".repeat(64);
    session
        .get(&format!("/jsonp?c={longest}"))
        .assert_is(200, &format!("/**/{longest}(\"o\");\r\n"));
}

/// A backend that cannot send because the browser does not read stops reading; then `xhr_send` waits, and at last fails,
/// instead of filling memory.
#[test]
fn send_fails_when_the_backend_does_not_read() {
    let server = echo_server(
        "outbound_bytes = \"4KiB\"\ninbound_bytes = \"4KiB\"\ndeliver_timeout = \"200ms\"",
    );
    let session = opened(&server, "/echo");
    let message = format!("[\"{}\"]", "x".repeat(2000));
    let statuses: Vec<_> = (0..10)
        .map(|_| session.post("/xhr_send", message.as_str()).head.status)
        .take_while(|status| *status == 204)
        .collect();
    assert!((2..8).contains(&statuses.len()), "{} taken", statuses.len());
    session
        .post("/xhr_send", message.as_str())
        .assert_is(503, "Backend does not read.");

    // Reading makes room, and everything that was accepted comes.
    let mut received = 0;
    while received < statuses.len() {
        received += messages(&text(&session.poll())).len();
    }
    session.send(&message);
}

/// A listener that does not read is closed when its queue is full, after what it has got.
#[test]
fn queue_of_an_unpolled_session_is_bounded_and_its_end_is_told() {
    let server = Server::with_config(&service("/room", "broadcast:", "outbound_bytes = \"8KiB\""));
    let quiet = opened(&server, "/room");
    let speaker = Session::new(&server, "/room");
    let mut heard = speaker.open_xhr_streaming();
    heard.assert_chunk(OPEN);
    let message = format!("[\"{}\"]", "x".repeat(1000));
    for _ in 0..12 {
        speaker.send(&message);
        heard.assert_chunk(&format!("a{message}\n"));
    }
    assert_eq!(messages(&text(&quiet.poll())).len(), 8);
    quiet
        .poll()
        .assert_is(200, "c[1013,\"Reads too slowly\"]\n");
}

/// The memory of all queues together is bounded; sessions over it are told.
#[test]
fn queues_of_all_sessions_are_bounded_together() {
    let service = service("/room", "broadcast:", "heartbeat_delay = \"300ms\"");
    let server = Server::with_config(&format!("queue_memory = \"256KiB\"\n{service}"));
    let quiet: Vec<_> = (0..10).map(|_| opened(&server, "/room")).collect();
    let message = format!("[\"{}\"]", "x".repeat(20_000));
    for _ in 0..5 {
        let status = quiet[0].post("/xhr_send", message.as_str()).head.status;
        assert!(matches!(status, 204 | 503), "status {status}");
    }
    let told = quiet.iter().filter(|session| {
        let first = text(&session.poll());
        first.starts_with("c[1013,") || text(&session.poll()).starts_with("c[1013,")
    });
    assert!(told.count() > 0, "1 MB is queued in 256 KiB");
}

/// Opens a session that is not read, with an answer of so many KiB in its queue.
fn fill(server: &Server, id: &str, kib: usize) {
    let session = format!("/echo/000/{id}");
    server.post(&format!("{session}/xhr")).assert_is(200, OPEN);
    let body = format!("[\"{}\"]", "x".repeat(kib * 1024)).into_bytes();
    let send = Request::new("POST", format!("{session}/xhr_send"), Some(body));
    assert_eq!(server.request(&send).head.status, 204, "{id}");
}

fn wait_until_somebody_makes_room(server: &mut Server) {
    let start = now();
    while !server.log().iter().any(|line| line.contains("runs short")) {
        assert!(start.elapsed() < ANSWER_DEADLINE, "nobody made room");
    }
}

/// A WebSocket that is not read makes room too. It is in the middle of a frame, behind which no code could be written: the connection ends,
/// although its browser would read again.
#[test]
fn websocket_that_is_not_read_makes_room_for_others() {
    let options =
        "disconnect_delay = \"30s\"\noutbound_bytes = \"400KiB\"\ninbound_bytes = \"16KiB\"";
    let service = service("/echo", "echo:", options);
    let mut server = Server::with_config(&format!("queue_memory = \"1MiB\"\n{service}"));
    let mut socket = RawSocket::open_sockjs(&server, "/echo");
    let message = frame(
        FIN | TEXT,
        format!("[\"{}\"]", "x".repeat(60_000)).as_bytes(),
        true,
    );
    socket.connection.limit_writes(Duration::from_millis(500));
    while socket.connection.try_send_raw(&message) {}
    // It holds 416 KiB, and each of these 64; the last is beyond 896.
    (0..8).for_each(|number| fill(&server, &format!("s{number}"), 60));
    wait_until_somebody_makes_room(&mut server);
    let rest = socket.connection.read_until_ended(ANSWER_DEADLINE);
    assert!(!rest.contains("1013"), "there was room for a code");
}

/// When the memory of all queues runs short, the browser that has not read for longest makes room, and who sends goes on.
#[test]
fn slowest_browser_makes_room_for_others() {
    let service = service("/echo", "echo:", "disconnect_delay = \"30s\"");
    let mut server = Server::with_config(&format!("queue_memory = \"1MiB\"\n{service}"));
    fill(&server, "slow", 500);
    let others = ["a", "b", "c", "d", "e", "f", "g"];
    others.iter().for_each(|id| fill(&server, id, 60));
    wait_until_somebody_makes_room(&mut server);
    server
        .post("/echo/000/slow/xhr")
        .assert_is(200, "c[1013,\"Server is out of queue memory\"]\n");
    for id in others {
        let kept = text(&server.post(&format!("/echo/000/{id}/xhr")));
        assert_eq!(messages(&kept)[0].len(), 60 * 1024, "{id}");
    }
}

/// Control frames cannot be long; nothing is read beyond. (RFC 6455 §5.5)
#[test]
fn long_control_frames_are_refused() {
    let server = echo_server("");
    let mut socket = RawSocket::open_sockjs(&server, "/echo");
    socket
        .connection
        .send_raw(&frame(FIN | crate::raw_socket::PING, &[0; 126], true));
    socket.assert_close(1002);
}
