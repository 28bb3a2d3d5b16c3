//! HTTP as browsers, proxies and strange peers speak it. (RFC 9110, RFC 9112)

use std::time::Duration;

use crate::fixture::{OPEN, echo_server, opened, service, text};
use crate::support::{ANSWER_DEADLINE, CLOSE_DEADLINE, Request, Server, Session};

/// Sends `bytes` on a connection of its own and reads one response.
#[track_caller]
fn exchange(server: &Server, bytes: &str) -> (u16, String) {
    let mut connection = server.connect();
    connection.send_raw(bytes.as_bytes());
    let response = connection.read_response(&Request::get(""));
    (response.head.status, text(&response))
}

/// A request that is followed by FIN at once, as `nc` and shell scripts send it, is answered all the same.
#[test]
fn half_closed_request_is_answered() {
    let server = echo_server("");
    let session = opened(&server, "/echo");
    for _ in 0..30 {
        let requests = [
            Request::get("/echo/info"),
            Request::post(session.url("/xhr_send")).body("[\"x\"]"),
        ];
        for request in requests {
            let mut connection = server.connect();
            connection.send(&request);
            connection.finish_sending();
            let answer = connection.read_until_ended(CLOSE_DEADLINE);
            assert!(answer.starts_with("HTTP/1.1 20"), "{request:?}: {answer:?}");
        }
    }
}

/// A reset at any point of a request leaves the server as it was.
#[test]
fn reset_at_any_point_of_a_request_is_harmless() {
    let server = echo_server("");
    let session = opened(&server, "/echo");
    let request = Request::post(session.url("/xhr_send"))
        .body("[\"x\"]")
        .encode(&server.address);
    for length in (0..request.len()).step_by(7) {
        let mut connection = server.connect();
        connection.send_raw(&request[..length]);
        connection.reset();
    }
    server.assert_alive();
    session.send("[\"y\"]");
    session.poll().assert_is(200, "a[\"y\"]\n");
}

/// A request may come byte by byte.
#[test]
fn request_in_single_bytes_is_answered() {
    let server = echo_server("");
    let session = opened(&server, "/echo");
    let request = Request::post(session.url("/xhr_send")).body("[\"x\"]");
    let mut connection = server.connect();
    for byte in request.encode(&server.address) {
        connection.send_raw(&[byte]);
    }
    assert_eq!(connection.read_head().status, 204);
}

/// `Expect: 100-continue` is answered before the body comes. (RFC 9110 §10.1.1)
#[test]
fn expectation_is_answered_with_100_continue() {
    let server = echo_server("");
    let session = opened(&server, "/echo");
    for url in ["/xhr_send", "/xhr"] {
        let mut connection = server.connect();
        let path = session.url(url);
        connection.send_raw(
            format!("POST {path} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
                .as_bytes(),
        );
        assert_eq!(connection.read_head().status, 100, "{url}");
        connection.send_raw(b"[\"x\"]");
        assert!(matches!(connection.read_head().status, 200 | 204), "{url}");
    }
}

/// A body that nobody reads is passed over, and the connection goes on behind it. (RFC 9112 §9.3)
#[test]
fn body_of_a_refused_request_is_passed_over() {
    let server = echo_server("");
    let mut connection = server.connect();
    for length in [10, 10_000, 200_000] {
        for framing in [
            format!("Content-Length: {length}\r\n\r\n{}", "x".repeat(length)),
            format!(
                "Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{}\r\n0\r\n\r\n",
                "x".repeat(length)
            ),
        ] {
            let request = format!("POST /nothing HTTP/1.1\r\nHost: x\r\n{framing}");
            connection.send_raw(request.as_bytes());
            let response = connection.read_response(&Request::get(""));
            response.assert_not_found();
        }
    }
    connection
        .exchange(&Request::get("/echo"))
        .assert_is(200, "Welcome to SockJS!\n");
}

/// The last answer is not lost in a reset, although the peer is still writing when it is given. (RFC 9112 §9.6)
#[test]
fn last_answer_reaches_a_peer_that_is_still_writing() {
    let server = echo_server("");
    for _ in 0..20 {
        let mut connection = server.connect();
        connection.send_raw(format!("GARBAGE\r\n\r\n{}", "x".repeat(100_000)).as_bytes());
        let answer = connection.read_until_ended(CLOSE_DEADLINE);
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer:?}");
    }
}

