//! A TCP stream that reports what is written and whether the browser is still there, and gives hyper one request at a time.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::registry::{Reservation, Wire};

use super::chunked::ChunkEnd;
use super::http10::{Seen, Suspect, modernise};
use super::phase::{Phase, PhaseCell};

/// The bytes of one connection.
///
/// While hyper expects a request's head, it gets bytes up to the head's end only; what came behind waits here until it is
/// asked for. So nothing is buffered inside hyper when a receiver parks: hyper goes on reading, sees the end of the
/// connection, and a request that was pipelined behind the parked one is noticed.
///
/// An end of the stream is passed on when a receiver is parked (it has lost its browser) or when no request is being
/// answered; a request that is answered at once is answered to a half-closed connection too.
pub(super) struct WatchedStream {
    stream: TcpStream,
    wire: Arc<Wire>,
    phase: Arc<PhaseCell>,
    /// Bytes read but not passed on yet, and how many of them were.
    held: Vec<u8>,
    passed: usize,
    head_end: HeadEnd,
    suspect: Suspect,
    /// Largest head that is kept to see whether it is a handshake in HTTP/1.0.
    max_head: usize,
    chunk_end: ChunkEnd,
    broken: bool,
    /// Held for as long as the socket, through an upgrade too.
    _place: Reservation,
}

impl WatchedStream {
    pub(super) fn new(
        stream: TcpStream,
        wire: Arc<Wire>,
        phase: Arc<PhaseCell>,
        place: Reservation,
        max_head: usize,
    ) -> Self {
        Self {
            stream,
            wire,
            phase,
            held: Vec::new(),
            passed: 0,
            head_end: HeadEnd::default(),
            suspect: Suspect::default(),
            max_head,
            chunk_end: ChunkEnd::default(),
            broken: false,
            _place: place,
        }
    }

    /// Looks at the socket without taking anything from it: `false` at its end.
    fn peek(&self) -> io::Result<bool> {
        let mut byte = [MaybeUninit::<u8>::uninit()];
        match SockRef::from(&self.stream).peek(&mut byte) {
            Ok(length) => Ok(length > 0),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn written(&mut self, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if matches!(outcome, Poll::Ready(Ok(1..))) {
            self.wire.wrote();
            self.phase.wrote();
        }
        self.checked(outcome)
    }

    fn checked<T>(&mut self, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if matches!(outcome, Poll::Ready(Err(_))) {
            self.broken = true;
            self.wire.broke();
        }
        outcome
    }

    fn cut(&self) -> io::Result<()> {
        if self.wire.is_cut() {
            Err(io::ErrorKind::ConnectionAborted.into())
        } else {
            Ok(())
        }
    }

    /// Before the answer of a request that waited is written: a browser that is gone will not read it, and its kernel only
    /// says so afterwards.
    fn check_reader(&mut self) -> io::Result<()> {
        self.cut()?;
        if self.wire.is_answering_parked() && !self.peek().unwrap_or(false) {
            self.broken = true;
            self.wire.broke();
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    }

    /// Fills `buffer` from what was held back, or from the socket.
    fn poll_bytes(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.held.is_empty() {
            let outcome = Pin::new(&mut self.stream).poll_read(context, buffer);
            return self.checked(outcome);
        }
        let rest = &self.held[self.passed..];
        let length = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..length]);
        self.passed += length;
        if self.passed == self.held.len() {
            self.held = Vec::new();
            self.passed = 0;
        }
        Poll::Ready(Ok(()))
    }

    /// Takes back what `buffer` holds behind its first `kept` bytes.
    fn hold_back(&mut self, buffer: &mut ReadBuf<'_>, kept: usize) {
        let behind = &buffer.filled()[kept..];
        if !behind.is_empty() {
            self.held = [behind, &self.held[self.passed..]].concat();
            self.passed = 0;
            buffer.set_filled(kept);
        }
    }

    /// While a request is answered: hyper gets the rest of its body and nothing of what follows.
    fn poll_body(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if !self.held.is_empty() && self.wire.owed() == Some(0) {
            self.wire.keep_next(context);
            return Poll::Pending;
        }
        ready!(self.poll_bytes(context, buffer))?;
        let received = buffer.filled().len() - before;
        if received == 0 {
            if !self.wire.may_keep_end() {
                return Poll::Ready(Ok(()));
            }
            // A request that does not wait is answered first; hyper is woken to ask again after that.
            self.wire.keep_end();
            return Poll::Pending;
        }
        let owed = self.wire.owed();
        let body = match owed {
            Some(owed) => {
                let body = received.min(owed);
                self.wire.owes(owed - body);
                body
            }
            None => match self.chunk_end.find(&buffer.filled()[before..]) {
                Some(end) => {
                    self.wire.owes(0);
                    end
                }
                None => received,
            },
        };
        self.hold_back(buffer, before + body);
        if owed != Some(0) {
            return Poll::Ready(Ok(()));
        }
        self.wire.keep_next(context);
        Poll::Pending
    }

    /// While a head is expected: hyper gets no more than that.
    fn poll_head(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let before = buffer.filled().len();
            ready!(self.poll_bytes(context, buffer))?;
            let piece = &buffer.filled()[before..];
            if piece.is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.phase.set(Phase::Head);
            let end = self.head_end.find(piece);
            if self.suspect.look(piece) == Seen::Ordinary {
                if let Some(end) = end {
                    self.chunk_end = ChunkEnd::default();
                    self.suspect = Suspect::default();
                    self.hold_back(buffer, before + end);
                }
                return Poll::Ready(Ok(()));
            }
            let length = piece.len();
            buffer.set_filled(before);
            if let Some(mut head) = self.suspect.clear(end.is_some(), self.max_head) {
                if let Some(end) = end {
                    let whole = head.len() - length + end;
                    if modernise(&mut head[..whole]) {
                        self.wire.handshake_was_http10();
                    }
                }
                // Read again from here, as an ordinary head.
                head.extend_from_slice(&self.held[self.passed..]);
                self.held = head;
                self.passed = 0;
                self.head_end = HeadEnd::default();
            }
        }
    }
}

