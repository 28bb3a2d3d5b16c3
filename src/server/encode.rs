//! Answers as bytes. (RFC 9112)

use std::cell::RefCell;
use std::time::{Duration, SystemTime};

use http::header::{CONNECTION, DATE};
use http::{HeaderValue, Response, StatusCode, Version};
use http_body::Body as _;
use tokio::time::Instant;

use crate::metrics::HeadRefusal;
use crate::registry::present;
use crate::service::Policies;
use crate::transport::Body;

/// What the answer's head depends on beside the answer itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    /// With HEAD: no body is written, whatever its length.
    pub(super) head_only: bool,
    /// In HTTP/1.0.
    pub(super) http10: bool,
    /// The connection may go on afterwards.
    pub(super) keeps_alive: bool,
}

/// How the body is written. (RFC 9112 §6)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyCoding {
    /// There is none.
    None,
    /// As it is: its length was declared, or it ends with the connection.
    Plain,
    /// Chunked.
    Chunked,
}

/// What follows from the head that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Begun {
    pub(super) coding: BodyCoding,
    pub(super) keeps_alive: bool,
}

/// Digits of the largest number, and the CR LF behind them.
const LONGEST_NUMBER: usize = 22;

/// Appends the head of `response`, with `policies` beside its own fields, to `out`.
pub(super) fn head(
    response: &Response<Body>,
    policies: &Policies,
    asked: Asked,
    out: &mut Vec<u8>,
) -> Begun {
    let status = response.status();
    // A response in HTTP/1.0 ends with its connection: that is how a service asks for it.
    let old = asked.http10 || response.version() == Version::HTTP_10;
    status_line(status, old, out);
    policies.write(out);
    if let Some(content_type) = response.body().content_type() {
        out.extend_from_slice(content_type.line());
    }
    let (mut closes, mut dated) = (false, false);
    for (name, value) in response.headers() {
        closes |= *name == CONNECTION && value.as_bytes().eq_ignore_ascii_case(b"close");
        dated |= *name == DATE;
        field(name.as_str(), value.as_bytes(), out);
    }
    let (coding, ends) = body_coding(response, asked, old, out);
    let keeps_alive = asked.keeps_alive && !ends && !closes;
    if status == StatusCode::SWITCHING_PROTOCOLS {
        // The answer's own Connection field says what becomes of it.
    } else if !keeps_alive && !old && !closes {
        out.extend_from_slice(b"connection: close\r\n");
    } else if keeps_alive && old {
        out.extend_from_slice(b"connection: keep-alive\r\n");
    }
    if !dated {
        date(out);
    }
    out.extend_from_slice(b"\r\n");
    Begun {
        coding,
        keeps_alive,
    }
}

