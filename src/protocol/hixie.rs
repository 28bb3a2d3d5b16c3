//! Hixie-76, the WebSocket draft of 2010: handshake answer and framing, for proxies and clients that still speak it.
//! (draft-hixie-thewebsocketprotocol-76; sockjs-protocol, `Websocket.test_haproxy`)

use md5::{Digest as _, Md5};

/// Length in bytes of the nonce that follows the request head.
pub const NONCE: usize = 8;

/// The number hidden in a `Sec-WebSocket-Key1` or `-Key2`: its digits, divided by its count of spaces.
/// `None` for a key that no client makes.
pub fn key_number(key: &str) -> Option<u32> {
    let spaces = u64::try_from(key.bytes().filter(|&byte| byte == b' ').count()).ok()?;
    let digits = key.bytes().filter(u8::is_ascii_digit);
    let number = digits.take(20).try_fold(0u64, |number, digit| {
        number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    })?;
    if spaces == 0 || number % spaces != 0 {
        return None;
    }
    u32::try_from(number / spaces).ok()
}

/// The 16 bytes the server answers the nonce with.
pub fn challenge_response(key1: u32, key2: u32, nonce: &[u8; NONCE]) -> [u8; 16] {
    let mut digest = Md5::new();
    digest.update(key1.to_be_bytes());
    digest.update(key2.to_be_bytes());
    digest.update(nonce);
    digest.finalize().into()
}

/// A text frame: `00`, the text, `FF`.
pub fn text_frame(text: &str) -> Vec<u8> {
    [&[0x00], text.as_bytes(), &[0xFF]].concat()
}

/// The closing handshake: `FF 00`.
pub const CLOSE_FRAME: [u8; 2] = [0xFF, 0x00];

/// What [`Decoder::next_event`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A whole text frame; invalid UTF-8 is replaced.
    Text(String),
    /// The closing handshake.
    Close,
    /// A frame over the size limit, or of a type that must not occur: the connection is to be dropped.
    Fail,
}

/// Takes bytes as they come and gives whole frames; holds at most one frame of `max_size` bytes and one read.
#[derive(Debug)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Bytes of `buffer` already searched for the end of a frame.
    searched: usize,
    max_size: usize,
}

impl Decoder {
    /// A decoder that refuses text frames over `max_size` bytes.
    pub fn new(max_size: usize) -> Self {
        Self {
            buffer: Vec::new(),
            searched: 0,
            max_size,
        }
    }

    /// Adds what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next frame, or `None` until more bytes come.
    pub fn next_event(&mut self) -> Option<Event> {
        match *self.buffer.first()? {
            0x00 => {
                let found = memchr::memchr(0xFF, &self.buffer[self.searched..])
                    .map(|at| at + self.searched);
                let length = found.unwrap_or(self.buffer.len()) - 1;
                if length > self.max_size {
                    return Some(Event::Fail);
                }
                self.searched = self.buffer.len();
                let end = found?;
                let text = String::from_utf8_lossy(&self.buffer[1..end]).into_owned();
                self.buffer.drain(..=end);
                self.searched = 0;
                Some(Event::Text(text))
            }
            0xFF => match self.buffer.get(1)? {
                0x00 => Some(Event::Close),
                _ => Some(Event::Fail),
            },
            _ => Some(Event::Fail),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The handshake of sockjs-protocol, `Websocket.test_haproxy`.
    #[test]
    fn challenge_of_the_protocol_suite_is_answered() {
        let key1 = key_number("4 @1  46546xW%0l 1 5").expect("a valid key");
        let key2 = key_number("12998 5 Y3 1  .P00").expect("a valid key");
        assert_eq!((key1, key2), (829_309_203, 259_970_620));
        let expected = [
            0xca, 0x34, 0x00, 0xd8, 0xa5, 0x08, 0x47, 0x97, 0x2c, 0xd5, 0x71, 0x5a, 0xba, 0xbf,
            0x43, 0x7b,
        ];
        assert_eq!(challenge_response(key1, key2, b"aaaaaaaa"), expected);
    }

    /// Keys without spaces, with a remainder, or over 32 bits are no keys.
    #[test]
    fn impossible_keys_are_refused() {
        for key in [
            "",
            "123",
            "7 7 7",
            "99999999999999999999999 ",
            "42949672960 1",
        ] {
            assert_eq!(key_number(key), None, "{key}");
        }
    }

    /// Frames may arrive in any cut.
    #[test]
    fn frames_are_found_across_reads() {
        let bytes = [
            text_frame("héllo"),
            text_frame(""),
            text_frame("b"),
            CLOSE_FRAME.to_vec(),
        ]
        .concat();
        let mut decoder = Decoder::new(100);
        let mut events = Vec::new();
        for byte in bytes {
            decoder.push(&[byte]);
            events.extend(decoder.next_event());
        }
        let texts = ["héllo", "", "b"].map(|text| Event::Text(text.into()));
        assert_eq!(events[..3], texts);
        assert_eq!(events[3], Event::Close);
    }

    /// Neither an endless frame nor a binary one is kept.
    #[test]
    fn oversized_and_binary_frames_fail() {
        let mut decoder = Decoder::new(3);
        decoder.push(b"\x00abcd");
        assert_eq!(decoder.next_event(), Some(Event::Fail));
        let mut decoder = Decoder::new(3);
        decoder.push(&[0x80, 0x05]);
        assert_eq!(decoder.next_event(), Some(Event::Fail));
    }
}
