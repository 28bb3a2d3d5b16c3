//! A WebSocket end that writes frames byte by byte, so that it can also write wrong ones. (RFC 6455 §5.2)

use std::time::Duration;

use crate::fixture::upgrade;
use crate::support::{CLOSE_DEADLINE, Connection, Server};

pub(crate) const CONTINUATION: u8 = 0x0;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xA;
/// First bit of a frame: the message ends with it.
pub(crate) const FIN: u8 = 0x80;

/// One frame from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawFrame {
    /// FIN, reserved bits and opcode.
    pub(crate) first: u8,
    pub(crate) payload: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct RawSocket {
    pub(crate) connection: Connection,
}

impl RawSocket {
    /// Connects and shakes hands. `path` is the whole path of the WebSocket.
    #[track_caller]
    pub(crate) fn open(server: &Server, path: &str) -> Self {
        let mut connection = server.connect();
        let head = connection.request(&upgrade(path));
        assert_eq!(head.status, 101, "{head:?}");
        Self { connection }
    }

    /// As [`Self::open`] for a SockJS WebSocket, with the `o` taken.
    #[track_caller]
    pub(crate) fn open_sockjs(server: &Server, service: &str) -> Self {
        let mut socket = Self::open(server, &format!("{service}/000/ws/websocket"));
        socket.assert_text("o");
        socket
    }

    /// A whole masked frame; `first` is its first byte.
    #[track_caller]
    pub(crate) fn send(&mut self, first: u8, payload: &[u8]) {
        assert!(
            self.connection.try_send_raw(&frame(first, payload, true)),
            "the server has closed"
        );
    }

    #[track_caller]
    pub(crate) fn send_text(&mut self, text: &str) {
        self.send(FIN | TEXT, text.as_bytes());
    }

    #[track_caller]
    pub(crate) fn send_close(&mut self, code: u16, reason: &str) {
        let payload = [&code.to_be_bytes()[..], reason.as_bytes()].concat();
        self.send(FIN | CLOSE, &payload);
    }

    /// The next frame. The server's are never masked.
    #[track_caller]
    pub(crate) fn receive(&mut self) -> RawFrame {
        let head = self.connection.read_exact(2);
        assert_eq!(head[1] & 0x80, 0, "a server must not mask");
        let length = match head[1] {
            126 => {
                let length = self.connection.read_exact(2);
                usize::from(u16::from_be_bytes([length[0], length[1]]))
            }
            127 => {
                let length = self.connection.read_exact(8);
                let length: [u8; 8] = length.try_into().expect("eight bytes were read");
                usize::try_from(u64::from_be_bytes(length)).expect("frames fit memory")
            }
            short => usize::from(short),
        };
        RawFrame {
            first: head[0],
            payload: self.connection.read_exact(length),
        }
    }

    /// A whole text message in one frame.
    #[track_caller]
    pub(crate) fn assert_text(&mut self, expected: &str) {
        let frame = self.receive();
        let shown = String::from_utf8_lossy(&frame.payload).into_owned();
        assert_eq!((frame.first, shown.as_str()), (FIN | TEXT, expected));
    }

    /// A Close frame with this code; the reason that stands beside it.
    #[track_caller]
    pub(crate) fn assert_close(&mut self, code: u16) -> String {
        let frame = self.receive();
        let shown = String::from_utf8_lossy(&frame.payload);
        assert_eq!(frame.first, FIN | CLOSE, "not a Close frame: {shown:?}");
        assert!(frame.payload.len() >= 2, "a Close frame without a code");
        let sent = u16::from_be_bytes([frame.payload[0], frame.payload[1]]);
        let reason = String::from_utf8(frame.payload[2..].to_vec()).expect("a reason is text");
        assert_eq!(sent, code, "{reason}");
        reason
    }

    /// `c[code,"reason"]`, then a Close frame with the same; then, once we have answered, the end.
    #[track_caller]
    pub(crate) fn assert_told_and_closed(&mut self, code: u16, reason: &str) {
        self.assert_text(&format!("c[{code},\"{reason}\"]"));
        assert_eq!(self.assert_close(code), reason);
        self.answer_close(code);
    }

    /// Answers the server's Close frame; the connection must end.
    #[track_caller]
    pub(crate) fn answer_close(&mut self, code: u16) {
        // A server that cannot read any more may have gone already.
        let _ = self
            .connection
            .try_send_raw(&frame(FIN | CLOSE, &code.to_be_bytes(), true));
        self.assert_ended(CLOSE_DEADLINE);
    }

    /// Nothing more comes, and the connection ends within `limit`.
    #[track_caller]
    pub(crate) fn assert_ended(&mut self, limit: Duration) {
        assert_eq!(
            self.connection.read_until_ended(limit),
            "",
            "after the close"
        );
    }
}

/// The bytes of one frame.
pub(crate) fn frame(first: u8, payload: &[u8], masked: bool) -> Vec<u8> {
    const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];
    let mask_bit = if masked { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..126 => bytes.push(mask_bit | u8::try_from(length).expect("below 126")),
        length @ 126..65_536 => {
            bytes.push(mask_bit | 126);
            bytes.extend(u16::try_from(length).expect("below 65536").to_be_bytes());
        }
        length => {
            bytes.push(mask_bit | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    if masked {
        bytes.extend(MASK);
        let masked = payload.iter().zip(MASK.iter().cycle());
        bytes.extend(masked.map(|(byte, mask)| byte ^ mask));
    } else {
        bytes.extend(payload);
    }
    bytes
}
