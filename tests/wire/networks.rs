//! What is done for networks that stand in the way, byte by byte.

use std::time::Duration;

use crate::carriers::{CARRIERS, Carrier, EVENTSOURCE, HTMLFILE, JSONP, XHR_STREAMING};
use crate::fixture::{INTERRUPTED, OPEN, echo_server, text, upgrade};
use crate::raw_socket::{FIN, PING, PONG, RawSocket, TEXT};
use crate::support::{CLOSE_DEADLINE, Connection, Request, Server, Session, Stream, now};

const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64) Chrome/156.0 Safari/537.36";

/// A request as a browser sends it, without a proxy.
fn by_browser(request: Request) -> Request {
    request
        .header("User-Agent", BROWSER)
        .header("Connection", "keep-alive")
}

/// A session of its own client object: sockjs-client's *server* segment.
fn session_below<'a>(server: &'a Server, client: &str) -> Session<'a> {
    let mut session = Session::new(server, "/echo");
    session.path = session.path.replace("/000/", &format!("/{client}/"));
    session
}

fn open_by_browser(server: &Server, session: &Session<'_>, carrier: Carrier) -> Stream {
    let mut stream = server.open_stream(&by_browser(carrier.request(session)));
    stream.read_chunk();
    stream
}

fn offers_websocket(server: &Server) -> bool {
    let info = server.request(&by_browser(Request::get("/echo/info")));
    text(&info).contains("\"websocket\":true")
}

/// Chunks until `wrapped` is complete.
fn chunks_of(stream: &mut Stream, wrapped: &str) -> Vec<usize> {
    let mut lengths = Vec::new();
    let mut received = Vec::new();
    while received.len() < wrapped.len() {
        let chunk = stream.read_chunk();
        lengths.push(chunk.len());
        received.extend(chunk);
    }
    assert_eq!(String::from_utf8_lossy(&received), wrapped);
    lengths
}

/// nginx with buffering holds back the tail of larger ones. Bytes are cut, not characters.
#[test]
fn frames_are_cut_into_small_chunks_behind_a_proxy() {
    let server = echo_server("");
    let message = "aé𝄞".repeat(2000);
    for (field, value) in [
        ("Via", "1.1 a"),
        ("X-Forwarded-For", "192.0.2.1"),
        ("User-Agent", "Mozilla/5.0"),
    ] {
        for carrier in [XHR_STREAMING, EVENTSOURCE, HTMLFILE] {
            let session = Session::new(&server, "/echo");
            let mut stream = server.open_stream(&carrier.request(&session).header(field, value));
            let mut opening = Vec::new();
            while !opening.ends_with(carrier.wrap("o").as_bytes()) {
                let chunk = stream.read_chunk();
                assert!(chunk.len() <= 1024, "{} bytes", chunk.len());
                opening.extend(chunk);
            }
            session.send(&format!("[\"{message}\"]"));
            let wrapped = carrier.wrap(&format!("a[\"{message}\"]"));
            let lengths = chunks_of(&mut stream, &wrapped);
            assert!(lengths.iter().all(|length| *length <= 1024), "{lengths:?}");
        }
    }
}

/// sockjs-protocol compares whole chunks.
#[test]
fn frames_are_whole_chunks_on_a_direct_connection() {
    let server = echo_server("");
    let session = Session::new(&server, "/echo");
    let mut stream = session.open_xhr_streaming();
    stream.assert_chunk(OPEN);
    let message = "x".repeat(20_000);
    session.send(&format!("[\"{message}\"]"));
    stream.assert_chunk(&format!("a[\"{message}\"]\n"));
}

#[test]
fn chunks_can_be_chosen() {
    let message = "x".repeat(3000);
    for (chunks, expected) in [("small", 3), ("whole", 1)] {
        let server = echo_server(&format!("chunks = \"{chunks}\""));
        let session = Session::new(&server, "/echo");
        let request = XHR_STREAMING.request(&session).header("Via", "1.1 a");
        let mut stream = server.open_stream(&request);
        let opening = chunks_of(&mut stream, &("h".repeat(2048) + "\n"));
        assert_eq!(opening.len(), expected);
        stream.assert_chunk(OPEN);
        session.send(&format!("[\"{message}\"]"));
        let lengths = chunks_of(&mut stream, &format!("a[\"{message}\"]\n"));
        assert_eq!(lengths.len(), expected, "{chunks}");
    }
}

