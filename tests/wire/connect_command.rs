//! `sockjs-gateway connect`: lines in, lines out, against the shipped binary.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::fixture::{TRANSPORTS, echo_server, service};
use crate::support::{Server, wait_for_exit};

const LIMIT: Duration = Duration::from_secs(30);

/// The command, running; ended on drop.
struct Session {
    child: Child,
    input: Option<ChildStdin>,
    output: Option<BufReader<ChildStdout>>,
}

impl Session {
    #[track_caller]
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sockjs-gateway"))
            .arg("connect")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the shipped binary starts");
        Self {
            input: child.stdin.take(),
            output: child.stdout.take().map(BufReader::new),
            child,
        }
    }

    #[track_caller]
    fn send(&mut self, line: &str) {
        let input = self.input.as_mut().expect("the input is open");
        writeln!(input, "{line}").expect("the command reads");
    }

    /// The next line of output, which must come.
    #[track_caller]
    fn line(&mut self) -> String {
        let mut line = String::new();
        let output = self.output.as_mut().expect("the output is open");
        output.read_line(&mut line).expect("the output is text");
        assert!(line.ends_with('\n'), "the output ended: {line:?}");
        line.trim_end_matches('\n').to_owned()
    }

    #[track_caller]
    fn event(&mut self) -> Value {
        serde_json::from_str(&self.line()).expect("a line is an object")
    }

    fn end_input(&mut self) {
        self.input = None;
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status()
            .expect("kill(1) is there");
        assert!(status.success(), "the command has ended before the signal");
    }

    /// Waits for its end. Gives exit code, the rest of the output, and what was told on standard error.
    #[track_caller]
    fn end(mut self) -> (Option<i32>, String, String) {
        let status: ExitStatus = wait_for_exit(&mut self.child, LIMIT);
        let (mut rest, mut told) = (String::new(), String::new());
        if let Some(output) = &mut self.output {
            output.read_to_string(&mut rest).expect("text");
        }
        let stderr = self.child.stderr.as_mut().expect("is piped");
        stderr.read_to_string(&mut told).expect("text");
        assert!(!told.contains("panicked"), "{told}");
        (status.code(), rest, told)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn url(server: &Server, path: &str) -> String {
    format!("http://{}{path}", server.address.authority)
}

/// Every line is a message, every message a line; the end of the input ends the session.
#[test]
fn lines_go_and_come_on_every_transport() {
    let server = echo_server("");
    for transport in TRANSPORTS {
        let mut session =
            Session::start(&[&url(&server, "/echo"), "--transport", transport, "--quiet"]);
        for line in ["hello", "", "ä \"quoted\" \\ line"] {
            session.send(line);
            assert_eq!(session.line(), line, "{transport}");
        }
        session.end_input();
        let (code, rest, told) = session.end();
        assert_eq!((code, &*rest, &*told), (Some(0), "", ""), "{transport}");
    }
}

/// Everything is sent before the session is closed, however fast the input ends.
#[test]
fn input_that_ends_at_once_is_sent_completely() {
    let server = Server::with_config(&service("/room", "broadcast:", ""));
    for transport in TRANSPORTS {
        let mut listener = Session::start(&[&url(&server, "/room"), "--stay", "--json"]);
        assert_eq!(listener.event()["event"], "open");
        let mut speaker = Session::start(&[&url(&server, "/room"), "--transport", transport]);
        for number in 0..100 {
            speaker.send(&number.to_string());
        }
        speaker.end_input();
        assert_eq!(speaker.end().0, Some(0), "{transport}");
        for number in 0..100 {
            let expected = json!({ "event": "message", "text": number.to_string() });
            assert_eq!(listener.event(), expected, "{transport}");
        }
    }
}

/// `--json`: an object per event, and JSON strings as input, so that line breaks can be sent.
#[test]
fn events_are_objects() {
    let server = echo_server("");
    let address = url(&server, "/echo");
    let mut session = Session::start(&[
        &address,
        "--json",
        "--transport",
        "xhr-streaming,xhr-polling",
    ]);
    let open = session.event();
    assert_eq!(open["event"], "open");
    assert_eq!(open["transport"], "xhr-streaming");
    assert_eq!(open["failed"], json!([]));
    assert!(open["round_trip_ms"].is_number() && open["total_ms"].is_number());
    session.send(r#""two\nlines""#);
    assert_eq!(
        session.event(),
        json!({ "event": "message", "text": "two\nlines" })
    );
    // What is no string is told, and the session goes on; but not everything was sent.
    session.send("nonsense");
    session.send(r#""more""#);
    assert_eq!(session.event()["text"], "more");
    session.end_input();
    assert_eq!(
        session.event(),
        json!({ "event": "close", "code": 1000, "reason": "" })
    );
    let (code, _, told) = session.end();
    assert_eq!(code, Some(1));
    assert!(told.contains("line 2 of the input is not sent"), "{told}");
}

/// With `--stay` the end of the input is not the end.
#[test]
fn staying_prints_until_the_server_closes() {
    let server = echo_server("");
    let mut session = Session::start(&[&url(&server, "/echo"), "--stay", "--json"]);
    assert_eq!(session.event()["event"], "open");
    session.send(r#""last""#);
    session.end_input();
    assert_eq!(session.event()["text"], "last");
    server.signal("TERM");
    let close = session.event();
    assert_eq!(
        (&close["event"], &close["code"]),
        (&json!("close"), &json!(1012))
    );
    // Nobody of the two meant to end it in order.
    let (code, _, told) = session.end();
    assert_eq!(code, Some(1));
    assert!(told.contains("--reconnect"), "{told}");
}

/// A close that the server means is in order.
#[test]
fn close_of_the_server_is_told() {
    let server = Server::with_config(&service("/close", "close:", ""));
    let session = Session::start(&[&url(&server, "/close"), "--stay"]);
    let (code, rest, told) = session.end();
    assert_eq!((code, &*rest), (Some(0), ""), "{told}");
    assert!(told.contains("connected over websocket in "), "{told}");
    assert!(told.contains("closed (3000 Go away!)"), "{told}");
}

/// Ctrl-C closes in order.
#[test]
fn interrupt_closes_in_order() {
    let server = echo_server("");
    for transport in TRANSPORTS {
        let mut session =
            Session::start(&[&url(&server, "/echo"), "--json", "--transport", transport]);
        assert_eq!(session.event()["event"], "open");
        session.signal("INT");
        let close = session.event();
        assert_eq!(close["code"], 1000, "{transport}");
        assert_eq!(session.end().0, Some(0), "{transport}");
    }
}

/// As in `connect URL | head -1`: who reads has seen enough.
#[test]
fn closed_output_is_the_end() {
    let server = echo_server("");
    let mut session = Session::start(&[&url(&server, "/echo"), "--quiet"]);
    session.send("one");
    assert_eq!(session.line(), "one");
    session.output = None;
    session.send("two");
    let (code, _, told) = session.end();
    assert_eq!((code, &*told), (Some(0), ""));
}

/// A lost session is told, and followed by a new one.
#[test]
fn lost_session_is_followed_by_a_new_one() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let listen = listener.local_addr().expect("is bound").to_string();
    drop(listener);
    let arguments = ["--to", "echo:", "--prefix", "/echo", "--listen", &listen];
    let server = Server::with_arguments(&arguments);
    let address = url(&server, "/echo");
    let mut session = Session::start(&[&address, "--reconnect", "--json"]);
    assert_eq!(session.event()["event"], "open");
    drop(server);
    assert_eq!(session.event()["event"], "lost");
    let _server = Server::with_arguments(&arguments);
    let again = session.event();
    assert_eq!(again["event"], "reconnected");
    assert_eq!(again["transport"], "websocket");
    session.send(r#""hello""#);
    assert_eq!(session.event()["text"], "hello");
    session.end_input();
    assert_eq!(session.event()["code"], 1000);
    assert_eq!(session.end().0, Some(0));
}

/// Where there is nothing, it says what to look at, and leaves with 1.
#[test]
fn nothing_there_is_exit_code_1() {
    let server = echo_server("");
    let mut session = Session::start(&[&url(&server, "/nowhere"), "--json"]);
    let close = session.event();
    assert_eq!(
        (&close["event"], &close["code"]),
        (&json!("close"), &json!(1002))
    );
    let (code, _, told) = session.end();
    assert_eq!(code, Some(1));
    assert!(told.contains("there is no SockJS service at "), "{told}");
}

/// What stands in the way is named, with what to change there.
#[test]
fn obstacles_are_told_apart() {
    let server = Server::with_config(
        "[[service]]\nprefix = \"/echo\"\nbackend = \"echo:\"\norigins = [\"https://app.example\"]\n",
    );
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let nobody = format!("http://{}/echo", listener.local_addr().expect("is bound"));
    drop(listener);
    let told = |arguments: &[&str]| {
        let (code, _, told) = Session::start(arguments).end();
        assert_eq!(code, Some(1), "{told}");
        told
    };
    let refused = told(&[&url(&server, "/echo"), "--origin", "https://evil.example"]);
    assert!(
        refused.contains("refuses the page as one of another site") && refused.contains("--origin"),
        "{refused}"
    );
    let away = told(&[&nobody]);
    assert!(
        away.contains("cannot be reached") && away.contains("whether the server runs"),
        "{away}"
    );
    for text in [refused, away] {
        assert!(!text.contains("there is no SockJS service"), "{text}");
    }
}

/// A close of the gateway's own is told with what it means; the doctor, which looks at networks, would not help.
#[test]
fn closes_of_the_gateway_are_explained() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let nobody = listener.local_addr().expect("is bound");
    drop(listener);
    let config = [
        service("/away", &format!("ws://{nobody}/"), ""),
        service("/full", "echo:", "max_sessions = 1"),
    ];
    let server = Server::with_config(&config.concat());
    let _place = crate::fixture::opened(&server, "/full");
    for (path, meaning, advice) in [
        ("/away", "the upstream cannot be reached", "--deep"),
        ("/full", "as many sessions as it may", "max_sessions"),
    ] {
        let session = Session::start(&[&url(&server, path), "--stay"]);
        let (code, _, told) = session.end();
        assert_eq!(code, Some(1), "{told}");
        assert!(told.contains(meaning) && told.contains(advice), "{told}");
        assert!(!told.contains("doctor"), "{told}");
    }
}

/// Wrong arguments end with 64 before anything is sent.
#[test]
fn wrong_arguments_are_usage_errors() {
    let address = "http://127.0.0.1:1/echo";
    for (arguments, expected) in [
        (&[][..], "<URL>"),
        (&["nonsense"], "http://"),
        (&[address, "--transport", "jsonp"], "xhr-streaming"),
        (&[address, "--header", "nonsense"], "--header"),
        (&[address, "--silence", "x"], "10s"),
        (&[address, "--stay=x"], "10s"),
        (&[address, "--ca", "/nowhere/ca.pem"], "--ca"),
    ] {
        let (code, rest, told) = Session::start(arguments).end();
        assert_eq!(code, Some(64), "{arguments:?}: {told}");
        assert!(told.contains(expected), "{arguments:?}: {told}");
        assert_eq!(rest, "");
    }
}
