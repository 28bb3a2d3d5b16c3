//! HTTP/1.0 peers get no chunks, and an end they can see.

use crate::support::{PRELUDE, Request, Server, Session};

/// A greeting is delimited by its length or by EOF, and keep-alive is only announced if it works.
/// (sockjs-protocol, Http10.test_synchronous)
#[test]
fn test_synchronous() {
    let server = Server::start();
    let mut connection = server.connect();
    let request = Request::get("/echo")
        .http10()
        .header("Connection", "Keep-Alive");
    let head = connection.request(&request);
    assert_eq!(head.status, 200, "{head:?}");
    assert_eq!(head.header("Transfer-Encoding"), None);
    let announced = head
        .header("Connection")
        .unwrap_or_default()
        .to_ascii_lowercase();

    let Some(length) = head.content_length() else {
        assert_eq!(announced, "close");
        assert_eq!(connection.read_exact(19), b"Welcome to SockJS!\n");
        connection.assert_closed();
        return;
    };
    assert_eq!(length, 19);
    assert_eq!(connection.read_exact(19), b"Welcome to SockJS!\n");
    if matches!(announced.as_str(), "" | "close") {
        connection.assert_closed();
    } else {
        assert_eq!(announced, "keep-alive");
        connection
            .exchange(&request)
            .assert_is(200, "Welcome to SockJS!\n");
    }
}

/// A stream is delimited by EOF, which follows the close frame at once.
/// (sockjs-protocol, Http10.test_streaming)
#[test]
fn test_streaming() {
    let server = Server::start();
    let request = Request::post(Session::new(&server, "/close").url("/xhr_streaming"))
        .http10()
        .header("Connection", "Keep-Alive");
    let mut connection = server.connect();
    let head = connection.request(&request);
    assert_eq!(head.status, 200, "{head:?}");
    assert_eq!(head.header("Transfer-Encoding"), None);
    assert_eq!(head.header("Content-Length"), None);
    assert_eq!(connection.read_exact(2049), PRELUDE.as_bytes());
    assert_eq!(connection.read_exact(2), b"o\n");
    assert_eq!(connection.read_exact(19), b"c[3000,\"Go away!\"]\n");
    connection.assert_closed();
}
