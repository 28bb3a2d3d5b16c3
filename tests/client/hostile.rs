//! Servers and networks that misbehave after the session is open; and what other servers do differently from ours.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sockjs_gateway::client::{Client, Transport};

use super::support::{
    Answer, Request, answer, builder, end, info, message, open, scripted, stream, within,
};

const HTTP: [Transport; 3] = [
    Transport::XhrStreaming,
    Transport::EventSource,
    Transport::XhrPolling,
];

fn wrap(transport: Transport, frames: &[&str]) -> String {
    let wrap = |frame: &&str| match transport {
        Transport::EventSource => format!("data: {frame}\r\n\r\n"),
        _ => format!("{frame}\n"),
    };
    frames.iter().map(wrap).collect()
}

fn is_receiving(request: &Request) -> bool {
    !matches!(request.segment(), "info" | "xhr_send")
}

/// A session on `transport` whose receiving requests are answered by the bodies, one after the other, each ending in order; the
/// last one is cut, or stays open.
async fn session(transport: Transport, bodies: Vec<String>, last: fn(Vec<u8>) -> Answer) -> Client {
    let count = AtomicUsize::new(0);
    let (url, _requests) = scripted(move |request| {
        if !is_receiving(request) {
            return if request.segment() == "info" {
                info()
            } else {
                answer("204 No Content", "", "")
            };
        }
        let number = count.fetch_add(1, Ordering::SeqCst);
        let body = bodies.get(number).cloned().unwrap_or_default();
        if number + 1 < bodies.len() {
            answer("200 OK", "", &body)
        } else {
            // A chunk that goes on.
            let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            let chunk = format!("{:x}\r\n{body}\r\n", body.len());
            last([head.as_slice(), chunk.as_bytes()].concat())
        }
    })
    .await;
    open(&url, transport).await
}

#[tokio::test]
async fn a_server_that_dies_ends_the_session_with_1006() {
    for transport in [Transport::XhrStreaming, Transport::XhrPolling] {
        let first = wrap(transport, &["o", "a[\"x\"]"]);
        let mut client = session(transport, vec![first], Answer::Close).await;
        assert_eq!(message(&mut client).await, "x");
        let (code, reason) = end(&mut client).await;
        assert_eq!(code, 1006, "{transport}: {reason}");
        assert!(reason.contains("cut"), "{reason}");
    }
}

/// An event source asks again after a cut, as browsers do, and learns what became of its session.
#[tokio::test]
async fn an_event_source_asks_again_after_a_cut() {
    let count = AtomicUsize::new(0);
    let (url, _requests) = scripted(move |request| match request.segment() {
        "info" => info(),
        _ if count.fetch_add(1, Ordering::SeqCst) == 0 => {
            let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
            Answer::Close(format!("{head}data: o\r\n\r\n").into_bytes())
        }
        _ => Answer::Close(stream("data: c[1002,\"Connection interrupted\"]\r\n\r\n")),
    })
    .await;
    let mut client = open(&url, Transport::EventSource).await;
    let expected = (1002, "Connection interrupted".to_owned());
    assert_eq!(end(&mut client).await, expected);
}

/// Answers that end in order are followed by the next request; no frame is lost between them.
#[tokio::test]
async fn recycled_answers_keep_the_order() {
    for transport in HTTP {
        let bodies = [
            &["o", "a[\"1\"]"][..],
            &["a[\"2\",\"3\"]"],
            &["h", "a[\"4\"]"],
            &["c[3000,\"Go away!\"]"],
        ];
        let bodies = bodies.map(|frames| wrap(transport, frames)).to_vec();
        let mut client = session(transport, bodies, Answer::Hang).await;
        for expected in ["1", "2", "3", "4"] {
            assert_eq!(message(&mut client).await, expected, "{transport}");
        }
        assert_eq!(
            end(&mut client).await,
            (3000, "Go away!".to_owned()),
            "{transport}"
        );
    }
}

