//! Metrics after a known load equal the known numbers; and the page that documents them.
//!
//! `UPDATE_DOCS=1 cargo test --test metrics` writes what is documented now into the page. With `METRICS_PAGES=FOLDER` the pages of the
//! known load are written there, for parsers of other hands (`tests/run metrics`).

#![allow(clippy::unwrap_used, reason = "test code")]

mod limits;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sockjs_gateway::client::{Builder, Client, Event, Transport};
use sockjs_gateway::metrics::{ConnectionRefusal, Format, reference};
use sockjs_gateway::{
    Backend, CloseReason, Connection, Gateway, Server, ServerConfig, ServiceConfig, Upstream,
    UpstreamConfig,
};
use tokio::net::TcpListener;

/// Long enough for a slow machine.
const PATIENCE: Duration = Duration::from_secs(20);

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(outcome) => outcome,
        Err(_) => panic!("{what} did not happen"),
    }
}

/// Sends every message back, and closes with 4321 when told to.
async fn echo(mut connection: Connection) {
    while let Some(message) = connection.recv().await {
        if message.as_text() == Some("close") {
            connection.close(4321, "as you like");
            return;
        }
        if connection.send(message).await.is_err() {
            break;
        }
    }
}

/// A gateway that is served on a port of this machine.
struct Running {
    gateway: Gateway,
    address: String,
}

impl Running {
    fn new(services: Vec<(&str, Arc<dyn Backend>)>) -> Self {
        let mut builder = Gateway::builder();
        for (prefix, backend) in services {
            builder = builder.shared_service(ServiceConfig::new(prefix), backend);
        }
        Self::serving(builder.build().unwrap())
    }

    /// With one service.
    fn of(service: ServiceConfig, backend: Arc<dyn Backend>) -> Self {
        let builder = Gateway::builder().shared_service(service, backend);
        Self::serving(builder.build().unwrap())
    }

    fn serving(gateway: Gateway) -> Self {
        let address = "127.0.0.1:0".parse().unwrap();
        let server = Server::bind(address, gateway.clone(), ServerConfig::default()).unwrap();
        let address = server.local_address().unwrap().to_string();
        tokio::spawn(server.serve(std::future::pending()));
        Self { gateway, address }
    }

    async fn open(&self, prefix: &str, transport: Transport) -> Client {
        let builder = Builder::new(&format!("http://{}{prefix}", self.address)).unwrap();
        let builder = builder.timeout(PATIENCE).transports([transport]).unwrap();
        within("a session", builder.connect()).await.unwrap()
    }

    /// The samples, by name and labels as they are written.
    fn samples(&self) -> BTreeMap<String, f64> {
        let page = self.gateway.metrics(Format::OpenMetrics);
        let lines = page.lines().filter(|line| !line.starts_with('#'));
        let sample = |line: &str| {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            (name.to_owned(), value.parse().expect("a number"))
        };
        lines.map(sample).collect()
    }

    /// Waits until no session is counted any more.
    async fn emptied(&self) {
        within("the end of all sessions", self.gateway.emptied()).await;
    }

    #[track_caller]
    fn assert_has(&self, expected: &[(&str, f64)]) {
        let samples = self.samples();
        for (name, value) in expected {
            assert_eq!(samples.get(*name), Some(value), "{name} in\n{samples:#?}");
        }
    }
}

async fn message(client: &mut Client) -> String {
    match within("a message", client.recv()).await {
        Some(Event::Message(message)) => message.as_text().unwrap().to_owned(),
        other => panic!("{other:?} instead of a message"),
    }
}

/// Sessions that are opened on each transport, and messages that each sends.
const SESSIONS: usize = 3;
const TEXTS: [&str; 4] = ["a", "\"quotes\"", "ünï😀", "0123456789"];
const LOAD: [(Transport, &str); 3] = [
    (Transport::Websocket, "websocket"),
    (Transport::XhrStreaming, "xhr-streaming"),
    (Transport::XhrPolling, "xhr-polling"),
];

