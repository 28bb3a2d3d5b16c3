//! The HTTP transports that receive, as a table: URL, method, and how each wraps a frame.

use std::thread;
use std::time::Duration;

use crate::support::{Connection, Request, Server, Session, Stream};

/// One receiving HTTP transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Carrier {
    pub(crate) suffix: &'static str,
    pub(crate) method: &'static str,
    /// One frame per response, instead of many.
    pub(crate) polls: bool,
    pub(crate) before: &'static str,
    pub(crate) after: &'static str,
    /// The frame stands in a JavaScript string.
    pub(crate) script: bool,
}

pub(crate) const XHR: Carrier = Carrier {
    suffix: "/xhr",
    method: "POST",
    polls: true,
    before: "",
    after: "\n",
    script: false,
};
pub(crate) const XHR_STREAMING: Carrier = Carrier {
    suffix: "/xhr_streaming",
    polls: false,
    ..XHR
};
pub(crate) const EVENTSOURCE: Carrier = Carrier {
    suffix: "/eventsource",
    method: "GET",
    polls: false,
    before: "data: ",
    after: "\r\n\r\n",
    script: false,
};
pub(crate) const HTMLFILE: Carrier = Carrier {
    suffix: "/htmlfile?c=_jp.a1",
    method: "GET",
    polls: false,
    before: "<script>\np(\"",
    after: "\");\n</script>\r\n",
    script: true,
};
pub(crate) const JSONP: Carrier = Carrier {
    suffix: "/jsonp?c=_jp.a1",
    method: "GET",
    polls: true,
    before: "/**/_jp.a1(\"",
    after: "\");\r\n",
    script: true,
};

pub(crate) const CARRIERS: [Carrier; 5] = [XHR, XHR_STREAMING, EVENTSOURCE, HTMLFILE, JSONP];

impl Carrier {
    pub(crate) fn request(&self, session: &Session<'_>) -> Request {
        let body = (self.method == "POST").then(Vec::new);
        Request::new(self.method, session.url(self.suffix), body)
    }

    /// The bytes that carry `frame`.
    pub(crate) fn wrap(&self, frame: &str) -> String {
        let frame = if self.script {
            frame.replace('\\', "\\\\").replace('"', "\\\"")
        } else {
            frame.to_owned()
        };
        format!("{}{frame}{}", self.before, self.after)
    }

    /// What stands between the delimiters of one wrapped frame.
    #[track_caller]
    pub(crate) fn payload<'a>(&self, wrapped: &'a str) -> &'a str {
        wrapped
            .strip_prefix(self.before)
            .and_then(|rest| rest.strip_suffix(self.after))
            .unwrap_or_else(|| panic!("{wrapped:?} is not one frame of {}", self.suffix))
    }

    /// A streaming response with its prelude already taken.
    #[track_caller]
    pub(crate) fn open(&self, server: &Server, session: &Session<'_>) -> Stream {
        assert!(!self.polls, "{} does not stream", self.suffix);
        let mut stream = server.open_stream(&self.request(session));
        stream.read_chunk();
        stream
    }

    /// The first frame of a response of its own, wrapped. A stream is dropped, and so aborted, after it.
    #[track_caller]
    pub(crate) fn first_frame(&self, server: &Server, session: &Session<'_>) -> String {
        let bytes = if self.polls {
            let response = server.request(&self.request(session));
            assert_eq!(response.head.status, 200, "{response:?}");
            response.body
        } else {
            self.open(server, session).read_chunk()
        };
        String::from_utf8(bytes).expect("a frame is text")
    }

    /// The wrapped frames of a session, over as many responses as it takes.
    pub(crate) fn reader<'a>(&self, server: &'a Server, session: &'a Session<'a>) -> Reader<'a> {
        Reader {
            carrier: *self,
            server,
            session,
            stream: None,
            connection: None,
            gap: Duration::ZERO,
            responses: 0,
        }
    }
}

/// Reads frames as a browser does: a response that ends is followed by the next request.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    carrier: Carrier,
    server: &'a Server,
    session: &'a Session<'a>,
    stream: Option<Stream>,
    connection: Option<Connection>,
    /// Pause before the next stream.
    pub(crate) gap: Duration,
    /// Responses begun.
    pub(crate) responses: usize,
}

impl Reader<'_> {
    /// The next frame, wrapped.
    #[track_caller]
    pub(crate) fn next_frame(&mut self) -> String {
        if self.carrier.polls {
            let request = self.carrier.request(self.session);
            let connection = self.connection.get_or_insert_with(|| self.server.connect());
            let response = connection.exchange(&request);
            self.responses += 1;
            assert_eq!(response.head.status, 200, "{response:?}");
            return String::from_utf8(response.body).expect("a frame is text");
        }
        loop {
            let stream = self.stream.get_or_insert_with(|| {
                thread::sleep(self.gap);
                self.responses += 1;
                self.carrier.open(self.server, self.session)
            });
            if let Some(chunk) = stream.next_chunk() {
                return chunk;
            }
            self.stream = None;
        }
    }
}
