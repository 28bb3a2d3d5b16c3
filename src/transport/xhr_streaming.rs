//! xhr streaming: `POST …/xhr_streaming`, one line per frame. (sockjs-protocol, `XhrStreaming`)

use http::Method;

use crate::protocol::framing::XhrStreaming;

use super::receive::{Cut, stream};
use super::xhr::JAVASCRIPT;
use super::{Address, Endpoint, Hints, Transport};

pub(super) const TRANSPORT: Transport = Transport {
    name: "xhr-streaming",
    endpoints: &[Endpoint {
        address: Address::Session("xhr_streaming"),
        method: Method::POST,
        handler: |exchange| stream(exchange, &JAVASCRIPT, XhrStreaming, Cut::Ends),
        hints: Hints {
            cors: true,
            receives: true,
            streams: true,
            script: true,
            ..Hints::SESSION
        },
    }],
    by_element: false,
    without_cookies: false,
};