/// The known load: each session has its texts sent back, and then asks the backend to close.
async fn load(running: &Running) {
    for (transport, _) in LOAD {
        for _ in 0..SESSIONS {
            let mut client = running.open("/echo", transport).await;
            for text in TEXTS {
                client.send(text).await.unwrap();
                assert_eq!(message(&mut client).await, text);
            }
            client.send("close").await.unwrap();
            assert_eq!(within("the end", client.recv()).await, None);
            assert_eq!(client.closed().map(|reason| reason.code), Some(4321));
        }
    }
    running.emptied().await;
}

/// What went over the wire is what is told, exactly: sessions, messages, bytes and ends, by transport, on the HTTP transports
/// as on WebSockets, and of sessions that live as of those that have ended.
#[tokio::test]
async fn metrics_after_a_known_load_equal_the_known_numbers() {
    let running = Running::new(vec![("/echo", Arc::new(echo))]);
    load(&running).await;
    let bytes: usize = TEXTS.iter().map(|text| text.len()).sum();
    let (sessions, texts) = (SESSIONS as f64, TEXTS.len() as f64);
    for (_, name) in LOAD {
        let labels = format!("service=\"/echo\",transport=\"{name}\"");
        running.assert_has(&[
            (
                &format!("sockjs_sessions_opened_total{{{labels}}}"),
                sessions,
            ),
            (
                &format!("sockjs_sessions_closed_total{{{labels},cause=\"backend\"}}"),
                sessions,
            ),
            (
                &format!("sockjs_sessions_closed_total{{{labels},cause=\"interrupted\"}}"),
                0.0,
            ),
            (
                &format!("sockjs_messages_total{{{labels},direction=\"in\"}}"),
                sessions * (texts + 1.0),
            ),
            (
                &format!("sockjs_messages_total{{{labels},direction=\"out\"}}"),
                sessions * texts,
            ),
            (
                &format!("sockjs_message_bytes_total{{{labels},direction=\"in\"}}"),
                sessions * (bytes + "close".len()) as f64,
            ),
            (
                &format!("sockjs_message_bytes_total{{{labels},direction=\"out\"}}"),
                sessions * bytes as f64,
            ),
        ]);
        for state in ["opening", "receiving", "waiting", "closing"] {
            let name = format!("sockjs_sessions{{{labels},state=\"{state}\"}}");
            running.assert_has(&[(&name, 0.0)]);
        }
    }
    running.assert_has(&[
        (
            "sockjs_session_close_codes_total{service=\"/echo\",code=\"other\"}",
            3.0 * sessions,
        ),
        (
            "sockjs_session_close_codes_total{service=\"/echo\",code=\"1000\"}",
            0.0,
        ),
        ("sockjs_session_places{service=\"/echo\"}", 0.0),
        (
            "sockjs_queue_bytes{service=\"/echo\",direction=\"out\"}",
            0.0,
        ),
        (
            "sockjs_limit_hits_total{service=\"/echo\",limit=\"max_sessions\"}",
            0.0,
        ),
        ("sockjs_draining", 0.0),
    ]);
    if let Some(folder) = std::env::var_os("METRICS_PAGES") {
        let folder = PathBuf::from(folder);
        for (file, format) in [
            ("prometheus.txt", Format::Prometheus),
            ("openmetrics.txt", Format::OpenMetrics),
        ] {
            std::fs::write(folder.join(file), running.gateway.metrics(format)).unwrap();
        }
    }
}

