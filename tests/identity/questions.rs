//! What stands between a crowd and the server that is asked: limits, its places, and who has gone meanwhile.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sockjs_gateway::auth::{ForwardAuth, ForwardConfig};
use sockjs_gateway::{Authentication, RateLimit, ServiceConfig};

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::asked::Asked;
use super::support::{REFUSED, Running, serve_service, told};

const ALICE: &str = "Remote-User: alice\r\n";
const BUSY: &str = "c[1013,\"Too many sessions from this network\"]\n";
const UNAVAILABLE: &str = "c[4503,\"Authentication unavailable\"]\n";
const FAST: &str = "c[1013,\"Too many new sessions a second from this network\"]\n";

fn serve(url: String, change: impl FnOnce(&mut ForwardConfig, &mut ServiceConfig)) -> Running {
    let mut config = ForwardConfig::new(url);
    config.subject_field = Some("remote-user".parse().unwrap());
    let mut service = ServiceConfig::new("/s");
    change(&mut config, &mut service);
    service.auth = Some(Authentication::new(ForwardAuth::new(config).unwrap()));
    serve_service(service)
}

/// Fields of a request that comes from this address, and shows this cookie.
fn from(address: &str, sid: usize) -> String {
    format!("X-Forwarded-For: {address}\r\nCookie: sid={sid}\r\n")
}

impl Running {
    async fn opens(&self, session: &str, fields: &str) -> String {
        let path = format!("/000/{session}/xhr");
        self.ask("POST", &path, fields, "").await.1
    }
}

/// A client network that has all the sessions that it may have is refused before anybody is asked, on every transport; others are not.
#[tokio::test]
async fn number_of_a_client_is_looked_at_before_the_question() {
    let mut server = Asked::new("200 OK", ALICE, "").await;
    let running = serve(server.url("/"), |_, service| {
        service.clients.sessions = Some(1);
    });
    assert_eq!(running.opens("a", &from("192.0.2.1", 1)).await, "o\n");
    assert_eq!(server.times(), 1);
    for session in ["b", "c", "d"] {
        assert_eq!(running.opens(session, &from("192.0.2.1", 2)).await, BUSY);
    }
    assert_eq!(server.times(), 0);
    assert_eq!(running.opens("e", &from("192.0.2.2", 3)).await, "o\n");
    assert_eq!(server.times(), 1);
}

/// The same on WebSockets, also where the URL names a session that lives.
#[tokio::test]
async fn websockets_are_counted_before_the_question() {
    let mut server = Asked::new("200 OK", ALICE, "").await;
    let running = serve(server.url("/"), |_, service| {
        service.clients.sessions = Some(1);
    });
    assert_eq!(running.opens("a", &from("127.0.0.1", 1)).await, "o\n");
    server.times();
    for path in ["/000/a/websocket", "/000/b/websocket", "/websocket"] {
        let (_, code, reason) = told(running.address, path, "x").await;
        let expected = (1013, "Too many sessions from this network".to_owned());
        assert_eq!((code, reason), expected, "{path}");
    }
    assert_eq!(server.times(), 0);
}

/// Tries that are refused count for the rate of their client network too: a flood of them does not reach the server.
#[tokio::test]
async fn rate_of_a_client_is_looked_at_before_the_question() {
    let mut server = Asked::new("401 Unauthorized", "", "").await;
    let running = serve(server.url("/"), |_, service| {
        service.clients.openings = RateLimit::per_second(1, 2);
    });
    let mut answers = Vec::new();
    for session in ["a", "b", "c", "d", "e", "f"] {
        answers.push(running.opens(session, &from("192.0.2.1", 1)).await);
    }
    assert_eq!(answers[..2], [REFUSED, REFUSED]);
    let asked = server.times();
    let refused = answers.iter().filter(|answer| *answer == FAST).count();
    assert!(asked < 6 && asked + refused == 6, "{asked}: {answers:?}");
}

/// What all share is looked at before the question, and taken after it: who is not let in takes nothing of it.
#[tokio::test]
async fn limits_of_all_are_looked_at_and_not_taken() {
    let mut server = Asked::new("401 Unauthorized", "", "").await;
    let running = serve(server.url("/"), |_, service| {
        service.max_sessions = 1;
        service.openings = RateLimit::per_second(1, 1);
    });
    for session in ["a", "b", "c"] {
        assert_eq!(running.opens(session, "").await, REFUSED);
    }
    assert_eq!(server.times(), 3);
    server.answers("200 OK", ALICE, "");
    assert_eq!(running.opens("d", "").await, "o\n");
    server.times();
    let full = "c[1013,\"Too many sessions\"]\n";
    assert_eq!(running.opens("e", "").await, full);
    assert_eq!(server.times(), 0);
}

/// The place of a client network is free again after a refusal, an outage, and a browser that has gone.
#[tokio::test]
async fn places_come_back_however_the_question_ends() {
    let server = Asked::new("401 Unauthorized", "", "").await;
    let running = serve(server.url("/"), |_, service| {
        service.clients.sessions = Some(1);
    });
    let own = from("192.0.2.1", 1);
    assert_eq!(running.opens("a", &own).await, REFUSED);
    server.answers("500 Internal Server Error", "", "");
    assert_eq!(running.opens("a", &own).await, UNAVAILABLE);
    server.answers("200 OK", ALICE, "");
    assert_eq!(running.opens("a", &own).await, "o\n");
    assert_eq!(running.opens("b", &own).await, BUSY);
}

