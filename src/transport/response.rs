//! Builders of answers.

use http::header::CONNECTION;
use http::{HeaderValue, Response, StatusCode};

use crate::fields::{Fixed, fixed};

use super::body::Body;

/// `text/plain; charset=UTF-8`, with the case and spacing the suite compares.
pub(super) static TEXT: Fixed = fixed!("content-type", "text/plain; charset=UTF-8");

/// An answer without a body.
pub fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// A plain text answer. `message` has no newline and does not start like a frame: sockjs-client outside browsers reads
/// error bodies as frames.
pub fn text(status: StatusCode, message: &'static str) -> Response<Body> {
    typed(status, &TEXT, message.into())
}

/// An answer with a type.
pub(super) fn typed(
    status: StatusCode,
    content_type: &'static Fixed,
    body: Body,
) -> Response<Body> {
    let mut response = Response::new(body.typed(content_type));
    *response.status_mut() = status;
    response
}

/// As the protocol's own errors give it: a status and a text.
pub(super) fn protocol_error((status, message): (u16, &'static str)) -> Response<Body> {
    text(
        StatusCode::from_u16(status).expect("the protocol's statuses are valid"),
        message,
    )
}

/// The connection is closed after this answer: what follows on it cannot be trusted to be a request.
pub(super) fn closing(mut response: Response<Body>) -> Response<Body> {
    response
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
