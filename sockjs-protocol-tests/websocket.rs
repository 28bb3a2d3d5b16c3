//! `/<server>/<session>/websocket`: SockJS frames over WebSocket.

use crate::support::{Event, Head, Request, Server, Session, WebSocket};

/// `o` right after the handshake, then each message is answered, one text message per frame.
/// (sockjs-protocol, Websocket.test_transport)
#[test]
fn test_transport() {
    let server = Server::start();
    let mut websocket = open(&server, "/echo");
    websocket.assert_text("o");
    websocket.send(r#"["a"]"#);
    websocket.assert_text(r#"a["a"]"#);
    websocket.close();
}

/// When the application closes, the close frame is followed by the end of the WebSocket.
/// (sockjs-protocol, Websocket.test_close)
#[test]
fn test_close() {
    let server = Server::start();
    let mut websocket = open(&server, "/close");
    websocket.assert_text("o");
    websocket.assert_text(r#"c[3000,"Go away!"]"#);
    // The SockJS frame has told the reason: servers close the WebSocket itself normally or repeat it.
    let close = websocket.receive();
    assert!(
        matches!(close, Event::Close(1000 | 3000, _)),
        "{close:?} after the close frame"
    );
    assert_eq!(websocket.receive(), Event::End);
}

/// The handshake has the right accept key and headers, and is followed by `o` in one text frame.
/// (sockjs-protocol, Websocket.test_headersSanity)
#[test]
fn test_headersSanity() {
    let server = Server::start();
    let request = Request::get(Session::new(&server, "/echo").url("/websocket"))
        .header("Upgrade", "websocket")
        .header("Connection", "Upgrade")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Origin", "http://asd")
        .header("Sec-WebSocket-Key", "x3JJHMbDL1EzLkh9GBhXDw==");
    let mut connection = server.connect();
    let head = connection.request(&request);
    assert_eq!(head.status, 101, "{head:?}");
    assert_eq!(head.version, "HTTP/1.1");
    assert_eq!(
        head.header("Sec-WebSocket-Accept"),
        Some("HSmrc0sMlYUkAGmm5OPpG2HaGWk=")
    );
    assert_upgrade_headers(&head);
    // RFC 6455 §4.1: the server may not choose what was not offered.
    assert_eq!(head.header("Sec-WebSocket-Protocol"), None);
    assert_eq!(head.header("Sec-WebSocket-Extensions"), None);
    // FIN and text, unmasked, one byte long (RFC 6455 §5.2).
    assert_eq!(connection.read_exact(3), b"\x81\x01o");
}

/// Empty messages and empty arrays are ignored. (sockjs-protocol, Websocket.test_empty_frame)
#[test]
fn test_empty_frame() {
    let server = Server::start();
    let mut websocket = open(&server, "/echo");
    websocket.assert_text("o");
    websocket.send("");
    websocket.send("[]");
    websocket.send(r#"["a"]"#);
    websocket.assert_text(r#"a["a"]"#);
    websocket.close();
}

/// A session lives as long as its WebSocket: one id may be used twice at once, and again later.
/// (sockjs-protocol, Websocket.test_reuseSessionId)
#[test]
fn test_reuseSessionId() {
    let server = Server::start();
    let path = Session::new(&server, "/echo").url("/websocket");
    let mut first = WebSocket::open(&server, &path);
    first.assert_text("o");
    let mut second = WebSocket::open(&server, &path);
    second.assert_text("o");

    first.send(r#"["a"]"#);
    first.assert_text(r#"a["a"]"#);
    second.send(r#"["b"]"#);
    second.assert_text(r#"a["b"]"#);
    // Each end would show here as well if it had got the other's message or an early close.
    first.close();
    second.close();

    let mut third = WebSocket::open(&server, &path);
    third.assert_text("o");
    third.send(r#"["a"]"#);
    third.assert_text(r#"a["a"]"#);
    third.close();
}

/// HAProxy forwards the nonce of a Hixie-76 handshake only after it saw the response headers, so they
/// come first; the 16 bytes that answer the nonce, and `o` between 0x00 and 0xFF, follow it.
/// (sockjs-protocol, Websocket.test_haproxy; draft-hixie-thewebsocketprotocol-76 §1.3, §1.2)
#[test]
fn test_haproxy() {
    let server = Server::start();
    let path = Session::new(&server, "/echo").url("/websocket");
    let origin = format!("http://{}", server.address.authority);
    let request = Request::get(&path)
        .header("Connection", "Upgrade")
        .header("Upgrade", "WebSocket")
        .header("Origin", &origin)
        .header("Sec-WebSocket-Key1", "4 @1  46546xW%0l 1 5")
        .header("Sec-WebSocket-Key2", "12998 5 Y3 1  .P00");
    let mut connection = server.connect();
    let head = connection.request(&request);
    assert_eq!(head.status, 101, "{head:?}");
    assert_upgrade_headers(&head);
    let location = format!(
        "{}://{}{}{path}",
        server.address.scheme.of_websockets(),
        server.address.authority,
        server.address.base_path
    );
    assert_eq!(
        head.header("Sec-WebSocket-Location"),
        Some(location.as_str())
    );
    assert_eq!(head.header("Sec-WebSocket-Origin"), Some(origin.as_str()));

    connection.send_raw(b"aaaaaaaa");
    // MD5 of 829309203, 259970620 (both big-endian) and the nonce.
    assert_eq!(
        connection.read_exact(16),
        b"\xca\x34\x00\xd8\xa5\x08\x47\x97\x2c\xd5\x71\x5a\xba\xbf\x43\x7b"
    );
    assert_eq!(connection.read_exact(3), b"\x00o\xff");
}

/// Broken JSON ends the connection at once, at most after a SockJS close frame.
/// (sockjs-protocol, Websocket.test_broken_json)
#[test]
fn test_broken_json() {
    let server = Server::start();
    let mut websocket = open(&server, "/echo");
    websocket.assert_text("o");
    websocket.send(r#"["a"#);
    let mut event = websocket.receive();
    if matches!(&event, Event::Text(frame) if frame.starts_with("c[")) {
        event = websocket.receive();
    }
    if matches!(event, Event::Close(..)) {
        event = websocket.receive();
    }
    assert_eq!(event, Event::End);
}

#[track_caller]
fn open(server: &Server, service: &str) -> WebSocket {
    WebSocket::open(server, &Session::new(server, service).url("/websocket"))
}

/// `Connection` and `Upgrade` with nothing else in them, and no body announced.
#[track_caller]
fn assert_upgrade_headers(head: &Head) {
    let lower = |name| head.header(name).map(str::to_ascii_lowercase);
    assert_eq!(lower("Connection").as_deref(), Some("upgrade"));
    assert_eq!(lower("Upgrade").as_deref(), Some("websocket"));
    assert_eq!(head.header("Content-Length"), None);
    assert_eq!(head.header("Transfer-Encoding"), None);
}
