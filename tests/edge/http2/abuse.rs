//! Peers that abuse HTTP/2 lose their connection, or cost little; others are served well meanwhile.

use std::time::Duration;

use sockjs_gateway::{ServerConfig, ServiceConfig};
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use super::super::support::{Running, free_port, serve, serve_service, within};
use super::client::{Answer, Client};
use super::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, HEADERS, PING, RST_STREAM, Raw,
    SETTINGS, field, frame, request,
};

/// The server answers others.
async fn assert_serves(running: &Running) {
    let mut client = Client::connect(running).await;
    assert_eq!(client.get("/s/info").await.head.status(), 200);
}

/// The connection is ended with this code, or the code is lost with it: the peer was still writing.
#[track_caller]
fn assert_calmed(code: Option<u32>) {
    assert!(matches!(code, None | Some(ENHANCE_YOUR_CALM)), "{code:?}");
}

fn open(number: u32, flags: u8, path: &str) -> Vec<u8> {
    let head = request("POST", path);
    frame(HEADERS, END_HEADERS | flags, 2 * number + 1, &head)
}

/// Rapid reset: requests that are taken back at once. (CVE-2023-44487)
#[tokio::test]
async fn rapid_resets_end_the_connection() {
    let running = serve(free_port(), &[]);
    for path in ["/s/0/a/xhr", "/s/info"] {
        let raw = Raw::connect(&running).await;
        let reset = |number| {
            let cancel = frame(RST_STREAM, 0, 2 * number + 1, &8_u32.to_be_bytes());
            [open(number, END_STREAM, path), cancel].concat()
        };
        assert_calmed(within("the end", raw.flood(reset)).await);
        assert_serves(&running).await;
    }
}

/// The same, so slowly that each request is seen before it is taken back.
#[tokio::test]
async fn resets_of_requests_that_were_begun_end_the_connection_too() {
    let running = serve(free_port(), &[]);
    let mut raw = Raw::connect(&running).await;
    for number in 0..2000 {
        let piece = open(number, END_STREAM, "/s/0/parked/xhr");
        // What comes behind it shows that it was read.
        let ping = frame(PING, 0, 0, &u64::from(number).to_be_bytes());
        if raw.stream.write_all(&[piece, ping].concat()).await.is_err() {
            return;
        }
        loop {
            match raw.read().await {
                Some((PING, 1, _, payload)) if payload == u64::from(number).to_be_bytes() => break,
                Some(_) => {}
                None => return assert_serves(&running).await,
            }
        }
        let cancel = frame(RST_STREAM, 0, 2 * number + 1, &8_u32.to_be_bytes());
        if raw.stream.write_all(&cancel).await.is_err() {
            return;
        }
    }
    panic!("2000 requests were taken back");
}

/// A head that never ends. (CVE-2024-27316)
#[tokio::test]
async fn continuation_floods_end_the_connection() {
    let running = serve(free_port(), &[]);
    for payload in [field("x", &"y".repeat(100)), Vec::new()] {
        let mut raw = Raw::connect(&running).await;
        let head = frame(HEADERS, END_STREAM, 1, &request("GET", "/s/info"));
        raw.stream.write_all(&head).await.unwrap();
        let more = move |_| frame(CONTINUATION, 0, 1, &payload);
        let code = within("the end", raw.flood(more)).await;
        assert!(code != Some(0), "{code:?}");
        assert_serves(&running).await;
    }
}

/// Fields that take little room on the wire and much in memory: a large one that is repeated by its index. (RFC 7541 §7.3)
#[tokio::test]
async fn hpack_bombs_are_refused() {
    let running = serve(free_port(), &[]);
    let mut raw = Raw::connect(&running).await;
    // Literal with incremental indexing: it is entry 62 afterwards.
    let value = "y".repeat(120);
    let mut bomb = [&[0x40, 1, b'x', 120][..], value.as_bytes()].concat();
    bomb.extend(std::iter::repeat_n(0xbe_u8, 15_000));
    let head = [request("GET", "/s/info"), bomb].concat();
    raw.stream
        .write_all(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &head))
        .await
        .unwrap();
    loop {
        match raw.read().await {
            // Refused on its stream, or with the connection.
            Some((HEADERS, _, 1, payload)) => {
                assert_ne!(payload[0], 0x88, "not answered with 200");
                break;
            }
            Some((RST_STREAM, ..)) | None => break,
            Some(_) => {}
        }
    }
    assert_serves(&running).await;
}

