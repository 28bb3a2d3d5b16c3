//! Reading what a browser sends: `xhr_send`, `jsonp_send` and WebSocket payloads.

use std::borrow::Cow;

use bytestring::ByteString;
use serde::de::IgnoredAny;

use super::frame::Message;
use super::scan::find;

/// Bounds on one decoded payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageLimits {
    /// Messages in one array.
    pub max_messages: usize,
    /// Bytes of one message after decoding.
    pub max_message_size: usize,
}

/// Why a payload is refused. The session is left untouched in every case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// Nothing there, or JSON that is not an array of strings.
    PayloadExpected,
    /// Not JSON.
    BrokenJson,
    /// More messages in one array than allowed.
    TooManyMessages,
    /// A message longer than allowed.
    MessageTooBig,
}

impl DecodeError {
    /// Status and body of the HTTP answer: the first two are the suite's texts, the others RFC 9110 §15.5.14.
    /// (sockjs-protocol, `XhrPolling.test_invalid_json`)
    pub const fn response(self) -> (u16, &'static str) {
        match self {
            Self::PayloadExpected => (500, "Payload expected."),
            Self::BrokenJson => (500, "Broken JSON encoding."),
            Self::TooManyMessages => (413, "Too many messages in one request."),
            Self::MessageTooBig => (413, "Message too big."),
        }
    }
}

/// Decodes the messages of one `xhr_send` body.
///
/// `body` is a JSON array of strings: `["a","b"]` gives two messages in that order, `[]` gives none. Lone surrogates,
/// which browsers may send, and invalid UTF-8 become U+FFFD; a byte order mark is ignored (RFC 8259 §8.1).
///
/// # Errors
/// [`DecodeError::PayloadExpected`] for an empty body and for JSON that is anything but an array of strings,
/// [`DecodeError::BrokenJson`] for what is not JSON, the other two over `limits`.
///
/// Source: sockjs-protocol, `XhrPolling.test_invalid_json`, `JSONEncoding.test_xhr_server_decodes`.
pub fn decode_messages(body: &[u8], limits: &MessageLimits) -> Result<Vec<Message>, DecodeError> {
    let mut messages = Vec::new();
    decode_text(&lenient_text(body), limits, &mut messages)?;
    Ok(messages)
}

fn decode_text(
    text: &str,
    limits: &MessageLimits,
    messages: &mut Vec<Message>,
) -> Result<(), DecodeError> {
    if text.is_empty() {
        return Err(DecodeError::PayloadExpected);
    }
    let mut parser = Parser {
        text,
        at: 0,
        max_message_size: limits.max_message_size,
    };
    parser
        .array(limits.max_messages, messages)
        .map_err(|stop| match stop {
            Stop::Over(error) => error,
            Stop::NotStrings => classify(text),
        })
}

/// Decodes one WebSocket text message into `messages`, which is empty before: as [`decode_messages`], but nothing at all gives
/// no messages, and a bare JSON string is one message (sockjs-node accepts it).
///
/// # Errors
/// As [`decode_messages`]; what was decoded before the error is in `messages`.
///
/// Source: sockjs-protocol, `Websocket.test_empty_frame`, `Websocket.test_broken_json`.
pub fn decode_websocket(
    text: &str,
    limits: &MessageLimits,
    messages: &mut Vec<Message>,
) -> Result<(), DecodeError> {
    if text.is_empty() {
        return Ok(());
    }
    if text.trim_start_matches(is_json_space).starts_with('"') {
        let mut parser = Parser {
            text,
            at: 0,
            max_message_size: limits.max_message_size,
        };
        parser.skip_space();
        return match parser
            .string()
            .and_then(|message| parser.end().map(|()| message))
        {
            Ok(message) => {
                messages.push(Message::Text(message));
                Ok(())
            }
            Err(Stop::Over(error)) => Err(error),
            Err(Stop::NotStrings) => Err(DecodeError::BrokenJson),
        };
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    decode_text(text, limits, messages)
}

/// The JSON text of a `jsonp_send` form body: field `d`, percent-decoded, `+` as space.
///
/// # Errors
/// [`DecodeError::PayloadExpected`] when there is no `d`, an empty one, or several (which one was meant is unknown).
///
/// Source: sockjs-protocol, `JsonPolling.test_invalid_json`.
pub fn form_payload(body: &[u8]) -> Result<Cow<'_, str>, DecodeError> {
    let mut found = form_urlencoded::parse(body)
        .filter(|(key, _)| key == "d")
        .map(|(_, value)| value);
    match (found.next(), found.next()) {
        (Some(payload), None) if !payload.is_empty() => Ok(payload),
        _ => Err(DecodeError::PayloadExpected),
    }
}

