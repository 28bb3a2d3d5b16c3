//! Session ids are text that means nothing here, and belong to one service.

use crate::fixture::{OPEN, echo_server, opened, service};
use crate::raw_socket::RawSocket;
use crate::support::{Server, random_id};

/// Names that other languages' objects have are ordinary ids. (sockjs-node 0.3.24 hangs on them)
#[test]
fn special_names_are_ordinary_ids() {
    let server = echo_server("");
    for id in [
        "__proto__",
        "constructor",
        "toString",
        "hasOwnProperty",
        "null",
        "undefined",
        "0",
        "-1",
        "%00",
        "%2e%2e",
        "%2F",
        "%0d%0a",
        "%F0%9F%98%80",
        "%zz",
        "~",
        "*",
        "'",
        "(",
        "|",
        "a b".trim_end_matches(" b"),
    ] {
        let path = format!("/echo/000/{id}");
        server.post(&format!("{path}/xhr")).assert_is(200, OPEN);
        let send = crate::support::Request::post(format!("{path}/xhr_send")).body("[\"x\"]");
        server.request(&send).assert_is(204, "");
        server
            .post(&format!("{path}/xhr"))
            .assert_is(200, "a[\"x\"]\n");
    }
}

/// Ids are compared as they stand in the URL: an escaped letter is another id.
#[test]
fn ids_are_not_decoded() {
    let server = echo_server("");
    let id = random_id();
    server
        .post(&format!("/echo/000/a{id}/xhr"))
        .assert_is(200, OPEN);
    server
        .post(&format!("/echo/000/%61{id}/xhr"))
        .assert_is(200, OPEN);
    server
        .post(&format!("/echo/000/A{id}/xhr"))
        .assert_is(200, OPEN);
}

/// An id opened in one service is unknown in another. (sockjs-node has one map for all: a session of `/echo` can be fed
/// through `/close`)
#[test]
fn ids_are_not_shared_between_services() {
    let config = [
        service("/a", "echo:", ""),
        service("/a/b", "echo:", ""),
        service("/c", "close:", ""),
    ];
    let server = Server::with_config(&config.concat());
    let id = random_id();
    server
        .post(&format!("/a/000/{id}/xhr"))
        .assert_is(200, OPEN);
    let send = |prefix: &str| {
        let path = format!("{prefix}/000/{id}/xhr_send");
        server.request(&crate::support::Request::post(path).body("[\"x\"]"))
    };
    send("/a/b").assert_not_found();
    send("/c").assert_not_found();
    server
        .post(&format!("/c/000/{id}/xhr"))
        .assert_is(200, OPEN);
    server
        .post(&format!("/a/b/000/{id}/xhr"))
        .assert_is(200, OPEN);
    send("/a").assert_is(204, "");
    server
        .post(&format!("/a/000/{id}/xhr"))
        .assert_is(200, "a[\"x\"]\n");
}

/// A WebSocket's session cannot be reached by its id. (sockjs-protocol, `Websocket.test_reuseSessionId`)
#[test]
fn websocket_sessions_are_not_found_by_id() {
    let server = echo_server("");
    let mut socket = RawSocket::open_sockjs(&server, "/echo");
    let send = crate::support::Request::post("/echo/000/ws/xhr_send").body("[\"x\"]");
    server.request(&send).assert_not_found();
    server.post("/echo/000/ws/xhr").assert_is(200, OPEN);
    socket.send_text("[\"own\"]");
    socket.assert_text("a[\"own\"]");
}

/// Nothing of an id, a message or a cookie is logged, whatever the level; a browser cannot write lines of its own.
/// (STYLE, Secrets)
#[test]
fn log_holds_no_ids_and_no_injected_lines() {
    let mut server = Server::with_config_and_log(&service("/echo", "echo:", ""), "trace");
    let id = format!("secret{}", random_id());
    let path = format!("/echo/000/{id}");
    server.post(&format!("{path}/xhr")).assert_is(200, OPEN);
    let send = crate::support::Request::post(format!("{path}/xhr_send"))
        .header("Cookie", "a=cookie-secret")
        .header("Origin", "http://x\u{1b}[31mINJECTED")
        .body("[\"message-secret\"]");
    server.request(&send);
    server.get(&format!("{path}/%0d%0aINJECTED"));
    let _ = opened(&server, "/echo");
    let log = server.log().join("\n");
    for secret in [id.as_str(), "cookie-secret", "message-secret"] {
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
    }
    assert!(
        !log.lines().any(|line| line.starts_with("INJECTED")),
        "{log}"
    );
    assert!(
        !log.contains('\u{1b}'),
        "a control character is in the log:\n{log}"
    );
}
