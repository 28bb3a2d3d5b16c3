//! The half of a client that sends.

use std::sync::Arc;

use crate::protocol::{CloseReason, Message};

use super::error::{Error, Kind};
use super::inbox::lost;
use super::outbox::Outbox;
use super::shared::Shared;

/// Sends to the session. Made by [`Client::split`](super::Client::split).
///
/// Dropping it does not end the session. When the receiver is dropped the session is over; a WebSocket's connection goes once this
/// half is dropped too, or used.
#[derive(Debug)]
pub struct Sender {
    shared: Arc<Shared>,
    outbox: Option<Outbox>,
    /// The session that `outbox` belongs to.
    session: u32,
}

impl Sender {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            outbox: None,
            session: 0,
        }
    }

    /// Sends one message: on HTTP transports in a request of its own, whose answer (200 or 204) is waited for; on a WebSocket
    /// until it is handed to the operating system. A server that reads too slowly makes this wait.
    ///
    /// # Errors
    /// [`Error::is_binary`] for bytes on a transport that carries text; nothing was sent. [`Error::is_reconnecting`] while there is no
    /// session; nothing was sent. [`Error::is_closed`] when the session is over, or ended by this send: whether the message arrived
    /// is then not known.
    ///
    /// # Cancel safety
    /// When the future is dropped, the message may have been sent, may still be, or not. The next send waits for what is left of
    /// the one before, so the order stays.
    ///
    /// Source: sockjs-client 1.6.1, `BufferedSender`: one request at a time.
    pub async fn send(&mut self, message: impl Into<Message>) -> Result<(), Error> {
        self.send_slice(&[message.into()]).await
    }

    /// Sends messages in one array: one request, or one WebSocket frame. On a raw WebSocket, a frame each.
    ///
    /// # Errors
    /// As [`Self::send`], for all of them together.
    pub async fn send_all(
        &mut self,
        messages: impl IntoIterator<Item = Message>,
    ) -> Result<(), Error> {
        let messages: Vec<_> = messages.into_iter().collect();
        self.send_slice(&messages).await
    }

    async fn send_slice(&mut self, messages: &[Message]) -> Result<(), Error> {
        self.refresh()?;
        let binary = messages.iter().any(|message| message.as_text().is_none());
        let Some(outbox) = &mut self.outbox else {
            return Err(Kind::Reconnecting.into());
        };
        if binary && !matches!(outbox, Outbox::Raw(_)) {
            let transport = self.shared.state.lock().opened.transport;
            return Err(Kind::Binary(transport).into());
        }
        if let Err(reason) = outbox.send(&self.shared, messages).await {
            self.outbox = None;
            if let Some(reason) = &reason {
                self.shared.fail(self.session, reason.clone());
            }
            // A close that came meanwhile says more than that the connection broke.
            let ended = self.shared.state.lock().ended.clone();
            let reason = ended
                .or(reason)
                .unwrap_or_else(|| lost("the server closes"));
            return Err(Kind::Closed(reason).into());
        }
        Ok(())
    }

    /// Ends the session, with a WebSocket's close frame where there is one; HTTP transports have none, and just go.
    ///
    /// A WebSocket's receiver waits for the server's close frame; [`Client::close`](super::Client::close) does both.
    ///
    /// # Errors
    /// [`Error::is_setting`] unless `code` is 1000 or 3000 to 4999 and `reason` at most 123 bytes, as in browsers.
    pub async fn close(&mut self, code: u16, reason: &str) -> Result<(), Error> {
        if !matches!(code, 1000 | 3000..=4999) {
            let what = format!("the close code {code}");
            return Err(Error::setting(what, "use 1000, or 3000 to 4999"));
        }
        if reason.len() > 123 {
            let why = "it has more than 123 bytes (RFC 6455 §5.5)";
            return Err(Error::setting("the close reason", why));
        }
        let reason = CloseReason::new(code, reason);
        let waits = self.refresh().is_ok();
        let outbox = self.outbox.take().filter(Outbox::has_handshake);
        match outbox.filter(|_| waits) {
            Some(mut outbox) => {
                self.shared.state.lock().closing = Some(reason.clone());
                outbox.close(&reason).await;
                self.outbox = Some(outbox);
                self.shared.receiver.wake();
            }
            None => self.shared.end(reason),
        }
        Ok(())
    }

    /// Why the session is over; `None` while it is not.
    pub fn closed(&self) -> Option<CloseReason> {
        self.shared.state.lock().ended.clone()
    }

    pub(super) fn abandon(&self) {
        let mut state = self.shared.state.lock();
        let reason = state.closing.take().unwrap_or(CloseReason::NORMAL);
        drop(state);
        self.shared.end(reason);
    }

    /// Takes the way out of a new session.
    fn refresh(&mut self) -> Result<(), Error> {
        let mut state = self.shared.state.lock();
        if let Some(reason) = state.ended.as_ref().or(state.closing.as_ref()) {
            if state.ended.is_some() {
                self.outbox = None;
            }
            return Err(Kind::Closed(reason.clone()).into());
        }
        if !state.is_open {
            return Err(Kind::Reconnecting.into());
        }
        if state.session != self.session {
            self.session = state.session;
            self.outbox = state.outbox.take();
        }
        Ok(())
    }
}
