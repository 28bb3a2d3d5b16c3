//! Requests that two readers could cut differently end the connection, with one answer at most. (RFC 9112 §11.2;
//! CVE-2021-32715 and others)

use crate::fixture::{echo_server, opened};
use crate::support::{ANSWER_DEADLINE, Request};

/// Runs `shape`, which gets the path of the session's `xhr_send` for its own request and the text of a second, smuggled one.
///
/// The first request may be answered, if it is refused or the connection ends; the second must not be.
#[track_caller]
fn assert_not_smuggled(what: &str, shape: impl Fn(&str, &str) -> String) {
    let server = echo_server("");
    let session = opened(&server, "/echo");
    let send = session.url("/xhr_send");
    let smuggled = String::from_utf8(
        Request::post(send.as_str())
            .body("[\"smuggled\"]")
            .encode(&server.address),
    )
    .expect("our request is text");
    let mut connection = server.connect();
    connection.send_raw(shape(&send, &smuggled).as_bytes());
    connection.finish_sending();
    let answers = connection.read_until_ended(ANSWER_DEADLINE);
    assert!(
        answers.matches("HTTP/1.1 ").count() <= 1,
        "{what}: {answers}"
    );
    session.send("[\"end\"]");
    let received = session.poll();
    let received = String::from_utf8_lossy(&received.body);
    assert!(!received.contains("smuggled"), "{what}: {received}");
    server.assert_alive();
}

/// Both lengths: the message is ambiguous, and is refused or at least the last on its connection. (RFC 9112 §6.3)
#[test]
fn content_length_beside_transfer_encoding_smuggles_nothing() {
    assert_not_smuggled("CL, TE", |path, smuggled| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"
        )
    });
    assert_not_smuggled("TE, CL", |path, smuggled| {
        let body = format!("0\r\n\r\n{smuggled}");
        format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    });
}

/// Several lengths, or one that is no number. (RFC 9112 §6.3)
#[test]
fn odd_content_lengths_smuggle_nothing() {
    for field in [
        "Content-Length: 0\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 0",
        "Content-Length: 0, 5",
        "Content-Length: +0",
        "Content-Length: -0",
        "Content-Length: 0x0",
        "Content-Length: 0 0",
        "Content-Length: ",
        "Content-Length: 99999999999999999999999",
        "Content-Length : 0",
        "Content-Length\t: 0",
        " Content-Length: 0",
        "Content_Length: 500\r\nContent-Length: 1e0",
    ] {
        assert_not_smuggled(field, |path, smuggled| {
            format!("POST {path} HTTP/1.1\r\nHost: x\r\n{field}\r\n\r\n{smuggled}")
        });
    }
}

/// A transfer coding that is not exactly `chunked`. (RFC 9112 §6.1)
#[test]
fn odd_transfer_encodings_smuggle_nothing() {
    for field in [
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity, chunked, identity",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding:\u{b}chunked",
        "Transfer-Encoding:\r\n chunked",
        "X: y\r\n Transfer-Encoding: chunked",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: chunked;x",
    ] {
        assert_not_smuggled(field, |path, smuggled| {
            format!("POST {path} HTTP/1.1\r\nHost: x\r\n{field}\r\n\r\n0\r\n\r\n{smuggled}")
        });
    }
}

/// A coding in HTTP/1.0 is a fault. (RFC 9112 §6.1)
#[test]
fn transfer_encoding_in_http10_smuggles_nothing() {
    assert_not_smuggled("HTTP/1.0", |path, smuggled| {
        format!(
            "POST {path} HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"
        )
    });
}

/// Chunks with sizes or ends that are none. (RFC 9112 §7.1)
#[test]
fn broken_chunks_smuggle_nothing() {
    for chunks in [
        "x\r\n\r\n0\r\n\r\n",
        "-1\r\n\r\n0\r\n\r\n",
        "+0\r\n\r\n",
        "0x0\r\n\r\n",
        "\r\n0\r\n\r\n",
        " 0\r\n\r\n",
        "5\r\n[\"x\"]0\r\n\r\n",
        "5\r\n[\"x\"]XX0\r\n\r\n",
        "5\n[\"x\"]\n0\n\n",
        "5\r[\"x\"]\r\n0\r\n\r\n",
        "ffffffffffffffff\r\n[]\r\n0\r\n\r\n",
        "10000000000000000\r\n\r\n0\r\n\r\n",
        "5;a\nb\r\n[\"x\"]\r\n0\r\n\r\n",
        "0\r\nBad Trailer\r\n\r\n",
        "0\r\n\n",
        "0\r\nX: y\n\n",
        "0\r\nX: y\n\r\n",
    ] {
        assert_not_smuggled(chunks, |path, smuggled| {
            format!(
                "POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}{smuggled}"
            )
        });
    }
}

/// Lines that end, or fields that begin, where only some readers see it. (RFC 9112 §2.2, §5)
#[test]
fn odd_lines_smuggle_nothing() {
    for lines in [
        "X: y\rContent-Length: 0",
        "X\r\n: y",
        ": y",
        "X y",
        "X: a\0b",
        "X: a\u{7f}b\r\n\r",
        "X: y\r\n\tContent-Length: 0",
    ] {
        assert_not_smuggled(lines, |path, smuggled| {
            let length = smuggled.len();
            format!(
                "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n{lines}\r\n\r\n{smuggled}"
            )
        });
    }
}

/// A request line with blanks too many, too few, or of another kind. (RFC 9112 §3)
#[test]
fn odd_request_lines_smuggle_nothing() {
    for (before, after) in [
        ("POST  ", " HTTP/1.1"),
        ("POST\t", " HTTP/1.1"),
        (" POST ", " HTTP/1.1"),
        ("POST ", "  HTTP/1.1"),
        ("POST ", " x HTTP/1.1"),
        ("POST ", " HTTP/1.1 "),
        ("POST ", " http/1.1"),
        ("POST ", " HTTP/1.10"),
        ("POST ", " HTTP/01.1"),
        ("POST ", "\u{b}HTTP/1.1"),
        ("PO ST ", " HTTP/1.1"),
    ] {
        assert_not_smuggled(&format!("{before:?} {after:?}"), |path, smuggled| {
            let length = smuggled.len();
            format!(
                "{before}{path}{after}\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{smuggled}"
            )
        });
    }
}

/// Where a handshake is refused, what follows is either its body or a request, never both; with a body it is refused.
#[test]
fn body_of_a_handshake_smuggles_nothing() {
    for path in ["/echo/websocket", "/echo/000/x/websocket"] {
        assert_not_smuggled(path, |_, smuggled| {
            format!(
                "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nContent-Length: {}\r\n\r\n{smuggled}",
                smuggled.len()
            )
        });
    }
}

/// What comes behind an accepted handshake is WebSocket, not a request.
#[test]
fn request_behind_a_handshake_is_no_request() {
    assert_not_smuggled("upgraded", |_, smuggled| {
        format!(
            "GET /echo/000/x/websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n{smuggled}"
        )
    });
}
