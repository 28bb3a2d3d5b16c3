//! One receiver at a time, whatever arrives at the same instant.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use crate::fixture::{
    OPEN, STILL_OPEN, echo_server, first_with_news, opened, read_response, send_poll, service,
};
use crate::support::{Request, Server, Session};

/// Answers of `count` polls of one session that are sent at the same instant over open connections.
#[track_caller]
fn polls_at_once(server: &Server, session: &Session<'_>, count: usize) -> Vec<String> {
    let start = Barrier::new(count);
    thread::scope(|scope| {
        let polls: Vec<_> = (0..count)
            .map(|_| {
                scope.spawn(|| {
                    let mut connection = server.connect();
                    start.wait();
                    connection.send(&Request::post(session.url("/xhr")));
                    let response = read_response(&mut connection);
                    String::from_utf8_lossy(&response.body).into_owned()
                })
            })
            .collect();
        polls
            .into_iter()
            .map(|poll| poll.join().expect("a poll is answered"))
            .collect()
    })
}

/// Of many first polls one opens the session. The others find it: they are refused, or one of them waits behind.
#[test]
fn one_of_many_first_polls_opens_the_session() {
    let server = echo_server("heartbeat_delay = \"300ms\"");
    for _ in 0..20 {
        let session = Session::new(&server, "/echo");
        let answers = polls_at_once(&server, &session, 32);
        let count = |frame: &str| answers.iter().filter(|answer| *answer == frame).count();
        assert_eq!(count(OPEN), 1, "{answers:?}");
        assert!(count("h\n") <= 1, "{answers:?}");
        assert_eq!(
            count(OPEN) + count("h\n") + count(STILL_OPEN),
            32,
            "{answers:?}"
        );
    }
}

/// Of two polls one is refused; the other one waits and gets the next message.
/// (sockjs-protocol, `Protocol.test_simpleSession`)
#[test]
fn one_of_two_receivers_is_refused() {
    let server = echo_server("");
    for _ in 0..50 {
        let session = opened(&server, "/echo");
        let mut polls = [(); 2].map(|()| send_poll(&server, &session));
        let refused = first_with_news(&mut polls);
        read_response(&mut polls[refused]).assert_is(200, STILL_OPEN);
        let waiting = &mut polls[1 - refused];
        waiting.assert_silent(Duration::from_millis(5));
        session.send("[\"x\"]");
        read_response(waiting).assert_is(200, "a[\"x\"]\n");
    }
}

/// The backend closes while polls come and go: first `o`, then the close frame, every time.
/// (sockjs-protocol, `Protocol.test_closeSession`)
#[test]
fn close_at_once_never_overtakes_the_open_frame() {
    let server = Server::with_config(&service("/close", "close:", ""));
    for _ in 0..100 {
        let session = Session::new(&server, "/close");
        session.poll().assert_is(200, OPEN);
        session.poll().assert_is(200, "c[3000,\"Go away!\"]\n");
        session.poll().assert_is(200, "c[3000,\"Go away!\"]\n");
    }
}

/// Messages sent at the same instant by many connections are each delivered once.
#[test]
fn concurrent_sends_are_each_delivered_once() {
    const SENDERS: usize = 8;
    const EACH: usize = 25;
    let server = echo_server("");
    let session = Session::new(&server, "/echo");
    let mut stream = session.open_xhr_streaming();
    stream.assert_chunk(OPEN);
    let mut received = Vec::new();
    thread::scope(|scope| {
        for sender in 0..SENDERS {
            let session = &session;
            scope.spawn(move || {
                for number in 0..EACH {
                    session.send(&format!("[\"{sender} {number}\"]"));
                }
            });
        }
        while received.len() < SENDERS * EACH {
            let chunk = stream.next_chunk().expect("the stream goes on");
            received.extend(crate::fixture::messages(&chunk));
        }
    });
    // Each sender waits for its answer before it goes on, so its own messages are in order.
    for sender in 0..SENDERS {
        let own: Vec<_> = received
            .iter()
            .filter_map(|message| message.strip_prefix(&format!("{sender} ")))
            .collect();
        let expected: Vec<_> = (0..EACH).map(|number| number.to_string()).collect();
        assert_eq!(own, expected);
    }
}

/// A session belongs to the id, not to the transport: a second receiver of another kind is refused as well.
#[test]
fn second_receiver_of_another_transport_is_refused() {
    let server = echo_server("");
    for first in crate::carriers::CARRIERS
        .iter()
        .filter(|carrier| !carrier.polls)
    {
        let session = Session::new(&server, "/echo");
        let mut stream = first.open(&server, &session);
        stream.assert_chunk(&first.wrap("o"));
        for second in crate::carriers::CARRIERS {
            assert_eq!(
                second.first_frame(&server, &session),
                second.wrap("c[2010,\"Another connection still open\"]"),
                "{} beside {}",
                second.suffix,
                first.suffix
            );
        }
        session.send("[\"x\"]");
        stream.assert_chunk(&first.wrap("a[\"x\"]"));
    }
}
