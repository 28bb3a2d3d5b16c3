//! Request bodies: read within limits of size, time and memory, or answered with what is wrong.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use http::{Method, Response, StatusCode, Uri, Version};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::upgrade::OnUpgrade;
use tokio::sync::oneshot;

use crate::fields::{FieldValue, Fields};
use crate::protocol::DecodeError;
use crate::registry::{Limit, Reservation};

use super::body::Body;
use super::pieces::Pieces;
use super::response::{closing, text};
use super::upgraded::Upgraded;
use super::{ServiceContext, TransportConfig};

/// A request, from our server or from any other.
#[derive(Debug)]
pub struct Request {
    /// Its method.
    pub method: Method,
    /// Its target. (RFC 9112 §3.2)
    pub uri: Uri,
    /// What it is answered in.
    pub version: Version,
    /// Its header fields.
    pub fields: Fields,
    /// Its body, or the connection that it asks for.
    pub body: RequestBody,
    /// It is a WebSocket handshake that came in HTTP/1.0 and is given on as HTTP/1.1.
    pub handshake10: bool,
    /// It is a WebSocket handshake of HTTP/2: an extended CONNECT. (RFC 8441 §4)
    pub extended_connect: bool,
    /// The connection, where hyper serves it.
    pub(super) hyper: Option<OnUpgrade>,
}

impl Request {
    /// `GET /` in HTTP/1.1, with these fields and no body.
    pub fn new(fields: Fields) -> Self {
        Self {
            method: Method::GET,
            uri: Uri::default(),
            version: Version::HTTP_11,
            fields,
            body: RequestBody::empty(),
            handshake10: false,
            extended_connect: false,
            hyper: None,
        }
    }
}

impl From<http::Request<RequestBody>> for Request {
    fn from(mut request: http::Request<RequestBody>) -> Self {
        let hyper = hyper::upgrade::on(&mut request);
        let (head, body) = request.into_parts();
        Self {
            method: head.method,
            uri: head.uri,
            version: head.version,
            fields: head.headers.into(),
            body,
            handshake10: false,
            extended_connect: false,
            hyper: Some(hyper),
        }
    }
}

/// A request's body, from our server or from any other.
#[derive(Debug)]
pub enum RequestBody {
    /// It came with the head, or there is none.
    Whole(Bytes),
    /// It is still coming.
    Pieces(Pieces),
    /// There is none, and the connection can be had after an answer 101.
    Upgrade(oneshot::Receiver<Upgraded>),
    /// From another server.
    Other(UnsyncBoxBody<Bytes, BodyError>),
}

impl RequestBody {
    /// Nothing.
    pub const fn empty() -> Self {
        Self::Whole(Bytes::new())
    }
}

/// Reading a request's body failed.
#[derive(Debug)]
pub struct BodyError(Box<dyn std::error::Error + Send + Sync>);

impl BodyError {
    /// Wraps whatever a server's body type fails with.
    pub fn new(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(error.into())
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot read the request's body: {}", self.0)
    }
}

impl std::error::Error for BodyError {}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Pieces(pieces) => Pin::new(pieces).poll_frame(context),
            Self::Upgrade(_) => Poll::Ready(None),
            Self::Other(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Pieces(pieces) => pieces.is_end_stream(),
            Self::Upgrade(_) => true,
            Self::Other(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Pieces(pieces) => pieces.size_hint(),
            Self::Upgrade(_) => SizeHint::with_exact(0),
            Self::Other(body) => body.size_hint(),
        }
    }
}

/// A body that was read, and the memory it takes from the process's budget.
pub(super) struct ReadBody {
    pub(super) bytes: Bytes,
    _memory: Option<Reservation>,
}

/// A body that came with its head and can be taken as it is; otherwise it is given back, to be [`read`].
pub(super) fn at_once(
    fields: &Fields,
    body: RequestBody,
    config: &TransportConfig,
) -> Result<Bytes, RequestBody> {
    match body {
        RequestBody::Whole(bytes) if bytes.len() <= config.max_body_size && !is_encoded(fields) => {
            Ok(bytes)
        }
        body => Err(body),
    }
}

fn is_encoded(fields: &Fields) -> bool {
    fields
        .get(&CONTENT_ENCODING)
        .is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Reads a body that is a message payload.
///
/// # Errors
/// The answer to give: 413 over the limit (before reading, where the length is declared), 408 when it takes too long, 415
/// when it is compressed, 503 when the process has no memory for it, 400 when the connection fails.
pub(super) async fn read(
    fields: &Fields,
    body: RequestBody,
    service: &ServiceContext,
) -> Result<ReadBody, Response<Body>> {
    if is_encoded(fields) {
        return Err(closing(text(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Compressed requests are not supported.",
        )));
    }
    if declares_too_much(fields, &service.config) {
        let waits = waits(fields);
        return Err(refuse_large(fields, body, &service.config, waits).await);
    }
    let config = &service.config;
    let mut body = body;
    let collected = within_time(config, collect(&mut body, service)).await;
    finish_refusing(collected, fields, body, config).await
}

/// Reads a body that has no meaning, such as that of a receiving POST, so that the connection can be watched.
///
/// # Errors
/// As [`read`].
pub(super) async fn discard(
    fields: &Fields,
    body: RequestBody,
    config: &TransportConfig,
) -> Result<(), Response<Body>> {
    let mut body = body;
    if body.is_end_stream() {
        return Ok(());
    }
    if declares_too_much(fields, config) {
        return Err(refuse_large(fields, body, config, waits(fields)).await);
    }
    let reading = async {
        let mut seen = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| broken())?;
            seen += frame.data_ref().map_or(0, Bytes::len);
            if seen > config.max_body_size {
                return Err(too_large());
            }
        }
        Ok(())
    };
    let read = within_time(config, reading).await;
    finish_refusing(read, fields, body, config).await
}

