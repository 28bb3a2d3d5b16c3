//! What answers tell the proxies they pass.

use crate::carriers::CARRIERS;
use crate::fixture::{OPEN, echo_server};
use crate::support::{Request, Session};

/// Proxies are asked neither to buffer nor to transform what comes frame by frame. (nginx, `X-Accel-Buffering`; RFC 9111
/// §5.2.2.6, `no-transform`)
#[test]
fn receiving_answers_are_neither_buffered_nor_transformed() {
    let server = echo_server("");
    for carrier in CARRIERS {
        let session = Session::new(&server, "/echo");
        let head = server.connect().request(&carrier.request(&session));
        head.assert_not_cached();
        let buffering = head.header("X-Accel-Buffering");
        assert_eq!(buffering, Some("no"), "{}", carrier.suffix);
    }
}

/// No answer is compressed, whatever the browser accepts: a compressor holds frames back. Streams say so, because proxies
/// that compress leave alone what has an encoding. (RFC 9110 §8.4)
#[test]
fn answers_are_not_compressed() {
    let server = echo_server("");
    let everything = "gzip, deflate, br, zstd, *";
    for carrier in CARRIERS {
        let session = Session::new(&server, "/echo");
        let request = carrier
            .request(&session)
            .header("Accept-Encoding", everything);
        let head = server.connect().request(&request);
        let expected = (!carrier.polls).then_some("identity");
        assert_eq!(
            head.header("Content-Encoding"),
            expected,
            "{}",
            carrier.suffix
        );
    }
    let info = Request::get("/echo/info").header("Accept-Encoding", everything);
    assert_eq!(server.request(&info).head.header("Content-Encoding"), None);
}

/// Answers that depend on the origin say so to caches between. (RFC 9110 §12.5.5)
#[test]
fn answers_that_depend_on_the_origin_say_so() {
    let server = echo_server("");
    for origin in [None, Some("https://app.example.com")] {
        for path in ["/echo/info", "/echo/000/s/eventsource"] {
            let mut request = Request::get(path);
            if let Some(origin) = origin {
                request = request.header("Origin", origin);
            }
            let head = server.connect().request(&request);
            assert_eq!(head.header("Vary"), Some("Origin"), "{path}");
        }
    }
}

/// The first frame is there at once, in a chunk of its own behind a prelude that opens what browsers and proxies keep back.
/// (sockjs-client gives a transport some hundred milliseconds)
#[test]
fn open_frame_follows_the_prelude_at_once() {
    let server = echo_server("");
    for carrier in CARRIERS.iter().filter(|carrier| !carrier.polls) {
        let session = Session::new(&server, "/echo");
        let start = crate::support::now();
        let mut stream = server.open_stream(&carrier.request(&session));
        let prelude = stream.read_chunk();
        let least = if carrier.suffix == "/eventsource" {
            2
        } else {
            1025
        };
        assert!(
            prelude.len() >= least,
            "{}: {}",
            carrier.suffix,
            prelude.len()
        );
        stream.assert_chunk(&carrier.wrap("o"));
        assert!(start.elapsed() < std::time::Duration::from_millis(300));
    }
}

/// A reconnecting stream gets its prelude again. (sockjs-protocol, `HandlingClose.test_close_frame`)
#[test]
fn every_stream_has_a_prelude() {
    let server = echo_server("response_limit = 1");
    for carrier in CARRIERS.iter().filter(|carrier| !carrier.polls) {
        let session = Session::new(&server, "/echo");
        let mut preludes = Vec::new();
        for expected in ["o", "a[\"x\"]"] {
            if expected != "o" {
                session.send("[\"x\"]");
            }
            let mut stream = server.open_stream(&carrier.request(&session));
            preludes.push(stream.read_chunk());
            stream.assert_chunk(&carrier.wrap(expected));
            stream.assert_ended();
        }
        assert_eq!(preludes[0], preludes[1], "{}", carrier.suffix);
    }
    server.post("/echo/000/last/xhr").assert_is(200, OPEN);
}
