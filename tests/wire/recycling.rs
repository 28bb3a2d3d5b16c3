//! Responses that end at the response limit, and the next ones, carry everything once and in order.

use std::thread;
use std::time::Duration;

use crate::carriers::{CARRIERS, Carrier, EVENTSOURCE, HTMLFILE, JSONP, XHR, XHR_STREAMING};
use crate::fixture::{echo_server, messages, service};
use crate::support::{Request, Server, Session};

const COUNT: usize = 2000;

/// Sends 2000 numbered messages and reads them back over `carrier`, response after response, `gap` apart.
#[track_caller]
fn assert_nothing_is_lost(carrier: Carrier, gap: Duration) {
    let server = echo_server("response_limit = 1024");
    let session = Session::new(&server, "/echo");
    let mut reader = carrier.reader(&server, &session);
    assert_eq!(reader.next_frame(), carrier.wrap("o"));
    let mut received = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut connection = server.connect();
            let numbers: Vec<_> = (0..COUNT).map(|number| number.to_string()).collect();
            for batch in numbers.chunks(7) {
                let body = serde_json::to_vec(batch).expect("strings are JSON");
                connection.send(&Request::post(session.url("/xhr_send")).body(body));
                assert_eq!(connection.read_head().status, 204);
            }
        });
        reader.gap = gap;
        while received.len() < COUNT {
            let wrapped = reader.next_frame();
            let frame = carrier.payload(&wrapped);
            let frame = if carrier.script {
                serde_json::from_str(&format!("\"{frame}\"")).expect("a string literal")
            } else {
                frame.to_owned()
            };
            received.extend(messages(&frame));
        }
    });
    let expected: Vec<_> = (0..COUNT).map(|number| number.to_string()).collect();
    assert_eq!(received, expected);
    assert!(reader.responses > 2, "{} responses", reader.responses);
}

/// sockjs-protocol, `XhrStreaming.test_response_limit`
#[test]
fn recycled_xhr_streaming_loses_and_reorders_nothing() {
    assert_nothing_is_lost(XHR_STREAMING, Duration::ZERO);
}

/// sockjs-protocol, `EventSource.test_response_limit`
#[test]
fn recycled_eventsource_loses_and_reorders_nothing() {
    assert_nothing_is_lost(EVENTSOURCE, Duration::ZERO);
}

/// sockjs-client opens an event source again after a pause (200 ms there).
#[test]
fn recycled_eventsource_keeps_what_comes_during_the_gap() {
    assert_nothing_is_lost(EVENTSOURCE, Duration::from_millis(10));
}

/// sockjs-protocol, `HtmlFile.test_response_limit`
#[test]
fn recycled_htmlfile_loses_and_reorders_nothing() {
    assert_nothing_is_lost(HTMLFILE, Duration::ZERO);
}

/// sockjs-protocol, `XhrPolling`
#[test]
fn xhr_polls_lose_and_reorder_nothing() {
    assert_nothing_is_lost(XHR, Duration::ZERO);
}

/// sockjs-protocol, `JsonPolling`
#[test]
fn jsonp_polls_lose_and_reorder_nothing() {
    assert_nothing_is_lost(JSONP, Duration::ZERO);
}

/// One message far beyond the limit is delivered whole; then the response ends.
/// (sockjs-protocol, `EventSource.test_response_limit`)
#[test]
fn huge_message_is_delivered_whole_before_the_stream_ends() {
    let server = Server::with_config(&service("/big", "amplify:", "response_limit = 4096"));
    for carrier in CARRIERS.iter().filter(|carrier| !carrier.polls) {
        let session = Session::new(&server, "/big");
        let mut stream = carrier.open(&server, &session);
        stream.assert_chunk(&carrier.wrap("o"));
        session.send("[\"18\"]");
        let chunk = stream.next_chunk().expect("the message comes");
        assert_eq!(
            chunk,
            carrier.wrap(&format!("a[\"{}\"]", "x".repeat(1 << 18)))
        );
        stream.assert_ended();
    }
}