/// A body that will be refused is not asked for. (RFC 9110 §10.1.1)
#[test]
fn expectation_of_a_body_too_large_is_refused() {
    let server = echo_server("max_body_size = 1000");
    let session = opened(&server, "/echo");
    let mut connection = server.connect();
    let path = session.url("/xhr_send");
    connection.send_raw(
        format!("POST {path} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1001\r\n\r\n")
            .as_bytes(),
    );
    let status = connection.read_head().status;
    assert!(matches!(status, 413 | 417), "status {status}");
}

/// Nor is one that nobody reads, and it is said that the connection ends: a body may follow, or a request. (RFC 9110 §10.1.1)
#[test]
fn expectation_of_a_body_that_nobody_reads_ends_the_connection() {
    let server = echo_server("doctor = true");
    for url in ["/nothing", "/echo", "/echo/doctor/stream?kind=drip"] {
        let mut connection = server.connect();
        connection.send_raw(
            format!(
                "GET {url} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
            )
            .as_bytes(),
        );
        let answer = connection.read_until_ended(Duration::from_secs(5));
        assert!(!answer.contains("100 Continue"), "{url}: {answer:?}");
        assert!(
            answer.contains("\r\nconnection: close\r\n"),
            "{url}: {answer:?}"
        );
    }
}

/// Bodies may come in chunks, with extensions and trailers. (RFC 9112 §7.1)
#[test]
fn chunked_bodies_are_read() {
    let server = echo_server("");
    let bodies = [
        "5\r\n[\"x\"]\r\n0\r\n\r\n",
        "1\r\n[\r\n1\r\n\"\r\n3\r\nx\"]\r\n0\r\n\r\n",
        "0005;name=value;other=\"quoted\"\r\n[\"x\"]\r\n0\r\nX-Trailer: y\r\n\r\n",
    ];
    for body in bodies {
        for url in ["/xhr_send", "/jsonp_send"] {
            let session = opened(&server, "/echo");
            let head = format!(
                "POST {} HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n",
                session.url(url)
            );
            let mut connection = server.connect();
            connection.send_raw(format!("{head}{body}").as_bytes());
            let status = connection.read_head().status;
            assert!(matches!(status, 200 | 204), "{url} {body:?}: {status}");
            session.poll().assert_is(200, "a[\"x\"]\n");
        }
    }
}

/// One connection serves everything in turn: pages, errors, polls, messages, streams.
#[test]
fn connection_is_reused_for_requests_of_all_kinds() {
    let server = echo_server("");
    let session = Session::new(&server, "/echo");
    let mut connection = server.connect();
    for _ in 0..20 {
        connection
            .exchange(&Request::get("/echo"))
            .assert_is(200, "Welcome to SockJS!\n");
        assert_eq!(
            connection.exchange(&Request::get("/echo/info")).head.status,
            200
        );
        connection
            .exchange(&Request::get("/nothing"))
            .assert_not_found();
        let bad = Request::post(session.url("/xhr_send")).body("");
        connection
            .exchange(&bad)
            .assert_is(500, "Payload expected.");
        let other = Session::new(&server, "/echo");
        let poll = Request::post(other.url("/xhr"));
        connection.exchange(&poll).assert_is(200, OPEN);
        connection.send(&Request::post(other.url("/xhr_send")).body("[\"x\"]"));
        assert_eq!(connection.read_head().status, 204);
        connection.exchange(&poll).assert_is(200, "a[\"x\"]\n");
    }
}

/// Requests to proxies carry an absolute target, and servers must take it. (RFC 9112 §3.2.2)
#[test]
fn absolute_targets_are_accepted() {
    let server = echo_server("");
    let requests = [
        "GET http://x/echo HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET http://x:8081/echo?a=b HTTP/1.1\r\nHost: x:8081\r\n\r\n",
        "GET HTTP://X/echo HTTP/1.1\r\nHost: x\r\n\r\n",
    ];
    for request in requests {
        let (status, body) = exchange(&server, request);
        assert_eq!(
            (status, body.as_str()),
            (200, "Welcome to SockJS!\n"),
            "{request}"
        );
    }
}

