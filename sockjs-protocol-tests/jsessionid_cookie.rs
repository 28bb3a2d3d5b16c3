//! The `JSESSIONID` cookie of services that opted in, on which load balancers stick.

use serde_json::Value;

use crate::support::{Request, Server, Session};

const SERVICE: &str = "/cookie_needed_echo";

/// `/info` says that cookies are needed, but sets none, nor do the other static URLs.
/// (sockjs-protocol, JsessionidCookie.test_basic)
#[test]
fn test_basic() {
    let server = Server::start();
    let response = server.get(&format!("{SERVICE}/info"));
    assert_eq!(response.head.status, 200);
    response.head.assert_no_cookie();
    let info: Value = serde_json::from_slice(&response.body).expect("the info document is JSON");
    assert_eq!(info["cookie_needed"], Value::Bool(true));

    for path in ["", "/iframe.html"] {
        let response = server.get(&format!("{SERVICE}{path}"));
        assert_eq!(response.head.status, 200);
        response.head.assert_no_cookie();
    }
}

/// xhr and xhr_send set `dummy`, or the value the browser already has.
/// (sockjs-protocol, JsessionidCookie.test_xhr)
#[test]
fn test_xhr() {
    let server = Server::start();
    let session = Session::new(&server, SERVICE);
    let opened = session.poll();
    opened.assert_is(200, "o\n");
    opened.head.assert_session_cookie("dummy");
    let sent = session.post("/xhr_send", r#"["x"]"#);
    sent.assert_is(204, "");
    sent.head.assert_session_cookie("dummy");

    let other = Session::new(&server, SERVICE);
    let request = Request::post(other.url("/xhr")).header("Cookie", "JSESSIONID=abcdef");
    let opened = server.request(&request);
    opened.assert_is(200, "o\n");
    opened.head.assert_session_cookie("abcdef");
}

/// xhr_streaming sets it. (sockjs-protocol, JsessionidCookie.test_xhr_streaming)
#[test]
fn test_xhr_streaming() {
    let server = Server::start();
    let session = Session::new(&server, SERVICE);
    let mut stream = session.open_xhr_streaming();
    stream.head.assert_session_cookie("dummy");
    stream.assert_chunk("o\n");
}

/// eventsource sets it. (sockjs-protocol, JsessionidCookie.test_eventsource)
#[test]
fn test_eventsource() {
    let server = Server::start();
    let mut stream = Session::new(&server, SERVICE).open_stream("/eventsource");
    stream.head.assert_session_cookie("dummy");
    stream.assert_chunk("\r\n");
    stream.assert_chunk("data: o\r\n\r\n");
}

/// htmlfile sets it. (sockjs-protocol, JsessionidCookie.test_htmlfile)
#[test]
fn test_htmlfile() {
    let server = Server::start();
    let mut stream = Session::new(&server, SERVICE).open_stream("/htmlfile?c=%63allback");
    stream.head.assert_session_cookie("dummy");
    stream.read_chunk();
    stream.assert_chunk("<script>\np(\"o\");\n</script>\r\n");
}

/// jsonp and jsonp_send set it. (sockjs-protocol, JsessionidCookie.test_jsonp)
#[test]
fn test_jsonp() {
    let server = Server::start();
    let session = Session::new(&server, SERVICE);
    let opened = session.get("/jsonp?c=%63allback");
    opened.assert_is(200, "/**/callback(\"o\");\r\n");
    opened.head.assert_session_cookie("dummy");

    let sent = session.send_form("d=%5B%22x%22%5D");
    sent.assert_is(200, "ok");
    sent.head.assert_session_cookie("dummy");
}
