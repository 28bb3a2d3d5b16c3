//! An echo over a WebSocket: everything from the connection's bytes to the backend and back, but the kernel.

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use sockjs_gateway::{Connection, Gateway, Origins, ServiceConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::runtime::Runtime;

use super::Text;

/// A WebSocket on which one message goes to and fro.
pub(crate) struct SocketEcho {
    runtime: Runtime,
    browser: DuplexStream,
    message: Vec<u8>,
    answer: Vec<u8>,
}

impl SocketEcho {
    /// SockJS, with a message of 64 bytes.
    pub(crate) fn sockjs() -> Self {
        let text = Text::Ascii.of(64);
        let (message, answer) = (format!("[\"{text}\"]"), format!("a[\"{text}\"]"));
        let mut echo = Self::open("/echo/000/session/websocket", &message, &answer);
        echo.expect(b"\x81\x01o");
        echo
    }

    /// Raw, with a message of 64 bytes.
    pub(crate) fn raw() -> Self {
        let text = Text::Ascii.of(64);
        Self::open("/echo/websocket", &text, &text)
    }

    /// There and back.
    pub(crate) fn round(&mut self) {
        let sent = self.runtime.block_on(self.browser.write_all(&self.message));
        sent.expect("the socket is open");
        let answer = std::mem::take(&mut self.answer);
        self.expect(&answer);
        self.answer = answer;
    }

    fn open(path: &str, message: &str, answer: &str) -> Self {
        let mut service = ServiceConfig::new("/echo");
        service.origins = Origins::Any;
        let gateway = Gateway::builder()
            .service(service, echo)
            .build()
            .expect("a valid service");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime without I/O");
        let (browser, served) = tokio::io::duplex(1 << 16);
        runtime.spawn(async move {
            let connection = http1::Builder::new().serve_connection(TokioIo::new(served), gateway);
            connection.with_upgrades().await
        });
        let mut echo = Self {
            runtime,
            browser,
            message: frame(message.as_bytes(), true),
            answer: frame(answer.as_bytes(), false),
        };
        echo.shake_hands(path);
        echo
    }

    fn shake_hands(&mut self, path: &str) {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        );
        let Self {
            runtime, browser, ..
        } = self;
        runtime.block_on(async {
            let sent = browser.write_all(request.as_bytes()).await;
            sent.expect("the connection is open");
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(browser.read_u8().await.expect("an answer"));
            }
            assert!(head.starts_with(b"HTTP/1.1 101 "), "no WebSocket");
        });
    }

    fn expect(&mut self, frame: &[u8]) {
        let mut received = vec![0; frame.len()];
        let read = self
            .runtime
            .block_on(self.browser.read_exact(&mut received));
        read.expect("the socket is open");
        assert!(received == frame, "something else came back");
    }
}

async fn echo(mut connection: Connection) {
    while let Some(message) = connection.recv().await {
        if connection.send(message).await.is_err() {
            break;
        }
    }
}

/// A text frame of less than 126 bytes; a mask of zeroes leaves them as they are. (RFC 6455 §5.2)
fn frame(payload: &[u8], masked: bool) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("a short message");
    let mut frame = vec![0x81, length | if masked { 0x80 } else { 0 }];
    if masked {
        frame.extend([0; 4]);
    }
    frame.extend(payload);
    frame
}
