//! Black-box SockJS conformance suite: one test for each test of the official sockjs-protocol suite.
//!
//! Modules carry the names of the official classes, functions those of the official tests, so
//! `XhrPolling::test_transport` here checks what `XhrPolling.test_transport` checks there, on bytes.
//! The server under test is the shipped binary or, with `SOCKJS_URL`, any other; see `README.md`.
#![allow(
    non_snake_case,
    reason = "modules carry the class names of the official suite"
)]

mod support;

#[path = "base_url_greeting.rs"]
mod BaseUrlGreeting;
#[path = "event_source.rs"]
mod EventSource;
#[path = "handling_close.rs"]
mod HandlingClose;
#[path = "html_file.rs"]
mod HtmlFile;
#[path = "http10.rs"]
mod Http10;
#[path = "http11.rs"]
mod Http11;
#[path = "http_quirks.rs"]
mod HttpQuirks;
#[path = "iframe_page.rs"]
mod IframePage;
#[path = "info_test.rs"]
mod InfoTest;
#[path = "json_encoding.rs"]
mod JSONEncoding;
#[path = "jsessionid_cookie.rs"]
mod JsessionidCookie;
#[path = "json_polling.rs"]
mod JsonPolling;
#[path = "protocol.rs"]
mod Protocol;
#[path = "raw_websocket.rs"]
mod RawWebsocket;
#[path = "session_urls.rs"]
mod SessionURLs;
#[path = "websocket.rs"]
mod Websocket;
#[path = "websocket_http_errors.rs"]
mod WebsocketHttpErrors;
#[path = "xhr_polling.rs"]
mod XhrPolling;
#[path = "xhr_streaming.rs"]
mod XhrStreaming;
