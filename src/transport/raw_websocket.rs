//! Raw WebSocket: `GET PREFIX/websocket`, no SockJS framing, text and binary. (sockjs-protocol, `RawWebsocket`)

use http::Method;

use super::socket::Mode;
use super::{Address, Answer, Endpoint, Hints, Transport, websocket};

pub(super) const TRANSPORT: Transport = Transport {
    name: "websocket-raw",
    endpoints: &[Endpoint {
        address: Address::RawWebsocket,
        method: Method::GET,
        handler: |exchange| Answer::later(websocket::open(exchange, Mode::Raw)),
        hints: Hints::WEBSOCKET,
    }],
    by_element: false,
    without_cookies: false,
};
