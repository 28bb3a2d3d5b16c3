//! A client in HTTP/2, stream by stream.

use bytes::{Bytes, BytesMut};
use h2::client::SendRequest;
use h2::ext::Protocol;
use h2::{Reason, RecvStream, SendStream};
use http::{Request, Response, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::super::support::{Running, within};

/// A connection.
#[derive(Clone)]
pub(crate) struct Client {
    requests: SendRequest<Bytes>,
    authority: String,
}

/// An answer whose body is still coming.
pub(super) struct Answer {
    pub(super) head: Response<()>,
    body: RecvStream,
    pending: BytesMut,
}

impl From<Response<RecvStream>> for Answer {
    fn from(answer: Response<RecvStream>) -> Self {
        let (head, body) = answer.into_parts();
        Self {
            head: Response::from_parts(head, ()),
            body,
            pending: BytesMut::new(),
        }
    }
}

impl Client {
    /// With prior knowledge. (RFC 9113 §3.3)
    pub(crate) async fn connect(running: &Running) -> Self {
        Self::over(
            running.connect().await,
            &format!("localhost:{}", running.port),
        )
        .await
    }

    /// Over a stream; its requests are for `authority`.
    pub(super) async fn over(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        authority: &str,
    ) -> Self {
        let (requests, connection) = within("a handshake", h2::client::handshake(stream))
            .await
            .unwrap();
        tokio::spawn(async {
            let _ = connection.await;
        });
        Self {
            requests,
            authority: authority.to_owned(),
        }
    }

    pub(crate) fn builder(&self, method: &str, path: &str) -> http::request::Builder {
        let uri = format!("http://{}{path}", self.authority);
        Request::builder().method(method).uri(uri)
    }

    /// Sends a request with its body; the answer to come, and the stream.
    pub(super) async fn send(
        &mut self,
        request: http::request::Builder,
        body: &str,
    ) -> (h2::client::ResponseFuture, SendStream<Bytes>) {
        let request = request.body(()).unwrap();
        let mut requests = self.requests.clone().ready().await.unwrap();
        let (answer, mut stream) = requests.send_request(request, body.is_empty()).unwrap();
        if !body.is_empty() {
            stream
                .send_data(Bytes::copy_from_slice(body.as_bytes()), true)
                .unwrap();
        }
        (answer, stream)
    }

    /// Sends a request whose body is still to come; the answer, and the stream for it.
    pub(crate) async fn begin(
        &mut self,
        request: http::request::Builder,
    ) -> (h2::client::ResponseFuture, SendStream<Bytes>) {
        let request = request.body(()).unwrap();
        let mut requests = self.requests.clone().ready().await.unwrap();
        requests.send_request(request, false).unwrap()
    }

    pub(super) async fn ask(
        &mut self,
        request: http::request::Builder,
        body: &str,
    ) -> Result<Answer, h2::Error> {
        let (answer, _stream) = self.send(request, body).await;
        within("an answer", answer).await.map(Answer::from)
    }

    pub(super) async fn get(&mut self, path: &str) -> Answer {
        let request = self.builder("GET", path);
        self.ask(request, "").await.unwrap()
    }

    /// The whole answer to a POST.
    pub(super) async fn post(&mut self, path: &str, body: &str) -> (StatusCode, String) {
        let request = self.builder("POST", path);
        self.ask(request, body).await.unwrap().whole().await
    }

    /// Asks for a WebSocket. (RFC 8441 §4)
    pub(super) async fn extended_connect(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
    ) -> (Response<RecvStream>, SendStream<Bytes>) {
        self.connect_to(path, "13", fields).await
    }

    /// With another version of the protocol.
    pub(super) async fn extended_connect_version(
        &mut self,
        path: &str,
        version: &str,
    ) -> (Response<RecvStream>, SendStream<Bytes>) {
        self.connect_to(path, version, &[]).await
    }

    async fn connect_to(
        &mut self,
        path: &str,
        version: &str,
        fields: &[(&str, &str)],
    ) -> (Response<RecvStream>, SendStream<Bytes>) {
        let mut requests = self.requests.clone().ready().await.unwrap();
        while !requests.is_extended_connect_protocol_enabled() {
            // The server's settings are on their way.
            tokio::task::yield_now().await;
        }
        let mut request = self
            .builder("CONNECT", path)
            .extension(Protocol::from_static("websocket"))
            .header("sec-websocket-version", version);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        let (answer, stream) = requests.send_request(request, false).unwrap();
        (within("an answer", answer).await.unwrap(), stream)
    }

    /// An open WebSocket.
    pub(super) async fn websocket(
        &mut self,
        path: &str,
    ) -> WebSocketStream<tokio::io::DuplexStream> {
        let (answer, stream) = self.extended_connect(path, &[]).await;
        assert_eq!(answer.status(), 200);
        let bytes = as_bytes(stream, answer.into_body());
        WebSocketStream::from_raw_socket(bytes, Role::Client, None).await
    }
}

impl Answer {
    /// Up to `end`, which is part of it.
    pub(super) async fn until(&mut self, end: &str) -> String {
        loop {
            let text = String::from_utf8_lossy(&self.pending);
            if let Some(at) = text.find(end) {
                let length = at + end.len();
                return String::from_utf8(self.pending.split_to(length).to_vec()).unwrap();
            }
            let data = within(end, self.body.data()).await;
            let data = data.unwrap_or_else(|| panic!("the end before {end:?}: {text:?}"));
            self.take(&data.unwrap());
        }
    }

    pub(super) async fn whole(mut self) -> (StatusCode, String) {
        while let Some(data) = within("the body", self.body.data()).await {
            self.take(&data.unwrap());
        }
        let text = String::from_utf8(self.pending.to_vec()).unwrap();
        (self.head.status(), text)
    }

    fn take(&mut self, data: &Bytes) {
        self.body
            .flow_control()
            .release_capacity(data.len())
            .unwrap();
        self.pending.extend_from_slice(data);
    }
}

/// A stream as bytes in both directions. What is dropped resets it.
pub(super) fn as_bytes(
    mut output: SendStream<Bytes>,
    mut input: RecvStream,
) -> tokio::io::DuplexStream {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let (near, far) = tokio::io::duplex(64 * 1024);
    let (mut from, mut to) = tokio::io::split(far);
    tokio::spawn(async move {
        let mut buffer = BytesMut::new();
        while let Ok(1..) = from.read_buf(&mut buffer).await {
            while !buffer.is_empty() {
                output.reserve_capacity(buffer.len());
                let room = std::future::poll_fn(|context| output.poll_capacity(context)).await;
                let Some(Ok(room)) = room else { return };
                let piece = buffer.split_to(room.min(buffer.len())).freeze();
                if output.send_data(piece, false).is_err() {
                    return;
                }
            }
        }
        output.send_reset(Reason::CANCEL);
    });
    tokio::spawn(async move {
        while let Some(Ok(data)) = input.data().await {
            let _ = input.flow_control().release_capacity(data.len());
            if to.write_all(&data).await.is_err() {
                return;
            }
        }
        let _ = to.shutdown().await;
    });
    near
}
