//! The header policies of an endpoint for one answer: decided when the request comes, written when the answer is there.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_REQUEST_HEADERS,
    HeaderName, ORIGIN, SET_COOKIE,
};
use http::{HeaderMap, HeaderValue};

use crate::fields::{FieldValue, Fields, Fixed, fixed};
use crate::transport::Hints;

use super::cookie;
use super::origin::Origins;

/// As the suite compares it. (sockjs-protocol, `InfoTest.test_basic`)
pub(super) static NO_CACHE: Fixed = fixed!(
    "cache-control",
    "no-store, no-cache, no-transform, must-revalidate, max-age=0"
);
/// Asks nginx and those who copied it to pass every frame on at once.
static NOT_BUFFERED: Fixed = fixed!("x-accel-buffering", "no");
/// Asks compressing proxies to leave it alone.
static IDENTITY: Fixed = fixed!("content-encoding", "identity");
pub(super) static NO_SNIFF: Fixed = fixed!("x-content-type-options", "nosniff");
static VARIES: Fixed = fixed!("vary", "Origin");
static ANY_ORIGIN: Fixed = fixed!("access-control-allow-origin", "*");
static CREDENTIALS: Fixed = fixed!("access-control-allow-credentials", "true");

/// Where fields go: into an answer's map, or as text.
pub(super) trait Put {
    fn fixed(&mut self, field: &Fixed);
    fn field(&mut self, name: HeaderName, value: &HeaderValue);
}

impl Put for HeaderMap {
    fn fixed(&mut self, field: &Fixed) {
        self.append(field.name(), field.value());
    }

    fn field(&mut self, name: HeaderName, value: &HeaderValue) {
        self.append(name, value.clone());
    }
}

impl Put for Vec<u8> {
    fn fixed(&mut self, field: &Fixed) {
        self.extend_from_slice(field.line());
    }

    fn field(&mut self, name: HeaderName, value: &HeaderValue) {
        self.extend_from_slice(name.as_str().as_bytes());
        self.extend_from_slice(b": ");
        self.extend_from_slice(value.as_bytes());
        self.extend_from_slice(b"\r\n");
    }
}

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
        request: &Fields,
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

    /// Writes the fields as lines.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        self.put(out);
    }

    /// Adds them to an answer's fields.
    pub(crate) fn add(&self, fields: &mut HeaderMap) {
        self.put(fields);
    }

    fn put(&self, fields: &mut impl Put) {
        let Some(hints) = self.hints else { return };
        if let Some(cors) = &self.cors {
            cors.put(fields);
        }
        if let Some(cookie) = &self.cookie {
            fields.field(SET_COOKIE, cookie);
        }
        for (wanted, field) in [
            (hints.no_cache, &NO_CACHE),
            (hints.receives, &NOT_BUFFERED),
            (self.identity, &IDENTITY),
            (hints.script, &NO_SNIFF),
        ] {
            if wanted {
                fields.fixed(field);
            }
        }
    }
}

/// Cross-origin fields in the answer to a request that was let in: the origin verbatim with credentials, since sockjs-client
/// sends credentials always; `*` only without an origin, and then without credentials.
/// (sockjs-protocol, `XhrPolling.test_transport`, `XhrPolling.test_request_headers_cors`)
///
/// The default says nothing but that answers differ by origin.
#[derive(Debug, Default)]
pub(super) struct Cors {
    origin: Option<HeaderValue>,
    /// Every origin is let in.
    any: bool,
    headers: Option<HeaderValue>,
}

impl Cors {
    pub(super) fn of(request: &Fields, origins: &Origins) -> Self {
        let asked = request.get(&ACCESS_CONTROL_REQUEST_HEADERS);
        Self {
            // `*` is no page's origin, and would read as every one's beside credentials. (Fetch §3.3.3)
            origin: request
                .get(&ORIGIN)
                .filter(|origin| origin.as_bytes() != b"*")
                .map(FieldValue::to_header_value),
            any: *origins == Origins::Any,
            headers: asked
                .filter(|asked| !asked.as_bytes().is_empty() && is_list_of_tokens(asked.as_bytes()))
                .map(FieldValue::to_header_value),
        }
    }

    pub(super) fn put(&self, fields: &mut impl Put) {
        fields.fixed(&VARIES);
        match &self.origin {
            Some(origin) => {
                fields.field(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
                fields.fixed(&CREDENTIALS);
            }
            None if self.any => fields.fixed(&ANY_ORIGIN),
            None => {}
        }
        if let Some(headers) = &self.headers {
            fields.field(ACCESS_CONTROL_ALLOW_HEADERS, headers);
        }
    }
}

fn is_list_of_tokens(value: &[u8]) -> bool {
    let is_token = |item: &[u8]| HeaderName::from_bytes(item).is_ok();
    value
        .split(|&byte| byte == b',')
        .map(<[u8]>::trim_ascii)
        .all(is_token)
}