/// Living sessions are told by how they stand, and what they have counted so far with what the ended ones have.
#[tokio::test]
async fn living_sessions_are_counted_with_the_ended_ones() {
    let running = Running::new(vec![("/echo", Arc::new(echo))]);
    load(&running).await;
    let mut client = running.open("/echo", Transport::Websocket).await;
    client.send("one more").await.unwrap();
    assert_eq!(message(&mut client).await, "one more");
    let messages = (SESSIONS * (TEXTS.len() + 1) + 1) as f64;
    let labels = "service=\"/echo\",transport=\"websocket\"";
    running.assert_has(&[
        (
            &format!("sockjs_sessions{{{labels},state=\"receiving\"}}"),
            1.0,
        ),
        (
            &format!("sockjs_messages_total{{{labels},direction=\"in\"}}"),
            messages,
        ),
        (
            &format!("sockjs_messages_total{{{labels},direction=\"out\"}}"),
            messages - SESSIONS as f64,
        ),
        ("sockjs_all_session_places", 1.0),
    ]);
    client.close(1000, "").await.unwrap();
    running.emptied().await;
    running.assert_has(&[
        (
            &format!("sockjs_sessions{{{labels},state=\"receiving\"}}"),
            0.0,
        ),
        (
            &format!("sockjs_messages_total{{{labels},direction=\"in\"}}"),
            messages,
        ),
        (
            &format!("sockjs_sessions_closed_total{{{labels},cause=\"browser\"}}"),
            1.0,
        ),
        (
            "sockjs_session_close_codes_total{service=\"/echo\",code=\"1000\"}",
            1.0,
        ),
    ]);
}

/// Polls come back, and the time that their session waited for them is counted; a WebSocket has one receiver and no such time.
#[tokio::test]
async fn waits_between_polls_are_counted() {
    let running = Running::new(vec![("/echo", Arc::new(echo))]);
    let waits = "sockjs_receiver_wait_seconds_count{service=\"/echo\"}";
    let mut client = running.open("/echo", Transport::Websocket).await;
    client.send("x").await.unwrap();
    message(&mut client).await;
    running.assert_has(&[(waits, 0.0)]);
    let mut client = running.open("/echo", Transport::XhrPolling).await;
    for _ in 0..3 {
        client.send("x").await.unwrap();
        message(&mut client).await;
    }
    // One poll took `o`, and the one behind each of the first messages was there before the message was.
    assert!(running.samples()[waits] >= 3.0);
}

/// A dial is counted by what came of it, also where nobody listens.
#[tokio::test]
async fn dials_of_upstreams_are_counted() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let there = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                if let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await {
                    use futures_util::StreamExt as _;
                    while socket.next().await.is_some_and(|message| message.is_ok()) {}
                }
            });
        }
    });
    let upstream = |url: String| -> Arc<dyn Backend> {
        let upstream = Upstream::new(&url, UpstreamConfig::default());
        Arc::new(upstream.unwrap())
    };
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nowhere = free.local_addr().unwrap();
    drop(free);
    let running = Running::new(vec![
        ("/up", upstream(format!("ws://{there}/"))),
        ("/down", upstream(format!("ws://{nowhere}/"))),
        ("/echo", Arc::new(echo)),
    ]);
    let mut client = running.open("/up", Transport::Websocket).await;
    client.close(1000, "").await.unwrap();
    let mut client = running.open("/down", Transport::Websocket).await;
    assert_eq!(within("the end", client.recv()).await, None);
    drop(client);
    running.emptied().await;
    running.assert_has(&[
        (
            "sockjs_upstream_dials_total{service=\"/up\",outcome=\"opened\"}",
            1.0,
        ),
        (
            "sockjs_upstream_dials_total{service=\"/up\",outcome=\"unreachable\"}",
            0.0,
        ),
        ("sockjs_upstream_dial_seconds_count{service=\"/up\"}", 1.0),
        (
            "sockjs_upstream_dials_total{service=\"/down\",outcome=\"unreachable\"}",
            1.0,
        ),
        ("sockjs_upstream_dial_seconds_count{service=\"/down\"}", 0.0),
        (
            "sockjs_session_close_codes_total{service=\"/down\",code=\"1014\"}",
            1.0,
        ),
    ]);
    let of_echo = |name: &&String| name.starts_with("sockjs_upstream") && name.contains("/echo");
    assert_eq!(running.samples().keys().find(of_echo), None);
}

