//! A TCP stream that reports what is written and whether the browser is still there, and gives hyper one request at a time.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use memchr::memmem;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::registry::{Reservation, Wire};

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
    ) -> Self {
        Self {
            stream,
            wire,
            phase,
            held: Vec::new(),
            passed: 0,
            head_end: HeadEnd::default(),
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

    fn checked<T>(&mut self, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if matches!(outcome, Poll::Ready(Err(_))) {
            self.broken = true;
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

    /// Takes back what lies behind the end of the head in `buffer`, of which `before` bytes are older.
    fn hold_back(&mut self, buffer: &mut ReadBuf<'_>, before: usize) {
        let Some(end) = self.head_end.find(&buffer.filled()[before..]) else {
            return;
        };
        self.wire.head_ended();
        let behind = &buffer.filled()[before + end..];
        if behind.is_empty() {
            return;
        }
        self.held = [behind, &self.held[self.passed..]].concat();
        self.passed = 0;
        buffer.set_filled(before + end);
    }
}

/// Finds CR LF CR LF in a stream of pieces.
#[derive(Debug, Default)]
struct HeadEnd {
    /// How many of the four bytes the pieces so far ended with.
    matched: usize,
}

impl HeadEnd {
    const END: &'static [u8; 4] = b"\r\n\r\n";

    /// Index behind the end of the head in `piece`; starts anew afterwards.
    fn find(&mut self, piece: &[u8]) -> Option<usize> {
        let mut at = 0;
        while self.matched > 0 && at < piece.len() {
            self.step(piece[at]);
            at += 1;
            if self.matched == Self::END.len() {
                self.matched = 0;
                return Some(at);
            }
        }
        if let Some(found) = memmem::find(&piece[at..], Self::END) {
            self.matched = 0;
            return Some(at + found + Self::END.len());
        }
        piece[at.max(piece.len().saturating_sub(3))..]
            .iter()
            .for_each(|&byte| self.step(byte));
        None
    }

    fn step(&mut self, byte: u8) {
        self.matched = match byte {
            byte if byte == Self::END[self.matched] => self.matched + 1,
            b'\r' => 1,
            _ => 0,
        };
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
        let before = buffer.filled().len();
        let outcome = self.poll_bytes(context, buffer);
        let received = buffer.filled().len() > before;
        match &outcome {
            Poll::Pending => self.wire.register(context),
            Poll::Ready(Ok(())) if received => match self.phase.get() {
                Phase::New | Phase::Idle | Phase::Head => {
                    self.phase.set(Phase::Head);
                    self.hold_back(buffer, before);
                }
                Phase::Busy => self.wire.received(context, buffer.filled().len() - before),
                Phase::Upgraded => {}
            },
            // The end. A request that does not wait is answered first; hyper asks again after that.
            Poll::Ready(Ok(())) if self.phase.get() == Phase::Busy && self.wire.may_hide_end() => {
                self.wire.register(context);
                self.wire.hide_end();
                return Poll::Pending;
            }
            Poll::Ready(_) => {}
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
        self.checked(outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check_reader()?;
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.checked(outcome)
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
        let bytes = b"GET / HTTP/1.1\r\nA: b\r\r\n\r\nrest\r\n\r\n";
        let ends = [25, 33];
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