/// A proxy's limit on whole responses never meets one. The last frame may be a heartbeat, but there is one.
#[test]
fn streams_end_at_their_age_with_a_frame() {
    let server = echo_server("response_max_age = \"300ms\"");
    for carrier in CARRIERS.into_iter().filter(|carrier| !carrier.polls) {
        let session = Session::new(&server, "/echo");
        let mut reader = carrier.reader(&server, &session);
        assert_eq!(reader.next_frame(), carrier.wrap("o"));
        let begin = now();
        for _ in 0..3 {
            assert_eq!(reader.next_frame(), carrier.wrap("h"));
        }
        assert!(begin.elapsed() >= Duration::from_millis(800));
        session.send("[\"x\"]");
        assert_eq!(reader.next_frame(), carrier.wrap("a[\"x\"]"));
        assert_eq!(reader.responses, 4, "{}", carrier.suffix);
    }
}

/// For HAProxy without `option http-no-delay`. (RFC 9112 §6.3, 8)
#[test]
fn streams_can_be_ended_by_the_connection_instead_of_chunks() {
    let server = echo_server("close_delimited = true\nresponse_limit = 1");
    let session = Session::new(&server, "/echo");
    let mut connection = server.connect();
    let head = connection.request(&XHR_STREAMING.request(&session));
    assert_eq!(head.status, 200);
    assert!(!head.is_chunked());
    assert_eq!(head.header("Content-Length"), None);
    let body = connection.read_to_end(CLOSE_DEADLINE);
    assert_eq!(String::from_utf8_lossy(&body), "h".repeat(2048) + "\no\n");
    session.send("[\"x\"]");
    session.poll().assert_is(200, "a[\"x\"]\n");
}

#[test]
fn info_can_be_made_to_take_time() {
    let server = echo_server("info_min_delay = \"300ms\"");
    let begin = now();
    assert_eq!(server.get("/echo/info").head.status, 200);
    assert!(begin.elapsed() >= Duration::from_millis(300));
}

/// Their browsers come back by themselves. (sockjs-protocol demands the end for xhr and xhr_streaming only)
#[test]
fn eventsource_and_jsonp_outlive_a_cut_and_lose_nothing() {
    let server = echo_server("heartbeat_delay = \"1800ms\"\nresponse_max_age = \"off\"");
    for carrier in [EVENTSOURCE, JSONP] {
        // A reset may mean that something was not read; here only a poll has not got anything yet.
        for reset in [false, carrier.polls] {
            let session = Session::new(&server, "/echo");
            let mut connection = if carrier.polls {
                assert_eq!(carrier.first_frame(&server, &session), carrier.wrap("o"));
                let mut connection = server.connect();
                connection.send(&carrier.request(&session));
                connection
            } else {
                let mut stream = carrier.open(&server, &session);
                stream.assert_chunk(&carrier.wrap("o"));
                stream.assert_chunk(&carrier.wrap("h"));
                stream.assert_chunk(&carrier.wrap("h"));
                stream.connection
            };
            if carrier.polls {
                // Attached, because it is the one that gets this.
                session.send("[\"before\"]");
                let answer = connection.read_response(&carrier.request(&session));
                assert_eq!(text(&answer), carrier.wrap("a[\"before\"]"));
                connection.send(&carrier.request(&session));
                crate::support::wait_until_receiver_is_attached();
            }
            cut(connection, reset);
            session.send("[\"kept\"]");
            assert_eq!(
                carrier.first_frame(&server, &session),
                carrier.wrap("a[\"kept\"]"),
                "{}",
                carrier.suffix
            );
        }
    }
}

fn cut(connection: Connection, reset: bool) {
    if reset {
        connection.reset();
    }
}

/// What was under way when the connection was cut may be lost: rather a named end than a silent gap.
#[test]
fn session_cut_right_after_a_message_ends() {
    let server = echo_server("");
    let session = Session::new(&server, "/echo");
    let mut stream = EVENTSOURCE.open(&server, &session);
    stream.assert_chunk(&EVENTSOURCE.wrap("o"));
    session.send("[\"under way\"]");
    stream.assert_chunk(&EVENTSOURCE.wrap("a[\"under way\"]"));
    drop(stream);
    session.poll().assert_is(200, INTERRUPTED);
}

