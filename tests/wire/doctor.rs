//! The doctor below a service: its URLs, what it notes of runs, the verdict, kept results.

use std::time::Duration;

use serde_json::{Value, json};

use crate::fixture::{
    echo_server, messages, opened, park_poll, read_response, service, text, upgrade,
};
use crate::support::{Request, Response, Server, Session, WebSocket, now};

const RUN: &str = "0123456789abcdef";
const ON: &str = "doctor = true\ndoctor_results = 2";

/// The answer as JSON, which must not be kept anywhere.
#[track_caller]
fn document(response: &Response) -> Value {
    assert_eq!(response.head.status, 200, "{}", text(response));
    assert_eq!(response.head.header("Cache-Control"), Some("no-store"));
    serde_json::from_slice(&response.body).expect("the answer is JSON")
}

#[track_caller]
fn seen(server: &Server, run: &str) -> Value {
    document(&server.get(&format!("/echo/doctor/seen?run={run}")))
}

fn report(body: &str) -> Request {
    Request::post("/echo/doctor/verdict")
        .header("Content-Type", "application/json")
        .body(body.to_owned())
}

/// Ids of the verdict's findings.
fn ids(judged: &Value) -> Vec<&str> {
    let findings = judged["verdict"]["findings"].as_array();
    let findings = findings.expect("a verdict has findings");
    findings
        .iter()
        .filter_map(|finding| finding["id"].as_str())
        .collect()
}

/// Nothing of it exists unless the operator wants it.
#[test]
fn doctor_is_off_by_default() {
    let server = echo_server("");
    for path in [
        "/echo/doctor",
        "/echo/doctor/seen",
        "/echo/doctor/sockjs/info",
    ] {
        server.get(path).assert_not_found();
    }
}

/// The page, everything it loads, and nothing else.
#[test]
fn page_and_its_files_are_served() {
    let server = echo_server(ON);
    let page = server.get("/echo/doctor");
    page.head.assert_content_type("text/html; charset=UTF-8");
    let policy = page.head.header("Content-Security-Policy");
    assert!(
        policy.is_some_and(|policy| policy.contains("frame-ancestors 'self'")),
        "{policy:?}"
    );
    let html = text(&page);
    let mut loaded = 0;
    for link in html.split("doctor/").skip(1) {
        let name = link.split('"').next().unwrap_or_default();
        if name.ends_with(".js") || name.ends_with(".css") {
            assert_eq!(
                server.get(&format!("/echo/doctor/{name}")).head.status,
                200,
                "{name}"
            );
            loaded += 1;
        }
    }
    assert!(loaded >= 2, "the page has a script and a style sheet");
    assert_eq!(server.get("/echo/doctor/sockjs.js").head.status, 200);
    for path in [
        "/echo/doctor/nonsense",
        "/echo/doctors",
        "/echo/doctor/index.html/x",
    ] {
        server.get(path).assert_not_found();
    }
    // The links are relative to a path without the slash.
    let slash = server.get("/echo/doctor/");
    assert_eq!(
        (slash.head.status, slash.head.header("Location")),
        (308, Some("../doctor"))
    );
}

/// Methods that a URL does not have get 405 and its own.
#[test]
fn methods_are_checked() {
    let server = echo_server(ON);
    for path in ["/echo/doctor", "/echo/doctor/seen", "/echo/doctor/cookie"] {
        let response = server.post(path);
        assert_eq!(
            (response.head.status, response.head.header("Allow")),
            (405, Some("GET")),
            "{path}"
        );
    }
    let response = server.get("/echo/doctor/verdict");
    assert_eq!(
        (response.head.status, response.head.header("Allow")),
        (405, Some("POST"))
    );
}

