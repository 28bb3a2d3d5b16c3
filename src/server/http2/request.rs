//! Requests of HTTP/2 as those of HTTP/1.1, for everyone behind the server. (RFC 9113 §8)

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use h2::ext::Protocol;
use http::header::{COOKIE, HOST};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;

use crate::fields;
use crate::metrics::HeadRefusal;
use crate::transport::{Body, BodyError, Request, RequestBody, text};

use super::super::ServerConfig;
use super::release;

/// What came on a stream.
pub(super) enum Read {
    /// A request with its body.
    Request(Request),
    /// A request for a WebSocket, and the bytes of its client.
    Tunnel(Request, RecvStream),
    /// A request that nobody but the server has to see.
    Refused(HeadRefusal, Response<Body>),
}

/// Largest list of fields: names, values and 32 bytes for each. (RFC 9113 §6.5.2)
pub(super) fn largest(config: &ServerConfig) -> usize {
    config.max_header_size.max(8192)
}

/// Reads a request.
pub(super) fn read(request: http::Request<RecvStream>, config: &ServerConfig) -> Read {
    let (mut parts, stream) = request.into_parts();
    let protocol = parts.extensions.remove::<Protocol>();
    if let Err((why, answer)) = check(&parts, protocol.as_ref(), config) {
        return Read::Refused(why, answer);
    }
    let Parts {
        method,
        uri,
        version,
        mut headers,
        ..
    } = parts;
    if !headers.contains_key(HOST)
        && let Some(host) = authority(&uri)
    {
        headers.insert(HOST, host);
    }
    join_cookies(&mut headers);
    let mut request = Request::new(headers.into());
    request.method = method;
    request.uri = origin_form(uri);
    request.version = version;
    if protocol.is_some() {
        request.extended_connect = true;
        return Read::Tunnel(request, stream);
    }
    if !stream.is_end_stream() {
        request.body = RequestBody::Other(Received(stream).boxed_unsync());
    }
    Read::Request(request)
}

/// Bytes of a list of fields, as [`largest`] counts them.
fn size(parts: &Parts, protocol: Option<&Protocol>) -> usize {
    const EACH: usize = 32;
    let of_pseudo =
        |name: &str, value: Option<&str>| value.map_or(0, |value| name.len() + value.len() + EACH);
    let uri = &parts.uri;
    let target = uri.path_and_query().map(|target| target.as_str());
    let authority = uri.authority().map(|authority| authority.as_str());
    let pseudo = of_pseudo(":method", Some(parts.method.as_str()))
        + of_pseudo(":scheme", uri.scheme_str())
        + of_pseudo(":authority", authority)
        + of_pseudo(":path", target)
        + of_pseudo(":protocol", protocol.map(Protocol::as_str));
    pseudo + fields::size(&parts.headers)
}

/// Errors are why it is refused, and the answer to give.
fn check(
    parts: &Parts,
    protocol: Option<&Protocol>,
    config: &ServerConfig,
) -> Result<(), (HeadRefusal, Response<Body>)> {
    let too_large = |why, what| {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        Err((why, text(status, what)))
    };
    if parts.headers.len() > config.max_headers {
        return too_large(HeadRefusal::TooManyFields, "Too many header fields.");
    }
    if size(parts, protocol) > largest(config) {
        return too_large(HeadRefusal::TooLarge, "The header fields are too large.");
    }
    let malformed = |status, what| Err((HeadRefusal::Malformed, text(status, what)));
    let authority = parts.uri.authority().map(|authority| authority.as_str());
    let mut hosts = parts.headers.get_all(HOST).iter();
    let (host, second) = (hosts.next(), hosts.next());
    // (RFC 9113 §8.3.1)
    let agrees = match (authority, host) {
        (Some(authority), Some(host)) => host.as_bytes().eq_ignore_ascii_case(authority.as_bytes()),
        (None, None) => false,
        _ => true,
    };
    if !agrees || second.is_some() {
        return malformed(
            StatusCode::BAD_REQUEST,
            "Exactly one host is required: in :authority, or in a Host field that says the same.",
        );
    }
    match protocol {
        Some(protocol) if protocol.as_str() != "websocket" => malformed(
            StatusCode::NOT_IMPLEMENTED,
            "The only :protocol that is spoken here is websocket.",
        ),
        None if parts.method == Method::CONNECT => malformed(
            StatusCode::BAD_REQUEST,
            "CONNECT is for WebSockets here, with :protocol = websocket (RFC 8441).",
        ),
        _ => Ok(()),
    }
}