/// What was counted before a reload counts after it, with another backend too; and a service that is left out is told until it is gone.
#[tokio::test]
async fn counters_survive_a_reload() {
    let running = Running::new(vec![("/echo", Arc::new(echo))]);
    load(&running).await;
    async fn other(_: Connection) {}
    let builder = Gateway::builder().service(ServiceConfig::new("/echo"), other);
    running.gateway.reload(builder).unwrap();
    let opened = "sockjs_sessions_opened_total{service=\"/echo\",transport=\"websocket\"}";
    running.assert_has(&[(opened, SESSIONS as f64)]);
    let builder = Gateway::builder().service(ServiceConfig::new("/other"), other);
    running.gateway.reload(builder).unwrap();
    running.assert_has(&[
        (opened, SESSIONS as f64),
        ("sockjs_session_places{service=\"/other\"}", 0.0),
    ]);
    // Back again while the one before is still there: one series, as if it had never been away.
    let builder = Gateway::builder().service(ServiceConfig::new("/echo"), echo);
    running.gateway.reload(builder).unwrap();
    load(&running).await;
    running.assert_has(&[(opened, 2.0 * SESSIONS as f64)]);
}

/// Connections are counted by the server, for the gateway that it serves.
#[tokio::test]
async fn connections_are_counted() {
    let running = Running::new(vec![("/echo", Arc::new(echo))]);
    let client = running.open("/echo", Transport::Websocket).await;
    running.assert_has(&[("sockjs_connections_limit", 200_000.0)]);
    let samples = running.samples();
    assert!(
        samples["sockjs_connections"] >= 1.0 && samples["sockjs_connections_accepted_total"] >= 1.0
    );
    for (_, reason, _) in ConnectionRefusal::ALL {
        let name = format!("sockjs_connections_refused_total{{reason=\"{reason}\"}}");
        assert_eq!(samples[&name], 0.0, "{name}");
    }
    drop(client);
    running.gateway.stop(&CloseReason::SERVICE_RESTART);
    running.assert_has(&[("sockjs_draining", 1.0)]);
}

/// Whoever is not let in is counted, by what kept them out.
#[tokio::test]
async fn refused_requests_are_counted() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let running = Running::new(vec![("/echo", Arc::new(echo))]);
    let mut stream = tokio::net::TcpStream::connect(&running.address)
        .await
        .unwrap();
    let request = "GET /echo/info HTTP/1.1\r\nHost: here\r\nOrigin: http://elsewhere\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within("an answer", stream.read_to_string(&mut answer))
        .await
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    running.assert_has(&[
        (
            "sockjs_requests_refused_total{service=\"/echo\",reason=\"origin\"}",
            1.0,
        ),
        (
            "sockjs_requests_refused_total{service=\"/echo\",reason=\"authentication\"}",
            0.0,
        ),
    ]);
}

/// The page of all metrics is what the library tells.
#[test]
fn page_of_all_metrics_is_current() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, reference()).expect("the page can be written");
    } else {
        let page = std::fs::read_to_string(&path).expect("the page can be read");
        assert!(
            page == reference(),
            "{} is stale; UPDATE_DOCS=1 rewrites it",
            path.display()
        );
    }
}

/// No sample has a label that browsers choose: the labels of everything that a load makes are in the documentation.
#[tokio::test]
async fn every_metric_and_label_is_documented() {
    let running = Running::new(vec![("/echo", Arc::new(echo))]);
    load(&running).await;
    let page = reference();
    let names = LOAD.map(|(_, name)| name);
    for sample in running.samples().keys() {
        let (name, labels) = sample.split_once('{').unwrap_or((sample, ""));
        let base = ["_bucket", "_count", "_sum"].iter();
        let base = base.filter_map(|ending| name.strip_suffix(ending)).next();
        let documented = |name: &str| page.contains(&format!("| `{name}` |"));
        assert!(documented(name) || base.is_some_and(documented), "{name}");
        for label in labels
            .trim_end_matches('}')
            .split(',')
            .filter(|label| !label.is_empty())
        {
            let (label, value) = label.split_once('=').expect("a name and a value");
            let value = value.trim_matches('"');
            assert!(page.contains(&format!("`{label}`: ")), "{label}");
            let open = ["service", "code", "version", "le"].contains(&label);
            let known = open || (label == "transport" && names.contains(&value));
            assert!(
                known || page.contains(&format!("| `{value}` |")),
                "{label}={value}"
            );
        }
    }
}
