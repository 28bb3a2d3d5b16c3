//! Sockets that systemd opened for this process. (sd_listen_fds(3))

use std::io;

use tokio::net::{TcpListener, UnixListener};

use super::Inner;

/// Sockets that systemd opened for this process. (sd_listen_fds(3))
pub(in crate::server) struct Inherited {
    sockets: listenfd::ListenFd,
    names: Vec<String>,
}

impl Inherited {
    /// Those of the environment; they are there once.
    pub(in crate::server) fn from_environment() -> Self {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        Self {
            sockets: listenfd::ListenFd::from_env(),
            names: names.split(':').map(str::to_owned).collect(),
        }
    }

    pub(super) fn take(&mut self, name: Option<&str>) -> io::Result<Inner> {
        for index in 0..self.sockets.len() {
            let is_called = |name| self.names.get(index).is_some_and(|known| known == name);
            if !name.is_none_or(is_called) {
                continue;
            }
            if let Ok(Some(listener)) = self.sockets.take_tcp_listener(index) {
                listener.set_nonblocking(true)?;
                return TcpListener::from_std(listener).map(Inner::Tcp);
            }
            if let Ok(Some(listener)) = self.sockets.take_unix_listener(index) {
                listener.set_nonblocking(true)?;
                return UnixListener::from_std(listener).map(Inner::Unix);
            }
        }
        let what = match (name, self.sockets.len()) {
            (_, 0) => "systemd opened no socket for this process".to_owned(),
            (Some(name), _) => format!(
                "systemd opened no socket of this name that is still free; there are {}, and FileDescriptorName= in the .socket unit sets {name:?}",
                self.names.join(", ")
            ),
            (None, count) => format!("all {count} sockets that systemd opened are taken"),
        };
        Err(io::Error::new(io::ErrorKind::NotFound, what))
    }
}
