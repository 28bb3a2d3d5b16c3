//! Who may ask.

use sockjs_gateway::client::Transport;

use crate::support::{ECHO, Folder, Gateway, LOOPBACK, err, mode_of, run, until};

/// An address that strangers reach is refused before a port is bound, with what to write instead.
#[tokio::test]
async fn open_listeners_are_refused() {
    for (listen, mode) in [
        ("0.0.0.0:0", "0600"),
        ("[::]:0", "0600"),
        ("systemd", "0600"),
        ("unix:/tmp/x.sock", "0666"),
    ] {
        for command in ["check", "run"] {
            let (listen, mode) = (
                format!("admin.listen={listen}"),
                format!("admin.mode={mode}"),
            );
            let arguments = [
                command,
                "--to",
                "echo:",
                "--listen",
                "127.0.0.1:0",
                "--set",
                &listen,
                "--set",
                &mode,
            ];
            let output = run(&arguments).await;
            assert_eq!(output.status.code(), Some(64), "{listen}");
            let message = err(&output);
            assert!(message.contains("token_file"), "{listen}: {message}");
            assert!(!message.contains("listening"), "{listen}: {message}");
        }
    }
}

/// Without the token nothing is told or changed; the page is there to ask for it, and health for orchestrators.
#[tokio::test]
async fn tokens_are_asked_for() {
    const TOKEN: &str = "0123456789abcdef";
    let folder = Folder::new();
    folder.write("token", &format!("{TOKEN}\n"));
    // It is beside the file that names it, wherever the gateway and the commands are started.
    let token_file = "token_file = \"token\"\n";
    let gateway = Gateway::start_in(folder, &format!("{LOOPBACK}{token_file}{ECHO}")).await;
    let wrong = [
        "",
        "Authorization: Bearer 0123456789abcdeF\r\n",
        "Authorization: Basic 0123456789abcdef\r\n",
    ];
    for fields in wrong {
        for path in [
            "/api/v1/status",
            "/api/v1/sessions",
            "/api/v1/config",
            "/api/v1/nothing",
            "/metrics",
        ] {
            let (status, answer) = gateway.ask("GET", path, fields, "").await;
            assert_eq!(status, 401, "{path}: {answer}");
        }
        let fields = format!("{fields}Content-Type: application/json\r\n");
        assert_eq!(
            gateway.ask("POST", "/api/v1/drain", &fields, "{}").await.0,
            401
        );
    }
    assert_eq!(gateway.get("/ready").await.0, 200);
    assert!(
        gateway
            .text("GET", "/", "", "")
            .await
            .contains("<!DOCTYPE html>")
    );
    let right = format!("Authorization: Bearer {TOKEN}\r\n");
    let (status, config) = gateway.ask("GET", "/api/v1/config", &right, "").await;
    assert_eq!(status, 200);
    assert!(!config.to_string().contains(TOKEN));
    // The commands find the token where the gateway does.
    assert!(gateway.command(&["status"]).await.status.success());
    let admin = ["status", "--admin", &gateway.admin];
    let output = run(&admin).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("token"), "{}", err(&output));
}

/// A new token is taken over by a reload, and by `watch`; one that would not do changes nothing.
#[tokio::test]
async fn tokens_are_replaced_without_a_restart() {
    const FIRST: &str = "0123456789abcdef";
    const SECOND: &str = "fedcba9876543210";
    for watch in ["", "watch = \"100ms\"\n"] {
        let folder = Folder::new();
        folder.write("token", FIRST);
        let tables = format!("{watch}{LOOPBACK}token_file = \"token\"\n{ECHO}");
        let gateway = Gateway::start_in(folder, &tables).await;
        let bearer = |token: &str| {
            format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\n")
        };
        let reload = async |token: &str| {
            let fields = bearer(token);
            gateway.ask("POST", "/api/v1/reload", &fields, "{}").await
        };
        let is_let_in = async |token: &str| {
            let fields = bearer(token);
            gateway.ask("GET", "/api/v1/status", &fields, "").await.0 == 200
        };
        if watch.is_empty() {
            gateway.folder.write("token", "short");
            let (status, wrong) = reload(FIRST).await;
            assert_eq!(status, 422, "{wrong}");
            assert!(wrong.to_string().contains("admin.token_file"), "{wrong}");
            assert!(is_let_in(FIRST).await);
        }
        // As secrets are replaced: in one step.
        let next = gateway.folder.write("next", SECOND);
        std::fs::rename(next, gateway.folder.path("token")).unwrap();
        if watch.is_empty() {
            let (status, outcome) = reload(FIRST).await;
            assert_eq!(status, 200, "{outcome}");
            assert_eq!(outcome["needs_restart"], serde_json::json!([]));
        }
        until("the new token", async || is_let_in(SECOND).await).await;
        assert!(!is_let_in(FIRST).await);
        gateway
            .logged("the admin listener asks for another token")
            .await;
        // Where there would be none any more, a restart is needed, as for the other keys.
        gateway.write(&format!("{LOOPBACK}tap_contents = true\n{ECHO}"));
        if watch.is_empty() {
            let (_, outcome) = reload(SECOND).await;
            let waiting = serde_json::json!(["admin.token_file", "admin.tap_contents"]);
            assert_eq!(outcome["needs_restart"], waiting);
            assert!(is_let_in(SECOND).await && !is_let_in(FIRST).await);
        }
    }
}

