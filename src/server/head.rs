//! Request heads: from bytes to a request, and what they say about the message and the connection. (RFC 9112)
//!
//! httparse reads the lines. How long the body is decides where the next request begins, so whatever two readers may take
//! differently is refused.

use std::mem::MaybeUninit;

use bytes::{Buf as _, Bytes};
use http::{Method, Uri, Version};
use httparse::Status;

use crate::fields::{Fields, MAX_FIELDS, is_name};
use crate::metrics::HeadRefusal;
use crate::transport::Request;

/// A request's head.
#[derive(Debug)]
pub(super) struct Head {
    /// Without its body.
    pub(super) request: Request,
    /// How its body ends.
    pub(super) body: BodyLength,
    /// Whether the peer wants to go on after the answer.
    pub(super) keeps_alive: bool,
    /// Whether it waits for `100 Continue`. (RFC 9110 §10.1.1)
    pub(super) expects: bool,
    /// It asks for another protocol.
    pub(super) upgrades: bool,
    /// It is to be answered in HTTP/1.0.
    pub(super) http10: bool,
}

/// How a body ends. (RFC 9112 §6.3)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyLength {
    /// After so many bytes.
    Known(u64),
    /// Where the chunked coding says.
    Chunked,
}

/// Bounds of a head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// In bytes.
    pub(super) size: usize,
    /// Number of fields.
    pub(super) fields: usize,
}

/// Reads heads off the front of a connection's bytes.
#[derive(Debug, Default)]
pub(super) struct HeadReader {
    /// Of a head that has not come whole: bytes that were looked at, and where they led.
    seen: usize,
    end: HeadEnd,
}

/// Fields of most requests fit here; more are read into memory of their own.
const USUAL_FIELDS: usize = 100;

impl HeadReader {
    /// Whether a part of a head has come.
    pub(super) fn has_begun(&self) -> bool {
        self.seen > 0
    }

    /// The head at the start of `input`, which it is taken from; `None` when more has to come.
    ///
    /// # Errors
    /// Why it is not taken.
    pub(super) fn read(
        &mut self,
        input: &mut Bytes,
        limits: Limits,
    ) -> Result<Option<Head>, HeadRefusal> {
        // The first piece is parsed at once: mostly it is all. After that only the end is looked for, so that a head in single
        // bytes costs no more than one in one piece.
        let begun = self.has_begun();
        if begun && !self.look(input) {
            return too_large_or_none(input.len(), limits);
        }
        let mut usual = [const { MaybeUninit::uninit() }; USUAL_FIELDS];
        let mut more = Vec::new();
        let most = limits.fields.min(MAX_FIELDS);
        let fields = if most <= USUAL_FIELDS {
            &mut usual[..most]
        } else {
            more.resize_with(most, MaybeUninit::uninit);
            &mut more[..]
        };
        let mut parsed = httparse::Request::new(&mut []);
        let status = httparse::ParserConfig::default()
            .parse_request_with_uninit_headers(&mut parsed, input, fields)
            .map_err(refusal)?;
        let Status::Complete(length) = status else {
            if !begun {
                self.look(input);
            }
            return too_large_or_none(input.len(), limits);
        };
        if length > limits.size {
            return Err(HeadRefusal::TooLarge);
        }
        let head = head(&parsed, input, length)?;
        *self = Self::default();
        input.advance(length);
        Ok(Some(head))
    }

    /// Takes empty lines off the front of `input`: they are no request. (RFC 9112 §2.2)
    pub(super) fn skip_empty_lines(input: &mut Bytes) {
        while input.starts_with(b"\r\n") {
            input.advance(2);
        }
    }

    /// Looks at what is new in `input`: whether there is an empty line in it.
    fn look(&mut self, input: &[u8]) -> bool {
        let mut found = false;
        while let Some(end) = self.end.find(&input[self.seen..]) {
            found = true;
            self.seen += end;
        }
        self.seen = input.len();
        found
    }
}

fn too_large_or_none(length: usize, limits: Limits) -> Result<Option<Head>, HeadRefusal> {
    if length > limits.size {
        Err(HeadRefusal::TooLarge)
    } else {
        Ok(None)
    }
}

