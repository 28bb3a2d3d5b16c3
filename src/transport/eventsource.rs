//! eventsource: `GET …/eventsource`, one server-sent event per frame. (sockjs-protocol, `EventSource`)

use http::{HeaderValue, Method};

use crate::protocol::framing::EventSource;

use super::receive::{Cut, stream};
use super::{Address, Endpoint, Hints, Transport};

pub(super) const TRANSPORT: Transport = Transport {
    name: "eventsource",
    endpoints: &[Endpoint {
        address: Address::Session("eventsource"),
        method: Method::GET,
        handler: |exchange| Box::pin(stream(exchange, EVENT_STREAM, EventSource, Cut::Resumes)),
        hints: Hints {
            cors: true,
            receives: true,
            streams: true,
            script: true,
            ..Hints::SESSION
        },
    }],
};

/// Without a charset: the suite compares the whole value.
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
