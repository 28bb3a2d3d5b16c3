//! What a connection is doing, and the deadlines that follow from it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Response, StatusCode};
use tokio::time::{Instant, Sleep};

use crate::registry::Wire;
use crate::transport::Body;

use super::ServerConfig;

/// What the connection is doing, as far as deadlines care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// Nothing came yet on a new connection.
    New = 0,
    /// A part of a request's head came.
    Head = 1,
    /// A request is being answered.
    Busy = 2,
    /// The answer is complete and nothing came since.
    Idle = 3,
    /// The connection is a WebSocket now.
    Upgraded = 4,
}

/// Shared by the I/O, the service and the deadline of one connection, all in one task.
#[derive(Debug, Default)]
pub(super) struct PhaseCell {
    phase: AtomicU8,
    /// Bytes were written since the deadline looked.
    wrote: AtomicBool,
}

impl PhaseCell {
    pub(super) fn get(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::New,
            1 => Phase::Head,
            2 => Phase::Busy,
            3 => Phase::Idle,
            _ => Phase::Upgraded,
        }
    }

    pub(super) fn set(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    pub(super) fn wrote(&self) {
        self.wrote.store(true, Ordering::Relaxed);
    }
}

/// A response body that tells when hyper is done with it.
pub(super) struct Tracked {
    body: Body,
    phase: Arc<PhaseCell>,
    wire: Arc<Wire>,
    next: Phase,
}

impl Tracked {
    /// The response with its body tracked.
    pub(super) fn response(
        response: Response<Body>,
        phase: Arc<PhaseCell>,
        wire: Arc<Wire>,
    ) -> Response<Self> {
        let upgrades = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        let next = if upgrades {
            Phase::Upgraded
        } else {
            Phase::Idle
        };
        response.map(|body| Self {
            body,
            phase,
            wire,
            next,
        })
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.phase.set(self.next);
        self.wire.reveal();
    }
}

impl http_body::Body for Tracked {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

/// Ends a connection whose request head does not come, or that idles. The timer is looked at when it fires and moved only
/// for a head that comes in pieces: an ordinary request costs it nothing.
pub(super) struct Deadline<'a> {
    phase: &'a PhaseCell,
    config: &'a ServerConfig,
    seen: Phase,
    idle_since: Instant,
    sleep: Pin<Box<Sleep>>,
}

impl<'a> Deadline<'a> {
    pub(super) fn new(phase: &'a PhaseCell, config: &'a ServerConfig) -> Self {
        let sleep = Box::pin(tokio::time::sleep(config.header_timeout));
        Self {
            phase,
            config,
            seen: Phase::New,
            idle_since: Instant::now(),
            sleep,
        }
    }

    /// Ready when the connection has to end.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let phase = self.phase.get();
        if phase != self.seen {
            self.seen = phase;
            match phase {
                Phase::Idle => self.idle_since = Instant::now(),
                Phase::Head => self
                    .sleep
                    .as_mut()
                    .reset(Instant::now() + self.config.header_timeout),
                Phase::New | Phase::Busy | Phase::Upgraded => {}
            }
        }
        loop {
            std::task::ready!(self.sleep.as_mut().poll(context));
            let next = match phase {
                Phase::New | Phase::Head => return Poll::Ready(()),
                // The answer may still be on its way to a slow browser.
                Phase::Idle if self.phase.wrote.swap(false, Ordering::Relaxed) => {
                    Instant::now() + self.config.idle_timeout
                }
                Phase::Idle => self.idle_since + self.config.idle_timeout,
                Phase::Busy | Phase::Upgraded => Instant::now() + self.config.idle_timeout,
            };
            if next <= Instant::now() {
                return Poll::Ready(());
            }
            self.sleep.as_mut().reset(next);
        }
    }
}
