//! One TCP connection: hyper on it, deadlines around it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use http::header::CONNECTION;
use http::{HeaderValue, Request, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tracing::debug;

use crate::registry::{Reservation, Wire};
use crate::service::{ConnectionInfo, Gateway};
use crate::transport::{Http10Handshake, RequestBody};

use super::ServerConfig;
use super::phase::{Deadline, Phase, PhaseCell, Tracked};
use super::stream::WatchedStream;

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
    let max_head = config.max_header_size.max(8192);
    let io = WatchedStream::new(
        stream,
        Arc::clone(&wire),
        Arc::clone(&phase),
        place,
        max_head,
    );
    let info = ConnectionInfo {
        peer: Some(peer),
        secure: false,
        wire: Some(Arc::clone(&wire)),
    };
    let service = {
        let phase = Arc::clone(&phase);
        service_fn(move |mut request: Request<Incoming>| {
            phase.set(Phase::Busy);
            let http10 = wire.take_http10();
            if http10 {
                request.extensions_mut().insert(Http10Handshake);
            }
            wire.request_begins(request.body().size_hint().exact());
            let (phase, wire) = (Arc::clone(&phase), Arc::clone(&wire));
            let answer = gateway.answer(request.map(RequestBody::Hyper), &info);
            async move {
                let mut answer = answer.await;
                if http10 && answer.status() != StatusCode::SWITCHING_PROTOCOLS {
                    // It waits for the end of the connection.
                    let close = HeaderValue::from_static("close");
                    answer.headers_mut().insert(CONNECTION, close);
                }
                Ok::<_, Infallible>(Tracked::response(answer, phase, wire))
            }
        })
    };
    let connection = hyper::server::conn::http1::Builder::new()
        .half_close(false)
        // The deadline below tells an idle connection from a slow head; hyper's own timer does not.
        .header_read_timeout(None)
        .max_buf_size(max_head)
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
