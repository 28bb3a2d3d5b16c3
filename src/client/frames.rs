//! What a SockJS server sends, unwrapped: the browser's side of `protocol::framing`. Pure.

use bytestring::ByteString;
use memchr::{memchr, memchr2};

use crate::protocol::message::{MessageLimits, decode_messages};
use crate::protocol::{CloseReason, DecodeError, Message};

/// How frames stand in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrapping {
    /// A line each: xhr.
    Line,
    /// `data: FRAME`, and an empty line: eventsource.
    Event,
    /// `p("FRAME");` in a line: htmlfile. `CALLBACK("FRAME");`: jsonp.
    #[cfg_attr(not(feature = "cli"), allow(dead_code, reason = "for the doctor"))]
    Script,
}

/// A frame from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ServerFrame {
    Open,
    Heartbeat,
    Messages(Vec<Message>),
    Close(CloseReason),
}

/// Why what came cannot be read. The session cannot go on: messages may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameError {
    /// It begins like `a[…]`, `c[…]` or `m"…"`, but is not one.
    Broken,
    /// A frame over the size limit, or an answer without line ends.
    TooBig,
}

impl FrameError {
    /// In words.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Broken => "the server sent a frame that is not SockJS",
            Self::TooBig => "the server sent a frame over the size limit, or no frame at all",
        }
    }
}

/// Messages in one frame; each takes at least two bytes of it and some forty of memory.
const MAX_MESSAGES: usize = 1 << 20;

impl ServerFrame {
    /// Reads `o`, `h`, `a["…"]`, `c[1000,"…"]`, and the older `m"…"`. `None` for what is no frame, such as a prelude: that is
    /// ignored, as sockjs-client does.
    ///
    /// # Errors
    /// [`FrameError::Broken`] for the beginning of a frame with something else behind it.
    pub(crate) fn parse(text: &str) -> Result<Option<Self>, FrameError> {
        let Some(&kind) = text.as_bytes().first() else {
            return Ok(None);
        };
        let Some(rest) = text.get(1..) else {
            return Ok(None);
        };
        match kind {
            b'o' if rest.is_empty() => Ok(Some(Self::Open)),
            // Spring's and sockjs-node's prelude is a line of 2048 of them: one heartbeat to sockjs-client, too.
            b'h' if rest.bytes().all(|byte| byte == b'h') => Ok(Some(Self::Heartbeat)),
            b'a' if rest.starts_with('[') => messages(rest).map(Some),
            b'm' if rest.starts_with('"') => {
                // A one-element array for the decoder, which keeps lone surrogates from being an error.
                messages(&format!("[{rest}]")).map(Some)
            }
            b'c' if rest.starts_with('[') => close(rest).map(Some),
            _ => Ok(None),
        }
    }
}

fn messages(array: &str) -> Result<ServerFrame, FrameError> {
    let limits = MessageLimits {
        max_messages: MAX_MESSAGES,
        max_message_size: usize::MAX,
    };
    match decode_messages(array.as_bytes(), &limits) {
        Ok(messages) => Ok(ServerFrame::Messages(messages)),
        Err(DecodeError::TooManyMessages) => Err(FrameError::TooBig),
        // Some servers put other JSON values into the array, and sockjs-client passes them on: here as JSON text.
        Err(_) => {
            let values: Vec<serde_json::Value> =
                serde_json::from_str(array).map_err(|_| FrameError::Broken)?;
            let text = |value| match value {
                serde_json::Value::String(text) => Message::from(text),
                other => Message::from(other.to_string()),
            };
            Ok(ServerFrame::Messages(
                values.into_iter().map(text).collect(),
            ))
        }
    }
}

/// `[code,"reason"]`; a reason that is not text is none. (Spring 4.3 writes `null`.)
fn close(array: &str) -> Result<ServerFrame, FrameError> {
    let (code, reason): (u16, serde_json::Value) =
        serde_json::from_str(array).map_err(|_| FrameError::Broken)?;
    let reason = reason.as_str().map(ByteString::from).unwrap_or_default();
    Ok(ServerFrame::Close(CloseReason::new(code, reason)))
}

/// Takes an answer's bytes as they come, and gives the frames in them.
#[derive(Debug)]
pub(crate) struct Unwrapper {
    wrapping: Wrapping,
    max_frame_size: usize,
    /// What came and is not read yet.
    bytes: Vec<u8>,
    /// Where in `bytes` the first unread line begins, and up to where no line end is.
    start: usize,
    searched: usize,
    /// The last line ended in CR: a LF right behind it belongs to that end.
    after_cr: bool,
    /// Data of the event that is not complete.
    event: Option<String>,
}

