//! What the sending HTTP transports share: reading the payload and handing it to the session.

use std::borrow::Cow;

use http::{Response, StatusCode};

use crate::protocol::DecodeError;
use crate::protocol::message::{decode_messages, form_payload};
use crate::session::Deliver;

use super::body::Body;
use super::request::{RequestBody, is_form, read};
use super::response::protocol_error;
use super::{Exchange, text};

/// Where the JSON array is in the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Payload {
    /// The body itself, whatever its content type says. (sockjs-protocol, `XhrPolling.test_content_types`)
    Body,
    /// Field `d` of a form, or the body itself when it is not a form. (sockjs-protocol, `JsonPolling.test_content_types`)
    Form,
}

/// Delivers the request's messages to the session of the URL: all, or none.
///
/// # Errors
/// The answer to give: 500 with the protocol's text for a bad payload, 404 without a session, 413 over a limit, 503 when the
/// backend does not read.
///
/// Source: sockjs-protocol, `XhrPolling.test_invalid_session`, `XhrPolling.test_invalid_json`.
pub(super) async fn send(mut exchange: Exchange, payload: Payload) -> Result<(), Response<Body>> {
    let body = std::mem::replace(exchange.request.body_mut(), RequestBody::empty());
    let headers = exchange.request.headers();
    let body = read(headers, body, &exchange.service).await?;
    let json = if payload == Payload::Form && is_form(headers) {
        form_payload(&body.bytes).map(|payload| Cow::Owned(payload.into_owned().into_bytes()))
    } else {
        Ok(Cow::Borrowed(&body.bytes[..]))
    };
    let limits = &exchange.service.config.messages;
    let decoded = json.and_then(|json| decode_messages(&json, limits));
    let mut messages = decoded.map_err(|error: DecodeError| protocol_error(error.response()))?;
    drop(body);

    let found = exchange
        .session
        .as_ref()
        .map(|id| exchange.service.registry.get(id));
    let handle = match found {
        Some(Ok(handle)) => handle,
        // The close frame tells the browser; a 404 here would hide it behind "Sending error".
        Some(Err(Some(cause))) if cause.is_told() => return Ok(()),
        Some(Err(_)) | None => return Err(gone()),
    };
    let timeout = exchange.service.config.deliver_timeout;
    drop(exchange);
    match tokio::time::timeout(timeout, handle.deliver(&mut messages)).await {
        Ok(Deliver::Accepted) => Ok(()),
        Ok(Deliver::Ended | Deliver::Full) => Err(gone()),
        Err(_) => Err(text(
            StatusCode::SERVICE_UNAVAILABLE,
            "Backend does not read.",
        )),
    }
}

fn gone() -> Response<Body> {
    text(StatusCode::NOT_FOUND, "Session not found.")
}