async fn collect(
    body: &mut RequestBody,
    service: &ServiceContext,
) -> Result<ReadBody, Response<Body>> {
    let limit = service.config.max_body_size;
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    let mut memory: Option<Reservation> = None;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| broken())?.into_data() else {
            continue;
        };
        let length = first.len() + rest.len() + data.len();
        if length > limit {
            return Err(too_large());
        }
        if first.is_empty() && rest.is_empty() {
            // Most bodies are one piece: it is not copied.
            first = data;
            continue;
        }
        let budget = service.registry.queue_memory();
        let granted = match &mut memory {
            // Who can send bodies and nothing else must not keep sessions from their memory.
            _ if budget.is_half_used() => false,
            Some(memory) => memory.grow_to(length),
            none => {
                none.insert(budget.reserve(length).ok_or_else(no_memory)?)
                    .amount()
                    == length
            }
        };
        if !granted {
            return Err(no_memory());
        }
        rest.extend_from_slice(&std::mem::take(&mut first));
        rest.extend_from_slice(&data);
    }
    let bytes = if rest.is_empty() {
        first
    } else {
        rest.freeze()
    };
    Ok(ReadBody {
        bytes,
        _memory: memory,
    })
}

/// The limit that a body was refused for, by [`read`] or [`discard`].
pub(super) fn limit_of_body(refusal: &Response<Body>) -> Option<Limit> {
    match refusal.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Some(Limit::BodySize),
        StatusCode::REQUEST_TIMEOUT => Some(Limit::BodyTime),
        StatusCode::SERVICE_UNAVAILABLE => Some(Limit::BodyMemory),
        _ => None,
    }
}

/// The limit that a payload goes beyond.
pub(super) fn limit_of_payload(error: DecodeError) -> Option<Limit> {
    match error {
        DecodeError::TooManyMessages => Some(Limit::Messages),
        DecodeError::MessageTooBig => Some(Limit::MessageSize),
        DecodeError::PayloadExpected | DecodeError::BrokenJson => None,
    }
}

/// Whether the body is a form. (sockjs-protocol, `JsonPolling.test_content_types`)
pub(super) fn is_form(fields: &Fields) -> bool {
    const FORM: &[u8] = b"application/x-www-form-urlencoded";
    let Some(value) = fields.get(&CONTENT_TYPE) else {
        return false;
    };
    let essence = value
        .as_bytes()
        .split(|&byte| byte == b';')
        .next()
        .unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(FORM)
}

fn declares_too_much(fields: &Fields, config: &TransportConfig) -> bool {
    declared_length(fields).is_some_and(|length| length > config.max_body_size as u64)
}

fn declared_length(fields: &Fields) -> Option<u64> {
    fields
        .get(&CONTENT_LENGTH)
        .and_then(FieldValue::text)?
        .parse()
        .ok()
}

/// How much more than allowed is read and dropped, in multiples of what is allowed.
const DRAINED: u64 = 4;
/// A peer that pauses for so long has stopped writing.
const PAUSE: Duration = Duration::from_millis(300);

/// Whether the peer asks before it writes its body. (RFC 9110 §10.1.1)
fn waits(fields: &Fields) -> bool {
    fields.contains(&EXPECT)
}

/// Answers that a body is too large, once it has been read and dropped, within bounds: a peer that is still writing when the
/// connection is closed gets a reset, and with it may lose the answer. (RFC 9112 §9.6)
async fn refuse_large(
    fields: &Fields,
    mut body: RequestBody,
    config: &TransportConfig,
    waits: bool,
) -> Response<Body> {
    let bound = DRAINED * config.max_body_size as u64;
    if !waits && declared_length(fields).is_none_or(|length| length <= bound) {
        let draining = async {
            let mut dropped = 0;
            while let Ok(Some(Ok(frame))) = tokio::time::timeout(PAUSE, body.frame()).await {
                dropped += frame.data_ref().map_or(0, Bytes::len) as u64;
                if dropped > bound {
                    return;
                }
            }
        };
        // Whether it ended or not, there is one answer.
        let _ = tokio::time::timeout(config.body_timeout, draining).await;
    }
    too_large()
}

/// As [`refuse_large`], for a body that was found to be too large while it was read.
async fn finish_refusing<T>(
    read: Result<T, Response<Body>>,
    fields: &Fields,
    body: RequestBody,
    config: &TransportConfig,
) -> Result<T, Response<Body>> {
    match read {
        Err(refusal) if refusal.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            Err(refuse_large(fields, body, config, false).await)
        }
        other => other,
    }
}

async fn within_time<T>(
    config: &TransportConfig,
    reading: impl Future<Output = Result<T, Response<Body>>>,
) -> Result<T, Response<Body>> {
    match tokio::time::timeout(config.body_timeout, reading).await {
        Ok(outcome) => outcome,
        Err(_) => Err(closing(text(
            StatusCode::REQUEST_TIMEOUT,
            "Request body took too long.",
        ))),
    }
}

fn too_large() -> Response<Body> {
    closing(text(
        StatusCode::PAYLOAD_TOO_LARGE,
        "Request body too large.",
    ))
}

pub(super) fn no_memory() -> Response<Body> {
    closing(text(
        StatusCode::SERVICE_UNAVAILABLE,
        "Server is out of queue memory.",
    ))
}

fn broken() -> Response<Body> {
    closing(text(StatusCode::BAD_REQUEST, "Broken request body."))
}
