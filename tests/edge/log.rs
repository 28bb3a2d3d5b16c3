//! The log on standard error: who does not read it holds up nobody, and who does gets all of it.

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitStatus;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

use super::program::Program;
use super::support::{Folder, ask, within};

/// A gateway that logs what nobody asked for too, and its port.
fn run(folder: &Folder, more: &str) -> (Program, u16) {
    let service = "[[service]]\nprefix = \"/s\"\nbackend = \"echo:\"\n";
    let text = format!("listen = \"127.0.0.1:0\"\n{more}{service}");
    let file = folder.write("gateway.toml", &text);
    let mut program = Program::run_in(
        &["run", "--config", file.to_str().unwrap()],
        &[("RUST_LOG", OsStr::new("sockjs_gateway=debug"))],
    );
    let port = program.port();
    (program, port)
}

/// Asks so many times for what is not there, which is a line of the log each, with the path in it.
async fn ask_in_vain(port: u16, path: &str, times: usize) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    for _ in 0..times {
        let answer = ask(&mut stream, &request).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    }
}

async fn end(mut program: Program) -> (Program, ExitStatus) {
    let ended = tokio::task::spawn_blocking(move || {
        let status = program.wait();
        (program, status)
    });
    within("the end", ended).await.unwrap()
}

/// Lines that were lost so far, as the metrics at `socket` have them.
async fn dropped(socket: &Path) -> f64 {
    let mut metrics = UnixStream::connect(socket).await.unwrap();
    let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    metrics.write_all(request.as_bytes()).await.unwrap();
    let mut page = String::new();
    let read = metrics.read_to_string(&mut page);
    within("the metrics", read).await.unwrap();
    let dropped = page
        .lines()
        .find_map(|line| line.strip_prefix("sockjs_log_lines_dropped_total "));
    let dropped = dropped.unwrap_or_else(|| panic!("{page}"));
    dropped.trim().parse().unwrap()
}

/// Standard error is a pipe that is full: requests are answered all the same, what could not be kept is counted, and the program
/// stops in order and in time.
#[tokio::test]
async fn nobody_has_to_read_the_log() {
    let folder = Folder::new();
    let socket = folder.file("admin");
    let admin = format!("[admin]\nlisten = \"unix:{}\"\n", socket.display());
    let (program, port) = run(&folder, &admin);
    // More than may wait, and as much again.
    let path = format!("/{}", "x".repeat(6000));
    within("answers", ask_in_vain(port, &path, 3000)).await;
    let lost = dropped(&socket).await;
    assert!(lost > 100.0, "{lost}");
    program.signal("TERM");
    let (_, status) = end(program).await;
    assert!(status.success(), "{status}");
}

/// Who is gone, with the pipe, is not needed either; and what is lost is counted, not told again and again where nobody can be told.
#[tokio::test]
async fn the_log_may_lose_its_reader() {
    let folder = Folder::new();
    let socket = folder.file("admin");
    let admin = format!("[admin]\nlisten = \"unix:{}\"\n", socket.display());
    let (mut program, port) = run(&folder, &admin);
    program.stops_reading();
    within("answers", ask_in_vain(port, "/nowhere", 1000)).await;
    let lost = dropped(&socket).await;
    // A line for each request, and a few for connections.
    assert!(lost <= 1100.0, "{lost}");
    program.signal("TERM");
    let (_, status) = end(program).await;
    assert!(status.success(), "{status}");
}

/// A burst is written to its last line before the program ends, though the pipe has no room for it while it runs.
#[tokio::test]
async fn no_line_is_lost_at_the_end() {
    const LINES: usize = 2000;
    let folder = Folder::new();
    let (mut program, port) = run(&folder, "");
    within("answers", ask_in_vain(port, "/nowhere", LINES)).await;
    program.signal("TERM");
    let log = tokio::task::spawn_blocking(move || {
        let rest = program.rest();
        (rest, program.wait())
    });
    let (log, status) = within("the end", log).await.unwrap();
    assert!(status.success(), "{status}");
    let lines = log.lines().filter(|line| line.contains("\"/nowhere\""));
    assert_eq!(lines.count(), LINES);
    assert!(log.lines().last().unwrap().contains("\"stopped\""), "{log}");
}

/// A level that is none would leave the log empty: it says so, as a line that programs can read.
#[tokio::test]
async fn a_level_that_is_none_is_told() {
    for (level, serves) in [("warm", false), ("foo[", true)] {
        let folder = Folder::new();
        let service = "[[service]]\nprefix = \"/s\"\nbackend = \"echo:\"\n";
        let file = folder.write(
            "gateway.toml",
            &format!("listen = \"127.0.0.1:0\"\n{service}"),
        );
        let arguments = ["run", "--config", file.to_str().unwrap()];
        let mut program = Program::run_in(&arguments, &[("RUST_LOG", OsStr::new(level))]);
        let told = program.says("RUST_LOG is");
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told["level"], "WARN");
        let message = told["fields"]["message"].as_str().unwrap();
        assert!(
            message.contains(level) && message.contains("write a level"),
            "{message}"
        );
        if serves {
            program.port();
        }
    }
}

/// What keeps a program from starting is a line like the others of the log, whatever `RUST_LOG` lets through.
#[tokio::test]
async fn failure_to_start_is_a_line_of_the_log() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for level in ["info", "off"] {
        let arguments = ["--to", "echo:", "--listen", &address];
        let mut program = Program::run_in(&arguments, &[("RUST_LOG", OsStr::new(level))]);
        let log = program.rest();
        let last = log.lines().last().unwrap_or_default();
        let last: serde_json::Value =
            serde_json::from_str(last).unwrap_or_else(|_| panic!("{log}"));
        assert_eq!(last["level"], "ERROR");
        let message = last["fields"]["message"].as_str().unwrap();
        assert!(message.contains("cannot listen"), "{message}");
        assert_eq!(program.wait().code(), Some(1));
    }
}

/// Why it ends at a second signal is said, though it ends at once.
#[tokio::test]
async fn second_signal_is_told() {
    let folder = Folder::new();
    let (mut program, port) = run(&folder, "");
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let poll = "POST /s/0/a/xhr HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    assert!(ask(&mut stream, poll).await.unwrap().contains("200 OK"));
    program.signal("TERM");
    program.says("\"stopping\"");
    program.signal("TERM");
    let log = program.rest();
    assert!(
        log.lines().last().unwrap().contains("second signal"),
        "{log}"
    );
    assert_eq!(program.wait().code(), Some(1));
}
