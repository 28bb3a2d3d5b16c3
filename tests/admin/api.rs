//! What the API does.

use serde_json::{Value, json};
use sockjs_gateway::client::Transport;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{ECHO, Gateway, LOOPBACK, drive, echo, end, until, within};

async fn gateway() -> Gateway {
    Gateway::start(&format!("{LOOPBACK}tap_contents = true\n{ECHO}")).await
}

/// Sessions are found by what is known of them, in pages; those that have ended are not.
#[tokio::test]
async fn sessions_are_filtered_and_paged() {
    let gateway = gateway().await;
    let mut clients = Vec::new();
    for transport in [
        Transport::Websocket,
        Transport::XhrStreaming,
        Transport::XhrPolling,
    ] {
        clients.push(gateway.open(transport).await);
        clients.push(gateway.open(transport).await);
    }
    let total = async |query: &str| {
        let (status, list) = gateway.get(&format!("/api/v1/sessions?{query}")).await;
        assert_eq!(status, 200, "{query}: {list}");
        list["total"].as_u64().unwrap()
    };
    for (query, expected) in [
        ("", 6),
        ("transport=xhr-streaming", 2),
        ("service=/echo", 6),
        ("user=ada", 0),
        ("address=127.0.0.0/8", 6),
        ("address=10.0.0.0/8", 0),
        ("min_age=3600", 0),
        ("max_age=3600", 6),
        ("transport=websocket&state=receiving", 2),
    ] {
        assert_eq!(total(query).await, expected, "{query}");
    }
    let mut seen = Vec::new();
    for offset in 0..6 {
        let page = format!("/api/v1/sessions?sort=oldest&limit=1&offset={offset}");
        let (_, list) = gateway.get(&page).await;
        assert_eq!(list["sessions"].as_array().unwrap().len(), 1);
        seen.push(
            list["sessions"][0]["transport"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
    }
    let opened = ["websocket", "xhr-streaming", "xhr-polling"];
    assert_eq!(seen, opened.map(|name| [name, name]).concat());
    for mut client in clients {
        client.close(1000, "").await.unwrap();
    }
    until("the end of the WebSockets", async || {
        total("transport=websocket").await == 0
    })
    .await;
}

/// What needs a restart is told as it is in force, and beside it what waits.
#[tokio::test]
async fn keys_that_wait_for_a_restart_are_told_as_they_are() {
    let gateway = gateway().await;
    let told = async |key: &str| {
        let (_, config) = gateway.get("/api/v1/config").await;
        let mut keys = config["keys"].as_array().unwrap().iter();
        let found = keys.find(|told| told["key"] == key).cloned();
        found.unwrap_or_else(|| panic!("no {key}"))
    };
    let file = gateway.file().display().to_string();
    let backlog = told("server.backlog").await;
    assert_eq!(
        (&backlog["value"], &backlog["after_restart"]),
        (&4096.into(), &Value::Null)
    );
    let tables = format!(
        "max_sessions = 7\n{LOOPBACK}[server]\nbacklog = 77\n[[listener]]\naddress = \"127.0.0.1:1\"\n{ECHO}"
    );
    gateway.write(&tables);
    let (status, outcome) = gateway.post("/api/v1/reload", "{}").await;
    assert_eq!(status, 200, "{outcome}");
    for (key, value, next) in [
        ("server.backlog", json!(4096), json!(77)),
        ("admin.tap_contents", json!(true), json!(false)),
        (
            "listener",
            json!([]),
            json!([{ "address": "127.0.0.1:1", "proxy_protocol": false }]),
        ),
    ] {
        let told = told(key).await;
        assert_eq!(told["value"], value, "{told}");
        assert_eq!(told["after_restart"]["value"], next, "{told}");
    }
    let backlog = told("server.backlog").await;
    assert_eq!(backlog["origin"], "default");
    assert_eq!(backlog["after_restart"]["origin"], format!("{file}:6:11"));
    // What a reload takes over is in force.
    let sessions = told("max_sessions").await;
    assert_eq!(
        (&sessions["value"], &sessions["after_restart"]),
        (&7.into(), &Value::Null)
    );
}

/// A filter that there is not, or that no session could ever fit, is a slip: it is named, with what there is.
#[tokio::test]
async fn filters_that_are_unknown_are_refused() {
    let gateway = gateway().await;
    let _client = gateway.open(Transport::Websocket).await;
    let id = gateway.only_session().await;
    let tap = format!("sessions/{id}/tap");
    for (path, wrong, known) in [
        ("sessions", "colour=red", "transport"),
        ("sessions", "transport=pigeon", "websocket-raw"),
        ("sessions", "service=/other", "\"/echo\""),
        ("sessions", "state=asleep", "waiting"),
        ("sessions", "sort=best", "queued"),
        (&tap, "content=true", "contents"),
        (&tap, "contents=yes", "false"),
        ("status", "colour=red", "none"),
        ("config", "colour=red", "none"),
        (&format!("sessions/{id}"), "colour=red", "none"),
    ] {
        let (status, answer) = gateway.get(&format!("/api/v1/{path}?{wrong}")).await;
        assert_eq!(status, 400, "{wrong}: {answer}");
        let error = answer["error"].as_str().unwrap();
        let (name, value) = wrong.split_once('=').unwrap();
        assert!(error.contains(name), "{wrong}: {error}");
        assert!(error.contains(known), "{wrong}: {error}");
        let of_name = ["colour", "content"].contains(&name);
        assert!(of_name || error.contains(value), "{wrong}: {error}");
    }
}

/// HEAD is answered wherever GET is, with the same head and without the body. (RFC 9110 §9.1, §9.3.2)
#[tokio::test]
async fn head_is_get_without_the_body() {
    let gateway = gateway().await;
    let _client = gateway.open(Transport::Websocket).await;
    let id = gateway.only_session().await;
    let (session, tap) = (
        format!("/api/v1/sessions/{id}"),
        format!("/api/v1/sessions/{id}/tap"),
    );
    let head = async |method: &str, path: &str| {
        let answer = gateway.text(method, path, "", "").await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let told = |name: &str| {
            let lines = head.lines().map(str::to_ascii_lowercase);
            let mut values = lines.filter_map(|line| line.strip_prefix(name).map(str::to_owned));
            values.next()
        };
        let kind = told("content-type: ");
        assert!(method != "HEAD" || body.is_empty(), "{path}: {body}");
        (head[9..12].to_owned(), kind, told("allow: "))
    };
    for path in [
        "/",
        "/admin.js",
        "/live",
        "/ready",
        "/metrics",
        "/api/v1/status",
        "/api/v1/config",
        "/api/v1/sessions",
        &session,
        "/nothing",
        "/api/v1/nothing",
    ] {
        assert_eq!(head("HEAD", path).await, head("GET", path).await, "{path}");
    }
    // Of a stream that lasts, the head.
    let (status, kind, _) = head("HEAD", &tap).await;
    assert_eq!(status, "200");
    assert!(kind.unwrap().starts_with("text/event-stream"));
    assert_eq!(head("HEAD", "/api/v1/sessions/00000000/tap").await.0, "404");
    for (method, path, allowed) in [
        ("HEAD", "/api/v1/drain", "post"),
        ("PUT", "/metrics", "get, head"),
        ("PUT", "/", "get, head"),
    ] {
        let (status, _, allow) = head(method, path).await;
        assert_eq!(
            (&*status, allow.as_deref()),
            ("405", Some(allowed)),
            "{path}"
        );
    }
}

/// A session is never called by the id in its URL, and its own name opens nothing.
#[tokio::test]
async fn the_secret_id_is_not_shown() {
    let gateway = gateway().await;
    let url = format!("http://{}/echo", gateway.public);
    let builder = sockjs_gateway::client::Builder::new(&url).unwrap();
    let builder = builder.transports([Transport::XhrPolling]).unwrap();
    let builder = builder.session("000", "s3cretsecret").unwrap();
    let _client = within("a session", builder.connect()).await.unwrap();
    let id = gateway.only_session().await;
    for path in [
        "sessions".to_owned(),
        format!("sessions/{id}"),
        "status".to_owned(),
    ] {
        let (_, answer) = gateway.get(&format!("/api/v1/{path}")).await;
        assert!(!answer.to_string().contains("s3cret"), "{answer}");
    }
    assert_eq!(gateway.get("/api/v1/sessions/s3cretsecret").await.0, 400);
    // Whoever tries it as a session's id opens another session.
    let sent = format!("/echo/000/{id}/xhr_send");
    let stream = TcpStream::connect(&gateway.public).await.unwrap();
    drop(stream);
    assert_eq!(gateway.public(&sent).await.0, 405);
}

/// By the first digits of its id, what it came to.
#[tokio::test]
async fn one_session_is_shown() {
    let gateway = gateway().await;
    let mut client = gateway.open(Transport::XhrStreaming).await;
    echo(&mut client, "hello").await;
    let id = gateway.only_session().await;
    let (status, session) = gateway.get(&format!("/api/v1/sessions/{}", &id[..8])).await;
    assert_eq!(status, 200);
    assert_eq!(session["received"], json!({ "messages": 1, "bytes": 5 }));
    assert_eq!(session["sent"], json!({ "messages": 1, "bytes": 5 }));
    assert_eq!(session["end"], Value::Null);
    let other = if id.starts_with('0') { "1111" } else { "0000" };
    assert_eq!(
        gateway.get(&format!("/api/v1/sessions/{other}")).await.0,
        404
    );
    assert_eq!(gateway.get("/api/v1/sessions/xyz").await.0, 400);
}

/// On every transport, browsers see the operator's code and reason; nobody else's session ends.
#[tokio::test]
async fn kicks_end_who_is_meant() {
    let gateway = gateway().await;
    for transport in [
        Transport::Websocket,
        Transport::XhrStreaming,
        Transport::XhrPolling,
    ] {
        let mut client = gateway.open(transport).await;
        let id = gateway.only_session().await;
        let body = json!({ "id": id, "code": 4001, "reason": "bye" }).to_string();
        let (status, outcome) = gateway.post("/api/v1/kick", &body).await;
        assert_eq!(
            (status, outcome),
            (200, json!({ "kicked": 1 })),
            "{transport}"
        );
        assert_eq!(
            end(&mut client).await,
            (4001, "bye".to_owned()),
            "{transport}"
        );
        until("no session", async || {
            gateway.get("/api/v1/status").await.1["sessions"] == 0
        })
        .await;
    }
    let mut client = gateway.open(Transport::Websocket).await;
    for (body, status) in [
        (json!({}), 400),
        (json!({ "service": "/other" }), 404),
        (json!({ "id": "0000", "code": 1005 }), 400),
        (json!({ "id": "0000", "reason": "x".repeat(124) }), 400),
        (json!({ "whom": "all" }), 400),
    ] {
        assert_eq!(
            gateway.post("/api/v1/kick", &body.to_string()).await.0,
            status,
            "{body}"
        );
    }
    let (_, outcome) = gateway.post("/api/v1/kick", r#"{"user":"ada"}"#).await;
    assert_eq!(outcome, json!({ "kicked": 0 }));
    echo(&mut client, "still here").await;
    let (_, outcome) = gateway.post("/api/v1/kick", r#"{"service":"/echo"}"#).await;
    assert_eq!(outcome, json!({ "kicked": 1 }));
    assert_eq!(end(&mut client).await.0, 4000);
    // They are counted once a second.
    until("the count", async || {
        gateway.get("/api/v1/status").await.1["totals"]["ended"]["operator"] == 4
    })
    .await;
}

/// The events of a tap, until its end.
async fn tapped(gateway: &Gateway, query: &str) -> tokio::task::JoinHandle<Vec<Value>> {
    let id = gateway.only_session().await;
    let mut stream = TcpStream::connect(&gateway.admin).await.unwrap();
    let request = format!(
        "GET /api/v1/sessions/{id}/tap?{query} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    while !text.contains(": tapped") {
        let mut piece = [0; 4096];
        let length = within("the tap", stream.read(&mut piece)).await.unwrap();
        text.push_str(std::str::from_utf8(&piece[..length]).unwrap());
    }
    tokio::spawn(async move {
        let mut rest = Vec::new();
        within("the tap's end", stream.read_to_end(&mut rest))
            .await
            .unwrap();
        text.push_str(std::str::from_utf8(&rest).unwrap());
        let events = text.lines().filter_map(|line| line.strip_prefix("data: "));
        events
            .map(|event| serde_json::from_str(event).unwrap())
            .collect()
    })
}

/// Both ways, in order, with what they say by choice only; the last tells how the session ended.
#[tokio::test]
async fn taps_tell_what_passes() {
    let gateway = gateway().await;
    for transport in [
        Transport::Websocket,
        Transport::XhrStreaming,
        Transport::XhrPolling,
    ] {
        for contents in [false, true] {
            let mut client = gateway.open(transport).await;
            let events = tapped(&gateway, &format!("contents={contents}")).await;
            echo(&mut client, "hello").await;
            gateway.post("/api/v1/kick", r#"{"service":"/echo"}"#).await;
            end(&mut client).await;
            let mut events = within("the events", events).await.unwrap();
            assert_eq!(
                events.pop().unwrap(),
                json!({ "cause": "operator", "code": 4000, "reason": "Ended by the operator" })
            );
            let what: Vec<_> = events
                .iter()
                .map(|event| {
                    format!(
                        "{} {}",
                        event["direction"].as_str().unwrap(),
                        event["frame"].as_str().unwrap()
                    )
                })
                .filter(|what| what != "out heartbeat")
                .collect();
            assert_eq!(
                what,
                ["in messages", "out messages", "out close"],
                "{transport}"
            );
            let said = events
                .iter()
                .filter(|event| event["contents"] == json!([{ "text": "hello" }]));
            assert_eq!(said.count(), if contents { 2 } else { 0 }, "{transport}");
            assert_eq!(events[0]["bytes"], 5, "{transport}");
            until("no session", async || {
                gateway.get("/api/v1/status").await.1["sessions"] == 0
            })
            .await;
        }
    }
}

/// Who finds no room for a tap is told how many there may be.
#[tokio::test]
async fn taps_beyond_the_limit_are_told_of_it() {
    let gateway = gateway().await;
    let _client = gateway.open(Transport::Websocket).await;
    let mut taps = Vec::new();
    for _ in 0..4 {
        taps.push(tapped(&gateway, "contents=false").await);
    }
    let id = gateway.only_session().await;
    let (status, answer) = gateway.get(&format!("/api/v1/sessions/{id}/tap")).await;
    assert_eq!(status, 503, "{answer}");
    let what = answer["error"].as_str().unwrap();
    assert!(what.contains("4 taps of this session"), "{what}");
    taps.iter().for_each(tokio::task::JoinHandle::abort);
}

/// A program that stops takes no other configuration: as with an undrain, that is a conflict and no mistake of the file.
#[tokio::test]
async fn reloads_come_too_late_while_it_stops() {
    let tables = format!("{LOOPBACK}{ECHO}[drain]\nwindow = \"1h\"\n");
    let gateway = Gateway::start(&tables).await;
    let _clients = [
        drive(gateway.open(Transport::Websocket).await),
        drive(gateway.open(Transport::Websocket).await),
    ];
    gateway.terminate();
    until("the stop", async || {
        gateway.get("/api/v1/status").await.1["stopping"] == true
    })
    .await;
    let (status, answer) = gateway.post("/api/v1/reload", "{}").await;
    assert_eq!(status, 409, "{answer}");
    assert!(answer["error"].as_str().unwrap().contains("stops"));
}

/// Without `tap_contents` nobody reads what messages say.
#[tokio::test]
async fn contents_are_shown_where_it_is_allowed_only() {
    let gateway = Gateway::start(&format!("{LOOPBACK}{ECHO}")).await;
    let _client = gateway.open(Transport::Websocket).await;
    let id = gateway.only_session().await;
    let (status, answer) = gateway
        .get(&format!("/api/v1/sessions/{id}/tap?contents=true"))
        .await;
    assert_eq!(status, 403);
    assert!(answer["error"].as_str().unwrap().contains("tap_contents"));
}

/// A reload tells what has changed; a mistake is told, and changes nothing.
#[tokio::test]
async fn reloads_tell_what_came_of_them() {
    let gateway = gateway().await;
    let before = std::fs::read_to_string(gateway.file()).unwrap();
    let more = format!("{before}[[service]]\nprefix = \"/more\"\nbackend = \"close:\"\n");
    std::fs::write(gateway.file(), &more).unwrap();
    let (status, outcome) = gateway.post("/api/v1/reload", "{}").await;
    assert_eq!((status, &outcome["added"]), (200, &json!(["/more"])));
    assert_eq!(gateway.public("/more").await.0, 200);
    let (_, status) = gateway.get("/api/v1/status").await;
    assert_eq!(status["services"][1]["name"], "more");
    std::fs::write(gateway.file(), format!("{more}colour = \"red\"\n")).unwrap();
    let (status, outcome) = gateway.post("/api/v1/reload", "{}").await;
    assert_eq!(status, 422);
    let mistake = outcome["mistakes"][0].as_str().unwrap();
    assert!(
        mistake.contains("gateway.toml:") && mistake.contains("colour"),
        "{mistake}"
    );
    let (_, config) = gateway.get("/api/v1/config").await;
    assert!(config.to_string().contains("service.more.prefix"));
}

/// A drain with a window goes on until it is taken back; who was not ended yet stays.
#[tokio::test]
async fn drains_can_be_taken_back() {
    let gateway = gateway().await;
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(drive(gateway.open(Transport::Websocket).await));
    }
    gateway
        .post(
            "/api/v1/drain",
            r#"{"window_seconds":3600,"code":4005,"reason":"moved"}"#,
        )
        .await;
    let sessions = async || gateway.get("/api/v1/status").await.1["sessions"].clone();
    // The first goes at once.
    until("the first end", async || sessions().await == 3).await;
    gateway.post("/api/v1/undrain", "{}").await;
    let _new = drive(gateway.open(Transport::Websocket).await);
    assert_eq!(sessions().await, 4);
    let (_, status) = gateway.get("/api/v1/status").await;
    assert_eq!(status["readiness"], "ready");
    gateway.post("/api/v1/drain", "{}").await;
    until("all ends", async || sessions().await == 0).await;
    drop(clients);
}

/// For Prometheus, in the format that it wants.
#[tokio::test]
async fn metrics_are_served() {
    let gateway = gateway().await;
    let page = gateway.text("GET", "/metrics", "", "").await;
    assert!(page.contains("text/plain; version=0.0.4"), "{page}");
    let accept = "Accept: application/openmetrics-text;version=1.0.0\r\n";
    let page = gateway.text("GET", "/metrics", accept, "").await;
    assert!(page.contains("application/openmetrics-text"), "{page}");
    assert!(page.ends_with("# EOF\n"), "{page}");
}
