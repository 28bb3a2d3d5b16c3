//! The server under test: the one at `SOCKJS_URL`, or the shipped binary, started for one test and
//! killed when the test ends; spoken to over what `SOCKJS_OVER` says.

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

use super::connection::{self, Connection, Stream};
use super::deadline::{Deadline, START_DEADLINE};
use super::http::{Request, Response};
use super::over::http2::Relay;
use super::over::{Over, tls};
use super::session::random_id;

/// The shipped binary.
const BINARY: &str = env!("CARGO_BIN_EXE_sockjs-gateway");

/// The services of the shipped binary.
const CONFIG: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/sockjs-protocol-tests/gateway.toml"
);

/// Whether TLS is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Http => "http://",
            Self::Https => "https://",
        }
    }

    /// What URLs of WebSockets begin with.
    pub(crate) const fn of_websockets(self) -> &'static str {
        match self {
            Self::Http => "ws",
            Self::Https => "wss",
        }
    }
}

/// Where the server under test listens, split as requests need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) scheme: Scheme,
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
            .strip_prefix(Scheme::Http.prefix())
            .unwrap_or_else(|| panic!("SOCKJS_URL must start with http://: {url:?}"));
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let has_port = authority
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        Self {
            scheme: Scheme::Http,
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
    /// What `address` is of, when it speaks HTTP/2 with the server.
    relay: Option<Relay>,
    /// Killed on drop; `None` when the server is not ours.
    gateway: Option<Gateway>,
}

impl Server {
    /// Takes the server at `SOCKJS_URL`, or starts the shipped binary on a free port; over what `SOCKJS_OVER` says.
    #[track_caller]
    pub(crate) fn start() -> Self {
        let over = Over::for_this_test();
        let mut server = match env::var("SOCKJS_URL") {
            Ok(url) => {
                assert!(
                    over != Over::Tls,
                    "SOCKJS_OVER=tls is for the shipped binary, whose certificate is known; leave SOCKJS_URL out"
                );
                Self {
                    address: Address::parse(&url),
                    relay: None,
                    gateway: None,
                }
            }
            Err(_) if over == Over::Tls => Self::with_tls(),
            Err(_) => Self::run(Gateway::spawn(CONFIG.as_ref(), "info")),
        };
        if over == Over::Http2 {
            let relay = Relay::start(&server.address);
            server.address = relay.address.clone();
            server.relay = Some(relay);
        }
        server
    }

    /// Starts the shipped binary with a listener that speaks TLS.
    #[track_caller]
    fn with_tls() -> Self {
        let services = std::fs::read_to_string(CONFIG).expect("the configuration is there");
        let (listener, _files) = tls::listener();
        let file = TemporaryFile::new(&format!("{services}\n{listener}"));
        let mut command = Command::new(BINARY);
        command
            .args(["run", "--config"])
            .arg(&file.path)
            .env("RUST_LOG", "info");
        // The files are read before the listener is announced.
        Self::run(Gateway::spawn_command(command))
    }

    /// Starts the shipped binary with the configuration `toml` on a free port.
    #[track_caller]
    pub(crate) fn with_config(toml: &str) -> Self {
        Self::with_config_and_log(toml, "info")
    }

    /// As [`Self::with_config`], logging as `log` says (`RUST_LOG`).
    #[track_caller]
    pub(crate) fn with_config_and_log(toml: &str, log: &str) -> Self {
        let file = TemporaryFile::new(toml);
        // The file is read before the listener is announced.
        Self::run(Gateway::spawn(&file.path, log))
    }

    /// Starts the shipped binary with these arguments, which must make it listen on a free port.
    #[track_caller]
    pub(crate) fn with_arguments(arguments: &[&str]) -> Self {
        let mut command = Command::new(BINARY);
        command.args(arguments);
        Self::run(Gateway::spawn_command(command))
    }

    /// As [`Self::with_config`], with a limit on open files (`ulimit -n`).
    #[track_caller]
    pub(crate) fn with_config_and_open_files(toml: &str, limit: u32) -> Self {
        let file = TemporaryFile::new(toml);
        let mut command = Command::new("sh");
        // `exec` keeps the process id: the shell becomes the server.
        command
            .arg("-c")
            .arg(format!(
                "ulimit -n {limit} && exec \"$0\" run --config \"$1\" --listen 127.0.0.1:0"
            ))
            .arg(BINARY)
            .arg(&file.path);
        Self::run(Gateway::spawn_command(command))
    }

