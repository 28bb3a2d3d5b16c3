//! SockJS on the wire: everything that can be decided from bytes alone.
//!
//! Pure: nothing here knows a runtime, a socket, a lock, a clock or a random source.
//!
//! | frame | meaning | produced from |
//! |---|---|---|
//! | `o` | the session is open | [`Frame::Open`] |
//! | `h` | heartbeat | [`Frame::Heartbeat`] |
//! | `a["…","…"]` | messages, in order | [`Frame::Messages`] |
//! | `c[3000,"Go away!"]` | the session is closed | [`Frame::Close`] |
//!
//! | URL below the prefix | parsed to | file |
//! |---|---|---|
//! | `` and `/` | [`Route::Greeting`] | [`path`] |
//! | `/info` | [`Route::Info`] | [`path`], document in [`info`] |
//! | `/iframe*.html` | [`Route::Iframe`] | [`path`], page in [`iframe`] |
//! | `/websocket` | [`Route::RawWebsocket`] | [`path`] |
//! | `/{server}/{session}/{transport}` | [`Route::Session`] | [`path`] |
//!
//! How a transport wraps a frame is in [`framing`], which characters a message escapes in [`escape`], how
//! `xhr_send`, `jsonp_send` and WebSocket payloads are read in [`message`], callback names in [`callback`], the
//! Hixie-76 handshake and framing in [`hixie`]. Source of every rule: sockjs-protocol (the class and test are named beside it).

pub mod callback;
pub mod escape;
pub mod frame;
pub mod framing;
pub mod hixie;
pub mod iframe;
pub mod info;
pub mod message;
mod once;
pub mod path;
mod query;
mod scan;

pub use callback::{Callback, CallbackError};
pub use frame::{CloseReason, Frame, Message, Messages};
pub use framing::Framing;
pub use message::DecodeError;
pub(crate) use once::Once;
pub use path::Route;
pub(crate) use query::browser_query;
