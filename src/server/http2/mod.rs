//! One connection in HTTP/2: requests and WebSockets at the same time, each in a task of its own. (RFC 9113, RFC 8441)
//!
//! The `h2` crate speaks the protocol. It is used without hyper's server, which takes data out of a session before it can be
//! written and does not tell what became of it; see [`delivery`].

mod delivery;
mod exchange;
mod preface;
mod request;
mod streams;
mod timing;
mod tunnel;

use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::metrics::{ConnectionRefusal, ConnectionTimeout};
use crate::registry::{Reservation, Throttle, present};
use crate::service::{ConnectionInfo, Gateway};

use super::ServerConfig;
use super::socket::Socket;

pub(super) use preface::{Preface, recognise};

use delivery::Piece;
use exchange::Exchange;
use request::Read;
use streams::Streams;
use timing::{Due, Timing};

/// Bytes of a body, or of a WebSocket, that may come before they are read: what one stream can make the server hold.
const STREAM_WINDOW: u32 = 64 * 1024;
/// The same for all streams of a connection together.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Bytes of a stream that lie between its session and the socket.
const SEND_BUFFER: usize = 16 * 1024;
/// Requests that may be taken back in one go before they were looked at. (CVE-2023-44487)
const UNSEEN_RESETS: usize = 200;

/// A connection that began with the preface.
pub(super) struct Handover {
    /// With what was read of it.
    pub(super) socket: Socket,
    pub(super) gateway: Gateway,
    pub(super) config: Arc<ServerConfig>,
    pub(super) info: ConnectionInfo,
    /// Whether the server closes.
    pub(super) closing: watch::Receiver<bool>,
    /// What places for requests are taken from.
    pub(super) places: Reservation,
}

/// Serves streams until the connection ends, idles too long, its peer abuses it, or the server closes.
pub(super) async fn serve(handover: Handover) {
    let Handover {
        socket,
        gateway,
        config,
        info,
        mut closing,
        places,
    } = handover;
    let peer = info.peer;
    let handshake = settings(&config).handshake::<_, Piece>(socket);
    let mut connection = match timeout(config.header_timeout, handshake).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => {
            debug!(peer = peer.map(display), %error, "HTTP/2 connection ended before it began");
            return;
        }
        Err(_) => {
            gateway.connections().timed_out(ConnectionTimeout::Head);
            debug!(
                peer = peer.map(display),
                "HTTP/2 connection timed out before it began"
            );
            return;
        }
    };
    debug!(peer = peer.map(display), "HTTP/2 connection begins");
    let mut pings = connection.ping_pong();
    let mut timing = Timing::new(&config);
    let mut timer = Box::pin(tokio::time::sleep_until(timing.next()));
    let streams = Arc::new(Streams::default());
    let counts = Arc::clone(gateway.connections());
    let opening = Opening {
        gateway,
        config: Arc::clone(&config),
        info,
        places,
        refusals: Throttle::default(),
        streams: Arc::clone(&streams),
    };
    if let Some(pings) = &mut pings {
        // Its answer shows that the peer has read our settings.
        let _ = pings.send_ping(h2::Ping::opaque());
    }
    let mut closes = false;
    loop {
        if streams.is_abused() {
            debug!(
                peer = peer.map(display),
                "HTTP/2 connection ended: too many requests were taken back"
            );
            connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
        }
        let due = timing.next();
        if due != timer.deadline() {
            timer.as_mut().reset(due);
        }
        tokio::select! {
            biased;
            _ = closing.wait_for(|closing| *closing), if !closes => {
                closes = true;
                connection.graceful_shutdown();
                timing.end_within(config.close_grace);
            }
            () = &mut timer => match timing.reached(present(), streams.open()) {
                Due::Nothing => {}
                Due::Ping => {
                    if let Some(pings) = &mut pings {
                        let _ = pings.send_ping(h2::Ping::opaque());
                    }
                }
                Due::Idle => {
                    counts.timed_out(ConnectionTimeout::Idle);
                    debug!(peer = peer.map(display), "HTTP/2 connection idled");
                    connection.graceful_shutdown();
                }
                Due::Silent => {
                    counts.timed_out(ConnectionTimeout::Ping);
                    debug!(peer = peer.map(display), "HTTP/2 connection ended: no answer to a PING");
                    return;
                }
                Due::Over => return,
            },
            answered = poll_fn(|context| match &mut pings {
                Some(pings) => pings.poll_pong(context),
                None => std::task::Poll::Pending,
            }) => match answered {
                Ok(_) => timing.answered(present()),
                // The connection ends.
                Err(_) => pings = None,
            },
            () = streams.changed() => timing.streams_changed(present(), streams.open()),
            accepted = connection.accept() => match accepted {
                Some(Ok((request, respond))) => opening.open(request, respond),
                Some(Err(error)) => {
                    debug!(peer = peer.map(display), %error, "HTTP/2 connection ended");
                    return;
                }
                None => return,
            },
        }
    }
}

/// What the peer is told, and what it may make the server hold.
fn settings(config: &ServerConfig) -> Builder {
    let mut builder = Builder::new();
    // What h2 refuses by itself is not told. Lists up to this are read, and refused here.
    let header_list = request::largest(config).saturating_mul(2);
    builder
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(SEND_BUFFER)
        .max_concurrent_streams(config.http2_max_streams)
        .max_pending_accept_reset_streams(UNSEEN_RESETS)
        .max_header_list_size(u32::try_from(header_list).unwrap_or(u32::MAX))
        .enable_connect_protocol();
    builder
}

/// What each stream is opened with.
struct Opening {
    gateway: Gateway,
    config: Arc<ServerConfig>,
    info: ConnectionInfo,
    places: Reservation,
    refusals: Throttle,
    streams: Arc<Streams>,
}

impl Opening {
    fn open(&self, request: http::Request<RecvStream>, mut respond: SendResponse<Piece>) {
        let Some(place) = self.places.another(1) else {
            let why = ConnectionRefusal::TooManyRequests;
            self.gateway.connections().refused(why);
            if let Some(held_back) = self.refusals.admit() {
                let (peer, limit) = (self.info.peer, self.config.max_connections);
                warn!(
                    peer = peer.map(display),
                    limit,
                    held_back,
                    "HTTP/2 requests refused: too many connections and open requests (max_connections)"
                );
            }
            // It can be sent again. (RFC 9113 §8.7)
            respond.send_reset(Reason::REFUSED_STREAM);
            return;
        };
        let open = Streams::begin(&self.streams, place);
        let read = request::read(request, &self.config);
        if let Read::Refused(why, _) = &read {
            self.gateway.connections().head_refused(*why);
        }
        let exchange = Exchange::new(read, respond, open, &self.gateway, &self.info, &self.config);
        tokio::spawn(exchange);
    }
}

/// An error that is the stream's or the connection's, for those who read bytes.
fn broken(error: h2::Error) -> std::io::Error {
    if error.is_io()
        && let Some(error) = error.get_io()
    {
        return error.kind().into();
    }
    std::io::Error::new(std::io::ErrorKind::ConnectionReset, error)
}

/// Whether a stream that ended like this was ended by somebody who is there: the browser gave it up. (RFC 9113 §7)
fn in_order(reason: Reason) -> bool {
    reason == Reason::CANCEL || reason == Reason::NO_ERROR
}

/// Bytes that were read, whose room the peer gets back.
fn release(stream: &mut RecvStream, bytes: &Bytes) {
    // Only more than was received could fail.
    let _ = stream.flow_control().release_capacity(bytes.len());
}
