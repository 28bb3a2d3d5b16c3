//! Requests, as a browser sends them.

use std::error::Error;
use std::io;
use std::time::Duration;

use ::http::header::{CONTENT_TYPE, HeaderValue, ORIGIN, PROXY_AUTHORIZATION};
use ::http::{HeaderMap, Method, Request, Response, StatusCode, Uri, header};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::time::Instant;

use crate::doctor::Cause;

use super::address::Address;
use super::dial::{Connector, Explained, ProxyRefused, Way};

/// A browser's, as far as it goes: gateways and networks treat other programs differently.
pub(super) const USER_AGENT: &str = concat!(
    "Mozilla/5.0 (compatible; sockjs-gateway/",
    env!("CARGO_PKG_VERSION"),
    "; doctor)"
);

const MAX_LOCATION: usize = 512;

/// What the gateway says with 403 to pages that a service's `origins` do not let in.
const FORBIDDEN_ORIGIN: &[u8] = b"Forbidden origin.";
/// Bytes of a refusal that are read, and time for them.
const MAX_REFUSAL: usize = 4096;
const REFUSAL_LIMIT: Duration = Duration::from_secs(1);

/// The longest answer that is read whole.
const MAX_ANSWER: usize = 1 << 20;

/// A request that is cut off later than this was being answered.
const RETRY_WITHIN: Duration = Duration::from_secs(1);

/// Sends requests on connections that it keeps, as a browser does.
#[derive(Clone, Debug)]
pub(super) struct Http {
    client: Client<Connector, Full<Bytes>>,
    pub(super) way: Way,
    pub(super) origin: HeaderValue,
    /// Further fields of every request.
    pub(super) fields: HeaderMap,
    /// The page is one of another site: then browsers name it in every request, not only where they send something.
    foreign: bool,
}

/// A request's body and its type.
pub(super) type Content = (&'static str, Bytes);

/// A request failed, or was answered with an error.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    /// In words.
    pub(super) what: String,
    /// The answer's status.
    pub(super) status: Option<u16>,
    /// Which kind of failure it is, where that is known.
    pub(super) cause: Option<Cause>,
    /// Where the answer sends to.
    pub(super) location: Option<String>,
}

impl Problem {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            status: None,
            cause: None,
            location: None,
        }
    }

    pub(super) fn status(status: u16) -> Self {
        Self {
            status: Some(status),
            ..Self::new(format!("http status {status}"))
        }
    }

    /// An answer that is none of success, with what has come of its body.
    pub(super) fn answered(status: StatusCode, headers: &HeaderMap, content: &[u8]) -> Self {
        let location = headers.get(header::LOCATION);
        let text = |value: &HeaderValue| {
            let text = String::from_utf8_lossy(value.as_bytes());
            text.chars().take(MAX_LOCATION).collect()
        };
        Self {
            location: location.map(text),
            cause: (status == StatusCode::FORBIDDEN && content == FORBIDDEN_ORIGIN)
                .then_some(Cause::Origin),
            ..Self::status(status.as_u16())
        }
    }

    /// The same, when only its head has been read.
    pub(super) async fn refused(response: Response<Incoming>) -> Self {
        let (head, body) = response.into_parts();
        let reading = Limited::new(body, MAX_REFUSAL).collect();
        let content = match tokio::time::timeout(REFUSAL_LIMIT, reading).await {
            Ok(Ok(content)) => content.to_bytes(),
            _ => Bytes::new(),
        };
        Self::answered(head.status, &head.headers, &content)
    }

    /// Something answered with success, and it is not what a SockJS server says.
    pub(super) fn not_sockjs(what: &str) -> Self {
        Self {
            status: Some(200),
            cause: Some(Cause::NotSockjs),
            ..Self::new(format!("what answers is not SockJS: {what}"))
        }
    }

    /// What is at the bottom of an error; the outer ones only say "client error".
    pub(super) fn of(error: &(dyn Error + 'static)) -> Self {
        let mut cause = error;
        while let Some(inner) = inner(cause) {
            cause = inner;
        }
        Self {
            status: cause
                .downcast_ref::<ProxyRefused>()
                .map(|refused| refused.0),
            cause: cause
                .downcast_ref::<Explained>()
                .and_then(|explained| explained.cause),
            ..Self::new(cause.to_string())
        }
    }
}

