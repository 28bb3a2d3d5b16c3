//! htmlfile: `GET …/htmlfile?c=CALLBACK`, an endless page with one script element per frame. (sockjs-protocol, `HtmlFile`)

use http::Method;

use crate::fields::{Fixed, fixed};
use crate::protocol::Callback;
use crate::protocol::framing::HtmlFile;

use super::receive::{Cut, stream};
use super::response::protocol_error;
use super::{Address, Answer, Endpoint, Exchange, Hints, Transport};

pub(super) const TRANSPORT: Transport = Transport {
    name: "htmlfile",
    endpoints: &[Endpoint {
        address: Address::Session("htmlfile"),
        method: Method::GET,
        handler: receive,
        hints: Hints {
            receives: true,
            streams: true,
            script: true,
            ..Hints::SESSION
        },
    }],
    by_element: true,
    without_cookies: false,
};

static HTML: Fixed = fixed!("content-type", "text/html; charset=UTF-8");

fn receive(exchange: Exchange) -> Answer {
    // Decided before the session is touched. (sockjs-protocol, `HtmlFile.test_invalid_callback`)
    match Callback::from_query(exchange.request.uri.query()) {
        Ok(callback) => stream(exchange, &HTML, HtmlFile { callback }, Cut::Ends),
        Err(error) => protocol_error(error.response()).into(),
    }
}
