//! How each transport wraps a frame. A new wrapping is one more `impl Framing` here.

use bytes::Bytes;

use super::callback::Callback;
use super::escape::{self, Carrier, push_escaped, push_quoted};
use super::frame::{Frame, Messages};
use super::once::Once;

/// A transport's way of writing frames. One frame becomes one HTTP chunk or one WebSocket message.
pub trait Framing {
    /// What a response starts with, before any frame, as a chunk of its own.
    fn prelude(&self) -> Option<Bytes> {
        None
    }

    /// The bytes of one frame, delimiters included.
    fn wrap(&self, frame: &Frame<'_>) -> String;

    /// As [`Self::wrap`]. A message that is sent to many sessions is wrapped once, where all of them get the same bytes, and
    /// these are shared.
    fn encode(&self, frame: &Frame<'_>) -> Bytes {
        self.wrap(frame).into()
    }
}

/// `frame` + LF: xhr polling. (sockjs-protocol, `XhrPolling.test_transport`)
#[derive(Clone, Copy, Debug)]
pub struct Line;

/// As [`Line`], after a prelude of 2048 `h` and LF on every response. (sockjs-protocol, `XhrStreaming.test_transport`)
#[derive(Clone, Copy, Debug)]
pub struct XhrStreaming;

/// `data: ` + frame + CR LF CR LF, after a prelude of CR LF. (sockjs-protocol, `EventSource.test_transport`)
#[derive(Clone, Copy, Debug)]
pub struct EventSource;

/// `<script>` that calls `p("frame")`, after a padded page head. (sockjs-protocol, `HtmlFile.test_transport`)
#[derive(Clone, Debug)]
pub struct HtmlFile {
    /// Function of the parent page.
    pub callback: Callback,
}

/// `/**/callback("frame");` + CR LF. (sockjs-protocol, `JsonPolling.test_transport`)
#[derive(Clone, Debug)]
pub struct Jsonp {
    /// Function the browser's script element calls.
    pub callback: Callback,
}

/// The frame itself: one WebSocket text message. (sockjs-protocol, `Websocket.test_transport`)
#[derive(Clone, Copy, Debug)]
pub struct Websocket;

static XHR_STREAMING_PRELUDE: [u8; 2049] = {
    let mut prelude = [b'h'; 2049];
    prelude[2048] = b'\n';
    prelude
};

thread_local! {
    static LINE: Once<Bytes> = const { Once::new() };
    static EVENT: Once<Bytes> = const { Once::new() };
    static SCRIPT: Once<Bytes> = const { Once::new() };
}

impl Framing for Line {
    fn wrap(&self, frame: &Frame<'_>) -> String {
        wrapped::<escape::Plain>("", frame, "\n")
    }

    fn encode(&self, frame: &Frame<'_>) -> Bytes {
        LINE.with(|last| last.wrap(self, frame))
    }
}

impl Framing for XhrStreaming {
    fn prelude(&self) -> Option<Bytes> {
        Some(Bytes::from_static(&XHR_STREAMING_PRELUDE))
    }

    fn wrap(&self, frame: &Frame<'_>) -> String {
        Line.wrap(frame)
    }

    fn encode(&self, frame: &Frame<'_>) -> Bytes {
        Line.encode(frame)
    }
}

impl Framing for EventSource {
    fn prelude(&self) -> Option<Bytes> {
        Some(Bytes::from_static(b"\r\n"))
    }

    fn wrap(&self, frame: &Frame<'_>) -> String {
        wrapped::<escape::EventSource>("data: ", frame, "\r\n\r\n")
    }

    fn encode(&self, frame: &Frame<'_>) -> Bytes {
        EVENT.with(|last| last.wrap(self, frame))
    }
}

/// The page up to the callback's name; the rest is [`HTMLFILE_TAIL`].
const HTMLFILE_HEAD: &str = r#"<!doctype html>
<html><head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
</head><body><h2>Don't panic!</h2>
  <script>
    document.domain = document.domain;
    var c = parent."#;
const HTMLFILE_TAIL: &str = r"
    c.start();
    function p(d) {c.message(d);};
    window.onload = function() {c.stop();};
  </script>";
/// Browsers start to run a page once they have 1 KiB of it.
const HTMLFILE_PADDED: usize = 1024;

impl Framing for HtmlFile {
    fn prelude(&self) -> Option<Bytes> {
        let mut page = format!("{HTMLFILE_HEAD}{};{}", self.callback, HTMLFILE_TAIL);
        let padding = (HTMLFILE_PADDED + 1).saturating_sub(page.len());
        page.extend(std::iter::repeat_n(' ', padding));
        page.push_str("\r\n\r\n");
        Some(page.into())
    }

    fn wrap(&self, frame: &Frame<'_>) -> String {
        wrapped::<escape::Script>("<script>\np(\"", frame, "\");\n</script>\r\n")
    }

