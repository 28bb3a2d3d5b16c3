//! What the log says of sessions: one line for each that has ended, and nothing to worry about when browsers vanish.

use serde_json::Value;

use crate::fixture::{OPEN, echo_server, opened, park_poll, read_response, service, text};
use crate::raw_socket::RawSocket;
use crate::support::{ANSWER_DEADLINE, Request, Server, Session, now};

/// The lines with that message, once there are so many.
#[track_caller]
fn lines(server: &mut Server, message: &str, count: usize) -> Vec<Value> {
    let start = now();
    loop {
        let parsed = server.log().iter();
        let parsed = parsed.filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let found: Vec<_> = parsed
            .filter(|line| line["fields"]["message"] == message)
            .collect();
        if found.len() >= count {
            return found;
        }
        assert!(
            start.elapsed() < ANSWER_DEADLINE,
            "{} of {count} lines {message:?}",
            found.len()
        );
    }
}

/// Whoever reads the log in the morning knows how each session went.
#[test]
fn end_of_a_session_is_one_line_with_what_it_came_to() {
    let mut server = echo_server("");
    let mut socket = RawSocket::open_sockjs(&server, "/echo");
    socket.send_text("[\"1234\",\"ü\"]");
    socket.assert_text("a[\"1234\",\"ü\"]");
    socket.send_close(4999, "that\nis all");
    socket.assert_close(4999);
    let line = lines(&mut server, "session ended", 1).remove(0);
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["target"], "sockjs_gateway::session");
    let fields = &line["fields"];
    for (field, value) in [
        ("service", Value::from("/echo")),
        ("transport", "websocket".into()),
        ("messages_in", 2.into()),
        ("messages_out", 2.into()),
        ("bytes_in", 6.into()),
        ("bytes_out", 6.into()),
        ("code", 4999.into()),
        ("reason", "that is all".into()),
        ("cause", "browser".into()),
        ("closed_by", "browser".into()),
    ] {
        assert_eq!(fields[field], value, "{field} in {line}");
    }
    assert!(
        fields["duration"]
            .as_f64()
            .is_some_and(|seconds| seconds < 60.0)
    );
    assert!(fields["session"].is_string());
    // The next session's line is the second, and the only one of that session.
    let session = opened(&server, "/echo");
    drop(park_poll(&server, &session));
    let ended = lines(&mut server, "session ended", 2);
    assert_eq!(ended.len(), 2);
    assert_eq!(ended[1]["fields"]["transport"], "xhr-polling");
    assert_eq!(ended[1]["fields"]["cause"], "interrupted");
    assert_eq!(ended[1]["fields"]["closed_by"], "network");
}