/// The doctor's own service has everything on, whatever the service's options are, and no heartbeat.
#[test]
fn own_service_has_everything_on() {
    let options = format!(
        "{ON}\nwebsocket = false\ntransports = [\"xhr-polling\"]\nheartbeat_delay = \"100ms\""
    );
    let server = echo_server(&options);
    let info: Value =
        serde_json::from_slice(&server.get("/echo/doctor/sockjs/info").body).expect("JSON");
    assert_eq!(info["websocket"], json!(true));
    let socket = WebSocket::open(&server, &format!("/echo/doctor/sockjs/{RUN}/a/websocket"));
    drop(socket);
    // In half a second a heartbeat of 100 ms would have come before the second message.
    let session = opened(&server, "/echo/doctor/sockjs");
    session.send("[\"p:2:500\"]");
    session.poll().assert_is(200, "a[\"p:0\"]\n");
    session.poll().assert_is(200, "a[\"p:1\"]\n");
    assert_eq!(
        seen(&server, RUN)["service"],
        json!({"websocket": false, "adaptive": true, "heartbeat_s": 0.1, "transports": ["xhr-polling"]})
    );
}

/// Echoes, paced messages, lengths, long messages, silence.
#[test]
fn backend_answers_the_tests() {
    let server = echo_server(ON);
    let session = opened(&server, "/echo/doctor/sockjs");
    let ask = |wish: &str| {
        session.send(&json!([wish]).to_string());
        messages(text(&session.poll()).trim_end())
    };
    assert_eq!(ask("e:hello"), ["e:hello"]);
    assert_eq!(ask("p:99:1"), ["p:99:1"]);
    assert_eq!(ask("u:äöü"), ["u:8"]);
    let long = ask("d:70000");
    assert!(long[0].len() == 70_000 && long[0].starts_with("d:x"));
    // Nothing comes of it, so the echo behind it is the first answer.
    session.send("[\"q\",\"e:after\"]");
    assert_eq!(messages(text(&session.poll()).trim_end()), ["e:after"]);
    let start = now();
    session.send("[\"p:3:100\"]");
    let mut paced = Vec::new();
    while paced.len() < 3 {
        paced.extend(messages(text(&session.poll()).trim_end()));
    }
    assert_eq!(paced, ["p:0", "p:1", "p:2"]);
    assert!(start.elapsed() >= Duration::from_millis(200));
}

/// Of a run's requests it is noted how they came, those that were refused too.
#[test]
fn requests_of_a_run_are_noted() {
    let server = echo_server(ON);
    let url =
        |session: &str, transport: &str| format!("/echo/doctor/sockjs/{RUN}/{session}/{transport}");
    server.post(&url("a", "xhr")).assert_is(200, "o\n");
    let stripped = Request::get(url("b", "websocket"))
        .header("Via", "1.1 proxy")
        .header("Cookie", "sid=s3cret");
    assert_eq!(server.request(&stripped).head.status, 400);
    assert_eq!(
        server
            .connect()
            .request(&upgrade(url("c", "websocket")))
            .status,
        101
    );
    server.request(&Request::post(url("d", "xhr_send")).body("[\"x\"]"));
    // Not of this run.
    server.post("/echo/doctor/sockjs/000/e/xhr");
    server.post("/echo/fedcba9876543210/a/xhr");
    let seen = seen(&server, RUN);
    let requests = seen["requests"].as_array().expect("a list");
    let facts: Vec<_> = requests
        .iter()
        .map(|request| {
            (
                &request["transport"],
                &request["kind"],
                &request["session"],
                &request["status"],
            )
        })
        .map(|(transport, kind, session, status)| json!([transport, kind, session, status]))
        .collect();
    assert_eq!(
        json!(facts),
        json!([
            ["xhr-polling", "receive", 1, 200],
            ["websocket", "receive", 2, 400],
            ["websocket", "receive", 3, 101],
            ["xhr-polling", "send", 4, 404]
        ])
    );
    assert_eq!(requests[1]["headers"]["via"], json!("1.1 proxy"));
    assert_eq!(requests[1]["cookie_names"], json!(["sid"]));
    assert_eq!(requests[2]["headers"]["upgrade"], json!("websocket"));
    assert!(!seen.to_string().contains("s3cret"));
    assert_eq!(seen["request"]["http_version"], json!("1.1"));
    for nothing in ["", "?run=", "?run=x", "?run=fedcba9876543210"] {
        let seen = document(&server.get(&format!("/echo/doctor/seen{nothing}")));
        assert_eq!(seen["requests"], json!([]), "{nothing}");
    }
}

