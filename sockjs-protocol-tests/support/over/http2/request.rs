//! Requests of HTTP/1.1 as those of HTTP/2.

use bytes::{Buf as _, Bytes, BytesMut};
use h2::ext::Protocol;
use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, SEC_WEBSOCKET_KEY, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tungstenite::handshake::derive_accept_key;

use super::super::super::http::has_token;

/// More than a test has.
const MOST_FIELDS: usize = 64;

/// A request of a client, in HTTP/2.
pub(super) struct Request {
    pub(super) head: http::Request<()>,
    /// All of it.
    pub(super) body: Bytes,
    /// The client asks for the end of its connection after the answer.
    pub(super) closes: bool,
    /// It is a handshake of a WebSocket, and this is its `Sec-WebSocket-Accept`.
    pub(super) accept: Option<String>,
}

impl Request {
    /// The next request; `None` when the client has closed. What comes behind it stays in `received`.
    ///
    /// Panics at what HTTP/2 has nothing for, and at what is no HTTP: tests do not send it.
    pub(super) async fn read(client: &mut TcpStream, received: &mut BytesMut) -> Option<Self> {
        let mut request = loop {
            if let Some(request) = Self::parse(received) {
                break request;
            }
            more(client, received).await?;
        };
        let length = request.head.headers().get(CONTENT_LENGTH);
        let length = length.map_or(0, |value| {
            let value = value.to_str().expect("a length is text");
            value.parse().expect("a length is a number")
        });
        while received.len() < length {
            more(client, received).await?;
        }
        request.body = received.split_to(length).freeze();
        Some(request)
    }

    /// Takes a head off `received`, when it is complete.
    fn parse(received: &mut BytesMut) -> Option<Self> {
        let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
        let mut parsed = httparse::Request::new(&mut fields);
        let length = match parsed.parse(received).expect("requests are HTTP") {
            httparse::Status::Complete(length) => length,
            httparse::Status::Partial => return None,
        };
        assert_eq!(parsed.version, Some(1), "only HTTP/1.1 is translated");
        let method = parsed.method.unwrap_or_default();
        let target = parsed.path.unwrap_or_default().to_owned();
        let mut method = Method::from_bytes(method.as_bytes()).expect("a method is a token");
        let mut headers = HeaderMap::new();
        for field in parsed.headers {
            let name = HeaderName::from_bytes(field.name.as_bytes()).expect("a name is a token");
            let value = HeaderValue::from_bytes(field.value).expect("a value has no control");
            headers.append(name, value);
        }
        received.advance(length);

        assert!(
            !headers.contains_key(TRANSFER_ENCODING),
            "a request in chunks is not translated"
        );
        let host = headers.remove(HOST).expect("Host is there");
        let closes = has(&headers, &CONNECTION, "close");
        let accept = accept_of(&method, &headers);
        for name in [CONNECTION, UPGRADE] {
            headers.remove(name);
        }
        if accept.is_some() {
            // RFC 8441 §5: the stream needs no proof that it is a WebSocket.
            headers.remove(SEC_WEBSOCKET_KEY);
            method = Method::CONNECT;
        }
        let mut head = http::Request::new(());
        *head.uri_mut() = uri(&host, &target);
        *head.method_mut() = method;
        *head.headers_mut() = headers;
        if accept.is_some() {
            let protocol = Protocol::from_static("websocket");
            head.extensions_mut().insert(protocol);
        }
        Some(Self {
            head,
            body: Bytes::new(),
            closes,
            accept,
        })
    }
}

/// Reads on; `None` when the client has closed or broken the connection.
async fn more(client: &mut TcpStream, received: &mut BytesMut) -> Option<()> {
    matches!(client.read_buf(received).await, Ok(1..)).then_some(())
}

/// The answer to the key of a handshake; `None` when the request is none. (RFC 6455 §4.1)
fn accept_of(method: &Method, headers: &HeaderMap) -> Option<String> {
    let upgrades = method == Method::GET
        && has(headers, &CONNECTION, "upgrade")
        && has(headers, &UPGRADE, "websocket");
    let key = headers.get(SEC_WEBSOCKET_KEY)?;
    upgrades.then(|| derive_accept_key(key.as_bytes()))
}

fn has(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let mut values = headers.get_all(name).iter();
    values.any(|value| value.to_str().is_ok_and(|value| has_token(value, token)))
}

fn uri(host: &HeaderValue, target: &str) -> Uri {
    let host = host.to_str().expect("Host is text");
    let uri = format!("http://{host}{target}");
    uri.parse().expect("a target is a path")
}
