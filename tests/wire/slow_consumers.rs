//! Browsers that read more slowly than their backend sends, and what the service is told to do with them.

use crate::carriers::{Carrier, EVENTSOURCE, HTMLFILE, XHR_STREAMING};
use crate::fixture::{OPEN, echo_server, messages, opened, service, text};
use crate::raw_socket::RawSocket;
use crate::support::{Server, Session};

/// Messages that are more than the system keeps for a connection that nobody reads.
const MANY: usize = 300;

/// One of them, as it is sent.
fn numbered(number: usize) -> String {
    format!("[\"{number} {}\"]", "x".repeat(60_000))
}

/// Which of them are in a frame.
fn numbers(frame: &str) -> Vec<usize> {
    let number = |message: &String| {
        let (number, _) = message.split_once(' ').expect("a numbered message");
        number.parse().expect("a number")
    };
    messages(frame).iter().map(number).collect()
}

/// A session on a WebSocket or a stream of which nothing is read while all messages are sent. Then all of its frames, to the end or to the
/// last message.
fn late_frames(server: &Server, carrier: Option<Carrier>) -> Vec<String> {
    let is_last = |frame: &str| {
        let last = || numbers(frame).contains(&(MANY - 1));
        frame.starts_with('c') || (frame.starts_with('a') && last())
    };
    let mut frames = Vec::new();
    let Some(carrier) = carrier else {
        let mut socket = RawSocket::open_sockjs(server, "/echo");
        (0..MANY).for_each(|number| socket.send_text(&numbered(number)));
        while frames.last().is_none_or(|frame: &String| !is_last(frame)) {
            let frame = socket.receive();
            frames.push(String::from_utf8(frame.payload).expect("text"));
        }
        return frames;
    };
    let session = Session::new(server, "/echo");
    let mut stream = carrier.open(server, &session);
    let mut next = || {
        let wrapped = stream.next_chunk().expect("the stream goes on");
        let frame = carrier.payload(&wrapped);
        if carrier.script {
            frame.replace("\\\"", "\"")
        } else {
            frame.to_owned()
        }
    };
    assert_eq!(next(), OPEN.trim_end());
    (0..MANY).for_each(|number| session.send(&numbered(number)));
    while frames.last().is_none_or(|frame: &String| !is_last(frame)) {
        frames.push(next());
    }
    frames
}

/// Everything that stays open for its frames.
const LINES: [Option<Carrier>; 4] = [None, Some(XHR_STREAMING), Some(EVENTSOURCE), Some(HTMLFILE)];

/// With `close` a browser on a WebSocket or a stream gets, once it reads again, everything from the first message on without a gap, and then the
/// code.
#[test]
fn connection_that_is_not_read_is_closed_after_what_is_queued() {
    let server = echo_server(
        "slow_consumer = \"close\"\nslow_consumer_timeout = \"300ms\"\noutbound_bytes = \"64KiB\"\ninbound_bytes = \"64KiB\"\nresponse_limit = \"1GiB\"\nresponse_max_age = \"off\"",
    );
    for line in LINES {
        let mut frames = late_frames(&server, line);
        let told = frames.pop();
        assert_eq!(told.as_deref(), Some("c[1013,\"Reads too slowly\"]"));
        let received: Vec<_> = frames.iter().flat_map(|frame| numbers(frame)).collect();
        assert!((1..MANY).contains(&received.len()), "{received:?}");
        assert_eq!(received, (0..received.len()).collect::<Vec<_>>());
    }
}

/// With `drop-oldest` it gets what had left before, and then the newest, in order; its session goes on.
#[test]
fn connection_that_is_not_read_gets_the_newest_messages() {
    let server = echo_server(
        "slow_consumer = \"drop-oldest\"\noutbound_bytes = \"256KiB\"\nresponse_limit = \"1GiB\"\nresponse_max_age = \"off\"",
    );
    for line in LINES {
        let frames = late_frames(&server, line);
        let received: Vec<_> = frames.iter().flat_map(|frame| numbers(frame)).collect();
        assert!(received.is_sorted_by(|a, b| a < b), "{received:?}");
        assert!(received.len() < MANY, "nothing was dropped");
        assert_eq!(received.last(), Some(&(MANY - 1)));
    }
}

/// With `drop-oldest` a browser that comes back late gets the newest messages, in order, and its session goes on.
#[test]
fn late_browser_gets_the_newest_messages() {
    let options = "slow_consumer = \"drop-oldest\"\noutbound_messages = 3";
    let server = Server::with_config(&service("/room", "broadcast:", options));
    let quiet = opened(&server, "/room");
    let speaker = Session::new(&server, "/room");
    let mut heard = speaker.open_xhr_streaming();
    heard.assert_chunk(OPEN);
    for number in 0..8 {
        let message = format!("[\"{number}\"]");
        speaker.send(&message);
        heard.assert_chunk(&format!("a{message}\n"));
    }
    assert_eq!(messages(&text(&quiet.poll())), ["5", "6", "7"]);
    speaker.send("[\"8\"]");
    heard.assert_chunk("a[\"8\"]\n");
    assert_eq!(messages(&text(&quiet.poll())), ["8"]);
}

/// With `close` a browser that leaves its queue full gets what is queued, then the code, without that its backend sends again.
#[test]
fn browser_that_does_not_read_is_closed_in_time() {
    let options = "slow_consumer = \"close\"\nslow_consumer_timeout = \"200ms\"\noutbound_messages = 2\ninbound_messages = 1";
    let server = Server::with_config(&service("/echo", "echo:", options));
    let session = opened(&server, "/echo");
    session.send("[\"1\",\"2\",\"3\"]");
    // The backend waits with the third. The fourth waits for it, and the fifth has no room until the session has ended.
    session.send("[\"4\"]");
    session.send("[\"5\"]");
    let frames = [session.poll(), session.poll()].map(|answer| text(&answer));
    assert_eq!(
        frames,
        ["a[\"1\",\"2\"]\n", "c[1013,\"Reads too slowly\"]\n"]
    );
}
