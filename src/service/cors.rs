//! Answers to preflight requests, and the fields of what may be cached.

use std::time::{Duration, SystemTime};

use http::header::{ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL, EXPIRES};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::transport::{Body, empty};

/// A year, as the suite wants it for what may be cached.
const YEAR: Duration = Duration::from_secs(31_536_000);
const YEAR_SECONDS: HeaderValue = HeaderValue::from_static("31536000");

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
