//! The floor of a gateway: a bare epoll loop that takes WebSockets, raw and of SockJS, opens one to the upstream for each, and
//! passes messages on in both directions. Like the [floor](super::floor) it trusts both ends and has no limits or timers.
//!
//! Of SockJS it does what must be done: the array of one message is unwrapped, the upstream's message is wrapped. A text is
//! searched for what JSON escapes, and taken as it is where there is none.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token};
use tungstenite::handshake::derive_accept_key;

use super::frames::{self, field};

const LISTENER: Token = Token(usize::MAX);
const UPGRADED: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";

/// One connection. Two of them are a session: the browser's is at an even place, the upstream's behind it.
struct Side {
    stream: TcpStream,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    /// Its handshake is done.
    open: bool,
}

struct Session {
    browser: Side,
    upstream: Option<Side>,
    sockjs: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Browser,
    Upstream,
}

impl End {
    const fn token(self, at: usize) -> Token {
        Token(2 * at + matches!(self, Self::Upstream) as usize)
    }
}

struct Relay {
    upstream: SocketAddr,
    sessions: Vec<Option<Session>>,
    free: Vec<usize>,
    /// Of masks: what they are does not matter, that they change does.
    seed: u32,
}

/// Serves on `address` for ever, after it has told `bound` where. `upstream`: the port of a floor on this machine.
pub(crate) fn serve(
    address: SocketAddr,
    upstream: u16,
    bound: impl FnOnce(SocketAddr),
) -> io::Result<()> {
    let mut listener = TcpListener::bind(address)?;
    bound(listener.local_addr()?);
    let mut poll = Poll::new()?;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    let registry = poll.registry().try_clone()?;
    let mut relay = Relay {
        upstream: SocketAddr::from((Ipv4Addr::LOCALHOST, upstream)),
        sessions: Vec::new(),
        free: Vec::new(),
        seed: 0x9e37_79b9,
    };
    let mut events = Events::with_capacity(1024);
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            outcome => outcome?,
        }
        for event in &events {
            if event.token() == LISTENER {
                relay.accept(&listener, &registry)?;
                continue;
            }
            let at = event.token().0 / 2;
            let end = if event.token().0 % 2 == 0 {
                End::Browser
            } else {
                End::Upstream
            };
            let mut lives = !event.is_writable() || relay.flush(at, end);
            if lives && event.is_readable() {
                lives = relay.read(at, end, &mut buffer, &registry);
            }
            if !lives {
                relay.close(at);
            }
        }
    }
}

impl Relay {
    fn accept(&mut self, listener: &TcpListener, registry: &Registry) -> io::Result<()> {
        loop {
            let stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            let at = self.free.pop().unwrap_or_else(|| {
                self.sessions.push(None);
                self.sessions.len() - 1
            });
            self.sessions[at] = Some(Session {
                browser: side(stream, End::Browser.token(at), registry)?,
                upstream: None,
                sockjs: false,
            });
        }
    }

    fn side(&mut self, at: usize, end: End) -> Option<&mut Side> {
        let session = self.sessions.get_mut(at)?.as_mut()?;
        match end {
            End::Browser => Some(&mut session.browser),
            End::Upstream => session.upstream.as_mut(),
        }
    }

    /// Both connections go together.
    fn close(&mut self, at: usize) {
        if self.sessions[at].take().is_some() {
            self.free.push(at);
        }
    }