/// One client network cannot have all places among the questions: who comes from elsewhere is asked about at once, and so is the rest of the
/// crowd when its turn comes.
#[tokio::test]
async fn crowd_leaves_places_to_others() {
    let server = Asked::new("200 OK", ALICE, "").await;
    let running = serve(server.url("/"), |config, _| {
        config.timeout = Duration::from_secs(30);
    });
    server.is_slow(true);
    let running = Arc::new(running);
    let open = |address: &str, number: usize| {
        let (running, fields) = (Arc::clone(&running), from(address, number));
        tokio::spawn(async move { running.opens(&format!("s{number}"), &fields).await })
    };
    let mut opening: Vec<_> = (0..80).map(|number| open("192.0.2.1", number)).collect();
    server.keeps_waiting(32).await;
    opening.push(open("192.0.2.2", 80));
    server.keeps_waiting(33).await;
    server.is_slow(false);
    for opened in opening {
        assert_eq!(opened.await.unwrap(), "o\n");
    }
}

/// Who waits for a turn waits no longer than for an answer.
#[tokio::test]
async fn waiting_for_a_turn_ends_with_the_timeout() {
    let mut server = Asked::new("200 OK", ALICE, "").await;
    let running = Arc::new(serve(server.url("/"), |config, _| {
        config.timeout = Duration::from_millis(300);
    }));
    server.is_slow(true);
    let open = |number: usize| {
        let (running, fields) = (Arc::clone(&running), from("192.0.2.1", number));
        tokio::spawn(async move { running.opens(&format!("s{number}"), &fields).await })
    };
    let opening: Vec<_> = (0..40).map(open).collect();
    for opened in opening {
        assert_eq!(opened.await.unwrap(), UNAVAILABLE);
    }
    assert!(server.times() >= 32);
    server.is_slow(false);
    assert_eq!(running.opens("late", &from("192.0.2.1", 1)).await, "o\n");
}

/// A request of HTTP/1.1 that is left open.
async fn leave_open(running: &Running, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Whose connection ends while it is asked about gives its places back at once, among the questions and among the sessions of its network;
/// whatever it asked for, and whether its body has come or not.
#[tokio::test]
async fn question_ends_with_the_connection() {
    let server = Asked::new("200 OK", ALICE, "").await;
    let running = serve(server.url("/"), |config, service| {
        config.timeout = Duration::from_secs(60);
        service.clients.sessions = Some(1);
    });
    let websocket = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (line, fields) in [
        ("POST /s/000/a/xhr", "Content-Length: 0\r\n"),
        ("POST /s/000/a/xhr_streaming", "Content-Length: 0\r\n"),
        ("GET /s/000/a/eventsource", ""),
        ("GET /s/000/a/websocket", websocket),
        ("GET /s/websocket", websocket),
        ("POST /s/000/a/xhr", "Content-Length: 100\r\n"),
        (
            "POST /s/000/a/xhr",
            "Content-Length: 1\r\nExpect: 100-continue\r\n",
        ),
        ("POST /s/000/a/xhr", "Transfer-Encoding: chunked\r\n"),
    ] {
        server.is_slow(true);
        let request = format!("{line} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
        let stream = leave_open(&running, &request).await;
        server.keeps_waiting(1).await;
        assert_eq!(running.opens("b", "").await, BUSY, "{line}");
        drop(stream);
        server.keeps_waiting(0).await;
    }
    server.is_slow(false);
    assert_eq!(running.opens("b", "").await, "o\n");
}

/// The same for a request to a session that lives, of somebody who shows something else.
#[tokio::test]
async fn question_of_a_send_ends_with_the_connection() {
    let server = Asked::new("200 OK", ALICE, "").await;
    let running = serve(server.url("/"), |config, _| {
        config.timeout = Duration::from_secs(60);
    });
    assert_eq!(running.opens("a", "Cookie: sid=1\r\n").await, "o\n");
    server.is_slow(true);
    for length in [5, 50] {
        let request = format!(
            "POST /s/000/a/xhr_send HTTP/1.1\r\nHost: localhost\r\nCookie: sid=2\r\nContent-Length: {length}\r\n\r\n[\"a\"]"
        );
        let stream = leave_open(&running, &request).await;
        server.keeps_waiting(1).await;
        drop(stream);
        server.keeps_waiting(0).await;
    }
}

/// The same for a stream of HTTP/2 that is reset, while the connection goes on.
#[tokio::test]
async fn question_ends_with_the_stream() {
    let server = Asked::new("200 OK", ALICE, "").await;
    let running = serve(server.url("/"), |config, service| {
        config.timeout = Duration::from_secs(60);
        service.clients.sessions = Some(1);
    });
    let stream = TcpStream::connect(running.address).await.unwrap();
    let (requests, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let mut requests = requests.ready().await.unwrap();
    let mut open = || {
        let request = http::Request::post("http://localhost/s/000/a/xhr");
        let request = request.body(()).unwrap();
        requests.send_request(request, true).unwrap()
    };
    server.is_slow(true);
    let (answer, mut stream) = open();
    server.keeps_waiting(1).await;
    stream.send_reset(h2::Reason::CANCEL);
    server.keeps_waiting(0).await;
    assert!(answer.await.is_err());
    server.is_slow(false);
    let (answer, _stream) = open();
    let mut answer = answer.await.unwrap().into_body();
    let body: Bytes = answer.data().await.unwrap().unwrap();
    assert_eq!(body, "o\n");
}

/// Nobody is asked about what is sent to a session that does not exist.
#[tokio::test]
async fn sends_for_nobody_are_not_asked_about() {
    let mut server = Asked::new("200 OK", ALICE, "").await;
    let running = serve(server.url("/"), |_, _| {});
    let answer = running.ask("POST", "/000/x/xhr_send", "Cookie: sid=1\r\n", "[\"a\"]");
    assert_eq!(answer.await, (404, "Session not found.".to_owned()));
    assert_eq!(server.times(), 0);
}
