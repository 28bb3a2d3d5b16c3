//! A session and its upstream WebSocket: messages and closes in both directions, each stopping the reading of the other
//! when it is full.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use base64::Engine as _;
use bytes::Bytes;
use futures_util::{Sink as _, Stream as _};
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::time::{Instant, Sleep};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message as WsMessage};

use crate::protocol::{CloseReason, Message};
use crate::registry::Connection;
use crate::session::{End, EndCause};
use crate::websocket::{data_frame, text_message};

use super::dial::{Dialler, UpstreamSocket};
use super::{BinaryPolicy, UpstreamConfig};

/// Passes messages on until both sides are closed.
pub(super) async fn run(socket: UpstreamSocket, connection: Connection, dialler: &Dialler) {
    let config = dialler.config();
    let mut relay = Relay {
        socket,
        connection,
        to_browser: None,
        unflushed: false,
        blocked: false,
        readable: true,
        closing: false,
        liveness: config.ping_delay.map(|delay| Liveness::new(delay, config)),
        close_deadline: None,
        dialler,
    };
    std::future::poll_fn(|context| relay.poll(context)).await;
    let Relay {
        socket, connection, ..
    } = relay;
    drop(socket);
    let end = connection.closed().await;
    let undelivered = connection.take_undelivered().len();
    if undelivered > 0 {
        tracing::info!(service = connection.service(), session = %connection.id(), cause = end.cause.name(), undelivered, "messages of the upstream were not delivered");
    }
}

struct Relay<'a> {
    socket: UpstreamSocket,
    connection: Connection,
    /// A message the session has no room for yet; the upstream is not read meanwhile.
    to_browser: Option<Message>,
    unflushed: bool,
    /// The upstream takes no bytes at the moment.
    blocked: bool,
    /// The upstream's WebSocket can be read; after a message that is too big it cannot.
    readable: bool,
    /// Our close frame was written.
    closing: bool,
    liveness: Option<Liveness>,
    close_deadline: Option<Pin<Box<Sleep>>>,
    dialler: &'a Dialler,
}

/// The upstream is gone, in order or not.
struct Gone;

