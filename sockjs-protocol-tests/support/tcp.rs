//! What only a peer that misbehaves, or a careful observer, does with a TCP connection: half-close, reset, stop in the
//! middle, look for silence.

use std::io::{ErrorKind, Write};
use std::time::Duration;

use super::connection::{Connection, Stream};
use super::deadline::{ANSWER_DEADLINE, Deadline};

impl Connection {
    /// Sends `bytes`; false when the server has closed or reset the connection.
    pub(crate) fn try_send_raw(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Limits how long one write may block on a server that does not read.
    pub(crate) fn limit_writes(&self, limit: Duration) {
        self.stream
            .tcp()
            .set_write_timeout(Some(limit))
            .expect("a socket takes a timeout");
    }

    /// Sends FIN: nothing more comes from us, but we still read.
    #[track_caller]
    pub(crate) fn finish_sending(&mut self) {
        self.stream
            .finish_sending()
            .expect("an open connection can be half-closed");
    }

    /// Ends the connection with RST instead of FIN (`SO_LINGER` 0).
    #[track_caller]
    pub(crate) fn reset(self) {
        socket2::SockRef::from(self.stream.tcp())
            .set_linger(Some(Duration::ZERO))
            .expect("a socket takes SO_LINGER");
    }

    /// Makes the kernel take few bytes that nobody reads. To be called before data comes.
    #[track_caller]
    pub(crate) fn shrink_receive_buffer(&self) {
        socket2::SockRef::from(self.stream.tcp())
            .set_recv_buffer_size(4096)
            .expect("a socket takes SO_RCVBUF");
    }

    /// Whether something came, or the connection ended, within `limit`. Takes nothing.
    pub(crate) fn has_news(&mut self, limit: Duration) -> bool {
        if !self.received.is_empty() {
            return true;
        }
        !matches!(
            self.try_fill(Deadline::after(limit)),
            Err(ErrorKind::WouldBlock | ErrorKind::TimedOut)
        )
    }

    /// The server sends nothing, and leaves the connection open, for `time`.
    #[track_caller]
    pub(crate) fn assert_silent(&mut self, time: Duration) {
        assert!(
            !self.has_news(time),
            "closed, or bytes nobody asked for: {:?}",
            String::from_utf8_lossy(&self.received)
        );
    }

    /// Everything that comes until the connection ends, by FIN or RST, which must be within `limit`.
    #[track_caller]
    pub(crate) fn read_until_ended(&mut self, limit: Duration) -> String {
        let deadline = Deadline::after(limit);
        loop {
            match self.try_fill(deadline) {
                Ok(true) => {}
                Err(ErrorKind::WouldBlock | ErrorKind::TimedOut) => panic!(
                    "the server has not closed within {limit:?}; it sent {:?}",
                    self.shown()
                ),
                Ok(false) | Err(_) => break,
            }
        }
        String::from_utf8_lossy(&std::mem::take(&mut self.received)).into_owned()
    }

    /// Everything that comes within `time`, or until the connection ends; whether it ended.
    pub(crate) fn read_for(&mut self, time: Duration) -> (String, bool) {
        let deadline = Deadline::after(time);
        let ended = loop {
            match self.try_fill(deadline) {
                Ok(true) => {}
                Err(ErrorKind::WouldBlock | ErrorKind::TimedOut) => break false,
                Ok(false) | Err(_) => break true,
            }
        };
        let bytes = std::mem::take(&mut self.received);
        (String::from_utf8_lossy(&bytes).into_owned(), ended)
    }

    fn shown(&self) -> String {
        let end = self.received.len().min(500);
        String::from_utf8_lossy(&self.received[..end]).into_owned()
    }
}

impl Stream {
    /// The next chunk as text; `None` when the response ends with the zero chunk.
    #[track_caller]
    pub(crate) fn next_chunk(&mut self) -> Option<String> {
        let chunk = self.connection.read_chunk(ANSWER_DEADLINE)?;
        Some(String::from_utf8(chunk).expect("a chunk is text"))
    }
}
