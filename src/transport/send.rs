//! What the sending HTTP transports share: reading the payload and handing it to the session.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};

use crate::protocol::Message;
use crate::protocol::message::{decode_messages, form_payload};
use crate::registry::SessionHandle;
use crate::session::{Deliver, EndCause, Excess};

use super::body::Body;
use super::request::{RequestBody, at_once, count, is_form, read};
use super::response::protocol_error;
use super::{Answer, Exchange, text};

/// Where the JSON array is in the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Payload {
    /// The body itself, whatever its content type says. (sockjs-protocol, `XhrPolling.test_content_types`)
    Body,
    /// Field `d` of a form, or the body itself when it is not a form. (sockjs-protocol, `JsonPolling.test_content_types`)
    Form,
}

/// Delivers the request's messages to the session of the URL: all, or none. Answers with what `accepted` gives, or with 500 and
/// the protocol's text for a bad payload, 404 without a session, 413 over a limit, 503 when the backend does not
/// read, 429 when the browser sends too fast for longer than a send may wait.
///
/// What comes for a session that was ended because the service stops is not accepted: nobody will read it, and what is acknowledged
/// must not be lost in a restart. But a 404 would hide the close frame behind sockjs-client's "Sending error": it is held until the
/// browser must have the frame, with which it gives the request up.
///
/// Source: sockjs-protocol, `XhrPolling.test_invalid_session`, `XhrPolling.test_invalid_json`.
pub(super) fn send(
    mut exchange: Exchange,
    payload: Payload,
    accepted: fn() -> Response<Body>,
) -> Answer {
    let body = std::mem::replace(&mut exchange.request.body, RequestBody::empty());
    // Mostly all is there and there is room: then nothing has to be kept.
    match at_once(&exchange.request.fields, body, &exchange.service.config) {
        Ok(body) => match take(&exchange, payload, &body) {
            Taken::Answered(answer) => answer.unwrap_or_else(accepted).into(),
            Taken::Waits(handle, messages) => {
                let times = Times::of(&exchange);
                Answer::later(deliver(handle, messages, times, accepted))
            }
            Taken::Void => Answer::later(held(Times::of(&exchange))),
        },
        Err(body) => Answer::later(async move {
            let body = match read(&exchange.request.fields, body, &exchange.service).await {
                Ok(body) => body,
                Err(refusal) => return refusal,
            };
            let taken = take(&exchange, payload, &body.bytes);
            drop(body);
            let times = Times::of(&exchange);
            drop(exchange);
            match taken {
                Taken::Answered(answer) => answer.unwrap_or_else(accepted),
                Taken::Waits(handle, messages) => deliver(handle, messages, times, accepted).await,
                Taken::Void => held(times).await,
            }
        }),
    }
}

/// What became of a payload.
enum Taken {
    /// It was accepted, or this is the answer.
    Answered(Option<Response<Body>>),
    /// The session has no room for it yet.
    Waits(Arc<SessionHandle>, Vec<Message>),
    /// Nobody will read it, and the close frame tells the browser.
    Void,
}

/// How long an answer may take.
#[derive(Clone, Copy)]
struct Times {
    /// For room in the session.
    room: Duration,
    /// Until a browser that still comes for its frames has come.
    told: Duration,
}

impl Times {
    fn of(exchange: &Exchange) -> Self {
        Self {
            room: exchange.service.config.deliver_timeout,
            told: exchange.service.registry.config().disconnect_delay,
        }
    }
}

fn take(exchange: &Exchange, payload: Payload, body: &Bytes) -> Taken {
    let json = if payload == Payload::Form && is_form(&exchange.request.fields) {
        form_payload(body).map(|payload| Cow::Owned(payload.into_owned().into_bytes()))
    } else {
        Ok(Cow::Borrowed(&body[..]))
    };
    let limits = &exchange.service.config.messages;
    let mut messages = match json.and_then(|json| decode_messages(&json, limits)) {
        Ok(messages) => messages,
        Err(error) => {
            let refusal = protocol_error(error.response());
            count(&exchange.service, &refusal);
            return Taken::Answered(Some(refusal));
        }
    };
    let found = exchange
        .session
        .as_ref()
        .map(|id| exchange.service.registry.get(id, &exchange.caller));
    let handle = match found {
        Some(Ok(handle)) => handle,
        Some(Err(Some(EndCause::Shutdown))) => return Taken::Void,
        // The close frame tells the browser; a 404 here would hide it behind "Sending error".
        Some(Err(Some(cause))) if cause.is_told() => return Taken::Answered(None),
        Some(Err(_)) | None => return Taken::Answered(Some(gone())),
    };
    match handle.try_deliver(&mut messages) {
        // The close frame tells what was excessive.
        Deliver::Accepted | Deliver::Excessive => Taken::Answered(None),
        Deliver::Ended => Taken::Answered(Some(gone())),
        Deliver::Full => Taken::Waits(handle, messages),
        Deliver::Void => Taken::Void,
    }
}

async fn deliver(
    handle: Arc<SessionHandle>,
    mut messages: Vec<Message>,
    times: Times,
    accepted: fn() -> Response<Body>,
) -> Response<Body> {
    match tokio::time::timeout(times.room, handle.deliver(&mut messages)).await {
        Ok(Deliver::Accepted | Deliver::Excessive) => accepted(),
        Ok(Deliver::Ended | Deliver::Full) => gone(),
        Ok(Deliver::Void) => held(times).await,
        Err(_) => late(&handle),
    }
}

/// What to say when messages could not be handed in in time.
fn late(handle: &SessionHandle) -> Response<Body> {
    let too_many = StatusCode::TOO_MANY_REQUESTS;
    match handle.gave_up_delivering() {
        Some(Excess::Messages) => text(too_many, "Too many messages a second."),
        Some(Excess::Bytes) => text(too_many, "Too many bytes a second."),
        None => text(StatusCode::SERVICE_UNAVAILABLE, "Backend does not read."),
    }
}

async fn held(times: Times) -> Response<Body> {
    tokio::time::sleep(times.told).await;
    gone()
}

fn gone() -> Response<Body> {
    text(StatusCode::NOT_FOUND, "Session not found.")
}