impl Unwrapper {
    /// For one answer. `max_frame_size`: bytes of one line, or one event.
    pub(crate) const fn new(wrapping: Wrapping, max_frame_size: usize) -> Self {
        Self {
            wrapping,
            max_frame_size,
            bytes: Vec::new(),
            start: 0,
            searched: 0,
            after_cr: false,
            event: None,
        }
    }

    /// Where the next bytes of the answer are to be appended.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.searched -= self.start;
            self.start = 0;
        }
        &mut self.bytes
    }

    /// The next frame that is complete, `None` when more bytes are needed.
    ///
    /// # Errors
    /// When a frame is broken or too big. What is behind it must not be read.
    pub(crate) fn next_frame(&mut self) -> Result<Option<ServerFrame>, FrameError> {
        while let Some((start, end)) = self.next_line() {
            if end - start > self.max_frame_size {
                return Err(FrameError::TooBig);
            }
            let line = String::from_utf8_lossy(&self.bytes[start..end]);
            let frame = match self.wrapping {
                Wrapping::Line => ServerFrame::parse(line.trim_end_matches('\r'))?,
                Wrapping::Script => script(&line)?,
                Wrapping::Event => {
                    let done = event_line(&mut self.event, &line, self.max_frame_size)?;
                    done.map_or(Ok(None), |data| ServerFrame::parse(&data))?
                }
            };
            if frame.is_some() {
                return Ok(frame);
            }
        }
        if self.bytes.len() - self.start > self.max_frame_size {
            return Err(FrameError::TooBig);
        }
        Ok(None)
    }

    /// The frame in what is left when the answer ended in order: its last line needs no line end.
    ///
    /// # Errors
    /// As [`Self::next_frame`].
    pub(crate) fn finish(&mut self) -> Result<Option<ServerFrame>, FrameError> {
        self.buffer().extend_from_slice(b"\n\n");
        self.next_frame()
    }

    /// Start and end of the next line in `bytes`, which is then read.
    fn next_line(&mut self) -> Option<(usize, usize)> {
        loop {
            let unsearched = &self.bytes[self.searched..];
            let found = match self.wrapping {
                // CR, LF or both. (HTML, "Parsing an event stream")
                Wrapping::Event => memchr2(b'\n', b'\r', unsearched),
                Wrapping::Line | Wrapping::Script => memchr(b'\n', unsearched),
            };
            let Some(found) = found else {
                self.searched = self.bytes.len();
                if self.start == self.bytes.len() {
                    self.bytes.clear();
                    (self.start, self.searched) = (0, 0);
                    // A large frame's memory is not kept for the small ones after it.
                    self.bytes.shrink_to(4096);
                }
                return None;
            };
            let (start, end) = (self.start, self.searched + found);
            (self.start, self.searched) = (end + 1, end + 1);
            let second_half = self.after_cr && start == end && self.bytes[end] == b'\n';
            self.after_cr = self.bytes[end] == b'\r';
            if !second_half {
                return Some((start, end));
            }
        }
    }
}

/// Takes one line of an event stream. Gives the event's data at its end. (HTML, "Interpreting an event stream")
fn event_line(
    event: &mut Option<String>,
    line: &str,
    max_size: usize,
) -> Result<Option<String>, FrameError> {
    if line.is_empty() {
        return Ok(event.take());
    }
    let Some(data) = line.strip_prefix("data:") else {
        return Ok(None);
    };
    let data = unescape(data.strip_prefix(' ').unwrap_or(data));
    match event {
        None => *event = Some(data),
        Some(before) => {
            before.push('\n');
            before.push_str(&data);
            if before.len() > max_size {
                return Err(FrameError::TooBig);
            }
        }
    }
    Ok(None)
}

/// What servers escape in an event: `%` stands before the digits of a line end or NUL, and of itself. Nothing else is
/// decoded: a server that escapes nothing (Spring) means the `%41` it sends.
fn unescape(data: &str) -> String {
    let mut text = String::with_capacity(data.len());
    let mut rest = data;
    while let Some((before, after)) = rest.split_once('%') {
        text.push_str(before);
        let digits = after.as_bytes().get(..2).map(<[u8]>::to_ascii_lowercase);
        let character = match digits.as_deref() {
            Some(b"0d") => '\r',
            Some(b"0a") => '\n',
            Some(b"00") => '\0',
            Some(b"25") => '%',
            _ => {
                text.push('%');
                rest = after;
                continue;
            }
        };
        text.push(character);
        rest = &after[2..];
    }
    text.push_str(rest);
    text
}

