//! The way out of one session.

use std::future::poll_fn;

use futures_util::SinkExt as _;
use futures_util::stream::SplitSink;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::protocol::escape::{Plain, push_quoted};
use crate::protocol::{CloseReason, Message};

use super::inbox::{lost, refusal};
use super::shared::{Place, Shared};
use super::transport::SEND_SEGMENT;
use crate::outward::Connection;
use crate::outward::{Link, dial};

/// Bytes of an answer to a send that are read before its connection is given up.
const MAX_ANSWER: usize = 16 * 1024;

/// The sending end of a session.
#[derive(Debug)]
pub(super) enum Outbox {
    Http(Box<HttpOutbox>),
    Socket(SplitSink<WebSocketStream<Link>, tungstenite::Message>),
    /// Without SockJS.
    Raw(SplitSink<WebSocketStream<Link>, tungstenite::Message>),
}

impl Outbox {
    /// Sends messages: on SockJS in one array, on a raw WebSocket one after the other. Text only, unless it is raw.
    ///
    /// # Errors
    /// How the session ends; `None` when the receiver has read the server's close frame, and is about to tell.
    pub(super) async fn send(
        &mut self,
        shared: &Shared,
        messages: &[Message],
    ) -> Result<(), Option<CloseReason>> {
        match self {
            Self::Http(outbox) => Ok(outbox.send(shared, &array(messages)).await?),
            Self::Socket(sink) => {
                let message = tungstenite::Message::text(array(messages));
                sink.send(message).await.map_err(broken)
            }
            Self::Raw(sink) => {
                for message in messages {
                    let message = match message {
                        Message::Text(text) => tungstenite::Message::text(&**text),
                        Message::Binary(bytes) => tungstenite::Message::Binary(bytes.clone()),
                    };
                    sink.feed(message).await.map_err(broken)?;
                }
                sink.flush().await.map_err(broken)
            }
        }
    }

    /// Whether there is a closing handshake, which the receiver then waits for.
    pub(super) const fn has_handshake(&self) -> bool {
        matches!(self, Self::Socket(_) | Self::Raw(_))
    }

    /// Sends a WebSocket's close frame.
    pub(super) async fn close(&mut self, reason: &CloseReason) {
        let (Self::Socket(sink) | Self::Raw(sink)) = self else {
            return;
        };
        let frame = CloseFrame {
            code: reason.code.into(),
            reason: reason.websocket_reason().into(),
        };
        // When it cannot be sent, the receiver learns why.
        let _ = sink.send(tungstenite::Message::Close(Some(frame))).await;
    }
}

/// What an error of a WebSocket means for [`Outbox::send`].
fn broken(error: tungstenite::Error) -> Option<CloseReason> {
    match error {
        tungstenite::Error::Protocol(ProtocolError::SendAfterClosing)
        | tungstenite::Error::ConnectionClosed
        | tungstenite::Error::AlreadyClosed => None,
        error => Some(lost(format_args!("WebSocket connection broken: {error}"))),
    }
}

/// `["a","b"]`
fn array(messages: &[Message]) -> String {
    let length: usize = messages.iter().map(Message::len).sum();
    let mut array = String::with_capacity(length + 3 * messages.len() + 2);
    array.push('[');
    for (index, text) in messages.iter().filter_map(Message::as_text).enumerate() {
        if index > 0 {
            array.push(',');
        }
        push_quoted::<Plain>(&mut array, text);
    }
    array.push(']');
    array
}

/// The sending requests of an HTTP transport, one at a time.
#[derive(Debug)]
pub(super) struct HttpOutbox {
    place: Place,
    target: String,
    connection: Option<Connection>,
    /// Status of the answer that is being read.
    status: Option<u16>,
    content: Vec<u8>,
}

impl HttpOutbox {
    pub(super) fn new(place: Place) -> Self {
        Self {
            target: place.target(SEND_SEGMENT),
            place,
            connection: None,
            status: None,
            content: Vec::new(),
        }
    }

    async fn send(&mut self, shared: &Shared, body: &str) -> Result<(), CloseReason> {
        // Whoever sent before did not wait for its answer.
        self.finish(shared).await?;
        let usable = self.connection.take().and_then(|mut connection| {
            let usable = connection.is_ready();
            usable.then_some(connection)
        });
        let mut connection = match usable {
            Some(connection) => connection,
            None => {
                let link = dial(self.place.address.clone(), shared.config.tls.clone()).await;
                Connection::new(link.map_err(lost)?)
            }
        };
        // As sockjs-client says it, whatever the JSON inside.
        let own = &[("Content-Type", "text/plain")];
        let address = &self.place.address;
        connection.start(shared.request(address, "POST", &self.target, own, body));
        self.connection = Some(connection);
        self.finish(shared).await
    }

    /// Waits for the answer to the request before, if it is not read.
    async fn finish(&mut self, shared: &Shared) -> Result<(), CloseReason> {
        let Some(connection) = self.connection.as_mut().filter(|known| known.is_busy()) else {
            return Ok(());
        };
        let status = match self.status {
            Some(status) => status,
            None => {
                let head = poll_fn(|context| connection.poll_head(context)).await;
                // It may have arrived: sending it again could make two of it.
                let head = head.map_err(|error| lost(format_args!("Sending error: {error}")))?;
                shared.take_cookies(&self.place.address, &self.target, head.kept);
                *self.status.insert(head.status.as_u16())
            }
        };
        let content = &mut self.content;
        let mut keep = true;
        while poll_fn(|context| connection.poll_body(context, content))
            .await
            .unwrap_or(false)
        {
            if content.len() > MAX_ANSWER {
                keep = false;
                break;
            }
        }
        if !keep {
            self.connection = None;
        }
        self.status = None;
        let content = std::mem::take(&mut self.content);
        if matches!(status, 200 | 204) {
            Ok(())
        } else {
            Err(refusal("sending", status, &content))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// sockjs-protocol, `XhrPolling.test_transport`
    #[test]
    fn messages_are_sent_as_an_array_of_strings() {
        let messages = ["a", "\"\\\n\0", "ä\u{2028}😀", ""].map(Message::from);
        assert_eq!(array(&messages), r#"["a","\"\\\n\u0000","ä\u2028😀",""]"#);
        assert_eq!(array(&[]), "[]");
    }

    /// A message that meets the server's close frame, which another task has just read, is no broken connection: the session ends
    /// with the server's code.
    #[tokio::test]
    async fn sends_behind_a_close_frame_leave_the_end_to_the_receiver() {
        use futures_util::StreamExt as _;
        use tokio_tungstenite::tungstenite::protocol::Role;
        let (near, far) = tokio::io::duplex(1024);
        let near = WebSocketStream::from_raw_socket(near, Role::Client, None).await;
        let mut far = WebSocketStream::from_raw_socket(far, Role::Server, None).await;
        let (mut sink, mut stream) = near.split();
        far.close(None).await.expect("a close frame");
        let read = stream.next().await.expect("a frame").expect("in order");
        assert!(read.is_close());
        let sent = sink.send(tungstenite::Message::text("late")).await;
        assert_eq!(broken(sent.expect_err("closed")), None);
        let other = tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake);
        assert_eq!(broken(other).map(|reason| reason.code), Some(1006));
    }
}