/// At debug there is a line for each event of a session, which its own id ties together.
#[test]
fn events_of_a_session_are_lines_at_debug() {
    let service = service("/close", "close:", "");
    let mut server = Server::with_config_and_log(&service, "info,sockjs_gateway::session=debug");
    let session = Session::new(&server, "/close");
    session.poll().assert_is(200, OPEN);
    session.poll().assert_is(200, "c[3000,\"Go away!\"]\n");
    lines(&mut server, "session ended", 1);
    let mut events = Vec::new();
    let mut ids = std::collections::HashSet::new();
    for line in server.log() {
        let line: Value = serde_json::from_str(line).expect("a line is JSON");
        if line["target"] == "sockjs_gateway::session" {
            events.push(
                line["fields"]["message"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
            );
            ids.insert(line["fields"]["session"].to_string());
        }
    }
    assert_eq!(ids.len(), 1, "{ids:?}");
    for event in [
        "session opened",
        "receiver attached",
        "receiver gone",
        "end decided",
        "session ended",
    ] {
        assert!(
            events.iter().any(|known| known == event),
            "no {event} in {events:?}"
        );
    }
}

/// The first warning about this limit, once it is there.
#[track_caller]
fn warning(server: &mut Server, limit: &str) -> Value {
    let start = now();
    loop {
        let parsed = server.log().iter();
        let mut parsed = parsed.filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let found = parsed.find(|line| {
            let told = line["fields"]["limit"].as_str().unwrap_or_default();
            line["level"] == "WARN" && told.starts_with(limit)
        });
        if let Some(found) = found {
            return found["fields"].clone();
        }
        assert!(start.elapsed() < ANSWER_DEADLINE, "no warning of {limit}");
    }
}

/// A limit that is reached is a warning that names it, the service, who it was, and the session where there is one.
#[test]
fn reached_limits_are_warnings_that_say_which_and_whose() {
    let sizes =
        "max_body_size = 100\nmax_messages = 2\nmax_message_size = 10\nbody_timeout = \"50ms\"";
    let waits = "messages_per_second = 1\nmessages_burst = 1\ndeliver_timeout = \"50ms\"";
    let closes = "messages_per_second = 1\nmessages_burst = 1\nrate_exceeded = \"close\"";
    let services = [
        service("/sizes", "echo:", sizes),
        service("/waits", "echo:", waits),
        service("/closes", "echo:", closes),
        service("/silent", "echo:", "first_message_timeout = \"50ms\""),
        service(
            "/stuck",
            "echo:",
            "outbound_bytes = 10\ninbound_bytes = 10\ndeliver_timeout = \"50ms\"",
        ),
        service(
            "/slow",
            "echo:",
            "outbound_messages = 1\nslow_consumer = \"close\"\nslow_consumer_timeout = \"50ms\"",
        ),
        service(
            "/drops",
            "echo:",
            "outbound_messages = 1\nslow_consumer = \"drop-oldest\"",
        ),
        service("/full", "echo:", "max_sessions = 1"),
    ];
    let mut server = Server::with_config(&services.concat());
    let answered = |prefix: &str, body: &str| {
        let session = opened(&server, prefix);
        session.post("/xhr_send", body).head.status
    };
    assert_eq!(answered("/sizes", &"x".repeat(200)), 413);
    assert_eq!(answered("/sizes", "[\"1\",\"2\",\"3\"]"), 413);
    assert_eq!(answered("/sizes", "[\"12345678901\"]"), 413);
    {
        let session = opened(&server, "/sizes");
        let mut connection = server.connect();
        let url = session.url("/xhr_send");
        let head = format!("POST {url} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n");
        connection.send_raw(head.as_bytes());
        assert_eq!(read_response(&mut connection).head.status, 408);
        let session = opened(&server, "/waits");
        session.send("[\"1\"]");
        assert_eq!(session.post("/xhr_send", "[\"2\"]").head.status, 429);
        let session = opened(&server, "/closes");
        session.send("[\"1\"]");
        session.send("[\"2\"]");
        let session = opened(&server, "/silent");
        assert!(text(&session.poll()).starts_with("c[1008,"));
        let session = opened(&server, "/stuck");
        while session.post("/xhr_send", "[\"123456789012\"]").head.status == 204 {}
        for prefix in ["/slow", "/drops"] {
            let session = opened(&server, prefix);
            (0..3).for_each(|_| session.send("[\"x\"]"));
        }
        let _first = opened(&server, "/full");
        assert!(text(&Session::new(&server, "/full").poll()).starts_with("c[1013,"));
    }
    for (limit, service, has_session) in [
        ("max_body_size", "/sizes", true),
        ("max_messages", "/sizes", true),
        ("max_message_size", "/sizes", true),
        ("body_timeout", "/sizes", true),
        ("messages_per_second, bytes_per_second", "/waits", true),
        ("deliver_timeout, after messages_per_second", "/waits", true),
        ("first_message_timeout", "/silent", true),
        ("slow_consumer_timeout", "/slow", true),
        ("outbound_bytes, outbound_messages", "/drops", true),
        ("max_sessions of the service", "/full", false),
    ] {
        let told = warning(&mut server, limit);
        assert_eq!(told["service"], service, "{told}");
        assert_eq!(told["peer"], "127.0.0.1", "{told}");
        assert_eq!(told["session"].is_string(), has_session, "{told}");
    }
    let mut of = |service: &str| {
        let parsed = server.log().iter();
        let parsed = parsed.filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut fields = parsed.map(|line| line["fields"].clone());
        fields.any(|fields| fields["service"] == service && fields["limit"].is_string())
    };
    assert!(of("/closes") && of("/stuck"));
}

/// Whether it is the service or the program that has no place left is told.
#[test]
fn bounds_of_all_services_are_told_apart() {
    let config = format!("max_sessions = 1\n{}", service("/echo", "echo:", ""));
    let mut server = Server::with_config(&config);
    let session = opened(&server, "/echo");
    assert!(text(&Session::new(&server, "/echo").poll()).starts_with("c[1013,"));
    drop(session);
    assert_eq!(
        warning(&mut server, "max_sessions of all services")["message"],
        "session refused"
    );
}

/// Why a request without `Origin` was refused, and why one with another site's: each names the key that it is for.
#[test]
fn refused_origins_name_the_key_that_refuses_them() {
    for (fields, key) in [
        (None, "`allow_missing_origin` of the service"),
        (Some("https://evil.example"), "`origins` of the service"),
    ] {
        let mut server = Server::with_config(
            "[[service]]\nprefix = \"/echo\"\nbackend = \"echo:\"\nallow_missing_origin = false\n",
        );
        let request = Request::get("/echo/info");
        let request = match fields {
            Some(origin) => request.header("Origin", origin),
            None => request,
        };
        server.request(&request);
        let start = now();
        while !server.log().iter().any(|line| line.contains(key)) {
            assert!(
                start.elapsed() < ANSWER_DEADLINE,
                "{key}: {:?}",
                server.log()
            );
        }
    }
}

/// Browsers close, vanish and reset their connections all day: that is no warning, and no panic.
#[test]
fn browsers_that_vanish_are_no_warnings() {
    let mut server = echo_server("");
    for _ in 0..5 {
        let session = opened(&server, "/echo");
        park_poll(&server, &session).reset();
        let session = Session::new(&server, "/echo");
        let mut stream = session.open_xhr_streaming();
        stream.assert_chunk(OPEN);
        session.send("[\"x\"]");
        stream.connection.reset();
        let socket = RawSocket::open_sockjs(&server, "/echo");
        socket.connection.reset();
        let mut socket = RawSocket::open(&server, "/echo/websocket");
        socket.send(0xff, b"nonsense");
        drop(socket);
        let mut connection = server.connect();
        connection.send_raw(b"GET /echo/websocket HTTP/1.1\r\nHost: x\r\nUpgr");
        connection.reset();
    }
    lines(&mut server, "session ended", 20);
    server.assert_alive();
    let since = |line: &&String| !line.contains("listening on");
    for line in server.log().iter().skip_while(since) {
        let quiet = !line.contains("\"WARN\"") && !line.contains("\"ERROR\"");
        assert!(quiet && !line.contains("panicked"), "{line}");
    }
}
