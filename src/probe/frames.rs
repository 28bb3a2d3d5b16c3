//! What a SockJS server sends, unwrapped: the browser's side of `protocol::framing`.

/// How frames stand in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrapping {
    /// A line each: xhr.
    Line,
    /// `data: FRAME`: eventsource.
    Event,
    /// `p("FRAME");` in a line: htmlfile. `CALLBACK("FRAME");`: jsonp.
    Script,
}

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ServerFrame {
    Open,
    Heartbeat,
    Messages(Vec<String>),
    Close(u16, String),
}

/// The most that one frame may have in bytes.
pub(super) const MAX_FRAME: usize = 4 << 20;

impl ServerFrame {
    /// Reads `o`, `h`, `a["…"]`, `c[1000,"…"]`, and the older `m"…"`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let kind = text.as_bytes().first()?;
        let rest = text.get(1..)?;
        match kind {
            b'o' if rest.is_empty() => Some(Self::Open),
            b'h' if rest.is_empty() => Some(Self::Heartbeat),
            b'a' => serde_json::from_str(rest).ok().map(Self::Messages),
            b'm' => {
                let message = serde_json::from_str(rest).ok()?;
                Some(Self::Messages(vec![message]))
            }
            b'c' => {
                let (code, reason) = serde_json::from_str(rest).ok()?;
                Some(Self::Close(code, reason))
            }
            _ => None,
        }
    }
}

/// Takes an answer's bytes as they come, and gives the frames in them.
#[derive(Debug)]
pub(super) struct Unwrapper {
    wrapping: Wrapping,
    rest: Vec<u8>,
}

impl Unwrapper {
    pub(super) fn new(wrapping: Wrapping) -> Self {
        Self {
            wrapping,
            rest: Vec::new(),
        }
    }

    /// The frames that are complete with these bytes.
    ///
    /// # Errors
    /// When a line grows without end.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Vec<ServerFrame>, &'static str> {
        let before = self.rest.len();
        self.rest.extend_from_slice(bytes);
        let Some(end) = bytes.iter().rposition(|&byte| byte == b'\n') else {
            if self.rest.len() > MAX_FRAME {
                return Err("what comes is not SockJS: a line without end");
            }
            return Ok(Vec::new());
        };
        let after = self.rest.split_off(before + end + 1);
        let lines = std::mem::replace(&mut self.rest, after);
        let lines = String::from_utf8_lossy(&lines);
        Ok(lines.lines().filter_map(|line| self.unwrap(line)).collect())
    }

    /// The frame in what is left at the end of the answer.
    pub(super) fn finish(&mut self) -> Option<ServerFrame> {
        let rest = std::mem::take(&mut self.rest);
        self.unwrap(&String::from_utf8_lossy(&rest))
    }

    /// `None` for what is around frames, such as preludes.
    fn unwrap(&self, line: &str) -> Option<ServerFrame> {
        match self.wrapping {
            Wrapping::Line => ServerFrame::parse(line),
            Wrapping::Event => {
                let data = line.strip_prefix("data:")?;
                ServerFrame::parse(&unescape(data.strip_prefix(' ').unwrap_or(data)))
            }
            Wrapping::Script => {
                let (_, rest) = line.split_once("(\"")?;
                let (string, _) = rest.rsplit_once("\")")?;
                let frame: String = serde_json::from_str(&format!("\"{string}\"")).ok()?;
                ServerFrame::parse(&frame)
            }
        }
    }
}

/// An event cannot carry line ends: `%` stands before the digits of what was one, and of itself.
fn unescape(data: &str) -> String {
    let mut text = data.to_owned();
    for (escaped, character) in [
        ("%0d", "\r"),
        ("%0D", "\r"),
        ("%0a", "\n"),
        ("%0A", "\n"),
        ("%00", "\0"),
        ("%25", "%"),
    ] {
        if text.contains(escaped) {
            text = text.replace(escaped, character);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use crate::protocol::framing::{EventSource, Framing, HtmlFile, Jsonp, Line, XhrStreaming};
    use crate::protocol::{Callback, CloseReason, Frame};

    use super::*;

    fn unwrapped(wrapping: Wrapping, framing: &dyn Framing, piece: usize) -> Vec<ServerFrame> {
        let prelude = framing.prelude();
        let mut bytes = prelude.map(|prelude| prelude.to_vec()).unwrap_or_default();
        for frame in [
            Frame::Open,
            Frame::Heartbeat,
            Frame::Close(&CloseReason::SERVICE_RESTART),
        ] {
            bytes.extend_from_slice(framing.wrap(&frame).as_bytes());
        }
        let mut unwrapper = Unwrapper::new(wrapping);
        let mut frames = Vec::new();
        for piece in bytes.chunks(piece) {
            frames.extend(unwrapper.push(piece).expect("lines end"));
        }
        frames.extend(unwrapper.finish());
        frames
    }

    /// What the gateway wraps comes out again, in whatever pieces it arrives.
    #[test]
    fn every_wrapping_is_unwrapped() {
        let callback = || Callback::from_query(Some("c=_jp.abc")).expect("a callback");
        let expected = [
            ServerFrame::Open,
            ServerFrame::Heartbeat,
            ServerFrame::Close(1012, "Service restart".into()),
        ];
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
        for (wrapping, framing) in cases {
            for piece in [1, 7, 100_000] {
                assert_eq!(
                    unwrapped(wrapping, framing, piece),
                    expected,
                    "{wrapping:?}"
                );
            }
        }
    }

    /// Messages keep their characters; what is no frame is none.
    #[test]
    fn messages_are_decoded() {
        assert_eq!(
            ServerFrame::parse(r#"a["x","\u00e4\n"]"#),
            Some(ServerFrame::Messages(vec!["x".into(), "ä\n".into()]))
        );
        for nothing in ["", "hhhh", "<html>", "a[", "open", "\u{e4}"] {
            assert_eq!(ServerFrame::parse(nothing), None, "{nothing}");
        }
        let mut unwrapper = Unwrapper::new(Wrapping::Event);
        assert_eq!(
            unwrapper.push(b"data: a[\"50%25\"]\r\n\r\n"),
            Ok(vec![ServerFrame::Messages(vec!["50%".into()])])
        );
    }

    /// A server that sends no line end does not fill the memory.
    #[test]
    fn endless_lines_are_refused() {
        let mut unwrapper = Unwrapper::new(Wrapping::Line);
        let megabyte = vec![b'x'; 1 << 20];
        assert!((0..8).any(|_| unwrapper.push(&megabyte).is_err()));
    }
}
