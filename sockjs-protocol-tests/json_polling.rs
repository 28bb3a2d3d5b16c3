//! `/<server>/<session>/jsonp` and `/jsonp_send`.

use crate::support::{Request, Server, Session};

/// A poll calls the decoded callback, a form is answered `ok`, and neither is cached.
/// (sockjs-protocol, JsonPolling.test_transport)
#[test]
fn test_transport() {
    let server = Server::start();
    let session = Session::new(&server, "/echo");
    let opened = session.get("/jsonp?c=%63allback");
    opened.assert_is(200, "/**/callback(\"o\");\r\n");
    opened
        .head
        .assert_content_type("application/javascript; charset=UTF-8");
    opened.head.assert_not_cached();

    let sent = session.send_form("d=%5B%22x%22%5D");
    sent.assert_is(200, "ok");
    sent.head.assert_content_type("text/plain; charset=UTF-8");
    sent.head.assert_not_cached();

    session
        .get("/jsonp?c=%63allback")
        .assert_is(200, "/**/callback(\"a[\\\"x\\\"]\");\r\n");
}

/// Without a callback the request is 500 and opens no session.
/// (sockjs-protocol, JsonPolling.test_no_callback)
#[test]
fn test_no_callback() {
    let server = Server::start();
    let session = Session::new(&server, "/echo");
    session
        .get("/jsonp")
        .assert_refused_with("\"callback\" parameter required");
    session.post("/xhr_send", r#"["x"]"#).assert_not_found();
}

/// A callback with anything but letters, digits, `-`, `_` and `.` is 500 and opens no session.
/// (sockjs-protocol, JsonPolling.test_invalid_callback)
#[test]
fn test_invalid_callback() {
    let server = Server::start();
    for callback in ["%20", "*", "abc(", "abc%28"] {
        let session = Session::new(&server, "/echo");
        session
            .get(&format!("/jsonp?c={callback}"))
            .assert_refused_with("invalid \"callback\" parameter");
        session.post("/xhr_send", r#"["x"]"#).assert_not_found();
    }
}

/// Broken and missing JSON is 500 with its own text each, and the session survives both.
/// (sockjs-protocol, JsonPolling.test_invalid_json)
#[test]
fn test_invalid_json() {
    let server = Server::start();
    let session = Session::new(&server, "/echo");
    session
        .get("/jsonp?c=x")
        .assert_is(200, "/**/x(\"o\");\r\n");
    session
        .send_form("d=%5B%22x")
        .assert_is(500, "Broken JSON encoding.");
    for form in ["", "d=", "p=p"] {
        session.send_form(form).assert_is(500, "Payload expected.");
    }
    session.send_form("d=%5B%22b%22%5D").assert_is(200, "ok");
    session
        .get("/jsonp?c=x")
        .assert_is(200, "/**/x(\"a[\\\"b\\\"]\");\r\n");
}

/// A form is percent-decoded, a text/plain body is taken as it is; both wait for one frame.
/// (sockjs-protocol, JsonPolling.test_content_types)
#[test]
fn test_content_types() {
    let server = Server::start();
    let session = Session::new(&server, "/echo");
    session
        .get("/jsonp?c=x")
        .assert_is(200, "/**/x(\"o\");\r\n");
    session.send_form("d=%5B%22abc%22%5D").assert_is(200, "ok");
    let plain = Request::post(session.url("/jsonp_send")).header("Content-Type", "text/plain");
    server
        .request(&plain.body(r#"["%61bc"]"#))
        .assert_is(200, "ok");
    session
        .get("/jsonp?c=x")
        .assert_is(200, "/**/x(\"a[\\\"abc\\\",\\\"%61bc\\\"]\");\r\n");
}

/// After the application closed the session, every poll gets its code and reason.
/// (sockjs-protocol, JsonPolling.test_close)
#[test]
fn test_close() {
    let server = Server::start();
    let session = Session::new(&server, "/close");
    session
        .get("/jsonp?c=x")
        .assert_is(200, "/**/x(\"o\");\r\n");
    for _ in 0..2 {
        session
            .get("/jsonp?c=x")
            .assert_is(200, "/**/x(\"c[3000,\\\"Go away!\\\"]\");\r\n");
    }
}

/// An empty array is taken and has no effect. (sockjs-protocol, JsonPolling.test_sending_empty_frame)
#[test]
fn test_sending_empty_frame() {
    let server = Server::start();
    let session = Session::new(&server, "/echo");
    session
        .get("/jsonp?c=x")
        .assert_is(200, "/**/x(\"o\");\r\n");
    session.send_form("d=%5B%5D").assert_is(200, "ok");
    session.send_form("d=%5B%22x%22%5D").assert_is(200, "ok");
    session
        .get("/jsonp?c=x")
        .assert_is(200, "/**/x(\"a[\\\"x\\\"]\");\r\n");
}
