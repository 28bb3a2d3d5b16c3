//! What the WebSockets of browsers and of upstreams share: little memory while they are idle, and the application's messages.

mod large_reads;

use bytes::Bytes;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message as WsMessage, Utf8Bytes};

use crate::protocol::Message;

pub(crate) use large_reads::LargeReads;

/// Small buffers: tungstenite's defaults cost 135 KiB for an idle socket. [`LargeReads`] makes up for the small read buffer.
pub(crate) fn small_buffers() -> WebSocketConfig {
    const READ_BUFFER: usize = 1024;
    const WRITE_BUFFER: usize = 4096;
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
}

/// A message as a data frame. (RFC 6455 §5.6)
pub(crate) fn data_frame(message: Message) -> WsMessage {
    match message {
        Message::Text(text) => WsMessage::Text(
            Utf8Bytes::try_from(text.into_bytes()).expect("a text message is UTF-8"),
        ),
        Message::Binary(bytes) => WsMessage::Binary(bytes),
    }
}

/// A text frame as a message.
pub(crate) fn text_message(text: Utf8Bytes) -> Message {
    Message::Text(
        Bytes::from(text)
            .try_into()
            .expect("a text frame that was read is UTF-8"),
    )
}
