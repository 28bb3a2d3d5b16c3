//! A stream that reports what is written and whether the browser is still there.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

use crate::registry::{Reservation, Wire};

use super::gate::Place;
use super::stream::Stream;

/// Bytes that are read at most to see whether a browser on TLS is still there.
const LOOK: usize = 512;

/// The bytes of one connection, as HTTP and, after an upgrade, as whatever it was upgraded to.
#[derive(Debug)]
pub(super) struct Socket {
    stream: Stream,
    wire: Arc<Wire>,
    /// Read before it was upgraded, or to see whether the browser is there, and not taken yet.
    held: Bytes,
    broken: bool,
    /// Held for as long as the socket.
    place: Place,
}

impl Socket {
    pub(super) fn new(stream: Stream, wire: Arc<Wire>, place: Place) -> Self {
        Self {
            stream,
            wire,
            held: Bytes::new(),
            broken: false,
            place,
        }
    }

    /// The same, with bytes in front of those that are still to come.
    pub(super) fn with_held(mut self, held: Bytes) -> Self {
        if self.held.is_empty() {
            self.held = held;
        } else if !held.is_empty() {
            self.held = [held, std::mem::take(&mut self.held)].concat().into();
        }
        self
    }

    /// What further places are taken from.
    pub(super) fn places(&self) -> Reservation {
        self.place.further()
    }

    /// Takes what is held into `buffer`.
    fn take_held(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        if self.held.is_empty() {
            return false;
        }
        let length = self.held.len().min(buffer.remaining());
        buffer.put_slice(&self.held[..length]);
        self.held.advance(length);
        if self.held.is_empty() {
            // Not only empty: its memory is given back.
            self.held = Bytes::new();
        }
        true
    }

    /// Reads into `buffer`; 0 is the end.
    pub(super) fn poll_receive(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.take_held(buffer) {
            return Poll::Ready(Ok(()));
        }
        let outcome = Pin::new(&mut self.stream).poll_read(context, buffer);
        let outcome = self.ended_silently(outcome, ());
        self.checked(outcome)
    }

    /// Many end TLS without saying so; HTTP and WebSocket know by themselves what is complete. (RFC 9112 §9.8)
    fn ended_silently<T>(&self, outcome: Poll<io::Result<T>>, end: T) -> Poll<io::Result<T>> {
        match outcome {
            Poll::Ready(Err(error))
                if self.stream.is_secured() && error.kind() == io::ErrorKind::UnexpectedEof =>
            {
                Poll::Ready(Ok(end))
            }
            outcome => outcome,
        }
    }

    /// Reads at most `limit` bytes to the end of `buffer`, which has room for them; their number, 0 at the end.
    pub(super) fn poll_receive_into(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut BytesMut,
        limit: usize,
    ) -> Poll<io::Result<usize>> {
        if !self.held.is_empty() {
            let here = self.held.split_to(limit.min(self.held.len()));
            buffer.extend_from_slice(&here);
            return Poll::Ready(Ok(here.len()));
        }
        let mut buffer = buffer.limit(limit);
        let outcome = pin!(self.stream.read_buf(&mut buffer)).poll(context);
        let outcome = self.ended_silently(outcome, 0);
        self.checked(outcome)
    }

    /// Looks whether the browser is still there, when somebody asks; an error when it is not, or when the connection is to
    /// end.
    pub(super) fn heed(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        self.cut()?;
        if !self.wire.take_recheck() {
            return Ok(());
        }
        match self.peek(context) {
            Ok(true) => {
                self.wire.present();
                Ok(())
            }
            Ok(false) => Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) => self.failed(error),
        }
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
    fn check_reader(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        self.cut()?;
        if self.wire.is_answering_parked() && !self.peek(context).unwrap_or(false) {
            return self.failed(io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    }

    /// Looks whether the browser is still there, without losing anything that it sent: `false` when it has ended its side.
    fn peek(&mut self, context: &mut Context<'_>) -> io::Result<bool> {
        if !self.held.is_empty() {
            return Ok(true);
        }
        if self.stream.is_secured() {
            // The end may be said by TLS, which only reading shows.
            let mut bytes = [0; LOOK];
            let mut buffer = ReadBuf::new(&mut bytes);
            let read = Pin::new(&mut self.stream).poll_read(context, &mut buffer);
            return match self.ended_silently(read, ()) {
                Poll::Pending => Ok(true),
                Poll::Ready(read) => {
                    self.held = Bytes::copy_from_slice(buffer.filled());
                    read.map(|()| !self.held.is_empty())
                }
            };
        }
        let mut byte = [MaybeUninit::<u8>::uninit()];
        match self.stream.socket().peek(&mut byte) {
            Ok(length) => Ok(length > 0),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn written(&mut self, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if matches!(outcome, Poll::Ready(Ok(1..))) {
            self.wire.wrote();
        }
        self.checked(outcome)
    }

    fn checked<T>(&mut self, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match outcome {
            Poll::Ready(Err(error)) => Poll::Ready(self.failed(error)),
            other => other,
        }
    }

    fn failed<T>(&mut self, error: io::Error) -> io::Result<T> {
        self.broken = true;
        self.wire.broke();
        Err(error)
    }
}

/// For what it was upgraded to.
impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.take_held(buffer) {
            return Poll::Ready(Ok(()));
        }
        match self.heed(context) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Poll::Ready(Ok(()));
            }
            heeded => heeded?,
        }
        let outcome = self.poll_receive(context, buffer);
        if outcome.is_pending() {
            self.wire.register(context);
        }
        outcome
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check_reader(context)?;
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check_reader(context)?;
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.written(outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Called when everything handed over was written.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        self.wire.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // An answer that met a closed socket is refused with a reset, which may come after the end was read.
        let broken = self.broken || !matches!(self.stream.socket().take_error(), Ok(None));
        self.wire.closed(broken);
    }
}
