//! jsonp polling: `GET …/jsonp?c=CALLBACK` for one frame, `POST …/jsonp_send` for messages. (sockjs-protocol, `JsonPolling`)

use std::time::Duration;

use http::{Method, StatusCode};

use crate::protocol::Callback;
use crate::protocol::framing::Jsonp;

use super::receive::{Cut, poll};
use super::response::{protocol_error, text};
use super::send::{Payload, send};
use super::xhr::JAVASCRIPT;
use super::{Address, Answer, Endpoint, Exchange, Hints, Transport};

pub(super) const TRANSPORT: Transport = Transport {
    name: "jsonp-polling",
    endpoints: &[
        Endpoint {
            address: Address::Session("jsonp"),
            method: Method::GET,
            handler: receive,
            hints: Hints {
                receives: true,
                script: true,
                ..Hints::SESSION
            },
        },
        Endpoint {
            address: Address::Session("jsonp_send"),
            method: Method::POST,
            handler: send_messages,
            hints: Hints {
                script: true,
                ..Hints::SESSION
            },
        },
    ],
    by_element: true,
    without_cookies: false,
};

fn receive(exchange: Exchange) -> Answer {
    match Callback::from_query(exchange.request.uri.query()) {
        Ok(callback) => poll(
            exchange,
            &JAVASCRIPT,
            Jsonp { callback },
            Cut::ResumesAfter(Duration::ZERO),
        ),
        Err(error) => protocol_error(error.response()).into(),
    }
}

fn send_messages(exchange: Exchange) -> Answer {
    send(exchange, Payload::Form, || text(StatusCode::OK, "ok"))
}
