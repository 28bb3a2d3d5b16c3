//! Upstreams that refuse, stall, lie and leave: the browser gets a named code, and nothing is left behind.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use sockjs_gateway::UpstreamConfig;
use sockjs_gateway::backend::upstream::BinaryPolicy;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Browser, LIMIT, gateway};

const SHORT: Duration = Duration::from_millis(300);

fn config() -> UpstreamConfig {
    UpstreamConfig {
        dial_timeout: SHORT,
        pong_timeout: SHORT,
        ..UpstreamConfig::default()
    }
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    (listener, address)
}

fn url(upstream: SocketAddr) -> String {
    format!("ws://{upstream}/socket")
}

async fn accept(listener: &TcpListener) -> WebSocketStream<TcpStream> {
    let (stream, _) = listener.accept().await.expect("the gateway dials");
    tokio_tungstenite::accept_async(stream)
        .await
        .expect("a WebSocket handshake")
}

/// An upstream that takes the connection and says nothing is given up after `dial_timeout`.
#[tokio::test]
async fn silent_upstream_is_given_up_after_the_dial_timeout() {
    let (listener, address) = listen().await;
    let mut browser = Browser::connect(gateway(&url(address), config())).await;
    let (_silent, _) = listener.accept().await.expect("the gateway dials");
    assert_eq!(browser.frame().await, "o");
    assert_eq!(
        browser.frame().await,
        "c[1014,\"Upstream did not answer in time\"]"
    );
}

/// A browser that leaves takes its dial along.
#[tokio::test]
async fn dial_ends_with_its_session() {
    let (listener, address) = listen().await;
    let patient = UpstreamConfig {
        dial_timeout: Duration::from_secs(600),
        ..config()
    };
    let mut browser = Browser::connect(gateway(&url(address), patient)).await;
    let (mut dialled, _) = listener.accept().await.expect("the gateway dials");
    assert_eq!(browser.frame().await, "o");
    drop(browser);
    let mut request = Vec::new();
    let ended = tokio::time::timeout(LIMIT, dialled.read_to_end(&mut request)).await;
    assert!(
        ended.is_ok(),
        "the connection to the upstream is still open"
    );
}

/// An upstream that no longer answers Pings is given up. (RFC 6455 §5.5.2)
#[tokio::test]
async fn upstream_that_does_not_answer_pings_is_given_up() {
    let (listener, address) = listen().await;
    let watched = UpstreamConfig {
        ping_delay: Some(SHORT),
        ..config()
    };
    let mut browser = Browser::connect(gateway(&url(address), watched)).await;
    let _deaf = accept(&listener).await;
    assert_eq!(browser.frame().await, "o");
    assert_eq!(
        browser.frame().await,
        "c[1014,\"Upstream does not answer\"]"
    );
}

/// An upstream that closes its WebSocket and keeps the TCP connection is left after `pong_timeout`.
#[tokio::test]
async fn upstream_that_closes_and_stays_is_left() {
    let (listener, address) = listen().await;
    let never_pinged = UpstreamConfig {
        ping_delay: None,
        ..config()
    };
    let mut browser = Browser::connect(gateway(&url(address), never_pinged)).await;
    let mut upstream = accept(&listener).await;
    upstream.send(Message::Close(None)).await.expect("sent");
    assert_eq!(browser.frame().await, "o");
    assert_eq!(browser.frame().await, "c[1005,\"\"]");
    // The answer to the close, and then the end, although this side does not end.
    let mut stream = upstream.into_inner();
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(LIMIT, stream.read_to_end(&mut rest)).await;
    assert!(
        ended.is_ok(),
        "the connection to the upstream is still open"
    );
}

/// An upstream that reads nothing is left when its browser is gone.
#[tokio::test]
async fn upstream_that_does_not_read_is_left_with_its_browser() {
    let (listener, address) = listen().await;
    let never_pinged = UpstreamConfig {
        ping_delay: None,
        ..config()
    };
    let mut browser = Browser::connect(gateway(&url(address), never_pinged)).await;
    let upstream = accept(&listener).await;
    let message = format!("[\"{}\"]", "x".repeat(1 << 20));
    // Until neither the sockets nor the queues take any more.
    while tokio::time::timeout(SHORT, browser.send(&message))
        .await
        .is_ok()
    {}
    drop(browser);
    let stream = upstream.into_inner();
    let gone = async {
        loop {
            // The end shows in what can be read ahead of the browser's last bytes.
            let mut scratch = [0; 65536];
            stream.readable().await.expect("no error on the socket");
            match stream.try_read(&mut scratch) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    };
    // It goes on not reading for longer than the gateway has patience.
    tokio::time::sleep(SHORT * 2).await;
    assert!(
        tokio::time::timeout(LIMIT, gone).await.is_ok(),
        "the connection to the upstream is still open"
    );
}

/// A message over the limit ends both sides with 1009. (RFC 6455 §7.4.1)
#[tokio::test]
async fn message_over_the_limit_ends_both_sides_with_1009() {
    let (listener, address) = listen().await;
    let small = UpstreamConfig {
        max_message_size: 1000,
        ..config()
    };
    let mut browser = Browser::connect(gateway(&url(address), small)).await;
    let mut upstream = accept(&listener).await;
    upstream
        .send(Message::text("x".repeat(100_000)))
        .await
        .expect("sent");
    assert_eq!(browser.frame().await, "o");
    assert_eq!(
        browser.frame().await,
        "c[1009,\"Message from upstream is too big\"]"
    );
    let answer = tokio::time::timeout(LIMIT, upstream.next())
        .await
        .expect("an answer");
    match answer.expect("a close frame").expect("no error") {
        Message::Close(Some(frame)) => assert_eq!(u16::from(frame.code), 1009),
        other => panic!("{other:?} instead of a close frame"),
    }
}

/// Binary for a browser on SockJS is base64 where the operator says so. (RFC 4648 §4)
#[tokio::test]
async fn binary_is_encoded_where_configured() {
    let (listener, address) = listen().await;
    let encoding = UpstreamConfig {
        binary: BinaryPolicy::Base64,
        ..config()
    };
    let mut browser = Browser::connect(gateway(&url(address), encoding)).await;
    let mut upstream = accept(&listener).await;
    upstream
        .send(Message::binary(vec![0, 255, 16]))
        .await
        .expect("sent");
    assert_eq!(browser.frame().await, "o");
    assert_eq!(browser.frame().await, "a[\"AP8Q\"]");
}
