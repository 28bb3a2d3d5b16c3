//! `/<server>/<session>/websocket`: requests that are not WebSocket handshakes.

use crate::support::{Request, Server, Session};

/// A plain GET is 400. (sockjs-protocol, WebsocketHttpErrors.test_httpMethod)
#[test]
fn test_httpMethod() {
    let server = Server::start();
    Session::new(&server, "/echo")
        .get("/websocket")
        .assert_is(400, "Not a valid websocket request");
}

/// A proxy that rewrote `Connection` has broken the handshake: 400.
/// (sockjs-protocol, WebsocketHttpErrors.test_invalidConnectionHeader)
#[test]
fn test_invalidConnectionHeader() {
    let server = Server::start();
    let request = Request::get(Session::new(&server, "/echo").url("/websocket"))
        .header("Upgrade", "WebSocket")
        .header("Connection", "close");
    server
        .request(&request)
        .assert_is(400, "Not a valid websocket request");
}

/// Only GET is allowed, with or without upgrade headers.
/// (sockjs-protocol, WebsocketHttpErrors.test_invalidMethod)
#[test]
fn test_invalidMethod() {
    let server = Server::start();
    let plain = Request::post(Session::new(&server, "/echo").url("/websocket"));
    let upgrade = plain
        .clone()
        .header("Upgrade", "WebSocket")
        .header("Connection", "Upgrade");
    for request in [upgrade, plain] {
        server
            .request(&request)
            .assert_method_not_allowed("GET", "POST");
    }
}