/// sockjs-client's code and text.
#[tokio::test]
async fn a_second_open_frame_means_the_session_is_lost() {
    for transport in HTTP {
        let frames = wrap(transport, &["o", "o"]);
        let mut client = session(transport, vec![frames], Answer::Hang).await;
        let expected = (1006, "Server lost session".to_owned());
        assert_eq!(end(&mut client).await, expected, "{transport}");
    }
}

#[tokio::test]
async fn frames_that_are_broken_or_too_big_end_the_session() {
    for transport in HTTP {
        for (frame, code) in [
            ("a[\"x", 1002),
            ("c[\"x\"]", 1002),
            (&*format!("a[\"{}\"]", "x".repeat(5000)), 1009),
        ] {
            let frames = wrap(transport, &["o", frame]);
            let count = AtomicUsize::new(0);
            let (url, _requests) = scripted(move |request| match request.segment() {
                "info" => info(),
                _ if count.fetch_add(1, Ordering::SeqCst) == 0 => Answer::Hang(stream(&frames)),
                _ => Answer::Hang(Vec::new()),
            })
            .await;
            let builder = builder(&url)
                .max_frame_size(4096)
                .transports([transport])
                .unwrap();
            let mut client = within("a session", builder.connect()).await.unwrap();
            assert_eq!(end(&mut client).await.0, code, "{transport}");
        }
    }
}

/// Garbage in place of HTTP, an endless head, an endless line: errors, in bounded time and memory.
#[tokio::test]
async fn garbage_ends_attempts() {
    let endless_head = format!("HTTP/1.1 200 OK\r\nA: {}", "x".repeat(100_000));
    let endless_line = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(100_000));
    let big_chunk =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n".to_owned();
    for garbage in [
        "\0\u{1}garbage\r\n\r\n".to_owned(),
        endless_head,
        endless_line,
        big_chunk,
    ] {
        let (url, _requests) = scripted(move |request| match request.segment() {
            "info" => info(),
            _ => Answer::Hang(garbage.clone().into_bytes()),
        })
        .await;
        let builder = builder(&url).max_frame_size(50_000);
        let error = within("the failure", builder.connect()).await.unwrap_err();
        assert_eq!(error.failed_transports().len(), 4, "{error}");
    }
}

/// Spring: 200 to sends, empty lines, several frames, no escaping of `%`, a charset, reasons of null.
#[tokio::test]
async fn spring_is_understood() {
    let (url, _requests) = scripted(|request| match request.segment() {
        "info" => answer(
            "200 OK",
            "Content-Type: application/json;charset=UTF-8\r\n",
            "{\"entropy\":-642374,\"origins\":[\"*:*\"],\"cookie_needed\":true,\"websocket\":true}",
        ),
        "xhr_send" => answer("200 OK", "", ""),
        "xhr_streaming" => Answer::Hang(stream(format!(
            "{}\n\no\n\n\nh\na[\"%41\"]\nc[1007,null]\n",
            "h".repeat(2048)
        ))),
        "eventsource" => Answer::Hang(stream(
            "\r\ndata: o\r\n\r\ndata: h\r\n\r\ndata: a[\"%41\"]\r\n\r\ndata: c[1007,null]\r\n\r\n",
        )),
        _ => answer("500 Internal Server Error", "", ""),
    })
    .await;
    for transport in [Transport::XhrStreaming, Transport::EventSource] {
        let mut client = open(&url, transport).await;
        client.send("x").await.unwrap();
        assert_eq!(message(&mut client).await, "%41", "{transport}");
        assert_eq!(end(&mut client).await, (1007, String::new()), "{transport}");
    }
}