    /// Whether the session lives.
    fn read(&mut self, at: usize, end: End, buffer: &mut [u8], registry: &Registry) -> bool {
        loop {
            let Some(side) = self.side(at, end) else {
                return true;
            };
            match side.stream.read(buffer) {
                Ok(0) => return false,
                Ok(length) => {
                    side.incoming.extend_from_slice(&buffer[..length]);
                    if !self.take_all(at, end, registry) {
                        return false;
                    }
                    // Less than asked for: the socket is empty, and says so when that changes.
                    if length < buffer.len() {
                        return true;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
    }

    /// Whether the session lives.
    fn take_all(&mut self, at: usize, end: End, registry: &Registry) -> bool {
        let Some(side) = self.side(at, end) else {
            return true;
        };
        let (mut incoming, was_open) = (std::mem::take(&mut side.incoming), side.open);
        let mut used = 0;
        if !was_open {
            let Some(head) = memchr::memmem::find(&incoming, b"\r\n\r\n") else {
                side.incoming = incoming;
                return true;
            };
            used = head + 4;
            let opened = match end {
                End::Browser => self.open(at, &incoming[..used], registry),
                End::Upstream => incoming.starts_with(b"HTTP/1.1 101 "),
            };
            if !opened {
                return false;
            }
            if let Some(side) = self.side(at, end) {
                side.open = true;
            }
        }
        let mut lives = true;
        while let Some(frame) = frames::take(&mut incoming[used..]).filter(|_| lives) {
            let payload = used + frame.payload.start..used + frame.payload.end;
            lives = self.pass(at, end, frame.opcode, &incoming[payload]);
            used += frame.payload.end;
        }
        incoming.drain(..used);
        if let Some(side) = self.side(at, end) {
            side.incoming = incoming;
        }
        // What came before the upstream's handshake was done waits for it.
        let both = [End::Browser, End::Upstream];
        lives && both.into_iter().all(|end| self.flush(at, end))
    }

    /// Answers a browser's handshake, and begins the upstream's.
    fn open(&mut self, at: usize, request: &[u8], registry: &Registry) -> bool {
        let path = request.split(|&byte| byte == b' ').nth(1);
        let path = path.unwrap_or_default();
        let key = field(request, b"sec-websocket-key").unwrap_or_default();
        let accept = derive_accept_key(key);
        let token = End::Upstream.token(at);
        let dialled =
            TcpStream::connect(self.upstream).and_then(|stream| side(stream, token, registry));
        let Ok(mut upstream) = dialled else {
            return false;
        };
        let host = self.upstream;
        let _ = write!(
            upstream.outgoing,
            "GET /echo/websocket HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        let Some(session) = &mut self.sessions[at] else {
            return false;
        };
        session.upstream = Some(upstream);
        // Below a server and a session, or below the prefix alone.
        session.sockjs = path.iter().filter(|&&byte| byte == b'/').count() > 2;
        let out = &mut session.browser.outgoing;
        out.extend_from_slice(UPGRADED);
        let _ = write!(out, "Sec-WebSocket-Accept: {accept}\r\n\r\n");
        if session.sockjs {
            out.extend_from_slice(b"\x81\x01o");
        }
        true
    }

    /// Passes a frame on to the other end. Whether the session lives.
    fn pass(&mut self, at: usize, from: End, opcode: u8, payload: &[u8]) -> bool {
        let mask = self.mask();
        let Some(session) = &mut self.sessions[at] else {
            return true;
        };
        let Some(upstream) = &mut session.upstream else {
            return false;
        };
        let browser = &mut session.browser;
        match (opcode, from) {
            (1 | 2, End::Browser) if session.sockjs => {
                push_masked(&mut upstream.outgoing, mask, &unwrapped(payload));
            }
            (1 | 2, End::Browser) => push_masked(&mut upstream.outgoing, mask, payload),
            (1 | 2, End::Upstream) if session.sockjs => {
                let text = escaped(payload);
                frames::push_head(&mut browser.outgoing, 0x81, false, text.len() + 5);
                browser.outgoing.extend_from_slice(b"a[\"");
                browser.outgoing.extend_from_slice(&text);
                browser.outgoing.extend_from_slice(b"\"]");
            }
            (1 | 2, End::Upstream) => {
                frames::push_head(&mut browser.outgoing, 0x81, false, payload.len());
                browser.outgoing.extend_from_slice(payload);
            }
            (8, _) => {
                browser.outgoing.extend_from_slice(&[0x88, 0]);
                self.flush(at, End::Browser);
                return false;
            }
            (9, End::Browser) => {
                frames::push_head(&mut browser.outgoing, 0x8a, false, payload.len());
                browser.outgoing.extend_from_slice(payload);
            }
            _ => {}
        }
        true
    }

    fn mask(&mut self) -> [u8; 4] {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 17;
        self.seed ^= self.seed << 5;
        self.seed.to_ne_bytes()
    }

    /// Whether the connection lives.
    fn flush(&mut self, at: usize, end: End) -> bool {
        let Some(side) = self.side(at, end) else {
            return true;
        };
        while !side.outgoing.is_empty() {
            match side.stream.write(&side.outgoing) {
                Ok(length) => {
                    side.outgoing.drain(..length);
                }
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::WouldBlock | ErrorKind::NotConnected
                    ) =>
                {
                    return true;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }
}

fn side(mut stream: TcpStream, token: Token, registry: &Registry) -> io::Result<Side> {
    stream.set_nodelay(true)?;
    let both = Interest::READABLE | Interest::WRITABLE;
    registry.register(&mut stream, token, both)?;
    Ok(Side {
        stream,
        incoming: Vec::new(),
        outgoing: Vec::new(),
        open: false,
    })
}

fn push_masked(out: &mut Vec<u8>, mask: [u8; 4], payload: &[u8]) {
    frames::push_head(out, 0x81, true, payload.len());
    out.extend_from_slice(&mask);
    let begin = out.len();
    out.extend_from_slice(payload);
    frames::apply(mask, &mut out[begin..]);
}

/// The message in `["message"]`.
fn unwrapped(array: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    let inner = array
        .strip_prefix(b"[\"")
        .and_then(|rest| rest.strip_suffix(b"\"]"))
        .unwrap_or_default();
    if memchr::memchr2(b'\\', b'"', inner).is_none() {
        return inner.into();
    }
    let messages: Vec<String> = serde_json::from_slice(array).unwrap_or_default();
    messages.concat().into_bytes().into()
}

/// A message as it is between the quotes of JSON.
fn escaped(message: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    let plain = message.iter().fold(true, |plain, &byte| {
        plain & (byte >= b' ') & (byte != b'"') & (byte != b'\\')
    });
    if plain {
        return message.into();
    }
    let quoted = serde_json::to_vec(&String::from_utf8_lossy(message)).unwrap_or_default();
    quoted[1..quoted.len() - 1].to_vec().into()
}