/// A drip of 32 pieces, and a tail; each piece is a chunk of its own.
#[test]
fn streams_arrive_in_pieces() {
    let server = echo_server(ON);
    let mut stream = server.open_stream(&Request::get("/echo/doctor/stream?kind=drip"));
    let start = now();
    for _ in 0..32 {
        assert_eq!(stream.read_chunk().len(), 1024);
    }
    stream.assert_ended();
    assert!(start.elapsed() >= Duration::from_millis(1500));
    let start = now();
    let tail = server.get("/echo/doctor/stream?kind=tail");
    assert_eq!(tail.body.len(), 6144);
    assert!(start.elapsed() >= Duration::from_secs(2));
    let wrong = server.get("/echo/doctor/stream?kind=x");
    assert_eq!(wrong.head.status, 400);
}

/// The test cookie comes back, with the attributes that frames of other sites need where there is https.
#[test]
fn cookie_is_set_and_recognised() {
    let server = echo_server(ON);
    let first = server.get("/echo/doctor/cookie");
    assert_eq!(document(&first), json!({"cookies": []}));
    let cookie = first.head.header("Set-Cookie").expect("a cookie is set");
    assert!(
        cookie.starts_with("doctor=") && cookie.contains("SameSite=Lax"),
        "{cookie}"
    );
    let again = Request::get("/echo/doctor/cookie").header("Cookie", "a=b; doctor=1");
    assert_eq!(
        document(&server.request(&again)),
        json!({"cookies": ["doctor"]})
    );
    let secure =
        Request::get("/echo/doctor/cookie").header("Referer", "https://app.example/echo/doctor");
    let response = server.request(&secure);
    let cookie = response.head.header("Set-Cookie").unwrap_or_default();
    assert!(
        cookie.contains("SameSite=None") && cookie.contains("Secure"),
        "{cookie}"
    );
}

/// What the server saw decides: the same report is judged differently after a request without `Upgrade` came.
#[test]
fn verdict_uses_what_the_server_saw() {
    let server = echo_server(ON);
    let sent = json!({
        "schema": 1, "run": RUN, "agent": "page", "info": {"round_trips_ms": [3], "status": 200, "websocket": true},
        "transports": [
            {"name": "websocket", "outcome": "refused", "error": "closed"},
            {"name": "xhr-polling", "outcome": "works", "opened_ms": 4, "echo_ms": [5]}
        ]
    });
    server.post(&format!("/echo/doctor/sockjs/{RUN}/b/xhr"));
    let before = document(&server.request(&report(&sent.to_string())));
    assert!(ids(&before).contains(&"websocket-blocked"), "{before}");
    server.get(&format!("/echo/doctor/sockjs/{RUN}/a/websocket"));
    let after = document(&server.request(&report(&sent.to_string())));
    assert!(ids(&after).contains(&"websocket-stripped"), "{after}");
    assert_eq!(after["verdict"]["works"], json!(true));
    assert_eq!(after["verdict"]["best"]["transport"], json!("xhr-polling"));
}

/// A report that is none is answered with what is wrong with it.
#[test]
fn malformed_reports_are_refused() {
    let server = echo_server(ON);
    let large = format!(
        "{{\"schema\":1,\"run\":\"{RUN}\",\"url\":\"{}\"}}",
        "x".repeat(70_000)
    );
    // 64 KiB of these would take 3 MB to keep.
    let empty_tests = format!(
        "{{\"schema\":1,\"run\":\"{RUN}\",\"idle\":[{}]}}",
        vec!["{}"; 21_000].join(",")
    );
    for (body, status, expected) in [
        ("", 400, "cannot be read"),
        ("{\"schema\":1}", 400, "16 hexadecimal digits"),
        (
            "{\"schema\":3,\"run\":\"0123456789abcdef\"}",
            400,
            "schema 3",
        ),
        (&large, 413, "64 KiB"),
        (&empty_tests, 400, "at most 32"),
    ] {
        let response = server.request(&report(body));
        assert_eq!(response.head.status, status, "{expected}");
        assert!(text(&response).contains(expected), "{}", text(&response));
        assert!(!text(&response).contains('\n'));
    }
    // What a page of another site could send without asking.
    let form = Request::post("/echo/doctor/verdict")
        .header("Content-Type", "text/plain")
        .body("{}".to_owned());
    assert_eq!(server.request(&form).head.status, 415);
    server.assert_alive();
}

