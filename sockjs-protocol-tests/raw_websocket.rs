//! `/websocket`: a WebSocket without SockJS frames.

use crate::support::{Event, Server, WebSocket};

/// Messages go through as they are, up to U+FFFF, and no `o` comes first.
/// (sockjs-protocol, RawWebsocket.test_transport)
#[test]
fn test_transport() {
    let server = Server::start();
    let mut websocket = WebSocket::open(&server, "/echo/websocket");
    websocket.send("Hello world!\u{ffff}");
    websocket.assert_text("Hello world!\u{ffff}");
    websocket.close();
}

/// The application's code and reason are those of the Close frame.
/// (sockjs-protocol, RawWebsocket.test_close)
#[test]
fn test_close() {
    let server = Server::start();
    let mut websocket = WebSocket::open(&server, "/close/websocket");
    assert_eq!(
        websocket.receive(),
        Event::Close(3000, "Go away!".to_owned())
    );
    assert_eq!(websocket.receive(), Event::End);
}
