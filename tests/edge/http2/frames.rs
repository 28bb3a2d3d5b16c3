//! Frames as bytes, for peers that no library would be. (RFC 9113 §4, §6)

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::super::support::{Running, within};

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

/// What a GOAWAY says to peers that abuse a connection. (RFC 9113 §7)
pub(super) const ENHANCE_YOUR_CALM: u32 = 11;
pub(super) const NO_ERROR: u32 = 0;
/// What says that a request can be sent again, and that nobody waits for a stream. (RFC 9113 §7)
pub(super) const REFUSED_STREAM: u32 = 7;
pub(super) const CANCEL: u32 = 8;

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A field, not indexed. (RFC 7541 §6.2.2)
pub(super) fn field(name: &str, value: &str) -> Vec<u8> {
    let part = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    [vec![0], part(name), part(value)].concat()
}

pub(super) fn request(method: &str, path: &str) -> Vec<u8> {
    [
        field(":method", method),
        field(":scheme", "http"),
        field(":authority", "localhost"),
        field(":path", path),
    ]
    .concat()
}

/// A connection that has sent its preface and settings.
pub(super) struct Raw {
    pub(super) stream: TcpStream,
}

impl Raw {
    pub(super) async fn connect(running: &Running) -> Self {
        let mut stream = running.connect().await;
        let begin = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
        stream.write_all(&begin).await.unwrap();
        Self { stream }
    }

    /// The next frame; `None` at the end of the connection.
    pub(super) async fn read(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        within("a frame", self.stream.read_exact(&mut head))
            .await
            .ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        within("a payload", self.stream.read_exact(&mut payload))
            .await
            .ok()?;
        let stream = u32::from_be_bytes(head[5..9].try_into().unwrap());
        Some((head[3], head[4], stream, payload))
    }

    /// Writes `piece` again and again, made from a number that grows, until the server ends the connection; the code it gives, if
    /// that arrives.
    pub(super) async fn flood(
        self,
        mut piece: impl FnMut(u32) -> Vec<u8> + Send + 'static,
    ) -> Option<u32> {
        let (reading, mut writing) = self.stream.into_split();
        let writer = tokio::spawn(async move {
            for number in 0..u32::MAX / 4 {
                if writing.write_all(&piece(number)).await.is_err() {
                    return;
                }
            }
        });
        let code = goaway_of(reading).await;
        writer.abort();
        code
    }
}

impl Raw {
    /// Which stream is reset next, and with what code. PINGs are answered meanwhile.
    pub(super) async fn reset(&mut self) -> (u32, u32) {
        loop {
            match self.read().await {
                Some((RST_STREAM, _, stream, payload)) => {
                    return (stream, u32::from_be_bytes(payload.try_into().unwrap()));
                }
                Some((PING, 0, _, payload)) => {
                    let pong = frame(PING, 1, 0, &payload);
                    self.stream.write_all(&pong).await.unwrap();
                }
                Some((GOAWAY, ..)) | None => panic!("the connection ended"),
                Some(_) => {}
            }
        }
    }

    /// The code of the GOAWAY that ends the connection.
    pub(super) async fn goaway(self) -> Option<u32> {
        goaway_of(self.stream).await
    }
}

async fn goaway_of(mut reading: impl tokio::io::AsyncRead + Unpin) -> Option<u32> {
    let mut code = None;
    loop {
        let mut head = [0; 9];
        if within("the end", reading.read_exact(&mut head))
            .await
            .is_err()
        {
            return code;
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        if within("the end", reading.read_exact(&mut payload))
            .await
            .is_err()
        {
            return code;
        }
        if head[3] == GOAWAY {
            code = Some(u32::from_be_bytes(payload[4..8].try_into().unwrap()));
        }
    }
}
