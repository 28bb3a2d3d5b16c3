//! The bytes that come on a connection: read without memory of their own, and the body of a request among them.

use std::cell::RefCell;
use std::io;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use tokio::io::ReadBuf;

use crate::transport::{BodyError, PieceSender, RequestBody, pieces};

use super::chunked::{Broken, Chunked};
use super::head::BodyLength;
use super::socket::Socket;

/// Bytes that are read at a time.
const READ: usize = 16 * 1024;
/// Longest piece of a body: a message of 64 KiB in its brackets is one.
const PIECE: usize = 68 * 1024;

thread_local! {
    /// Where bytes are read to, before it is known how many they are: a connection that waits keeps no buffer.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ]);
}

/// Appends what has come to `input`; their number, 0 at the end.
pub(super) fn poll_more(
    socket: &mut Socket,
    context: &mut Context<'_>,
    input: &mut Bytes,
) -> Poll<io::Result<usize>> {
    SCRATCH.with_borrow_mut(|scratch| {
        let mut buffer = ReadBuf::new(scratch);
        ready!(socket.poll_receive(context, &mut buffer))?;
        let more = buffer.filled();
        if input.is_empty() {
            *input = Bytes::copy_from_slice(more);
        } else {
            let grown = std::mem::take(input).try_into_mut();
            let mut grown = grown.unwrap_or_else(|shared| BytesMut::from(&shared[..]));
            grown.extend_from_slice(more);
            *input = grown.freeze();
        }
        Poll::Ready(Ok(more.len()))
    })
}

/// The rest of a request's body.
#[derive(Debug)]
pub(super) struct Incoming {
    coding: Coding,
    sender: PieceSender,
    /// The piece that is being read.
    piece: BytesMut,
}

#[derive(Debug)]
enum Coding {
    /// So many bytes are still to come, those in `piece` not counted.
    Known(u64),
    Chunked(Chunked),
}

/// What came of looking for more of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fed {
    /// Its reader has got so many bytes.
    Piece(usize),
    /// It is complete.
    Complete,
    /// It cannot be read to its end, and its reader knows.
    Broken,
}

impl Incoming {
    /// The body whose first bytes, or all, are in `input`; and what is still to come of it.
    pub(super) fn begin(length: BodyLength, input: &mut Bytes) -> (RequestBody, Option<Self>) {
        let (length, coding) = match length {
            BodyLength::Known(length) => {
                if let Ok(whole) = usize::try_from(length)
                    && whole <= input.len()
                {
                    return (RequestBody::Whole(input.split_to(whole)), None);
                }
                (Some(length), Coding::Known(length))
            }
            BodyLength::Chunked => match whole_chunked(input) {
                Some(whole) => return (RequestBody::Whole(whole), None),
                None => (None, Coding::Chunked(Chunked::default())),
            },
        };
        let (sender, body) = pieces(length);
        let rest = Self {
            coding,
            sender,
            piece: BytesMut::new(),
        };
        (RequestBody::Pieces(body), Some(rest))
    }

    /// Whether its reader has asked for it.
    pub(super) fn is_asked(&self) -> bool {
        self.sender.is_asked()
    }

    /// Whether its reader waits for it, or nobody will read it.
    pub(super) fn is_wanted(&self) -> bool {
        self.is_asked() || self.sender.is_abandoned()
    }

    /// Reads on, if it is wanted. An error is the connection's.
    pub(super) fn poll(
        &mut self,
        socket: &mut Socket,
        context: &mut Context<'_>,
        input: &mut Bytes,
    ) -> Poll<io::Result<Fed>> {
        loop {
            if !self.is_wanted() {
                return Poll::Pending;
            }
            let read = match &mut self.coding {
                Coding::Known(0) => {
                    self.hand_on();
                    return Poll::Ready(Ok(Fed::Complete));
                }
                Coding::Known(_) if self.piece.len() >= PIECE => {
                    self.hand_on();
                    return Poll::Ready(Ok(Fed::Piece(PIECE)));
                }
                Coding::Known(left) => {
                    let room =
                        (PIECE - self.piece.len()).min(usize::try_from(*left).unwrap_or(PIECE));
                    self.piece.reserve(room);
                    let read = if input.is_empty() {
                        ready!(socket.poll_receive_into(context, &mut self.piece, room))?
                    } else {
                        let here = input.split_to(room.min(input.len()));
                        self.piece.extend_from_slice(&here);
                        here.len()
                    };
                    *left -= read as u64;
                    read
                }
                Coding::Chunked(chunked) => match chunked.next(input) {
                    Ok(Some(data)) => {
                        let length = data.len();
                        self.sender.send(Ok(data));
                        return Poll::Ready(Ok(Fed::Piece(length)));
                    }
                    Ok(None) if *chunked == Chunked::Ended => {
                        return Poll::Ready(Ok(Fed::Complete));
                    }
                    Ok(None) => ready!(poll_more(socket, context, input))?,
                    Err(Broken) => return Poll::Ready(Ok(self.fail("not the chunked coding"))),
                },
            };
            if read == 0 {
                return Poll::Ready(Ok(self.fail("the connection ended before it")));
            }
        }
    }

    fn hand_on(&mut self) {
        let piece = std::mem::take(&mut self.piece);
        if !piece.is_empty() {
            self.sender.send(Ok(piece.freeze()));
        }
    }

    fn fail(&self, why: &'static str) -> Fed {
        self.sender.send(Err(BodyError::new(why)));
        Fed::Broken
    }
}

/// A chunked body that is complete in `input`, which it is taken from.
fn whole_chunked(input: &mut Bytes) -> Option<Bytes> {
    let mut chunked = Chunked::default();
    let mut rest = input.clone();
    let mut whole = Bytes::new();
    while let Some(data) = chunked.next(&mut rest).ok()? {
        whole = if whole.is_empty() {
            data
        } else {
            [whole, data].concat().into()
        };
    }
    (chunked == Chunked::Ended).then(|| {
        *input = rest;
        whole
    })
}
