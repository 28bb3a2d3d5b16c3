//! A WebSocket and its session in one task: frames out, messages in, the session's driver beside them.

mod readiness;
#[cfg(test)]
mod tests;

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Sink as _, Stream as _};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message as WsMessage, Utf8Bytes};

use crate::network::Proof;
use crate::protocol::message::{MessageLimits, decode_websocket};
use crate::protocol::{CloseReason, Frame, Framing as _, Message, Once, framing};
use crate::registry::{Driver, Due, Receiver, turn};
use crate::session::{Deliver, SessionConfig};
use crate::websocket::{LargeReads, data_frame, small_buffers, text_message};

use super::TransportConfig;
use super::request::limit_of_payload;
use readiness::Readiness;

/// What the messages of the WebSocket are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// SockJS frames out, JSON arrays in. (sockjs-protocol, `Websocket`)
    Sockjs,
    /// The application's messages, text and binary. (sockjs-protocol, `RawWebsocket`)
    Raw,
}

/// Small buffers and set limits.
pub(super) fn websocket_config(
    transport: &TransportConfig,
    session: &SessionConfig,
) -> WebSocketConfig {
    // An escaped character takes up to six bytes. A JSON array around one message of full size must still fit.
    let incoming = transport
        .max_body_size
        .max(transport.messages.max_message_size);
    let outgoing = session
        .outbound
        .bytes
        .max(incoming)
        .saturating_mul(6)
        .saturating_add(64 * 1024);
    small_buffers()
        .max_write_buffer_size(outgoing)
        .max_message_size(Some(incoming))
        .max_frame_size(Some(incoming))
}

/// A server's end of an accepted WebSocket.
pub(super) async fn accepted<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    config: WebSocketConfig,
) -> WebSocketStream<LargeReads<S>> {
    let stream = LargeReads::new(stream);
    WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await
}

/// A session over its WebSocket, until both are over. Written out, because an `async fn` would keep everything twice.
pub(super) struct Running<S> {
    pump: Option<Pump<S>>,
    driver: Driver,
    driven: bool,
}