    /// Processor time that the server has used, user and system together (Linux).
    #[track_caller]
    pub(crate) fn processor_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid()))
            .expect("the server runs, on Linux");
        // The name in parentheses may hold blanks; the times are the 14th and 15th fields, in hundredths of a second.
        let (_, fields) = stat.rsplit_once(')').expect("the name is in parentheses");
        let ticks: u64 = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(|ticks| ticks.parse::<u64>().expect("times are numbers"))
            .sum();
        Duration::from_millis(ticks * 10)
    }

    #[track_caller]
    fn run(mut gateway: Gateway) -> Self {
        Self {
            address: gateway.wait_for_address(),
            relay: None,
            gateway: Some(gateway),
        }
    }

    #[track_caller]
    fn gateway(&mut self) -> &mut Gateway {
        self.gateway.as_mut().expect("the server is ours")
    }

    /// The process id of the server, which must be ours.
    #[track_caller]
    pub(crate) fn pid(&self) -> u32 {
        self.gateway
            .as_ref()
            .expect("the server is ours")
            .child
            .lock()
            .id()
    }

    /// Sends the server a signal such as `TERM`.
    #[track_caller]
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args(["-s", name, &self.pid().to_string()])
            .status()
            .expect("kill(1) is there");
        assert!(status.success(), "the server has ended before the signal");
    }

    /// How the process ended, which must be within `limit`.
    #[track_caller]
    pub(crate) fn wait_for_exit(&self, limit: Duration) -> ExitStatus {
        let gateway = self.gateway.as_ref().expect("the server is ours");
        wait_for_exit(&mut gateway.child.lock(), limit)
    }

    /// The server still runs and answers.
    #[track_caller]
    pub(crate) fn assert_alive(&self) {
        let status = self.get("/").head.status;
        assert!(status < 500, "the server answers {status}");
    }

    /// What the server has logged so far.
    pub(crate) fn log(&mut self) -> &[String] {
        let gateway = self.gateway();
        gateway.seen.extend(gateway.lines.get_mut().try_iter());
        &gateway.seen
    }

    /// Resident memory of the server in KiB (Linux).
    #[track_caller]
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()))
            .expect("the server runs, on Linux");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .expect("a process has VmRSS");
        let number = line.trim().trim_end_matches(" kB");
        number.parse().expect("VmRSS is a number of kB")
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
    child: Mutex<Child>,
    /// Behind a lock so that the server can be shared by threads.
    lines: Mutex<Receiver<String>>,
    seen: Vec<String>,
}

impl Gateway {
    #[track_caller]
    fn spawn(config: &Path, log: &str) -> Self {
        let mut command = Command::new(BINARY);
        command
            .args(["run", "--config"])
            .arg(config)
            .args(["--listen", "127.0.0.1:0"])
            .env("RUST_LOG", log);
        Self::spawn_command(command)
    }

    #[track_caller]
    fn spawn_command(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the shipped binary starts");
        let (sender, lines) = mpsc::channel();
        forward_lines(child.stdout.take().expect("is piped"), sender.clone());
        forward_lines(child.stderr.take().expect("is piped"), sender);
        Self {
            child: Mutex::new(child),
            lines: Mutex::new(lines),
            seen: Vec::new(),
        }
    }

    /// Reads the log up to the line that announces the listener: `… listening … http://ADDR …`, or `https://`.
    #[track_caller]
    fn wait_for_address(&mut self) -> Address {
        let deadline = Deadline::after(START_DEADLINE);
        while let Some(line) = deadline
            .remaining()
            .and_then(|left| self.lines.get_mut().recv_timeout(left).ok())
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
        let _ = self.child.get_mut().kill();
        let _ = self.child.get_mut().wait();
        if thread::panicking() {
            self.seen.extend(self.lines.get_mut().iter());
            #[allow(clippy::print_stderr, reason = "libtest shows it with the failure")]
            {
                eprintln!("log of the server under test:\n{}", self.seen.join("\n"));
            }
        }
    }
}

/// A file that lives as long as this value.
#[derive(Debug)]
pub(crate) struct TemporaryFile {
    pub(crate) path: PathBuf,
}

impl TemporaryFile {
    #[track_caller]
    pub(crate) fn new(content: &str) -> Self {
        let name = format!("gateway-{}", random_id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&path, content).expect("the temporary folder takes a file");
        Self { path }
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// How `child` ended, which must be within `limit`.
#[track_caller]
pub(crate) fn wait_for_exit(child: &mut Child, limit: Duration) -> ExitStatus {
    let deadline = Deadline::after(limit);
    loop {
        if let Some(status) = child.try_wait().expect("our child can be asked") {
            return status;
        }
        assert!(
            deadline.remaining().is_some(),
            "the process has not ended within {limit:?}"
        );
        thread::sleep(Duration::from_millis(5));
    }
}

/// The first `http://host:port`, or `https://…`, of a log line that contains `listening`, plain or JSON.
fn listening_address(line: &str) -> Option<Address> {
    if !line.contains("listening") {
        return None;
    }
    [Scheme::Http, Scheme::Https]
        .into_iter()
        .find_map(|scheme| {
            let (_, rest) = line.split_once(scheme.prefix())?;
            let is_part =
                |character: char| character.is_ascii_alphanumeric() || ".:[]-".contains(character);
            let (authority, _) = rest.split_at(
                rest.find(|character| !is_part(character))
                    .unwrap_or(rest.len()),
            );
            Some(Address {
                scheme,
                authority: authority.to_owned(),
                base_path: String::new(),
            })
        })
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
