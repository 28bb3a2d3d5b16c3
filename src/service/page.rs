//! Fixed content: the iframe page, its script, and whatever pages the gateway was built with.

use std::sync::LazyLock;

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, EXPIRES, IF_NONE_MATCH,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Response, StatusCode};

use crate::fields::{FieldValue, Fields};
use crate::protocol::iframe;
use crate::transport::{Body, empty};

use super::cors::cache_for_a_year;
use super::origin::Origins;

/// One file and how it may be cached.
#[derive(Debug)]
pub(crate) struct Page {
    content: Bytes,
    content_type: HeaderValue,
    etag: HeaderValue,
    /// Its URL changes with its content, or the protocol wants it kept.
    cached_for_a_year: bool,
    policy: Option<HeaderValue>,
}

const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");

/// Our side of sockjs-client's iframe protocol.
const SCRIPT: &str = include_str!("../../static/iframe.js");

/// The script of the iframe page and its name, which changes with its content.
pub(super) fn iframe_script() -> (&'static str, &'static Page) {
    static PAGE: LazyLock<(String, Page)> = LazyLock::new(|| {
        let name = format!(
            "iframe-{}.js",
            &iframe::fingerprint(SCRIPT.as_bytes())[..12]
        );
        (
            name,
            Page::new(
                SCRIPT.into(),
                "application/javascript; charset=UTF-8",
                true,
                None,
            ),
        )
    });
    (&PAGE.0, &PAGE.1)
}

impl Page {
    fn new(
        content: Bytes,
        content_type: &'static str,
        cached_for_a_year: bool,
        policy: Option<&str>,
    ) -> Self {
        let etag =
            HeaderValue::from_str(&iframe::etag(&content)).expect("hexadecimal digits are valid");
        let policy = policy.and_then(|policy| HeaderValue::from_str(policy).ok());
        Self {
            content,
            content_type: HeaderValue::from_static(content_type),
            etag,
            cached_for_a_year,
            policy,
        }
    }

    /// The iframe page, for the origins that may frame it. (sockjs-protocol, `IframePage`)
    pub(super) fn iframe(script_url: &str, origins: &Origins) -> Self {
        let page = iframe::page(script_url);
        Self::new(
            page.into(),
            "text/html; charset=UTF-8",
            true,
            origins.frame_ancestors().as_deref(),
        )
    }

    /// A page that may change with the next version of the program.
    pub(super) fn fixed(content_type: &'static str, content: &'static str) -> Self {
        const POLICY: &str = "default-src 'self'; img-src 'self' data:; \
                              base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
        Self::new(
            Bytes::from_static(content.as_bytes()),
            content_type,
            false,
            Some(POLICY),
        )
    }

    /// As [`Self::fixed`], with a content security policy of its own.
    pub(crate) fn with_policy(
        content_type: &'static str,
        content: &'static str,
        policy: &str,
    ) -> Self {
        let content = Bytes::from_static(content.as_bytes());
        Self::new(content, content_type, false, Some(policy))
    }

    /// The answer at a URL that named an earlier content: today's content, but looked up again each time.
    pub(super) fn answer_outdated(&self, request: &Fields) -> Response<Body> {
        let mut response = self.answer(request);
        response.headers_mut().insert(CACHE_CONTROL, NO_CACHE);
        response.headers_mut().remove(EXPIRES);
        response
    }

    /// 200, or 304 when the browser has it. (sockjs-protocol, `IframePage.test_cacheability`)
    pub(crate) fn answer(&self, request: &Fields) -> Response<Body> {
        let tags = request.get_all(&IF_NONE_MATCH).filter_map(FieldValue::text);
        let etag = self.etag.to_str().unwrap_or_default();
        let known = tags
            .into_iter()
            .any(|tags| iframe::matches_etag(tags, etag));
        let mut response = if known {
            empty(StatusCode::NOT_MODIFIED)
        } else {
            let mut response = Response::new(Body::from(self.content.clone()));
            response
                .headers_mut()
                .insert(CONTENT_TYPE, self.content_type.clone());
            response
        };
        let headers = response.headers_mut();
        headers.insert(ETAG, self.etag.clone());
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if self.cached_for_a_year {
            cache_for_a_year(headers);
        } else {
            headers.insert(CACHE_CONTROL, NO_CACHE);
        }
        if let Some(policy) = &self.policy {
            headers.insert(CONTENT_SECURITY_POLICY, policy.clone());
        }
        response
    }
}
