//! HTTP/1.1 answers: heads, and bodies taken out of their chunks. Pure. Source: RFC 9112 §2, §6, §7.

use std::mem::MaybeUninit;

use http::StatusCode;
use httparse::Header;

/// Fields of one answer.
const MAX_FIELDS: usize = 64;
/// Bytes of a head.
const MAX_HEAD: usize = 32 * 1024;
/// Bytes of the line before a chunk, and of the trailer section.
const MAX_CHUNK_LINE: usize = 1024;

/// Why an answer cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AnswerError {
    /// What came is no HTTP/1 answer.
    NotHttp,
    /// Its head, or the line before a chunk, is too long.
    TooBig,
}

/// What goes before a body.
#[derive(Debug)]
pub(crate) struct Head<K> {
    pub(crate) status: StatusCode,
    /// Those of its fields that somebody asks for later.
    pub(crate) kept: K,
    /// The connection may be used again after the body.
    pub(crate) keep_alive: bool,
}

/// Fields of an answer.
#[derive(Clone, Copy)]
pub(crate) struct AnswerFields<'a>(&'a [Header<'a>]);

impl<'a> AnswerFields<'a> {
    /// Names and values, in order.
    pub(crate) fn all(self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        self.0.iter().map(|field| (field.name, field.value))
    }

    /// Values of the fields of this name, in order.
    pub(crate) fn values(self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let named = move |field: &&Header<'_>| field.name.eq_ignore_ascii_case(name);
        self.0.iter().filter(named).map(|field| field.value)
    }
}

/// What is kept of an answer's fields.
pub(crate) trait Kept {
    fn of(fields: AnswerFields<'_>) -> Self;
}

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// So many bytes are to come.
    Sized(u64),
    /// In chunks.
    Chunked(Chunk),
    /// Until the connection ends.
    UntilClose,
}

/// Where in the chunks. (RFC 9112 §7.1)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chunk {
    /// The line with the size.
    Size,
    /// So many bytes of data.
    Data(u64),
    /// The line end behind the data.
    DataEnd,
    /// Fields behind the last chunk; so many bytes of them have been.
    Trailer(usize),
}

/// Reads a head. Gives it with its length in bytes and how its body ends; `None` when more is needed.
///
/// # Errors
/// When it is none.
pub(crate) fn parse_head<K: Kept>(
    bytes: &[u8],
) -> Result<Option<(Head<K>, usize, Body)>, AnswerError> {
    let mut space = [const { MaybeUninit::<Header<'_>>::uninit() }; MAX_FIELDS];
    let mut answer = httparse::Response::new(&mut []);
    let parser = httparse::ParserConfig::default();
    let parsed = parser.parse_response_with_uninit_headers(&mut answer, bytes, &mut space);
    let length = match parsed {
        Ok(httparse::Status::Complete(length)) if length <= MAX_HEAD => length,
        Ok(httparse::Status::Partial) if bytes.len() < MAX_HEAD => return Ok(None),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => {
            return Err(AnswerError::TooBig);
        }
        Err(_) => return Err(AnswerError::NotHttp),
    };
    let status = StatusCode::from_u16(answer.code.unwrap_or_default());
    let status = status.map_err(|_| AnswerError::NotHttp)?;
    let fields = AnswerFields(&*answer.headers);
    let body = body_of(status, fields)?;
    let says = |token: &str| {
        let mut tokens = fields
            .values("connection")
            .filter_map(|value| str::from_utf8(value).ok())
            .flat_map(|value| value.split(','));
        tokens.any(|found| found.trim().eq_ignore_ascii_case(token))
    };
    let keep_alive = match answer.version {
        Some(1) => !says("close"),
        _ => says("keep-alive"),
    };
    let head = Head {
        status,
        keep_alive: keep_alive && body != Body::UntilClose,
        kept: K::of(fields),
    };
    Ok(Some((head, length, body)))
}

/// RFC 9112 §6.3
fn body_of(status: StatusCode, fields: AnswerFields<'_>) -> Result<Body, AnswerError> {
    if status.is_informational() || matches!(status.as_u16(), 204 | 304) {
        return Ok(Body::Sized(0));
    }
    if let Some(coding) = fields.values("transfer-encoding").last() {
        let last = coding.rsplit(|&byte| byte == b',').next();
        let last = last.unwrap_or_default().trim_ascii();
        return Ok(if last.eq_ignore_ascii_case(b"chunked") {
            Body::Chunked(Chunk::Size)
        } else {
            Body::UntilClose
        });
    }
    let mut length = None;
    for value in fields.values("content-length") {
        let value = str::from_utf8(value).ok().map(str::trim);
        let digits = value.filter(|value| value.bytes().all(|byte| byte.is_ascii_digit()));
        let value: u64 = digits
            .and_then(|digits| digits.parse().ok())
            .ok_or(AnswerError::NotHttp)?;
        if length.is_some_and(|length| length != value) {
            return Err(AnswerError::NotHttp);
        }
        length = Some(value);
    }
    Ok(length.map_or(Body::UntilClose, Body::Sized))
}

impl Body {
    /// Moves content from `bytes` to `content`. Gives how many of `bytes` are done with, and whether the body is complete.
    ///
    /// # Errors
    /// When they are no chunks.
    pub(crate) fn decode(
        &mut self,
        bytes: &[u8],
        content: &mut Vec<u8>,
    ) -> Result<(usize, bool), AnswerError> {
        match self {
            Self::UntilClose => {
                content.extend_from_slice(bytes);
                Ok((bytes.len(), false))
            }
            Self::Sized(left) => {
                let taken = take(left, bytes);
                content.extend_from_slice(taken);
                Ok((taken.len(), *left == 0))
            }
            Self::Chunked(chunk) => chunk.decode(bytes, content),
        }
    }
}

/// As many bytes as are there, and wanted.
fn take<'a>(left: &mut u64, bytes: &'a [u8]) -> &'a [u8] {
    let wanted = usize::try_from(*left).unwrap_or(usize::MAX);
    let taken = &bytes[..wanted.min(bytes.len())];
    *left -= taken.len() as u64;
    taken
}

