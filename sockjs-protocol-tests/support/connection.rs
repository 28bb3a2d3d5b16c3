//! A small blocking HTTP end over a socket, which hides nothing: raw sends, chunks one by one, EOF. It panics on
//! malformed HTTP.

use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use super::deadline::{ANSWER_DEADLINE, CLOSE_DEADLINE, Deadline};
use super::http::{Head, Request, Response};
use super::server::Address;
use super::socket::Socket;

/// One connection to the server under test. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(super) stream: Socket,
    address: Address,
    /// Bytes received and not yet taken.
    pub(super) received: Vec<u8>,
}

impl Connection {
    #[track_caller]
    pub(crate) fn open(address: &Address) -> Self {
        Self {
            stream: Socket::connect(address),
            address: address.clone(),
            received: Vec::new(),
        }
    }

    #[track_caller]
    pub(crate) fn send(&mut self, request: &Request) {
        self.send_raw(&request.encode(&self.address));
    }

    #[track_caller]
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) {
        self.stream
            .write_all(bytes)
            .expect("the server takes our bytes");
    }

    /// Sends `request` and reads the status line and the headers of the answer.
    #[track_caller]
    pub(crate) fn request(&mut self, request: &Request) -> Head {
        self.send(request);
        self.read_head()
    }

    #[track_caller]
    pub(crate) fn read_head(&mut self) -> Head {
        let deadline = Deadline::after(ANSWER_DEADLINE);
        let status_line = self.read_line(deadline);
        // RFC 9112 §4: the space after the code stays even when the reason is empty.
        let mut parts = status_line.splitn(3, ' ');
        let (Some(version), Some(status), Some(_reason)) =
            (parts.next(), parts.next(), parts.next())
        else {
            panic!("bad status line {status_line:?}");
        };
        assert!(
            matches!(version, "HTTP/1.0" | "HTTP/1.1") && status.len() == 3,
            "bad status line {status_line:?}"
        );
        let status = status.parse().expect("the status is a number");
        let mut headers = Vec::new();
        loop {
            let line = self.read_line(deadline);
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').expect("a header line has a colon");
            assert!(
                !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()),
                "bad header line {line:?}"
            );
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        Head {
            version: version.to_owned(),
            status,
            headers,
        }
    }

    /// Sends `request` and reads the whole response.
    #[track_caller]
    pub(crate) fn exchange(&mut self, request: &Request) -> Response {
        self.send(request);
        self.read_response(request)
    }

    /// Reads the whole response to `request`, which has been sent.
    #[track_caller]
    pub(crate) fn read_response(&mut self, request: &Request) -> Response {
        let head = self.read_head();
        let body = self.read_body(request, &head);
        Response { head, body }
    }

    /// Reads the body that belongs to `head`, by chunks, by length, or up to EOF.
    ///
    /// Panics when the response says nothing about its end, as the official harness does.
    #[track_caller]
    fn read_body(&mut self, request: &Request, head: &Head) -> Vec<u8> {
        if head.is_chunked() {
            let mut body = Vec::new();
            while let Some(chunk) = self.read_chunk(ANSWER_DEADLINE) {
                body.extend(chunk);
            }
            return body;
        }
        match head.content_length() {
            Some(0) | None => {}
            Some(length) => return self.read_exact(length),
        }
        if head.closes() {
            return self.read_to_end(ANSWER_DEADLINE);
        }
        let may_be_unframed =
            matches!(head.status, 204 | 304) || (head.status == 200 && request.method == "OPTIONS");
        assert!(
            may_be_unframed || head.content_length() == Some(0),
            "neither chunked nor Content-Length nor Connection: close: {head:?}"
        );
        self.assert_no_stray_bytes();
        Vec::new()
    }

    /// One chunk, or `None` for the zero chunk that ends the body.
    #[track_caller]
    pub(crate) fn read_chunk(&mut self, limit: Duration) -> Option<Vec<u8>> {
        let deadline = Deadline::after(limit);
        let size = self.read_line(deadline);
        let length = usize::from_str_radix(&size, 16).expect("a chunk starts with its size");
        let chunk = self.take_exact(length, deadline);
        assert_eq!(self.read_line(deadline), "", "a chunk ends with CR LF");
        (length > 0).then_some(chunk)
    }

    #[track_caller]
    pub(crate) fn read_exact(&mut self, length: usize) -> Vec<u8> {
        self.take_exact(length, Deadline::after(ANSWER_DEADLINE))
    }

    /// Everything up to the end of the connection, which must come within `limit`.
    #[track_caller]
    pub(crate) fn read_to_end(&mut self, limit: Duration) -> Vec<u8> {
        let deadline = Deadline::after(limit);
        while self.fill(deadline) {}
        std::mem::take(&mut self.received)
    }

    /// The server must close within [`CLOSE_DEADLINE`] and send nothing more.
    #[track_caller]
    pub(crate) fn assert_closed(&mut self) {
        let rest = self.read_to_end(CLOSE_DEADLINE);
        assert_eq!(
            String::from_utf8_lossy(&rest),
            "",
            "bytes after the response"
        );
    }

    /// Nothing may follow a response without a body: what comes next on this connection is the answer
    /// to a further request, or its end.
    #[track_caller]
    fn assert_no_stray_bytes(&mut self) {
        let last = Request::get("/echo").header("Connection", "close");
        // A server may have closed the connection already: then there is nothing to see.
        let _ = self.stream.write_all(&last.encode(&self.address));
        let deadline = Deadline::after(ANSWER_DEADLINE);
        let expected = b"HTTP/1.";
        while self.received.len() < expected.len() {
            match self.try_fill(deadline) {
                Ok(true) => {}
                Ok(false) | Err(_) => break,
            }
        }
        let shown = &self.received[..self.received.len().min(expected.len())];
        assert!(
            shown.is_empty() || shown == expected,
            "stray bytes after a response without a body: {:?}",
            String::from_utf8_lossy(&self.received)
        );
    }

    #[track_caller]
    fn read_line(&mut self, deadline: Deadline) -> String {
        loop {
            if let Some(end) = self.received.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.received.drain(..=end).collect();
                let line = line.strip_suffix(b"\r\n").expect("a line ends with CR LF");
                return String::from_utf8(line.to_vec()).expect("a header line is text");
            }
            assert!(
                self.fill(deadline),
                "connection closed in the middle of a line: {:?}",
                String::from_utf8_lossy(&self.received)
            );
        }
    }

    #[track_caller]
    fn take_exact(&mut self, length: usize, deadline: Deadline) -> Vec<u8> {
        while self.received.len() < length {
            assert!(
                self.fill(deadline),
                "connection closed after {} of {length} bytes",
                self.received.len()
            );
        }
        self.received.drain(..length).collect()
    }

    /// Waits for more bytes; false at EOF. Panics when the deadline passes or the connection breaks.
    #[track_caller]
    fn fill(&mut self, deadline: Deadline) -> bool {
        match self.try_fill(deadline) {
            Ok(more) => more,
            Err(ErrorKind::WouldBlock | ErrorKind::TimedOut) => panic!(
                "the server neither sent what it owes nor closed in time; left over: {:?}",
                String::from_utf8_lossy(&self.received)
            ),
            Err(error) => panic!("connection broken: {error}"),
        }
    }

    pub(super) fn try_fill(&mut self, deadline: Deadline) -> Result<bool, ErrorKind> {
        let left = deadline.remaining().ok_or(ErrorKind::TimedOut)?;
        self.stream.limit_reads(left);
        let mut bytes = [0; 16 * 1024];
        let count = self.stream.read(&mut bytes).map_err(|error| error.kind())?;
        self.received.extend_from_slice(&bytes[..count]);
        Ok(count > 0)
    }
}

