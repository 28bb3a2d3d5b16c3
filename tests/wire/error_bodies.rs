//! Refusals are texts that no client can take for frames. ("origin not allowed" and a line feed would open its session)

use crate::fixture::{echo_server, opened, service, upgrade};
use crate::support::{ANSWER_DEADLINE, Request, Response, Server};

/// Not empty lines of what could be a frame: no line feed, and no `o`, `h`, `a[`, `c[`, `m` at the start.
#[track_caller]
fn assert_no_frame(response: &Response, what: &str) {
    let body = String::from_utf8_lossy(&response.body);
    assert!(
        response.head.status >= 400,
        "{what}: {}",
        response.head.status
    );
    assert!(!body.contains(['\n', '\r']), "{what}: {body:?}");
    for start in ["o", "h", "a[", "c[", "m"] {
        assert!(!body.starts_with(start), "{what}: {body:?}");
    }
    if let Some(content_type) = response.head.header("Content-Type") {
        assert_eq!(content_type, "text/plain; charset=UTF-8", "{what}");
    } else {
        assert_eq!(body, "", "{what}");
    }
}

/// Every refusal that requests can provoke.
#[test]
fn refusals_do_not_look_like_frames() {
    let services = [
        service(
            "/echo",
            "echo:",
            "max_body_size = 100\nmax_messages = 2\nmax_message_size = 10\nbody_timeout = \"200ms\"\ndeliver_timeout = \"200ms\"\noutbound_bytes = 10\ninbound_bytes = 10",
        ),
        "[[service]]\nprefix = \"/own\"\nbackend = \"echo:\"\ntransports = [\"xhr-polling\"]\n"
            .to_owned(),
        service("/down", "ws://127.0.0.1:9/", ""),
    ];
    let server = Server::with_config(&services.concat());
    let session = opened(&server, "/echo");
    let send = |body: &str| Request::post(session.url("/xhr_send")).body(body);
    let form = |body: &str| {
        Request::post(session.url("/jsonp_send"))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(body)
    };
    let mut stuck = Vec::new();
    for _ in 0..8 {
        stuck.push(send("[\"0123456789\"]"));
    }
    let refused = [
        (404, Request::get("/")),
        (404, Request::get("/echo/nothing")),
        (404, Request::post("/echo/a.b/c/xhr")),
        (
            404,
            Request::post("/echo/000/unknown/xhr_send").body("[\"x\"]"),
        ),
        (404, Request::post("/own/000/x/xhr_streaming")),
        (404, Request::get("/own/websocket")),
        (405, Request::get("/echo/000/x/xhr")),
        (405, Request::post("/echo")),
        (403, Request::get("/own/info").header("Origin", "null")),
        (
            403,
            Request::post("/own/000/x/xhr").header("Origin", "http://a"),
        ),
        (500, send("")),
        (500, send("[")),
        (500, send("[1]")),
        (413, send("[\"a\",\"b\",\"c\"]")),
        (413, send("[\"01234567890\"]")),
        (413, send(&" ".repeat(101))),
        (415, send("[]").header("Content-Encoding", "gzip")),
        (500, form("d=[")),
        (500, form("")),
        (413, form("d=[\"a\",\"b\",\"c\"]")),
        (500, Request::get(session.url("/jsonp"))),
        (500, Request::get(session.url("/htmlfile?c=*"))),
        (
            413,
            Request::post(session.url("/xhr")).body(" ".repeat(101)),
        ),
        (400, Request::get("/echo/websocket")),
        (400, Request::get("/echo/000/x/websocket")),
        (426, upgrade_version("/echo/websocket", "12")),
        (426, upgrade_version("/echo/000/x/websocket", "8")),
        (
            502,
            upgrade("/down/websocket").header("Sec-WebSocket-Protocol", "v1"),
        ),
    ];
    for (status, request) in refused {
        let what = format!("{request:?}");
        let response = server.request(&request);
        assert_eq!(response.head.status, status, "{what}");
        assert_no_frame(&response, &what);
    }
    let last = stuck
        .iter()
        .map(|request| server.request(request))
        .find(|response| response.head.status != 204)
        .expect("the backend is stuck");
    assert_eq!(last.head.status, 503);
    assert_no_frame(&last, "stuck backend");
}

fn upgrade_version(path: &str, version: &str) -> Request {
    Request::get(path)
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", version)
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
}

/// Those of the HTTP layer, which are answered before there is a request.
#[test]
fn refusals_of_the_http_layer_do_not_look_like_frames() {
    let server = echo_server("body_timeout = \"200ms\"");
    let session = opened(&server, "/echo");
    let path = session.url("/xhr_send");
    for (status, bytes) in [
        (400, "GET /echo HTTP/1.1\r\n\r\n".to_owned()),
        (400, "nonsense\r\n\r\n".to_owned()),
        (
            400,
            format!("POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"),
        ),
        (
            408,
            format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n["),
        ),
        (
            431,
            format!(
                "GET /echo HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n",
                "x".repeat(100_000)
            ),
        ),
    ] {
        let mut connection = server.connect();
        connection.try_send_raw(bytes.as_bytes());
        assert!(connection.has_news(ANSWER_DEADLINE));
        let response = connection.read_response(&Request::get(""));
        assert_eq!(response.head.status, status, "{bytes:.100}");
        assert_no_frame(&response, &format!("{bytes:.100}"));
    }
}
