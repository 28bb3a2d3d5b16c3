//! xhr polling: `POST …/xhr` for one frame, `POST …/xhr_send` for messages. (sockjs-protocol, `XhrPolling`)

use http::{Method, StatusCode};

use crate::fields::{Fixed, fixed};
use crate::protocol::framing::Line;

use super::body::Body;
use super::receive::{Cut, poll};
use super::response::{TEXT, typed};
use super::send::{Payload, send};
use super::{Address, Answer, Endpoint, Exchange, Hints, Transport};

pub(super) const TRANSPORT: Transport = Transport {
    name: "xhr-polling",
    endpoints: &[
        Endpoint {
            address: Address::Session("xhr"),
            method: Method::POST,
            handler: receive,
            hints: Hints {
                cors: true,
                receives: true,
                script: true,
                ..Hints::SESSION
            },
        },
        Endpoint {
            address: Address::Session("xhr_send"),
            method: Method::POST,
            handler: send_messages,
            hints: Hints {
                cors: true,
                ..Hints::SESSION
            },
        },
    ],
    by_element: false,
    without_cookies: false,
};

/// `application/javascript; charset=UTF-8`, as the suite compares it.
pub(super) static JAVASCRIPT: Fixed =
    fixed!("content-type", "application/javascript; charset=UTF-8");

fn receive(exchange: Exchange) -> Answer {
    poll(exchange, &JAVASCRIPT, Line, Cut::Ends)
}

fn send_messages(exchange: Exchange) -> Answer {
    // The suite wants a type although there is nothing it is the type of.
    send(exchange, Payload::Body, || {
        typed(StatusCode::NO_CONTENT, &TEXT, Body::empty())
    })
}
