//! What an operator can set about transports.

use std::time::Duration;

use crate::protocol::message::MessageLimits;

/// Limits of requests and responses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransportConfig {
    /// Bytes of frames after which a streaming response ends and the browser reconnects. Default 128 KiB, as in
    /// sockjs-node; the prelude does not count. (sockjs-protocol, `XhrStreaming.test_response_limit`)
    pub response_limit: usize,
    /// Age at which a streaming response ends and the browser reconnects, so that no proxy's limit on the time of a whole
    /// response cuts it. `None` sets no age. Default 25 s.
    pub response_max_age: Option<Duration>,
    /// Into what HTTP chunks streamed frames are cut.
    pub chunks: Chunks,
    /// Whether streaming responses say `Content-Encoding: identity`, so that proxies that compress leave them alone. Default
    /// yes.
    pub identity_encoding: bool,
    /// Whether streaming responses are sent as HTTP/1.0 has it: without chunks, ended by the end of the connection. HAProxy
    /// then passes frames on at once without `option http-no-delay`; an nginx that buffers passes nothing on. Default no.
    pub close_delimited: bool,
    /// Whether sessions of eventsource and jsonp-polling outlive a receiver that was cut off, for `disconnect_delay`: their
    /// browsers come back by themselves. Default yes.
    pub resume: bool,
    /// Longest request body in bytes. Default 4 MiB.
    pub max_body_size: usize,
    /// Time for a request body to arrive. Default 30 s.
    pub body_timeout: Duration,
    /// Time that a sent message may wait for room in the backend's queue before the request fails. Default 30 s.
    pub deliver_timeout: Duration,
    /// Time a WebSocket's close handshake may take. Default 5 s.
    pub close_timeout: Duration,
    /// Messages in one array, default 65536; bytes of one message, default 2 MiB.
    pub messages: MessageLimits,
}

/// Into what HTTP chunks streamed frames are cut. nginx with response buffering holds the tail of a larger one back until
/// the next byte comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Chunks {
    /// At most 1 KiB where the request shows signs of a proxy, else one chunk per frame.
    #[default]
    Auto,
    /// At most 1 KiB.
    Small,
    /// One chunk per frame.
    Whole,
}

impl Default for TransportConfig {
    fn default() -> Self {
        Self {
            response_limit: 128 * 1024,
            response_max_age: Some(Duration::from_secs(25)),
            chunks: Chunks::Auto,
            identity_encoding: true,
            close_delimited: false,
            resume: true,
            max_body_size: 4 << 20,
            body_timeout: Duration::from_secs(30),
            deliver_timeout: Duration::from_secs(30),
            close_timeout: Duration::from_secs(5),
            messages: MessageLimits {
                max_messages: 65_536,
                max_message_size: 2 << 20,
            },
        }
    }
}
