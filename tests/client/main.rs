//! The library's client: against the library's own server on every transport, and against scripted servers that misbehave.

#![allow(
    clippy::unwrap_used,
    reason = "test code: a failed expectation is the report"
)]

mod fallback;
mod hostile;
mod reconnect;
mod sockets;
mod support;
#[cfg(feature = "tls")]
mod tls;
mod transports;
