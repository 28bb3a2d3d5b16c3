//! Response bodies. Streams are pulled by the server: a frame leaves its session at the moment it can be written.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream as Chunks;
use http_body::{Frame as BodyFrame, SizeHint};

use crate::fields::Fixed;
use crate::protocol::{CloseReason, Frame, Framing};
use crate::registry::Receiver;

/// The body of any answer of the gateway.
#[derive(Debug)]
pub struct Body {
    kind: Kind,
    /// What it is, where that is not among the answer's fields.
    content_type: Option<&'static Fixed>,
}

enum Kind {
    /// Known from the start.
    Full(Bytes),
    /// One frame of a polling response.
    Once(Bytes, Receiver),
    /// Frames as they come, each its own chunk.
    Stream(Box<Stream>),
    /// Chunks that belong to no session.
    Chunks(Pin<Box<dyn Chunks<Item = Bytes> + Send>>),
}

struct Stream {
    framing: Box<dyn Framing + Send>,
    /// What is written before the next frame: the prelude, or the rest of a frame that is cut into chunks.
    rest: Bytes,
    /// A frame was taken and is not handed over whole; whether the response ends with it.
    taken: Option<bool>,
    source: Source,
    /// Most bytes of a chunk.
    chunk: usize,
    /// Bytes of frames after which the response ends.
    left: usize,
}

enum Source {
    Receiver(Receiver),
    /// A stream that only tells why there is none.
    Refusal(CloseReason),
    Ended,
}

impl Body {
    const fn of(kind: Kind) -> Self {
        Self {
            kind,
            content_type: None,
        }
    }

    /// The same, with the `Content-Type` field that tells what it is.
    pub(super) const fn typed(mut self, content_type: &'static Fixed) -> Self {
        self.content_type = Some(content_type);
        self
    }

    /// The `Content-Type` that the answer has beside its own fields: one that does not change needs no place in their map.
    pub(crate) const fn content_type(&self) -> Option<&'static Fixed> {
        self.content_type
    }

    /// Nothing.
    pub const fn empty() -> Self {
        Self::of(Kind::Full(Bytes::new()))
    }

    /// Chunks as they come, from elsewhere than a session.
    pub(crate) fn chunks(chunks: impl Chunks<Item = Bytes> + Send + 'static) -> Self {
        Self::of(Kind::Chunks(Box::pin(chunks)))
    }

    /// One frame that `receiver` took. The attachment ends in order when the server takes the bytes; when it drops them
    /// instead, the response provably never left.
    pub(super) fn once(frame: Bytes, receiver: Receiver) -> Self {
        Self::of(Kind::Once(frame, receiver))
    }

    /// Frames from `receiver` until the close frame, or until `limit` bytes of frames were written; or, where there is no
    /// receiver, only the close frame that says why. No chunk is longer than `chunk` bytes.
    pub(super) fn stream(
        framing: impl Framing + Send + 'static,
        receiver: Result<Receiver, CloseReason>,
        limit: usize,
        chunk: usize,
    ) -> Self {
        let rest = framing.prelude().unwrap_or_default();
        let source = receiver.map_or_else(Source::Refusal, Source::Receiver);
        Self::of(Kind::Stream(Box::new(Stream {
            framing: Box::new(framing),
            rest,
            taken: None,
            source,
            chunk,
            left: limit,
        })))
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(content: T) -> Self {
        Self::of(Kind::Full(content.into()))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame<Bytes>, Infallible>>> {
        let chunk = match &mut self.kind {
            Kind::Full(content) if content.is_empty() => None,
            Kind::Full(content) => Some(std::mem::take(content)),
            Kind::Once(..) => {
                let Kind::Once(frame, receiver) =
                    std::mem::replace(&mut self.kind, Kind::Full(Bytes::new()))
                else {
                    return Poll::Ready(None);
                };
                receiver.handed_over(true);
                receiver.finish();
                Some(frame)
            }
            Kind::Stream(stream) => match stream.poll_chunk(context) {
                Poll::Ready(chunk) => chunk,
                Poll::Pending => return Poll::Pending,
            },
            Kind::Chunks(chunks) => match chunks.as_mut().poll_next(context) {
                Poll::Ready(chunk) => chunk,
                Poll::Pending => return Poll::Pending,
            },
        };
        Poll::Ready(chunk.map(|chunk| Ok(BodyFrame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Full(content) => content.is_empty(),
            Kind::Once(..) | Kind::Chunks(_) => false,
            Kind::Stream(stream) => {
                stream.rest.is_empty() && matches!(stream.source, Source::Ended)
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Full(content) | Kind::Once(content, _) => {
                SizeHint::with_exact(content.len() as u64)
            }
            Kind::Stream(_) | Kind::Chunks(_) => SizeHint::default(),
        }
    }
}

impl Stream {
    fn poll_chunk(&mut self, context: &Context<'_>) -> Poll<Option<Bytes>> {
        if self.rest.is_empty() {
            let Some(frame) = std::task::ready!(self.poll_frame(context)) else {
                return Poll::Ready(None);
            };
            self.rest = frame;
        }
        let chunk = self.rest.split_to(self.rest.len().min(self.chunk));
        if self.rest.is_empty()
            && let Some(ends) = self.taken.take()
        {
            self.hand_over(ends);
        }
        Poll::Ready(Some(chunk))
    }

    fn poll_frame(&mut self, context: &Context<'_>) -> Poll<Option<Bytes>> {
        match &mut self.source {
            Source::Ended => Poll::Ready(None),
            Source::Refusal(reason) => {
                let frame = self.framing.encode(&Frame::Close(reason));
                self.source = Source::Ended;
                Poll::Ready(Some(frame))
            }
            Source::Receiver(receiver) => {
                let framing = &self.framing;
                let read = |frame: Frame<'_>| (framing.encode(&frame), frame.is_close());
                let (frame, closes) = std::task::ready!(receiver.poll_frame(context, read));
                self.left = self.left.saturating_sub(frame.len());
                self.taken = Some(closes || self.left == 0 || receiver.gives_way());
                Poll::Ready(Some(frame))
            }
        }
    }

    /// The whole frame that was taken is with the server. A receiver that is dropped before has lost its browser.
    fn hand_over(&mut self, ends: bool) {
        let Source::Receiver(receiver) = &self.source else {
            return;
        };
        receiver.handed_over(ends);
        if ends
            && let Source::Receiver(receiver) = std::mem::replace(&mut self.source, Source::Ended)
        {
            receiver.finish();
        }
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(content) => f.debug_tuple("Full").field(&content.len()).finish(),
            Self::Once(content, _) => f.debug_tuple("Once").field(&content.len()).finish(),
            Self::Stream(_) => f.write_str("Stream"),
            Self::Chunks(_) => f.write_str("Chunks"),
        }
    }
}