/// Linux resets a connection that is closed with something unread.
#[test]
fn session_whose_connection_was_reset_ends_however_long_ago_its_messages_are() {
    let server = echo_server("heartbeat_delay = \"1300ms\"\nresponse_max_age = \"off\"");
    let session = Session::new(&server, "/echo");
    let mut stream = EVENTSOURCE.open(&server, &session);
    for frame in ["o", "h", "h"] {
        stream.assert_chunk(&EVENTSOURCE.wrap(frame));
    }
    stream.connection.reset();
    session.poll().assert_is(200, INTERRUPTED);
}

#[test]
fn resuming_can_be_switched_off() {
    let server = echo_server("resume = false");
    let session = Session::new(&server, "/echo");
    assert_eq!(JSONP.first_frame(&server, &session), JSONP.wrap("o"));
    let mut connection = server.connect();
    connection.send(&JSONP.request(&session));
    crate::support::wait_until_receiver_is_attached();
    drop(connection);
    session.poll().assert_is(200, INTERRUPTED);
}

/// nginx with the Upgrade fields, but without `proxy_http_version 1.1`.
#[test]
fn handshake_in_http_1_0_is_accepted_however_it_is_cut() {
    let server = echo_server("");
    let request = "GET /echo/000/ws/websocket HTTP/1.0\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    for size in [1, 7, 30, 1000] {
        let mut connection = server.connect();
        for piece in request.as_bytes().chunks(size) {
            connection.send_raw(piece);
        }
        assert_eq!(connection.read_head().status, 101);
        let mut socket = RawSocket { connection };
        socket.assert_text("o");
        socket.send_text("[\"x\"]");
        socket.assert_text("a[\"x\"]");
    }
}

/// The rest of HTTP/1.0 stays what it is. (sockjs-protocol, `Http10`)
#[test]
fn other_requests_in_http_1_0_are_answered_in_it() {
    let server = echo_server("");
    for (request, status) in [
        ("GET /echo HTTP/1.0\r\n\r\n", 200),
        ("GET /echo/info HTTP/1.0\r\nHost: a\r\n\r\n", 200),
        ("GET /echo/000/a/websocket HTTP/1.0\r\nHost: a\r\n\r\n", 400),
    ] {
        let mut connection = server.connect();
        connection.send_raw(request.as_bytes());
        assert_eq!(connection.read_head().status, status, "{request:?}");
        connection.read_to_end(CLOSE_DEADLINE);
    }
}

/// A WebSocket that is killed after its first frame would take the page's first session with it.
#[test]
fn unknown_browser_gets_a_ping_before_its_open_frame() {
    let server = echo_server("");
    let path = "/echo/1/ws/websocket";
    let mut connection = server.connect();
    let head = connection.request(&upgrade(path).header("User-Agent", BROWSER));
    assert_eq!(head.status, 101);
    let mut socket = RawSocket { connection };
    assert_eq!(socket.receive().first, FIN | PING);
    socket.send(FIN | PONG, b"");
    socket.assert_text("o");
    socket.send_text("[\"x\"]");
    socket.assert_text("a[\"x\"]");
}

/// A browser that is slow to answer is not kept from opening.
#[test]
fn open_frame_waits_for_the_pong_only_briefly() {
    let server = echo_server("");
    let mut connection = server.connect();
    connection.request(&upgrade("/echo/1/ws/websocket").header("User-Agent", BROWSER));
    let mut socket = RawSocket { connection };
    assert_eq!(socket.receive().first, FIN | PING);
    socket.assert_text("o");
}

#[test]
fn other_programs_and_services_that_learn_nothing_send_open_at_once() {
    let server = echo_server("");
    let mut socket = RawSocket::open(&server, "/echo/1/ws/websocket");
    assert_eq!(socket.receive().first, FIN | TEXT);
    let server = echo_server("[service.network]\nlearn = false");
    let mut connection = server.connect();
    connection.request(&upgrade("/echo/1/ws/websocket").header("User-Agent", BROWSER));
    let mut socket = RawSocket { connection };
    assert_eq!(socket.receive().first, FIN | TEXT);
}

