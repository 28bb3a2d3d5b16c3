//! What was accepted is delivered, or the session ends with a name: no silent gap.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use crate::fixture::{
    INTERRUPTED, OPEN, echo_server, messages, opened, park_poll, read_response, send_poll,
};
use crate::support::{Connection, Server, Session, now};

const ROUNDS: u32 = 300;

/// Burns `time` without giving up the processor: sleeping is too coarse to meet a race.
fn spin(time: Duration) {
    let start = now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
}

/// Sends `first` while `end` ends the receiver's connection, comes back at once, and sends `second`.
///
/// Whatever the timing, the new poll brings `first`, or the end of the session; never `second` without `first`.
#[track_caller]
fn race(
    server: &Server,
    session: &Session<'_>,
    receiver: Connection,
    round: u32,
    end: fn(Connection),
) {
    let start = Barrier::new(2);
    let accepted = thread::scope(|scope| {
        let sending = scope.spawn(|| {
            start.wait();
            session.post("/xhr_send", "[\"first\"]").head.status
        });
        start.wait();
        // An exchange takes some hundred microseconds: the end falls before, into and after it.
        spin(Duration::from_micros(u64::from(round % 30) * 25));
        end(receiver);
        sending.join().expect("the sender does not panic")
    });
    let mut next = send_poll(server, session);
    let second = session.post("/xhr_send", "[\"second\"]").head.status;
    let answer = read_response(&mut next);
    let frame = String::from_utf8_lossy(&answer.body).into_owned();
    if frame == INTERRUPTED {
        return;
    }
    assert_eq!(
        messages(&frame)[0],
        "first",
        "round {round}: a message accepted with {accepted} is missing, the one after it ({second}) is there"
    );
}

/// A parked poll is reset while its answer is on the way. (Found in sockjs-go, aiohttp, Spring: 204, then gone)
#[test]
fn message_racing_with_the_reset_of_a_poll_is_delivered_or_ends_the_session() {
    let server = echo_server("");
    for round in 0..ROUNDS {
        let session = opened(&server, "/echo");
        let parked = park_poll(&server, &session);
        race(&server, &session, parked, round, Connection::reset);
    }
}

/// The same with an orderly FIN, as when a browser cancels a request.
#[test]
fn message_racing_with_the_close_of_a_poll_is_delivered_or_ends_the_session() {
    let server = echo_server("");
    for round in 0..ROUNDS {
        let session = opened(&server, "/echo");
        let parked = park_poll(&server, &session);
        race(&server, &session, parked, round, drop);
    }
}

/// The same with a stream.
#[test]
fn message_racing_with_the_reset_of_a_stream_is_delivered_or_ends_the_session() {
    let server = echo_server("");
    for round in 0..ROUNDS {
        let session = Session::new(&server, "/echo");
        let mut stream = session.open_xhr_streaming();
        stream.assert_chunk(OPEN);
        race(
            &server,
            &session,
            stream.connection,
            round,
            Connection::reset,
        );
    }
}

/// An answer that was written but lies unread when the browser resets did not arrive: coming back at once must not go on
/// without it.
#[test]
fn answer_left_unread_before_a_reset_is_not_skipped() {
    let server = echo_server("");
    for round in 0..ROUNDS {
        let session = opened(&server, "/echo");
        let mut parked = park_poll(&server, &session);
        session.send("[\"first\"]");
        assert!(
            parked.has_news(Duration::from_secs(5)),
            "round {round}: no answer"
        );
        parked.reset();
        let mut next = send_poll(&server, &session);
        session.post("/xhr_send", "[\"second\"]");
        let frame = String::from_utf8_lossy(&read_response(&mut next).body).into_owned();
        assert_eq!(frame, INTERRUPTED, "round {round}");
    }
}

/// HAProxy without `option forwardfor` shows no sign of itself, and resets connections whose answers it has read.
#[test]
fn browser_session_survives_a_reset_after_its_answer() {
    let server = echo_server("");
    let request = |session: &Session<'_>| {
        crate::support::Request::post(session.url("/xhr"))
            .header("User-Agent", "Mozilla/5.0 Chrome/156.0")
            .header("Connection", "keep-alive")
    };
    for round in 0..20 {
        let session = opened(&server, "/echo");
        let mut connection = server.connect();
        session.send("[\"first\"]");
        let answer = connection.exchange(&request(&session));
        assert_eq!(String::from_utf8_lossy(&answer.body), "a[\"first\"]\n");
        connection.reset();
        session.send("[\"second\"]");
        let answer = server.request(&request(&session));
        assert_eq!(
            String::from_utf8_lossy(&answer.body),
            "a[\"second\"]\n",
            "round {round}"
        );
    }
}

/// Many messages, one after the other, through polls that end and come back: all of them, once, in order.
#[test]
fn messages_between_polls_are_neither_lost_nor_repeated() {
    const COUNT: usize = 500;
    let server = echo_server("");
    let session = opened(&server, "/echo");
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut connection = server.connect();
            for number in 0..COUNT {
                let request = crate::support::Request::post(session.url("/xhr_send"))
                    .body(format!("[\"{number}\"]"));
                connection.send(&request);
                assert_eq!(connection.read_head().status, 204);
            }
        });
        let mut connection = server.connect();
        let mut received = Vec::new();
        while received.len() < COUNT {
            connection.send(&crate::support::Request::post(session.url("/xhr")));
            let response = read_response(&mut connection);
            received.extend(messages(&String::from_utf8_lossy(&response.body)));
        }
        let expected: Vec<_> = (0..COUNT).map(|number| number.to_string()).collect();
        assert_eq!(received, expected);
    });
}