/// The frame in `p("FRAME");`.
fn script(line: &str) -> Result<Option<ServerFrame>, FrameError> {
    let literal = line.split_once("(\"").and_then(|(_, rest)| {
        let (string, _) = rest.rsplit_once("\")")?;
        serde_json::from_str::<String>(&format!("\"{string}\"")).ok()
    });
    literal.map_or(Ok(None), |frame| ServerFrame::parse(&frame))
}

#[cfg(test)]
mod tests {
    use crate::protocol::framing::{EventSource, Framing, HtmlFile, Jsonp, Line, XhrStreaming};
    use crate::protocol::{Callback, Frame};

    use super::*;

    const MAX: usize = 100_000;

    /// Every frame of `bytes`, which arrive in pieces of `piece` bytes.
    fn unwrap(
        wrapping: Wrapping,
        bytes: &[u8],
        piece: usize,
    ) -> Result<Vec<ServerFrame>, FrameError> {
        let mut unwrapper = Unwrapper::new(wrapping, MAX);
        let mut frames = Vec::new();
        for piece in bytes.chunks(piece) {
            unwrapper.buffer().extend_from_slice(piece);
            while let Some(frame) = unwrapper.next_frame()? {
                frames.push(frame);
            }
        }
        frames.extend(unwrapper.finish()?);
        Ok(frames)
    }

    fn messages<const N: usize>(texts: [&str; N]) -> ServerFrame {
        ServerFrame::Messages(texts.map(Message::from).to_vec())
    }

    /// What the gateway wraps comes out again, in whatever pieces it arrives.
    #[test]
    fn every_wrapping_is_unwrapped() {
        let callback = || Callback::from_query(Some("c=_jp.abc")).expect("a callback");
        let htmlfile = HtmlFile {
            callback: callback(),
        };
        let jsonp = Jsonp {
            callback: callback(),
        };
        let cases: [(Wrapping, &dyn Framing); 5] = [
            (Wrapping::Line, &Line),
            (Wrapping::Line, &XhrStreaming),
            (Wrapping::Event, &EventSource),
            (Wrapping::Script, &htmlfile),
            (Wrapping::Script, &jsonp),
        ];
        let sent = ["100%25 %0a </script>\r\n\0", "ä\u{2028}😀", ""].map(Message::from);
        for (wrapping, framing) in cases {
            let prelude = framing.prelude();
            let mut bytes = prelude.map(|prelude| prelude.to_vec()).unwrap_or_default();
            for frame in [
                Frame::Open,
                Frame::Heartbeat,
                Frame::Messages(crate::protocol::Messages::new(&sent, &[])),
                Frame::Close(&CloseReason::SERVICE_RESTART),
            ] {
                bytes.extend_from_slice(framing.wrap(&frame).as_bytes());
            }
            for piece in [1, 7, 100_000] {
                let mut frames = unwrap(wrapping, &bytes, piece).expect("frames");
                // The prelude of xhr-streaming.
                if frames.first() == Some(&ServerFrame::Heartbeat) {
                    frames.remove(0);
                }
                let expected = [
                    ServerFrame::Open,
                    ServerFrame::Heartbeat,
                    ServerFrame::Messages(sent.to_vec()),
                    ServerFrame::Close(CloseReason::SERVICE_RESTART),
                ];
                assert_eq!(frames, expected, "{wrapping:?} in pieces of {piece}");
            }
        }
    }

