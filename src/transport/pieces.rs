//! A request's body that comes after its head: the server hands in pieces, a transport reads them.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::sync::mpsc;

use super::request::BodyError;

/// The reader's end.
pub struct Pieces {
    received: mpsc::Receiver<Result<Bytes, BodyError>>,
    asked: Arc<AtomicBool>,
    /// Bytes still to come, where that is declared.
    left: Option<u64>,
}

/// The server's end. Dropping it ends the body.
#[derive(Debug)]
pub struct PieceSender {
    sender: mpsc::Sender<Result<Bytes, BodyError>>,
    asked: Arc<AtomicBool>,
}

/// A body of `length` bytes, or of unknown length.
pub fn pieces(length: Option<u64>) -> (PieceSender, Pieces) {
    let (sender, received) = mpsc::channel(1);
    let asked = Arc::new(AtomicBool::new(false));
    let sender = PieceSender {
        sender,
        asked: Arc::clone(&asked),
    };
    let pieces = Pieces {
        received,
        asked,
        left: length,
    };
    (sender, pieces)
}

impl PieceSender {
    /// Whether the reader waits for a piece now. Without this, none is read from the connection.
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed) && self.sender.capacity() > 0
    }

    /// Whether nobody will read what is still to come.
    pub fn is_abandoned(&self) -> bool {
        self.sender.is_closed()
    }

    /// Hands in the next piece, or why there is none. Only when [`Self::is_asked`]; otherwise it is dropped.
    pub fn send(&self, piece: Result<Bytes, BodyError>) {
        // A reader that has gone does not want it.
        let _ = self.sender.try_send(piece);
    }
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.asked.store(true, Ordering::Relaxed);
        let piece = std::task::ready!(self.received.poll_recv(context));
        if let (Some(Ok(piece)), Some(left)) = (&piece, &mut self.left) {
            *left = left.saturating_sub(piece.len() as u64);
        }
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.left
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl fmt::Debug for Pieces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pieces")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}
