//! The half of a client that receives, and that opens a new session when one is lost.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use crate::protocol::{CloseReason, Message};

use super::builder::Backoff;
use super::connect::{Session, establish};
use super::error::Error;
use super::frames::ServerFrame;
use super::inbox::{Inbox, lost};
use super::shared::Shared;
use super::transport::falls_back;
use super::{Event, Opened};

type Reconnecting = Pin<Box<dyn Future<Output = Result<Session, Error>> + Send>>;

/// Receives from the session. Made by [`Client::split`](super::Client::split). Dropping it ends the session.
pub struct Receiver {
    shared: Arc<Shared>,
    inbox: Option<Inbox>,
    /// What is left of the last frame.
    messages: std::vec::IntoIter<Message>,
    /// Wakes when it has been silent for too long.
    alarm: Option<Pin<Box<Sleep>>>,
    heard: Instant,
    /// Somebody waits: silence counts. While nobody asks, there is nothing to be heard.
    waits: bool,
    reconnecting: Option<Reconnecting>,
    /// When the session was opened.
    opened_at: Instant,
    /// It took the place of one that was lost.
    is_successor: bool,
    /// Attempts that failed in a row: no session was opened, or one that was soon lost.
    attempts: u32,
    heartbeats: u64,
}

impl Receiver {
    pub(super) fn new(shared: Arc<Shared>, inbox: Inbox) -> Self {
        Self {
            alarm: None,
            shared,
            inbox: Some(inbox),
            messages: Vec::new().into_iter(),
            heard: Instant::now(),
            waits: false,
            reconnecting: None,
            opened_at: Instant::now(),
            is_successor: false,
            attempts: 0,
            heartbeats: 0,
        }
    }

