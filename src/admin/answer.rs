//! Answers of the API: JSON, also where something is wrong.

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, WWW_AUTHENTICATE};
use http::header::{HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Response, StatusCode};
use serde_json::{Value, json};

use crate::transport::Body;

use super::guard::Refusal;

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=UTF-8");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NO_SNIFF: HeaderValue = HeaderValue::from_static("nosniff");

/// Something that cannot be done: the status, and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong(pub(super) StatusCode, pub(super) String);

impl Wrong {
    pub(super) fn request(what: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, what.into())
    }

    pub(super) fn response(&self) -> Response<Body> {
        json_of(self.0, &json!({ "error": self.1 }))
    }
}

/// The value, on one line and with a newline behind it, for terminals.
pub(super) fn json_of(status: StatusCode, value: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{value}\n")));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(X_CONTENT_TYPE_OPTIONS, NO_SNIFF);
    response
}

pub(super) fn refused(refusal: Refusal) -> Response<Body> {
    let mut response = Wrong(refusal.status(), refusal.what().to_owned()).response();
    if refusal == Refusal::Token {
        let bearer = HeaderValue::from_static("Bearer realm=\"sockjs-gateway admin\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, bearer);
    }
    response
}

pub(super) fn method_not_allowed(allow: &'static str) -> Response<Body> {
    let what = format!("this takes {} only", allow.replace(", ", " and "));
    let mut response = Wrong(StatusCode::METHOD_NOT_ALLOWED, what).response();
    let allow = HeaderValue::from_static(allow);
    response.headers_mut().insert(ALLOW, allow);
    response
}

/// A page for scrapers.
pub(super) fn scraped(content_type: &'static str, page: String) -> Response<Body> {
    let mut response = Response::new(Body::from(page));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, NO_STORE);
    response
}

/// A stream of server-sent events. (HTML, server-sent events)
pub(super) fn events(body: Body) -> Response<Body> {
    const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("text/event-stream; charset=UTF-8");
    headers.insert(CONTENT_TYPE, kind);
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(X_CONTENT_TYPE_OPTIONS, NO_SNIFF);
    headers.insert(BUFFERING, HeaderValue::from_static("no"));
    response
}
