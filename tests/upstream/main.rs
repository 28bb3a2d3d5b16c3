//! `ws://` and `wss://` upstreams that behave, and that do not: sessions of the library in front of real sockets.

mod failures;
mod support;
mod tls;
