//! Answers of HTTP/2 as those of HTTP/1.1.

use std::io;

use bytes::Bytes;
use h2::RecvStream;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Response, StatusCode};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// The client, or the stream, ended before the answer was complete.
#[derive(Debug)]
pub(super) struct Ended;

impl From<io::Error> for Ended {
    fn from(_: io::Error) -> Self {
        Self
    }
}

impl From<h2::Error> for Ended {
    fn from(_: h2::Error) -> Self {
        Self
    }
}

/// How a client sees the end of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// It has none, or says its length.
    Length,
    /// One chunk for each DATA frame.
    Chunks,
}

/// Sends the head of an answer whose body is to come.
pub(super) async fn begin(
    client: &mut TcpStream,
    head: Response<()>,
    body: &RecvStream,
    closes: bool,
) -> Result<Framing, Ended> {
    let (parts, ()) = head.into_parts();
    let has_none = matches!(
        parts.status,
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
    );
    let mut framing = Framing::Length;
    let mut text = status_line(parts.status);
    if !has_none && !parts.headers.contains_key(CONTENT_LENGTH) {
        if body.is_end_stream() {
            text.push_str("content-length: 0\r\n");
        } else {
            text.push_str("transfer-encoding: chunked\r\n");
            framing = Framing::Chunks;
        }
    }
    if closes {
        text.push_str("connection: close\r\n");
    }
    send_head(client, text, &parts.headers).await?;
    Ok(framing)
}

/// Says that the connection is a WebSocket from now on. (RFC 6455 §4.2.2)
pub(super) async fn switch(
    client: &mut TcpStream,
    head: Response<()>,
    accept: &str,
) -> Result<(), Ended> {
    let text = format!(
        "{}connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: {accept}\r\n",
        status_line(StatusCode::SWITCHING_PROTOCOLS)
    );
    send_head(client, text, head.headers()).await
}

impl Framing {
    pub(super) async fn send(self, client: &mut TcpStream, data: &Bytes) -> Result<(), Ended> {
        match self {
            Self::Length => client.write_all(data).await?,
            // A chunk without bytes would be the end.
            Self::Chunks if data.is_empty() => {}
            Self::Chunks => {
                let mut chunk = format!("{:x}\r\n", data.len()).into_bytes();
                chunk.extend_from_slice(data);
                chunk.extend_from_slice(b"\r\n");
                client.write_all(&chunk).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn end(self, client: &mut TcpStream) -> Result<(), Ended> {
        if self == Self::Chunks {
            client.write_all(b"0\r\n\r\n").await?;
        }
        Ok(())
    }
}

fn status_line(status: StatusCode) -> String {
    let reason = status.canonical_reason().unwrap_or_default();
    format!("HTTP/1.1 {} {reason}\r\n", status.as_u16())
}

async fn send_head(client: &mut TcpStream, text: String, headers: &HeaderMap) -> Result<(), Ended> {
    let mut bytes = text.into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    client.write_all(&bytes).await?;
    Ok(())
}
