//! What the sending HTTP transports share: reading the payload and handing it to the session.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};

use crate::protocol::Message;
use crate::protocol::message::{decode_messages, form_payload};
use crate::registry::{Limit, Reservation, SessionHandle, Wire};
use crate::session::{Deliver, EndCause, Excess};

use super::body::Body;
use super::request::{
    RequestBody, at_once, is_form, limit_of_body, limit_of_payload, no_memory, read,
};
use super::response::protocol_error;
use super::{Answer, Exchange, ServiceContext, text};

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
/// read, 429 when the browser sends too fast for longer than a send may wait. A browser that leaves while its messages wait takes them
/// along, all of them: none was acknowledged, and none is with the backend.
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
            Taken::Waits(waiting) => {
                let delivered = waiting.deliver(Times::of(&exchange), accepted);
                Answer::later(Wire::while_there(exchange.wire, delivered))
            }
            Taken::Void => {
                let held = held(Times::of(&exchange));
                Answer::later(Wire::while_there(exchange.wire, held))
            }
        },
        // Whoever knows of no session makes the server keep nothing.
        Err(_) if is_for_nobody(&exchange) => gone().into(),
        Err(body) => Answer::later(async move {
            let body = match read(&exchange.request.fields, body, &exchange.service).await {
                Ok(body) => body,
                Err(refusal) => {
                    exchange.tell(limit_of_body(&refusal));
                    return refusal;
                }
            };
            let taken = take(&exchange, payload, &body.bytes);
            drop(body);
            let times = Times::of(&exchange);
            let wire = exchange.wire.take();
            drop(exchange);
            match taken {
                Taken::Answered(answer) => answer.unwrap_or_else(accepted),
                Taken::Waits(waiting) => {
                    Wire::while_there(wire, waiting.deliver(times, accepted)).await
                }
                Taken::Void => Wire::while_there(wire, held(times)).await,
            }
        }),
    }
}

/// What became of a payload.
enum Taken {
    /// It was accepted, or this is the answer.
    Answered(Option<Response<Body>>),
    /// The session has no room for it yet.
    Waits(Waiting),
    /// Nobody will read it, and the close frame tells the browser.
    Void,
}

/// Messages that wait for room in their session.
struct Waiting {
    handle: Arc<SessionHandle>,
    messages: Vec<Message>,
    /// What they take of the queue memory meanwhile.
    _memory: Reservation,
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
            exchange.tell(limit_of_payload(error));
            return Taken::Answered(Some(protocol_error(error.response())));
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
        Deliver::Full => wait(&exchange.service, handle, messages),
        Deliver::Void => Taken::Void,
    }
}

/// Nobody limits how many sends wait: their messages count as what is in queues.
fn wait(service: &ServiceContext, handle: Arc<SessionHandle>, messages: Vec<Message>) -> Taken {
    let size = |message: &Message| message.len() + size_of::<Message>();
    let bytes = messages.iter().map(size).sum();
    let budget = service.registry.queue_memory();
    let memory = (!budget.is_half_used()).then(|| budget.reserve(bytes));
    match memory.flatten() {
        Some(memory) => Taken::Waits(Waiting {
            handle,
            messages,
            _memory: memory,
        }),
        None => {
            handle.reached(Limit::BodyMemory);
            Taken::Answered(Some(no_memory()))
        }
    }
}

/// Whether there is no session that this request could be for, as far as its head tells.
fn is_for_nobody(exchange: &Exchange) -> bool {
    let registry = &exchange.service.registry;
    let found = (exchange.session.as_ref()).map(|id| registry.get(id, &exchange.caller));
    matches!(found, None | Some(Err(None)))
}

impl Waiting {
    async fn deliver(mut self, times: Times, accepted: fn() -> Response<Body>) -> Response<Body> {
        let delivered = self.handle.deliver(&mut self.messages);
        match tokio::time::timeout(times.room, delivered).await {
            Ok(Deliver::Accepted | Deliver::Excessive) => accepted(),
            Ok(Deliver::Ended | Deliver::Full) => gone(),
            Ok(Deliver::Void) => {
                drop(self);
                held(times).await
            }
            Err(_) => late(&self.handle),
        }
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
