//! The servers that are compared: how each is started, and where its echo is.

use std::error::Error;
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A server that is compared with the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Floor,
    /// The floor's code with a task for each connection.
    FloorTokio,
    Gateway,
    Tungstenite,
    SockjsNode,
    Ws,
    Aiohttp,
    /// The floor of a gateway with an upstream; only compared where there is one.
    Relay,
}

/// How a server is started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    /// Where it runs, as `taskset` lists processors.
    pub(crate) processors: &'static str,
    /// Port of the echo that the gateway, or its floor, passes messages on to.
    pub(crate) upstream: Option<u16>,
    /// The gateway's configuration.
    pub(crate) config: &'static str,
    /// Threads of the gateway; otherwise one for each processor that it may use.
    pub(crate) workers: Option<usize>,
}

impl Setting {
    pub(crate) const USUAL: Self = Self {
        processors: "0",
        upstream: None,
        config: "gateway.toml",
        workers: None,
    };
}

impl Peer {
    pub(crate) const ALL: [Self; 7] = [
        Self::Floor,
        Self::FloorTokio,
        Self::Gateway,
        Self::Tungstenite,
        Self::SockjsNode,
        Self::Ws,
        Self::Aiohttp,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::FloorTokio => "floor-tokio",
            Self::Gateway => "sockjs-gateway",
            Self::Tungstenite => "tokio-tungstenite",
            Self::SockjsNode => "sockjs-node",
            Self::Ws => "ws",
            Self::Aiohttp => "aiohttp sockjs",
            Self::Relay => "floor-relay",
        }
    }

    /// Whether it speaks SockJS, and not only WebSocket.
    const fn speaks_sockjs(self) -> bool {
        !matches!(self, Self::Tungstenite | Self::Ws)
    }

    /// Whether it has a service that sends a message to everybody.
    const fn broadcasts(self) -> bool {
        matches!(
            self,
            Self::Floor | Self::FloorTokio | Self::Gateway | Self::SockjsNode
        )
    }

    /// Where the echo is, or the broadcast, for clients of `transport`; `None` where there is none.
    pub(crate) fn url(self, port: u16, transport: &str, broadcast: bool) -> Option<String> {
        let base = format!("http://127.0.0.1:{port}");
        if broadcast {
            return self.broadcasts().then(|| format!("{base}/broadcast"));
        }
        // aiohttp's has no raw WebSocket without a session of SockJS.
        match (self.speaks_sockjs(), transport) {
            (true, _) => Some(format!("{base}/echo")),
            (false, "raw-websocket") => Some(base),
            (false, _) => None,
        }
    }

    fn command(self, folder: &Path, setting: &Setting) -> Command {
        let this = || {
            let mut command =
                Command::new(std::env::current_exe().expect("the path of this program"));
            command.arg("--serve").arg(self.name());
            command
        };
        let node = |script: &str| {
            let mut command = Command::new("node");
            command.arg(folder.join(script));
            command
        };
        match self {
            Self::Floor | Self::FloorTokio | Self::Tungstenite => this(),
            Self::Relay => {
                let mut command = this();
                let port = setting.upstream.unwrap_or_default();
                command.arg("--upstream").arg(port.to_string());
                command
            }
            Self::Gateway => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_sockjs-gateway"));
                match setting.upstream {
                    Some(port) => command
                        .args(["--listen", "127.0.0.1:0", "--prefix", "/echo"])
                        .args(["--origin", "*", "--to"])
                        .arg(format!("ws://127.0.0.1:{port}/echo/websocket")),
                    None => command
                        .args(["run", "--config"])
                        .arg(folder.join(setting.config)),
                };
                if let Some(workers) = setting.workers {
                    command.env("TOKIO_WORKER_THREADS", workers.to_string());
                }
                command
            }
            Self::SockjsNode => node("sockjs-node.js"),
            Self::Ws => node("ws.js"),
            Self::Aiohttp => {
                let mut command = Command::new(folder.join("venv/bin/python"));
                command.arg(folder.join("aiohttp_sockjs.py"));
                command
            }
        }
    }

    /// Starts it on a free port, on its processors where `taskset` can pin it.
    ///
    /// # Errors
    /// Why it does not run.
    pub(crate) fn start(self, folder: &Path, setting: &Setting) -> io::Result<Running> {
        let mut command = pinned(&self.command(folder, setting), setting.processors);
        command.stdin(Stdio::null());
        // The gateway tells its address in its log, the others print their port.
        if self == Self::Gateway {
            command.stderr(Stdio::piped()).stdout(Stdio::null());
        } else {
            // Some of them print a page for each browser that goes.
            command.stdout(Stdio::piped()).stderr(Stdio::null());
        }
        let mut child = command.spawn().map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("{} does not start: {error}", self.name()),
            )
        })?;
        let told: Box<dyn io::Read + Send> = match (child.stdout.take(), child.stderr.take()) {
            (Some(out), _) => Box::new(out),
            (None, Some(out)) => Box::new(out),
            (None, None) => unreachable!("one of them is a pipe"),
        };
        let mut lines = BufReader::new(told).lines();
        let port = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| port_in(&line));
        let Some(port) = port else {
            let status = child.wait()?;
            return Err(io::Error::other(format!(
                "{} left before it listened: {status}",
                self.name()
            )));
        };
        // What it says later must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Running { child, port })
    }
}