/// The proxy dropped `Upgrade`: the next visits do without WebSocket, and then it is tried again.
#[test]
fn info_does_not_offer_what_failed_before() {
    let server = echo_server("");
    assert!(offers_websocket(&server));
    let refused = server.request(&by_browser(Request::get("/echo/7/a/websocket")));
    assert_eq!(refused.head.status, 400);
    drop(open_by_browser(
        &server,
        &session_below(&server, "7"),
        XHR_STREAMING,
    ));
    let offers: Vec<_> = (0..5).map(|_| offers_websocket(&server)).collect();
    assert_eq!(offers, [false, false, false, false, true]);
    let other = server.get("/echo/info");
    assert!(
        text(&other).contains("\"websocket\":true"),
        "who is no browser"
    );
}

/// Where streams are held back, `o` must arrive before sockjs-client gives up, and so must everything after it.
#[test]
fn browser_that_writes_only_after_its_first_stream_ended_gets_one_frame_per_response() {
    let server = echo_server("");
    let session = session_below(&server, "8");
    let mut stream = open_by_browser(&server, &session, XHR_STREAMING);
    let begin = now();
    stream.assert_chunk(OPEN);
    stream.assert_chunk("h\n");
    stream.assert_ended();
    // sockjs-client waits for 600 ms at least; a busy machine may be late here.
    assert!(begin.elapsed() < Duration::from_secs(2));
    for _ in 0..2 {
        let mut stream = open_by_browser(&server, &session, XHR_STREAMING);
        session.send("[\"x\"]");
        stream.assert_chunk("a[\"x\"]\n");
        stream.assert_ended();
    }
    // Known from now on: the next page does not wait for it.
    let mut stream = open_by_browser(&server, &session_below(&server, "9"), XHR_STREAMING);
    stream.assert_chunk(OPEN);
    stream.assert_ended();
}

#[test]
fn browser_that_writes_at_once_keeps_its_stream() {
    // A busy machine may not write at once.
    assert!((0..5).any(|_| writes_at_once_and_keeps_its_stream()));
}

fn writes_at_once_and_keeps_its_stream() -> bool {
    let server = echo_server("");
    let session = session_below(&server, "8");
    let mut stream = open_by_browser(&server, &session, XHR_STREAMING);
    stream.assert_chunk(OPEN);
    session.send("[\"x\"]");
    if stream.read_chunk() == b"h\n" {
        return false;
    }
    for _ in 0..3 {
        session.send("[\"x\"]");
        stream.assert_chunk("a[\"x\"]\n");
    }
    stream.assert_chunk("h\n");
    session.send("[\"still\"]");
    stream.assert_chunk("a[\"still\"]\n");
    true
}

/// A stream given up for the next transport was held back.
#[test]
fn next_transport_of_a_page_whose_stream_was_given_up_gets_one_frame_per_response() {
    let server = echo_server("");
    let session = session_below(&server, "8");
    let mut stream = open_by_browser(&server, &session, XHR_STREAMING);
    stream.assert_chunk(OPEN);
    stream.assert_chunk("h\n");
    drop(stream);
    let mut stream = open_by_browser(&server, &session_below(&server, "8"), EVENTSOURCE);
    stream.assert_chunk(&EVENTSOURCE.wrap("o"));
    stream.assert_ended();
}

/// Idle cuts of a few seconds do not end the first session of a network.
#[test]
fn new_network_begins_with_short_silences() {
    let server = echo_server("[service.network]\nfirst_heartbeat = \"300ms\"");
    let mut connection = server.connect();
    connection.request(&upgrade("/echo/1/ws/websocket").header("User-Agent", BROWSER));
    let mut socket = RawSocket { connection };
    assert_eq!(socket.receive().first, FIN | PING);
    socket.send(FIN | PONG, b"");
    socket.assert_text("o");
    for _ in 0..3 {
        let begin = now();
        assert_eq!(socket.receive().first, FIN | PING);
        assert!(begin.elapsed() < Duration::from_secs(2));
        socket.send(FIN | PONG, b"");
    }
}

/// What an operator knows comes before what is learnt.
#[test]
fn pinned_networks_are_served_as_pinned() {
    let server = echo_server(
        "[[service.network.pin]]\nclients = [\"127.0.0.0/8\"]\nwebsocket = false\none_frame = true\nheartbeat_delay = \"300ms\"",
    );
    assert!(!offers_websocket(&server));
    let session = Session::new(&server, "/echo");
    let mut stream = session.open_xhr_streaming();
    stream.assert_chunk(OPEN);
    stream.assert_ended();
    let begin = now();
    session.poll().assert_is(200, "h\n");
    assert!(begin.elapsed() < Duration::from_secs(5));
}
