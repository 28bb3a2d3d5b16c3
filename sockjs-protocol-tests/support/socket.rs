//! The socket below a connection: TCP, or TLS over it, with the same deadlines and the same ends.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::time::Duration;

use tokio_rustls::rustls::{ClientConnection, StreamOwned};

use super::deadline::START_DEADLINE;
use super::over::tls;
use super::server::{Address, Scheme};

/// Blocking, within the limits that are set. An end within TLS is the peer's `close_notify`: TCP's alone is an error, as
/// a reset is. Dropping it closes TCP and says nothing in TLS.
#[derive(Debug)]
pub(crate) enum Socket {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Socket {
    /// Connects, without delay for small writes, and shakes hands where the server speaks TLS.
    #[track_caller]
    pub(crate) fn connect(address: &Address) -> Self {
        let stream = connect(address);
        match address.scheme {
            Scheme::Http => Self::Plain(stream),
            Scheme::Https => Self::Tls(Box::new(tls::shake_hands(stream, &address.authority))),
        }
    }

    pub(crate) const fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => &stream.sock,
        }
    }

    /// Limits how long one read may wait. Zero is no limit that a socket takes.
    #[track_caller]
    pub(crate) fn limit_reads(&self, limit: Duration) {
        self.tcp()
            .set_read_timeout(Some(limit))
            .expect("a socket takes a timeout");
    }

    /// Nothing more comes from us, but we still read.
    pub(crate) fn finish_sending(&mut self) -> io::Result<()> {
        if let Self::Tls(stream) = self {
            stream.conn.send_close_notify();
            stream.flush()?;
        }
        self.tcp().shutdown(Shutdown::Write)
    }
}

impl Read for Socket {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(bytes),
            Self::Tls(stream) => stream.read(bytes),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => {
                let count = stream.write(bytes)?;
                // Otherwise a connection that has ended would show in the next write only.
                stream.flush()?;
                Ok(count)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

#[track_caller]
fn connect(address: &Address) -> TcpStream {
    let sockets = address
        .authority
        .to_socket_addrs()
        .expect("the host name of the server under test resolves");
    for socket in sockets {
        if let Ok(stream) = TcpStream::connect_timeout(&socket, START_DEADLINE) {
            stream
                .set_nodelay(true)
                .expect("a socket takes TCP_NODELAY");
            return stream;
        }
    }
    panic!("no connection to the server under test at {address:?}");
}
