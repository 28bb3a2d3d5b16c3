//! The program as operators meet it: help, version, exit codes, messages. (DESIGN: exit code 64 before a port is bound)

use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::fixture::{opened, service};
use crate::support::{Request, Server, TemporaryFile, now};

/// Runs the program to its end, which must come by itself.
#[track_caller]
fn run(arguments: &[&str]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sockjs-gateway"))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the shipped binary starts");
    // One that serves instead of ending is told to stop: its exit code is wrong then.
    let started = now();
    while child.try_wait().expect("our child can be asked").is_none() {
        if started.elapsed() > Duration::from_secs(5) {
            child.kill().expect("our child can be ended");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    child.wait_with_output().expect("the output can be read")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Ends with 64, says `expected` on standard error, nothing on standard output, and never listened.
#[track_caller]
fn assert_usage_error(arguments: &[&str], expected: &str) {
    let output = run(arguments);
    let message = err(&output);
    assert_eq!(output.status.code(), Some(64), "{arguments:?}: {message}");
    assert!(
        message.contains(expected),
        "{arguments:?}: {message:?} lacks {expected:?}"
    );
    assert!(
        !message.contains("listening"),
        "a port was bound: {message}"
    );
    assert!(!message.contains("panicked"), "{message}");
    assert_eq!(out(&output), "");
}

/// `--version` names the program and its version, on standard output.
#[test]
fn version_is_printed() {
    for flag in ["--version", "-V"] {
        let output = run(&[flag]);
        assert_eq!(output.status.code(), Some(0));
        let expected = format!("sockjs-gateway {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!(out(&output), expected);
        assert_eq!(err(&output), "");
    }
}

/// `--help` is asked for: standard output, 0. It shows every command and an example.
#[test]
fn help_is_printed() {
    let output = run(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    for word in [
        "--to",
        "--listen",
        "--prefix",
        "--origin",
        "run",
        "demo",
        "Examples:",
        "Exit codes:",
    ] {
        assert!(out(&output).contains(word), "{word}");
    }
    assert_eq!(err(&output), "");
    for command in ["run", "demo"] {
        assert_eq!(run(&[command, "--help"]).status.code(), Some(0));
    }
}

/// Without arguments it says what to do.
#[test]
fn no_arguments_is_a_usage_error() {
    assert_usage_error(&[], "say what to serve: --to URL, --config FILE");
}

/// Wrong arguments name themselves and end with 64.
#[test]
fn wrong_arguments_are_usage_errors() {
    for (arguments, expected) in [
        (&["--nonsense"][..], "--nonsense"),
        (&["nonsense"], "nonsense"),
        (&["--to"], "--to"),
        (&["--to", "http://127.0.0.1/"], "http://127.0.0.1/"),
        (&["--to", "ws://"], "ws://127.0.0.1:9000/socket"),
        (&["--to", "nonsense"], "ws:"),
        (&["--to", "echo:", "--listen", "nonsense"], "nonsense"),
        (&["--to", "echo:", "--listen", "127.0.0.1"], "127.0.0.1"),
        (
            &["--to", "echo:", "--listen", "127.0.0.1:99999"],
            "127.0.0.1:99999",
        ),
        (&["--to", "echo:", "--prefix", "nonsense"], "nonsense"),
        (&["--to", "echo:", "--prefix", "/a/"], "/a/"),
        (&["--to", "echo:", "--prefix", "/a b"], "/a b"),
        (&["--to", "echo:", "--origin", "nonsense"], "nonsense"),
        (&["--to", "echo:", "--origin", "https://a/b"], "https://a/b"),
        (&["run"], "--config"),
        (
            &["run", "--config", "/nonexistent/gateway.toml"],
            "/nonexistent/gateway.toml",
        ),
        (&["run", "--config", "/"], "cannot read /"),
        (&["demo", "--to", "echo:"], "--to"),
    ] {
        assert_usage_error(arguments, expected);
    }
}

/// A configuration with a mistake names the file, the place and the value, and no port is bound.
#[test]
fn wrong_configurations_are_usage_errors() {
    let good = service("/a", "echo:", "");
    let cases = [
        (String::new(), "there is no service"),
        ("nonsense".to_owned(), ":1:"),
        (format!("lisen = \"127.0.0.1:0\"\n{good}"), "lisen"),
        (format!("listen = \"nonsense\"\n{good}"), "listen"),
        (format!("{good}nonsense = 1\n"), "nonsense"),
        (format!("{good}heartbeat_delay = \"0s\"\n"), "\"0s\""),
        (format!("{good}heartbeat_delay = 25\n"), "heartbeat_delay"),
        (format!("{good}disconnect_delay = \"off\"\n"), "\"off\""),
        (format!("{good}max_body_size = \"1MB\"\n"), "\"1MB\""),
        (format!("{good}max_body_size = -1\n"), "max_body_size"),
        (format!("{good}max_sessions = 0\n"), "max_sessions"),
        (format!("{good}transports = [\"nonsense\"]\n"), "nonsense"),
        (format!("{good}transports = []\n"), "transports"),
        (
            format!("{good}sockjs_url = \"javascript:alert(1)\"\n"),
            "javascript:alert(1)",
        ),
        (
            format!("{good}sockjs_url = \"/a\\\"><script>\"\n"),
            "sockjs_url",
        ),
        (format!("{good}{good}"), "two services"),
        (
            format!("trusted_proxies = [\"nonsense\"]\n{good}"),
            "nonsense",
        ),
        (
            format!("[server]\nmax_connections = 0\n{good}"),
            "max_connections",
        ),
        (format!("[server]\nnonsense = 0\n{good}"), "nonsense"),
        ("[[service]]\nbackend = \"echo:\"\n".to_owned(), "prefix"),
        ("[[service]]\nprefix = \"/a\"\n".to_owned(), "backend"),
        (
            "[[service]]\nprefix = \"/a\"\nbackend = \"ftp://x\"\n".to_owned(),
            "ftp://x",
        ),
        (
            "[[service]]\nprefix = \"/a\"\nbackend = \"echo:\"\norigins = \"nonsense\"\n"
                .to_owned(),
            "nonsense",
        ),
        (
            "[[service]]\nprefix = \"/a\"\nbackend = \"echo:\"\norigins = []\n".to_owned(),
            "origins",
        ),
        (
            format!("{good}[service.upstream]\nheaders = [\"connection\"]\n"),
            "connection",
        ),
    ];
    for (text, expected) in cases {
        let file = TemporaryFile::new(&text);
        let path = file.path.to_str().expect("our path is text");
        assert_usage_error(
            &["run", "--config", path, "--listen", "127.0.0.1:0"],
            expected,
        );
        assert_usage_error(&["run", "--config", path], path);
    }
}

/// A configuration that is no text is refused, not a panic.
#[test]
fn binary_configuration_is_a_usage_error() {
    let file = TemporaryFile::new("");
    std::fs::write(&file.path, b"\xff\xfe\0").expect("the file can be written");
    let path = file.path.to_str().expect("our path is text");
    assert_usage_error(&["run", "--config", path], path);
}

/// A port that is taken is no mistake in the arguments: 1, and the address.
#[test]
fn taken_port_is_a_failure() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("a bound port").to_string();
    let output = run(&["--to", "echo:", "--listen", &address]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        err(&output).contains(&format!("cannot listen on {address}")),
        "{}",
        err(&output)
    );
}

/// A secret in the backend's URL is not shown.
#[test]
fn query_of_the_backend_url_is_not_logged() {
    let config = service("/a", "ws://127.0.0.1:9/socket?token=s3cret", "");
    let mut server = Server::with_config_and_log(&config, "trace");
    assert_eq!(server.get("/a").head.status, 200);
    assert!(!server.log().join("\n").contains("s3cret"));
}

/// One service from the command line, with the defaults of the help.
#[test]
fn service_of_the_command_line_is_served() {
    let server = Server::with_arguments(&["--to", "echo:", "--listen", "127.0.0.1:0"]);
    let session = opened(&server, "/sockjs");
    session.send("[\"x\"]");
    session.poll().assert_is(200, "a[\"x\"]\n");
    let foreign = Request::get("/sockjs/info").header("Origin", "https://evil.example");
    assert_eq!(server.request(&foreign).head.status, 403);
}

/// `--prefix` and `--origin` say where, and for whom.
#[test]
fn prefix_and_origins_of_the_command_line_count() {
    let server = Server::with_arguments(&[
        "--to",
        "echo:",
        "--prefix",
        "/live/feed",
        "--origin",
        "https://app.example.com",
        "--origin",
        "https://other.example.com",
        "--listen",
        "127.0.0.1:0",
    ]);
    for (origin, status) in [
        ("https://app.example.com", 200),
        ("https://other.example.com", 200),
        ("https://evil.example", 403),
    ] {
        let request = Request::get("/live/feed/info").header("Origin", origin);
        assert_eq!(server.request(&request).head.status, status, "{origin}");
    }
    server.get("/sockjs").assert_not_found();
}

/// The demo serves its page, everything the page loads, and its services.
#[test]
fn demo_serves_its_page_and_services() {
    let server = Server::with_arguments(&["demo", "--listen", "127.0.0.1:0"]);
    let page = server.get("/");
    assert_eq!(page.head.status, 200);
    page.head.assert_content_type("text/html; charset=UTF-8");
    let script = server.get("/demo.js");
    let loaded = [page.body, script.body].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    for path in ["/common.css", "/demo.css", "/demo.js", "/sockjs.js"] {
        assert_eq!(server.get(path).head.status, 200, "{path}");
        assert!(loaded.iter().any(|text| text.contains(path)), "{path}");
    }
    for service in ["/echo", "/close", "/broadcast", "/amplify"] {
        opened(&server, service);
    }
}

/// The log goes to standard error, one JSON object per line when that is no terminal.
#[test]
fn log_is_json_lines() {
    let mut server = Server::with_arguments(&["--to", "echo:", "--listen", "127.0.0.1:0"]);
    assert_eq!(server.get("/sockjs").head.status, 200);
    for line in server.log() {
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(line);
        assert!(parsed.is_ok(), "{line}");
    }
}
