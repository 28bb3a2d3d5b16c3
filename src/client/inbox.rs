//! What comes in of one session, frame by frame. Nothing is read before it is asked for.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::stream::{SplitStream, Stream as _};
use tokio::time::Sleep;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{self, error::CapacityError};

use crate::protocol::{CloseReason, Message};

use super::frames::{FrameError, ServerFrame, Unwrapper, Wrapping};
use super::shared::{Place, Shared};
use super::transport::Transport;
use crate::outward::Connection;
use crate::outward::{Link, dial};

/// Wait before an event stream is asked for again, as in sockjs-client; and before anything is after an answer without a
/// frame, so that a broken server is not asked in a tight loop.
const PAUSE: Duration = Duration::from_millis(200);
/// Bytes of a refusal's body that are shown.
const MAX_REFUSAL: usize = 200;

/// The receiving end of a session.
#[derive(Debug)]
pub(super) enum Inbox {
    Http(Box<HttpInbox>),
    Socket(SocketInbox),
}

impl Inbox {
    /// The next frame. A WebSocket's Ping is one, of the kind of a heartbeat.
    ///
    /// # Errors
    /// How the session ended; nothing can be read after that.
    pub(super) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
        shared: &Shared,
    ) -> Poll<Result<ServerFrame, CloseReason>> {
        match self {
            Self::Http(inbox) => inbox.poll_frame(context, shared),
            Self::Socket(inbox) => inbox.poll_frame(context),
        }
    }

    /// Lets the closing handshake of a WebSocket go as far as it can without waiting.
    pub(super) fn settle(&mut self) {
        if let Self::Socket(inbox) = self {
            let mut context = Context::from_waker(std::task::Waker::noop());
            for _ in 0..4 {
                match Pin::new(&mut inbox.stream).poll_next(&mut context) {
                    Poll::Ready(Some(Ok(_))) => {}
                    _ => return,
                }
            }
        }
    }
}

fn broken(error: FrameError) -> CloseReason {
    let code = match error {
        FrameError::Broken => 1002,
        FrameError::TooBig => 1009,
    };
    CloseReason::new(code, error.text())
}

/// The end of a connection that nobody meant.
pub(super) fn lost(what: impl std::fmt::Display) -> CloseReason {
    CloseReason::new(1006, what.to_string())
}

/// A WebSocket's.
#[derive(Debug)]
pub(super) struct SocketInbox {
    stream: SplitStream<WebSocketStream<Link>>,
    /// Without SockJS. Its first frame is made up: the handshake opens it.
    raw: bool,
    is_open: bool,
}

impl SocketInbox {
    pub(super) const fn new(stream: SplitStream<WebSocketStream<Link>>, raw: bool) -> Self {
        Self {
            stream,
            raw,
            is_open: false,
        }
    }

    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Result<ServerFrame, CloseReason>> {
        if self.raw && !self.is_open {
            self.is_open = true;
            return Poll::Ready(Ok(ServerFrame::Open));
        }
        loop {
            let received = ready!(Pin::new(&mut self.stream).poll_next(context));
            return Poll::Ready(match received {
                Some(Ok(tungstenite::Message::Text(text))) if self.raw => {
                    // Checked when it was read: the text is UTF-8.
                    let text = bytestring::ByteString::try_from(bytes::Bytes::from(text));
                    text.map(|text| ServerFrame::Messages(vec![Message::Text(text)]))
                        .map_err(lost)
                }
                Some(Ok(tungstenite::Message::Binary(bytes))) if self.raw => {
                    Ok(ServerFrame::Messages(vec![Message::Binary(bytes)]))
                }
                Some(Ok(tungstenite::Message::Text(text))) => match ServerFrame::parse(&text) {
                    Ok(Some(frame)) => Ok(frame),
                    Ok(None) => continue,
                    Err(error) => Err(broken(error)),
                },
                Some(Ok(tungstenite::Message::Binary(_))) => Err(broken(FrameError::Broken)),
                Some(Ok(tungstenite::Message::Ping(_))) => Ok(ServerFrame::Heartbeat),
                Some(Ok(tungstenite::Message::Close(frame))) => Err(match frame {
                    Some(frame) => CloseReason::new(u16::from(frame.code), frame.reason.as_str()),
                    // "No status received". (RFC 6455 §7.4.1)
                    None => CloseReason::new(1005, ""),
                }),
                Some(Ok(_)) => continue,
                Some(Err(tungstenite::Error::Capacity(CapacityError::MessageTooLong {
                    ..
                }))) => Err(broken(FrameError::TooBig)),
                Some(Err(error)) => Err(lost(format_args!("WebSocket connection broken: {error}"))),
                None => Err(lost("WebSocket connection broken")),
            });
        }
    }
}

type Dialling = Pin<Box<dyn Future<Output = std::io::Result<Link>> + Send>>;

/// How far a receiving request is.
enum Step {
    /// To be sent.
    Start,
    Dial(Dialling),
    Head,
    /// Frames are read.
    Body,
    /// An error's body is read, for its text.
    Refused(u16, Vec<u8>),
    Pause(Pin<Box<Sleep>>),
}

/// The receiving requests of an HTTP transport, one after the other.
pub(super) struct HttpInbox {
    transport: Transport,
    place: Place,
    target: String,
    connection: Option<Connection>,
    step: Step,
    unwrapper: Unwrapper,
    /// Frames in this answer.
    frames: u64,
    /// The body is complete; what is left in the unwrapper is not read.
    ended: bool,
    /// This request was sent again, because the connection before had ended while it was idle.
    again: bool,
}

