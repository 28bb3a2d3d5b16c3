//! The edge: TLS, the PROXY protocol, Unix sockets, sockets of systemd, and another configuration while it runs.

#![allow(clippy::unwrap_used, reason = "test code")]

mod listeners;
mod proxy_protocol;
mod reload;
mod support;
mod tls;