/// Settings, PINGs and empty data cost the server no memory, and others are served meanwhile, whether the peer reads the answers or
/// not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_of_small_frames_do_not_starve_others() {
    let running = serve(free_port(), &[]);
    let open_body = open(0, 0, "/s/0/a/xhr_send");
    for (begin, piece) in [
        (Vec::new(), frame(SETTINGS, 0, 0, &[])),
        (Vec::new(), frame(PING, 0, 0, &[7; 8])),
        (open_body, frame(DATA, 0, 1, &[])),
    ] {
        for reads in [false, true] {
            let mut raw = Raw::connect(&running).await;
            raw.stream.write_all(&begin).await.unwrap();
            let many = piece.repeat(1000);
            let flood = async {
                if reads {
                    let many = many.clone();
                    raw.flood(move |_| many.clone()).await;
                } else {
                    // Until the server takes no more, or ends it.
                    while raw.stream.write_all(&many).await.is_ok() {}
                }
            };
            let flood = timeout(Duration::from_secs(2), flood);
            let serves = async {
                for _ in 0..20 {
                    assert_serves(&running).await;
                }
            };
            let (_, ()) = tokio::join!(flood, serves);
        }
    }
}

/// Bodies that were read give their room back, on the stream and on the connection. (RFC 9113 §5.2)
#[tokio::test]
async fn bodies_larger_than_the_windows_come_one_after_another() {
    let running = serve(free_port(), &[]);
    let mut client = Client::connect(&running).await;
    assert_eq!(client.post("/s/0/a/xhr", "").await.1, "o\n");
    for _ in 0..50 {
        let body = format!("[\"{}\"]", "z".repeat(60_000));
        assert_eq!(client.post("/s/0/a/xhr_send", &body).await.0, 204);
        let echo = client.post("/s/0/a/xhr", "").await.1;
        assert!(echo.len() > 60_000, "{} bytes", echo.len());
    }
}

/// A head of fields that were sent before costs its sender a byte for each (RFC 7541 §2.3). What sessions keep of such heads is queue memory,
/// and bounded like it.
#[tokio::test]
async fn heads_that_sessions_keep_are_bounded() {
    const ROOM: usize = 1 << 20;
    let mut service = ServiceConfig::new("/s");
    service.queue_memory = ROOM;
    let never = std::future::pending();
    let (running, _) = serve_service(service, free_port(), &[], ServerConfig::default(), never);
    let mut client = Client::connect(&running).await;
    let mut answers = Vec::new();
    for number in 0..100 {
        let mut request = client.builder("POST", &format!("/s/0/r{number}/xhr"));
        for _ in 0..8 {
            request = request.header("cookie", "x".repeat(3800));
        }
        answers.push(client.send(request, "").await.0);
    }
    let mut refused = 0;
    for answer in answers {
        let answer = within("an answer", answer).await.unwrap();
        let (_, body) = Answer::from(answer).whole().await;
        match body.as_str() {
            "o\n" => {}
            "c[1013,\"Server is out of queue memory\"]\n" => refused += 1,
            other => panic!("{other}"),
        }
        let used = running.counted("sockjs_queue_memory_bytes", "/s");
        assert!(used <= ROOM as u64, "{used}");
    }
    assert!(refused > 0);
    // Those who send small heads are served, once the slowest have made room.
    let mut number = 0;
    let served = async {
        loop {
            number += 1;
            let (_, body) = client.post(&format!("/s/0/small{number}/xhr"), "").await;
            if body == "o\n" {
                break;
            }
        }
    };
    within("a session", served).await;
}
