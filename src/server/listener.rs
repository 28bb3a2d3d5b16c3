//! Where connections come from: TCP ports, Unix sockets, and sockets that systemd opened. They accept, and wait instead of
//! spinning when the process has no descriptors left.

mod unix;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tracing::{debug, warn};

use super::ServerConfig;
use super::stream::Stream;
use super::systemd::{self, Listening};
use super::tls::{TlsConfig, TlsError, TlsFiles};

use unix::SocketFile;

/// Where a listener is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    /// A TCP port; 0 takes a free one.
    Tcp(SocketAddr),
    /// A Unix socket at this path, written `unix:/run/gateway.sock`.
    Unix(PathBuf),
    /// A socket that systemd opened, written `systemd:NAME` for its name, or `systemd` for the first that has not been taken.
    /// (sd_listen_fds(3))
    Systemd(Option<String>),
}

/// Most bytes of a Unix socket's path: what `sun_path` holds, without the zero behind it. (unix(7))
const LONGEST_PATH: usize = if cfg!(any(target_os = "linux", target_os = "android")) {
    107
} else {
    103
};

/// Not an address to listen on: the text that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidListenAddress(pub String);

/// A listener: where it is, and what is spoken on it below HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListenerConfig {
    /// Where it is.
    pub address: ListenAddress,
    /// TLS, if it is spoken.
    pub tls: Option<TlsConfig>,
    /// What is in its files, where they were read already.
    pub(crate) tls_files: Option<TlsFiles>,
    /// Whether each connection begins with a header of the PROXY protocol, version 1 or 2. Connections of peers that are no
    /// trusted proxies are ended then. Default no.
    pub proxy_protocol: bool,
    /// Permissions of a Unix socket. Default 0o660.
    pub mode: u32,
}

impl ListenerConfig {
    /// Plain HTTP at `address`.
    pub fn new(address: ListenAddress) -> Self {
        Self {
            address,
            tls: None,
            tls_files: None,
            proxy_protocol: false,
            mode: 0o660,
        }
    }

    /// What is in the files of TLS, if it is spoken; they are read where that has not been done.
    ///
    /// # Errors
    /// The first that cannot be used.
    pub(super) fn read_tls(&self) -> Result<Option<TlsFiles>, TlsError> {
        match (&self.tls, &self.tls_files) {
            (None, _) => Ok(None),
            (Some(_), Some(files)) => Ok(Some(files.clone())),
            (Some(tls), None) => tls.read().map(Some),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Systemd(None) => f.write_str("systemd"),
            Self::Systemd(Some(name)) => write!(f, "systemd:{name}"),
        }
    }
}

impl FromStr for ListenAddress {
    type Err = InvalidListenAddress;

    fn from_str(text: &str) -> Result<Self, InvalidListenAddress> {
        let invalid = || InvalidListenAddress(text.to_owned());
        match text.split_once(':') {
            Some(("unix", path)) if is_path(path) && path.len() <= LONGEST_PATH => {
                Ok(Self::Unix(PathBuf::from(path)))
            }
            Some(("systemd", name)) if !name.is_empty() => Ok(Self::Systemd(Some(name.to_owned()))),
            None if text == "systemd" => Ok(Self::Systemd(None)),
            _ => text.parse().map(Self::Tcp).map_err(|_| invalid()),
        }
    }
}

/// Whether it may be the path of a Unix socket, however long.
fn is_path(text: &str) -> bool {
    text.len() > 1 && text.starts_with('/')
}

impl fmt::Display for InvalidListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = self.0.strip_prefix("unix:").filter(|path| is_path(path)) {
            let length = path.len();
            return write!(
                f,
                "{:?} is too long: its path has {length} bytes, and that of a Unix socket at most {LONGEST_PATH}; write a shorter one, like \"unix:/run/gateway.sock\"",
                self.0
            );
        }
        write!(
            f,
            "{:?} is not an address to listen on; write an address and a port, like \"127.0.0.1:8081\" or \"[::1]:8081\" (names are not looked up), \"unix:/run/gateway.sock\", or \"systemd\" or \"systemd:NAME\" for a socket that systemd opened",
            self.0
        )
    }
}

