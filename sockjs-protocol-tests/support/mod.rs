//! What the tests share: the server under test, an HTTP and a WebSocket end that show every byte,
//! session URLs, and assertions on headers. No test lives here.

#![allow(
    dead_code,
    unused_imports,
    reason = "several test crates share this, and each uses a part"
)]

mod assertions;
mod connection;
mod deadline;
mod http;
mod over;
mod server;
mod session;
mod socket;
mod tcp;
mod websocket;

pub(crate) use assertions::assert_preflight;
pub(crate) use connection::{Connection, Stream};
pub(crate) use deadline::{ANSWER_DEADLINE, CLOSE_DEADLINE, Deadline, START_DEADLINE, now};
pub(crate) use http::{Head, Request, Response};
pub(crate) use server::{Address, Server, TemporaryFile, wait_for_exit};
pub(crate) use session::{PRELUDE, Session, random_id, wait_until_receiver_is_attached};
pub(crate) use websocket::{Event, WebSocket};