    /// sockjs-client, `_transportMessage`: what is no frame is ignored, array items may be any JSON.
    #[test]
    fn frames_are_read_as_sockjs_client_reads_them() {
        let parse = ServerFrame::parse;
        assert_eq!(
            parse(r#"a["x","\u00e4\n","\ud800"]"#),
            Ok(Some(messages(["x", "ä\n", "\u{fffd}"])))
        );
        assert_eq!(
            parse(r#"a[1,{"a":null},"x"]"#),
            Ok(Some(messages(["1", r#"{"a":null}"#, "x"])))
        );
        assert_eq!(parse(r#"m"x""#), Ok(Some(messages(["x"]))));
        assert_eq!(parse("a[]"), Ok(Some(messages([]))));
        for (text, code, reason) in [
            (r#"c[3000,"Go away!"]"#, 3000, "Go away!"),
            (r#"c[1007,null]"#, 1007, ""),
            (r#"c[0,""]"#, 0, ""),
        ] {
            let close = ServerFrame::Close(CloseReason::new(code, reason));
            assert_eq!(parse(text), Ok(Some(close)));
        }
        assert_eq!(parse("hhhh"), Ok(Some(ServerFrame::Heartbeat)));
        for nothing in ["", "hello", "<html>", "a", "open", "\u{e4}", "m", "c", "cx"] {
            assert_eq!(parse(nothing), Ok(None), "{nothing}");
        }
    }

    /// A frame that cannot be read is an error, and never a panic: messages would be missing.
    #[test]
    fn broken_frames_are_errors() {
        let deep = format!("a{}", "[".repeat(100_000));
        for broken in [
            "a[",
            r#"a["x"#,
            r#"a["x"]]"#,
            "c[",
            "c[]",
            r#"c["x",1]"#,
            r#"c[99999,"x"]"#,
            r#"c[-1,"x"]"#,
            r#"m"x"#,
            &deep,
        ] {
            assert_eq!(ServerFrame::parse(broken), Err(FrameError::Broken));
        }
    }

    /// HTML, "Event stream interpretation": CR, LF and CR LF end lines, an event may have several data lines, comments and
    /// other fields are nothing.
    #[test]
    fn events_are_read_as_the_standard_says() {
        let open = [ServerFrame::Open, messages(["x"])];
        for stream in [
            "\r\ndata: o\r\n\r\ndata: a[\"x\"]\r\n\r\n",
            "data: o\n\ndata: a[\"x\"]\n\n",
            "data:o\r\rdata:a[\"x\"]\r\r",
            ":comment\nid: 1\nevent: message\ndata: o\n\ndata: a[\ndata: \"x\"]\n\n",
        ] {
            for piece in [1, 2, 1000] {
                let frames = unwrap(Wrapping::Event, stream.as_bytes(), piece);
                assert_eq!(frames.as_deref(), Ok(&open[..]), "{stream:?}");
            }
        }
    }

    /// sockjs-node escapes `%`; Spring escapes nothing.
    #[test]
    fn only_what_servers_escape_is_unescaped() {
        for (data, text) in [
            ("50%25", "50%"),
            ("%2541", "%41"),
            ("%41 100% %", "%41 100% %"),
            ("%250a%0A%0d%00", "%0a\n\r\0"),
            ("%ä%2", "%ä%2"),
        ] {
            assert_eq!(unescape(data), text);
        }
    }

    /// A server that sends no line end, or a line over the limit, does not fill the memory.
    #[test]
    fn sizes_are_bounded() {
        for wrapping in [Wrapping::Line, Wrapping::Event, Wrapping::Script] {
            let endless = vec![b'x'; MAX + 1];
            assert_eq!(unwrap(wrapping, &endless, 1000), Err(FrameError::TooBig));
        }
        let line = format!("a[\"{}\"]\n", "x".repeat(MAX));
        assert_eq!(
            unwrap(Wrapping::Line, line.as_bytes(), MAX * 2),
            Err(FrameError::TooBig)
        );
        let event = "data: xxxxxxxxxxxxxxxxxxxxxxxxxxx\n".repeat(MAX / 10);
        assert_eq!(
            unwrap(Wrapping::Event, event.as_bytes(), 1000),
            Err(FrameError::TooBig)
        );
    }

    /// No bytes panic, in no wrapping, in no pieces.
    #[test]
    fn garbage_is_survived() {
        let mut state = 0x2545_F491_4F6C_DD1D_u64;
        let alphabet = b"oham c[]\"\\u d8:,\r\n%025data\xff\xc3(){}";
        for _ in 0..3000 {
            let mut bytes = Vec::new();
            for _ in 0..64 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let index = usize::try_from(state >> 33).unwrap_or(0) % alphabet.len();
                bytes.push(alphabet[index]);
            }
            for wrapping in [Wrapping::Line, Wrapping::Event, Wrapping::Script] {
                let whole = unwrap(wrapping, &bytes, 64);
                assert_eq!(whole, unwrap(wrapping, &bytes, 3));
            }
        }
    }
}
