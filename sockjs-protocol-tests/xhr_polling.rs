//! `/<server>/<session>/xhr` and `/xhr_send`.

use crate::support::{Request, Server, Session, assert_preflight};

/// Preflights of both URLs are answered and cacheable. (sockjs-protocol, XhrPolling.test_options)
#[test]
fn test_options() {
    let server = Server::start();
    for suffix in ["/xhr", "/xhr_send"] {
        let path = Session::new(&server, "/echo").url(suffix);
        assert_preflight(&server, &path, &["OPTIONS", "POST"]);
    }
}

/// Polling and sending have their types (also on 204), CORS headers, and are never cached.
/// (sockjs-protocol, XhrPolling.test_transport)
#[test]
fn test_transport() {
    let server = Server::start();
    let session = Session::new(&server, "/echo");
    let poll = Request::post(session.url("/xhr")).header("Origin", "test");
    let opened = server.request(&poll);
    opened.assert_is(200, "o\n");
    opened
        .head
        .assert_content_type("application/javascript; charset=UTF-8");
    opened.head.assert_cors(Some("test"));
    opened.head.assert_not_cached();

    let send = Request::post(session.url("/xhr_send")).header("Origin", "test");
    let sent = server.request(&send.body(r#"["x"]"#));
    sent.assert_is(204, "");
    sent.head.assert_content_type("text/plain; charset=UTF-8");
    sent.head.assert_cors(Some("test"));
    sent.head.assert_not_cached();

    let received = session.poll();
    received.assert_is(200, "a[\"x\"]\n");
    received
        .head
        .assert_content_type("application/javascript; charset=UTF-8");
    received.head.assert_cors(None);
    received.head.assert_not_cached();
}

/// Sending to a session that does not exist is 404. (sockjs-protocol, XhrPolling.test_invalid_session)
#[test]
fn test_invalid_session() {
    let server = Server::start();
    Session::new(&server, "/echo")
        .post("/xhr_send", r#"["x"]"#)
        .assert_not_found();
}

/// Broken and missing JSON is 500 with its own text each, and the session survives both.
/// (sockjs-protocol, XhrPolling.test_invalid_json)
#[test]
fn test_invalid_json() {
    let server = Server::start();
    let session = Session::new(&server, "/echo");
    session.poll().assert_is(200, "o\n");
    session
        .post("/xhr_send", r#"["x"#)
        .assert_is(500, "Broken JSON encoding.");
    session
        .post("/xhr_send", "")
        .assert_is(500, "Payload expected.");
    session.send(r#"["a"]"#);
    session.poll().assert_is(200, "a[\"a\"]\n");
}

/// The type of a body does not matter, and waiting messages come in one frame.
/// (sockjs-protocol, XhrPolling.test_content_types)
#[test]
fn test_content_types() {
    let server = Server::start();
    let session = Session::new(&server, "/echo");
    session.poll().assert_is(200, "o\n");
    for content_type in [
        "text/plain",
        "T",
        "application/json",
        "application/xml",
        "",
        "application/json; charset=utf-8",
        "text/xml; charset=utf-8",
        "text/xml",
    ] {
        let send = Request::post(session.url("/xhr_send")).header("Content-Type", content_type);
        server.request(&send.body(r#"["a"]"#)).assert_is(204, "");
    }
    session
        .poll()
        .assert_is(200, "a[\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\"]\n");
}

/// A preflight allows exactly the headers it was asked for, and names none if there were none.
/// (sockjs-protocol, XhrPolling.test_request_headers_cors)
#[test]
fn test_request_headers_cors() {
    let server = Server::start();
    for (requested, allowed) in [
        (Some("a, b, c"), Some("a, b, c")),
        (Some(""), None),
        (None, None),
    ] {
        let mut request = Request::options(Session::new(&server, "/echo").url("/xhr"))
            .header("Origin", "test")
            .header("Access-Control-Request-Method", "POST");
        if let Some(names) = requested {
            request = request.header("Access-Control-Request-Headers", names);
        }
        let response = server.request(&request);
        assert!(matches!(response.head.status, 200 | 204), "{response:?}");
        response.head.assert_cors(Some("test"));
        assert_eq!(
            response.head.header("Access-Control-Allow-Headers"),
            allowed
        );
    }
}

/// An empty array is taken and has no effect. (sockjs-protocol, XhrPolling.test_sending_empty_frame)
#[test]
fn test_sending_empty_frame() {
    let server = Server::start();
    let session = Session::new(&server, "/echo");
    session.poll().assert_is(200, "o\n");
    session.send("[]");
    session.send(r#"["a"]"#);
    session.poll().assert_is(200, "a[\"a\"]\n");
}
