//! One SockJS session on the server under test, driven over its HTTP transports.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

use super::connection::Stream;
use super::http::{Request, Response};
use super::server::Server;

/// First chunk of every `xhr_streaming` response: 2048 times `h` and a line feed.
pub(crate) static PRELUDE: LazyLock<String> = LazyLock::new(|| "h".repeat(2048) + "\n");

/// A session URL `/<service>/000/<random id>`, so that tests can run again and at once.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    server: &'a Server,
    /// Relative to the server: `/echo/000/4f1c…`.
    pub(crate) path: String,
}

impl<'a> Session<'a> {
    /// Nothing is sent yet.
    pub(crate) fn new(server: &'a Server, service: &str) -> Self {
        Self {
            server,
            path: format!("{service}/000/{}", random_id()),
        }
    }

    /// The path of one of the session's URLs; `suffix` starts with `/`.
    pub(crate) fn url(&self, suffix: &str) -> String {
        format!("{}{suffix}", self.path)
    }

    #[track_caller]
    pub(crate) fn get(&self, suffix: &str) -> Response {
        self.server.get(&self.url(suffix))
    }

    #[track_caller]
    pub(crate) fn post(&self, suffix: &str, body: impl Into<Vec<u8>>) -> Response {
        self.server
            .request(&Request::post(self.url(suffix)).body(body))
    }

    /// `POST …/xhr`.
    #[track_caller]
    pub(crate) fn poll(&self) -> Response {
        self.server.post(&self.url("/xhr"))
    }

    /// `POST …/xhr_send`, which must be taken: 204 and no body.
    #[track_caller]
    pub(crate) fn send(&self, messages: &str) {
        self.post("/xhr_send", messages).assert_is(204, "");
    }

    /// `POST …/jsonp_send` as a form.
    #[track_caller]
    pub(crate) fn send_form(&self, form: &str) -> Response {
        let content_type = "application/x-www-form-urlencoded";
        let request = Request::post(self.url("/jsonp_send")).header("Content-Type", content_type);
        self.server.request(&request.body(form))
    }

    /// `GET` of a streaming transport.
    #[track_caller]
    pub(crate) fn open_stream(&self, suffix: &str) -> Stream {
        self.server.open_stream(&Request::get(self.url(suffix)))
    }

    /// `POST …/xhr_streaming` with its prelude already checked and taken.
    #[track_caller]
    pub(crate) fn open_xhr_streaming(&self) -> Stream {
        let mut stream = self
            .server
            .open_stream(&Request::post(self.url("/xhr_streaming")));
        stream.assert_chunk(&PRELUDE);
        stream
    }
}

/// 16 random hexadecimal digits.
pub(crate) fn random_id() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}

/// Gives the server time to attach a poll that was just sent. A parked poll shows nothing on the wire,
/// so no event can be waited for; the official suite pauses as long.
pub(crate) fn wait_until_receiver_is_attached() {
    thread::sleep(Duration::from_millis(250));
}
