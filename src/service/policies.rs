//! The header policies of an endpoint for one answer: decided when the request comes, written when the answer is there.

use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, HeaderName, SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue};

use crate::transport::Hints;

use super::cookie;
use super::cors::Cors;

/// As the suite compares it. (sockjs-protocol, `InfoTest.test_basic`)
pub(super) const NO_CACHE: HeaderValue =
    HeaderValue::from_static("no-store, no-cache, no-transform, must-revalidate, max-age=0");
/// Asks nginx and those who copied it to pass every frame on at once.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Fields that are added to an answer.
#[derive(Debug, Default)]
pub(crate) struct Policies {
    hints: Option<Hints>,
    cors: Option<Cors>,
    cookie: Option<HeaderValue>,
    identity: bool,
}

impl Policies {
    /// What the `hints` ask for in the answer to `request`.
    pub(super) fn of(
        hints: Hints,
        request: &HeaderMap,
        cors: Option<Cors>,
        sets_cookie: bool,
        identity: bool,
    ) -> Self {
        Self {
            hints: Some(hints),
            cors,
            cookie: (hints.cookie && sets_cookie).then(|| cookie::set_cookie(request)),
            identity: hints.streams && identity,
        }
    }

    /// The fields.
    pub(crate) fn each(&self, mut put: impl FnMut(HeaderName, &HeaderValue)) {
        let Some(hints) = self.hints else { return };
        if let Some(cors) = &self.cors {
            cors.each(&mut put);
        }
        if let Some(cookie) = &self.cookie {
            put(SET_COOKIE, cookie);
        }
        if hints.no_cache {
            put(CACHE_CONTROL, &NO_CACHE);
        }
        if hints.receives {
            put(X_ACCEL_BUFFERING, &HeaderValue::from_static("no"));
        }
        if self.identity {
            put(CONTENT_ENCODING, &HeaderValue::from_static("identity"));
        }
        if hints.script {
            put(X_CONTENT_TYPE_OPTIONS, &HeaderValue::from_static("nosniff"));
        }
    }

    /// Adds them to an answer's fields.
    pub(super) fn add(&self, fields: &mut HeaderMap) {
        self.each(|name, value| {
            fields.append(name, value.clone());
        });
    }
}
