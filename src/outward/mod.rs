//! HTTP/1.1 as the one who asks: where a server is, the bytes to it, and its answers. For the SockJS client, and for what
//! authenticators have to ask.

mod address;
mod answer;
mod asker;
mod connection;
mod link;
mod places;

pub(crate) use address::Address;
#[cfg(feature = "auth")]
pub(crate) use asker::Asker;
pub(crate) use connection::Connection;
pub(crate) use link::{Tls, dial};
#[cfg(feature = "client")]
pub(crate) use {
    answer::{AnswerFields, Kept},
    link::{Link, Obstacle, obstacle},
};
