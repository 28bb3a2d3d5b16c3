//! What an operator can set about transports.

use std::time::Duration;

use crate::protocol::message::MessageLimits;

/// Limits of requests and responses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransportConfig {
    /// Bytes of frames after which a streaming response ends and the browser reconnects. Default 128 KiB, as in
    /// sockjs-node; the prelude does not count. (sockjs-protocol, `XhrStreaming.test_response_limit`)
    pub response_limit: usize,
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

impl Default for TransportConfig {
    fn default() -> Self {
        Self {
            response_limit: 128 * 1024,
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
