//! What the tests share: the server under test, an HTTP and a WebSocket end that show every byte,
//! session URLs, and assertions on headers. No test lives here.

mod assertions;
mod connection;
mod deadline;
mod http;
mod server;
mod session;
mod websocket;

pub(crate) use assertions::assert_preflight;
pub(crate) use connection::Stream;
pub(crate) use deadline::CLOSE_DEADLINE;
pub(crate) use http::{Head, Request, Response};
pub(crate) use server::Server;
pub(crate) use session::{PRELUDE, Session, random_id, wait_until_receiver_is_attached};
pub(crate) use websocket::{Event, WebSocket};
