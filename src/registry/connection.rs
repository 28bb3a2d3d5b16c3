//! The backend's end of a session.

use std::any::Any;
use std::fmt;
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytestring::ByteString;
use http::{HeaderMap, Uri};
use uuid::Uuid;

use crate::fields;
use crate::identity::Identity;
use crate::protocol::{CloseReason, Message};
use crate::session::{End, EndCause, Refused};

use super::clients::{Client, ClientPlace, User};
use super::counts::Counts;
use super::handle::SessionHandle;
use super::limit::Limit;
use super::queue_memory::FREE_HEAD;

/// What the browser sent with the request that opened the session.
#[derive(Clone, Debug)]
pub struct Handshake {
    /// The request's target: path, the service's prefix included, and query.
    pub uri: Uri,
    /// Path prefix of the service.
    pub prefix: Arc<str>,
    /// Header fields, as received.
    pub headers: HeaderMap,
    /// Who asked, after trusted proxies.
    pub peer: Peer,
    /// Name of the transport that opened the session, e.g. `xhr-streaming`.
    pub transport: &'static str,
    /// Who opened the session, where the service authenticates.
    pub identity: Option<Arc<Identity>>,
}

impl Handshake {
    /// Bytes that its target and fields take, about.
    pub(crate) fn size(&self) -> usize {
        let target = self.uri.path_and_query();
        target.map_or(0, |target| target.as_str().len()) + fields::size(&self.headers)
    }
}

/// The browser's side of a connection after trusted proxies have spoken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Address of the browser, or of the last proxy that is not trusted. Unknown on Unix sockets and where an
    /// application serves the gateway without telling.
    pub address: Option<IpAddr>,
    /// `http` or `https`, when known: from TLS or a trusted proxy.
    pub scheme: Option<&'static str>,
    /// Host and port the browser asked for.
    pub host: Option<String>,
    /// Whether a trusted proxy said so.
    pub trusted: bool,
}

/// A session as its backend sees it. Dropping it closes the session.
pub struct Connection {
    sender: Sender,
    raw: bool,
    /// The handshake is counted as queue memory while it is kept.
    head_counts: bool,
    handshake: Option<Box<Handshake>>,
    negotiated: Option<Box<dyn Any + Send + Sync>>,
}

/// Sends to, and closes, a session; can be cloned and kept elsewhere, as in a chat room. Does not keep the session alive.
#[derive(Clone)]
pub struct Sender {
    handle: Arc<SessionHandle>,
    text_only: bool,
}

/// Why a message was not sent. It is given back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The session has ended.
    Ended(Message),
    /// The queue is full ([`Sender::try_send`] only).
    Full(Message),
    /// SockJS carries text only; binary exists on raw WebSockets.
    Binary(Message),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ended(_) => "the session has ended",
            Self::Full(_) => "the outbound queue is full",
            Self::Binary(_) => "binary messages exist on raw WebSockets only",
        })
    }
}

impl std::error::Error for SendError {}

impl Connection {
    pub(super) fn new(
        handle: Arc<SessionHandle>,
        raw: bool,
        handshake: Option<Box<Handshake>>,
        negotiated: Option<Box<dyn Any + Send + Sync>>,
    ) -> Self {
        let head = handshake.as_ref().map_or(0, |handshake| handshake.size());
        let head_counts = head > FREE_HEAD;
        if head_counts {
            handle.keeps_head(head);
        }
        Self {
            sender: Sender {
                handle,
                text_only: !raw,
            },
            raw,
            head_counts,
            handshake,
            negotiated,
        }
    }

    /// The next message, or `None` when the session has ended and every accepted message was given. Cancel safe.
    pub async fn recv(&mut self) -> Option<Message> {
        poll_fn(|context| self.poll_recv(context)).await
    }

    /// [`Self::recv`] as a poll function.
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<Message>> {
        self.sender.handle.poll_message(context)
    }