impl Chunk {
    fn decode(
        &mut self,
        bytes: &[u8],
        content: &mut Vec<u8>,
    ) -> Result<(usize, bool), AnswerError> {
        let mut at = 0;
        loop {
            if let Self::Data(left) = self {
                let taken = take(left, &bytes[at..]);
                content.extend_from_slice(taken);
                at += taken.len();
                if *left > 0 {
                    return Ok((at, false));
                }
                *self = Self::DataEnd;
            }
            let Some(line) = line(&bytes[at..])? else {
                return Ok((at, false));
            };
            at += line.len();
            let line = line.trim_ascii_end();
            *self = match *self {
                Self::DataEnd if line.is_empty() => Self::Size,
                Self::Size => match size(line)? {
                    0 => Self::Trailer(0),
                    size => Self::Data(size),
                },
                Self::Trailer(_) if line.is_empty() => return Ok((at, true)),
                Self::Trailer(before) if before + line.len() <= MAX_CHUNK_LINE => {
                    Self::Trailer(before + line.len())
                }
                Self::Trailer(_) => return Err(AnswerError::TooBig),
                Self::DataEnd | Self::Data(_) => return Err(AnswerError::NotHttp),
            };
        }
    }
}

/// The next line with its end, `None` when more is needed.
fn line(bytes: &[u8]) -> Result<Option<&[u8]>, AnswerError> {
    match memchr::memchr(b'\n', &bytes[..bytes.len().min(MAX_CHUNK_LINE)]) {
        Some(end) => Ok(Some(&bytes[..=end])),
        None if bytes.len() >= MAX_CHUNK_LINE => Err(AnswerError::TooBig),
        None => Ok(None),
    }
}

