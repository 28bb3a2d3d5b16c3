//! The chunked transfer coding of request bodies. (RFC 9112 §7.1)
//!
//! Strict: whatever another reader might cut differently is an error, after which nothing on the connection is read.

use bytes::{Buf as _, Bytes};

/// Longest line of a chunk's size with its extensions, and longest trailer section.
const MAX_LINE: usize = 4096;
const MAX_TRAILERS: usize = 8192;

/// Where in the coding the bytes so far have led.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Chunked {
    /// At a line with a chunk's size.
    #[default]
    Size,
    /// This many bytes of data are still to come, and CR LF behind them.
    Data(u64),
    /// At the CR LF behind data.
    DataEnd,
    /// At the trailer section.
    Trailers,
    /// Behind the end.
    Ended,
}

/// It is not the chunked coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

impl Chunked {
    /// The next piece of data in `input`, which it is taken from; `None` when more has to come, or at the end.
    pub(super) fn next(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, Broken> {
        loop {
            match *self {
                Self::Size => {
                    let Some(line) = line(input)? else {
                        return Ok(None);
                    };
                    let size = size(&input[..line])?;
                    input.advance(line + 2);
                    *self = match size {
                        0 => Self::Trailers,
                        size => Self::Data(size),
                    };
                }
                Self::Data(_) if input.is_empty() => return Ok(None),
                Self::Data(left) => {
                    let here =
                        usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
                    *self = match left - here as u64 {
                        0 => Self::DataEnd,
                        left => Self::Data(left),
                    };
                    return Ok(Some(input.split_to(here)));
                }
                Self::DataEnd => match &input[..] {
                    [b'\r', b'\n', ..] => {
                        input.advance(2);
                        *self = Self::Size;
                    }
                    [] | [b'\r'] => return Ok(None),
                    _ => return Err(Broken),
                },
                Self::Trailers => {
                    let mut fields = [httparse::EMPTY_HEADER; 32];
                    match httparse::parse_headers(input, &mut fields) {
                        Ok(httparse::Status::Complete((length, _)))
                            if ends_with_cr_lf(&input[..length]) =>
                        {
                            input.advance(length);
                            *self = Self::Ended;
                        }
                        Ok(httparse::Status::Partial) if input.len() <= MAX_TRAILERS => {
                            return Ok(None);
                        }
                        Ok(_) | Err(_) => return Err(Broken),
                    }
                }
                Self::Ended => return Ok(None),
            }
        }
    }
}

/// Length of the line at the start of `input`, without its CR LF; `None` when its end has not come.
fn line(input: &[u8]) -> Result<Option<usize>, Broken> {
    match memchr::memchr(b'\n', &input[..input.len().min(MAX_LINE)]) {
        Some(end) if end > 0 && input[end - 1] == b'\r' => Ok(Some(end - 1)),
        None if input.len() < MAX_LINE => Ok(None),
        _ => Err(Broken),
    }
}

/// Whether each of the `lines` does. httparse takes LF alone, where others see the middle of a field and go on.
fn ends_with_cr_lf(lines: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', lines).all(|end| end > 0 && lines[end - 1] == b'\r')
}

/// The size in `line`: hexadecimal digits, and perhaps extensions, which mean nothing here. (RFC 9112 §7.1.1)
fn size(line: &[u8]) -> Result<u64, Broken> {
    let end = line.iter().position(|byte| !byte.is_ascii_hexdigit());
    let (digits, extensions) = line.split_at(end.unwrap_or(line.len()));
    let begins = extensions.trim_ascii_start().first();
    let printable = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~' | 0x80..);
    if !matches!(begins, None | Some(b';')) || !extensions.iter().all(printable) {
        return Err(Broken);
    }
    let digits = std::str::from_utf8(digits).map_err(|_| Broken)?;
    u64::from_str_radix(digits, 16).map_err(|_| Broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `stream` decodes to when it comes in pieces of `size`, and what is left behind the end.
    fn decode(stream: &str, size: usize) -> Result<(String, String), Broken> {
        let mut chunked = Chunked::default();
        let mut input = Bytes::new();
        let mut data = Vec::new();
        for piece in stream.as_bytes().chunks(size) {
            input = [&input[..], piece].concat().into();
            while let Some(piece) = chunked.next(&mut input)? {
                data.extend_from_slice(&piece);
            }
        }
        assert_eq!(chunked, Chunked::Ended, "{stream:?} in pieces of {size}");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((text(&data), text(&input)))
    }

    /// Data and end are found however the bytes are cut, and nothing behind the end is touched.
    #[test]
    fn bodies_are_decoded_across_pieces() {
        let bodies = [
            ("0\r\n\r\n", ""),
            ("3\r\nabc\r\n0\r\n\r\n", "abc"),
            (
                "000A ;x=y\r\n0123456\r\n0\r\n1\r\nz\r\n000\r\nT: x\r\nU: y\r\n\r\n",
                "0123456\r\n0z",
            ),
        ];
        for (body, data) in bodies {
            let stream = format!("{body}POST");
            for size in 1..=stream.len() {
                let decoded = decode(&stream, size);
                assert_eq!(
                    decoded,
                    Ok((data.to_owned(), "POST".to_owned())),
                    "{body:?}"
                );
            }
        }
    }

    /// Nothing that another reader might understand differently passes, and no size is too large to be refused.
    #[test]
    fn whatever_is_ambiguous_is_refused() {
        for broken in [
            "\r\n",
            " 0\r\n\r\n",
            "+0\r\n\r\n",
            "0x0\r\n\r\n",
            "0\n\r\n",
            "0 0\r\n\r\n",
            "5;a\nb\r\n",
            "5;a\rb\r\n",
            "3\r\nabcd\r\n",
            "3\r\nabc\n0\r\n\r\n",
            "fffffffffffffffff\r\n",
            "0\r\nBad Trailer\r\n\r\n",
            "0\r\n\rX\r\n\r\n",
            "0\r\n\n",
            "0\r\nT: x\n\r\n",
            "0\r\nT: x\r\n\n",
        ] {
            let mut input = Bytes::from(broken);
            let mut chunked = Chunked::default();
            let outcome = loop {
                match chunked.next(&mut input) {
                    Ok(Some(_)) => {}
                    other => break other,
                }
            };
            assert_eq!(outcome, Err(Broken), "{broken:?}");
        }
    }

    #[test]
    fn lines_and_trailers_without_end_are_bounded() {
        for begin in ["1;", "0\r\n"] {
            let mut input = Bytes::from([begin.as_bytes(), &[b'a'; MAX_TRAILERS + 1]].concat());
            assert_eq!(
                Chunked::default().next(&mut input),
                Err(Broken),
                "{begin:?}"
            );
        }
    }
}
