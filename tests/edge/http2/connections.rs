//! Beginnings and ends of connections: ALPN, the preface, idling, limits, stopping.

use std::time::Duration;

use futures_util::StreamExt as _;
use sockjs_gateway::{ListenAddress, ListenerConfig, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::Message;

use super::super::support::{
    Authority, Folder, ask, connector_for, free_port, info, serve, serve_until, serve_with,
    shake_hands, tls, within,
};
use super::client::Client;
use super::frames::{
    CANCEL, END_HEADERS, END_STREAM, GOAWAY, HEADERS, NO_ERROR, PING, PREFACE, REFUSED_STREAM, Raw,
    SETTINGS, frame, request,
};

const TIMED_OUT: &str = "sockjs_connections_timed_out_total";

/// Clients without HTTP/2 get HTTP/1.1, and all do where it is off. (RFC 7301)
#[tokio::test]
async fn tls_falls_back_to_http11() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let files = authority.sign(&["localhost"]).write(&folder, "own");
    for (http2, offered) in [
        (true, &["http/1.1"][..]),
        (false, &["h2", "http/1.1"]),
        (true, &[]),
    ] {
        let mut listener = free_port();
        listener.tls = Some(tls(vec![files.clone()]));
        let config = ServerConfig {
            http2,
            ..ServerConfig::default()
        };
        let running = serve_with(listener, &[], config);
        let connector = connector_for(authority.der(), None, offered);
        let mut stream = shake_hands(running.connect().await, &connector, "localhost")
            .await
            .unwrap();
        let chosen = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        assert_eq!(chosen.is_some(), !offered.is_empty());
        assert!(chosen.is_none_or(|chosen| chosen == b"http/1.1"));
        let answer = ask(&mut stream, &info("")).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}

/// An offer to switch to HTTP/2 is not taken. (RFC 9113 §3.1)
#[tokio::test]
async fn offers_to_upgrade_are_ignored() {
    let running = serve(free_port(), &[]);
    let fields =
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n";
    let mut stream = running.connect().await;
    for _ in 0..2 {
        let answer = ask(&mut stream, &info(fields)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}

/// The preface is known however it is cut, and begins a connection, not a request among others.
#[tokio::test]
async fn preface_begins_a_connection() {
    let running = serve(free_port(), &[]);
    for size in [1, 7, 16, 23] {
        let mut stream = running.connect().await;
        for piece in PREFACE.chunks(size) {
            stream.write_all(piece).await.unwrap();
            stream.flush().await.unwrap();
            tokio::task::yield_now().await;
        }
        stream.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
        let mut raw = Raw { stream };
        assert!(matches!(raw.read().await, Some((SETTINGS, ..))), "{size}");
    }
    let mut stream = running.connect().await;
    ask(&mut stream, &info("")).await.unwrap();
    let answer = ask(&mut stream, std::str::from_utf8(PREFACE).unwrap()).await;
    assert!(answer.unwrap().starts_with("HTTP/1.1 505 "));
}

/// With HTTP/2 off, its preface is a request of a version that is not spoken.
#[tokio::test]
async fn preface_is_refused_where_http2_is_off() {
    let config = ServerConfig {
        http2: false,
        ..ServerConfig::default()
    };
    let running = serve_with(free_port(), &[], config);
    let mut stream = running.connect().await;
    let answer = ask(&mut stream, std::str::from_utf8(PREFACE).unwrap()).await;
    assert!(answer.unwrap().starts_with("HTTP/1.1 505 "));
}

/// A peer that stops within the preface, or after it, is given up in the time of a head.
#[tokio::test]
async fn connections_that_do_not_begin_end() {
    let config = ServerConfig {
        header_timeout: Duration::from_millis(200),
        ..ServerConfig::default()
    };
    let running = serve_with(free_port(), &[], config);
    for begin in [&PREFACE[..20], PREFACE] {
        let mut stream = running.connect().await;
        stream.write_all(begin).await.unwrap();
        let mut rest = Vec::new();
        let _ = within("the end", stream.read_to_end(&mut rest)).await;
    }
    running.counts(TIMED_OUT, "header", 1).await;
    running.counts(TIMED_OUT, "ping", 1).await;
}

/// A connection without streams ends in order; one with a receiver does not.
#[tokio::test]
async fn idle_connections_end_with_goaway() {
    let config = ServerConfig {
        idle_timeout: Duration::from_millis(200),
        ..ServerConfig::default()
    };
    let running = serve_with(free_port(), &[], config);
    let mut busy = Client::connect(&running).await;
    assert_eq!(busy.post("/s/0/a/xhr", "").await.1, "o\n");
    let poll = busy.builder("POST", "/s/0/a/xhr");
    let (waiting, _stream) = busy.send(poll, "").await;
    let mut raw = Raw::connect(&running).await;
    loop {
        match raw.read().await {
            Some((PING, 0, _, payload)) => {
                let pong = frame(PING, 1, 0, &payload);
                raw.stream.write_all(&pong).await.unwrap();
            }
            Some((GOAWAY, _, _, payload)) => {
                assert_eq!(payload[4..8], NO_ERROR.to_be_bytes());
                break;
            }
            Some(_) => {}
            None => panic!("it ended without GOAWAY"),
        }
    }
    assert_eq!(
        within("the end", raw.goaway()).await.unwrap_or(NO_ERROR),
        NO_ERROR
    );
    assert_eq!(running.counted(TIMED_OUT, "idle"), 1);
    assert_eq!(busy.post("/s/0/a/xhr_send", r#"["x"]"#).await.0, 204);
    let answer = within("the message", waiting).await.unwrap();
    assert_eq!(answer.status(), 200);
}

/// Streams beyond the limit are refused, as the settings say, and can be sent again.
#[tokio::test]
async fn streams_are_limited() {
    let config = ServerConfig {
        max_connections: 3,
        ..ServerConfig::default()
    };
    let running = serve_with(free_port(), &[], config);
    let mut raw = Raw::connect(&running).await;
    for number in 0..3_u32 {
        let head = request("POST", &format!("/s/0/{number}/xhr_streaming"));
        let open = frame(HEADERS, END_HEADERS | END_STREAM, 2 * number + 1, &head);
        raw.stream.write_all(&open).await.unwrap();
    }
    assert_eq!(raw.reset().await, (5, REFUSED_STREAM));
    let refused = "sockjs_connections_refused_total";
    assert_eq!(running.counted(refused, "http2_request"), 1);
}

/// One connection has no more streams than it was told: what comes beyond is refused, and can be sent again. (RFC 9113 §5.1.2)
#[tokio::test]
async fn streams_of_a_connection_are_limited() {
    let config = ServerConfig {
        http2_max_streams: 2,
        ..ServerConfig::default()
    };
    let running = serve_with(free_port(), &[], config);
    let mut raw = Raw::connect(&running).await;
    let open = |number: u32| {
        let head = request("POST", &format!("/s/0/{number}/xhr_streaming"));
        frame(HEADERS, END_HEADERS | END_STREAM, 2 * number + 1, &head)
    };
    // (id 3: SETTINGS_MAX_CONCURRENT_STREAMS)
    let limit = [0, 3, 0, 0, 0, 2];
    loop {
        match raw.read().await {
            Some((SETTINGS, 0, _, payload)) => {
                assert!(payload.chunks(6).any(|setting| setting == limit));
                break;
            }
            Some(_) => {}
            None => panic!("the connection ended"),
        }
    }
    // Only whoever has acknowledged the settings is held to them.
    let acknowledgement = frame(SETTINGS, 1, 0, &[]);
    let many = [acknowledgement, open(0), open(1), open(2)].concat();
    raw.stream.write_all(&many).await.unwrap();
    assert_eq!(raw.reset().await, (5, REFUSED_STREAM));
}

/// An answer of which the peer takes nothing, though it is complete, is reset, and its connection goes on.
#[tokio::test]
async fn answers_that_nobody_takes_are_reset() {
    let config = ServerConfig {
        idle_timeout: Duration::from_millis(200),
        ..ServerConfig::default()
    };
    let running = serve_with(free_port(), &[], config);
    let mut raw = Raw::connect(&running).await;
    // No room for data. (id 4: SETTINGS_INITIAL_WINDOW_SIZE)
    let no_window = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let head = request("GET", "/s/info");
    let ask = frame(HEADERS, END_HEADERS | END_STREAM, 1, &head);
    raw.stream
        .write_all(&[no_window, ask].concat())
        .await
        .unwrap();
    assert_eq!(raw.reset().await, (1, CANCEL));
    assert_eq!(running.counted(TIMED_OUT, "answer"), 1);
}

/// Unix sockets speak it too.
#[tokio::test]
async fn unix_sockets_speak_http2() {
    let folder = Folder::new();
    let path = folder.file("socket");
    let _running = serve(ListenerConfig::new(ListenAddress::Unix(path.clone())), &[]);
    let stream = UnixStream::connect(&path).await.unwrap();
    let mut client = Client::over(stream, "localhost").await;
    assert_eq!(client.get("/s/info").await.head.status(), 200);
}

/// Behind the PROXY protocol the browser's address is the header's.
#[tokio::test]
async fn http2_comes_behind_the_proxy_protocol() {
    let mut listener = free_port();
    listener.proxy_protocol = true;
    let mut running = serve(listener, &["127.0.0.1"]);
    let mut stream = running.connect().await;
    stream
        .write_all(b"PROXY TCP4 192.0.2.7 192.0.2.8 4000 80\r\n")
        .await
        .unwrap();
    let mut client = Client::over(stream, "localhost").await;
    assert_eq!(client.post("/s/0/a/xhr", "").await.1, "o\n");
    assert!(running.told().await.unwrap().contains("192.0.2.7"));
}

/// When the server stops, every session is told, connections end with GOAWAY, and it does not take the whole grace.
#[tokio::test]
async fn stopping_tells_sessions_and_connections() {
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async {
        let _ = stopped.await;
    };
    let (running, serving) = serve_until(free_port(), &[], ServerConfig::default(), stopped);
    let mut client = Client::connect(&running).await;
    let mut socket = client.websocket("/s/0/w/websocket").await;
    assert_eq!(
        within("a frame", socket.next()).await.unwrap().unwrap(),
        Message::text("o")
    );
    let request = client.builder("POST", "/s/0/a/xhr_streaming");
    let mut stream = client.ask(request, "").await.unwrap();
    stream.until("o\n").await;
    let idle = Raw::connect(&running).await;
    stop.send(()).unwrap();
    stream.until("c[1012,\"Service restart\"]\n").await;
    let mut frames = Vec::new();
    while let Some(Ok(message)) = within("the end", socket.next()).await {
        frames.push(message);
    }
    assert!(
        frames.contains(&Message::text("c[1012,\"Service restart\"]")),
        "{frames:?}"
    );
    assert_eq!(within("the end", idle.goaway()).await, Some(NO_ERROR));
    within("the end of the server", serving).await.unwrap();
}
