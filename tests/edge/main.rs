//! The edge: TLS, the PROXY protocol, Unix sockets, sockets of systemd, another configuration while it runs, what supervisors
//! are told, the log, and the end.

#![allow(clippy::unwrap_used, reason = "test code")]

mod counts;
mod crowds;
mod departures;
mod drain;
mod http2;
mod listeners;
mod log;
mod mtls;
mod program;
mod proxy_protocol;
mod reload;
mod supervisor;
mod support;
mod tls;
