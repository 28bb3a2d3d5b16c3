//! The paths that every message takes, one function each: measured in time by `micro.rs`, in instructions by
//! `instructions.rs`.

mod socket;

use std::hint::black_box;
use std::sync::Arc;

use sockjs_gateway::moment::Moment;
use sockjs_gateway::protocol::framing::{self, Framing};
use sockjs_gateway::protocol::message::{MessageLimits, decode_messages};
use sockjs_gateway::protocol::{Frame, Message, Messages};
use sockjs_gateway::session::{Attach, Liveness, Manner, Session};

pub(crate) use socket::SocketEcho;

const LIMITS: MessageLimits = MessageLimits {
    max_messages: 1024,
    max_message_size: 1 << 20,
};

/// What messages consist of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Text {
    /// Letters and digits.
    Ascii,
    /// Cyrillic: two bytes a character, nothing to escape.
    Letters,
    /// JSON in JSON: every ninth byte is a quote.
    Quotes,
}

impl Text {
    /// `size` bytes of it, or one less.
    pub(crate) fn of(self, size: usize) -> String {
        let unit = match self {
            Self::Ascii => "The quick brown fox jumps over 13 lazy dogs. ",
            Self::Letters => "съешьещёэтихмягкихфранцузскихбулок",
            Self::Quotes => "\"price\":1234.5,",
        };
        let mut text = unit.repeat(size / unit.len() + 1);
        text.truncate(text.floor_char_boundary(size));
        text
    }

    /// The body of a request that sends it.
    pub(crate) fn body(self, size: usize) -> Vec<u8> {
        serde_json::to_vec(&[self.of(size)]).expect("strings are JSON")
    }
}

/// A browser's request or WebSocket message becomes messages.
pub(crate) fn decode(body: &[u8]) -> Vec<Message> {
    decode_messages(black_box(body), &LIMITS).expect("an array of strings")
}

/// A message becomes a frame of a carrier.
pub(crate) fn wrap(framing: &dyn Framing, message: &[Message]) -> String {
    framing.wrap(&Frame::Messages(Messages::new(black_box(message), &[])))
}

/// The carriers, by name.
pub(crate) fn framings() -> [(&'static str, Box<dyn Framing>); 4] {
    let callback = "_jp.abc".parse().expect("a callback");
    [
        ("websocket", Box::new(framing::Websocket)),
        ("xhr-streaming", Box::new(framing::XhrStreaming)),
        ("eventsource", Box::new(framing::EventSource)),
        ("jsonp-polling", Box::new(framing::Jsonp { callback })),
    ]
}

/// A session with an open stream, and what a message needs of it on its way to the backend and back.
pub(crate) struct Echo {
    session: Session,
    attachment: u32,
    now: Moment,
    batch: Vec<Message>,
}

impl Echo {
    pub(crate) fn new() -> Self {
        let now = Moment::START;
        let mut session = Session::new(Arc::default(), now);
        let manner = Manner {
            streams: true,
            ..Manner::new(Liveness::Connection)
        };
        let Attach::Granted(attachment) = session.handle_attach(now, manner) else {
            panic!("nothing is attached");
        };
        assert!(matches!(session.poll_frame(now), Some(Frame::Open)));
        let mut echo = Self {
            session,
            attachment,
            now,
            batch: Vec::new(),
        };
        echo.written();
        echo
    }

    /// In from the browser, to the backend, back, out, written.
    pub(crate) fn round(&mut self, message: &Message) {
        self.batch.push(message.clone());
        self.session
            .handle_browser_messages(self.now, &mut self.batch);
        black_box(self.session.poll_wakes());
        let message = self.session.poll_message().expect("it was accepted");
        self.session
            .handle_backend_message(message)
            .expect("there is room");
        black_box(self.session.poll_message());
        black_box(self.session.poll_wakes());
        let frame = self.session.poll_frame(self.now);
        assert!(matches!(black_box(frame), Some(Frame::Messages(_))));
        self.written();
    }

    fn written(&mut self) {
        self.session.handle_handed_over(self.attachment);
        self.session.handle_left(self.now, self.attachment);
        black_box(self.session.poll_wakes());
    }
}