/// However many connect and say nothing, or ask without the token: operators and probes get in.
#[tokio::test]
async fn strangers_keep_nobody_out() {
    const PLACES: usize = 1024;
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let folder = Folder::new();
    folder.write("token", "0123456789abcdef");
    let path = folder.path("admin.sock");
    let admin = format!(
        "[admin]\nlisten = \"unix:{}\"\ntoken_file = \"token\"\n",
        path.display()
    );
    let over_unix = Gateway::start_in(folder, &format!("{admin}{ECHO}")).await;
    let folder = Folder::new();
    folder.write("token", "0123456789abcdef");
    let over_tcp = format!("{LOOPBACK}token_file = \"token\"\n{ECHO}");
    let over_tcp = Gateway::start_in(folder, &over_tcp).await;
    for gateway in [&over_unix, &over_tcp] {
        let mut known = gateway.connect().await;
        let status = "GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer 0123456789abcdef\r\n\r\n";
        assert!(known.ask(status).await.starts_with("HTTP/1.1 200 "));
        let mut strangers = Vec::new();
        for index in 0..=PLACES {
            let mut stranger = gateway.connect().await;
            if index % 2 == 0 {
                stranger.send("GET /api/v1/status HTTP/1.1\r\n").await;
            }
            strangers.push(stranger);
        }
        assert_eq!(gateway.get("/ready").await.0, 200);
        let right = "Authorization: Bearer 0123456789abcdef\r\n";
        let (status_code, _) = gateway.ask("GET", "/api/v1/status", right, "").await;
        assert_eq!(status_code, 200);
        assert!(known.ask(status).await.starts_with("HTTP/1.1 200 "));
        strangers[0].ended().await;
        let metrics = gateway.text("GET", "/metrics", right, "").await;
        let displaced = metrics.lines().find_map(|line| {
            line.strip_prefix("sockjs_connections_refused_total{reason=\"admin_newcomer\"} ")
        });
        let displaced = displaced.unwrap_or_else(|| panic!("{metrics}"));
        assert!(displaced.parse::<f64>().unwrap() >= 1.0, "{displaced}");
    }
}

/// What a page of another site can make a browser send changes nothing and learns nothing.
#[tokio::test]
async fn other_sites_are_refused() {
    let gateway = Gateway::start(&format!("{LOOPBACK}{ECHO}")).await;
    let session = gateway.open(Transport::Websocket).await;
    let json = "Content-Type: application/json\r\n";
    // The target would count, and not the field. (RFC 9112 §3.2.2)
    for target in ["http://evil.example/api/v1/status", "http://evil.example/"] {
        let answer = gateway.ask("GET", target, "Host: localhost\r\n", "").await;
        assert_eq!(answer.0, 403, "{target}");
    }
    for (fields, status) in [
        ("Host: evil.example\r\n", 403),
        ("Origin: http://evil.example\r\n", 403),
        ("Origin: null\r\n", 403),
        ("Sec-Fetch-Site: cross-site\r\n", 403),
    ] {
        assert_eq!(
            gateway.ask("GET", "/api/v1/status", fields, "").await.0,
            status,
            "{fields}"
        );
        let fields = format!("{fields}{json}");
        assert_eq!(
            gateway.ask("POST", "/api/v1/drain", &fields, "{}").await.0,
            status,
            "{fields}"
        );
    }
    for kind in [
        "",
        "Content-Type: text/plain\r\n",
        "Content-Type: application/x-www-form-urlencoded\r\n",
    ] {
        assert_eq!(
            gateway.ask("POST", "/api/v1/drain", kind, "{}").await.0,
            415,
            "{kind}"
        );
    }
    assert_eq!(gateway.get("/api/v1/drain").await.0, 405);
    assert_eq!(
        gateway
            .text("GET", "/", "Host: evil.example\r\n", "")
            .await
            .get(9..12),
        Some("403")
    );
    // A preflight is not approved.
    let preflight = gateway
        .text(
            "OPTIONS",
            "/api/v1/drain",
            "Origin: http://evil.example\r\n",
            "",
        )
        .await;
    assert!(
        !preflight.to_ascii_lowercase().contains("access-control"),
        "{preflight}"
    );
    assert_eq!(gateway.get("/api/v1/status").await.1["draining"], false);
    drop(session);
}

/// A Unix socket is its owner's, and gone with the program's end.
#[tokio::test]
async fn unix_sockets_are_their_owners() {
    let folder = Folder::new();
    let path = folder.path("admin.sock");
    let admin = format!("[admin]\nlisten = \"unix:{}\"\n", path.display());
    let gateway = Gateway::start_in(folder, &format!("{admin}{ECHO}")).await;
    assert_eq!(mode_of(&path), 0o600);
    assert_eq!(gateway.get("/api/v1/status").await.0, 200);
    assert!(gateway.command(&["status"]).await.status.success());
    gateway.stop().await;
    assert!(!path.exists());
}
