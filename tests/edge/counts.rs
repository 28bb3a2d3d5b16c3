//! What the server refuses and gives up by itself is counted: a known load makes the known numbers.

use std::time::Duration;

use sockjs_gateway::{ServerConfig, ServiceConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

use super::http2::Client;
use super::support::{
    Authority, Folder, Running, ask, free_port, info, serve_service, serve_with, tls, within,
};

const HEADS: &str = "sockjs_heads_refused_total";
const TIMED_OUT: &str = "sockjs_connections_timed_out_total";

/// These were counted so often, and no others.
#[track_caller]
fn assert_counted(running: &Running, name: &str, expected: &[(&str, u64)]) {
    let reading = running.counts.read();
    let all: u64 = match name {
        HEADS => reading.heads_refused.iter().sum(),
        _ => reading.timed_out.iter().sum(),
    };
    for (value, times) in expected {
        assert_eq!(running.counted(name, value), *times, "{value}");
    }
    let times = expected.iter().map(|(_, times)| times);
    assert_eq!(all, times.sum::<u64>(), "{reading:?}");
}

/// Writes `request`, and reads until the server ends the connection.
async fn last_answer(running: &Running, request: &str) -> String {
    let mut stream = running.connect().await;
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    within("the end", read).await.unwrap();
    answer
}

/// Each head that is no request is counted once, by what is wrong with it; requests are not.
#[tokio::test]
async fn heads_that_are_refused_are_counted() {
    let config = ServerConfig {
        max_header_size: 128 * 1024,
        max_headers: 20,
        ..ServerConfig::default()
    };
    let running = serve_with(free_port(), &[], config);
    let large = format!("X: {}\r\n", "x".repeat(130 * 1024));
    let target = "x".repeat(66 * 1024);
    for (request, status) in [
        (info(&large), "431"),
        (info(&"X: y\r\n".repeat(21)), "431"),
        (info(&"X: y\r\n".repeat(200)), "431"),
        (format!("GET /{target} HTTP/1.1\r\nHost: a\r\n\r\n"), "414"),
        ("GET / HTTP/3.0\r\nHost: a\r\n\r\n".to_owned(), "505"),
        ("\x16\x03\x01 no TLS here\r\n\r\n".to_owned(), "400"),
        (info("Content-Length: 1\r\nContent-Length: 2\r\n"), "400"),
        (info("Host: b\r\nConnection: close\r\n"), "400"),
        (info("Connection: close\r\n"), "200"),
    ] {
        let answer = last_answer(&running, &request).await;
        let expected = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&expected), "{status}: {answer}");
    }
    let expected = [
        ("max_header_size", 1),
        ("max_headers", 2),
        ("target", 1),
        ("version", 1),
        ("malformed", 3),
    ];
    assert_counted(&running, HEADS, &expected);
    assert_counted(&running, TIMED_OUT, &[]);
}

/// Connections that are given up are counted by what did not come: anything, a whole head, the rest of a body, another request.
#[tokio::test]
async fn connections_that_are_given_up_are_counted() {
    let config = ServerConfig {
        header_timeout: Duration::from_millis(100),
        idle_timeout: Duration::from_millis(200),
        ..ServerConfig::default()
    };
    let running = serve_with(free_port(), &[], config);
    for begun in [
        "",
        "GET /s",
        "GET /s HTTP/1.1\r\nHost: a\r\n",
        &info(""),
        "POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n123",
    ] {
        last_answer(&running, begun).await;
    }
    // In order: nothing is missing.
    last_answer(&running, &info("Connection: close\r\n")).await;
    let expected = [
        ("unused", 1),
        ("header", 2),
        ("idle", 1),
        ("body", 1),
        ("answer", 0),
        ("ping", 0),
    ];
    assert_counted(&running, TIMED_OUT, &expected);
    assert_counted(&running, HEADS, &[]);
}

/// An answer that nobody takes has its time, and then the connection is counted.
#[tokio::test]
async fn answers_that_nobody_takes_are_counted() {
    let config = ServerConfig {
        idle_timeout: Duration::from_millis(200),
        ..ServerConfig::default()
    };
    let running = serve_with(free_port(), &[], config);
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let address = format!("127.0.0.1:{}", running.port).parse().unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    let requests = info("").repeat(40_000);
    let writing = async {
        // It ends in the middle.
        let _ = stream.write_all(requests.as_bytes()).await;
    };
    within("the end", writing).await;
    running.counts(TIMED_OUT, "answer", 1).await;
    assert_counted(&running, TIMED_OUT, &[("answer", 1)]);
}

/// What has to come before HTTP is a part of the head's time: a PROXY header, a TLS handshake.
#[tokio::test]
async fn connections_that_do_not_begin_are_counted() {
    let config = || ServerConfig {
        header_timeout: Duration::from_millis(100),
        ..ServerConfig::default()
    };
    let (folder, authority) = (Folder::new(), Authority::new());
    let files = authority.sign(&["localhost"]).write(&folder, "own");
    let mut secure = free_port();
    secure.tls = Some(tls(vec![files]));
    let running = serve_with(secure, &[], config());
    last_answer(&running, "").await;
    assert_counted(&running, TIMED_OUT, &[("header", 1)]);
    assert_eq!(
        running.counted("sockjs_tls_handshakes_total", "timed_out"),
        1
    );

    let mut behind = free_port();
    behind.proxy_protocol = true;
    let running = serve_with(behind, &["127.0.0.1"], config());
    last_answer(&running, "PROXY TCP4 203.0.").await;
    assert_counted(&running, TIMED_OUT, &[("header", 1)]);
}

/// A body that does not come is a limit of its service, on both versions.
#[tokio::test]
async fn bodies_that_do_not_come_are_counted() {
    let mut service = ServiceConfig::new("/s");
    service.transport.body_timeout = Duration::from_millis(100);
    let never = std::future::pending();
    let (running, _) = serve_service(service, free_port(), &[], ServerConfig::default(), never);
    let mut stream = running.connect().await;
    let open = "POST /s/0/a/xhr HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    assert!(ask(&mut stream, open).await.unwrap().ends_with("o\n"));
    let send = "POST /s/0/a/xhr_send HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n[";
    let answer = last_answer(&running, send).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert_eq!(
        running.counted("sockjs_limit_hits_total", "body_timeout"),
        1
    );

    let mut client = Client::connect(&running).await;
    let send = client.builder("POST", "/s/0/a/xhr_send");
    let (answer, _body) = client.begin(send).await;
    let answer = within("an answer", answer).await.unwrap();
    assert_eq!(answer.status(), 408);
    assert_eq!(
        running.counted("sockjs_limit_hits_total", "body_timeout"),
        2
    );
    assert_counted(&running, TIMED_OUT, &[]);
}
