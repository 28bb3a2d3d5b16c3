//! `sockjs-gateway doctor URL`: what it measures, prints and exits with, straight and through a proxy.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::fixture::{assert_readable, echo_server, service};
use crate::support::{Server, wait_for_exit};

/// Everything but silence takes about 11 s.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs the command to its end.
#[track_caller]
pub(crate) fn doctor(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sockjs-gateway"));
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    let mut child = command
        .arg("doctor")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the shipped binary starts");
    // What it prints fits into the pipe only while somebody reads.
    let mut pipe = child.stdout.take().expect("is piped");
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        bytes
    });
    let status = wait_for_exit(&mut child, LIMIT);
    let mut stderr = Vec::new();
    let _ = child
        .stderr
        .take()
        .expect("is piped")
        .read_to_end(&mut stderr);
    Output {
        status,
        stdout: reader.join().expect("the reader ends"),
        stderr,
    }
}

/// The examination as JSON, which must have found that messages get through.
#[track_caller]
fn examination(arguments: &[&str]) -> Value {
    let output = doctor(&[arguments, &["--json"]].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    serde_json::from_slice(&output.stdout).expect("the output is JSON")
}

fn url(server: &Server, path: &str) -> String {
    format!("http://{}{path}", server.address.authority)
}

fn outcomes(examination: &Value) -> Vec<(&str, &str)> {
    let transports = examination["report"]["transports"].as_array();
    let transports = transports.expect("a report has transports").iter();
    transports
        .filter_map(|tested| Some((tested["name"].as_str()?, tested["outcome"].as_str()?)))
        .collect()
}

fn ids(examination: &Value) -> Vec<&str> {
    let findings = examination["verdict"]["findings"].as_array();
    let findings = findings.expect("a verdict has findings").iter();
    findings
        .filter_map(|finding| finding["id"].as_str())
        .collect()
}

/// With the doctor on, everything is measured, and the server's side of it is there.
#[test]
fn gateway_with_a_doctor_is_examined_in_full() {
    let server = echo_server("doctor = true\ndoctor_results = 1");
    let done = examination(&[&url(&server, "/echo/doctor"), "--idle", "1"]);
    assert_eq!(
        outcomes(&done),
        [
            "websocket",
            "xhr-streaming",
            "eventsource",
            "htmlfile",
            "xhr-polling",
            "jsonp-polling"
        ]
        .map(|name| (name, "works"))
    );
    let report = &done["report"];
    for tested in report["transports"].as_array().expect("a list") {
        let lengths = ["echo_ms", "paced_ms"].map(|key| tested[key].as_array().map(Vec::len));
        assert_eq!(lengths, [Some(5), Some(5)], "{tested}");
    }
    assert_eq!(report["stream"]["drip"]["error"], Value::Null);
    assert_eq!(report["upload"][2]["ok"], json!(true));
    assert_eq!(report["download"][2]["ok"], json!(true));
    assert_eq!(report["idle"].as_array().map(Vec::len), Some(3));
    assert_eq!(report["idle"][0]["survived_s"], json!(1.0));
    assert!(report["busy"]["survived_s"].is_number());
    assert_eq!(report["info"]["cors"], json!("ok"));
    assert_eq!(done["seen"]["requests"][0]["status"], json!(101));
    assert!(ids(&done).contains(&"all-good"), "{done}");
    let code = done["code"].as_str().expect("the result is kept");
    assert_eq!(
        server
            .get(&format!("/echo/doctor/results/{code}"))
            .head
            .status,
        200
    );
}

/// Without a doctor it is tested what can be, and said what could not.
#[test]
fn other_services_are_examined_as_far_as_possible() {
    let config = [
        service("/echo", "echo:", "websocket = false"),
        service("/close", "close:", ""),
    ]
    .concat();
    let server = Server::with_config(&config);
    let echo = examination(&[&url(&server, "/echo"), "--no-idle"]);
    assert!(
        outcomes(&echo)
            .iter()
            .all(|(_, outcome)| *outcome == "works"),
        "{echo}"
    );
    assert_eq!(echo["report"]["upload"][2]["ok"], json!(true));
    assert_eq!(echo["seen"], Value::Null);
    assert!(ids(&echo).contains(&"websocket-off"), "{echo}");

    let close = examination(&[&url(&server, "/close"), "--idle", "1"]);
    assert!(ids(&close).contains(&"untested"), "{close}");
    assert!(
        !ids(&close).contains(&"idle-cut"),
        "the service ended it: {close}"
    );
}

/// For a person: a line per transport, the verdict, the code.
#[test]
fn report_is_readable() {
    let server = echo_server("doctor = true\ndoctor_results = 1");
    let output = doctor(&[&url(&server, "/echo"), "--no-idle"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_readable(
        &text,
        &[
            "✔ websocket ",
            "✔ jsonp-polling ",
            "Everything works from your network.",
            "Tell the code ",
        ],
    );
}

/// Where nothing answers it says so and exits with 1, without hanging.
#[test]
fn nothing_there_is_exit_code_1() {
    let port = TcpListener::bind("127.0.0.1:0")
        .expect("a free port")
        .local_addr()
        .expect("is bound")
        .port();
    let output = doctor(&[&format!("http://127.0.0.1:{port}/echo")]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.contains("The server cannot be reached") && text.contains("Connection refused"),
        "{text}"
    );

    // One that takes connections and never says anything.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let output = doctor(&[&format!(
        "http://{}/echo",
        silent.local_addr().expect("is bound")
    )]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("no answer in 5 s"));

    let server = echo_server("");
    let output = doctor(&[&url(&server, "/nowhere")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("no such service at this address"));
}

/// Wrong arguments end with 64 before anything is sent.
#[test]
fn wrong_arguments_are_usage_errors() {
    for (arguments, expected) in [
        (&[][..], "<URL>"),
        (&["nonsense"], "https://app.example.com/echo"),
        (&["ws://127.0.0.1:1/echo"], "http:// or https://"),
        (&["http://127.0.0.1:1/echo", "--idle", "x"], "--idle"),
        (&["http://127.0.0.1:1/echo", "--idle", "0"], "--idle"),
        (
            &["http://127.0.0.1:1/echo", "--idle", "5", "--no-idle"],
            "--no-idle",
        ),
        (
            &[
                "http://127.0.0.1:1/echo",
                "--proxy",
                "http://127.0.0.1:99999",
            ],
            "--proxy",
        ),
        (
            &["http://127.0.0.1:1/echo", "--proxy", "socks5://127.0.0.1"],
            "--proxy",
        ),
        (
            &["http://127.0.0.1:1/echo", "--origin", "nonsense"],
            "--origin",
        ),
    ] {
        let output = doctor(arguments);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {message}");
        assert!(message.contains(expected), "{arguments:?}: {message}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    }
}

/// A forward proxy that refuses tunnels, as Squid's default does to ports other than 443.
fn proxy_without_tunnels() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("is bound").to_string();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || forward(stream));
        }
    });
    address
}

