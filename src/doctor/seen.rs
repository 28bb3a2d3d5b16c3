//! What the server saw of a request: who asked, over which HTTP, with which of the fields that tell of proxies.

use std::collections::BTreeMap;

use http::Version;
use http::header::{COOKIE, HeaderName};
use serde::{Deserialize, Serialize};

use crate::fields::{FieldValue, Fields};
use crate::registry::Peer;
use crate::transport::Request;

/// What the server saw of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Seen {
    /// The request that asked for this.
    pub request: Option<SeenRequest>,
    /// The requests of the run's sessions, in order of arrival.
    pub requests: Vec<SeenRequest>,
    /// The service that the doctor belongs to.
    pub service: Option<ServiceFacts>,
}

/// One request as it arrived.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SeenRequest {
    /// `1.0`, `1.1`, `2`.
    pub http_version: String,
    /// Whether the browser asked over TLS, as far as is known here.
    pub secure: bool,
    /// Address of the browser, or of the last proxy that is not trusted.
    pub peer: Option<String>,
    /// Scheme the browser used, when known.
    pub scheme: Option<String>,
    /// Host and port the browser asked for.
    pub host: Option<String>,
    /// Whether the sender is in `trusted_proxies`, so that what it forwards is believed.
    pub trusted: bool,
    /// Those fields that tell of proxies, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Names of the cookies that came.
    pub cookie_names: Vec<String>,
    /// Name of the transport, on a session's URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transport: Option<String>,
    /// `receive`, `send` or `preflight`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Number of the session in its run, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<usize>,
    /// Milliseconds since the run's first request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_ms: Option<u64>,
    /// Status it was answered with; absent when the browser left before that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

/// What the verdict has to know of the service that the doctor belongs to; the doctor's own has everything on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServiceFacts {
    /// Whether it accepts WebSockets.
    pub websocket: bool,
    /// Its heartbeat, in seconds; none when it is off.
    pub heartbeat_s: Option<f64>,
    /// Whether it sends them sooner where it has learnt that it must.
    pub adaptive: bool,
    /// Its transports, when not all are on.
    pub transports: Option<Vec<String>>,
}

/// Fields whose values are shown. Never cookies or credentials.
const NAMED: &[&str] = &[
    "host",
    "origin",
    "referer",
    "connection",
    "upgrade",
    "sec-websocket-version",
    "sec-websocket-extensions",
    "via",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-server",
    "x-real-ip",
    "accept-encoding",
    "user-agent",
    "cache-control",
    "pragma",
    "te",
    "cdn-loop",
    "cf-ray",
    "cf-visitor",
    "fastly-client-ip",
    "x-amz-cf-id",
    "x-amzn-trace-id",
    "x-bluecoat-via",
    "x-cloud-trace-context",
    "x-envoy-external-address",
    "x-envoy-expected-rq-timeout-ms",
    "x-imforwards",
    "x-varnish",
];

/// Characters kept of a value, and names kept of cookies.
const MAX_VALUE: usize = 256;
const MAX_COOKIES: usize = 32;

impl SeenRequest {
    /// Notes what `request` shows. `peer` is who asks after trusted proxies; `trusted`, whether there was one.
    pub fn of(request: &Request, peer: &Peer, trusted: bool) -> Self {
        let fields = &request.fields;
        Self {
            http_version: if request.handshake10 {
                "1.0"
            } else {
                version(request.version)
            }
            .to_owned(),
            secure: peer.scheme == Some("https"),
            peer: peer.address.map(|address| address.to_string()),
            scheme: peer.scheme.map(str::to_owned),
            host: peer.host.as_deref().map(cut),
            trusted,
            headers: NAMED
                .iter()
                .filter_map(|name| Some(((*name).to_owned(), value(fields, name)?)))
                .collect(),
            cookie_names: cookie_names(fields),
            ..Self::default()
        }
    }

    /// The field's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Bytes that this takes, about.
    pub(super) fn size(&self) -> usize {
        let fields = self
            .headers
            .iter()
            .map(|(name, value)| name.len() + value.len() + 64);
        let cookies = self.cookie_names.iter().map(|name| name.len() + 24);
        size_of::<Self>() + fields.sum::<usize>() + cookies.sum::<usize>()
    }
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "0.9",
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        Version::HTTP_3 => "3",
        _ => "1.1",
    }
}

/// All lines of the field, as text.
fn value(fields: &Fields, name: &'static str) -> Option<String> {
    let name = HeaderName::from_static(name);
    let lines: Vec<_> = fields
        .get_all(&name)
        .map(|line| String::from_utf8_lossy(line.as_bytes()))
        .collect();
    if lines.is_empty() {
        return None;
    }
    let value = lines.join(", ");
    // Of an address where the user was before, only the site.
    Some(cut(if name == "referer" {
        site(&value)
    } else {
        &value
    }))
}

/// `https://a.example/b?c` → `https://a.example`
fn site(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find(['/', '?', '#']);
    end.map_or(url, |at| &url[..start + at])
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_VALUE).collect()
}

fn cookie_names(fields: &Fields) -> Vec<String> {
    let lines = fields.get_all(&COOKIE).filter_map(FieldValue::text);
    lines
        .flat_map(|line| line.split(';'))
        .map(|pair| pair.split('=').next().unwrap_or_default().trim())
        .filter(|name| !name.is_empty())
        .take(MAX_COOKIES)
        .map(cut)
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::transport::RequestBody;

    use super::*;

    fn peer() -> Peer {
        Peer {
            address: Some([10, 0, 0, 1].into()),
            scheme: Some("https"),
            host: Some("a.example".into()),
            trusted: false,
        }
    }

    /// Secrets are not among what is noted: of cookies the names, of the referring page the site.
    #[test]
    fn values_of_cookies_and_credentials_are_not_noted() {
        let request = http::Request::get("/echo/doctor")
            .header("cookie", "sid=s3cret; theme=dark")
            .header("cookie", "b=s3cret")
            .header("authorization", "Bearer s3cret")
            .header("referer", "https://a.example/inbox?token=s3cret")
            .header("via", "1.1 one")
            .header("via", "1.1 two")
            .body(RequestBody::empty())
            .expect("a request");
        let seen = SeenRequest::of(&request.into(), &peer(), true);
        let json = serde_json::to_string(&seen).expect("is JSON");
        assert!(!json.contains("s3cret"), "{json}");
        assert_eq!(seen.cookie_names, ["sid", "theme", "b"]);
        assert_eq!(seen.header("referer"), Some("https://a.example"));
        assert_eq!(seen.header("via"), Some("1.1 one, 1.1 two"));
        assert_eq!((seen.secure, &*seen.http_version), (true, "1.1"));
    }

    /// Nothing that comes makes a note long.
    #[test]
    fn notes_are_bounded() {
        let long = "x".repeat(30_000);
        let mut request = http::Request::get("/");
        for name in NAMED {
            request = request.header(*name, &long);
        }
        let request = request
            .header("cookie", "a=1;".repeat(7000))
            .body(RequestBody::empty())
            .expect("a request");
        let seen = SeenRequest::of(&request.into(), &peer(), false);
        assert!(seen.size() < 24 * 1024, "{}", seen.size());
    }
}