impl<S> Running<S> {
    pub(super) fn new(
        socket: WebSocketStream<S>,
        receiver: Receiver,
        driver: Driver,
        mode: Mode,
        config: &TransportConfig,
        pong_timeout: Duration,
    ) -> Self {
        let pump = Pump {
            socket,
            proof: Proving::new(receiver.proof(), pong_timeout),
            receiver,
            mode,
            closing_mode: mode,
            limits: config.messages,
            close_timeout: config.close_timeout,
            unflushed: false,
            pong_due: false,
            incoming: Vec::new(),
            readiness: Readiness::new(),
            readable: false,
            reading: true,
            shut: false,
            closing: None,
        };
        Self {
            pump: Some(pump),
            driver,
            driven: false,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Running<S> {
    /// What came goes to the session, the backend answers, one frame carries all answers. What is due after that.
    fn poll_round(&mut self, context: &mut Context<'_>, due: Due) -> Due {
        if let Some(pump) = &mut self.pump
            && pump.poll_incoming(context, due.room).is_ready()
        {
            self.pump = None;
        }
        if !self.driven {
            self.driven = self.driver.poll_due(context, due).is_ready();
        }
        if let Some(pump) = &mut self.pump
            && pump.poll_outgoing(context).is_ready()
        {
            self.pump = None;
        }
        if self.is_readable() {
            self.driver.noted()
        } else {
            self.driver.end_turn()
        }
    }

    fn is_readable(&self) -> bool {
        self.pump.as_ref().is_some_and(|pump| pump.readable)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Running<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        turn(|| {
            let mut due = self.driver.begin_turn(context);
            if let Some(pump) = &mut self.pump {
                pump.readable |= pump.readiness.take(context);
            }
            while self.is_readable() || !due.is_empty() {
                due = self.poll_round(context, due);
            }
        });
        // The backend may have something to finish. The driver itself, and with it the session's place in the counts, lives
        // until the socket is over: a stop waits for the close handshake.
        if self.driven && self.pump.is_none() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

/// Closes a WebSocket for which there is no session, saying why.
pub(super) async fn refuse<S>(
    mut socket: WebSocketStream<S>,
    mode: Mode,
    reason: &CloseReason,
    timeout: Duration,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    use futures_util::{SinkExt as _, StreamExt as _};
    use tokio::io::AsyncWriteExt as _;
    let closing = async {
        for message in closing_messages(mode, reason) {
            socket.send(message).await?;
        }
        while socket.next().await.transpose()?.is_some() {}
        socket.get_mut().shutdown().await?;
        Ok::<(), Error>(())
    };
    // Whether the browser saw it or not, there is nothing more to do.
    let _ = tokio::time::timeout(timeout, closing).await;
}

pub(super) struct Pump<S> {
    socket: WebSocketStream<S>,
    receiver: Receiver,
    proof: Proving,
    mode: Mode,
    /// How the end is told.
    closing_mode: Mode,
    limits: MessageLimits,
    close_timeout: Duration,
    /// Something was written that is not flushed.
    unflushed: bool,
    /// An answer to a Ping is among it. Nothing is read before it has left, so that answers cannot pile up.
    pong_due: bool,
    /// Messages on their way from the socket to the session. Nothing is read while the session has no room for them.
    incoming: Vec<Message>,
    /// Whether the socket is among what woke the task: for a frame or a timer it is not looked at.
    readiness: Readiness,
    /// There may be more to read in this turn.
    readable: bool,
    reading: bool,
    /// Our side of the connection was shut.
    shut: bool,
    /// A close frame was written or read; the rest of the handshake has until then.
    closing: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Pump<S> {
    /// Reads and hands in what the socket has, but not so much that the answers would wait. Ready when the WebSocket is over.
    fn poll_incoming(&mut self, context: &mut Context<'_>, has_room: bool) -> Poll<()> {
        const AT_ONCE: usize = 64;
        self.readable |= has_room;
        for _ in 0..AT_ONCE {
            if !self.readable {
                break;
            }
            match self.poll_read(context) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(Over)) => return Poll::Ready(()),
                Poll::Pending => self.readable = false,
            }
        }
        Poll::Pending
    }

    /// Takes a frame, if the one before is written, and writes it. Ready when the WebSocket is over.
    fn poll_outgoing(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Poll::Ready(Err(_)) = self.poll_write(context) {
            return Poll::Ready(());
        }
        match &mut self.closing {
            Some(deadline) => deadline.as_mut().poll(context),
            None => Poll::Pending,
        }
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        // A frame is taken only when the one before is on the socket: what a slow browser has not read stays in the queue.
        ready!(self.poll_flush(context))?;
        ready!(self.poll_frame(context))?;
        self.poll_flush(context)
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.unflushed {
            ready!(Pin::new(&mut self.socket).poll_flush(context))?;
            self.unflushed = false;
            self.receiver.left();
            // What reading waited for.
            self.readable |= self.pong_due || self.closing.is_some();
            self.pong_due = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Ready when there is something to flush.
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.closing.is_some() {
            return Poll::Pending;
        }
        match &mut self.proof {
            Proving::Done => {}
            Proving::Due(patience) => {
                let mut patience = Box::pin(tokio::time::sleep(*patience));
                // Whom it wakes has to be known: nothing else may come.
                let _ = patience.as_mut().poll(context);
                self.proof = Proving::Waiting(patience);
                self.write(WsMessage::Ping(Bytes::new()))?;
                self.unflushed = true;
                return Poll::Ready(Ok(()));
            }
            Proving::Waiting(patience) => {
                ready!(patience.as_mut().poll(context));
                self.proof = Proving::Done;
            }
        }
        let (mode, closing_mode) = (self.mode, self.closing_mode);
        let outgoing = ready!(
            self.receiver
                .poll_frame(context, |frame| Outgoing::from_frame(
                    mode,
                    closing_mode,
                    &frame
                ))
        );
        match outgoing {
            Outgoing::Nothing => {}
            Outgoing::One(message) => self.write(message)?,
            Outgoing::Many(messages) => {
                for message in messages {
                    self.write(message)?;
                }
            }
            Outgoing::Close(messages) => {
                for message in messages {
                    self.write(message)?;
                }
                self.close_by_deadline();
            }
        }
        self.unflushed = true;
        Poll::Ready(Ok(()))
    }

    /// No frame is written any more; the close handshake has its time to complete.
    fn close_by_deadline(&mut self) {
        self.closing
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(self.close_timeout)));
    }

    fn write(&mut self, message: WsMessage) -> Result<(), Error> {
        Pin::new(&mut self.socket).start_send(message)
    }

    /// Ready when something was read and handed in; `Over` at the end of the WebSocket.
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Over>> {
        if !self.incoming.is_empty() {
            let handle = self.receiver.handle();
            let delivered = ready!(handle.poll_deliver(context, &mut self.incoming));
            self.delivered(delivered);
            return Poll::Ready(Ok(()));
        }
        if self.pong_due {
            return Poll::Pending;
        }
        if !self.reading {
            return self.poll_discard();
        }
        let mut at_socket = self.readiness.context();
        match ready!(Pin::new(&mut self.socket).poll_next(&mut at_socket)) {
            Some(Ok(message)) => {
                self.receive(message);
                let handle = self.receiver.handle();
                let delivered = ready!(handle.poll_hear(context, &mut self.incoming));
                self.delivered(delivered);
                Poll::Ready(Ok(()))
            }
            Some(Err(error)) => match violation(&error) {
                Some(reason) => {
                    self.reading = false;
                    self.violated(reason);
                    Poll::Ready(Ok(()))
                }
                None => Poll::Ready(Err(Over)),
            },
            None => self.poll_end(),
        }
    }

    /// The close handshake is complete. Where there is TLS, its end is to be said too. (RFC 8446 §6.1)
    fn poll_end(&mut self) -> Poll<Result<(), Over>> {
        let mut at_socket = self.readiness.context();
        // A browser that has left does not need to be told.
        let _ = ready!(Pin::new(self.socket.get_mut()).poll_shutdown(&mut at_socket));
        Poll::Ready(Err(Over))
    }

    /// What an ended session did not take is void. The list is kept for the next messages, unless it became long.
    fn delivered(&mut self, answer: Deliver) {
        const KEPT_CAPACITY: usize = 4;
        if answer != Deliver::Accepted || self.incoming.capacity() > KEPT_CAPACITY {
            self.incoming = Vec::new();
        }
    }

    /// After an error no message can be read. What is still coming is, so that the browser gets the close frame, and the end
    /// behind it, rather than a reset.
    fn poll_discard(&mut self) -> Poll<Result<(), Over>> {
        let mut at_socket = self.readiness.context();
        if self.closing.is_some() && !self.unflushed && !self.shut {
            let shut = ready!(Pin::new(self.socket.get_mut()).poll_shutdown(&mut at_socket));
            self.shut = true;
            return Poll::Ready(shut.map_err(|_| Over));
        }
        let mut scratch = [0; 4096];
        let mut buffer = ReadBuf::new(&mut scratch);
        let read = ready!(Pin::new(self.socket.get_mut()).poll_read(&mut at_socket, &mut buffer));
        Poll::Ready(if read.is_ok() && !buffer.filled().is_empty() {
            Ok(())
        } else {
            Err(Over)
        })
    }

    fn receive(&mut self, message: WsMessage) {
        match (self.mode, message) {
            (_, WsMessage::Close(frame)) => {
                // Reading goes on: tungstenite has queued the answer and sends it while it looks for more.
                self.receiver.handle().browser_closed(browser_reason(frame));
                self.close_by_deadline();
            }
            (Mode::Raw, WsMessage::Text(text)) => self.take(text_message(text)),
            (Mode::Raw, WsMessage::Binary(bytes)) => self.take(Message::Binary(bytes)),
            (Mode::Sockjs, WsMessage::Text(text)) => self.decode(&text),
            // sockjs-node and others accept the JSON in a binary message too.
            (Mode::Sockjs, WsMessage::Binary(bytes)) => {
                self.decode(&String::from_utf8_lossy(&bytes))
            }
            (_, WsMessage::Ping(_)) => {
                self.unflushed = true;
                self.pong_due = true;
            }
            (_, WsMessage::Pong(_) | WsMessage::Frame(_)) => self.proof = Proving::Done,
        }
    }

    /// The browser broke a rule. It is told by the WebSocket's close frame alone: after data that it did not understand,
    /// the peer must not have to read more. (sockjs-protocol, `Websocket.test_broken_json`)
    fn violated(&mut self, reason: CloseReason) {
        self.closing_mode = Mode::Raw;
        self.receiver.handle().violated(reason);
    }

    fn take(&mut self, message: Message) {
        if message.len() > self.limits.max_message_size {
            self.violated(CloseReason::TOO_BIG);
        } else {
            self.incoming.push(message);
        }
    }

    fn decode(&mut self, text: &str) {
        let Err(error) = decode_websocket(text, &self.limits, &mut self.incoming) else {
            return;
        };
        self.incoming.clear();
        match limit_of_payload(error) {
            Some(limit) => {
                self.closing_mode = Mode::Raw;
                self.receiver.handle().exceeded(limit);
            }
            None => self.violated(CloseReason::BROKEN_FRAMING),
        }
    }
}

/// Whether the way to the browser and back is shown to work before the first frame is taken.
enum Proving {
    /// A Ping is to be sent first.
    Due(Duration),
    /// No frame is taken before the Pong, or before this.
    Waiting(Pin<Box<Sleep>>),
    Done,
}

impl Proving {
    fn new(proof: Proof, pong_timeout: Duration) -> Self {
        match proof {
            Proof::None => Self::Done,
            Proof::Brief(patience) => Self::Due(patience),
            Proof::Full => Self::Due(pong_timeout),
        }
    }
}

/// The WebSocket has ended, in order or not.
struct Over;

/// A frame as the WebSocket messages that carry it.
enum Outgoing {
    Nothing,
    One(WsMessage),
    Many(Vec<WsMessage>),
    /// And nothing after.
    Close(Vec<WsMessage>),
}

impl Outgoing {
    fn from_frame(mode: Mode, closing_mode: Mode, frame: &Frame<'_>) -> Self {
        match (mode, frame) {
            (_, Frame::Heartbeat) => Self::One(WsMessage::Ping(Bytes::new())),
            (_, Frame::Close(reason)) => Self::Close(closing_messages(closing_mode, reason)),
            (Mode::Sockjs, frame) => {
                thread_local! {
                    static LAST: Once<Utf8Bytes> = const { Once::new() };
                }
                Self::One(WsMessage::Text(
                    LAST.with(|last| last.wrap(&framing::Websocket, frame)),
                ))
            }
            (Mode::Raw, Frame::Open) => Self::Nothing,
            (Mode::Raw, Frame::Messages(messages)) => {
                let count = messages.len();
                let mut messages = messages.iter().cloned().map(data_frame);
                match messages.next() {
                    Some(only) if count == 1 => Self::One(only),
                    first => Self::Many(first.into_iter().chain(messages).collect()),
                }
            }
        }
    }
}

/// `c[…]` on SockJS, then the WebSocket's own close frame with the same code, where that may be sent.
fn closing_messages(mode: Mode, reason: &CloseReason) -> Vec<WsMessage> {
    let close = match reason.code {
        // A raw WebSocket behind us ended without a code; the browser is to see the same.
        1005 => None,
        _ if reason.is_sendable() => Some(reason.code),
        _ => Some(1000),
    };
    let close = close.map(|code| CloseFrame {
        code: CloseCode::from(code),
        reason: reason.websocket_reason().into(),
    });
    let mut messages = Vec::with_capacity(2);
    if mode == Mode::Sockjs {
        messages.push(WsMessage::Text(
            framing::Websocket.wrap(&Frame::Close(reason)).into(),
        ));
    }
    messages.push(WsMessage::Close(close));
    messages
}

/// What the browser's close frame said; without a code 1005 stands for it, locally. (RFC 6455 §7.1.5)
fn browser_reason(frame: Option<CloseFrame>) -> CloseReason {
    match frame {
        Some(frame) => CloseReason::new(frame.code.into(), frame.reason.as_str()),
        None => CloseReason::new(1005, ""),
    }
}

/// The close reason for what the browser did wrong; `None` when the connection failed.
fn violation(error: &Error) -> Option<CloseReason> {
    match error {
        Error::Capacity(_) => Some(CloseReason::TOO_BIG),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        Error::Protocol(error) => Some(CloseReason::new(1002, error.to_string())),
        Error::Utf8(_) => Some(CloseReason::new(1007, "Text is not UTF-8")),
        _ => None,
    }
}