/// A refused send ends the session, and says what the server said.
#[tokio::test]
async fn a_refused_send_ends_the_session() {
    let (url, _requests) = scripted(|request| match request.segment() {
        "info" => info(),
        "xhr_send" => answer("404 Not Found", "", "no such session"),
        _ => Answer::Hang(stream("o\n")),
    })
    .await;
    let mut client = open(&url, Transport::XhrStreaming).await;
    let error = client.send("x").await.unwrap_err();
    assert!(error.is_closed());
    let expected = (
        1006,
        "sending was answered with status 404: no such session".to_owned(),
    );
    assert_eq!(end(&mut client).await, expected);
}

/// Cookies that a balancer sets on `/info` come back on every request, and on the WebSocket handshake.
#[tokio::test]
async fn cookies_of_balancers_come_back() {
    let (url, mut requests) = scripted(|request| match request.segment() {
        "info" => answer(
            "200 OK",
            "Set-Cookie: JSESSIONID=n1=; path=/\r\nSet-Cookie: elsewhere=1; path=/other\r\n",
            "{}",
        ),
        "websocket" => answer("400 Bad Request", "Set-Cookie: seen=1\r\n", ""),
        "xhr_send" => answer("204 No Content", "", ""),
        _ => answer("200 OK", "Set-Cookie: JSESSIONID=n2; path=/\r\n", "o\n"),
    })
    .await;
    let builder = builder(&url)
        .transports([Transport::Websocket, Transport::XhrPolling])
        .unwrap();
    let mut client = within("a session", builder.connect()).await.unwrap();
    client.send("x").await.unwrap();
    let mut cookies = Vec::new();
    for _ in 0..4 {
        let request = requests.recv().await.unwrap();
        let cookie = request.field("cookie").unwrap_or("-").to_owned();
        cookies.push((request.segment().to_owned(), cookie));
    }
    let expected = [
        ("info", "-"),
        ("websocket", "JSESSIONID=n1="),
        ("xhr", "JSESSIONID=n1="),
        ("xhr_send", "JSESSIONID=n2"),
    ];
    let expected = expected.map(|(segment, cookie)| (segment.to_owned(), cookie.to_owned()));
    assert_eq!(cookies, expected);
}

/// Two connections at most: one that receives, one that sends, both kept.
#[tokio::test]
async fn connections_are_used_again() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/s", listener.local_addr().unwrap());
    let accepted = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&accepted);
    tokio::spawn(async move {
        let polls = Arc::new(AtomicUsize::new(0));
        while let Ok((mut stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::SeqCst);
            let polls = Arc::clone(&polls);
            tokio::spawn(async move {
                use tokio::io::AsyncWriteExt as _;
                while let Some(request) = super::support::read_request(&mut stream).await {
                    let answer = match request.segment() {
                        "info" => answer("200 OK", "", "{}"),
                        "xhr_send" => answer("204 No Content", "", ""),
                        _ => match polls.fetch_add(1, Ordering::SeqCst) {
                            0 => answer("200 OK", "", "o\n"),
                            number => answer("200 OK", "", &format!("a[\"{number}\"]\n")),
                        },
                    };
                    let Answer::Keep(bytes) = answer else { return };
                    let _ = stream.write_all(&bytes).await;
                }
            });
        }
    });
    let mut client = open(&url, Transport::XhrPolling).await;
    for number in 1..20 {
        client.send("x").await.unwrap();
        assert_eq!(message(&mut client).await, number.to_string());
    }
    assert_eq!(accepted.load(Ordering::SeqCst), 2);
}

/// A connection that is silent for longer than it may be is dead; heartbeats keep it alive.
#[tokio::test]
async fn silence_ends_the_session_when_asked_to() {
    let (url, _requests) = scripted(|request| match request.segment() {
        "info" => info(),
        _ => Answer::Hang(stream("o\nh\n")),
    })
    .await;
    let builder = builder(&url)
        .silence(Duration::from_millis(50))
        .transports([Transport::XhrStreaming])
        .unwrap();
    let mut client = within("a session", builder.connect()).await.unwrap();
    let (code, reason) = end(&mut client).await;
    assert_eq!((code, &*reason), (1006, "nothing came for 0.05 s"));
}
