//! Cross-origin fields. Which origins are let in is decided in [`super::origin`].

use std::time::{Duration, SystemTime};

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    CACHE_CONTROL, EXPIRES, HeaderName, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::transport::{Body, empty};

use super::origin::Origins;

/// A year, as the suite wants it for what may be cached.
const YEAR: Duration = Duration::from_secs(31_536_000);
const YEAR_SECONDS: HeaderValue = HeaderValue::from_static("31536000");

/// The fields in the answer to a request that was let in: the origin verbatim with credentials, since sockjs-client
/// sends credentials always; `*` only without an origin, and then without credentials.
/// (sockjs-protocol, `XhrPolling.test_transport`, `XhrPolling.test_request_headers_cors`)
#[derive(Debug)]
pub(super) struct Cors {
    origin: Option<HeaderValue>,
    /// Every origin is let in.
    any: bool,
    headers: Option<HeaderValue>,
}

impl Cors {
    pub(super) fn of(request: &HeaderMap, origins: &Origins) -> Self {
        let asked = request.get(ACCESS_CONTROL_REQUEST_HEADERS);
        Self {
            origin: request.get(ORIGIN).map(copied),
            any: *origins == Origins::Any,
            headers: asked
                .filter(|asked| !asked.is_empty() && is_list_of_tokens(asked.as_bytes()))
                .map(copied),
        }
    }

    /// The fields.
    pub(super) fn each(&self, put: &mut impl FnMut(HeaderName, &HeaderValue)) {
        put(VARY, &HeaderValue::from_static("Origin"));
        match &self.origin {
            Some(origin) => {
                put(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
                let credentials = HeaderValue::from_static("true");
                put(ACCESS_CONTROL_ALLOW_CREDENTIALS, &credentials);
            }
            None if self.any => {
                put(ACCESS_CONTROL_ALLOW_ORIGIN, &HeaderValue::from_static("*"));
            }
            None => {}
        }
        if let Some(headers) = &self.headers {
            put(ACCESS_CONTROL_ALLOW_HEADERS, headers);
        }
    }

    /// Adds them to an answer's fields.
    pub(super) fn add(&self, fields: &mut HeaderMap) {
        self.each(&mut |name, value| {
            fields.append(name, value.clone());
        });
    }
}

/// A value of its own, that does not keep the memory of a whole head while a receiver waits.
fn copied(value: &HeaderValue) -> HeaderValue {
    HeaderValue::from_bytes(value.as_bytes()).expect("it is a field value")
}

/// Answer to a preflight request. The requested method is not judged: the suite asks for a list of them.
/// (sockjs-protocol, `XhrPolling.test_options`, `InfoTest.test_options`)
pub(super) fn preflight(methods: &'static str) -> Response<Body> {
    let mut response = empty(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    headers.insert(
        ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static(methods),
    );
    headers.insert(ACCESS_CONTROL_MAX_AGE, YEAR_SECONDS);
    cache_for_a_year(headers);
    response
}

/// `Cache-Control: public, max-age=31536000` and the matching `Expires`. (sockjs-protocol, `IframePage.test_simpleUrl`)
pub(super) fn cache_for_a_year(headers: &mut HeaderMap) {
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=31536000"),
    );
    let expires = httpdate::fmt_http_date(wall_clock() + YEAR);
    headers.insert(
        EXPIRES,
        HeaderValue::from_str(&expires).expect("a date is a valid field value"),
    );
}

#[allow(
    clippy::disallowed_methods,
    reason = "the one field that holds a calendar date"
)]
fn wall_clock() -> SystemTime {
    SystemTime::now()
}

fn is_list_of_tokens(value: &[u8]) -> bool {
    let is_token = |item: &[u8]| HeaderName::from_bytes(item).is_ok();
    value
        .split(|&byte| byte == b',')
        .map(<[u8]>::trim_ascii)
        .all(is_token)
}