fn lenient_text(body: &[u8]) -> Cow<'_, str> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    // Repairing text looks at each byte, which is slow; hardly any needs it.
    match std::str::from_utf8(body) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(body),
    }
}

/// Tells "JSON, but not ours" from "not JSON". Only reached for payloads that are refused.
fn classify(text: &str) -> DecodeError {
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) => DecodeError::PayloadExpected,
        Err(_) => DecodeError::BrokenJson,
    }
}

const fn is_json_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r')
}

/// Why the parser stopped.
enum Stop {
    NotStrings,
    Over(DecodeError),
}

/// Reads an array of strings and nothing else, so that depth and size of anything else cost nothing.
struct Parser<'a> {
    text: &'a str,
    at: usize,
    max_message_size: usize,
}

impl Parser<'_> {
    fn array(&mut self, max_messages: usize, messages: &mut Vec<Message>) -> Result<(), Stop> {
        self.skip_space();
        self.expect(b'[')?;
        self.skip_space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return self.end();
        }
        loop {
            if messages.len() == max_messages {
                return Err(Stop::Over(DecodeError::TooManyMessages));
            }
            messages.push(Message::Text(self.string()?));
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return self.end();
                }
                _ => return Err(Stop::NotStrings),
            }
            self.skip_space();
        }
    }

    fn string(&mut self) -> Result<ByteString, Stop> {
        self.expect(b'"')?;
        let start = self.at;
        let end = self.find_special();
        if self.text.as_bytes().get(end) == Some(&b'"') {
            self.at = end + 1;
            let content = &self.text[start..end];
            self.check_size(content.len())?;
            return Ok(ByteString::from(content));
        }
        self.escaped_string(start, end).map(ByteString::from)
    }

    /// A string with at least one escape: `start` is its first byte, `special` the first that is not ordinary.
    fn escaped_string(&mut self, start: usize, mut special: usize) -> Result<String, Stop> {
        let mut content = String::new();
        let mut copied = start;
        loop {
            content.push_str(&self.text[copied..special]);
            self.check_size(content.len())?;
            self.at = special + 1;
            match self.text.as_bytes().get(special) {
                Some(b'"') => {
                    content.shrink_to_fit();
                    return Ok(content);
                }
                Some(b'\\') => content.push(self.escape()?),
                // A control character, or the end of the text.
                _ => return Err(Stop::NotStrings),
            }
            copied = self.at;
            special = self.find_special();
        }
    }

    /// The character of the escape that `at` points behind the backslash of.
    fn escape(&mut self) -> Result<char, Stop> {
        let byte = self.peek().ok_or(Stop::NotStrings)?;
        self.at += 1;
        Ok(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.hex()?;
                self.character(unit)?
            }
            _ => return Err(Stop::NotStrings),
        })
    }

    /// The character that starts with UTF-16 code unit `unit`; a surrogate without its partner is U+FFFD.
    fn character(&mut self, unit: u16) -> Result<char, Stop> {
        if (0xD800..0xDC00).contains(&unit) && self.text.as_bytes()[self.at..].starts_with(b"\\u") {
            let before = self.at;
            self.at += 2;
            let low = self.hex()?;
            if let Some(Ok(character)) = char::decode_utf16([unit, low]).next() {
                return Ok(character);
            }
            // Not a pair: what follows is read again as an escape of its own.
            self.at = before;
        }
        Ok(char::from_u32(u32::from(unit)).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex(&mut self) -> Result<u16, Stop> {
        let digits = self
            .text
            .as_bytes()
            .get(self.at..self.at + 4)
            .ok_or(Stop::NotStrings)?;
        self.at += 4;
        digits.iter().try_fold(0, |unit: u16, &digit| {
            let value = char::from(digit).to_digit(16).ok_or(Stop::NotStrings)?;
            Ok(unit << 4 | u16::try_from(value).expect("a hexadecimal digit is below 16"))
        })
    }

    fn find_special(&self) -> usize {
        find(self.text.as_bytes(), self.at, |byte| {
            (byte < 0x20) | (byte == b'"') | (byte == b'\\')
        })
    }

    fn check_size(&self, length: usize) -> Result<(), Stop> {
        if length > self.max_message_size {
            Err(Stop::Over(DecodeError::MessageTooBig))
        } else {
            Ok(())
        }
    }

    fn skip_space(&mut self) {
        while self
            .peek()
            .is_some_and(|byte| is_json_space(char::from(byte)))
        {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Result<(), Stop> {
        if self.peek() != Some(byte) {
            return Err(Stop::NotStrings);
        }
        self.at += 1;
        Ok(())
    }

    fn end(&mut self) -> Result<(), Stop> {
        self.skip_space();
        if self.at == self.text.len() {
            Ok(())
        } else {
            Err(Stop::NotStrings)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: MessageLimits = MessageLimits {
        max_messages: 1000,
        max_message_size: 1000,
    };

    fn decode(body: impl AsRef<[u8]>) -> Result<Vec<String>, DecodeError> {
        texts(decode_messages(body.as_ref(), &LIMITS))
    }

    fn websocket(text: &str) -> Result<Vec<String>, DecodeError> {
        let mut messages = Vec::new();
        texts(decode_websocket(text, &LIMITS, &mut messages).map(|()| messages))
    }

    fn texts(decoded: Result<Vec<Message>, DecodeError>) -> Result<Vec<String>, DecodeError> {
        decoded.map(|messages| {
            messages
                .iter()
                .map(|m| m.as_text().expect("text").to_owned())
                .collect()
        })
    }

    /// sockjs-protocol, `XhrPolling.test_transport`, `XhrPolling.test_sending_empty_frame`
    #[test]
    fn arrays_of_strings_are_messages_in_order() {
        assert_eq!(
            decode(r#"["a","b",""]"#),
            Ok(vec!["a".into(), "b".into(), String::new()])
        );
        assert_eq!(
            decode(" \r\n\t[ \"a\" , \"b\" ] \n"),
            Ok(vec!["a".into(), "b".into()])
        );
        assert_eq!(decode("[]"), Ok(vec![]));
        assert_eq!(decode("\u{feff}[\"bom\"]"), Ok(vec!["bom".into()]));
    }

    /// sockjs-protocol, `XhrPolling.test_invalid_json`
    #[test]
    fn empty_and_broken_bodies_are_told_apart() {
        assert_eq!(decode(""), Err(DecodeError::PayloadExpected));
        let broken = [
            "[\"x",
            "[",
            "[\"a\"",
            "[\"a\",]",
            "[\"a\"]x",
            "[\"a\" \"b\"]",
            "[,]",
            "x",
            "[\"\\x\"]",
            "[\"\\u12\"]",
            "[\"\n\"]",
            " ",
        ];
        for body in broken {
            assert_eq!(decode(body), Err(DecodeError::BrokenJson), "{body}");
        }
        for body in [
            "{}",
            "\"x\"",
            "null",
            "1",
            "[1]",
            "[\"a\",null]",
            "[[\"a\"]]",
            "[{\"a\":1}]",
            "[true]",
        ] {
            assert_eq!(decode(body), Err(DecodeError::PayloadExpected), "{body}");
        }
    }

    /// Depth costs neither stack nor time.
    #[test]
    fn deep_nesting_is_refused_without_recursion() {
        let deep = "[".repeat(1_000_000);
        assert_eq!(decode(&deep), Err(DecodeError::BrokenJson));
        assert_eq!(
            decode(format!("{deep}{}", "]".repeat(1_000_000))),
            Err(DecodeError::PayloadExpected)
        );
    }

    /// sockjs-protocol, `JSONEncoding.test_xhr_server_decodes`
    #[test]
    fn escapes_decode() {
        assert_eq!(
            decode(r#"["\"\\\/\b\f\n\r\t\u00e9\uFFFF\u0000"]"#),
            Ok(vec!["\"\\/\u{8}\u{c}\n\r\té\u{ffff}\0".into()])
        );
        assert_eq!(decode(r#"["\ud83d\ude00 😀"]"#), Ok(vec!["😀 😀".into()]));
        for unit in (0..=0xFFFF).filter_map(char::from_u32) {
            let body = format!("[\"\\u{:04x}\"]", u32::from(unit));
            assert_eq!(decode(body), Ok(vec![unit.to_string()]));
        }
    }

    /// A browser's string may hold half a surrogate pair; the message must not be lost for it.
    #[test]
    fn lone_surrogates_and_invalid_utf8_become_replacement_characters() {
        assert_eq!(decode(r#"["\ud800"]"#), Ok(vec!["\u{fffd}".into()]));
        assert_eq!(
            decode(r#"["\udc00\ud800x"]"#),
            Ok(vec!["\u{fffd}\u{fffd}x".into()])
        );
        assert_eq!(
            decode(r#"["\ud800\ud83d\ude00"]"#),
            Ok(vec!["\u{fffd}😀".into()])
        );
        assert_eq!(decode(r#"["\ud800\n"]"#), Ok(vec!["\u{fffd}\n".into()]));
        assert_eq!(
            decode(b"[\"a\xFFb\xED\xA0\x80\"]"),
            Ok(vec!["a\u{fffd}b\u{fffd}\u{fffd}\u{fffd}".into()])
        );
    }

    /// Over a limit the answer is 413, whatever follows in the body.
    #[test]
    fn limits_stop_the_decoder() {
        let limits = MessageLimits {
            max_messages: 2,
            max_message_size: 3,
        };
        let decode =
            |body: &str| decode_messages(body.as_bytes(), &limits).map(|messages| messages.len());
        assert_eq!(decode(r#"["abc","abc"]"#), Ok(2));
        assert_eq!(decode(r#"["a","b","c"#), Err(DecodeError::TooManyMessages));
        assert_eq!(decode(r#"["abcd"]"#), Err(DecodeError::MessageTooBig));
        assert_eq!(decode(r#"["ab\n\n"]"#), Err(DecodeError::MessageTooBig));
        assert_eq!(DecodeError::TooManyMessages.response().0, 413);
    }

    /// sockjs-protocol, `Websocket.test_empty_frame`; bare strings as in sockjs-node.
    #[test]
    fn websocket_payloads_may_be_empty_or_bare_strings() {
        assert_eq!(websocket(""), Ok(vec![]));
        assert_eq!(websocket("[]"), Ok(vec![]));
        assert_eq!(websocket("\"a\\n\""), Ok(vec!["a\n".into()]));
        assert_eq!(websocket("\"a\"b"), Err(DecodeError::BrokenJson));
        assert_eq!(websocket("{\"a\":1}"), Err(DecodeError::PayloadExpected));
        assert_eq!(websocket("[\"a"), Err(DecodeError::BrokenJson));
    }

    /// sockjs-protocol, `JsonPolling.test_invalid_json`, `JsonPolling.test_content_types`
    #[test]
    fn forms_carry_the_array_in_field_d() {
        assert_eq!(
            form_payload(b"x=1&d=%5B%22a+b%22%5D").as_deref(),
            Ok("[\"a b\"]")
        );
        for body in [&b""[..], b"d=", b"p=p", b"d", b"d=%5B%5D&d=%5B%5D"] {
            assert_eq!(form_payload(body), Err(DecodeError::PayloadExpected));
        }
    }
}
