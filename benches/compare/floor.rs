//! The floor speaks just enough of SockJS to echo. It is no server: it trusts its peer, has no limits, timers, sessions that
//! end, or backends. In a [bare epoll loop](epoll) it costs what the kernel costs for the same bytes; with
//! [a task for each connection](tasks), what the runtime costs too.
//!
//! A message is not looked into: the JSON array that came in a request or frame goes out again as it is, behind the `a`.
//! Below `/broadcast` it goes to every session.

pub(crate) mod epoll;
pub(crate) mod tasks;

use std::collections::HashMap;
use std::io::{self, ErrorKind};

use tungstenite::handshake::derive_accept_key;

use super::frames::{self, field};

/// What a connection is written to.
trait Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Has the connection's own task write what is there; `false` where it has none, and whoever has the bytes writes them.
    fn wake(&self) -> bool;
}

/// How frames reach the browser.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Carrier {
    Poll,
    Stream,
    Events,
    Sockjs,
    Raw,
}

/// What a connection is used for.
enum Use {
    Requests,
    /// Receives for the session of that index.
    Receives(usize),
    /// A WebSocket, with its session.
    Socket(usize),
}

struct Connection<S> {
    socket: S,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    purpose: Use,
}

struct Session {
    carrier: Carrier,
    broadcasts: bool,
    opened: bool,
    /// The connection that takes frames.
    receiver: Option<usize>,
    /// Arrays that wait for one.
    waiting: Vec<Vec<u8>>,
}

struct Floor<S> {
    connections: Vec<Option<Connection<S>>>,
    free: Vec<usize>,
    sessions: Vec<Session>,
    by_id: HashMap<Vec<u8>, usize>,
    /// The connection whose bytes are being taken: what goes out on it goes at the end, in one write.
    current: Option<usize>,
}

impl<S: Socket> Floor<S> {
    fn new() -> Self {
        Self {
            connections: Vec::new(),
            free: Vec::new(),
            sessions: Vec::new(),
            by_id: HashMap::new(),
            current: None,
        }
    }

