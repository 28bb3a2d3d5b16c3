//! The server under test: the one at `SOCKJS_URL`, or the shipped binary, started for one test and
//! killed when the test ends.

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use super::connection::{self, Connection, Stream};
use super::deadline::{Deadline, START_DEADLINE};
use super::http::{Request, Response};

/// Where the server under test listens, split as requests need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// `host:port`.
    pub(crate) authority: String,
    /// Path before the services, mostly empty; no slash at the end.
    pub(crate) base_path: String,
}

impl Address {
    /// Splits `http://host[:port][/path]`.
    #[track_caller]
    fn parse(url: &str) -> Self {
        let rest = url
            .strip_prefix("http://")
            .unwrap_or_else(|| panic!("SOCKJS_URL must start with http://: {url:?}"));
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let has_port = authority
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        Self {
            authority: if has_port {
                authority.to_owned()
            } else {
                format!("{authority}:80")
            },
            base_path: path.trim_end_matches('/').to_owned(),
        }
    }
}

/// The server under test, for as long as this value lives.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: Address,
    /// Killed on drop; `None` when the server is not ours.
    _gateway: Option<Gateway>,
}

impl Server {
    /// Takes the server at `SOCKJS_URL`, or starts the shipped binary on a free port.
    #[track_caller]
    pub(crate) fn start() -> Self {
        if let Ok(url) = env::var("SOCKJS_URL") {
            return Self {
                address: Address::parse(&url),
                _gateway: None,
            };
        }
        let mut gateway = Gateway::spawn();
        Self {
            address: gateway.wait_for_address(),
            _gateway: Some(gateway),
        }
    }

    #[track_caller]
    pub(crate) fn connect(&self) -> Connection {
        Connection::open(&self.address)
    }

    #[track_caller]
    pub(crate) fn request(&self, request: &Request) -> Response {
        connection::exchange(&self.address, request)
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Response {
        self.request(&Request::get(path))
    }

    /// A POST with an empty body.
    #[track_caller]
    pub(crate) fn post(&self, path: &str) -> Response {
        self.request(&Request::post(path))
    }

    #[track_caller]
    pub(crate) fn open_stream(&self, request: &Request) -> Stream {
        connection::open_stream(&self.address, request)
    }
}

/// The running binary and what it logs.
#[derive(Debug)]
struct Gateway {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Gateway {
    #[track_caller]
    fn spawn() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sockjs-gateway"))
            .args(["run", "--config"])
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/sockjs-protocol-tests/gateway.toml"
            ))
            .args(["--listen", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the shipped binary starts");
        let (sender, lines) = mpsc::channel();
        forward_lines(child.stdout.take().expect("is piped"), sender.clone());
        forward_lines(child.stderr.take().expect("is piped"), sender);
        Self {
            child,
            lines,
            seen: Vec::new(),
        }
    }

    /// Reads the log up to the line that announces the listener: `… listening … http://ADDR …`.
    #[track_caller]
    fn wait_for_address(&mut self) -> Address {
        let deadline = Deadline::after(START_DEADLINE);
        while let Some(line) = deadline
            .remaining()
            .and_then(|left| self.lines.recv_timeout(left).ok())
        {
            let address = listening_address(&line);
            self.seen.push(line);
            if let Some(address) = address {
                return address;
            }
        }
        panic!(
            "the shipped binary ended or logged no line with `listening` and `http://ADDR` within {START_DEADLINE:?}"
        );
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            self.seen.extend(self.lines.iter());
            #[allow(clippy::print_stderr, reason = "libtest shows it with the failure")]
            {
                eprintln!("log of the server under test:\n{}", self.seen.join("\n"));
            }
        }
    }
}

/// The first `http://host:port` of a log line that contains `listening`, plain or JSON.
fn listening_address(line: &str) -> Option<Address> {
    if !line.contains("listening") {
        return None;
    }
    let url = &line[line.find("http://")?..];
    let scheme = "http://".len();
    let length = url[scheme..]
        .find(|character: char| !(character.is_ascii_alphanumeric() || ".:[]-".contains(character)))
        .map_or(url.len(), |end| scheme + end);
    Some(Address::parse(&url[..length]))
}

/// Sends every line to `lines` until the pipe ends, so that the binary never blocks on its log.
fn forward_lines(pipe: impl Read + Send + 'static, lines: Sender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            // The test has ended when nobody listens, but the pipe must still be emptied.
            let _ = lines.send(line);
        }
    });
}