/// Finds the empty line that ends a head, in a stream of pieces. Lines may end with LF alone, as hyper takes them.
/// (RFC 9112 §2.2)
#[derive(Debug, Default)]
enum HeadEnd {
    /// Within a line.
    #[default]
    Line,
    /// Behind an LF.
    Newline,
    /// Behind LF CR.
    Return,
}

impl HeadEnd {
    /// Index behind the end of the head in `piece`; starts anew afterwards.
    fn find(&mut self, piece: &[u8]) -> Option<usize> {
        let mut at = 0;
        loop {
            match (&self, piece.get(at)) {
                (_, None) => return None,
                (Self::Line, Some(_)) => {
                    at += memchr::memchr(b'\n', &piece[at..])? + 1;
                    *self = Self::Newline;
                }
                (Self::Newline, Some(b'\r')) => {
                    at += 1;
                    *self = Self::Return;
                }
                (Self::Newline | Self::Return, Some(b'\n')) => {
                    *self = Self::Line;
                    return Some(at + 1);
                }
                (Self::Newline | Self::Return, Some(_)) => *self = Self::Line,
            }
        }
    }
}

impl AsyncRead for WatchedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.cut()?;
        if self.wire.take_recheck() {
            match self.peek() {
                Ok(true) => self.wire.present(),
                Ok(false) => return Poll::Ready(Ok(())),
                Err(error) => return self.checked(Poll::Ready(Err(error))),
            }
        }
        let outcome = match self.phase.get() {
            Phase::New | Phase::Head | Phase::Idle => self.poll_head(context, buffer),
            Phase::Busy => self.poll_body(context, buffer),
            Phase::Upgraded => self.poll_bytes(context, buffer),
        };
        if outcome.is_pending() {
            self.wire.register(context);
        }
        outcome
    }
}

impl AsyncWrite for WatchedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check_reader()?;
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check_reader()?;
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.written(outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Called when everything handed over was written.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire.flushed();
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Drop for WatchedStream {
    fn drop(&mut self) {
        // An answer that met a closed socket is refused with a reset, which may come after the end was read.
        let broken = self.broken || !matches!(SockRef::from(&self.stream).take_error(), Ok(None));
        self.wire.closed(broken);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The end of a head is found however the bytes are cut.
    #[test]
    fn head_end_is_found_across_pieces() {
        let bytes = b"GET / HTTP/1.1\r\nA: b\r\r\n\r\nrest\r\n\r\nLF\n\nmixed\n\r\n";
        let ends = [25, 33, 37, 45];
        for size in 1..=bytes.len() {
            let mut head_end = HeadEnd::default();
            let mut found = Vec::new();
            for (index, piece) in bytes.chunks(size).enumerate() {
                let mut at = 0;
                while let Some(end) = head_end.find(&piece[at..]) {
                    at += end;
                    found.push(index * size + at);
                }
            }
            assert_eq!(found, ends, "pieces of {size}");
        }
    }
}
