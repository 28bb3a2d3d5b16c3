//! `/<server>/<session>/eventsource`.

use crate::support::{Server, Session};

/// An event stream starts with an empty line, is never cached, and has one event per frame and chunk.
/// (sockjs-protocol, EventSource.test_transport)
#[test]
fn test_transport() {
    let server = Server::start();
    let session = Session::new(&server, "/echo");
    let mut stream = session.open_stream("/eventsource");
    stream.head.assert_content_type("text/event-stream");
    stream.head.assert_not_cached();
    stream.assert_chunk("\r\n");
    stream.assert_chunk("data: o\r\n\r\n");
    session.send(r#"["x"]"#);
    stream.assert_chunk("data: a[\"x\"]\r\n\r\n");
    // Blanks at the edges survive, and control characters cannot break the event.
    session.send(r#"["  \u0000\n\r "]"#);
    stream.assert_chunk("data: a[\"  \\u0000\\n\\r \"]\r\n\r\n");
}

/// A message longer than the limit arrives whole, then the response ends and the session goes on in the
/// next one. (sockjs-protocol, EventSource.test_response_limit)
#[test]
fn test_response_limit() {
    let server = Server::start();
    let session = Session::new(&server, "/echo");
    let mut stream = session.open_stream("/eventsource");
    stream.assert_chunk("\r\n");
    stream.assert_chunk("data: o\r\n\r\n");
    let messages = format!("[\"{}\"]", "x".repeat(4096));
    session.send(&messages);
    stream.assert_chunk(&format!("data: a{messages}\r\n\r\n"));
    stream.assert_ended();

    session.send(r#"["y"]"#);
    let mut next = session.open_stream("/eventsource");
    next.assert_chunk("\r\n");
    next.assert_chunk("data: a[\"y\"]\r\n\r\n");
}