fn refusal(error: httparse::Error) -> HeadRefusal {
    match error {
        httparse::Error::TooManyHeaders => HeadRefusal::TooManyFields,
        httparse::Error::Version => HeadRefusal::Version,
        _ => HeadRefusal::Malformed,
    }
}

/// What was `parsed` from the first `length` bytes of `input`, whose memory it shares.
fn head(
    parsed: &httparse::Request<'_, '_>,
    input: &Bytes,
    length: usize,
) -> Result<Head, HeadRefusal> {
    const BAD: HeadRefusal = HeadRefusal::Malformed;
    let (Some(method), Some(path), Some(version)) = (parsed.method, parsed.path, parsed.version)
    else {
        return Err(BAD);
    };
    if path.len() > MAX_TARGET {
        return Err(HeadRefusal::LongTarget);
    }
    // No target has a fragment, which would be cut off in silence. (RFC 9112 §3.2)
    if path.contains('#') {
        return Err(BAD);
    }
    let mut said = Said::new(version == 0);
    for field in parsed.headers.iter() {
        said.note(field.name.as_bytes(), field.value)?;
    }
    let found = parsed.headers.iter().map(|field| (field.name, field.value));
    let fields = Fields::in_head(input.slice(..length), found).ok_or(HeadRefusal::TooManyFields)?;
    let target = input.slice_ref(path.as_bytes());
    let handshake10 = said.is_handshake10();
    let mut request = Request::new(fields);
    request.method = Method::from_bytes(method.as_bytes()).map_err(|_| BAD)?;
    request.uri = Uri::from_maybe_shared(target).map_err(|_| BAD)?;
    if handshake10 {
        // nginx with the Upgrade fields set but without `proxy_http_version 1.1` sends them; it tunnels all the same once it
        // gets its 101.
        request.handshake10 = true;
    } else if said.http10 {
        request.version = Version::HTTP_10;
    }
    Ok(Head {
        request,
        body: said.body_length(),
        keeps_alive: !said.closes && (!said.http10 || said.keeps) && !handshake10,
        expects: said.expects && !said.http10,
        upgrades: said.upgrades,
        http10: said.http10 && !handshake10,
    })
}

/// Longest request target, a bound of the `http` crate.
const MAX_TARGET: usize = u16::MAX as usize - 1;

/// What the fields say about the message and the connection, noted as they are read.
#[derive(Debug, Default)]
struct Said {
    http10: bool,
    length: Option<u64>,
    chunked: bool,
    closes: bool,
    keeps: bool,
    expects: bool,
    /// `Upgrade` is there.
    upgrades: bool,
    to_websocket: bool,
    connects_upgrade: bool,
    has_key: bool,
}

impl Said {
    fn new(http10: bool) -> Self {
        Self {
            http10,
            ..Self::default()
        }
    }

    /// Errors are those of the body's length. (RFC 9112 §6.1, §6.3)
    fn note(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeadRefusal> {
        let is = |wanted: &str| is_name(name, wanted.as_bytes());
        if is("connection") {
            self.closes |= has_token(value, "close");
            self.keeps |= has_token(value, "keep-alive");
            self.connects_upgrade |= has_token(value, "upgrade");
        } else if is("content-length") {
            let length = length(value).ok_or(HeadRefusal::Malformed)?;
            let agrees = self.length.is_none_or(|before| before == length);
            if !agrees || self.chunked {
                return Err(HeadRefusal::Malformed);
            }
            self.length = Some(length);
        } else if is("transfer-encoding") {
            // Beside a length, twice, or in HTTP/1.0: somebody on the way may have cut the message elsewhere.
            let alone = self.length.is_none() && !self.chunked && !self.http10;
            if !alone || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(HeadRefusal::Malformed);
            }
            self.chunked = true;
        } else if is("expect") {
            self.expects |= has_token(value, "100-continue");
        } else if is("upgrade") {
            self.upgrades = true;
            self.to_websocket |= has_token(value, "websocket");
        } else if is("sec-websocket-key") || is("sec-websocket-key1") {
            self.has_key = true;
        }
        Ok(())
    }

    const fn body_length(&self) -> BodyLength {
        match (self.chunked, self.length) {
            (true, _) => BodyLength::Chunked,
            (false, Some(length)) => BodyLength::Known(length),
            (false, None) => BodyLength::Known(0),
        }
    }

