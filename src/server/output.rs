//! What is to be written: put together in one place, written in one system call, and kept only where the socket is full.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use tokio::io::AsyncWrite as _;

use super::encode::{self, BodyCoding};
use super::socket::Socket;

/// Data up to this length is copied behind its head: cheaper than handing the system several pieces.
const COPIED: usize = 8 * 1024;
/// A batch of this length is written before more is asked for.
const FULL: usize = 16 * 1024;
/// Capacity that is kept for the next batch.
const KEPT: usize = 64 * 1024;

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Bytes that are written together.
pub(super) struct Batch {
    bytes: Vec<u8>,
    /// Data that is not copied, and where it stands in `bytes`.
    large: Option<(usize, Bytes)>,
}

impl Batch {
    pub(super) fn new() -> Self {
        Self {
            bytes: SCRATCH.take(),
            large: None,
        }
    }

    /// Where heads are written to.
    pub(super) const fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Whether it is to be written before more is added.
    pub(super) const fn is_full(&self) -> bool {
        self.large.is_some() || self.bytes.len() >= FULL
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.large.is_none() && self.bytes.is_empty()
    }

    /// A part of a body.
    pub(super) fn data(&mut self, data: Bytes, coding: BodyCoding) {
        let chunked = coding == BodyCoding::Chunked;
        if chunked {
            encode::chunk_size(data.len(), &mut self.bytes);
        }
        if data.len() <= COPIED {
            self.bytes.extend_from_slice(&data);
        } else {
            self.large = Some((self.bytes.len(), data));
        }
        if chunked {
            self.bytes.extend_from_slice(encode::CHUNK_END);
        }
    }

    /// The end of a body.
    pub(super) fn end(&mut self, coding: BodyCoding) {
        if coding == BodyCoding::Chunked {
            self.bytes.extend_from_slice(encode::LAST_CHUNK);
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        if bytes.capacity() <= KEPT {
            bytes.clear();
            SCRATCH.set(bytes);
        }
    }
}

/// What the socket had no room for.
#[derive(Debug, Default)]
pub(super) struct Output {
    pieces: VecDeque<Bytes>,
    /// The socket took all, and TLS has not given it on yet.
    unflushed: bool,
}

impl Output {
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty() && !self.unflushed
    }

    /// Bytes that are not written yet.
    pub(super) fn remaining(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }

    /// Adds to what is to be written.
    pub(super) fn push(&mut self, bytes: Bytes) {
        self.pieces.push_back(bytes);
    }

    /// Writes `batch`, after what is there already; ready when all is written.
    pub(super) fn poll_send(
        &mut self,
        batch: &mut Batch,
        socket: &mut Socket,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let mut written = 0;
        if self.is_empty() && batch.large.is_none() {
            while written < batch.bytes.len() {
                match Pin::new(&mut *socket).poll_write(context, &batch.bytes[written..]) {
                    Poll::Ready(length) => written += some(length?)?,
                    Poll::Pending => break,
                }
            }
            if written == batch.bytes.len() {
                batch.bytes.clear();
                return self.poll_flush(socket, context);
            }
        }
        let (before, data, after) = match batch.large.take() {
            None => (&batch.bytes[written..], Bytes::new(), &[][..]),
            Some((at, data)) => (&batch.bytes[..at], data, &batch.bytes[at..]),
        };
        for piece in [
            Bytes::copy_from_slice(before),
            data,
            Bytes::copy_from_slice(after),
        ] {
            if !piece.is_empty() {
                self.pieces.push_back(piece);
            }
        }
        batch.bytes.clear();
        self.poll(socket, context)
    }

    /// Writes on; ready when all is written.
    pub(super) fn poll(
        &mut self,
        socket: &mut Socket,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.pieces.is_empty() {
            let mut slices = [IoSlice::new(&[]); 8];
            let count = self.pieces.len().min(slices.len());
            for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
                *slice = IoSlice::new(piece);
            }
            let written = Pin::new(&mut *socket).poll_write_vectored(context, &slices[..count]);
            let mut written = some(ready!(written)?)?;
            while let Some(first) = self.pieces.front_mut() {
                let here = written.min(first.len());
                first.advance(here);
                written -= here;
                if !first.is_empty() {
                    break;
                }
                self.pieces.pop_front();
            }
        }
        // Not only empty: its memory is given back.
        self.pieces = VecDeque::new();
        self.poll_flush(socket, context)
    }

    fn poll_flush(
        &mut self,
        socket: &mut Socket,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let flushed = Pin::new(socket).poll_flush(context);
        self.unflushed = flushed.is_pending();
        flushed
    }
}

/// A socket that takes nothing will never take anything.
fn some(written: usize) -> io::Result<usize> {
    if written == 0 {
        Err(io::ErrorKind::WriteZero.into())
    } else {
        Ok(written)
    }
}
