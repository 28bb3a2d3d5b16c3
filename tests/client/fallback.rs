//! When the next transport is tried. (sockjs-client 1.6.1, `lib/main.js`)

use std::time::Duration;

use sockjs_gateway::client::{Builder, Transport};
use sockjs_gateway::{Connection, ServiceConfig};

use super::support::{
    Answer, answer, builder, info, message, scripted, serve_with, stream, within,
};

async fn echo(mut connection: Connection) {
    while let Some(message) = connection.recv().await {
        let _ = connection.send(message).await;
    }
}

#[tokio::test]
async fn websocket_false_in_info_skips_websockets() {
    let mut service = ServiceConfig::new("/s");
    service.websocket = false;
    let url = serve_with(service, echo);
    let mut client = within("a session", builder(&url).connect()).await.unwrap();
    assert_eq!(client.transport(), Transport::XhrStreaming);
    client.send("x").await.unwrap();
    assert_eq!(message(&mut client).await, "x");
}

/// A proxy that refuses the handshake: at once, whatever the time limit.
#[tokio::test]
async fn a_refused_handshake_falls_back() {
    let (url, _requests) = scripted(|request| match request.segment() {
        "info" => info(),
        "websocket" => answer("403 Forbidden", "", "no sockets here"),
        _ => Answer::Hang(stream("hhhh\no\n")),
    })
    .await;
    let client = within("a session", builder(&url).connect()).await.unwrap();
    let opened = client.opened();
    assert_eq!(opened.transport, Transport::XhrStreaming);
    let (transport, reason) = &opened.failed[0];
    assert_eq!((*transport, reason.code), (Transport::Websocket, 1006));
    let text = "the WebSocket handshake was answered with status 403: no sockets here";
    assert!(reason.reason.starts_with(&text[..58]), "{}", reason.reason);
}

/// A network that swallows handshakes and holds streams back: the time limit follows the round trip.
#[tokio::test]
async fn hanging_transports_time_out_and_fall_back() {
    let (url, _requests) = scripted(|request| match request.segment() {
        "info" => info(),
        "xhr" => answer("200 OK", "", "o\n"),
        _ => Answer::Hang(Vec::new()),
    })
    .await;
    let client = Builder::new(&url).unwrap();
    let client = within("a session", client.connect()).await.unwrap();
    let opened = client.opened();
    assert_eq!(opened.transport, Transport::XhrPolling);
    let codes: Vec<_> = opened
        .failed
        .iter()
        .map(|(transport, reason)| (*transport, reason.code))
        .collect();
    assert_eq!(
        codes,
        [
            (Transport::Websocket, 2007),
            (Transport::XhrStreaming, 2007),
            (Transport::EventSource, 2007)
        ]
    );
    assert!(opened.total >= Duration::from_millis(3 * 600));
}

/// A close that somebody meant ends it; the next transport is not tried.
#[tokio::test]
async fn a_meant_close_before_open_does_not_fall_back() {
    let (url, mut requests) = scripted(|request| match request.segment() {
        "info" => info(),
        _ => answer("200 OK", "", "c[4001,\"not you\"]\n"),
    })
    .await;
    let builder = builder(&url)
        .transports([Transport::XhrStreaming, Transport::XhrPolling])
        .unwrap();
    let error = within("the refusal", builder.connect()).await.unwrap_err();
    assert!(error.is_connect());
    assert_eq!(error.close_reason().unwrap().code, 4001);
    assert_eq!(error.failed_transports().len(), 1);
    requests.close();
    let mut segments = Vec::new();
    while let Some(request) = requests.recv().await {
        segments.push(request.segment().to_owned());
    }
    assert_eq!(segments, ["info", "xhr_streaming"]);
}

#[tokio::test]
async fn all_transports_failing_is_2000_and_says_how() {
    let (url, _requests) = scripted(|request| match request.segment() {
        "info" => info(),
        "xhr" => answer("200 OK", "", "c[1002,\"Connection interrupted\"]\n"),
        _ => answer("502 Bad Gateway", "", "down"),
    })
    .await;
    let error = within("the failure", builder(&url).connect())
        .await
        .unwrap_err();
    assert_eq!(error.close_reason().unwrap().code, 2000);
    assert_eq!(error.failed_transports().len(), 4);
    let text = error.to_string();
    assert!(
        text.contains("eventsource (1006 receiving was answered with status 502: down)"),
        "{text}"
    );
    assert!(
        text.contains("xhr-polling (1002 Connection interrupted)"),
        "{text}"
    );
}

#[tokio::test]
async fn a_failing_info_is_1002_and_not_retried() {
    let (url, mut requests) = scripted(|_| answer("404 Not Found", "", "nothing here")).await;
    let error = within("the failure", builder(&url).connect())
        .await
        .unwrap_err();
    assert!(error.is_connect());
    assert_eq!(error.close_reason().unwrap().code, 1002);
    assert!(
        error.to_string().contains("status 404: nothing here"),
        "{error}"
    );
    requests.close();
    assert!(requests.recv().await.is_some());
    assert!(requests.recv().await.is_none());
}

/// `base_url` takes the place of the URL for everything but `/info`; the query stays.
#[tokio::test]
async fn base_url_of_info_is_obeyed() {
    let (url, mut requests) = scripted(|request| match request.segment() {
        "info" => answer("200 OK", "", "{\"base_url\":\"/moved\"}"),
        _ => Answer::Hang(stream("o\n")),
    })
    .await;
    let builder = builder(&format!("{url}?q=1"))
        .transports([Transport::XhrPolling])
        .unwrap();
    within("a session", builder.connect()).await.unwrap();
    assert!(
        requests
            .recv()
            .await
            .unwrap()
            .line
            .starts_with("GET /s/info?q=1 ")
    );
    let line = requests.recv().await.unwrap().line;
    assert!(
        line.starts_with("POST /moved/") && line.contains("/xhr?q=1 "),
        "{line}"
    );
}
