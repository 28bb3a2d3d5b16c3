//! HTTP/1.1 peers keep their connection, and get streams in chunks.

use crate::support::{CLOSE_DEADLINE, PRELUDE, Request, Server, Session};

/// A greeting is delimited by its length or as one chunk, and the connection can be used again.
/// (sockjs-protocol, Http11.test_synchronous)
#[test]
fn test_synchronous() {
    let server = Server::start();
    let mut connection = server.connect();
    let request = Request::get("/echo").header("Connection", "Keep-Alive");
    let head = connection.request(&request);
    assert_eq!(head.status, 200, "{head:?}");
    assert_eq!(head.version, "HTTP/1.1");
    if let Some(connection) = head.header("Connection") {
        assert_eq!(connection.to_ascii_lowercase(), "keep-alive");
    }
    if head.is_chunked() {
        let text = connection.read_chunk(CLOSE_DEADLINE);
        assert_eq!(text.as_deref(), Some(b"Welcome to SockJS!\n".as_slice()));
        assert_eq!(connection.read_chunk(CLOSE_DEADLINE), None);
    } else {
        assert_eq!(head.content_length(), Some(19));
        assert_eq!(connection.read_exact(19), b"Welcome to SockJS!\n");
    }
    connection
        .exchange(&request)
        .assert_is(200, "Welcome to SockJS!\n");
}

/// A stream is chunked, has one frame per chunk, and ends with the zero chunk.
/// (sockjs-protocol, Http11.test_streaming)
#[test]
fn test_streaming() {
    let server = Server::start();
    let request = Request::post(Session::new(&server, "/close").url("/xhr_streaming"))
        .header("Connection", "Keep-Alive");
    let mut stream = server.open_stream(&request);
    assert_eq!(stream.head.version, "HTTP/1.1");
    let coding = stream.head.header("Transfer-Encoding").unwrap_or_default();
    assert_eq!(coding.to_ascii_lowercase(), "chunked");
    assert_eq!(stream.head.header("Content-Length"), None);
    stream.assert_chunk(&PRELUDE);
    stream.assert_chunk("o\n");
    stream.assert_chunk("c[3000,\"Go away!\"]\n");
    stream.assert_ended();
}
