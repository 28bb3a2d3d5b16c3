//! An RFC 6455 end on tungstenite, over a socket with deadlines.

use std::io::ErrorKind;

use tungstenite::error::ProtocolError;
use tungstenite::{Error, Message};

use super::deadline::{ANSWER_DEADLINE, Deadline};
use super::server::Server;
use super::socket::Socket;

/// What the server did next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A text message.
    Text(String),
    /// A Close frame with its code and reason; 1005 when it carries none.
    Close(u16, String),
    /// End of the connection.
    End,
}

impl Event {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }
}

/// An open WebSocket. Dropping it aborts the connection.
#[derive(Debug)]
pub(crate) struct WebSocket {
    socket: tungstenite::WebSocket<Socket>,
}

impl WebSocket {
    /// Connects and checks the opening handshake. `path` is relative to the server under test.
    #[track_caller]
    pub(crate) fn open(server: &Server, path: &str) -> Self {
        let address = &server.address;
        let stream = Socket::connect(address);
        stream.limit_reads(ANSWER_DEADLINE);
        let url = format!("ws://{}{}{path}", address.authority, address.base_path);
        match tungstenite::client(url, stream) {
            Ok((socket, _)) => Self { socket },
            Err(error) => panic!("the server refused the WebSocket: {error}"),
        }
    }

    #[track_caller]
    pub(crate) fn send(&mut self, text: &str) {
        self.socket
            .send(Message::text(text))
            .expect("the server takes our message");
    }

    /// The next message, Close frame or end. Control frames in between are skipped.
    #[track_caller]
    pub(crate) fn receive(&mut self) -> Event {
        let deadline = Deadline::after(ANSWER_DEADLINE);
        loop {
            let left = deadline
                .remaining()
                .expect("the server sent no data in time");
            self.socket.get_ref().limit_reads(left);
            match self.socket.read() {
                Ok(Message::Text(text)) => return Event::text(text.as_str()),
                Ok(Message::Close(Some(frame))) => {
                    return Event::Close(frame.code.into(), frame.reason.as_str().to_owned());
                }
                Ok(Message::Close(None)) => return Event::Close(1005, String::new()),
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
                Ok(Message::Binary(bytes)) => panic!("binary message {bytes:?}"),
                Err(
                    Error::ConnectionClosed
                    | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake),
                ) => return Event::End,
                Err(Error::Io(error))
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    panic!("the server neither sent what it owes nor closed in time");
                }
                Err(error) => panic!("the WebSocket broke: {error}"),
            }
        }
    }

    #[track_caller]
    pub(crate) fn assert_text(&mut self, expected: &str) {
        assert_eq!(self.receive(), Event::text(expected));
    }

    /// Closes from our side: the server must answer with a Close frame, without data before it, and end
    /// the TCP connection (RFC 6455 §5.5.1, §7.1.1).
    #[track_caller]
    pub(crate) fn close(mut self) {
        self.socket.close(None).expect("a Close frame can be sent");
        let answer = self.receive();
        assert!(
            matches!(answer, Event::Close(..)),
            "{answer:?} instead of the answer to our Close frame"
        );
        assert_eq!(self.receive(), Event::End);
    }
}
