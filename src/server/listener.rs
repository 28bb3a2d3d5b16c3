//! A TCP port that accepts, and waits instead of spinning when the process has no descriptors left.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};
use tracing::warn;

use super::ServerConfig;

#[derive(Debug)]
pub(super) struct Listener {
    inner: TcpListener,
    user_timeout: Option<Duration>,
}

/// Pause after an accept that failed for want of something; doubles up to the limit while it goes on.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

impl Listener {
    pub(super) fn bind(address: SocketAddr, config: &ServerConfig) -> io::Result<Self> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        // A restart must not wait for the connections of the process before.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(i32::from(config.backlog))?;
        Ok(Self {
            inner: TcpListener::from_std(socket.into())?,
            user_timeout: config.tcp_user_timeout,
        })
    }

    pub(super) fn local_address(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    /// The next connection. Cancel safe.
    pub(super) async fn accept(&self) -> (TcpStream, SocketAddr) {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.inner.accept().await {
                Ok((stream, peer)) => match self.prepare(&stream) {
                    Ok(()) => return (stream, peer),
                    // It was closed in the meantime.
                    Err(_) => continue,
                },
                // Of one connection, which is gone.
                Err(error) if is_of_connection(&error) => {}
                Err(error) => {
                    warn!(%error, ?pause, "cannot accept connections; is the limit on open files too low?");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    fn prepare(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let socket = SockRef::from(stream);
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(Duration::from_secs(60)))?;
        #[cfg(target_os = "linux")]
        socket.set_tcp_user_timeout(self.user_timeout)?;
        Ok(())
    }
}

fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}
