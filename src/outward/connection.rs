//! One HTTP/1.1 connection that carries one request after the other, polled by who waits for the answer: no task, no pool, and
//! nothing in memory but what has come and is not read.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::answer::{AnswerError, Body, Head, Kept, parse_head};
use super::link::Link;

/// Bytes that one read may take.
const READ: usize = 8192;

/// How far the exchange is.
#[derive(Debug)]
enum Exchange {
    Idle,
    /// The request is written as far as the buffer allows, and the answer's head awaited.
    Head,
    Body {
        body: Body,
        keep_alive: bool,
    },
    /// Nothing more can be asked here.
    Dead,
}

/// A connection to the server.
pub(crate) struct Connection {
    link: Link,
    exchange: Exchange,
    /// What is to be written, and how much of it has been.
    request: Vec<u8>,
    written: usize,
    /// What has come and is not decoded.
    unread: Vec<u8>,
    /// Requests that were answered.
    answered: u32,
}

impl Connection {
    pub(crate) const fn new(link: Link) -> Self {
        Self {
            link,
            exchange: Exchange::Idle,
            request: Vec::new(),
            written: 0,
            unread: Vec::new(),
            answered: 0,
        }
    }

    /// Whether a request was answered on it: the server may have ended it for being idle since.
    pub(crate) const fn is_used(&self) -> bool {
        self.answered > 0
    }

    /// Whether another request can be sent. An answer that nobody asked for, or the end of the connection, is noticed here.
    pub(crate) fn is_ready(&mut self) -> bool {
        if !matches!(self.exchange, Exchange::Idle) {
            return false;
        }
        let mut context = Context::from_waker(std::task::Waker::noop());
        if self.is_used() && self.poll_read(&mut context).is_ready() {
            self.exchange = Exchange::Dead;
            return false;
        }
        true
    }

    /// Whether the answer to the last request is not read completely.
    pub(crate) const fn is_busy(&self) -> bool {
        matches!(self.exchange, Exchange::Head | Exchange::Body { .. })
    }

    /// Takes a request to send: its head and body as they go on the wire. [`Self::poll_head`] sends it.
    pub(crate) fn start(&mut self, request: Vec<u8>) {
        debug_assert!(matches!(self.exchange, Exchange::Idle), "one at a time");
        self.request = request;
        self.written = 0;
        self.exchange = Exchange::Head;
    }

    /// Sends the request and waits for the head of its answer.
    ///
    /// # Errors
    /// When the connection broke, or what came is not HTTP; it cannot be used any more.
    pub(crate) fn poll_head<K: Kept>(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<Head<K>>> {
        let polled = self.poll_head_inner(context);
        if let Poll::Ready(Err(_)) = polled {
            self.exchange = Exchange::Dead;
        }
        polled
    }

    fn poll_head_inner<K: Kept>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Head<K>>> {
        if !matches!(self.exchange, Exchange::Head) {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        }
        // A server that refuses a large request may answer before it has read all of it.
        let mut writing = self.poll_write(context);
        loop {
            if let Some((head, length, body)) = parse_head(&self.unread).map_err(invalid)? {
                self.consume(length);
                if head.status.as_u16() == 101 {
                    return Poll::Ready(Err(invalid(AnswerError::NotHttp)));
                }
                if head.status.is_informational() {
                    continue;
                }
                let complete = body == Body::Sized(0);
                let keep_alive = head.keep_alive && self.written == self.request.len();
                self.exchange = Exchange::Body { body, keep_alive };
                self.request = Vec::new();
                self.written = 0;
                if complete {
                    self.end_body();
                }
                return Poll::Ready(Ok(head));
            }
            match self.poll_read(context) {
                Poll::Ready(Ok(0)) => {
                    let ended = io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the server ended the connection without an answer",
                    );
                    return Poll::Ready(Err(ended));
                }
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    if let Poll::Ready(Err(error)) = std::mem::replace(&mut writing, Poll::Pending)
                    {
                        return Poll::Ready(Err(error));
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    /// Appends what comes of the body to `content`. `false` at its end.
    ///
    /// # Errors
    /// When it broke off, or is broken; the connection cannot be used any more.
    pub(crate) fn poll_body(
        &mut self,
        context: &mut Context<'_>,
        content: &mut Vec<u8>,
    ) -> Poll<io::Result<bool>> {
        let polled = self.poll_body_inner(context, content);
        if let Poll::Ready(Err(_)) = polled {
            self.exchange = Exchange::Dead;
        }
        polled
    }

    fn poll_body_inner(
        &mut self,
        context: &mut Context<'_>,
        content: &mut Vec<u8>,
    ) -> Poll<io::Result<bool>> {
        let before = content.len();
        loop {
            let Exchange::Body { body, .. } = &mut self.exchange else {
                return Poll::Ready(Ok(false));
            };
            let (taken, complete) = body.decode(&self.unread, content).map_err(invalid)?;
            let until_close = *body == Body::UntilClose;
            self.consume(taken);
            if complete {
                self.end_body();
            }
            if content.len() > before {
                return Poll::Ready(Ok(true));
            }
            if complete {
                return Poll::Ready(Ok(false));
            }
            if ready!(self.poll_read(context))? == 0 {
                if until_close {
                    self.exchange = Exchange::Dead;
                    return Poll::Ready(Ok(false));
                }
                let cut = io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the connection was cut in the middle of an answer",
                );
                return Poll::Ready(Err(cut));
            }
        }
    }

    fn end_body(&mut self) {
        let keep = matches!(
            self.exchange,
            Exchange::Body {
                keep_alive: true,
                ..
            }
        );
        // Bytes behind an answer belong to no request of ours.
        if keep && self.unread.is_empty() {
            self.answered = self.answered.saturating_add(1);
            self.exchange = Exchange::Idle;
        } else {
            self.exchange = Exchange::Dead;
        }
    }

    fn consume(&mut self, count: usize) {
        if count == self.unread.len() {
            self.unread = Vec::new();
        } else {
            self.unread.drain(..count);
        }
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.request.len() {
            let rest = &self.request[self.written..];
            let written = ready!(Pin::new(&mut self.link).poll_write(context, rest))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += written;
        }
        Pin::new(&mut self.link).poll_flush(context)
    }

    /// Appends what comes to `unread`. Gives how much it was, 0 at the end of the connection.
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // Not cleared first: it is, for small messages, most of what a read would cost here.
        let mut space = [MaybeUninit::uninit(); READ];
        let mut buffer = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut self.link).poll_read(context, &mut buffer))?;
        self.unread.extend_from_slice(buffer.filled());
        Poll::Ready(Ok(buffer.filled().len()))
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("exchange", &self.exchange)
            .finish_non_exhaustive()
    }
}

fn invalid(error: AnswerError) -> io::Error {
    let what = match error {
        AnswerError::NotHttp => "what the server answered is not HTTP/1.1",
        AnswerError::TooBig => "the server's answer has too large a head",
    };
    io::Error::new(io::ErrorKind::InvalidData, what)
}
