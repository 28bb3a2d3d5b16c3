//! Browsers that leave while what they sent waits for room.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use sockjs_gateway::{Connection, Gateway, Message, Server, ServerConfig, ServiceConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};

use super::support::within;

/// A gateway whose backend takes a message for each permit, and tells what it took.
struct Slow {
    address: SocketAddr,
    permits: Arc<Semaphore>,
    taken: mpsc::Receiver<String>,
}

fn slow() -> Slow {
    let permits = Arc::new(Semaphore::new(0));
    let (told, taken) = mpsc::channel(100);
    let opened = Arc::clone(&permits);
    let backend = move |mut connection: Connection| {
        let (permits, told) = (Arc::clone(&opened), told.clone());
        async move {
            while let Ok(permit) = permits.acquire().await {
                permit.forget();
                let Some(Message::Text(text)) = connection.recv().await else {
                    return;
                };
                told.send(text.to_string()).await.unwrap();
            }
        }
    };
    let mut service = ServiceConfig::new("/s");
    service.session.inbound.messages = 1;
    let gateway = Gateway::builder().service(service, backend).build();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = Server::bind(any, gateway.unwrap(), ServerConfig::default()).unwrap();
    let address = server.local_address().unwrap();
    tokio::spawn(server.serve(std::future::pending()));
    Slow {
        address,
        permits,
        taken,
    }
}

/// The same, with a session that has no room left.
async fn full() -> Slow {
    let slow = slow();
    assert!(slow.ask("xhr", "").await.ends_with("o\n"));
    assert!(slow.ask("xhr_send", "[\"first\"]").await.contains(" 204 "));
    slow
}

impl Slow {
    /// A request that is not waited for.
    async fn begin(&self, path: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let length = body.len();
        let request = format!(
            "POST /s/0/a/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    async fn ask(&self, path: &str, body: &str) -> String {
        rest(self.begin(path, body).await).await
    }

    /// Lets the backend take what there is, and tells how it begins and what follows.
    async fn takes(&mut self, count: usize) -> Vec<String> {
        self.permits.add_permits(count);
        let mut taken = Vec::new();
        for _ in 0..count {
            let next = within("a message", self.taken.recv()).await;
            taken.push(next.unwrap());
        }
        taken
    }

    /// A browser leaves whose send waits: it is not accepted, its connection ends at once, and what another sends then comes in order.
    async fn loses(mut self, mut leaving: TcpStream) {
        leaving.shutdown().await.unwrap();
        assert_eq!(rest(leaving).await, "", "it was not accepted");
        let staying = self.begin("xhr_send", "[\"second\"]").await;
        assert_eq!(self.takes(2).await, ["first", "second"]);
        assert!(rest(staying).await.contains(" 204 "));
    }
}

/// All that comes until the connection ends.
async fn rest(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    let read = within("the end", stream.read_to_string(&mut answer)).await;
    read.unwrap();
    answer
}

/// What a browser sent that left before there was room is dropped as a whole, before any of it is with the backend; its connection ends
/// at once, and what others send afterwards comes in order.
#[tokio::test]
async fn send_that_waits_ends_with_its_connection() {
    let slow = full().await;
    let leaving = slow.begin("xhr_send", "[\"lost\"]").await;
    slow.loses(leaving).await;
}

/// A body that comes in pieces is no different.
#[tokio::test]
async fn send_in_pieces_that_waits_ends_with_its_connection() {
    let slow = full().await;
    let mut leaving = TcpStream::connect(slow.address).await.unwrap();
    let head = "POST /s/0/a/xhr_send HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[\"\r\n";
    leaving.write_all(head.as_bytes()).await.unwrap();
    tokio::task::yield_now().await;
    leaving
        .write_all(b"6\r\nlost\"]\r\n0\r\n\r\n")
        .await
        .unwrap();
    slow.loses(leaving).await;
}

/// A stream of HTTP/2 that is reset takes its messages along too, while the connection goes on.
#[tokio::test]
async fn send_that_waits_ends_with_its_stream() {
    let mut slow = full().await;
    let stream = TcpStream::connect(slow.address).await.unwrap();
    let (requests, mut connection) = h2::client::handshake(stream).await.unwrap();
    let mut pings = connection.ping_pong().unwrap();
    tokio::spawn(connection);
    let mut requests = requests.ready().await.unwrap();
    let mut send = |body: &'static str| {
        let request = http::Request::post("http://localhost/s/0/a/xhr_send");
        let request = request.body(()).unwrap();
        let (answer, mut stream) = requests.send_request(request, false).unwrap();
        stream.send_data(Bytes::from(body), true).unwrap();
        (answer, stream)
    };
    let (lost, mut leaving) = send("[\"lost\"]");
    // Read by the server, which has a task for it.
    within("a Pong", pings.ping(h2::Ping::opaque()))
        .await
        .unwrap();
    leaving.send_reset(h2::Reason::CANCEL);
    within("a Pong", pings.ping(h2::Ping::opaque()))
        .await
        .unwrap();
    assert!(lost.await.is_err());
    let (answer, _staying) = send("[\"second\"]");
    assert_eq!(slow.takes(2).await, ["first", "second"]);
    let answer = within("an answer", answer).await.unwrap();
    assert_eq!(answer.status(), 204);
}

/// Who stays waits for room, and nothing is lost.
#[tokio::test]
async fn send_that_waits_is_delivered() {
    let mut slow = full().await;
    let staying = slow.begin("xhr_send", "[\"second\"]").await;
    assert_eq!(slow.takes(1).await, ["first"]);
    assert!(rest(staying).await.contains(" 204 "));
    assert_eq!(slow.takes(1).await, ["second"]);
}
