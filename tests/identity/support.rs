//! A gateway in this process whose backend tells what it sees, tokens for it, and requests in plain bytes.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::StreamExt as _;
use ring::hmac;
use serde_json::{Value, json};
use sockjs_gateway::auth::{Jwt, JwtConfig, Keys};
use sockjs_gateway::{
    Authentication, Connection, EndCause, Gateway, Server, ServerConfig, ServiceConfig,
    TrustedProxies,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

pub(crate) const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
pub(crate) const REFUSED: &str = "c[4401,\"Unauthorized\"]\n";
pub(crate) const EXPIRED: &str = "c[4402,\"Token expired\"]\n";

#[allow(clippy::disallowed_methods, reason = "tokens say calendar time")]
pub(crate) fn seconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("after 1970").as_secs()
}

pub(crate) fn part(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

pub(crate) fn signed_with(secret: &[u8], header: &str, claims: &str) -> String {
    let signed = format!("{}.{}", part(header), part(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let signature = part(hmac::sign(&key, signed.as_bytes()));
    format!("{signed}.{signature}")
}

pub(crate) fn token(claims: &Value) -> String {
    signed_with(SECRET, r#"{"alg":"HS256"}"#, &claims.to_string())
}

pub(crate) fn of(subject: &str) -> String {
    token(&claims(subject))
}

pub(crate) fn claims(subject: &str) -> Value {
    json!({ "sub": subject, "exp": seconds() + 600, "aud": ["x", "me"], "iss": "issuer" })
}

pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    /// What the backend saw of each session.
    pub(crate) seen: mpsc::Receiver<String>,
    gateway: Gateway,
}

/// A service `/s` with tokens of these keys for the audience `me`, of the issuer `issuer`.
pub(crate) fn serve(
    keys: Keys,
    change: impl FnOnce(&mut JwtConfig, &mut ServiceConfig),
) -> Running {
    let mut config = JwtConfig::default();
    config.audience = vec!["me".to_owned()];
    config.issuer = vec!["issuer".to_owned()];
    let mut service = ServiceConfig::new("/s");
    change(&mut config, &mut service);
    service.auth = Some(Authentication::new(Jwt::new(keys, config)));
    serve_service(service)
}

/// That service. Its backend tells what it saw, and echoes.
pub(crate) fn serve_service(service: ServiceConfig) -> Running {
    let (told, seen) = mpsc::channel(100);
    let backend = move |mut connection: Connection| {
        let told = told.clone();
        async move {
            let handshake = connection.handshake().expect("it is wanted");
            let identity = handshake.identity.as_ref().map(|who| who.subject.clone());
            let seen = format!("{identity:?} {} {:?}", handshake.uri, handshake.headers);
            told.send(seen).await.expect("somebody looks");
            while let Some(message) = connection.recv().await {
                if connection.send(message).await.is_err() {
                    break;
                }
            }
        }
    };
    let trusted = TrustedProxies::from_list(&["127.0.0.1"]).expect("an address");
    let builder = Gateway::builder().trusted_proxies(trusted);
    let gateway = builder.service(service, backend).build().expect("valid");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = Server::bind(any, gateway.clone(), ServerConfig::default());
    let server = server.expect("a free port");
    let address = server.local_address().expect("bound");
    tokio::spawn(server.serve(std::future::pending()));
    Running {
        address,
        seen,
        gateway,
    }
}

pub(crate) fn with_secret() -> Running {
    serve(Keys::secret(SECRET).expect("long enough"), |_, _| {})
}

impl Running {
    /// Status and body of the answer to a request with further lines; of an answer that goes on, what came until it ended.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        fields: &str,
        body: &str,
    ) -> (u16, String) {
        let (head, body) = self.whole(method, path, fields, body).await;
        let status = head.split(' ').nth(1).expect("a status");
        (status.parse().expect("a number"), body)
    }

    /// As [`Self::ask`], with the head.
    pub(crate) async fn whole(
        &self,
        method: &str,
        path: &str,
        fields: &str,
        body: &str,
    ) -> (String, String) {
        let mut stream = TcpStream::connect(self.address).await.expect("accepted");
        let length = body.len();
        let request = format!(
            "{method} /s{path} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {length}\r\n{fields}\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.expect("written");
        let mut answer = String::new();
        let reading = stream.read_to_string(&mut answer);
        let read = tokio::time::timeout(Duration::from_secs(10), reading).await;
        read.expect("the answer ends").expect("text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        (head.to_owned(), body.to_owned())
    }

    pub(crate) async fn poll(&self, session: &str, token: &str) -> (u16, String) {
        let fields = match token {
            "" => String::new(),
            token => format!("Authorization: Bearer {token}\r\n"),
        };
        self.ask("POST", &format!("/000/{session}/xhr"), &fields, "")
            .await
    }

    pub(crate) async fn send(&self, session: &str, token: &str) -> u16 {
        let fields = format!("Authorization: Bearer {token}\r\n");
        let path = format!("/000/{session}/xhr_send");
        self.ask("POST", &path, &fields, "[\"a\"]").await.0
    }

    /// Waits until sessions have ended for these causes, so many of each, and none for another.
    pub(crate) async fn ended(&self, expected: &[(EndCause, u64)]) {
        let closed = || {
            let reading = self.gateway.reading();
            let services = reading.services.into_iter();
            let transports = services.flat_map(|one| one.census.transports);
            let mut all = [0; EndCause::ALL.len()];
            for one in transports {
                all.iter_mut()
                    .zip(one.closed)
                    .for_each(|(sum, more)| *sum += more);
            }
            let all = EndCause::ALL.into_iter().zip(all);
            all.filter(|(_, count)| *count > 0).collect::<Vec<_>>()
        };
        let waiting = async {
            while closed() != expected {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(10), waiting).await;
        assert!(waited.is_ok(), "{:?}", closed());
    }

    pub(crate) fn saw_nobody(&mut self) -> bool {
        self.seen.try_recv().is_err()
    }
}

/// What a WebSocket is told, up to its close frame with code and reason.
pub(crate) async fn told(
    address: SocketAddr,
    path: &str,
    token: &str,
) -> (Vec<String>, u16, String) {
    let stream = TcpStream::connect(address).await.expect("accepted");
    let url = format!("ws://{address}/s{path}");
    let mut request = url.into_client_request().expect("a request");
    let bearer = format!("Bearer {token}").parse().expect("a value");
    request.headers_mut().insert("authorization", bearer);
    let shaken = tokio_tungstenite::client_async(request, stream).await;
    let (mut socket, _) = shaken.expect("upgraded: a status would be the sign to try the next");
    let mut frames = Vec::new();
    loop {
        let next = tokio::time::timeout(Duration::from_secs(10), socket.next()).await;
        match next.expect("something comes") {
            Some(Ok(Message::Text(text))) => frames.push(text.to_string()),
            Some(Ok(Message::Close(Some(frame)))) => {
                return (frames, frame.code.into(), frame.reason.to_string());
            }
            Some(Ok(_)) => {}
            other => panic!("no close frame but {other:?}"),
        }
    }
}
