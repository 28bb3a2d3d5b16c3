//! Large reads without a large buffer for each socket.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Most bytes of one read.
const LARGE: usize = 16 * 1024;

thread_local! {
    /// Where reads go before it is known whose they are: one buffer for a thread instead of one for a socket.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; LARGE].into_boxed_slice());
}

/// Reads up to [`LARGE`] bytes at once, however small the buffer is that asks for them.
///
/// tungstenite reads no more at once than its buffer holds, and keeps that buffer while the socket is idle. With a small
/// buffer over this an idle socket costs little, and a long message few system calls.
#[derive(Debug)]
pub(crate) struct LargeReads<S> {
    stream: S,
    /// What was read and not asked for yet.
    rest: Bytes,
}

impl<S> LargeReads<S> {
    pub(crate) const fn new(stream: S) -> Self {
        Self {
            stream,
            rest: Bytes::new(),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for LargeReads<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.rest.is_empty() && buffer.remaining() < LARGE {
            return SCRATCH.with(|scratch| match scratch.try_borrow_mut() {
                Ok(mut scratch) => self.poll_through(context, &mut scratch, buffer),
                // A stream that reads such a stream.
                Err(_) => Pin::new(&mut self.stream).poll_read(context, buffer),
            });
        }
        if self.rest.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let length = buffer.remaining().min(self.rest.len());
        buffer.put_slice(&self.rest[..length]);
        self.rest.advance(length);
        if self.rest.is_empty() {
            // Not only empty: its memory is given back.
            self.rest = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> LargeReads<S> {
    fn poll_through(
        &mut self,
        context: &mut Context<'_>,
        scratch: &mut [u8],
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut read = ReadBuf::new(scratch);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut read))?;
        let read = read.filled();
        let (asked_for, rest) = read.split_at(read.len().min(buffer.remaining()));
        buffer.put_slice(asked_for);
        self.rest = Bytes::copy_from_slice(rest);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for LargeReads<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// What does not fit waits for the next read; the order stays, and nothing is kept once it was asked for.
    #[tokio::test]
    async fn what_does_not_fit_comes_next() {
        let (ours, mut theirs) = tokio::io::duplex(1 << 17);
        let mut reads = LargeReads::new(ours);
        let sent: Vec<u8> = (0..40_000_u32).map(|number| number as u8).collect();
        theirs.write_all(&sent).await.expect("room");
        drop(theirs);
        let mut received = Vec::new();
        for size in [1, 1000, 20_000].into_iter().cycle() {
            let mut buffer = vec![0; size];
            let length = reads.read(&mut buffer).await.expect("no error");
            if length == 0 {
                break;
            }
            received.extend_from_slice(&buffer[..length]);
        }
        assert!(received == sent, "{} of {}", received.len(), sent.len());
        assert!(reads.rest.is_empty());
    }
}
