//! `/info`: what the browser asks before it opens a session.

use serde_json::Value;

use crate::support::{Request, Response, Server, assert_preflight};

/// The document has its four fields, is never cached, sets no cookie, and is readable from any origin.
/// (sockjs-protocol, InfoTest.test_basic)
#[test]
fn test_basic() {
    let server = Server::start();
    let response = server.request(&Request::get("/echo/info").header("Origin", "test"));
    let head = &response.head;
    assert_eq!(head.status, 200);
    head.assert_content_type("application/json; charset=UTF-8");
    head.assert_no_cookie();
    head.assert_not_cached();
    head.assert_cors(Some("test"));

    let info = document(&response);
    assert_eq!(info["websocket"], Value::Bool(true));
    assert!(info["cookie_needed"].is_boolean(), "{info}");
    assert_eq!(info["origins"], serde_json::json!(["*:*"]));
    entropy(&response);

    let without_origin = server.get("/echo/info");
    without_origin.head.assert_not_cached();
    without_origin.head.assert_cors(None);
}

/// `entropy` is a fresh random number below 2³² in every answer.
/// (sockjs-protocol, InfoTest.test_entropy)
#[test]
fn test_entropy() {
    let server = Server::start();
    let first = entropy(&server.get("/echo/info"));
    let second = entropy(&server.get("/echo/info"));
    assert_ne!(first, second);
}

/// Preflights are answered and cacheable. (sockjs-protocol, InfoTest.test_options)
#[test]
fn test_options() {
    assert_preflight(&Server::start(), "/echo/info", &["OPTIONS", "GET"]);
}

/// A page from a `file:` URL has the origin `null`, and a preflight reflects it.
/// (sockjs-protocol, InfoTest.test_options_null_origin)
#[test]
fn test_options_null_origin() {
    let request = Request::options("/echo/info")
        .header("Origin", "null")
        .header("Access-Control-Request-Method", "POST");
    let response = Server::start().request(&request);
    assert!(
        matches!(response.head.status, 200 | 204),
        "{:?}",
        response.head
    );
    response.assert_body("");
    response.head.assert_cors(Some("null"));
}

/// A service without WebSocket says so, and only that makes sockjs-client skip the transport.
/// (sockjs-protocol, InfoTest.test_disabled_websocket)
#[test]
fn test_disabled_websocket() {
    let response = Server::start().get("/disabled_websocket_echo/info");
    assert_eq!(response.head.status, 200);
    assert_eq!(document(&response)["websocket"], Value::Bool(false));
}

#[track_caller]
fn document(response: &Response) -> Value {
    serde_json::from_slice(&response.body).expect("the info document is JSON")
}

#[track_caller]
fn entropy(response: &Response) -> u32 {
    let info = document(response);
    info["entropy"]
        .as_u64()
        .and_then(|number| u32::try_from(number).ok())
        .unwrap_or_else(|| panic!("entropy is not an integer from 0 to 2^32-1: {info}"))
}