    /// Whether it is a WebSocket handshake in HTTP/1.0. Only without a body: the two versions disagree about what would
    /// follow.
    const fn is_handshake10(&self) -> bool {
        let handshake = self.to_websocket && self.connects_upgrade && self.has_key;
        self.http10 && handshake && matches!(self.length, None | Some(0))
    }
}

/// Digits, and nothing else. (RFC 9110 §8.6)
fn length(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// Whether a list holds `token`, in any case. (RFC 9110 §5.6.1)
fn has_token(list: &[u8], token: &str) -> bool {
    let mut items = list.split(|byte| *byte == b',');
    items.any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

/// Finds the empty line that ends a head, in a stream of pieces. Lines may end with LF alone, as httparse takes them.
/// (RFC 9112 §2.2)
#[derive(Debug, Default)]
enum HeadEnd {
    /// Within a line.
    #[default]
    Line,
    /// Behind an LF.
    Newline,
    /// Behind LF CR.
    Return,
}

impl HeadEnd {
    /// Index behind the end of the head in `piece`; starts anew afterwards.
    fn find(&mut self, piece: &[u8]) -> Option<usize> {
        let mut at = 0;
        loop {
            match (&self, piece.get(at)) {
                (_, None) => return None,
                (Self::Line, Some(_)) => {
                    at += memchr::memchr(b'\n', &piece[at..])? + 1;
                    *self = Self::Newline;
                }
                (Self::Newline, Some(b'\r')) => {
                    at += 1;
                    *self = Self::Return;
                }
                (Self::Newline | Self::Return, Some(b'\n')) => {
                    *self = Self::Line;
                    return Some(at + 1);
                }
                (Self::Newline | Self::Return, Some(_)) => *self = Self::Line,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        size: 1000,
        fields: 10,
    };

    /// Reads one head from `stream` in pieces of `size`; what is left behind it.
    fn read(stream: &[u8], size: usize) -> Result<Option<(Head, Bytes)>, HeadRefusal> {
        let mut reader = HeadReader::default();
        let mut input = Bytes::new();
        let mut pieces = stream.chunks(size);
        while let Some(piece) = pieces.next() {
            input = [&input[..], piece].concat().into();
            if let Some(head) = reader.read(&mut input, LIMITS)? {
                let rest = pieces.fold(input.to_vec(), |rest, piece| [&rest, piece].concat());
                return Ok(Some((head, rest.into())));
            }
        }
        Ok(None)
    }

    fn whole(stream: &str) -> Result<Head, HeadRefusal> {
        read(stream.as_bytes(), usize::MAX).map(|read| read.expect("it is whole").0)
    }

    /// A head is found however its bytes are cut, and nothing behind it is touched.
    #[test]
    fn heads_are_found_across_pieces() {
        let heads = [
            "POST /a?b HTTP/1.1\r\nHost: x\r\nA:  b \r\nContent-Length: 4\r\n\r\n",
            "\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET / HTTP/1.1\nHost: x\n\n",
            "GET / HTTP/1.1\nHost: x\r\n\n",
        ];
        for head in heads {
            let stream = format!("{head}REST\r\n\r\n");
            for size in 1..=stream.len() {
                let (read, rest) = read(stream.as_bytes(), size)
                    .unwrap_or_else(|status| panic!("{head:?} in pieces of {size}: {status:?}"))
                    .unwrap_or_else(|| panic!("{head:?} in pieces of {size} has no end"));
                assert_eq!(read.request.fields.to_map()["host"], "x");
                assert_eq!(rest, "REST\r\n\r\n", "{head:?} in pieces of {size}");
            }
        }
    }

    /// What is too long is refused before it has come whole.
    #[test]
    fn heads_are_bounded() {
        let long = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(LIMITS.size));
        let many = format!(
            "GET / HTTP/1.1\r\n{}\r\n",
            "X: y\r\n".repeat(LIMITS.fields + 1)
        );
        for (head, why) in [
            (long, HeadRefusal::TooLarge),
            (many, HeadRefusal::TooManyFields),
        ] {
            for size in [7, 100, head.len()] {
                let refused = read(head.as_bytes(), size).expect_err("too large");
                assert_eq!(refused, why);
            }
        }
    }

    /// Not even a limit that is set higher than a map can hold lets them be more, nor takes memory for more.
    #[test]
    fn more_fields_than_a_map_holds_are_refused() {
        let limits = Limits {
            size: 1 << 20,
            fields: usize::MAX,
        };
        for (count, fits) in [(MAX_FIELDS, true), (MAX_FIELDS + 1, false), (33_000, false)] {
            let fields: String = (0..count).map(|name| format!("{name}:\r\n")).collect();
            let mut input = Bytes::from(format!("GET / HTTP/1.1\r\n{fields}\r\n"));
            let refused = HeadReader::default().read(&mut input, limits).err();
            let expected = (!fits).then_some(HeadRefusal::TooManyFields);
            assert_eq!(refused, expected);
        }
    }

    /// (RFC 9112 §6.3)
    #[test]
    fn bodies_end_where_their_fields_say() {
        let cases = [
            ("X: y", Ok(BodyLength::Known(0))),
            ("Content-Length: 5", Ok(BodyLength::Known(5))),
            (
                "Content-Length: 5\r\nContent-Length: 5",
                Ok(BodyLength::Known(5)),
            ),
            ("Transfer-Encoding: Chunked", Ok(BodyLength::Chunked)),
            (
                "Content-Length: 5\r\nContent-Length: 6",
                Err(HeadRefusal::Malformed),
            ),
            ("Content-Length: 5, 5", Err(HeadRefusal::Malformed)),
            ("Content-Length: +5", Err(HeadRefusal::Malformed)),
            ("Content-Length: ", Err(HeadRefusal::Malformed)),
            (
                "Content-Length: 18446744073709551616",
                Err(HeadRefusal::Malformed),
            ),
            (
                "Content-Length: 5\r\nTransfer-Encoding: chunked",
                Err(HeadRefusal::Malformed),
            ),
            (
                "Transfer-Encoding: gzip, chunked",
                Err(HeadRefusal::Malformed),
            ),
            (
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
                Err(HeadRefusal::Malformed),
            ),
            ("Transfer-Encoding: identity", Err(HeadRefusal::Malformed)),
        ];
        for (fields, expected) in cases {
            let read = whole(&format!("POST / HTTP/1.1\r\n{fields}\r\n\r\n"));
            let length = read.map(|head| head.body);
            assert_eq!(length, expected, "{fields:?}");
        }
        let old = whole("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert_eq!(
            old.expect_err("HTTP/1.0 has no codings"),
            HeadRefusal::Malformed
        );
    }

    /// (RFC 9112 §9.3)
    #[test]
    fn connections_go_on_unless_somebody_objects() {
        let cases = [
            ("HTTP/1.1", "", true),
            ("HTTP/1.1", "Connection: close\r\n", false),
            ("HTTP/1.1", "Connection: x, CLOSE\r\n", false),
            ("HTTP/1.0", "", false),
            ("HTTP/1.0", "Connection: Keep-Alive\r\n", true),
            (
                "HTTP/1.0",
                "Connection: keep-alive\r\nConnection: close\r\n",
                false,
            ),
        ];
        for (version, fields, expected) in cases {
            let head = whole(&format!("GET / {version}\r\n{fields}\r\n")).expect("a valid head");
            assert_eq!(head.keeps_alive, expected, "{version} {fields:?}");
        }
    }

    /// nginx without `proxy_http_version 1.1` sends them. Only without a body: the two versions disagree about what would
    /// follow. (RFC 9112 §6.1)
    #[test]
    fn handshake_in_http10_becomes_one_in_http11() {
        let handshake = "Upgrade: WebSocket\r\nConnection: x, upgrade\r\nSec-WebSocket-Key: k\r\n";
        let head = whole(&format!("GET / HTTP/1.0\r\n{handshake}\r\n")).expect("a valid head");
        assert!(head.request.handshake10);
        assert!(!head.http10 && !head.keeps_alive);
        assert_eq!(head.request.version, Version::HTTP_11);
        for other in [
            "Upgrade: websocket\r\nSec-WebSocket-Key: k\r\n".to_owned(),
            "Upgrade: websocket\r\nConnection: upgrade\r\n".to_owned(),
            format!("{handshake}Content-Length: 1\r\n"),
        ] {
            let head = whole(&format!("GET / HTTP/1.0\r\n{other}\r\n")).expect("a valid head");
            assert_eq!(head.request.version, Version::HTTP_10);
        }
    }
}