/// The folder in which the servers that come from registries are installed, as far as they are not yet.
///
/// # Errors
/// What is missing.
pub(crate) fn prepare(peers: &[Peer]) -> Result<PathBuf, Box<dyn Error>> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("compare");
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/compare/peers");
    std::fs::create_dir_all(&folder)?;
    for file in std::fs::read_dir(sources)? {
        let file = file?;
        std::fs::copy(file.path(), folder.join(file.file_name()))?;
    }
    if peers
        .iter()
        .any(|peer| matches!(peer, Peer::SockjsNode | Peer::Ws))
    {
        done(Command::new("npm").arg("ci").current_dir(&folder))?;
    }
    if peers.contains(&Peer::Aiohttp) && !folder.join("venv/bin/python").exists() {
        done(
            Command::new("python3")
                .args(["-m", "venv", "venv"])
                .current_dir(&folder),
        )?;
    }
    if peers.contains(&Peer::Aiohttp) {
        let install = ["install", "--quiet", "--requirement", "requirements.txt"];
        done(
            Command::new(folder.join("venv/bin/pip"))
                .args(install)
                .current_dir(&folder),
        )?;
    }
    Ok(folder)
}

fn done(command: &mut Command) -> Result<(), Box<dyn Error>> {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{command:?} failed: {status}").into()),
        Err(error) => {
            Err(format!("{command:?} does not start: {error}; --peers leaves servers out").into())
        }
    }
}

/// `http://127.0.0.1:PORT` in a log line, or a line that is a port.
fn port_in(line: &str) -> Option<u16> {
    if let Ok(port) = line.trim().parse() {
        return Some(port);
    }
    let (_, rest) = line.split_once("http://127.0.0.1:")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// `command` on some processors, as `taskset` lists them, where this machine can do that.
pub(crate) fn pinned(command: &Command, processors: &str) -> Command {
    let several = std::thread::available_parallelism().is_ok_and(|count| count.get() > 1);
    let taskset = Path::new("/usr/bin/taskset");
    let mut pinned = if several && taskset.exists() {
        let mut pinned = Command::new(taskset);
        pinned.args(["-c", processors]).arg(command.get_program());
        pinned
    } else {
        Command::new(command.get_program())
    };
    pinned.args(command.get_args());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            pinned.env(name, value);
        }
    }
    pinned
}

/// A server that runs until this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    pub(crate) port: u16,
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