    /// The place of the next connection.
    fn place(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.connections.push(None);
            self.connections.len() - 1
        })
    }

    fn open_at(&mut self, at: usize, socket: S) {
        self.connections[at] = Some(Connection {
            socket,
            incoming: Vec::new(),
            outgoing: Vec::new(),
            purpose: Use::Requests,
        });
    }

    fn close(&mut self, at: usize) {
        let Some(connection) = self.connections[at].take() else {
            return;
        };
        if let Use::Receives(session) | Use::Socket(session) = connection.purpose {
            let session = &mut self.sessions[session];
            if session.receiver == Some(at) {
                session.receiver = None;
            }
        }
        self.free.push(at);
    }

    /// Takes bytes that a connection has read, and writes what they call for.
    fn take(&mut self, at: usize, bytes: &[u8]) {
        let Some(connection) = &mut self.connections[at] else {
            return;
        };
        connection.incoming.extend_from_slice(bytes);
        let mut incoming = std::mem::take(&mut connection.incoming);
        self.current = Some(at);
        let mut used = 0;
        while let Some(connection) = &self.connections[at] {
            let taken = match connection.purpose {
                Use::Socket(session) => self.take_frame(at, session, &mut incoming[used..]),
                Use::Requests | Use::Receives(_) => self.take_request(at, &incoming[used..]),
            };
            if taken == 0 {
                break;
            }
            used += taken;
        }
        incoming.drain(..used);
        if let Some(connection) = &mut self.connections[at] {
            connection.incoming = incoming;
        }
        self.current = None;
        self.flush(at);
    }

    /// Answers the request at the start of `bytes`. Gives its length, 0 while it is not complete.
    fn take_request(&mut self, at: usize, bytes: &[u8]) -> usize {
        let Some(head) = memchr::memmem::find(bytes, b"\r\n\r\n").map(|end| end + 4) else {
            return 0;
        };
        let length = field(&bytes[..head], b"content-length")
            .and_then(|value| std::str::from_utf8(value).ok()?.parse::<usize>().ok())
            .unwrap_or(0);
        let Some(body) = bytes.get(head..head + length) else {
            return 0;
        };
        let path = bytes.split(|&byte| byte == b' ').nth(1).unwrap_or_default();
        let path = path.split(|&byte| byte == b'?').next().unwrap_or_default();
        let mut segments = path.rsplit(|&byte| byte == b'/');
        let last = segments.next().unwrap_or_default();
        let id = segments.next().unwrap_or_default();
        let broadcasts = path.starts_with(b"/broadcast");
        let carrier = match last {
            b"info" => {
                self.answer(at, "application/json; charset=UTF-8", INFO);
                return head + length;
            }
            b"xhr_send" => {
                self.write(
                    at,
                    b"HTTP/1.1 204 No Content\r\nContent-Type: text/plain; charset=UTF-8\r\n\r\n",
                );
                // The sender is answered first, as servers do.
                self.flush(at);
                if let Some(&session) = self.by_id.get(id) {
                    self.echo(session, body);
                }
                return head + length;
            }
            b"xhr" => Carrier::Poll,
            b"xhr_streaming" => Carrier::Stream,
            b"eventsource" => Carrier::Events,
            // Below a server and a session, or below the prefix alone.
            b"websocket" if path.iter().filter(|&&byte| byte == b'/').count() > 2 => {
                Carrier::Sockjs
            }
            b"websocket" => Carrier::Raw,
            _ => {
                self.write(at, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
                return head + length;
            }
        };
        let session = self.session(id, carrier, broadcasts);
        match carrier {
            Carrier::Sockjs | Carrier::Raw => {
                let key = field(&bytes[..head], b"sec-websocket-key").unwrap_or_default();
                let accept = derive_accept_key(key);
                self.write(at, format!("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n").as_bytes());
                self.attach(at, session, Use::Socket(session));
                if carrier == Carrier::Sockjs {
                    self.write(at, b"\x81\x01o");
                }
            }
            Carrier::Stream | Carrier::Events => {
                let kind = if carrier == Carrier::Stream {
                    "application/javascript"
                } else {
                    "text/event-stream"
                };
                self.write(at, format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}; charset=UTF-8\r\nCache-Control: no-store\r\nTransfer-Encoding: chunked\r\n\r\n").as_bytes());
                if carrier == Carrier::Stream {
                    let mut prelude = b"801\r\n".to_vec();
                    prelude.resize(5 + 2048, b'h');
                    prelude.extend_from_slice(b"\n\r\n");
                    self.write(at, &prelude);
                } else {
                    self.write(at, b"2\r\n\r\n\r\n");
                }
                self.attach(at, session, Use::Receives(session));
                self.open(at, session);
                self.drain(session);
            }
            Carrier::Poll => {
                self.attach(at, session, Use::Receives(session));
                if self.open(at, session) {
                    self.sessions[session].receiver = None;
                }
                self.drain(session);
            }
        }
        head + length
    }

    fn session(&mut self, id: &[u8], carrier: Carrier, broadcasts: bool) -> usize {
        let new = || Session {
            carrier,
            broadcasts,
            opened: false,
            receiver: None,
            waiting: Vec::new(),
        };
        match carrier {
            Carrier::Sockjs | Carrier::Raw => {
                self.sessions.push(new());
                self.sessions.len() - 1
            }
            Carrier::Poll | Carrier::Stream | Carrier::Events => match self.by_id.get(id) {
                Some(&session) => session,
                None => {
                    self.sessions.push(new());
                    let session = self.sessions.len() - 1;
                    self.by_id.insert(id.to_vec(), session);
                    session
                }
            },
        }
    }

    fn attach(&mut self, at: usize, session: usize, purpose: Use) {
        self.sessions[session].receiver = Some(at);
        if let Some(connection) = &mut self.connections[at] {
            connection.purpose = purpose;
        }
    }

    /// Sends `o` to a new session; whether it did.
    fn open(&mut self, at: usize, session: usize) -> bool {
        if std::mem::replace(&mut self.sessions[session].opened, true) {
            return false;
        }
        match self.sessions[session].carrier {
            Carrier::Stream => self.write(at, b"2\r\no\n\r\n"),
            Carrier::Events => self.write(at, b"b\r\ndata: o\r\n\r\n\r\n"),
            Carrier::Poll => self.answer(at, "application/javascript; charset=UTF-8", b"o\n"),
            Carrier::Sockjs | Carrier::Raw => {}
        }
        true
    }

    /// The frame at the start of `bytes`. Gives its length, 0 while it is not complete. (RFC 6455 §5.2)
    fn take_frame(&mut self, at: usize, session: usize, bytes: &mut [u8]) -> usize {
        let Some(frame) = frames::take(bytes) else {
            return 0;
        };
        let payload = &bytes[frame.payload.clone()];
        match frame.opcode {
            1 | 2 => self.echo(session, payload),
            8 => {
                self.write(at, &[0x88, 0]);
                self.flush(at);
                self.close(at);
            }
            9 => {
                let mut pong = vec![0x8a, payload.len() as u8];
                pong.extend_from_slice(payload);
                self.write(at, &pong);
            }
            _ => {}
        }
        frame.payload.end
    }

    fn echo(&mut self, from: usize, array: &[u8]) {
        if !self.sessions[from].broadcasts {
            return self.send(from, array);
        }
        for to in 0..self.sessions.len() {
            if self.sessions[to].broadcasts {
                self.send(to, array);
            }
        }
    }

    fn send(&mut self, to: usize, array: &[u8]) {
        let Some(at) = self.sessions[to].receiver else {
            if !matches!(self.sessions[to].carrier, Carrier::Sockjs | Carrier::Raw) {
                self.sessions[to].waiting.push(array.to_vec());
            }
            return;
        };
        let length = array.len();
        match self.sessions[to].carrier {
            Carrier::Raw => {
                self.write_head(at, length);
                self.write(at, array);
            }
            Carrier::Sockjs => {
                self.write_head(at, length + 1);
                self.write(at, b"a");
                self.write(at, array);
            }
            Carrier::Stream => {
                self.write(at, format!("{:x}\r\na", length + 2).as_bytes());
                self.write(at, array);
                self.write(at, b"\n\r\n");
            }
            Carrier::Events => {
                self.write(at, format!("{:x}\r\ndata: a", length + 11).as_bytes());
                self.write(at, array);
                self.write(at, b"\r\n\r\n\r\n");
            }
            Carrier::Poll => {
                self.sessions[to].receiver = None;
                let body = [b"a", array, b"\n"].concat();
                self.answer(at, "application/javascript; charset=UTF-8", &body);
            }
        }
        if self.current != Some(at) && !self.wake(at) {
            self.flush(at);
        }
    }

    /// Sends what waited for a receiver.
    fn drain(&mut self, session: usize) {
        for array in std::mem::take(&mut self.sessions[session].waiting) {
            self.send(session, &array);
        }
    }

    /// The head of a text frame.
    fn write_head(&mut self, at: usize, length: usize) {
        if let Some(connection) = &mut self.connections[at] {
            frames::push_head(&mut connection.outgoing, 0x81, false, length);
        }
    }

    fn answer(&mut self, at: usize, kind: &str, body: &[u8]) {
        let length = body.len();
        self.write(at, format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nCache-Control: no-store\r\nContent-Length: {length}\r\n\r\n").as_bytes());
        self.write(at, body);
    }

    fn write(&mut self, at: usize, bytes: &[u8]) {
        if let Some(connection) = &mut self.connections[at] {
            connection.outgoing.extend_from_slice(bytes);
        }
    }

    fn wake(&self, at: usize) -> bool {
        let connection = self.connections[at].as_ref();
        connection.is_some_and(|connection| connection.socket.wake())
    }

    fn flush(&mut self, at: usize) {
        let Some(connection) = &mut self.connections[at] else {
            return;
        };
        while !connection.outgoing.is_empty() {
            match connection.socket.write(&connection.outgoing) {
                Ok(length) => {
                    connection.outgoing.drain(..length);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return self.close(at),
            }
        }
    }
}

const INFO: &[u8] = br#"{"websocket":true,"cookie_needed":false,"origins":["*:*"],"entropy":1}"#;