/// Relays one connection to the host of its first request, which is never another one in these tests.
fn forward(mut browser: TcpStream) -> Option<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && browser.read(&mut byte).ok()? == 1 {
        head.push(byte[0]);
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    if text.starts_with("CONNECT ") {
        let refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        return browser.write_all(refusal).ok();
    }
    let authority = text.split("http://").nth(1)?.split('/').next()?;
    let mut server = TcpStream::connect(authority).ok()?;
    server.write_all(&head).ok()?;
    let (mut from, mut to) = (browser.try_clone().ok()?, server.try_clone().ok()?);
    thread::spawn(move || {
        std::io::copy(&mut from, &mut to).and_then(|_| to.shutdown(std::net::Shutdown::Write))
    });
    std::io::copy(&mut server, &mut browser).ok()?;
    browser.shutdown(std::net::Shutdown::Both).ok()
}

/// A proxy is used as browsers use it: absolute URLs for plain requests, a tunnel for WebSocket, whose refusal is named.
#[test]
fn proxy_that_refuses_tunnels_is_found() {
    let server = echo_server("doctor = true");
    let proxy = proxy_without_tunnels();
    let done = examination(&[
        &url(&server, "/echo"),
        "--no-idle",
        "--proxy",
        &format!("http://{proxy}"),
    ]);
    let outcomes = outcomes(&done);
    assert_eq!(outcomes[0], ("websocket", "refused"));
    assert!(
        outcomes[1..].iter().all(|(_, outcome)| *outcome == "works"),
        "{outcomes:?}"
    );
    assert_eq!(done["report"]["transports"][0]["status"], json!(403));
    assert!(ids(&done).contains(&"websocket-blocked"), "{done}");
    assert_eq!(done["report"]["proxy"], json!(format!("http://{proxy}")));
}
