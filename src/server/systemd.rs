//! Sockets that systemd opened for this process. (sd_listen_fds(3))
//!
//! They are the process's, not a server's: each of several servers may have some of them.

use std::env;
use std::fmt::Write as _;
use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use listenfd::ListenFd;
use socket2::SockRef;

/// Most sockets that are looked at.
const MOST: usize = 1024;

/// Most that are named in a message.
const NAMED: usize = 3;

static SOCKETS: OnceLock<Sockets> = OnceLock::new();

/// Takes note of the sockets, by `LISTEN_FDS` in the environment. To be called first in a program, while no other descriptors are
/// open that could be taken for them; else it is done when the first [`Server`](super::Server) listens.
pub fn claim() {
    sockets();
}

/// Which of them no listener has taken, and what to do: whoever connects there waits for ever.
pub fn unused() -> Option<String> {
    sockets().unused()
}

/// Takes one for a listener: the first of that name, or the first at all.
pub(super) fn take(name: Option<&str>) -> io::Result<Listening> {
    sockets().take(name)
}

fn sockets() -> &'static Sockets {
    SOCKETS.get_or_init(Sockets::from_environment)
}

/// A socket on which connections can be accepted.
pub(super) enum Listening {
    Tcp(TcpListener),
    Unix(UnixListener),
}

#[derive(Default)]
struct Sockets {
    all: Vec<Inherited>,
    /// Why it is not known which there are.
    mistake: Option<String>,
}

/// Never closed: listeners get it duplicated, as systemd has it too, and what is of no use here may be somebody else's after all.
struct Inherited {
    descriptor: usize,
    name: String,
    socket: Option<Listening>,
    /// Why no connections can be accepted on it.
    unusable: Option<&'static str>,
    taken: AtomicBool,
}

impl Sockets {
    fn from_environment() -> Self {
        let variable = |name| env::var(name).unwrap_or_default();
        let (count, process) = (variable("LISTEN_FDS"), variable("LISTEN_PID"));
        let is_ours = process.is_empty() || process.parse() == Ok(process::id());
        if count.is_empty() || !is_ours {
            return Self::default();
        }
        if !count.parse().is_ok_and(|count: usize| count <= MOST) {
            let mistake = format!(
                "the environment has LISTEN_FDS={count:?}, which is no number of sockets from 0 to {MOST}"
            );
            return Self {
                mistake: Some(mistake),
                ..Self::default()
            };
        }
        let first = variable("LISTEN_FDS_FIRST_FD").parse().unwrap_or(3);
        let names = variable("LISTEN_FDNAMES");
        let mut names = names.split(':');
        let mut sockets = ListenFd::from_env();
        let inherited = (0..sockets.len()).map(|index| {
            let socket = Listening::of(&mut sockets, index);
            let unusable = match &socket {
                Some(socket) => socket.why_not(),
                None => Some("is not open, or no TCP socket and no Unix stream socket"),
            };
            Inherited {
                descriptor: first + index,
                name: names.next().unwrap_or_default().to_owned(),
                socket,
                unusable,
                taken: AtomicBool::new(false),
            }
        });
        Self {
            all: inherited.collect(),
            mistake: None,
        }
    }

    fn take(&self, name: Option<&str>) -> io::Result<Listening> {
        let is_called = |socket: &&Inherited| name.is_none_or(|name| socket.name == name);
        for inherited in self.all.iter().filter(is_called) {
            if let Some(socket) = &inherited.socket
                && inherited.unusable.is_none()
                && !inherited.taken.swap(true, Ordering::Relaxed)
            {
                return socket.try_clone();
            }
        }
        let what = self.why_none(name);
        Err(io::Error::new(io::ErrorKind::NotFound, what))
    }

    fn why_none(&self, name: Option<&str>) -> String {
        if let Some(mistake) = &self.mistake {
            return mistake.clone();
        }
        let is_called = |socket: &&Inherited| name.is_none_or(|name| socket.name == name);
        let unusable = self.all.iter().filter(is_called);
        let unusable = unusable.filter(|socket| socket.unusable.is_some());
        let unusable = listed(&unusable.collect::<Vec<_>>());
        match (name, self.all.len()) {
            (_, 0) => "systemd opened no socket for this process".to_owned(),
            _ if !unusable.is_empty() => {
                format!("no socket that systemd opened is free and can be used: {unusable}")
            }
            (Some(name), _) => {
                let names: Vec<_> = self.all.iter().map(|socket| &*socket.name).collect();
                format!(
                    "systemd opened no socket of this name that is still free; there are {}, and FileDescriptorName= in the .socket unit sets {name:?}",
                    names.join(", ")
                )
            }
            (None, count) => format!("all {count} sockets that systemd opened are taken"),
        }
    }

    fn unused(&self) -> Option<String> {
        if let Some(mistake) = &self.mistake {
            return Some(mistake.clone());
        }
        let is_unused = |socket: &&Inherited| !socket.taken.load(Ordering::Relaxed);
        let unused = self.all.iter().filter(is_unused);
        let unused = listed(&unused.collect::<Vec<_>>());
        (!unused.is_empty()).then(|| {
            format!(
                "systemd opened sockets that no listener takes, and whoever connects there waits for ever: {unused}; write \"systemd\" or \"systemd:NAME\" into listen once for each, or take them out of the .socket unit"
            )
        })
    }
}

/// The first, and how many more there are.
fn listed(sockets: &[&Inherited]) -> String {
    let more = sockets.len().saturating_sub(NAMED);
    let mut named: Vec<_> = sockets[..sockets.len() - more]
        .iter()
        .map(|socket| socket.describe())
        .collect();
    if more > 0 {
        named.push(format!("and {more} more"));
    }
    named.join("; ")
}

impl Inherited {
    /// `127.0.0.1:443 (web)`, or what is wrong with it.
    fn describe(&self) -> String {
        let descriptor = self.descriptor;
        let mut text = match (self.unusable, &self.socket) {
            (Some(what), _) => Some(format!("descriptor {descriptor} {what}")),
            (None, socket) => socket.as_ref().and_then(Listening::address),
        }
        .unwrap_or_else(|| format!("descriptor {descriptor}"));
        if !self.name.is_empty() {
            let _ = write!(text, " ({})", self.name);
        }
        text
    }
}

impl Listening {
    fn of(sockets: &mut ListenFd, index: usize) -> Option<Self> {
        match sockets.take_tcp_listener(index) {
            Ok(listener) => listener.map(Self::Tcp),
            Err(_) => sockets
                .take_unix_listener(index)
                .ok()
                .flatten()
                .map(Self::Unix),
        }
    }

    fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Tcp(listener) => listener.try_clone().map(Self::Tcp),
            Self::Unix(listener) => listener.try_clone().map(Self::Unix),
        }
    }

    /// Why no connections can be accepted on it. (SO_ACCEPTCONN, socket(7))
    fn why_not(&self) -> Option<&'static str> {
        let socket = match self {
            Self::Tcp(listener) => SockRef::from(listener),
            Self::Unix(listener) => SockRef::from(listener),
        };
        if socket.peer_addr().is_ok() {
            return Some("is a connection; Accept=no in the .socket unit passes what listens");
        }
        #[cfg(target_os = "linux")]
        if !socket.is_listener().unwrap_or(true) {
            return Some("does not listen");
        }
        None
    }

    fn address(&self) -> Option<String> {
        match self {
            Self::Tcp(listener) => Some(listener.local_addr().ok()?.to_string()),
            Self::Unix(listener) => {
                let address = listener.local_addr().ok()?;
                Some(format!("unix:{}", address.as_pathname()?.display()))
            }
        }
    }
}
