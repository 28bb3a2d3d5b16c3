//! Every limit that is reached is counted under its own name, and what waits in queues is told as it is.

use std::sync::Arc;
use std::time::Duration;

use sockjs_gateway::{
    Backend, Connection, InboundRate, QueueLimits, RateExceeded, RateLimit, ServiceConfig,
    SlowConsumer,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Running, echo, within};

/// Time for a limit to be reached.
const REACHED: Duration = Duration::from_secs(5);
const SHORT: Duration = Duration::from_millis(10);
/// One, and then none for a long time.
const ONCE: RateLimit = RateLimit::per_second(1, 1);
const NARROW: QueueLimits = QueueLimits {
    bytes: 10,
    messages: 1,
};

/// Never reads.
async fn deaf(connection: Connection) {
    connection.closed().await;
}

/// Sends without end, whether or not anybody reads.
async fn flooding(connection: Connection) {
    while connection.send("x".repeat(1000)).await.is_ok() {}
}

/// Sends one message that is larger than any free part.
async fn lavish(connection: Connection) {
    let _ = connection.send("x".repeat(60 * 1024)).await;
    connection.closed().await;
}

/// Closes at once.
async fn closing(connection: Connection) {
    connection.close(3000, "Go away!");
}

async fn post(running: &Running, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(&running.address).await.unwrap();
    let request = format!(
        "POST /s/0/{path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    within("an answer", read).await.unwrap();
    answer
}

/// How a limit is reached.
struct Case {
    limit: &'static str,
    /// Others that are reached on the way.
    also: &'static [&'static str],
    backend: Arc<dyn Backend>,
    configure: fn(&mut ServiceConfig),
    /// What is posted: last segments of the path, and bodies.
    posts: Vec<(&'static str, String)>,
}

fn case(
    limit: &'static str,
    backend: impl Backend,
    configure: fn(&mut ServiceConfig),
    posts: &[(&'static str, &str)],
) -> Case {
    let posts = posts.iter();
    Case {
        limit,
        also: &[],
        backend: Arc::new(backend),
        configure,
        posts: posts
            .map(|(path, body)| (*path, (*body).to_owned()))
            .collect(),
    }
}

fn cases() -> Vec<Case> {
    const TWO: &[(&str, &str)] = &[("a/xhr", ""), ("b/xhr", "")];
    const ONE: &[(&str, &str)] = &[("a/xhr", "")];
    const SENDS: &[(&str, &str)] = &[
        ("a/xhr", ""),
        ("a/xhr_send", "[\"x\"]"),
        ("a/xhr_send", "[\"y\"]"),
    ];
    const ENDED: &[(&str, &str)] = &[("a/xhr", ""); 5];
    let large = format!("[\"{}\"]", "x".repeat(200 * 1024));
    vec![
        case(
            "max_sessions",
            echo,
            |service| service.max_sessions = 1,
            TWO,
        ),
        case(
            "max_sessions_per_client",
            echo,
            |service| service.clients.sessions = Some(1),
            TWO,
        ),
        case(
            "sessions_per_second",
            echo,
            |service| service.openings = ONCE,
            TWO,
        ),
        case(
            "sessions_per_second_per_client",
            echo,
            |service| service.clients.openings = ONCE,
            TWO,
        ),
        case(
            "max_size",
            echo,
            |service| service.transport.max_body_size = 3,
            SENDS,
        ),
        case(
            "deliver_timeout",
            deaf,
            |service| {
                service.session.inbound = NARROW;
                service.transport.deliver_timeout = SHORT;
            },
            SENDS,
        ),
        case(
            "poll_spacing",
            closing,
            |service| service.session.poll_spacing = Some(SHORT),
            ENDED,
        ),
        Case {
            also: &["deliver_timeout"],
            ..case(
                "rate_wait",
                echo,
                |service| {
                    service.session.inbound_rate.messages = ONCE;
                    service.transport.deliver_timeout = SHORT;
                },
                SENDS,
            )
        },
        case(
            "rate_close",
            echo,
            |service| {
                service.session.inbound_rate = InboundRate {
                    messages: ONCE,
                    exceeded: RateExceeded::Close,
                    ..InboundRate::default()
                };
            },
            SENDS,
        ),
        case(
            "first_message_timeout",
            echo,
            |service| service.session.first_message_timeout = Some(SHORT),
            ONE,
        ),
        case(
            "outbound",
            flooding,
            |service| service.session.outbound = NARROW,
            ONE,
        ),
        Case {
            also: &["outbound"],
            ..case(
                "slow_consumer_timeout",
                flooding,
                |service| {
                    service.session.outbound = NARROW;
                    service.session.slow_consumer = SlowConsumer::Close;
                    service.session.slow_consumer_timeout = SHORT;
                },
                ONE,
            )
        },
        case(
            "queue_memory",
            lavish,
            |service| service.queue_memory = 32 * 1024,
            ONE,
        ),
        Case {
            posts: vec![("a/xhr", String::new()), ("a/xhr_send", large)],
            ..case(
                "queue_memory_bodies",
                echo,
                |service| service.queue_memory = 64 * 1024,
                ONE,
            )
        },
    ]
}

/// A limit that is reached is counted, and no other is.
#[tokio::test]
async fn limits_that_are_reached_are_counted() {
    let mut unreached = Vec::new();
    let mut others = Vec::new();
    for Case {
        limit,
        also,
        backend,
        configure,
        posts,
    } in cases()
    {
        let mut service = ServiceConfig::new("/s");
        configure(&mut service);
        let running = Running::of(service, backend);
        for (path, body) in posts {
            post(&running, path, &body).await;
        }
        let name =
            |limit: &str| format!("sockjs_limit_hits_total{{service=\"/s\",limit=\"{limit}\"}}");
        let wanted = name(limit);
        let reached = async {
            while running.samples()[&wanted] == 0.0 {
                tokio::task::yield_now().await;
            }
        };
        if tokio::time::timeout(REACHED, reached).await.is_err() {
            unreached.push(limit);
        }
        let known: Vec<_> = also.iter().copied().chain([limit]).map(name).collect();
        for (name, hits) in running.samples() {
            let other = name.starts_with("sockjs_limit_hits_total") && !known.contains(&name);
            if other && hits != 0.0 {
                others.push(format!("{name} with {limit}"));
            }
        }
    }
    assert_eq!((unreached, others), (Vec::new(), Vec::new()));
}

/// What nobody takes is counted while it waits, in both directions, and the session as one that waits.
#[tokio::test]
async fn what_waits_is_told() {
    async fn silent(connection: Connection) {
        for text in ["12345", "ü", ""] {
            connection.send(text).await.unwrap();
        }
        connection.closed().await;
    }
    let running = Running::of(ServiceConfig::new("/s"), Arc::new(silent));
    assert!(post(&running, "a/xhr", "").await.ends_with("o\n"));
    let sent = post(&running, "a/xhr_send", "[\"abc\",\"d\"]").await;
    assert!(sent.starts_with("HTTP/1.1 204 "), "{sent}");
    let queued =
        |direction| format!("sockjs_queued_messages{{service=\"/s\",direction=\"{direction}\"}}");
    let bytes =
        |direction| format!("sockjs_queue_bytes{{service=\"/s\",direction=\"{direction}\"}}");
    let out = queued("out");
    let filled = async {
        while running.samples()[&out] != 3.0 {
            tokio::task::yield_now().await;
        }
    };
    within("three messages", filled).await;
    running.assert_has(&[
        (&queued("in"), 2.0),
        (&bytes("in"), 4.0),
        (&bytes("out"), 7.0),
        (
            "sockjs_sessions{service=\"/s\",transport=\"xhr-polling\",state=\"waiting\"}",
            1.0,
        ),
        ("sockjs_session_places{service=\"/s\"}", 1.0),
    ]);
    assert!(
        post(&running, "a/xhr", "")
            .await
            .ends_with("a[\"12345\",\"ü\",\"\"]\n")
    );
    running.assert_has(&[
        (&queued("in"), 2.0),
        (&queued("out"), 0.0),
        (&bytes("out"), 0.0),
    ]);
}
