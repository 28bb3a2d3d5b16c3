//! The JSESSIONID cookie is echoed for load balancers, and cannot carry anything else. (sockjs-protocol, `JsessionidCookie`)

use crate::fixture::echo_server;
use crate::support::{Head, Request, Server, Session};

fn server() -> Server {
    echo_server("cookie_needed = true")
}

#[track_caller]
fn poll_with_cookie(server: &Server, cookie: &str) -> Head {
    let session = Session::new(server, "/echo");
    let request = Request::post(session.url("/xhr")).header("Cookie", cookie);
    server.request(&request).head
}

/// The value is everything behind the first `=`. (sockjs-node cuts it at the second)
#[test]
fn value_with_equals_signs_survives_whole() {
    let server = server();
    for value in [
        "abc=def==",
        "=",
        "abc.node1",
        "a!#$%&'()*+-./:<=>?@[]^_`{|}~",
    ] {
        poll_with_cookie(&server, &format!("JSESSIONID={value}")).assert_session_cookie(value);
    }
}

/// The cookie is found among others, and only under its own name.
#[test]
fn cookie_is_found_by_its_exact_name() {
    let server = server();
    for (cookie, value) in [
        ("a=b; JSESSIONID=x; c=d", "x"),
        ("a=b;JSESSIONID=x", "x"),
        ("XJSESSIONID=x", "dummy"),
        ("jsessionid=x", "dummy"),
        ("a=JSESSIONID=x", "dummy"),
        ("JSESSIONID", "dummy"),
        ("JSESSIONID=", "dummy"),
        ("; ; =", "dummy"),
    ] {
        poll_with_cookie(&server, cookie).assert_session_cookie(value);
    }
}

/// What is no cookie value is not echoed: it could end the value, add attributes or another field. (RFC 6265 §4.1.1)
#[test]
fn values_that_could_inject_are_not_echoed() {
    let server = server();
    for (cookie, value) in [
        ("JSESSIONID=a;path=/evil;domain=evil.example", "a"),
        ("JSESSIONID=\"a\"", "dummy"),
        ("JSESSIONID=a,b", "dummy"),
        ("JSESSIONID=a\\b", "dummy"),
        ("JSESSIONID=a b", "dummy"),
        ("JSESSIONID=a\tb", "dummy"),
        ("JSESSIONID=é", "dummy"),
    ] {
        let head = poll_with_cookie(&server, cookie);
        head.assert_session_cookie(value);
        assert_eq!(
            head.all("Set-Cookie"),
            [format!("JSESSIONID={value}; path=/")]
        );
    }
}

/// A line end within the value ends the request, not our answer's line.
#[test]
fn line_ends_in_the_value_do_not_reach_the_answer() {
    let server = server();
    for value in [
        "a\r\nSet-Cookie: evil=1",
        "a\r\n Set-Cookie: evil=1",
        "a\rSet-Cookie: evil=1",
        "a\nSet-Cookie: evil=1",
        "a%0d%0aSet-Cookie:evil=1",
    ] {
        let mut connection = server.connect();
        connection.send_raw(
            format!("POST /echo/000/s/xhr_send HTTP/1.1\r\nHost: x\r\nCookie: JSESSIONID={value}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                .as_bytes(),
        );
        let answer = connection.read_until_ended(crate::support::ANSWER_DEADLINE);
        for line in answer.lines() {
            assert!(
                !line.to_ascii_lowercase().starts_with("set-cookie: evil"),
                "{answer}"
            );
        }
    }
}

/// Only session URLs set it, refusals and preflights among them; pages, `/info` and WebSockets do not.
#[test]
fn only_session_urls_set_the_cookie() {
    let server = server();
    for path in ["/echo", "/echo/info", "/echo/iframe.html", "/nothing"] {
        let request = Request::get(path).header("Cookie", "JSESSIONID=x");
        server.request(&request).head.assert_no_cookie();
    }
    let handshake =
        crate::fixture::upgrade("/echo/000/s/websocket").header("Cookie", "JSESSIONID=x");
    server.connect().request(&handshake).assert_no_cookie();
    for request in [
        Request::options("/echo/000/s/xhr"),
        Request::post("/echo/000/unknown/xhr_send").body("[]"),
        Request::get("/echo/000/s/jsonp"),
    ] {
        let request = request.header("Cookie", "JSESSIONID=x");
        server.request(&request).head.assert_session_cookie("x");
    }
}
