//! What became of the bytes of a stream: handed to the connection, on the socket, or lost with the stream.
//!
//! h2 does not tell, but it drops a piece of data when it is done with it: with nothing left in it, or with what was never
//! written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use futures_util::task::AtomicWaker;

use crate::registry::Wire;

/// One stream's way out. There is one piece on it at a time.
#[derive(Debug, Default)]
pub(super) struct Delivery {
    /// For the receivers of the stream.
    pub(super) wire: Arc<Wire>,
    /// A piece is with the connection.
    pending: AtomicBool,
    /// Some of it was written since somebody looked.
    progressed: AtomicBool,
    task: AtomicWaker,
}

impl Delivery {
    /// A piece of data for h2.
    pub(super) fn piece(self: &Arc<Self>, bytes: Bytes) -> Piece {
        self.pending.store(true, Ordering::Release);
        Piece {
            bytes,
            delivery: Arc::clone(self),
        }
    }

    /// Ready when no piece is with the connection.
    pub(super) fn poll_idle(&self, context: &Context<'_>) -> Poll<()> {
        if !self.pending.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        self.task.register(context.waker());
        if self.pending.load(Ordering::Acquire) {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }

    /// Whether bytes were written since the last call.
    pub(super) fn take_progress(&self) -> bool {
        self.progressed.swap(false, Ordering::Relaxed)
    }
}

/// Data of a stream, with h2 until it is written or never will be.
#[derive(Debug)]
pub(super) struct Piece {
    bytes: Bytes,
    delivery: Arc<Delivery>,
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        self.delivery.progressed.store(true, Ordering::Relaxed);
        self.delivery.wire.wrote();
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        if self.bytes.is_empty() {
            self.delivery.wire.flushed();
        } else {
            self.delivery.wire.broke();
        }
        self.delivery.pending.store(false, Ordering::Release);
        self.delivery.task.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_idle(delivery: &Delivery) -> bool {
        let waker = futures_util::task::noop_waker();
        delivery.poll_idle(&Context::from_waker(&waker)).is_ready()
    }

    /// What was written whole has left; what is dropped before has not.
    #[test]
    fn pieces_tell_what_became_of_them() {
        let delivery = Arc::new(Delivery::default());
        let mut piece = delivery.piece(Bytes::from_static(b"abc"));
        assert!(!is_idle(&delivery));
        piece.advance(3);
        assert!(delivery.take_progress() && !delivery.take_progress());
        drop(piece);
        assert!(is_idle(&delivery) && !delivery.wire.is_broken());
        let mut piece = delivery.piece(Bytes::from_static(b"abc"));
        piece.advance(2);
        drop(piece);
        assert!(is_idle(&delivery) && delivery.wire.is_broken());
    }
}
