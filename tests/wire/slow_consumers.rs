//! Browsers that read more slowly than their backend sends, and what the service is told to do with them.

use crate::fixture::{OPEN, messages, opened, service, text};
use crate::support::{Server, Session};

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
