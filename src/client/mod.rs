//! A SockJS client: websocket, xhr-streaming, eventsource, xhr-polling and raw WebSocket, with sockjs-client's fallback.
//!
//! ```
//! use sockjs_gateway::client::{Builder, Event};
//! # use sockjs_gateway::{Connection, Gateway, Server, ServerConfig, ServiceConfig};
//! # async fn echo(mut connection: Connection) {
//! #     while let Some(message) = connection.recv().await {
//! #         let _ = connection.send(message).await;
//! #     }
//! # }
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let gateway = Gateway::builder().service(ServiceConfig::new("/echo"), echo).build()?;
//! # let server = Server::bind("127.0.0.1:0".parse()?, gateway, ServerConfig::default())?;
//! # let url = format!("http://{}/echo", server.local_address()?);
//! # tokio::spawn(server.serve(std::future::pending()));
//!
//! let mut client = Builder::new(&url)?.connect().await?;
//! client.send("hello").await?;
//! assert_eq!(client.recv().await, Some(Event::Message("hello".into())));
//! client.close(1000, "done").await?;
//! assert_eq!(client.recv().await, None);
//! assert_eq!(client.closed().map(|reason| reason.code), Some(1000));
//! # Ok(())
//! # }
//! ```
//!
//! A client has no task of its own and no thread: [`Client::recv`] does the work, and reads nothing ahead. A session has one
//! connection, or two on HTTP transports, of which one receives and the other sends.
//!
//! # What it does as sockjs-client 1.6.1
//!
//! - `/info` first; its `websocket: false` and `base_url` are obeyed, anything but status 200 is the end (1002).
//! - Transports are tried in order, each for twice the retransmission timeout that the round trip of `/info` suggests, unless
//!   [`Builder::timeout`] is longer.
//! - The next one is tried only while none is open, and only after a close that nobody meant.
//! - Frames `o h a m c`; array items that are no strings arrive as JSON text; what is no frame is ignored. Unlike there, a
//!   broken `a[…]` ends the session (1002) instead of being a gap.
//!
//! And what not: JSONP, iframes and XDR, which are about browsers.

mod builder;
mod connect;
mod cookies;
mod error;
pub(crate) mod frames;
mod inbox;
mod info;
#[cfg(feature = "cli")]
mod inquiry;
mod outbox;
mod receiver;
mod sender;
mod shared;
mod transport;

use std::task::{Context, Poll};
use std::time::Duration;

use crate::protocol::{CloseReason, Message};

pub use builder::{Backoff, Builder};
pub use error::Error;
#[cfg(feature = "cli")]
pub(crate) use inquiry::Inquiry;
pub use receiver::Receiver;
pub use sender::Sender;
pub use transport::{Transport, UnknownTransport};

/// Time for the closing handshake of a WebSocket.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// What [`Client::recv`] gives.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A message from the server, in order.
    Message(Message),
    /// The session is lost, and a new one is being opened. Only with [`Builder::reconnect`]. What was on its way is lost with it.
    Lost(CloseReason),
    /// A new session is open: to the server, a new user.
    Reconnected(Opened),
}

/// How a session was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Opened {
    /// The transport.
    pub transport: Transport,
    /// How long `/info` took; `None` when it was not asked.
    pub round_trip: Option<Duration>,
    /// From the beginning of this transport's attempt, with a connection to make for WebSockets, to its `o` (raw: to the end of the
    /// handshake).
    pub attempt: Duration,
    /// From the beginning, with `/info` and transports that failed.
    pub total: Duration,
    /// The transports that failed before, and how.
    pub failed: Vec<(Transport, CloseReason)>,
}

impl Opened {
    const fn none(transport: Transport) -> Self {
        Self {
            transport,
            round_trip: None,
            attempt: Duration::ZERO,
            total: Duration::ZERO,
            failed: Vec::new(),
        }
    }
}

/// A SockJS session, from the side of the browser. Made by [`Builder::connect`]; dropping it ends the session.
#[derive(Debug)]
pub struct Client {
    sender: Sender,
    receiver: Receiver,
}

impl Client {
    /// Sends one message. See [`Sender::send`].
    ///
    /// # Errors
    /// As [`Sender::send`].
    pub async fn send(&mut self, message: impl Into<Message>) -> Result<(), Error> {
        self.sender.send(message).await
    }

    /// Sends messages together. See [`Sender::send_all`].
    ///
    /// # Errors
    /// As [`Sender::send_all`].
    pub async fn send_all(
        &mut self,
        messages: impl IntoIterator<Item = Message>,
    ) -> Result<(), Error> {
        self.sender.send_all(messages).await
    }

    /// The next message, or news of the session; `None` when it is over. See [`Receiver::recv`].
    pub async fn recv(&mut self) -> Option<Event> {
        self.receiver.recv().await
    }

    /// As [`Self::recv`], for who polls many sessions in one task.
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        self.receiver.poll_recv(context)
    }

    /// Ends the session, and waits up to 2 s for the server's answer to a WebSocket's close frame. Messages that come
    /// meanwhile are lost.
    ///
    /// # Errors
    /// [`Error::is_setting`] unless `code` is 1000 or 3000 to 4999 and `reason` at most 123 bytes, as in browsers. The session
    /// then lives.
    pub async fn close(&mut self, code: u16, reason: &str) -> Result<(), Error> {
        let closing = async {
            self.sender.close(code, reason).await?;
            while self.receiver.recv().await.is_some() {}
            Ok(())
        };
        let outcome = tokio::time::timeout(CLOSE_TIMEOUT, closing).await;
        outcome.unwrap_or_else(|_| {
            self.sender.abandon();
            Ok(())
        })
    }

    /// The transport in use.
    pub fn transport(&self) -> Transport {
        self.receiver.opened().transport
    }

    /// How the session was opened, and how long that took.
    pub fn opened(&self) -> Opened {
        self.receiver.opened()
    }

    /// Why the session is over; `None` while it is not. As the wire had it; 1006 for a connection that broke, with what happened
    /// as the reason.
    pub fn closed(&self) -> Option<CloseReason> {
        self.receiver.closed()
    }

    /// Heartbeats that have come: `h` frames, and Pings of a WebSocket.
    pub const fn heartbeats(&self) -> u64 {
        self.receiver.heartbeats()
    }

    /// Two halves, for two tasks.
    pub fn split(self) -> (Sender, Receiver) {
        (self.sender, self.receiver)
    }
}
