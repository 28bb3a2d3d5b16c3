//! One TCP connection: hyper on it, deadlines around it, and a [`Wire`] that tells receivers what became of it.

use std::convert::Infallible;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};
use tracing::debug;

use crate::registry::{Reservation, Wire};
use crate::service::{ConnectionInfo, Gateway};
use crate::transport::{Body, RequestBody};

use super::ServerConfig;

/// Serves requests until the connection ends, is upgraded, idles too long, or the server closes.
pub(super) async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    place: Reservation,
    gateway: Gateway,
    config: Arc<ServerConfig>,
    mut closing: watch::Receiver<bool>,
) {
    let phase = Arc::new(PhaseCell::default());
    let wire = Arc::new(Wire::default());
    let io = WatchedStream {
        stream,
        wire: Arc::clone(&wire),
        phase: Arc::clone(&phase),
        broken: false,
        _place: place,
    };
    let info = ConnectionInfo {
        peer: Some(peer),
        secure: false,
        wire: Some(wire),
    };
    let service = {
        let phase = Arc::clone(&phase);
        service_fn(move |request: Request<Incoming>| {
            phase.set(Phase::Busy);
            let (gateway, info, phase) = (gateway.clone(), info.clone(), Arc::clone(&phase));
            async move {
                let response = gateway.answer(request.map(RequestBody::Hyper), &info).await;
                Ok::<_, Infallible>(response.map(|body| Tracked { body, phase }))
            }
        })
    };
    let connection = hyper::server::conn::http1::Builder::new()
        .half_close(false)
        // The deadline below tells an idle connection from a slow head; hyper's own timer does not.
        .header_read_timeout(None)
        .max_buf_size(config.max_header_size.max(8192))
        .max_headers(config.max_headers)
        .serve_connection(TokioIo::new(io), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let mut deadline = Deadline::new(&phase, &config);
    loop {
        tokio::select! {
            biased;
            outcome = connection.as_mut() => {
                if let Err(error) = outcome {
                    debug!(%peer, %error, "connection ended");
                }
                return;
            }
            () = std::future::poll_fn(|context| deadline.poll(context)) => {
                debug!(%peer, phase = ?phase.get(), "connection timed out");
                return;
            }
            changed = closing.changed() => {
                if changed.is_err() || *closing.borrow() {
                    connection.as_mut().graceful_shutdown();
                    let _ = tokio::time::timeout(config.close_grace, connection).await;
                    return;
                }
            }
        }
    }
}

/// What the connection is doing, as far as deadlines care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Phase {
    /// Nothing came yet on a new connection.
    New = 0,
    /// A part of a request's head came.
    Head = 1,
    /// A request is being answered.
    Busy = 2,
    /// The answer is complete and nothing came since.
    Idle = 3,
}

/// Shared by the I/O, the service and the deadline of one connection, all in one task.
#[derive(Debug, Default)]
struct PhaseCell(AtomicU8);

impl PhaseCell {
    fn get(&self) -> Phase {
        match self.0.load(Ordering::Relaxed) {
            0 => Phase::New,
            1 => Phase::Head,
            2 => Phase::Busy,
            _ => Phase::Idle,
        }
    }

    fn set(&self, phase: Phase) {
        self.0.store(phase as u8, Ordering::Relaxed);
    }
}

/// A response body that tells when hyper is done with it.
struct Tracked {
    body: Body,
    phase: Arc<PhaseCell>,
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.phase.set(Phase::Idle);
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
struct Deadline<'a> {
    phase: &'a PhaseCell,
    config: &'a ServerConfig,
    seen: Phase,
    idle_since: Instant,
    sleep: Pin<Box<Sleep>>,
}

impl<'a> Deadline<'a> {
    fn new(phase: &'a PhaseCell, config: &'a ServerConfig) -> Self {
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
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let phase = self.phase.get();
        if phase != self.seen {
            self.seen = phase;
            match phase {
                Phase::Idle => self.idle_since = Instant::now(),
                Phase::Head => self
                    .sleep
                    .as_mut()
                    .reset(Instant::now() + self.config.header_timeout),
                Phase::New | Phase::Busy => {}
            }
        }
        loop {
            std::task::ready!(self.sleep.as_mut().poll(context));
            let next = match phase {
                Phase::New | Phase::Head => return Poll::Ready(()),
                Phase::Idle => self.idle_since + self.config.idle_timeout,
                Phase::Busy => Instant::now() + self.config.idle_timeout,
            };
            if next <= Instant::now() {
                return Poll::Ready(());
            }
            self.sleep.as_mut().reset(next);
        }
    }
}

/// A TCP stream that reports what is written, whether it breaks, and whether the browser is still there.
struct WatchedStream {
    stream: TcpStream,
    wire: Arc<Wire>,
    phase: Arc<PhaseCell>,
    broken: bool,
    /// Held for as long as the socket, through an upgrade too.
    _place: Reservation,
}

impl WatchedStream {
    /// Looks at the socket without taking anything from it; an error or an end is the browser's leaving.
    fn peek(&self) -> io::Result<bool> {
        let mut byte = [MaybeUninit::<u8>::uninit()];
        match SockRef::from(&self.stream).peek(&mut byte) {
            Ok(length) => Ok(length > 0),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn checked<T>(&mut self, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if matches!(outcome, Poll::Ready(Err(_))) {
            self.broken = true;
        }
        outcome
    }

    /// Before a whole answer is written: a browser that is gone will not read it, and its kernel only says so afterwards.
    fn check_reader(&mut self) -> io::Result<()> {
        self.cut()?;
        if self.wire.is_answering() && !self.peek().unwrap_or(false) {
            self.broken = true;
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    }

    fn cut(&self) -> io::Result<()> {
        if self.wire.is_cut() {
            Err(io::ErrorKind::ConnectionAborted.into())
        } else {
            Ok(())
        }
    }
}

impl AsyncRead for WatchedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.cut()?;
        if self.wire.take_recheck() {
            match self.peek() {
                Ok(true) => self.wire.present(),
                Ok(false) => return Poll::Ready(Ok(())),
                Err(error) => return self.checked(Poll::Ready(Err(error))),
            }
        }
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(context, buffer);
        match &outcome {
            Poll::Pending => self.wire.register(context),
            Poll::Ready(_) if buffer.filled().len() > before => {
                if matches!(self.phase.get(), Phase::New | Phase::Idle) {
                    self.phase.set(Phase::Head);
                }
                self.wire.received(context);
            }
            Poll::Ready(_) => {}
        }
        self.checked(outcome)
    }
}

impl AsyncWrite for WatchedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check_reader()?;
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.checked(outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check_reader()?;
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.checked(outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Called when everything handed over was written.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire.flushed();
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Drop for WatchedStream {
    fn drop(&mut self) {
        // An answer that met a closed socket is refused with a reset, which may come after the end was read.
        let broken = self.broken || !matches!(SockRef::from(&self.stream).take_error(), Ok(None));
        self.wire.closed(broken);
    }
}