/// The size before a chunk; extensions are ignored.
fn size(line: &[u8]) -> Result<u64, AnswerError> {
    let digits = line.split(|&byte| byte == b';').next().unwrap_or_default();
    let digits = digits.trim_ascii_end();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(AnswerError::NotHttp);
    }
    let digits = str::from_utf8(digits).map_err(|_| AnswerError::NotHttp)?;
    u64::from_str_radix(digits, 16).map_err(|_| AnswerError::NotHttp)
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Kept for () {
        fn of(_: AnswerFields<'_>) -> Self {}
    }

    fn head(text: &str) -> Result<Option<(u16, bool, Body)>, AnswerError> {
        let parsed = parse_head::<()>(text.as_bytes())?;
        Ok(parsed.map(|(head, _, body)| (head.status.as_u16(), head.keep_alive, body)))
    }

    /// The content of `bytes` that arrive in pieces, and whether it is complete.
    fn content(mut body: Body, bytes: &[u8], piece: usize) -> Result<(Vec<u8>, bool), AnswerError> {
        let (mut content, mut buffer) = (Vec::new(), Vec::new());
        for piece in bytes.chunks(piece) {
            buffer.extend_from_slice(piece);
            let (taken, done) = body.decode(&buffer, &mut content)?;
            buffer.drain(..taken);
            if done {
                return Ok((content, true));
            }
        }
        Ok((content, false))
    }

    /// RFC 9112 §6.3, §9.3
    #[test]
    fn heads_say_how_bodies_end() {
        let chunked = Body::Chunked(Chunk::Size);
        for (text, expected) in [
            (
                "HTTP/1.1 204 No Content\r\n\r\n",
                (204, true, Body::Sized(0)),
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
                (200, true, Body::Sized(5)),
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\ntransfer-encoding: Chunked\r\n\r\n",
                (200, true, chunked),
            ),
            ("HTTP/1.1 200 OK\r\n\r\n", (200, false, Body::UntilClose)),
            (
                "HTTP/1.1 200\r\nConnection: x, Close\r\nContent-Length: 0\r\n\r\n",
                (200, false, Body::Sized(0)),
            ),
            (
                "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
                (200, false, Body::Sized(0)),
            ),
            (
                "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
                (200, true, Body::Sized(0)),
            ),
        ] {
            assert_eq!(head(text), Ok(Some(expected)), "{text}");
        }
        assert_eq!(head("HTTP/1.1 200 OK\r\nContent-Le"), Ok(None));
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for text in [
            "<html>",
            "HTTP/2 200 OK\r\n\r\n",
            "HTTP/1.1 20 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        ] {
            assert_eq!(head(text), Err(AnswerError::NotHttp), "{text}");
        }
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(65));
        assert_eq!(head(&many), Err(AnswerError::TooBig));
        let long = format!("HTTP/1.1 200 OK\r\nA: {}", "x".repeat(MAX_HEAD));
        assert_eq!(head(&long), Err(AnswerError::TooBig));
        // Also when all of it is there.
        let whole = format!("{long}\r\n\r\n");
        assert_eq!(head(&whole), Err(AnswerError::TooBig));
    }

    /// Control characters, folded lines and names with spaces are no fields. (RFC 9110 §5.5, RFC 9112 §5.1, §5.2)
    #[test]
    fn what_is_no_field_is_refused() {
        let field = |line: &str| head(&format!("HTTP/1.1 204 No Content\r\n{line}\r\n\r\n"));
        for code in (0..32)
            .chain([127])
            .filter(|code| ![b'\t', b'\n'].contains(code))
        {
            let line = format!("A: b{}c", char::from(code));
            assert_eq!(field(&line), Err(AnswerError::NotHttp), "{code}");
        }
        for line in [
            "A : b",
            " A: b",
            "A: b\r\n c",
            "A: b\n c",
            "A",
            "A\u{1}: b",
            ": b",
        ] {
            assert_eq!(field(line), Err(AnswerError::NotHttp), "{line:?}");
        }
        assert_eq!(field("A: b\tc"), Ok(Some((204, true, Body::Sized(0)))));
    }

    /// RFC 9112 §7.1
    #[test]
    fn chunks_are_taken_off_in_any_pieces() {
        let chunks =
            b"3\r\nabc\r\n00A;ext=\"x\"\r\n0123456789\r\n1 \r\nz\r\n0\r\nTrailer: x\r\n\r\nnext";
        for piece in [1, 2, 5, 1000] {
            let (content, done) =
                content(Body::Chunked(Chunk::Size), chunks, piece).expect("chunks");
            assert_eq!(content, b"abc0123456789z");
            assert!(done);
        }
    }

    #[test]
    fn what_are_no_chunks_is_refused() {
        let long = vec![b'1'; MAX_CHUNK_LINE + 1];
        let trailer = format!("0\r\n{}", "A: bcdef\r\n".repeat(1000));
        for broken in [
            b"x\r\n".as_slice(),
            b"\r\n",
            b"-1\r\n",
            b"+1\r\n",
            b"1\r\nab\r\n",
            b"11111111111111111\r\n",
            &long,
            trailer.as_bytes(),
        ] {
            assert!(content(Body::Chunked(Chunk::Size), broken, 7).is_err());
        }
    }

    #[test]
    fn sizes_and_ends_are_kept() {
        assert_eq!(
            content(Body::Sized(3), b"abcdef", 2),
            Ok((b"abc".to_vec(), true))
        );
        assert_eq!(
            content(Body::Sized(9), b"abc", 2),
            Ok((b"abc".to_vec(), false))
        );
        assert_eq!(
            content(Body::UntilClose, b"abc", 2),
            Ok((b"abc".to_vec(), false))
        );
    }

    /// No bytes panic.
    #[test]
    fn garbage_is_survived() {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let alphabet = b"HTTP/1. 200\r\n:;0fFx\xff\0";
        for _ in 0..3000 {
            let mut bytes = b"HTTP/1.1 200 OK\r\n".to_vec();
            for _ in 0..40 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let index = usize::try_from(state >> 33).unwrap_or(0) % alphabet.len();
                bytes.push(alphabet[index]);
            }
            let _ = parse_head::<()>(&bytes);
            let _ = content(Body::Chunked(Chunk::Size), &bytes[17..], 3);
        }
    }
}
