//! Which receiver is told what when a session closes or a receiver disappears.

use crate::support::{Request, Server, Session, Stream, wait_until_receiver_is_attached};

const STILL_OPEN: &str = "c[2010,\"Another connection still open\"]\n";
const GO_AWAY: &str = "c[3000,\"Go away!\"]\n";
const INTERRUPTED: &str = "c[1002,\"Connection interrupted\"]\n";

/// The close frame ends the stream, and the next stream is told the same, not that one is still open.
/// (sockjs-protocol, HandlingClose.test_close_frame)
#[test]
fn test_close_frame() {
    let server = Server::start();
    let session = Session::new(&server, "/close");
    let mut first = session.open_xhr_streaming();
    first.assert_chunk("o\n");
    first.assert_chunk(GO_AWAY);
    let mut second = session.open_xhr_streaming();
    second.assert_chunk(GO_AWAY);
    first.assert_ended();
    second.assert_ended();
}

/// A second receiver is refused and ended, and the first one keeps the session.
/// (sockjs-protocol, HandlingClose.test_close_request)
#[test]
fn test_close_request() {
    let server = Server::start();
    let session = Session::new(&server, "/echo");
    let mut first = session.open_xhr_streaming();
    first.assert_chunk("o\n");
    assert_refused(session.open_xhr_streaming());

    session.send(r#"["x"]"#);
    first.assert_chunk("a[\"x\"]\n");
}

/// A stream that breaks takes its session along: the next receiver, even an immediate one, finds a new
/// session or code 1002. (sockjs-protocol, HandlingClose.test_abort_xhr_streaming)
#[test]
fn test_abort_xhr_streaming() {
    let server = Server::start();
    let session = Session::new(&server, "/echo");
    let mut first = session.open_xhr_streaming();
    first.assert_chunk("o\n");
    assert_refused(session.open_xhr_streaming());

    drop(first);
    let frame = session.open_xhr_streaming().read_chunk();
    assert_fresh_or_interrupted(&frame);
}

/// The same for a poll that breaks while it waits.
/// (sockjs-protocol, HandlingClose.test_abort_xhr_polling)
#[test]
fn test_abort_xhr_polling() {
    let server = Server::start();
    let session = Session::new(&server, "/echo");
    session.poll().assert_is(200, "o\n");
    let mut first = server.connect();
    first.send(&Request::post(session.url("/xhr")));
    wait_until_receiver_is_attached();
    session.poll().assert_is(200, STILL_OPEN);

    drop(first);
    let response = session.poll();
    assert_eq!(response.head.status, 200);
    assert_fresh_or_interrupted(&response.body);
}

#[track_caller]
fn assert_refused(mut second: Stream) {
    second.assert_chunk(STILL_OPEN);
    second.assert_ended();
}

#[track_caller]
fn assert_fresh_or_interrupted(frame: &[u8]) {
    let frame = String::from_utf8_lossy(frame);
    assert!(
        ["o\n", INTERRUPTED].contains(&frame.as_ref()),
        "{frame:?} after the previous receiver broke"
    );
}