/// Whether the other side closed the connection before it answered.
fn is_closed(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(cause) = next {
        let hyper = cause.downcast_ref::<hyper::Error>();
        if hyper.is_some_and(hyper::Error::is_incomplete_message) {
            return true;
        }
        let io = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        if matches!(
            io,
            Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
        ) {
            return true;
        }
        next = inner(cause);
    }
    false
}

/// What an error wraps; an `io::Error` does not count what it was made from among its sources.
fn inner<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let io = error.downcast_ref::<io::Error>();
    match io.and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

impl Http {
    pub(super) fn new(address: &Address, way: &Way, fields: &HeaderMap) -> Self {
        let client = Client::builder(TokioExecutor::new()).build(Connector(way.clone()));
        let origin = HeaderValue::from_str(&address.origin);
        Self {
            client,
            way: way.clone(),
            origin: origin.unwrap_or_else(|_| HeaderValue::from_static("null")),
            fields: fields.clone(),
            foreign: address.foreign_origin().is_some(),
        }
    }

    /// As a page of another site asks.
    pub(super) fn foreign(&self) -> Self {
        Self {
            foreign: true,
            ..self.clone()
        }
    }

    /// Sends a request and gives the answer when its head is there.
    ///
    /// As browsers do, it is sent again when a connection that was kept turns out to be closed.
    ///
    /// # Errors
    /// When there is no answer. There is no time limit here.
    pub(super) async fn send(
        &self,
        method: Method,
        url: &str,
        content: Option<Content>,
    ) -> Result<Response<Incoming>, Problem> {
        let began = Instant::now();
        let first = self.request(&method, url, content.clone())?;
        let outcome = match self.client.request(first).await {
            Err(error) if is_closed(&error) && began.elapsed() < RETRY_WITHIN => {
                let again = self.request(&method, url, content)?;
                self.client.request(again).await
            }
            outcome => outcome,
        };
        outcome.map_err(|error| Problem::of(&error))
    }

    fn request(
        &self,
        method: &Method,
        url: &str,
        content: Option<Content>,
    ) -> Result<Request<Full<Bytes>>, Problem> {
        let uri: Uri = url
            .parse()
            .map_err(|error| Problem::new(format!("{url}: {error}")))?;
        let mut request = Request::builder()
            .header(header::USER_AGENT, USER_AGENT)
            // All browsers say it, and a gateway takes its absence for a sign of a proxy.
            .header(header::CONNECTION, "keep-alive");
        if self.foreign || method == Method::POST {
            request = request.header(ORIGIN, self.origin.clone());
        }
        if url.contains("/stream?") {
            // Where it only matters when the bytes come, not what they are.
            request = request.header(header::ACCEPT_ENCODING, "gzip, deflate, br");
        }
        if uri.scheme_str() == Some("http")
            && let Some(credentials) = self.way.credentials(&uri)
        {
            request = request.header(PROXY_AUTHORIZATION, credentials);
        }
        let body = match content {
            Some((content_type, bytes)) => {
                request = request.header(CONTENT_TYPE, content_type);
                bytes
            }
            None => Bytes::new(),
        };
        if let Some(headers) = request.headers_mut() {
            headers.extend(self.fields.clone());
        }
        request
            .method(method)
            .uri(uri)
            .body(Full::new(body))
            .map_err(|error| Problem::new(error.to_string()))
    }

    /// Sends a request and reads the whole answer, which must be one of success, within `limit`.
    ///
    /// # Errors
    /// What went wrong, in words.
    pub(super) async fn fetch(
        &self,
        method: Method,
        url: &str,
        content: Option<Content>,
        limit: Duration,
    ) -> Result<(HeaderMap, Bytes), Problem> {
        let fetching = async {
            let response = self.send(method, url, content).await?;
            if !response.status().is_success() {
                return Err(Problem::refused(response).await);
            }
            let (head, body) = response.into_parts();
            let body = Limited::new(body, MAX_ANSWER).collect().await;
            let body = body.map_err(|error| {
                if error.is::<LengthLimitError>() {
                    Problem::not_sockjs("an answer of more than 1 MiB")
                } else {
                    Problem::new(format!("the answer broke off: {error}"))
                }
            })?;
            Ok((head.headers, body.to_bytes()))
        };
        match tokio::time::timeout(limit, fetching).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Problem::new(format!("no answer in {} s", limit.as_secs()))),
        }
    }
}
