//! Servers for the client to talk to.

use std::sync::Arc;
use std::time::Duration;

use sockjs_gateway::client::{Builder, Client, Event, Transport};
use sockjs_gateway::{Backend, Gateway, Server, ServerConfig, ServiceConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// SockJS transports, without raw WebSocket.
pub(crate) const SOCKJS: [Transport; 4] = Transport::DEFAULT;

/// Long enough for a slow machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for `future`, or fails.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(outcome) => outcome,
        Err(_) => panic!("{what} did not happen"),
    }
}

/// Starts the library's own server with one service at `/s`. Gives its URL.
pub(crate) fn serve(backend: impl Backend + 'static) -> String {
    serve_with(ServiceConfig::new("/s"), backend)
}

pub(crate) fn serve_with(service: ServiceConfig, backend: impl Backend + 'static) -> String {
    let gateway = Gateway::builder()
        .service(service, backend)
        .build()
        .unwrap();
    let address = "127.0.0.1:0".parse().unwrap();
    let server = Server::bind(address, gateway, ServerConfig::default()).unwrap();
    let url = format!("http://{}/s", server.local_address().unwrap());
    tokio::spawn(server.serve(std::future::pending()));
    url
}

/// A builder that leaves slow machines time.
pub(crate) fn builder(url: &str) -> Builder {
    Builder::new(url).unwrap().timeout(PATIENCE)
}

/// A session on one transport.
pub(crate) async fn open(url: &str, transport: Transport) -> Client {
    let builder = builder(url).transports([transport]).unwrap();
    within("a session", builder.connect())
        .await
        .unwrap_or_else(|error| panic!("{transport}: {error}"))
}

/// The next message.
pub(crate) async fn message(client: &mut Client) -> String {
    match within("a message", client.recv()).await {
        Some(Event::Message(message)) => message.as_text().unwrap().to_owned(),
        other => panic!("{other:?} instead of a message; {:?}", client.closed()),
    }
}

/// Waits for the end. Gives code and reason.
pub(crate) async fn end(client: &mut Client) -> (u16, String) {
    let event = within("the end", client.recv()).await;
    assert_eq!(event, None);
    let reason = client.closed().expect("a reason");
    (reason.code, reason.reason.to_string())
}

/// What a scripted server got.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) line: String,
    pub(crate) fields: String,
    pub(crate) body: String,
}

impl Request {
    /// Last segment of the path, without the query.
    pub(crate) fn segment(&self) -> &str {
        let target = self.line.split(' ').nth(1).unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default();
        path.rsplit('/').next().unwrap_or_default()
    }

    /// Value of a field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// Reads one request; `None` at the end of the connection.
pub(crate) async fn read_request(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        let mut piece = [0; 1];
        if stream.read(&mut piece).await.ok()? == 0 {
            return None;
        }
        bytes.push(piece[0]);
    };
    let text = String::from_utf8(bytes[..head].to_vec()).unwrap();
    let (line, fields) = text.split_once("\r\n").unwrap();
    let mut request = Request {
        line: line.to_owned(),
        fields: fields.to_owned(),
        body: String::new(),
    };
    let length = request
        .field("content-length")
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    request.body = String::from_utf8(body).unwrap();
    Some(request)
}

/// What a scripted server does with a request.
#[derive(Clone)]
pub(crate) enum Answer {
    /// Sends it, and waits for the next request.
    Keep(Vec<u8>),
    /// Sends it, and closes.
    Close(Vec<u8>),
    /// Sends it, and nothing more; the connection stays.
    Hang(Vec<u8>),
}

/// A complete answer with a length.
pub(crate) fn answer(status: &str, fields: &str, body: &str) -> Answer {
    let length = body.len();
    Answer::Keep(
        format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {length}\r\n\r\n{body}").into_bytes(),
    )
}

/// The head of an answer that ends with its connection.
pub(crate) fn stream(body: impl AsRef<[u8]>) -> Vec<u8> {
    [b"HTTP/1.1 200 OK\r\n\r\n", body.as_ref()].concat()
}

/// `/info` that allows everything.
pub(crate) fn info() -> Answer {
    answer("200 OK", "", "{\"websocket\":true}")
}

/// A server that does what `script` says for each request. Gives its URL, and the requests in the order of their arrival.
pub(crate) async fn scripted(
    script: impl Fn(&Request) -> Answer + Send + Sync + 'static,
) -> (String, mpsc::Receiver<Request>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/s", listener.local_addr().unwrap());
    let (sender, requests) = mpsc::channel(1000);
    let script = Arc::new(script);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (script, sender) = (Arc::clone(&script), sender.clone());
            tokio::spawn(async move {
                while let Some(request) = read_request(&mut stream).await {
                    let answer = script(&request);
                    let _ = sender.send(request).await;
                    let (Answer::Keep(bytes) | Answer::Close(bytes) | Answer::Hang(bytes)) =
                        &answer;
                    if stream.write_all(bytes).await.is_err() {
                        return;
                    }
                    match answer {
                        Answer::Keep(_) => {}
                        Answer::Close(_) => return,
                        Answer::Hang(_) => {
                            let _ = stream.read(&mut [0; 1]).await;
                            return;
                        }
                    }
                }
            });
        }
    });
    (url, requests)
}