    /// The next message, or news of the session; `None` when it is over, and [`Self::closed`] says why.
    ///
    /// Nothing is read before it is asked for: who does not call this stops the server from sending. It must be called now and
    /// then all the same, because it also asks for the next answer of HTTP transports (servers give up sessions that nobody
    /// reads for some seconds) and answers a WebSocket's Pings.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn recv(&mut self) -> Option<Event> {
        poll_fn(|context| self.poll_recv(context)).await
    }

    /// As [`Self::recv`], for who polls many sessions in one task.
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        let polled = self.poll_event(context);
        self.waits = polled.is_pending();
        polled
    }

    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        if let Some(message) = self.messages.next() {
            return Poll::Ready(Some(Event::Message(message)));
        }
        self.shared.receiver.register(context.waker());
        loop {
            let failed = {
                let mut state = self.shared.state.lock();
                if state.ended.is_some() {
                    drop(state);
                    self.stop();
                    return Poll::Ready(None);
                }
                state.failed.take()
            };
            if let Some(reason) = failed {
                return Poll::Ready(self.lose(reason));
            }
            if let Some(reconnecting) = &mut self.reconnecting {
                let Poll::Ready(outcome) = reconnecting.as_mut().poll(context) else {
                    return Poll::Pending;
                };
                self.reconnecting = None;
                match outcome {
                    Ok(session) => {
                        let opened = session.opened.clone();
                        self.inbox = Some(self.shared.install(session));
                        self.heard = Instant::now();
                        (self.opened_at, self.is_successor) = (self.heard, true);
                        return Poll::Ready(Some(Event::Reconnected(opened)));
                    }
                    Err(error) => self.try_again(&error),
                }
                continue;
            }
            let Some(inbox) = &mut self.inbox else {
                return Poll::Ready(None);
            };
            let reason = match inbox.poll_frame(context, &self.shared) {
                Poll::Pending => match self.poll_silence(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(reason) => reason,
                },
                Poll::Ready(Ok(frame)) => {
                    if self.shared.config.silence.is_some() {
                        self.heard = Instant::now();
                    }
                    match frame {
                        ServerFrame::Heartbeat => {
                            self.heartbeats += 1;
                            continue;
                        }
                        ServerFrame::Messages(messages) => {
                            self.messages = messages.into_iter();
                            match self.messages.next() {
                                Some(message) => {
                                    return Poll::Ready(Some(Event::Message(message)));
                                }
                                None => continue,
                            }
                        }
                        // sockjs-client's code and text.
                        ServerFrame::Open => CloseReason::new(1006, "Server lost session"),
                        ServerFrame::Close(reason) => reason,
                    }
                }
                Poll::Ready(Err(reason)) => reason,
            };
            if let Some(inbox) = &mut self.inbox {
                inbox.settle();
            }
            return Poll::Ready(self.lose(reason));
        }
    }

    /// Why the session is over; `None` while it is not.
    pub fn closed(&self) -> Option<CloseReason> {
        self.shared.state.lock().ended.clone()
    }

    /// How the session was opened: the last one, after a reconnect.
    pub fn opened(&self) -> Opened {
        self.shared.state.lock().opened.clone()
    }

    /// Heartbeats that have come: `h` frames, and Pings of a WebSocket.
    pub const fn heartbeats(&self) -> u64 {
        self.heartbeats
    }

    /// The session ended, for good or not.
    fn lose(&mut self, reason: CloseReason) -> Option<Event> {
        self.inbox = None;
        let closing = self.shared.state.lock().closing.clone();
        let backoff = self.shared.config.reconnect;
        let backoff = backoff.filter(|_| closing.is_none() && falls_back(reason.code));
        let Some(backoff) = backoff.filter(|backoff| self.may_follow(*backoff)) else {
            self.shared.end(closing.unwrap_or(reason));
            return None;
        };
        let outbox = {
            let mut state = self.shared.state.lock();
            state.is_open = false;
            state.outbox.take()
        };
        drop(outbox);
        self.reconnect(backoff);
        Some(Event::Lost(reason))
    }

    /// Counts how the session did that was just lost, and gives whether another may follow it.
    ///
    /// A gateway whose upstream is away opens sessions and ends them at once. So a session that followed another one and lived
    /// shorter than the longest wait for the next one counts as an attempt that failed, and the waits grow.
    fn may_follow(&mut self, backoff: Backoff) -> bool {
        if self.opened_at.elapsed() >= backoff.ceiling(self.attempts) {
            self.attempts = 0;
        } else if self.is_successor {
            self.attempts = self.attempts.saturating_add(1);
        }
        backoff.attempts.is_none_or(|most| self.attempts < most)
    }

    fn try_again(&mut self, error: &Error) {
        self.attempts = self.attempts.saturating_add(1);
        let reason = error.close_reason();
        let reason = reason.unwrap_or_else(|| lost(error));
        match self.shared.config.reconnect {
            // A server that means its close is not asked again.
            Some(backoff)
                if backoff.attempts.is_none_or(|most| self.attempts < most)
                    && (falls_back(reason.code) || reason.code == 2000) =>
            {
                self.reconnect(backoff);
            }
            _ => self.shared.end(reason),
        }
    }

    fn reconnect(&mut self, backoff: Backoff) {
        let ceiling = backoff.ceiling(self.attempts);
        let wait = ceiling.mul_f64(rand::random::<f64>());
        let shared = Arc::clone(&self.shared);
        self.reconnecting = Some(Box::pin(async move {
            tokio::time::sleep(wait).await;
            establish(&shared, None).await
        }));
    }

    /// Ready when nothing has come for too long.
    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<CloseReason> {
        let Some(silence) = self.shared.config.silence else {
            return Poll::Pending;
        };
        if !self.waits {
            self.heard = Instant::now();
        }
        let deadline = self.heard + silence;
        let alarm = self
            .alarm
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        // The alarm is moved when it goes off, not with every frame.
        while alarm.as_mut().poll(context).is_ready() {
            if Instant::now() >= deadline {
                self.alarm = None;
                return Poll::Ready(silent(silence));
            }
            alarm.as_mut().reset(deadline);
        }
        Poll::Pending
    }

    /// Lets go of everything.
    fn stop(&mut self) {
        self.inbox = None;
        self.reconnecting = None;
        self.alarm = None;
    }
}

fn silent(silence: Duration) -> CloseReason {
    lost(format_args!("nothing came for {} s", silence.as_secs_f64()))
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.end(CloseReason::NORMAL);
    }
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receiver")
            .field("inbox", &self.inbox)
            .field("reconnecting", &self.reconnecting.is_some())
            .finish_non_exhaustive()
    }
}
