//! `/<server>/<session>/xhr_streaming`.

use crate::support::{PRELUDE, Request, Server, Session, assert_preflight};

/// Preflights are answered and cacheable. (sockjs-protocol, XhrStreaming.test_options)
#[test]
fn test_options() {
    let server = Server::start();
    let path = Session::new(&server, "/echo").url("/xhr_streaming");
    assert_preflight(&server, &path, &["OPTIONS", "POST"]);
}

/// A stream starts with 2 KiB of `h`, then every frame is a chunk of its own.
/// (sockjs-protocol, XhrStreaming.test_transport)
#[test]
fn test_transport() {
    let server = Server::start();
    let session = Session::new(&server, "/echo");
    let request = Request::post(session.url("/xhr_streaming")).header("Origin", "test");
    let mut stream = server.open_stream(&request);
    stream
        .head
        .assert_content_type("application/javascript; charset=UTF-8");
    stream.head.assert_cors(Some("test"));
    stream.head.assert_not_cached();
    stream.assert_chunk(&PRELUDE);
    stream.assert_chunk("o\n");
    session.send(r#"["x"]"#);
    stream.assert_chunk("a[\"x\"]\n");
}

/// The response ends once 4096 bytes of frames are out, neither earlier nor later, and the session goes
/// on in the next one. (sockjs-protocol, XhrStreaming.test_response_limit)
#[test]
fn test_response_limit() {
    let server = Server::start();
    let session = Session::new(&server, "/echo");
    let mut stream = session.open_xhr_streaming();
    stream.assert_chunk("o\n");
    // 2 + 30 × 134 = 4022 bytes must not end it, 2 + 31 × 134 = 4156 must.
    let messages = format!("[\"{}\"]", "x".repeat(128));
    for _ in 0..31 {
        session.send(&messages);
        stream.assert_chunk(&format!("a{messages}\n"));
    }
    stream.assert_ended();

    session.send(r#"["y"]"#);
    session.open_xhr_streaming().assert_chunk("a[\"y\"]\n");
}
