//! The floor in a bare epoll loop. What it costs is what the kernel costs for the same bytes.

use std::io::{self, ErrorKind, Read as _};
use std::net::SocketAddr;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token};

use super::{Floor, Socket};

const LISTENER: Token = Token(usize::MAX);

impl Socket for TcpStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::Write::write(self, bytes)
    }

    fn wake(&self) -> bool {
        false
    }
}

/// Serves on `address` for ever, after it has told `bound` where.
pub(crate) fn serve(address: SocketAddr, bound: impl FnOnce(SocketAddr)) -> io::Result<()> {
    let mut listener = TcpListener::bind(address)?;
    bound(listener.local_addr()?);
    let mut poll = Poll::new()?;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    let registry = poll.registry().try_clone()?;
    let mut floor = Floor::new();
    let mut events = Events::with_capacity(1024);
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            outcome => outcome?,
        }
        for event in &events {
            if event.token() == LISTENER {
                floor.accept(&listener, &registry)?;
                continue;
            }
            let at = event.token().0;
            if event.is_writable() {
                floor.flush(at);
            }
            if event.is_readable() {
                floor.read(at, &mut buffer);
            }
        }
    }
}

impl Floor<TcpStream> {
    fn accept(&mut self, listener: &TcpListener, registry: &Registry) -> io::Result<()> {
        loop {
            let mut stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            stream.set_nodelay(true)?;
            let at = self.place();
            let both = Interest::READABLE | Interest::WRITABLE;
            registry.register(&mut stream, Token(at), both)?;
            self.open_at(at, stream);
        }
    }

    fn read(&mut self, at: usize, buffer: &mut [u8]) {
        loop {
            let Some(connection) = &mut self.connections[at] else {
                return;
            };
            match connection.socket.read(buffer) {
                Ok(0) => return self.close(at),
                Ok(length) => {
                    self.take(at, &buffer[..length]);
                    // Less than asked for: the socket is empty, and says so when that changes.
                    if length < buffer.len() {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return self.close(at),
            }
        }
    }
}
