//! What the suite's bytes go over on their way to the server: `SOCKJS_OVER`.

pub(super) mod http2;
pub(super) mod tls;

use std::env;
use std::thread;

/// What is between the tests and the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// Nothing.
    Tcp,
    /// The suite's connections are in TLS.
    Tls,
    /// A relay turns the suite's requests into streams of one connection of HTTP/2.
    Http2,
}

/// The tests that HTTP/2 leaves out, because they are about HTTP/1 itself, and what of it. They go over TCP then.
const ABOUT_HTTP1: [(&str, &str); 5] = [
    ("Http10::test_synchronous", "version"),
    ("Http10::test_streaming", "version"),
    ("Http11::test_synchronous", "keep-alive"),
    ("Http11::test_streaming", "chunks"),
    ("Websocket::test_haproxy", "Hixie-76"),
];

impl Over {
    /// As `SOCKJS_OVER` says: `tls`, `http2`, or TCP without it.
    #[track_caller]
    pub(super) fn for_this_test() -> Self {
        let Some(value) = env::var_os("SOCKJS_OVER") else {
            return Self::Tcp;
        };
        match value.to_str() {
            Some("tls") => Self::Tls,
            Some("http2") if is_about_http1() => Self::Tcp,
            Some("http2") => Self::Http2,
            _ => {
                panic!("SOCKJS_OVER is {value:?}; say tls or http2, or leave it out for plain TCP")
            }
        }
    }
}

/// The test harness names the thread of a test after it.
fn is_about_http1() -> bool {
    let thread = thread::current();
    ABOUT_HTTP1
        .iter()
        .any(|(test, _)| thread.name() == Some(*test))
}