fn status_line(status: StatusCode, old: bool, out: &mut Vec<u8>) {
    match (status, old) {
        (StatusCode::OK, false) => out.extend_from_slice(b"HTTP/1.1 200 OK\r\n"),
        (StatusCode::NO_CONTENT, false) => out.extend_from_slice(b"HTTP/1.1 204 No Content\r\n"),
        _ => {
            out.extend_from_slice(if old { b"HTTP/1.0 " } else { b"HTTP/1.1 " });
            out.extend_from_slice(status.as_str().as_bytes());
            out.push(b' ');
            out.extend_from_slice(status.canonical_reason().unwrap_or("").as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// Writes the field that tells the body's length; whether the body ends with the connection instead.
fn body_coding(
    response: &Response<Body>,
    asked: Asked,
    old: bool,
    out: &mut Vec<u8>,
) -> (BodyCoding, bool) {
    let status = response.status();
    if status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
    {
        return (BodyCoding::None, false);
    }
    let length = response.body().size_hint().exact();
    let coding = match length {
        Some(length) => {
            out.extend_from_slice(b"content-length: ");
            decimal(length, out);
            BodyCoding::Plain
        }
        None if old => BodyCoding::Plain,
        None => {
            out.extend_from_slice(b"transfer-encoding: chunked\r\n");
            BodyCoding::Chunked
        }
    };
    let coding = if asked.head_only || length == Some(0) {
        BodyCoding::None
    } else {
        coding
    };
    let ends = length.is_none() && old;
    (coding, ends)
}

fn field(name: &str, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Appends the line in front of a chunk of `length` bytes. (RFC 9112 §7.1)
pub(super) fn chunk_size(length: usize, out: &mut Vec<u8>) {
    number(length as u64, 16, out);
}

fn decimal(length: u64, out: &mut Vec<u8>) {
    number(length, 10, out);
}

/// Appends a number and the end of its line.
fn number(number: u64, base: u64, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut line = [0; LONGEST_NUMBER];
    line[LONGEST_NUMBER - 2..].copy_from_slice(b"\r\n");
    let mut at = LONGEST_NUMBER - 2;
    let mut left = number;
    loop {
        at -= 1;
        line[at] = DIGITS[(left % base) as usize];
        left /= base;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(&line[at..]);
}

/// Ends a chunked body.
pub(super) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
/// Stands behind the data of each chunk.
pub(super) const CHUNK_END: &[u8] = b"\r\n";
/// Asks for a body that waits. (RFC 9110 §15.2.1)
pub(super) const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Appends the answer to what is no request that could be answered otherwise; the connection ends after it.
pub(super) fn refusal(why: HeadRefusal, out: &mut Vec<u8>) {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = match why {
        HeadRefusal::TooLarge | HeadRefusal::TooManyFields => {
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
        }
        HeadRefusal::LongTarget => StatusCode::URI_TOO_LONG,
        HeadRefusal::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
        HeadRefusal::Malformed => StatusCode::BAD_REQUEST,
    };
    let asked = Asked {
        head_only: false,
        http10: false,
        keeps_alive: false,
    };
    head(&response, &Policies::default(), asked, out);
}

/// The field, and when the clock has to be looked at again.
struct DateField {
    line: Vec<u8>,
    until: Option<Instant>,
}

thread_local! {
    static DATE_FIELD: RefCell<DateField> = const { RefCell::new(DateField { line: Vec::new(), until: None }) };
}

/// Appends the `Date` field, which is written anew once a second. (RFC 9110 §6.6.1)
fn date(out: &mut Vec<u8>) {
    DATE_FIELD.with_borrow_mut(|cached| {
        let now = present();
        if cached.until.is_none_or(|until| until <= now) {
            let (text, until) = wall_clock();
            cached.line.clear();
            field(DATE.as_str(), text.as_bytes(), &mut cached.line);
            cached.until = Some(now + until);
        }
        out.extend_from_slice(&cached.line);
    });
}

/// The value of the `Date` field.
pub(super) fn date_value() -> HeaderValue {
    let (text, _) = wall_clock();
    HeaderValue::from_str(&text).expect("a date is ASCII")
}

/// The time as HTTP writes it, and how long it stays so.
#[allow(
    clippy::disallowed_methods,
    reason = "the one field that tells the time"
)]
fn wall_clock() -> (String, Duration) {
    let now = SystemTime::now();
    let since = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let rest = Duration::from_secs(1) - Duration::from_nanos(since.subsec_nanos().into());
    (httpdate::fmt_http_date(now), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: Asked = Asked {
        head_only: false,
        http10: false,
        keeps_alive: true,
    };

    fn encoded(response: &Response<Body>, asked: Asked) -> (String, Begun) {
        let mut out = Vec::new();
        let begun = head(response, &Policies::default(), asked, &mut out);
        let text = String::from_utf8(out).expect("heads are ASCII");
        assert!(text.ends_with("\r\n\r\n"), "{text:?}");
        assert_eq!(text.matches("\r\ndate: ").count(), 1, "{text:?}");
        (text, begun)
    }

    fn answer(status: u16, body: Body) -> Response<Body> {
        let response = Response::builder().status(status);
        response.body(body).expect("a valid response")
    }

    fn unknown_length() -> Body {
        Body::chunks(futures_util::stream::empty())
    }

    /// (RFC 9112 §6.3)
    #[test]
    fn bodies_are_delimited_as_the_version_and_status_have_it() {
        let http10 = Asked {
            http10: true,
            ..ASKED
        };
        let head_only = Asked {
            head_only: true,
            ..ASKED
        };
        let cases = [
            (
                200,
                Body::from("x"),
                ASKED,
                Some("content-length: 1"),
                BodyCoding::Plain,
                true,
            ),
            (
                200,
                Body::empty(),
                ASKED,
                Some("content-length: 0"),
                BodyCoding::None,
                true,
            ),
            (204, Body::empty(), ASKED, None, BodyCoding::None, true),
            (304, Body::empty(), ASKED, None, BodyCoding::None, true),
            (101, Body::empty(), ASKED, None, BodyCoding::None, true),
            (
                200,
                unknown_length(),
                ASKED,
                Some("transfer-encoding: chunked"),
                BodyCoding::Chunked,
                true,
            ),
            (
                200,
                unknown_length(),
                http10,
                None,
                BodyCoding::Plain,
                false,
            ),
            (
                200,
                Body::from("x"),
                http10,
                Some("content-length: 1"),
                BodyCoding::Plain,
                true,
            ),
            (
                200,
                Body::from("x"),
                head_only,
                Some("content-length: 1"),
                BodyCoding::None,
                true,
            ),
        ];
        for (status, body, asked, length, coding, keeps_alive) in cases {
            let (text, begun) = encoded(&answer(status, body), asked);
            let fields =
                text.matches("content-length").count() + text.matches("transfer-encoding").count();
            assert_eq!(fields, usize::from(length.is_some()), "{text:?}");
            assert!(text.contains(length.unwrap_or_default()), "{text:?}");
            assert_eq!(
                begun,
                Begun {
                    coding,
                    keeps_alive
                },
                "{text:?}"
            );
            let version = if asked.http10 {
                "HTTP/1.0 "
            } else {
                "HTTP/1.1 "
            };
            assert!(text.starts_with(version), "{text:?}");
        }
    }

    /// (RFC 9112 §9.3)
    #[test]
    fn end_of_the_connection_is_announced_once() {
        let closing = Asked {
            keeps_alive: false,
            ..ASKED
        };
        let mut response = answer(200, Body::from("x"));
        assert!(!encoded(&response, ASKED).0.contains("connection:"));
        assert!(
            encoded(&response, closing)
                .0
                .contains("\r\nconnection: close\r\n")
        );
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
        let (text, begun) = encoded(&response, ASKED);
        assert_eq!(text.matches("connection: close").count(), 1, "{text:?}");
        assert!(!begun.keeps_alive);
    }

    #[test]
    fn sizes_of_chunks_are_hexadecimal_and_lengths_decimal() {
        for (size, line) in [
            (0, "0\r\n"),
            (1, "1\r\n"),
            (255, "ff\r\n"),
            (4096, "1000\r\n"),
        ] {
            let mut out = Vec::new();
            chunk_size(size, &mut out);
            assert_eq!(out, line.as_bytes());
        }
        let mut out = Vec::new();
        chunk_size(usize::MAX, &mut out);
        assert_eq!(out, format!("{:x}\r\n", usize::MAX).as_bytes());
        for length in [0, 9, 10, 1234, u64::MAX] {
            let mut out = Vec::new();
            decimal(length, &mut out);
            assert_eq!(out, format!("{length}\r\n").as_bytes());
        }
    }
}
