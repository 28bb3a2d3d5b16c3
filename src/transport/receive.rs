//! What the receiving HTTP transports share: attaching to the session, and answering with one frame or with many.

use bytes::Bytes;
use http::header::{CONNECTION, FORWARDED, HeaderName, VIA};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version};

use crate::protocol::{CloseReason, Frame, Framing};
use crate::registry::{Found, Receiver};
use crate::session::Liveness;

use super::body::Body;
use super::request::{RequestBody, discard};
use super::response::typed;
use super::{Exchange, text};

/// Answers with one frame: the next one, or the reason why there is none. (sockjs-protocol, `XhrPolling`, `JsonPolling`)
pub(super) async fn poll(
    exchange: Exchange,
    content_type: HeaderValue,
    framing: impl Framing,
) -> Response<Body> {
    // Boxed: a parked poll must not keep the memory of its request.
    let receiver = match Box::pin(attach(exchange)).await {
        Ok(receiver) => receiver,
        Err(refusal) => return refusal,
    };
    let body = match receiver {
        Err(reason) => Body::from(framing.wrap(&Frame::Close(&reason))),
        Ok(mut receiver) => {
            receiver.settle().await;
            let frame = std::future::poll_fn(|context| {
                receiver.poll_frame(context, |frame| framing.wrap(&frame))
            })
            .await;
            Body::once(Bytes::from(frame), receiver)
        }
    };
    typed(StatusCode::OK, content_type, body)
}

/// Answers with the framing's prelude, then every frame as a chunk of its own, until the response limit.
/// (sockjs-protocol, `XhrStreaming`, `EventSource`, `HtmlFile`)
pub(super) async fn stream(
    exchange: Exchange,
    content_type: HeaderValue,
    framing: impl Framing + Send + 'static,
) -> Response<Body> {
    let limit = exchange.service.config.response_limit;
    match Box::pin(attach(exchange)).await {
        Ok(receiver) => typed(
            StatusCode::OK,
            content_type,
            Body::stream(framing, receiver, limit),
        ),
        Err(refusal) => refusal,
    }
}

/// Attaches to the session of the URL, which is opened if there is none.
///
/// # Errors
/// Outer: the request itself is at fault, the answer is ready. Inner: the close frame to answer with.
async fn attach(mut exchange: Exchange) -> Result<Result<Receiver, CloseReason>, Response<Body>> {
    let body = std::mem::replace(exchange.request.body_mut(), RequestBody::Empty);
    discard(exchange.request.headers(), body, &exchange.service.config).await?;
    if let Some(wire) = &exchange.wire {
        wire.resets_are_usual(closes(&exchange.request) || is_proxied(exchange.request.headers()));
    }
    let Some(id) = &exchange.session else {
        return Err(text(StatusCode::NOT_FOUND, "Not found."));
    };
    let handle = match exchange
        .service
        .registry
        .get_or_open(id, || exchange.handshake())
    {
        Found::Refused(reason) => return Ok(Err(reason)),
        Found::Living(handle) => handle,
        Found::Opened(handle, driver) => {
            exchange.log_opened(&handle);
            tokio::spawn(driver);
            handle
        }
    };
    let wire = exchange.wire.take();
    // The request's memory is not kept while the receiver waits.
    drop(exchange);
    Ok(Receiver::attach(handle, Liveness::Connection, wire).await)
}

/// Whether the browser's side ends the connection after this request.
fn closes(request: &Request<RequestBody>) -> bool {
    let asked = request.headers().get(CONNECTION);
    request.version() < Version::HTTP_11
        || asked.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"))
}

/// Whether the request shows signs of a proxy.
fn is_proxied(headers: &HeaderMap) -> bool {
    const SIGNS: [HeaderName; 4] = [
        VIA,
        FORWARDED,
        HeaderName::from_static("x-forwarded-for"),
        HeaderName::from_static("x-real-ip"),
    ];
    SIGNS.iter().any(|name| headers.contains_key(name))
}
