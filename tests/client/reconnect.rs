//! A new session after a lost one, when that is asked for.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sockjs_gateway::client::{Backoff, Event, Transport};

use super::support::{Answer, answer, builder, info, scripted, stream, within};

const SOON: Backoff = Backoff {
    initial: Duration::from_millis(1),
    max: Duration::from_millis(5),
    attempts: None,
};

#[tokio::test]
async fn a_lost_session_is_followed_by_a_new_one() {
    let count = AtomicUsize::new(0);
    let (url, mut requests) = scripted(move |request| match request.segment() {
        "info" => info(),
        "xhr_send" => answer("204 No Content", "", ""),
        _ if count.fetch_add(1, Ordering::SeqCst) == 0 => {
            let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
            Answer::Close(format!("{head}o\na[\"first\"]\n").into_bytes())
        }
        _ => Answer::Hang(stream("o\na[\"second\"]\n")),
    })
    .await;
    let builder = builder(&url)
        .reconnect(SOON)
        .session("000", "chosen")
        .unwrap()
        .transports([Transport::XhrStreaming])
        .unwrap();
    let mut client = builder.connect().await.unwrap();
    let event = within("a message", client.recv()).await;
    assert_eq!(event, Some(Event::Message("first".into())));
    match within("the loss", client.recv()).await {
        Some(Event::Lost(reason)) => assert_eq!(reason.code, 1006),
        other => panic!("{other:?}"),
    }
    let error = client.send("into the void").await.unwrap_err();
    assert!(error.is_reconnecting(), "{error}");
    match within("a new session", client.recv()).await {
        Some(Event::Reconnected(opened)) => assert_eq!(opened.transport, Transport::XhrStreaming),
        other => panic!("{other:?}"),
    }
    let event = within("a message", client.recv()).await;
    assert_eq!(event, Some(Event::Message("second".into())));
    client.send("x").await.unwrap();
    requests.close();
    let mut lines = Vec::new();
    while let Some(request) = requests.recv().await {
        lines.push((request.line, request.body));
    }
    // info, stream, info, stream, send; the new session has an id of its own, and nothing is sent twice.
    assert_eq!(lines.len(), 5, "{lines:?}");
    assert!(lines[1].0.contains("/000/chosen/"));
    assert!(!lines[3].0.contains("/chosen/"));
    assert_eq!(lines[4].1, "[\"x\"]");
}

#[tokio::test]
async fn a_meant_close_is_not_followed_by_a_new_session() {
    let (url, _requests) = scripted(|request| match request.segment() {
        "info" => info(),
        _ => Answer::Hang(stream("o\nc[3000,\"Go away!\"]\n")),
    })
    .await;
    let builder = builder(&url)
        .reconnect(SOON)
        .transports([Transport::XhrStreaming])
        .unwrap();
    let mut client = builder.connect().await.unwrap();
    assert_eq!(within("the end", client.recv()).await, None);
    assert_eq!(client.closed().unwrap().code, 3000);
}

#[tokio::test]
async fn attempts_end_after_the_most_that_may_fail() {
    let count = AtomicUsize::new(0);
    let (url, mut requests) = scripted(move |request| match request.segment() {
        "info" if count.fetch_add(1, Ordering::SeqCst) > 0 => {
            answer("503 Service Unavailable", "", "away")
        }
        "info" => info(),
        _ => Answer::Hang(stream("o\no\n")),
    })
    .await;
    let backoff = Backoff {
        attempts: Some(3),
        ..SOON
    };
    let builder = builder(&url)
        .reconnect(backoff)
        .transports([Transport::XhrStreaming])
        .unwrap();
    let mut client = builder.connect().await.unwrap();
    let event = within("the loss", client.recv()).await;
    assert!(matches!(event, Some(Event::Lost(_))), "{event:?}");
    assert_eq!(within("the end", client.recv()).await, None);
    assert_eq!(client.closed().unwrap().code, 1002);
    requests.close();
    let mut asked = 0;
    while let Some(request) = requests.recv().await {
        asked += usize::from(request.segment() == "info");
    }
    assert_eq!(asked, 4);
}

/// A gateway whose upstream is away opens each session and ends it at once: that is no success, so that waits grow and tries
/// come to an end.
#[tokio::test]
async fn sessions_that_are_lost_at_once_are_attempts_that_failed() {
    let (url, mut requests) = scripted(move |request| match request.segment() {
        "info" => info(),
        _ => Answer::Hang(stream("o\nc[1014,\"Upstream refused the connection\"]\n")),
    })
    .await;
    let backoff = Backoff {
        initial: Duration::from_secs(60),
        max: Duration::from_millis(200),
        attempts: Some(3),
    };
    let builder = builder(&url)
        .reconnect(backoff)
        .transports([Transport::XhrStreaming])
        .unwrap();
    let mut client = builder.connect().await.unwrap();
    let end = within("the end", async {
        while client.recv().await.is_some() {}
        client.closed()
    });
    assert_eq!(end.await.unwrap().code, 1014);
    requests.close();
    let mut asked = 0;
    while let Some(request) = requests.recv().await {
        asked += usize::from(request.segment() == "info");
    }
    assert_eq!(asked, 4);
}
