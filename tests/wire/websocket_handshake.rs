//! The opening handshake of both WebSockets. (RFC 6455 §4.2)

use crate::fixture::{echo_server, service, upgrade};
use crate::raw_socket::{FIN, RawSocket, TEXT};
use crate::support::{CLOSE_DEADLINE, Head, Request, Server};

const PATHS: [&str; 2] = ["/echo/websocket", "/echo/000/x/websocket"];

/// Fields of a correct handshake, to leave out or replace.
const FIELDS: [(&str, &str); 4] = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

/// A handshake where `name` has another value, or none.
fn handshake(path: &str, name: &'static str, value: Option<&str>) -> Request {
    let others = FIELDS.iter().filter(|(field, _)| *field != name);
    let request = others.fold(Request::get(path), |request, (field, value)| {
        request.header(field, *value)
    });
    match value {
        Some(value) => request.header(name, value),
        None => request,
    }
}

#[track_caller]
fn head(server: &Server, request: &Request) -> Head {
    server.connect().request(request)
}

/// The key of the RFC's example has the accept value of the RFC's example. (RFC 6455 §1.3)
#[test]
fn handshake_is_accepted_as_in_the_rfc() {
    let server = echo_server("");
    for path in PATHS {
        let head = head(&server, &upgrade(path));
        assert_eq!(head.status, 101);
        let accept = head.header("Sec-WebSocket-Accept");
        assert_eq!(accept, Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert_eq!(head.header("Upgrade"), Some("websocket"));
        assert_eq!(head.header("Content-Length"), None);
        assert_eq!(head.header("Transfer-Encoding"), None);
    }
}

/// Tokens are lists, in any case. (RFC 9110 §7.6.1; Firefox sends `keep-alive, Upgrade`)
#[test]
fn tokens_are_found_in_lists_and_in_any_case() {
    let server = echo_server("");
    for path in PATHS {
        for (name, value) in [
            ("Connection", "keep-alive, Upgrade"),
            ("Connection", "UPGRADE"),
            ("Connection", "keep-alive,upgrade,x"),
            ("Upgrade", "WebSocket"),
            ("Upgrade", "WEBSOCKET"),
        ] {
            let request = handshake(path, name, Some(value));
            assert_eq!(head(&server, &request).status, 101, "{name}: {value}");
        }
    }
}

/// Without one of the fields, or with a wrong one, it is no handshake. (npm faye accepts a key of 3 bytes)
#[test]
fn malformed_handshakes_are_refused() {
    let server = echo_server("");
    let cases = [
        ("Connection", None),
        ("Connection", Some("keep-alive")),
        ("Connection", Some("close")),
        ("Connection", Some("notupgrade")),
        ("Upgrade", None),
        ("Upgrade", Some("h2c")),
        ("Upgrade", Some("websockets")),
        ("Sec-WebSocket-Key", None),
        ("Sec-WebSocket-Key", Some("")),
        ("Sec-WebSocket-Key", Some("abc")),
        ("Sec-WebSocket-Key", Some("dGhlIHNhbXBsZSBub25jZQ")),
        ("Sec-WebSocket-Key", Some("dGhlIHNhbXBsZSBub25jZTE=")),
        ("Sec-WebSocket-Key", Some("!GhlIHNhbXBsZSBub25jZQ==")),
    ];
    for path in PATHS {
        for (name, value) in cases {
            let request = handshake(path, name, value);
            assert_eq!(head(&server, &request).status, 400, "{name}: {value:?}");
        }
        let twice = upgrade(path).header("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==");
        assert_eq!(head(&server, &twice).status, 400, "two keys");
    }
}

/// Another version is told which one is spoken here. (RFC 6455 §4.4)
#[test]
fn other_versions_are_told_the_right_one() {
    let server = echo_server("");
    for path in PATHS {
        for version in [
            None,
            Some("12"),
            Some("8"),
            Some("0"),
            Some("014"),
            Some("x"),
            Some("13, 8"),
        ] {
            let request = handshake(path, "Sec-WebSocket-Version", version);
            let head = head(&server, &request);
            assert_eq!(head.status, 426, "{version:?}");
            assert_eq!(head.header("Sec-WebSocket-Version"), Some("13"));
            assert_eq!(head.header("Upgrade"), Some("websocket"));
        }
    }
}

/// A handshake has no body: what would be read as one could be frames, or a request.
#[test]
fn handshake_with_a_body_is_refused() {
    let server = echo_server("");
    for path in PATHS {
        let request = upgrade(path).body("hello");
        assert_eq!(server.request(&request).head.status, 400);
        let chunked = upgrade(path).header("Transfer-Encoding", "chunked");
        assert_eq!(head(&server, &chunked).status, 400);
    }
}

/// No extension is negotiated, so nothing can be inflated. (CVE-2026-62963)
#[test]
fn extensions_are_declined() {
    let server = echo_server("");
    for path in PATHS {
        let offer = "permessage-deflate; client_max_window_bits, x-webkit-deflate-frame";
        let request = upgrade(path).header("Sec-WebSocket-Extensions", offer);
        let head = head(&server, &request);
        assert_eq!(head.status, 101);
        assert_eq!(head.header("Sec-WebSocket-Extensions"), None);
    }
}

/// Sub-protocols that no backend chooses are not chosen. (RFC 6455 §4.2.2)
#[test]
fn sub_protocols_are_not_chosen_by_chance() {
    let server = echo_server("");
    for path in PATHS {
        let request = upgrade(path).header("Sec-WebSocket-Protocol", "v1, v2");
        let head = head(&server, &request);
        assert_eq!(head.status, 101);
        assert_eq!(head.header("Sec-WebSocket-Protocol"), None);
    }
}

/// An offer to upgrade any other request is ignored. (CVE-2020-7693: the process died)
#[test]
fn upgrade_of_other_requests_is_an_ordinary_answer() {
    let server = echo_server("");
    let session = format!("/echo/000/{}", crate::support::random_id());
    for (method, path, status) in [
        ("GET", "/echo".to_owned(), 200),
        ("GET", "/echo/info".to_owned(), 200),
        ("OPTIONS", "/echo/info".to_owned(), 204),
        ("GET", "/echo/iframe.html".to_owned(), 200),
        ("GET", "/".to_owned(), 404),
        ("GET", "/echo/websocket/x".to_owned(), 404),
        ("POST", format!("{session}/xhr"), 200),
        ("POST", format!("{session}/xhr_send"), 500),
        ("GET", format!("{session}0/eventsource"), 200),
        ("GET", format!("{session}1/htmlfile?c=x"), 200),
        ("GET", format!("{session}2/jsonp?c=x"), 200),
        ("POST", format!("{session}3/xhr_streaming"), 200),
    ] {
        let body = (method == "POST").then(Vec::new);
        let request = FIELDS.iter().fold(
            Request::new(method, path.clone(), body),
            |request, (name, value)| request.header(name, *value),
        );
        assert_eq!(head(&server, &request).status, status, "{method} {path}");
    }
    server.assert_alive();
}

/// Where WebSockets are off, their URLs do not exist, and `/info` says so. (sockjs-node)
#[test]
fn disabled_websockets_are_not_found() {
    for options in ["websocket = false", "transports = [\"xhr-polling\"]"] {
        let server = Server::with_config(&service("/echo", "echo:", options));
        for path in PATHS {
            server.request(&upgrade(path)).assert_not_found();
        }
        let info = String::from_utf8(server.get("/echo/info").body).expect("JSON is text");
        assert!(info.contains("\"websocket\":false"), "{info}");
    }
}

/// A browser that leaves during the handshake leaves nothing behind.
#[test]
fn handshakes_that_break_leave_no_session() {
    let server = echo_server("max_sessions = 1");
    for round in 0..100 {
        let mut connection = server.connect();
        connection.send(&upgrade(PATHS[round % 2]));
        if round % 3 == 0 {
            connection.reset();
        }
    }
    let start = crate::support::now();
    loop {
        let mut socket = RawSocket::open(&server, "/echo/000/x/websocket");
        let first = socket.receive();
        if first.payload == b"o" {
            break;
        }
        assert_eq!(first.first, FIN | TEXT);
        assert!(first.payload.starts_with(b"c[1013,"), "{first:?}");
        socket.assert_close(1013);
        socket.answer_close(1013);
        assert!(start.elapsed() < CLOSE_DEADLINE * 3, "places are lost");
    }
}
