//! A stream as the bytes of a WebSocket. (RFC 8441 §5)

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use h2::{RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::delivery::{Delivery, Piece};
use super::streams::Open;
use super::{broken, in_order, release};

/// Most bytes that are handed to the connection at a time.
const PIECE: usize = 16 * 1024;

/// What takes the place of a connection of its own.
pub(super) struct Tunnel {
    output: SendStream<Piece>,
    input: RecvStream,
    /// Came and was not read yet.
    rest: Bytes,
    delivery: Arc<Delivery>,
    /// Our side was ended.
    shut: bool,
    open: Open,
}

impl Tunnel {
    pub(super) fn new(
        output: SendStream<Piece>,
        input: RecvStream,
        delivery: Arc<Delivery>,
        open: Open,
    ) -> Self {
        Self {
            output,
            input,
            rest: Bytes::new(),
            delivery,
            shut: false,
            open,
        }
    }

    fn failed(&mut self, error: h2::Error) -> io::Error {
        if error.is_reset() && error.is_remote() {
            self.open.was_reset();
        }
        if !error.reason().is_some_and(in_order) {
            self.delivery.wire.broke();
        }
        broken(error)
    }

    fn heed(&self) -> io::Result<()> {
        if self.delivery.wire.is_cut() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        if self.delivery.wire.take_recheck() {
            // What came before has been read by the connection.
            self.delivery.wire.present();
        }
        Ok(())
    }

    /// Ends our side, as closing a socket does. (RFC 8441 §5)
    fn end(&mut self) {
        if !std::mem::replace(&mut self.shut, true) {
            // A stream that is reset has ended already.
            let _ = self
                .output
                .send_data(self.delivery.piece(Bytes::new()), true);
        }
    }
}

impl AsyncRead for Tunnel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.heed()?;
        while self.rest.is_empty() {
            match self.input.poll_data(context) {
                Poll::Pending => {
                    self.delivery.wire.register(context);
                    return Poll::Pending;
                }
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(self.failed(error))),
                Poll::Ready(Some(Ok(data))) => self.rest = data,
            }
        }
        let length = self.rest.len().min(buffer.remaining());
        let here = self.rest.split_to(length);
        buffer.put_slice(&here);
        release(&mut self.input, &here);
        if !self.rest.has_remaining() {
            self.rest = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.heed()?;
        ready!(self.delivery.poll_idle(context));
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if self.output.capacity() == 0 {
            self.output.reserve_capacity(1);
            match ready!(self.output.poll_capacity(context)) {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(self.failed(error))),
                None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            }
        }
        let length = bytes.len().min(PIECE);
        let piece = self
            .delivery
            .piece(Bytes::copy_from_slice(&bytes[..length]));
        let sent = self.output.send_data(piece, false);
        Poll::Ready(sent.map(|()| length).map_err(|error| self.failed(error)))
    }

    /// Ready when everything is with the socket, or lost.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.delivery.poll_idle(context).map(Ok)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.delivery.poll_idle(context));
        self.end();
        Poll::Ready(Ok(()))
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.end();
        self.delivery.wire.closed(self.delivery.wire.is_broken());
    }
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tunnel")
            .field("shut", &self.shut)
            .finish_non_exhaustive()
    }
}