impl Relay<'_> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        // The clock first: what it writes leaves with the messages. Each of the others goes on until it has to wait.
        let steps = [
            Self::poll_clock,
            Self::poll_from_upstream,
            Self::poll_to_upstream,
        ];
        for step in steps {
            if step(self, context).is_err() {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }

    /// Browser to upstream: takes messages only while the upstream takes bytes.
    fn poll_to_upstream(&mut self, context: &mut Context<'_>) -> Result<(), Gone> {
        self.blocked = false;
        loop {
            if self.unflushed {
                match Pin::new(&mut self.socket).poll_flush(context) {
                    Poll::Ready(Ok(())) => self.unflushed = false,
                    Poll::Ready(Err(_)) => return Err(self.lost()),
                    Poll::Pending => {
                        self.blocked = true;
                        break;
                    }
                }
            }
            if self.closing || !self.take_batch(context)? {
                break;
            }
        }
        // Behind messages that it does not take, the end of the session would not be seen.
        let ended =
            self.closing || (self.blocked && self.connection.poll_ended(context).is_ready());
        if ended && self.close_deadline.is_none() {
            // However the upstream behaves from now on, even if it takes no bytes or never ends: it has that long.
            let patience = self.dialler.config().pong_timeout;
            self.close_deadline = Some(Box::pin(tokio::time::sleep(patience)));
            // Whom it wakes has to be known.
            self.poll_clock(context)?;
        }
        Ok(())
    }

    /// Writes the messages that are there, to go out together; whether there were any.
    fn take_batch(&mut self, context: &mut Context<'_>) -> Result<bool, Gone> {
        const BATCH: usize = 32;
        for _ in 0..BATCH {
            if Pin::new(&mut self.socket).poll_ready(context).is_pending() {
                // The one before is not on the socket yet: what follows stays in the session's queue, where it counts.
                self.blocked = true;
                break;
            }
            match self.connection.poll_recv(context) {
                Poll::Ready(Some(message)) => self.write(data_frame(message))?,
                Poll::Ready(None) => {
                    let end = self.connection.end();
                    self.write(WsMessage::Close(
                        end.as_ref().and_then(|end| self.close_frame(end)),
                    ))?;
                    self.closing = true;
                    break;
                }
                Poll::Pending => break,
            }
        }
        Ok(self.unflushed)
    }

    fn write(&mut self, message: WsMessage) -> Result<(), Gone> {
        self.unflushed = true;
        match Pin::new(&mut self.socket).start_send(message) {
            // The upstream's own close is on its way to us, or was read already.
            Ok(()) | Err(Error::Protocol(_) | Error::ConnectionClosed) => Ok(()),
            Err(_) => Err(self.lost()),
        }
    }

    /// Upstream to browser: reads only while the session has room.
    fn poll_from_upstream(&mut self, context: &mut Context<'_>) -> Result<(), Gone> {
        loop {
            if self.to_browser.is_some() {
                match self.connection.poll_send(context, &mut self.to_browser) {
                    Poll::Ready(Ok(())) => {}
                    // The session has ended; the upstream is about to be told.
                    Poll::Ready(Err(())) => self.to_browser = None,
                    Poll::Pending => return Ok(()),
                }
            }
            if !self.readable {
                return self.poll_discard(context);
            }
            let Poll::Ready(message) = Pin::new(&mut self.socket).poll_next(context) else {
                return Ok(());
            };
            self.receive(message)?;
        }
    }

    fn receive(&mut self, message: Option<Result<WsMessage, Error>>) -> Result<(), Gone> {
        if let Some(liveness) = &mut self.liveness {
            liveness.alive();
        }
        match message {
            Some(Ok(WsMessage::Text(text))) => {
                self.to_browser = Some(text_message(text));
            }
            Some(Ok(WsMessage::Binary(bytes))) => self.binary(bytes),
            Some(Ok(WsMessage::Close(frame))) => {
                // Reading goes on: it also writes the answer.
                let (code, reason) = match frame {
                    Some(frame) => (frame.code.into(), frame.reason.to_string()),
                    None => (1005, String::new()),
                };
                self.connection.close(code, reason);
                self.closing = true;
            }
            Some(Ok(WsMessage::Ping(_) | WsMessage::Pong(_) | WsMessage::Frame(_))) => {}
            Some(Err(Error::Capacity(_))) => {
                self.connection.close(
                    CloseReason::TOO_BIG.code,
                    "Message from upstream is too big",
                );
                self.readable = false;
            }
            // After a close handshake this is the orderly end, and the session's end is decided already.
            Some(Err(_)) | None => return Err(self.lost()),
        }
        Ok(())
    }

    /// Reads what is still coming, so that the upstream gets our close frame rather than a reset.
    fn poll_discard(&mut self, context: &mut Context<'_>) -> Result<(), Gone> {
        let mut scratch = [0; 4096];
        loop {
            let mut buffer = ReadBuf::new(&mut scratch);
            match Pin::new(self.socket.get_mut()).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => return Err(Gone),
                Poll::Pending => return Ok(()),
            }
        }
    }

    fn binary(&mut self, bytes: Bytes) {
        if self.connection.is_raw() {
            self.to_browser = Some(Message::Binary(bytes));
            return;
        }
        match self.dialler.config().binary {
            BinaryPolicy::Close => {
                self.tell("binary message for a browser on SockJS, which carries text only");
                self.connection
                    .close(CloseReason::TEXT_ONLY.code, CloseReason::TEXT_ONLY.reason);
            }
            BinaryPolicy::Base64 => {
                let text = base64::engine::general_purpose::STANDARD.encode(bytes);
                self.to_browser = Some(Message::from(text));
            }
        }
    }

    fn poll_clock(&mut self, context: &mut Context<'_>) -> Result<(), Gone> {
        if let Some(deadline) = &mut self.close_deadline {
            return match deadline.as_mut().poll(context) {
                Poll::Ready(()) => Err(Gone),
                Poll::Pending => Ok(()),
            };
        }
        let Some(liveness) = &mut self.liveness else {
            return Ok(());
        };
        if self.to_browser.is_some() {
            // Its answer would not be read now: the browser is slow, not the upstream.
            liveness.alive();
        }
        while let Poll::Ready(due) = liveness.poll(context) {
            match due {
                Due::Ping => {
                    self.unflushed = true;
                    // An error shows when it is flushed.
                    let _ = Pin::new(&mut self.socket).start_send(WsMessage::Ping(Bytes::new()));
                }
                Due::GiveUp => {
                    self.failed("Upstream does not answer");
                    return Err(Gone);
                }
            }
        }
        Ok(())
    }

    /// The upstream connection is gone. Where nothing else ended the session before, that is its end.
    fn lost(&self) -> Gone {
        self.failed("Upstream connection lost");
        Gone
    }

    fn failed(&self, reason: &'static str) {
        if self.connection.end().is_none() {
            self.tell(reason);
        }
        self.connection.close(1014, reason);
    }

    fn tell(&self, what: &'static str) {
        let (service, session) = (self.connection.service(), self.connection.id());
        self.dialler.tell(service, Some(session), what, &what);
    }

    /// What the upstream is told about the end of the browser's side.
    fn close_frame(&self, end: &End) -> Option<CloseFrame> {
        let (code, reason) = match end.cause {
            EndCause::Browser if end.reason.code == 1005 => return None,
            EndCause::Interrupted => (1001, "Browser connection interrupted"),
            EndCause::Expired => (1001, "Browser did not come back"),
            EndCause::Unresponsive => (1001, "Browser does not answer"),
            EndCause::Shutdown => (1001, "Gateway stops"),
            _ if end.reason.is_sendable() => (end.reason.code, end.reason.websocket_reason()),
            _ => (1001, end.reason.websocket_reason()),
        };
        Some(CloseFrame {
            code: CloseCode::from(code),
            reason: reason.into(),
        })
    }
}

/// Pings an upstream that is silent. The timer is only moved when it fires.
struct Liveness {
    sleep: Pin<Box<Sleep>>,
    delay: std::time::Duration,
    timeout: std::time::Duration,
    heard: bool,
    pinged: bool,
}

enum Due {
    Ping,
    GiveUp,
}

impl Liveness {
    fn new(delay: std::time::Duration, config: &UpstreamConfig) -> Self {
        let sleep = Box::pin(tokio::time::sleep(delay));
        Self {
            sleep,
            delay,
            timeout: config.pong_timeout,
            heard: false,
            pinged: false,
        }
    }

    fn alive(&mut self) {
        self.heard = true;
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Due> {
        loop {
            ready!(self.sleep.as_mut().poll(context));
            let heard = std::mem::take(&mut self.heard);
            if self.pinged && !heard {
                return Poll::Ready(Due::GiveUp);
            }
            self.pinged = !heard;
            let next = if self.pinged {
                self.timeout
            } else {
                self.delay
            };
            self.sleep.as_mut().reset(Instant::now() + next);
            if self.pinged {
                return Poll::Ready(Due::Ping);
            }
        }
    }
}