    fn encode(&self, frame: &Frame<'_>) -> Bytes {
        SCRIPT.with(|last| last.wrap(self, frame))
    }
}

impl Framing for Jsonp {
    fn wrap(&self, frame: &Frame<'_>) -> String {
        // The empty comment keeps a callback name from being the first bytes of the answer ("Rosetta Flash").
        wrapped::<escape::Script>(&format!("/**/{}(\"", self.callback), frame, "\");\r\n")
    }
}

impl Framing for Websocket {
    fn wrap(&self, frame: &Frame<'_>) -> String {
        wrapped::<escape::Plain>("", frame, "")
    }
}

/// `before`, the frame as carrier `C` needs it, `after`.
fn wrapped<C: Carrier>(before: &str, frame: &Frame<'_>, after: &str) -> String {
    match frame {
        Frame::Open => [before, "o", after].concat(),
        Frame::Heartbeat => [before, "h", after].concat(),
        Frame::Messages(messages) => {
            let mut out =
                String::with_capacity(before.len() + estimated_len(*messages) + after.len());
            out.push_str(before);
            push_messages::<C>(&mut out, *messages);
            out.push_str(after);
            out
        }
        Frame::Close(reason) => {
            let mut out = format!("{before}c[{},", reason.code);
            push_quoted::<C>(&mut out, &reason.reason);
            out.push(']');
            out.push_str(after);
            out
        }
    }
}

/// Bytes of an `a[…]` frame in which nothing, or little, needs escaping.
fn estimated_len(messages: Messages<'_>) -> usize {
    let bytes = messages.total_bytes();
    3 + messages.len() * 5 + bytes + bytes / 32
}

fn push_messages<C: Carrier>(out: &mut String, messages: Messages<'_>) {
    out.push_str("a[");
    for (index, message) in messages.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        C::quote(out);
        // A session with SockJS framing refuses binary when the backend sends it.
        push_escaped::<C>(out, message.as_text().unwrap_or_default());
        C::quote(out);
    }
    out.push(']');
}

#[cfg(test)]
mod tests {
    use super::super::frame::{CloseReason, Message};
    use super::*;

    fn all(framing: &dyn Framing) -> Vec<String> {
        let messages = [Message::from("x"), Message::from("a\"b")];
        let close = CloseReason::new(3000, "Go away!");
        [
            Frame::Open,
            Frame::Heartbeat,
            Frame::Messages(Messages::new(&messages[..1], &messages[1..])),
            Frame::Close(&close),
        ]
        .iter()
        .map(|frame| framing.wrap(frame))
        .collect()
    }

    fn callback() -> Callback {
        "_jp.aXb-1".parse().expect("a valid callback")
    }

    /// sockjs-protocol, "Protocol and framing"; `XhrPolling.test_transport`
    #[test]
    fn xhr_frames_are_lines() {
        assert_eq!(
            all(&Line),
            [
                "o\n",
                "h\n",
                "a[\"x\",\"a\\\"b\"]\n",
                "c[3000,\"Go away!\"]\n"
            ]
        );
        assert_eq!(all(&XhrStreaming), all(&Line));
        let prelude = XhrStreaming.prelude().expect("xhr_streaming has a prelude");
        assert_eq!(prelude, [vec![b'h'; 2048], vec![b'\n']].concat());
    }

    /// sockjs-protocol, `Websocket.test_transport`
    #[test]
    fn websocket_frames_have_no_delimiter() {
        assert_eq!(
            all(&Websocket),
            ["o", "h", "a[\"x\",\"a\\\"b\"]", "c[3000,\"Go away!\"]"]
        );
    }

    /// sockjs-protocol, `EventSource.test_transport`
    #[test]
    fn eventsource_frames_are_events() {
        assert_eq!(all(&EventSource)[2], "data: a[\"x\",\"a\\\"b\"]\r\n\r\n");
        assert_eq!(EventSource.prelude().as_deref(), Some(&b"\r\n"[..]));
    }

    /// sockjs-protocol, `HtmlFile.test_transport`: the head is padded beyond 1024 bytes.
    #[test]
    fn htmlfile_frames_are_scripts() {
        let framing = HtmlFile {
            callback: callback(),
        };
        let frames = all(&framing);
        assert_eq!(frames[0], "<script>\np(\"o\");\n</script>\r\n");
        assert_eq!(
            frames[2],
            "<script>\np(\"a[\\\"x\\\",\\\"a\\\\\\\"b\\\"]\");\n</script>\r\n"
        );
        let head = framing.prelude().expect("htmlfile has a head");
        assert!(head.len() > 1024);
        let text = std::str::from_utf8(&head).expect("text");
        assert!(text.contains("var c = parent._jp.aXb-1;\n"));
        assert!(text.trim_end().ends_with("</script>"));
    }

    /// sockjs-protocol, `JsonPolling.test_transport`
    #[test]
    fn jsonp_frames_are_calls() {
        let frames = all(&Jsonp {
            callback: callback(),
        });
        assert_eq!(frames[0], "/**/_jp.aXb-1(\"o\");\r\n");
        assert_eq!(
            frames[3],
            "/**/_jp.aXb-1(\"c[3000,\\\"Go away!\\\"]\");\r\n"
        );
    }

    /// A close reason from an application is escaped like a message.
    #[test]
    fn close_reasons_are_escaped_for_their_carrier() {
        let reason = CloseReason::new(3001, "</script>%");
        let frame = Frame::Close(&reason);
        assert!(
            !HtmlFile {
                callback: callback()
            }
            .wrap(&frame)[10..]
                .starts_with("</script>%")
        );
        assert_eq!(
            EventSource.wrap(&frame),
            "data: c[3001,\"</script>%25\"]\r\n\r\n"
        );
    }
}
