//! What many files here start from: servers with one service, receivers that are parked, and answers they compare with.

use std::time::Duration;

use crate::support::{ANSWER_DEADLINE, Connection, Deadline, Request, Response, Server, Session};

pub(crate) const OPEN: &str = "o\n";
pub(crate) const STILL_OPEN: &str = "c[2010,\"Another connection still open\"]\n";
pub(crate) const INTERRUPTED: &str = "c[1002,\"Connection interrupted\"]\n";

/// TOML of a service at `prefix` that pages of any site may use; `options` are further lines of its table.
pub(crate) fn service(prefix: &str, backend: &str, options: &str) -> String {
    format!(
        "[[service]]\nprefix = \"{prefix}\"\nbackend = \"{backend}\"\norigins = \"*\"\n{options}\n"
    )
}

/// A server with an echo service at `/echo`.
#[track_caller]
pub(crate) fn echo_server(options: &str) -> Server {
    Server::with_config(&service("/echo", "echo:", options))
}

/// A session whose first poll was answered with `o`.
#[track_caller]
pub(crate) fn opened<'a>(server: &'a Server, service: &str) -> Session<'a> {
    let session = Session::new(server, service);
    session.poll().assert_is(200, OPEN);
    session
}

/// Sends a poll on a connection of its own and does not wait for the answer.
#[track_caller]
pub(crate) fn send_poll(server: &Server, session: &Session<'_>) -> Connection {
    let mut connection = server.connect();
    connection.send(&Request::post(session.url("/xhr")));
    connection
}

/// A poll that is certainly attached to the session, and waits.
///
/// Nothing on the wire shows that. But of two polls one is refused with 2010, and then the other one is attached.
#[track_caller]
pub(crate) fn park_poll(server: &Server, session: &Session<'_>) -> Connection {
    let mut polls = [send_poll(server, session), send_poll(server, session)];
    let refused = first_with_news(&mut polls);
    let [mut first, mut second] = polls;
    let (refused, parked) = if refused == 0 {
        (&mut first, second)
    } else {
        (&mut second, first)
    };
    read_response(refused).assert_is(200, STILL_OPEN);
    parked
}

/// Index of the first connection on which something comes.
#[track_caller]
pub(crate) fn first_with_news(connections: &mut [Connection]) -> usize {
    let deadline = Deadline::after(ANSWER_DEADLINE);
    while deadline.remaining().is_some() {
        for (index, connection) in connections.iter_mut().enumerate() {
            if connection.has_news(Duration::from_millis(1)) {
                return index;
            }
        }
    }
    panic!("no connection is answered within {ANSWER_DEADLINE:?}");
}

/// The response on a connection whose request was a POST.
#[track_caller]
pub(crate) fn read_response(connection: &mut Connection) -> Response {
    connection.read_response(&Request::post(""))
}

/// The body as text.
pub(crate) fn text(response: &Response) -> String {
    String::from_utf8_lossy(&response.body).into_owned()
}

/// The messages of an `a[…]` frame.
#[track_caller]
pub(crate) fn messages(frame: &str) -> Vec<String> {
    let array = frame
        .strip_prefix('a')
        .unwrap_or_else(|| panic!("{frame:?} is not a frame with messages"));
    serde_json::from_str(array).expect("a frame with messages is an array of strings")
}

/// A WebSocket handshake as browsers send it, without `Origin`.
pub(crate) fn upgrade(path: impl Into<String>) -> Request {
    Request::get(path)
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
}

/// Transports of the Rust client.
pub(crate) const TRANSPORTS: [&str; 5] = [
    "websocket",
    "xhr-streaming",
    "eventsource",
    "xhr-polling",
    "websocket-raw",
];

/// A report for a person says all that is `expected`, without colours where nobody looks.
pub(crate) fn assert_readable(text: &str, expected: &[&str]) {
    for expected in expected {
        assert!(
            text.contains(expected),
            "{expected:?} is missing in\n{text}"
        );
    }
    assert!(
        !text.contains('\u{1b}'),
        "colours although nobody looks:\n{text}"
    );
}
