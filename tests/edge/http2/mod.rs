//! HTTP/2: all transports on streams of one connection, WebSockets among them, and what the server does to peers that abuse it.

mod abuse;
mod client;
mod connections;
mod frames;
mod transports;
mod websockets;

pub(crate) use client::Client;