/// Results are kept under a code, as many as the operator allows; one line in the log tells the operator.
#[test]
fn results_are_kept_under_a_code() {
    let mut server = echo_server(ON);
    let body = format!("{{\"schema\":1,\"run\":\"{RUN}\",\"agent\":\"page\"}}");
    let keep = || {
        document(&server.request(&report(&body)))["code"]
            .as_str()
            .expect("a code")
            .to_owned()
    };
    let codes: Vec<_> = (0..3).map(|_| keep()).collect();
    let kept = document(&server.get(&format!("/echo/doctor/results/{}", codes[2].to_lowercase())));
    assert_eq!(kept["report"]["run"], json!(RUN));
    assert!(kept["verdict"]["summary"].is_string() && kept["seen"]["request"].is_object());
    assert!(kept["at"].as_str().is_some_and(|at| at.ends_with('Z')));
    let oldest = server.get(&format!("/echo/doctor/results/{}", codes[0]));
    assert_eq!(oldest.head.status, 404);
    assert_eq!(server.get("/echo/doctor/results/").head.status, 404);
    let log = server.log().join("\n");
    assert!(log.contains(&codes[0]), "{log}");
    // Many at a time are counted instead.
    assert!(!log.contains(&codes[2]), "{log}");

    let off = echo_server("doctor = true");
    assert_eq!(document(&off.request(&report(&body)))["code"], Value::Null);
}

/// The doctor's sessions are under the service's policy of origins.
#[test]
fn foreign_pages_are_refused_and_noted() {
    let config = service("/echo", "echo:", ON).replace("origins = \"*\"", "origins = \"same\"");
    let server = Server::with_config(&config);
    let path = format!("/echo/doctor/sockjs/{RUN}/a/xhr");
    let foreign = Request::post(path).header("Origin", "https://evil.example");
    assert_eq!(server.request(&foreign).head.status, 403);
    let seen = seen(&server, RUN);
    assert_eq!(seen["requests"][0]["status"], json!(403));
    assert_eq!(
        seen["requests"][0]["headers"]["origin"],
        json!("https://evil.example")
    );
}

/// Who is believed is said, and what a trusted proxy forwards is shown.
#[test]
fn trusted_proxies_are_believed() {
    let forwarded = Request::get("/echo/doctor/seen")
        .header("X-Forwarded-For", "192.0.2.1")
        .header("X-Forwarded-Proto", "https")
        .header("X-Forwarded-Host", "app.example");
    let trusting = Server::with_config(&format!(
        "trusted_proxies = [\"127.0.0.1\"]\n{}",
        service("/echo", "echo:", ON)
    ));
    let seen = document(&trusting.request(&forwarded));
    let request = &seen["request"];
    assert_eq!(
        json!([
            request["trusted"],
            request["peer"],
            request["secure"],
            request["host"]
        ]),
        json!([true, "192.0.2.1", true, "app.example"])
    );
    let seen = document(&echo_server(ON).request(&forwarded));
    assert_eq!(
        json!([seen["request"]["trusted"], seen["request"]["peer"]]),
        json!([false, "127.0.0.1"])
    );
}

/// A session of the doctor ends with the program, in order.
#[test]
fn doctors_sessions_end_with_the_program() {
    let server = echo_server(ON);
    let session = Session::new(&server, "/echo/doctor/sockjs");
    session.poll().assert_is(200, "o\n");
    let mut parked = park_poll(&server, &session);
    server.signal("TERM");
    read_response(&mut parked).assert_is(200, "c[1012,\"Service restart\"]\n");
    assert!(server.wait_for_exit(Duration::from_secs(15)).success());
}

/// The demo's page can be examined.
#[test]
fn demo_has_a_doctor() {
    let server = Server::with_arguments(&["demo", "--listen", "127.0.0.1:0"]);
    assert_eq!(server.get("/echo/doctor").head.status, 200);
    server.get("/close/doctor").assert_not_found();
}