/// A streaming response that is still open. Dropping it aborts it.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) head: Head,
    pub(crate) connection: Connection,
}

impl Stream {
    /// The next chunk, which must be exactly `expected`: every frame is a chunk of its own.
    #[track_caller]
    pub(crate) fn assert_chunk(&mut self, expected: &str) {
        assert_eq!(String::from_utf8_lossy(&self.read_chunk()), expected);
    }

    /// The next chunk. Panics when the response ends instead.
    #[track_caller]
    pub(crate) fn read_chunk(&mut self) -> Vec<u8> {
        self.connection
            .read_chunk(ANSWER_DEADLINE)
            .expect("the response goes on")
    }

    /// The response must end now, with the zero chunk, and the connection too if it was announced.
    #[track_caller]
    pub(crate) fn assert_ended(&mut self) {
        if let Some(chunk) = self.connection.read_chunk(CLOSE_DEADLINE) {
            panic!(
                "chunk instead of the end: {:?}",
                String::from_utf8_lossy(&chunk)
            );
        }
        if self.head.closes() {
            self.connection.assert_closed();
        }
    }
}

/// Sends `request` on a connection of its own and reads the whole response.
#[track_caller]
pub(crate) fn exchange(address: &Address, request: &Request) -> Response {
    Connection::open(address).exchange(request)
}

/// Sends `request` on a connection of its own; the answer must be a chunked response.
#[track_caller]
pub(crate) fn open_stream(address: &Address, request: &Request) -> Stream {
    let mut connection = Connection::open(address);
    let head = connection.request(request);
    assert_eq!(head.status, 200, "{head:?}");
    assert!(
        head.is_chunked(),
        "a streaming response is chunked: {head:?}"
    );
    Stream { head, connection }
}