    /// Sends a message, waiting while the queue is full: a browser that does not read stops its sender. Not
    /// cancel safe: when the future is dropped while it waits, the message is gone with it.
    ///
    /// # Errors
    /// [`SendError::Ended`] after the end, [`SendError::Binary`] for binary on a SockJS session.
    pub fn send(&self, message: impl Into<Message>) -> Sending<'_> {
        self.sender.send(message)
    }

    /// Sends a message if there is room now.
    ///
    /// # Errors
    /// As [`Self::send`], and [`SendError::Full`].
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), SendError> {
        self.sender.try_send(message)
    }

    /// Sends what `message` holds as soon as there is room; empty afterwards, unless it failed.
    pub(crate) fn poll_send(
        &self,
        context: &Context<'_>,
        message: &mut Option<Message>,
    ) -> Poll<Result<(), ()>> {
        self.sender.handle.poll_send(context, message)
    }

    /// Ready when the end of the session is decided.
    pub(crate) fn poll_ended(&self, context: &Context<'_>) -> Poll<()> {
        self.sender.handle.poll_ended(context)
    }

    /// Ends the session: what was sent is delivered first, then `c[code,"reason"]` (on a raw WebSocket, a close frame).
    /// Only the first end counts.
    pub fn close(&self, code: u16, reason: impl Into<ByteString>) {
        self.sender.close(code, reason);
    }

    /// Ready when the browser has shown that it receives (or the session ended): the moment to do what should not happen
    /// for the sake of a half-working transport, such as dialling an upstream. `false` when the session ended before that.
    pub async fn proven(&self) -> bool {
        poll_fn(|context| self.sender.handle.poll_proven(context)).await
    }

    /// Waits until nothing more will be delivered, and tells why.
    pub async fn closed(&self) -> End {
        poll_fn(|context| self.sender.handle.poll_closed(context)).await
    }

    /// Ready when the session is closed and no message is left to receive: whatever is being done for it can be given up.
    pub async fn abandoned(&self) {
        poll_fn(|context| self.sender.handle.poll_abandoned(context)).await;
    }

    /// Why the session ends, from the moment this is decided.
    pub fn end(&self) -> Option<End> {
        self.sender.handle.ended()
    }

    /// After the session is closed: the messages that provably never left for the browser, oldest first. Empty before, and
    /// at the second call. (What a proxy lost on its way is not known to anyone: SockJS has no acknowledgement.)
    pub fn take_undelivered(&self) -> Vec<Message> {
        self.sender.handle.take_undelivered()
    }

    /// A handle for sending from elsewhere.
    pub fn sender(&self) -> Sender {
        self.sender.clone()
    }

    /// The server's id of this session: random, not the id in the URL, and safe to log.
    pub fn id(&self) -> Uuid {
        self.sender.handle.id()
    }

    /// Whether this is a raw WebSocket, where binary messages exist.
    pub fn is_raw(&self) -> bool {
        self.raw
    }

    /// What the browser sent when it opened the session. `None` after [`Self::take_handshake`], and where the backend does
    /// not want it.
    pub fn handshake(&self) -> Option<&Handshake> {
        self.handshake.as_deref()
    }

    /// Who opened the session, where the service authenticates.
    pub fn identity(&self) -> Option<&Arc<Identity>> {
        self.sender.handle.identity()
    }

    /// Path prefix of its service.
    pub(crate) fn service(&self) -> &str {
        &self.sender.handle.tally().of_service.service
    }

    /// From where it was opened, where that is known.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.sender.handle.address()
    }

    /// Where its service counts.
    pub(crate) fn counts(&self) -> &Counts {
        self.sender.handle.counts()
    }

    /// A place among the `most` sessions of a user, who is known only now.
    ///
    /// # Errors
    /// There is none: what the session is to end with.
    pub(crate) fn place_of_user(
        &self,
        user: &Arc<Identity>,
        most: usize,
    ) -> Result<ClientPlace, CloseReason> {
        let client = Client::User(User(Arc::clone(user)));
        let place = self
            .sender
            .handle
            .tally()
            .of_service
            .clients
            .place(client, most);
        place.ok_or_else(|| {
            self.sender.handle.reached(Limit::OfUser);
            CloseReason::TOO_MANY_OF_USER
        })
    }

    /// Ends the session before its backend has heard of it: not by the backend's doing, as [`Self::close`] would.
    pub(crate) fn refuse(&self, cause: EndCause, reason: CloseReason) {
        self.sender.handle.end(cause, reason);
    }

    /// It is known now who opened the session.
    pub(crate) fn identify(&mut self, identity: Arc<Identity>) {
        self.sender.handle.identify(&identity);
        if let Some(handshake) = &mut self.handshake {
            handshake.identity = Some(identity);
        }
    }

    /// Takes the handshake out, so that its memory can be given back early. Until then it counts as queue memory of the session, when it is
    /// larger than 4 KiB.
    pub fn take_handshake(&mut self) -> Option<Box<Handshake>> {
        let handshake = self.handshake.take()?;
        if self.head_counts {
            self.sender.handle.keeps_head(0);
        }
        Some(handshake)
    }

    /// What the backend kept while it negotiated the sub-protocol.
    pub fn take_negotiated<T: 'static>(&mut self) -> Option<Box<T>> {
        self.negotiated.take()?.downcast().ok()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let reason = if std::thread::panicking() {
            CloseReason::INTERNAL_ERROR
        } else {
            CloseReason::NORMAL
        };
        self.sender.handle.end(EndCause::Backend, reason);
        drop(self.take_handshake());
    }
}

impl Sender {
    /// As [`Connection::send`].
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub fn send(&self, message: impl Into<Message>) -> Sending<'_> {
        Sending {
            sender: self,
            message: Some(message.into()),
        }
    }

    /// As [`Connection::try_send`].
    ///
    /// # Errors
    /// As [`Connection::try_send`].
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), SendError> {
        self.handle
            .try_send(self.checked(message.into())?)
            .map_err(|refused| match refused {
                Refused::Full(message) => SendError::Full(message),
                Refused::Ended(message) => SendError::Ended(message),
            })
    }

    /// As [`Connection::close`].
    pub fn close(&self, code: u16, reason: impl Into<ByteString>) {
        self.handle
            .end(EndCause::Backend, CloseReason::new(code, reason));
    }

    /// The server's id of the session.
    pub fn id(&self) -> Uuid {
        self.handle.id()
    }

    fn checked(&self, message: Message) -> Result<Message, SendError> {
        if self.text_only && matches!(message, Message::Binary(_)) {
            return Err(SendError::Binary(message));
        }
        Ok(message)
    }
}

/// A message on its way into the queue: see [`Connection::send`].
#[derive(Debug)]
#[must_use = "nothing is sent until it is awaited"]
pub struct Sending<'a> {
    sender: &'a Sender,
    message: Option<Message>,
}

impl Future for Sending<'_> {
    type Output = Result<(), SendError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(message) = self.message.take() else {
            return Poll::Ready(Ok(()));
        };
        let sender = self.sender;
        let mut message = Some(sender.checked(message)?);
        match sender.handle.poll_send(context, &mut message) {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(())),
            Poll::Ready(Err(())) => {
                Poll::Ready(message.map_or(Ok(()), |refused| Err(SendError::Ended(refused))))
            }
            Poll::Pending => {
                self.message = message;
                Poll::Pending
            }
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("id", &self.id())
            .field("raw", &self.raw)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}
