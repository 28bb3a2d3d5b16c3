//! eventsource: `GET …/eventsource`, one server-sent event per frame. (sockjs-protocol, `EventSource`)

use std::time::Duration;

use http::Method;

use crate::fields::{Fixed, fixed};
use crate::protocol::framing::EventSource;

use super::receive::{Cut, stream};
use super::{Address, Endpoint, Hints, Transport};

pub(super) const TRANSPORT: Transport = Transport {
    name: "eventsource",
    endpoints: &[Endpoint {
        address: Address::Session("eventsource"),
        method: Method::GET,
        handler: |exchange| {
            stream(
                exchange,
                &EVENT_STREAM,
                EventSource,
                Cut::ResumesAfter(PAUSE),
            )
        },
        hints: Hints {
            cors: true,
            receives: true,
            streams: true,
            script: true,
            ..Hints::SESSION
        },
    }],
    by_element: false,
    without_cookies: true,
};

/// sockjs-client's, between the end of an event source and the next.
const PAUSE: Duration = Duration::from_millis(200);

/// Without a charset: the suite compares the whole value.
static EVENT_STREAM: Fixed = fixed!("content-type", "text/event-stream");