fn authority(uri: &Uri) -> Option<HeaderValue> {
    HeaderValue::from_str(uri.authority()?.as_str()).ok()
}

/// Path and query, as in a request line of HTTP/1.1. (RFC 9112 §3.2.1)
fn origin_form(uri: Uri) -> Uri {
    uri.into_parts()
        .path_and_query
        .map_or_else(Uri::default, Uri::from)
}

/// Cookies may come one by one. (RFC 9113 §8.2.3)
fn join_cookies(headers: &mut HeaderMap) {
    let mut lines = headers.get_all(COOKIE).iter();
    if lines.nth(1).is_none() {
        return;
    }
    let lines: Vec<_> = headers
        .get_all(COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if let Ok(joined) = HeaderValue::from_bytes(&lines.join(&b"; "[..])) {
        headers.insert(COOKIE, joined);
    }
}

/// The body of a request. What is read gives the peer room for more.
struct Received(RecvStream);

impl http_body::Body for Received {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Poll::Ready(match ready!(self.0.poll_data(context)) {
            Some(Ok(data)) => {
                release(&mut self.0, &data);
                Some(Ok(Frame::data(data)))
            }
            Some(Err(error)) => Some(Err(BodyError::new(error))),
            // Trailers mean nothing here.
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(request: http::request::Builder, protocol: Option<&'static str>) -> Option<u16> {
        let (parts, ()) = request.body(()).expect("a valid request").into_parts();
        let protocol = protocol.map(Protocol::from_static);
        let config = ServerConfig {
            max_headers: 3,
            max_header_size: 8192,
            ..ServerConfig::default()
        };
        let (_, refused) = check(&parts, protocol.as_ref(), &config).err()?;
        Some(refused.status().as_u16())
    }

    fn get(uri: &str) -> http::request::Builder {
        http::Request::get(uri)
    }

    /// One host, wherever it is said. (RFC 9113 §8.3.1)
    #[test]
    fn hosts_agree() {
        assert_eq!(checked(get("http://a/x"), None), None);
        assert_eq!(checked(get("/x").header(HOST, "a"), None), None);
        assert_eq!(checked(get("http://a/x").header(HOST, "A"), None), None);
        assert_eq!(
            checked(get("http://a/x").header(HOST, "b"), None),
            Some(400)
        );
        assert_eq!(checked(get("/x"), None), Some(400));
        let twice = get("/x").header(HOST, "a").header(HOST, "a");
        assert_eq!(checked(twice, None), Some(400));
    }

    /// (RFC 8441 §4)
    #[test]
    fn connect_is_for_websockets() {
        let connect = |uri| http::Request::connect(uri);
        assert_eq!(checked(connect("http://a/x"), Some("websocket")), None);
        assert_eq!(
            checked(connect("http://a/x"), Some("connect-udp")),
            Some(501)
        );
        assert_eq!(checked(connect("a:80"), None), Some(400));
    }

    #[test]
    fn fields_are_counted() {
        let many = |count| (0..count).fold(get("http://a/x"), |get, _| get.header("x", "y"));
        assert_eq!(checked(many(3), None), None);
        assert_eq!(checked(many(4), None), Some(431));
    }

    /// As the peer counts them: names, values and 32 bytes for each. (RFC 9113 §6.5.2)
    #[test]
    fn fields_are_measured() {
        let of_request = [":methodGET", ":schemehttp", ":authoritya", ":path/x", "x"];
        let besides: usize = of_request.iter().map(|field| field.len() + 32).sum();
        for (length, expected) in [(8192 - besides, None), (8193 - besides, Some(431))] {
            let get = get("http://a/x").header("x", "y".repeat(length));
            assert_eq!(checked(get, None), expected, "{length}");
        }
    }

    #[test]
    fn cookies_become_one_field() {
        let mut headers = HeaderMap::new();
        for cookie in ["a=1", "b=2", "c=3"] {
            headers.append(COOKIE, HeaderValue::from_static(cookie));
        }
        join_cookies(&mut headers);
        let all: Vec<_> = headers.get_all(COOKIE).iter().collect();
        assert_eq!(all, ["a=1; b=2; c=3"]);
    }

    #[test]
    fn targets_are_in_origin_form() {
        let uri = origin_form("https://a.example/b/c?d".parse().expect("a URI"));
        assert_eq!(uri.to_string(), "/b/c?d");
    }
}