impl HttpInbox {
    /// `connection`: one to the same server that is idle, if there is.
    pub(super) fn new(
        transport: Transport,
        place: Place,
        connection: Option<Connection>,
        max_frame_size: usize,
    ) -> Self {
        Self {
            target: place.target(transport.segment()),
            transport,
            place,
            connection,
            step: Step::Start,
            unwrapper: Unwrapper::new(transport.wrapping(), max_frame_size),
            frames: 0,
            ended: false,
            again: false,
        }
    }

    fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
        shared: &Shared,
    ) -> Poll<Result<ServerFrame, CloseReason>> {
        loop {
            match &mut self.step {
                Step::Start => {
                    if self.connection.as_mut().is_some_and(Connection::is_ready) {
                        self.ask(shared);
                    } else {
                        self.connection = None;
                        let address = self.place.address.clone();
                        let dialling = dial(address, shared.config.tls.clone());
                        self.step = Step::Dial(Box::pin(dialling));
                    }
                }
                Step::Dial(dialling) => {
                    let link = ready!(dialling.as_mut().poll(context)).map_err(lost)?;
                    self.connection = Some(Connection::new(link));
                    self.ask(shared);
                }
                Step::Head => ready!(self.poll_head(context, shared))?,
                Step::Body => {
                    if let Some(frame) = ready!(self.poll_body(context))? {
                        return Poll::Ready(Ok(frame));
                    }
                }
                Step::Refused(status, content) => {
                    let connection = self.connection.as_mut();
                    let more = match connection {
                        Some(connection) if content.len() < MAX_REFUSAL => {
                            ready!(connection.poll_body(context, content)).unwrap_or(false)
                        }
                        _ => false,
                    };
                    if !more {
                        let reason = refusal("receiving", *status, content);
                        return Poll::Ready(Err(reason));
                    }
                }
                Step::Pause(pause) => {
                    ready!(pause.as_mut().poll(context));
                    self.step = Step::Start;
                }
            }
        }
    }

    /// Begins a request on the connection that is there.
    fn ask(&mut self, shared: &Shared) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        let (method, own) = (self.transport.method(), self.transport.fields());
        let address = &self.place.address;
        connection.start(shared.request(address, method, &self.target, own, ""));
        self.step = Step::Head;
    }

    fn poll_head(
        &mut self,
        context: &mut Context<'_>,
        shared: &Shared,
    ) -> Poll<Result<(), CloseReason>> {
        let Some(connection) = &mut self.connection else {
            self.step = Step::Start;
            return Poll::Ready(Ok(()));
        };
        match ready!(connection.poll_head(context)) {
            Ok(head) => {
                self.again = false;
                shared.take_cookies(&self.place.address, &self.target, head.kept);
                if head.status.as_u16() == 200 {
                    let limit = shared.config.max_frame_size;
                    self.unwrapper = Unwrapper::new(self.transport.wrapping(), limit);
                    (self.frames, self.ended) = (0, false);
                    self.step = Step::Body;
                } else {
                    self.step = Step::Refused(head.status.as_u16(), Vec::new());
                }
                Poll::Ready(Ok(()))
            }
            // The server has ended an idle connection at the moment we used it.
            Err(_) if connection.is_used() && !self.again => {
                self.again = true;
                self.connection = None;
                self.step = Step::Start;
                Poll::Ready(Ok(()))
            }
            Err(error) => Poll::Ready(Err(lost(error))),
        }
    }

    /// A frame, or `None` when the answer has ended.
    fn poll_body(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<ServerFrame>, CloseReason>> {
        loop {
            let frame = self.unwrapper.next_frame().map_err(broken)?;
            if let Some(frame) = frame {
                self.frames += 1;
                return Poll::Ready(Ok(Some(frame)));
            }
            let Some(connection) = self.connection.as_mut().filter(|_| !self.ended) else {
                self.next_request();
                return Poll::Ready(Ok(None));
            };
            match ready!(connection.poll_body(context, self.unwrapper.buffer())) {
                Ok(true) => {}
                Ok(false) => {
                    self.ended = true;
                    let last = self.unwrapper.finish().map_err(broken)?;
                    if let Some(frame) = last {
                        self.frames += 1;
                        return Poll::Ready(Ok(Some(frame)));
                    }
                }
                // An event source asks again, and is told what became of its session.
                Err(_) if self.transport == Transport::EventSource && self.frames > 0 => {
                    self.ended = true;
                }
                Err(error) => return Poll::Ready(Err(lost(error))),
            }
        }
    }

    fn next_request(&mut self) {
        let pauses = self.transport.wrapping() == Wrapping::Event || self.frames == 0;
        self.step = if pauses {
            Step::Pause(Box::pin(tokio::time::sleep(PAUSE)))
        } else {
            Step::Start
        };
    }
}

/// What a refused request ends a session with.
pub(super) fn refusal(what: &str, status: u16, content: &[u8]) -> CloseReason {
    let text = String::from_utf8_lossy(content);
    let line = text.lines().next().unwrap_or_default().trim();
    let shown = &line[..line.floor_char_boundary(MAX_REFUSAL)];
    let colon = if shown.is_empty() { "" } else { ": " };
    lost(format_args!(
        "{what} was answered with status {status}{colon}{shown}"
    ))
}

impl std::fmt::Debug for HttpInbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpInbox")
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}