/// No page has these addresses; who stands in front may read another host in them, or another target. (RFC 9112 §3.2)
#[test]
fn hosts_and_targets_that_cannot_be_are_refused() {
    let server = echo_server("");
    for host in [
        "a b", "a/b?c", "a:99999", "u@h", "[::1", "a\tb", "a:b:c", "a, b c",
    ] {
        let request = format!("GET /echo HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(exchange(&server, &request).0, 400, "{request:?}");
    }
    for host in ["", "a:", "A.example:1", "[::1]:8081", "192.0.2.1"] {
        let request = format!("GET /echo HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(exchange(&server, &request).0, 200, "{request:?}");
    }
    for target in [
        "http://u:p@a/echo",
        "http://a:x/echo",
        "http://a:99999/echo",
        "ftp://a/echo",
    ] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(exchange(&server, &request).0, 400, "{request:?}");
    }
    let fragment = "GET /echo#x HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(exchange(&server, fragment).0, 400);
}

/// The host of an absolute target counts, and what `Host` says is ignored. (RFC 9112 §3.2.2)
#[test]
fn absolute_targets_say_the_host() {
    let server = Server::with_config("[[service]]\nprefix = \"/echo\"\nbackend = \"echo:\"\n");
    for (origin, status) in [("http://a.example", 200), ("http://b.example", 403)] {
        let request = format!(
            "GET http://a.example/echo/info HTTP/1.1\r\nHost: b.example\r\nOrigin: {origin}\r\n\r\n"
        );
        assert_eq!(exchange(&server, &request).0, status, "{origin}");
    }
}

/// Exactly one `Host` in HTTP/1.1; HTTP/1.0 may do without. (RFC 9112 §3.2)
#[test]
fn request_needs_exactly_one_host() {
    let server = echo_server("");
    for request in [
        "GET /echo HTTP/1.1\r\n\r\n",
        "GET /echo HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /echo HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET http://a/echo HTTP/1.1\r\n\r\n",
    ] {
        assert_eq!(exchange(&server, request).0, 400, "{request:?}");
    }
    assert_eq!(exchange(&server, "GET /echo HTTP/1.0\r\n\r\n").0, 200);
}

/// Every URL refuses the methods it has no answer for, naming those it has. (RFC 9110 §15.5.6)
#[test]
fn other_methods_are_not_allowed() {
    let server = echo_server("");
    let urls = [
        ("", "GET"),
        ("/info", "OPTIONS, GET"),
        ("/iframe.html", "GET"),
        ("/websocket", "GET"),
        ("/000/s/websocket", "GET"),
        ("/000/s/xhr", "OPTIONS, POST"),
        ("/000/s/xhr_send", "OPTIONS, POST"),
        ("/000/s/xhr_streaming", "OPTIONS, POST"),
        ("/000/s/eventsource", "GET"),
        ("/000/s/htmlfile?c=x", "GET"),
        ("/000/s/jsonp?c=x", "GET"),
        ("/000/s/jsonp_send", "POST"),
    ];
    let methods = [
        "GET", "POST", "OPTIONS", "HEAD", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "get",
    ];
    for (url, allowed) in urls {
        for method in methods
            .iter()
            .filter(|method| !allowed.split(", ").any(|it| it == **method))
        {
            let mut connection = server.connect();
            connection.send_raw(
                format!("{method} /echo{url} HTTP/1.1\r\nHost: x\r\nX-Secret: s3cret\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                    .as_bytes(),
            );
            let answer = connection.read_until_ended(CLOSE_DEADLINE);
            assert!(
                answer.starts_with("HTTP/1.1 405 "),
                "{method} {url}: {answer}"
            );
            let allow = format!("\r\nallow: {}\r\n", allowed.to_ascii_lowercase());
            assert!(
                answer.to_ascii_lowercase().contains(&allow),
                "{method} {url}: {answer}"
            );
            assert!(!answer.contains("s3cret"), "{method} echoes: {answer}");
        }
    }
}

/// An unknown path is not found, whatever the method; nothing is ever redirected or normalised. (CVE-2026-1002 and others)
#[test]
fn unknown_and_odd_paths_are_not_found() {
    let server = echo_server("");
    let paths = [
        "/",
        "/echox",
        "/ECHO",
        "/echo/../echo/info",
        "/echo/./info",
        "/echo//info",
        "//echo/info",
        "/echo/%69nfo",
        "/%65cho/info",
        "/echo/%2e%2e/echo/info",
        "/echo%2finfo",
        "/echo/info;x=y",
        "/echo/info.json",
        "/echo/info%00",
        "/echo/%zz",
        "/echo/000/s/xhr;jsessionid=1",
        "/echo/000/s/xhr.js",
        "/echo/000/s.x/xhr",
        "/echo/0.0/s/xhr",
        "/echo/000//xhr",
        "/echo/000/s/t/xhr",
        "/echo/000/s/toString",
        "/echo/000/s/",
        "/echo/..;/info",
        "/admin",
        "/metrics",
    ];
    for path in paths {
        for method in ["GET", "POST", "OPTIONS", "PUT"] {
            let request =
                format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
            let status = exchange(&server, &request).0;
            assert_eq!(status, 404, "{method} {path}");
        }
    }
}

/// `*` and authority targets belong to other servers; the answer is an ordinary refusal.
#[test]
fn targets_that_are_no_path_are_refused() {
    let server =
        Server::with_config(&[service("", "echo:", ""), service("/echo", "echo:", "")].concat());
    for request in [
        "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n",
        "CONNECT /echo HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET example.org:80 HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        let mut connection = server.connect();
        connection.send_raw(request.as_bytes());
        let status = connection.read_head().status;
        assert!((400..500).contains(&status), "{request:?}: {status}");
    }
    server.assert_alive();
}

/// Versions that are not spoken here are told so, which takes no time.
#[test]
fn other_versions_are_refused() {
    let server = echo_server("");
    for request in [
        "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
        "GET /echo HTTP/2.0\r\nHost: x\r\n\r\n",
        "GET /echo HTTP/3.0\r\nHost: x\r\n\r\n",
        "GET /echo HTTP/1.2\r\nHost: x\r\n\r\n",
        "GET /echo HTTP/0.9\r\n\r\n",
        "GET /echo\r\n",
    ] {
        let mut connection = server.connect();
        connection.send_raw(request.as_bytes());
        connection.finish_sending();
        let answer = connection.read_until_ended(ANSWER_DEADLINE);
        let refused = answer.is_empty()
            || answer.starts_with("HTTP/1.1 400 ")
            || answer.starts_with("HTTP/1.1 505 ");
        assert!(refused, "{request:?}: {answer}");
        assert!(answer.matches("HTTP/1.1").count() <= 1, "{answer}");
    }
    server.assert_alive();
}

/// An offer to upgrade to HTTP/2 is declined by an ordinary answer. (RFC 9110 §7.8)
#[test]
fn offer_of_h2c_is_declined() {
    let server = echo_server("");
    let request = Request::get("/echo")
        .header("Connection", "Upgrade, HTTP2-Settings")
        .header("Upgrade", "h2c")
        .header("HTTP2-Settings", "AAMAAABkAAQAAP__");
    server
        .request(&request)
        .assert_is(200, "Welcome to SockJS!\n");
}

/// Ranges are not served: the page comes whole, however many are asked for. (CVE-2018-15756)
#[test]
fn ranges_are_ignored() {
    let server = echo_server("");
    let ranges = (0..1200)
        .map(|at| format!("{at}-{at}"))
        .collect::<Vec<_>>()
        .join(",");
    let request = Request::get("/echo/iframe.html").header("Range", format!("bytes={ranges}"));
    let response = server.request(&request);
    assert_eq!(response.head.status, 200);
    assert_eq!(response.body, server.get("/echo/iframe.html").body);
}

/// The protocol's URLs carry queries that mean nothing. (sockjs-client adds `t`, `i` and the user's own)
#[test]
fn queries_are_ignored() {
    let server = echo_server("");
    let session = Session::new(&server, "/echo");
    for path in [
        "/echo?x=1",
        "/echo/?t=1",
        "/echo/info?t=1&u=%zz",
        "/echo/iframe.html?x",
    ] {
        assert_eq!(server.get(path).head.status, 200, "{path}");
    }
    server.post(&session.url("/xhr?t=1")).assert_is(200, OPEN);
    session
        .post("/xhr_send?t=1&c=x", "[\"x\"]")
        .assert_is(204, "");
    server
        .post(&session.url("/xhr?t=2"))
        .assert_is(200, "a[\"x\"]\n");
}

/// HTTP/1.0 polls work, and the connection ends after each. (sockjs-protocol, `Http10`)
#[test]
fn http10_poll_is_answered_and_closed() {
    let server = echo_server("");
    let session = Session::new(&server, "/echo");
    let mut connection = server.connect();
    let response = connection.exchange(&Request::post(session.url("/xhr")).http10());
    response.assert_is(200, OPEN);
    connection.assert_closed();
}

/// Polls that wait on many connections do not keep others from being answered.
#[test]
fn hundred_parked_polls_leave_the_server_responsive() {
    let server = echo_server("");
    let sessions: Vec<_> = (0..100).map(|_| opened(&server, "/echo")).collect();
    let mut parked: Vec<_> = sessions
        .iter()
        .map(|session| crate::fixture::send_poll(&server, session))
        .collect();
    let start = crate::support::now();
    server.get("/echo").assert_is(200, "Welcome to SockJS!\n");
    assert!(start.elapsed() < Duration::from_millis(500));
    for session in &sessions {
        session.send("[\"x\"]");
    }
    for poll in &mut parked {
        crate::fixture::read_response(poll).assert_is(200, "a[\"x\"]\n");
    }
}
