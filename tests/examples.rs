//! Each example, driven once: started, and spoken to over polling and over WebSocket.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tungstenite::{Message, WebSocket};

/// A running example; ended when dropped.
struct Example {
    process: Child,
    address: String,
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn program(name: &str) -> PathBuf {
    let tests = std::env::current_exe().expect("a test knows its own path");
    let folder = tests.parent().and_then(|deps| deps.parent());
    let folder = folder.expect("a profile folder");
    folder.join("examples").join(name)
}

fn start(name: &str) -> Example {
    let program = program(name);
    let mut process = Command::new(&program)
        .arg("127.0.0.1:0")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!(
                "cannot start {}: {error}; build it with --examples",
                program.display()
            )
        });
    let mut lines = BufReader::new(process.stderr.take().expect("piped")).lines();
    let line = lines
        .next()
        .expect("the example says where it listens")
        .expect("text");
    let address = line
        .split("http://")
        .nth(1)
        .and_then(|rest| rest.split('/').next());
    let address = address
        .unwrap_or_else(|| panic!("no address in {line:?}"))
        .to_owned();
    Example { process, address }
}

impl Example {
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).expect("the example accepts");
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .expect("a timeout can be set");
        stream
    }

    /// Status and body of one request on a connection of its own.
    fn request(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let mut stream = self.connect();
        let length = body.len();
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
            .expect("the request is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the answer ends");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .expect("a status");
        (status, body.to_owned())
    }

    fn websocket(&self, path: &str) -> WebSocket<TcpStream> {
        let url = format!("ws://{}{path}", self.address);
        tungstenite::client(url, self.connect())
            .expect("the handshake succeeds")
            .0
    }
}

fn text(socket: &mut WebSocket<TcpStream>) -> String {
    socket
        .read()
        .expect("a message comes")
        .into_text()
        .expect("text")
        .as_str()
        .to_owned()
}

/// Polls, sends and polls again; then the same in a WebSocket.
fn assert_answers(example: &Example, prefix: &str, answer: &str) {
    let session = format!("{prefix}/000/abcd");
    assert_eq!(
        example.request("POST", &format!("{session}/xhr"), "").1,
        "o\n"
    );
    assert_eq!(
        example
            .request("POST", &format!("{session}/xhr_send"), "[\"hello\"]")
            .0,
        204
    );
    assert_eq!(
        example.request("POST", &format!("{session}/xhr"), "").1,
        format!("a[\"{answer}\"]\n")
    );

    let mut socket = example.websocket(&format!("{prefix}/000/efgh/websocket"));
    assert_eq!(text(&mut socket), "o");
    socket.send(Message::text("[\"hello\"]")).expect("sent");
    assert_eq!(text(&mut socket), format!("a[\"{answer}\"]"));
}

#[test]
fn echo_sends_messages_back() {
    assert_answers(&start("echo"), "/echo", "hello");
}

#[test]
fn client_speaks_to_the_echo() {
    let example = start("echo");
    let url = format!("http://{}/echo", example.address);
    for transport in ["auto", "xhr-polling"] {
        let output = Command::new(program("client"))
            .args([&*url, transport, "hello", "you"])
            .output()
            .expect("the client runs");
        let printed = String::from_utf8(output.stdout).expect("text");
        assert!(output.status.success(), "{printed}");
        assert!(printed.contains(r#"{"message":"hello"}"#), "{printed}");
        assert!(printed.contains(r#"{"message":"you"}"#), "{printed}");
        assert!(
            printed.contains(r#"{"code":1000,"reason":"done"}"#),
            "{printed}"
        );
    }
}

#[test]
fn axum_application_serves_its_page_and_the_service() {
    let example = start("axum");
    assert_eq!(
        example.request("GET", "/", "").1,
        "the application's own page"
    );
    assert_eq!(
        example.request("GET", "/shout", "").1,
        "Welcome to SockJS!\n"
    );
    assert_answers(&example, "/shout", "HELLO");
}

#[test]
fn chat_passes_messages_between_members() {
    let example = start("chat");
    let mut ann = example.websocket("/chat/websocket");
    assert!(text(&mut ann).ends_with(" joined"));
    let mut bob = example.websocket("/chat/websocket");
    assert!(text(&mut bob).ends_with(" joined"));
    assert!(text(&mut ann).ends_with(" joined"));
    bob.send(Message::text("hi")).expect("sent");
    assert!(text(&mut ann).ends_with(": hi"));
    assert!(text(&mut bob).ends_with(": hi"));
    bob.close(None).expect("closed");
    assert!(text(&mut ann).ends_with(" left"));
}