impl std::error::Error for InvalidListenAddress {}

#[derive(Debug)]
enum Inner {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl TryFrom<Listening> for Inner {
    type Error = io::Error;

    fn try_from(opened: Listening) -> io::Result<Self> {
        match opened {
            Listening::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                TcpListener::from_std(listener).map(Self::Tcp)
            }
            Listening::Unix(listener) => {
                listener.set_nonblocking(true)?;
                UnixListener::from_std(listener).map(Self::Unix)
            }
        }
    }
}

#[derive(Debug)]
pub(super) struct Listener {
    /// A socket's file that is removed in the end: before the socket is closed, because then another process may take the path.
    _file: Option<SocketFile>,
    inner: Inner,
    tcp: TcpOptions,
}

/// What is set on each TCP connection.
#[derive(Clone, Copy, Debug)]
struct TcpOptions {
    nodelay: bool,
    keepalive: Option<Duration>,
    user_timeout: Option<Duration>,
}

/// Pause after an accept that failed for want of something; doubles up to the limit while it goes on.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

impl Listener {
    /// Opens it.
    pub(super) fn bind(listener: &ListenerConfig, config: &ServerConfig) -> io::Result<Self> {
        let (inner, file) = match &listener.address {
            ListenAddress::Tcp(address) => (Inner::Tcp(bind_tcp(*address, config)?), None),
            ListenAddress::Unix(path) => {
                let (inner, file) = unix::bind(path, listener.mode, config)?;
                (Inner::Unix(inner), Some(file))
            }
            ListenAddress::Systemd(name) => (systemd::take(name.as_deref())?.try_into()?, None),
        };
        Ok(Self {
            _file: file,
            inner,
            tcp: TcpOptions {
                nodelay: config.tcp_nodelay,
                keepalive: config.tcp_keepalive,
                user_timeout: config.tcp_user_timeout,
            },
        })
    }

    /// Where it is; a port that was 0 is known now.
    pub(super) fn local_address(&self) -> io::Result<ListenAddress> {
        match &self.inner {
            Inner::Tcp(listener) => listener.local_addr().map(ListenAddress::Tcp),
            Inner::Unix(listener) => {
                let address = listener.local_addr()?;
                let path = address.as_pathname().map(Path::to_owned);
                Ok(ListenAddress::Unix(path.unwrap_or_default()))
            }
        }
    }

    /// The next connection, and its peer's address on TCP. Cancel safe.
    pub(super) async fn accept(&self) -> (Stream, Option<SocketAddr>) {
        let mut pause = FIRST_PAUSE;
        loop {
            let accepted = match &self.inner {
                Inner::Tcp(listener) => listener.accept().await.map(|(stream, peer)| {
                    if let Err(error) = self.tcp.set(&stream) {
                        // It may be closed already, which is seen when it is read.
                        debug!(%peer, %error, "options of the connection cannot be set");
                    }
                    (Stream::Tcp(stream), Some(peer))
                }),
                Inner::Unix(listener) => {
                    let accepted = listener.accept().await;
                    accepted.map(|(stream, _)| (Stream::Unix(stream), None))
                }
            };
            match accepted {
                Ok(accepted) => return accepted,
                // Of one connection, which is gone.
                Err(error) if is_of_connection(&error) => {}
                Err(error) => {
                    warn!(%error, pause = %humantime::format_duration(pause), "cannot accept connections; is the limit on open files too low?");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }
}

impl TcpOptions {
    fn set(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(self.nodelay)?;
        let socket = SockRef::from(stream);
        if let Some(time) = self.keepalive {
            socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(time))?;
        }
        #[cfg(target_os = "linux")]
        socket.set_tcp_user_timeout(self.user_timeout)?;
        Ok(())
    }
}

fn bind_tcp(address: SocketAddr, config: &ServerConfig) -> io::Result<TcpListener> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for the connections of the process before.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(config.reuse_port)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::from(config.backlog))?;
    TcpListener::from_std(socket.into())
}

fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}
