//! One connection in HTTP/1.1: requests one after another, each answered before the next is looked at. (RFC 9112)
//!
//! A connection that begins with the preface of HTTP/2 is handed on.
//!
//! Written for connections that wait: between requests, and while a receiver waits for its session, no buffer is kept, and what is
//! ready to be written leaves in one system call. docs/performance.md tells why this is not hyper's.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use http_body::Body as _;
use tokio::io::AsyncWrite as _;
use tokio::sync::{oneshot, watch};
use tracing::debug;

use crate::metrics::{ConnectionTimeout, HeadRefusal};
use crate::registry::{Wire, turn};
use crate::service::{ConnectionInfo, Dispatched, Gateway, Policies};
use crate::transport::{Body, RequestBody, Upgraded};

use super::ServerConfig;
use super::deadline::{Deadline, Phase};
use super::encode::{self, Asked, BodyCoding};
use super::gate::Place;
use super::head::{Head, HeadReader, Limits};
use super::http2::{self, Preface};
use super::incoming::{Fed, Incoming, poll_more};
use super::output::{Batch, Output};
use super::proxy_protocol;
use super::socket::Socket;
use super::stream::Stream;

/// Most bytes that nobody wants which are read: of a body for the sake of the next request, and of anything behind the last
/// answer so that it is not lost in a reset. (RFC 9112 §9.6)
const SKIPPED: usize = 256 * 1024;

/// Bytes of a body that nobody wants yet, after which no more is read to see whether the browser is there.
const AHEAD: usize = 4096;

/// What a connection is served with.
pub(super) struct Seat {
    /// Among the connections there may be.
    pub(super) place: Place,
    pub(super) gateway: Gateway,
    pub(super) config: Arc<ServerConfig>,
    /// Whether the server closes.
    pub(super) closing: watch::Receiver<bool>,
}

impl Seat {
    /// Serves requests until the connection ends, is upgraded, idles too long, or the server closes.
    pub(super) fn serve(
        self,
        stream: Stream,
        info: ConnectionInfo,
    ) -> impl Future<Output = ()> + Send + use<> {
        // Made out here: an async block would keep what it is made from beside it.
        let connection = Connection::new(stream, info, self.place, self.gateway, self.config);
        serve(connection, self.closing)
    }

    /// What HTTP/2 is served with, from the first byte on.
    pub(super) fn http2(self, stream: Stream, info: ConnectionInfo) -> http2::Handover {
        let connection = Connection::new(stream, info, self.place, self.gateway, self.config);
        connection.hand_over(self.closing)
    }
}

/// Not an `async fn`, which would keep its arguments twice.
fn serve(
    mut connection: Connection,
    mut closing: watch::Receiver<bool>,
) -> impl Future<Output = ()> + Send {
    let close_grace = connection.config.close_grace;
    let peer = connection.info.peer;
    async move {
        let over = {
            let signal = closing.clone();
            let mut closed = pin!(closing.wait_for(|closing| *closing));
            let mut watched = false;
            let served = std::future::poll_fn(|context| {
                // Asking costs a lock; once the task is known there, its wake-up can be seen without.
                if !watched || !matches!(signal.has_changed(), Ok(false)) {
                    watched = true;
                    if closed.as_mut().poll(context).is_ready() {
                        return Poll::Ready(None);
                    }
                }
                Pin::new(&mut connection).poll(context).map(Some)
            });
            served.await
        };
        let over = match over {
            Some(over) => over,
            None => {
                connection.finish_soon();
                let last = tokio::time::timeout(close_grace, &mut connection).await;
                last.unwrap_or(Over::Ended)
            }
        };
        match over {
            Over::Ended => {}
            Over::Upgraded(taker) => {
                let Connection { socket, input, .. } = connection;
                // Whoever asked for it may have given up.
                let _ = taker.send(Box::new(socket.with_held(input)));
            }
            Over::Http2 => {
                // In a task of its own: this one would keep the memory of both.
                tokio::spawn(http2::serve(connection.hand_over(closing)));
            }
            Over::TimedOut => {
                if let Some(what) = connection.missing() {
                    connection.gateway.connections().timed_out(what);
                }
                debug!(peer = peer.map(display), phase = ?connection.deadline.phase(), "connection timed out");
            }
            Over::Failed(error) => debug!(peer = peer.map(display), %error, "connection ended"),
        }
    }
}

/// How it came to be over.
enum Over {
    Ended,
    Upgraded(oneshot::Sender<Upgraded>),
    /// It began with the preface of HTTP/2.
    Http2,
    TimedOut,
    Failed(io::Error),
}

impl From<io::Error> for Over {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

struct Connection {
    state: State,
    heads: HeadReader,
    /// Bytes that came and were not used yet.
    input: Bytes,
    /// The peer has ended its side.
    ended: bool,
    output: Output,
    /// No request is taken any more.
    finishing: bool,
    /// The task is known to the wire.
    registered: bool,
    /// No request has come yet.
    is_new: bool,
    deadline: Deadline,
    gateway: Gateway,
    config: Arc<ServerConfig>,
    info: ConnectionInfo,
    wire: Arc<Wire>,
    /// Last: what is dropped before it learns from the wire how the connection ended.
    socket: Socket,
}

#[allow(
    clippy::large_enum_variant,
    reason = "a box would cost every request an allocation"
)]
enum State {
    /// For a request.
    Waiting,
    Answering(Exchange),
    /// The rest of a body that nobody wants, and how much of it may still come.
    Skipping(Incoming, usize),
    /// For the peer to end its side, after ours; and how many bytes may still come.
    Ending {
        shut: bool,
        left: usize,
    },
}

/// A request that is being answered.
struct Exchange {
    stage: Stage,
    asked: Asked,
    coding: BodyCoding,
    keeps_alive: bool,
    /// The rest of its body.
    incoming: Option<Incoming>,
    /// The peer waits for `100 Continue`.
    expects: bool,
    /// It is known that more came behind it.
    followed: bool,
    /// There was nothing to write at some time: the browser may have gone since.
    waited: bool,
    /// Who gets the connection after an answer 101.
    taker: Option<oneshot::Sender<Upgraded>>,
}

#[allow(
    clippy::large_enum_variant,
    reason = "a box would cost every request an allocation"
)]
enum Stage {
    Thinking(Dispatched),
    Sending(Body),
    Sent,
}

/// How much of an answer is to be written now.
enum Collected {
    /// A batch of it.
    Some,
    /// What there is; more may come.
    Waits,
    /// The rest.
    All,
}

impl Connection {
    fn new(
        stream: Stream,
        mut info: ConnectionInfo,
        place: Place,
        gateway: Gateway,
        config: Arc<ServerConfig>,
    ) -> Self {
        let wire = Arc::clone(info.wire.get_or_insert_default());
        Self {
            state: State::Waiting,
            heads: HeadReader::default(),
            input: Bytes::new(),
            ended: false,
            output: Output::default(),
            finishing: false,
            registered: false,
            is_new: true,
            deadline: Deadline::new(&config),
            gateway,
            config,
            info,
            wire: Arc::clone(&wire),
            socket: Socket::new(stream, wire, place),
        }
    }

    /// The answer that is being given, if any, is the last one.
    fn finish_soon(&mut self) {
        self.finishing = true;
        if let Some(exchange) = self.exchange() {
            exchange.asked.keeps_alive = false;
            exchange.keeps_alive = false;
        }
    }

    /// What did not come, when its time is over.
    const fn missing(&self) -> Option<ConnectionTimeout> {
        match self.deadline.phase() {
            Phase::New => Some(ConnectionTimeout::First),
            Phase::Head if matches!(self.state, State::Skipping(..)) => {
                Some(ConnectionTimeout::Body)
            }
            Phase::Head => Some(ConnectionTimeout::Head),
            Phase::Idle => Some(ConnectionTimeout::Idle),
            Phase::Writing => Some(ConnectionTimeout::Answer),
            // It was to end anyway.
            Phase::Busy | Phase::Ending => None,
        }
    }

    /// Ready when it is over.
    fn poll_turn(&mut self, context: &mut Context<'_>) -> Poll<Over> {
        if !self.registered {
            self.wire.register(context);
            self.registered = true;
        }
        if let Err(error) = self.socket.heed(context) {
            return Poll::Ready(error.into());
        }
        while let Poll::Ready(done) = self.poll_step(context) {
            if let Err(over) = done {
                return Poll::Ready(over);
            }
        }
        self.deadline.poll(context).map(|()| Over::TimedOut)
    }

    /// Ready when something was done and there may be more to do.
    fn poll_step(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Over>> {
        match &mut self.state {
            State::Waiting => self.poll_request(context),
            State::Answering(_) => self.poll_answer(context),
            State::Skipping(..) => self.poll_skip(context),
            State::Ending { .. } => self.poll_end(context),
        }
    }

    fn poll_request(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Over>> {
        let limits = Limits {
            size: self.config.max_header_size.max(8192),
            fields: self.config.max_headers,
        };
        if !self.heads.has_begun() {
            HeadReader::skip_empty_lines(&mut self.input);
        }
        if !self.input.is_empty() {
            match self.heads.read(&mut self.input, limits) {
                Ok(Some(head)) => {
                    self.begin(head);
                    return Poll::Ready(Ok(()));
                }
                Ok(None) => self.deadline.enter(Phase::Head, &self.config),
                Err(why) => match self.preface() {
                    Preface::None => return self.refuse(why, context),
                    Preface::Part => self.deadline.enter(Phase::Head, &self.config),
                    Preface::Whole => return Poll::Ready(Err(Over::Http2)),
                },
            }
        }
        if self.ended || (self.finishing && !self.heads.has_begun()) {
            return Poll::Ready(Err(Over::Ended));
        }
        self.ended = ready!(poll_more(&mut self.socket, context, &mut self.input))? == 0;
        Poll::Ready(Ok(()))
    }

    /// Whether what is no request of HTTP/1 begins a connection in HTTP/2. (RFC 9113 §3.4)
    fn preface(&self) -> Preface {
        if self.is_new && self.config.http2 {
            http2::recognise(&self.input)
        } else {
            Preface::None
        }
    }

    fn hand_over(self, closing: watch::Receiver<bool>) -> http2::Handover {
        http2::Handover {
            places: self.socket.places(),
            socket: self.socket.with_held(self.input),
            gateway: self.gateway,
            config: self.config,
            info: self.info,
            closing,
        }
    }

    /// Answers what is no request; nothing behind it is one either.
    fn refuse(&mut self, why: HeadRefusal, context: &mut Context<'_>) -> Poll<Result<(), Over>> {
        debug!(peer = self.info.peer.map(display), ?why, "no valid request");
        if self.is_new {
            proxy_protocol::warn_if_unexpected(&self.input, self.info.peer);
        }
        self.gateway.connections().head_refused(why);
        let mut batch = Batch::new();
        encode::refusal(why, batch.bytes());
        self.end();
        // What does not fit is written on the way to the end.
        let _ = self
            .output
            .poll_send(&mut batch, &mut self.socket, context)?;
        Poll::Ready(Ok(()))
    }

    fn begin(&mut self, head: Head) {
        self.is_new = false;
        self.deadline.enter(Phase::Busy, &self.config);
        self.wire.request_begins();
        let (mut body, incoming) = Incoming::begin(head.body, &mut self.input);
        let mut taker = None;
        if head.upgrades && incoming.is_none() && body.is_end_stream() {
            let (sender, receiver) = oneshot::channel();
            taker = Some(sender);
            body = RequestBody::Upgrade(receiver);
        }
        let asked = Asked {
            head_only: head.request.method == Method::HEAD,
            http10: head.http10,
            keeps_alive: head.keeps_alive && !self.finishing,
        };
        let mut request = head.request;
        request.body = body;
        self.state = State::Answering(Exchange {
            stage: Stage::Thinking(self.gateway.dispatch(request, &self.info)),
            asked,
            coding: BodyCoding::None,
            keeps_alive: asked.keeps_alive,
            incoming,
            expects: head.expects,
            followed: false,
            waited: false,
            taker,
        });
    }

    fn poll_answer(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Over>> {
        if !self.output.is_empty() {
            ready!(self.poll_output(context))?;
        }
        // Before anything is taken out of a session for a browser, it is seen whether it has gone.
        let looks = self.exchange().is_some_and(|exchange| exchange.waited);
        if looks {
            match self.poll_peer(context) {
                Poll::Pending => {}
                done => return done,
            }
        }
        let Some(exchange) = self.exchange() else {
            return Poll::Ready(Ok(()));
        };
        // Since then who reads a body may have asked for more of it, and a receiver may wait that has lost its browser.
        let incoming = exchange.incoming.is_some();
        let mut batch = Batch::new();
        let collected = exchange.collect(&mut batch, context);
        if !batch.is_empty() {
            // What the socket has no room for is the next thing to do.
            let sent = self
                .output
                .poll_send(&mut batch, &mut self.socket, context)?;
            if sent.is_pending() {
                return Poll::Ready(Ok(()));
            }
        }
        match collected {
            Collected::Some => Poll::Ready(Ok(())),
            Collected::All => Poll::Ready(self.finish()),
            Collected::Waits if looks && !incoming && !self.ended => Poll::Pending,
            Collected::Waits => self.poll_peer(context),
        }
    }

    const fn exchange(&mut self) -> Option<&mut Exchange> {
        match &mut self.state {
            State::Answering(exchange) => Some(exchange),
            _ => None,
        }
    }

    /// Writes what the socket had no room for.
    fn poll_output(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Over>> {
        let State::Answering(exchange) = &self.state else {
            return Poll::Ready(Ok(()));
        };
        if matches!(exchange.stage, Stage::Sent) {
            self.deadline.enter(Phase::Writing, &self.config);
        }
        let before = self.output.remaining();
        let outcome = self.output.poll(&mut self.socket, context)?;
        if self.output.remaining() < before {
            self.deadline.progressed(&self.config);
        }
        outcome.map(Ok)
    }

    /// While there is nothing to write: reads the rest of the request's body for whoever answers, and notices what comes
    /// behind it, a further request or the end of the connection.
    fn poll_peer(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Over>> {
        let State::Answering(exchange) = &mut self.state else {
            return Poll::Ready(Ok(()));
        };
        if let Some(incoming) = &mut exchange.incoming {
            // Behind the answer's head it would be taken for a part of the body.
            let thinking = matches!(exchange.stage, Stage::Thinking(_));
            if exchange.expects && thinking && incoming.is_asked() {
                exchange.expects = false;
                if self.input.is_empty() {
                    self.output.push(Bytes::from_static(encode::CONTINUE));
                    return Poll::Ready(Ok(()));
                }
            }
            if self.wire.ends_with_browser() && !incoming.is_wanted() && self.input.len() < AHEAD {
                // Nobody reads on meanwhile; what comes shows that the browser is there, and waits.
                let read = ready!(poll_more(&mut self.socket, context, &mut self.input))?;
                return Poll::Ready(if read == 0 { Err(Over::Ended) } else { Ok(()) });
            }
            match ready!(incoming.poll(&mut self.socket, context, &mut self.input))? {
                Fed::Piece(_) => {}
                Fed::Complete => exchange.incoming = None,
                Fed::Broken => exchange.breaks(),
            }
            return Poll::Ready(Ok(()));
        }
        if exchange.followed {
            return Poll::Pending;
        }
        loop {
            // Behind a handshake they may be something else.
            if exchange.taker.is_none() {
                HeadReader::skip_empty_lines(&mut self.input);
            }
            if self.ended || !self.input.is_empty() {
                break;
            }
            let read = ready!(poll_more(&mut self.socket, context, &mut self.input))?;
            self.ended = read == 0;
        }
        if !self.input.is_empty() {
            exchange.followed = true;
            self.wire.more_came();
            // A receiver that waits gives way.
            return Poll::Ready(Ok(()));
        }
        if self.wire.ends_with_browser() {
            // Who waits has lost its browser. A request that does not wait is answered to a half-closed connection too.
            return Poll::Ready(Err(Over::Ended));
        }
        Poll::Pending
    }

    /// The answer is written.
    fn finish(&mut self) -> Result<(), Over> {
        let State::Answering(exchange) = &mut self.state else {
            return Ok(());
        };
        if let Some(taker) = exchange.taker.take() {
            return Err(Over::Upgraded(taker));
        }
        match exchange.incoming.take() {
            _ if !exchange.keeps_alive => self.end(),
            Some(incoming) => {
                self.deadline.enter(Phase::Head, &self.config);
                self.state = State::Skipping(incoming, SKIPPED);
            }
            None => self.wait(),
        }
        Ok(())
    }

    fn poll_skip(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Over>> {
        let State::Skipping(incoming, left) = &mut self.state else {
            return Poll::Ready(Ok(()));
        };
        match ready!(incoming.poll(&mut self.socket, context, &mut self.input))? {
            Fed::Piece(length) if length <= *left => *left -= length,
            Fed::Piece(_) | Fed::Broken => self.end(),
            Fed::Complete => self.wait(),
        }
        Poll::Ready(Ok(()))
    }

    /// The next request may come.
    fn wait(&mut self) {
        self.deadline.enter(Phase::Idle, &self.config);
        self.state = State::Waiting;
    }

    /// Nothing more is answered.
    fn end(&mut self) {
        self.deadline.enter(Phase::Ending, &self.config);
        self.state = State::Ending {
            shut: false,
            left: SKIPPED,
        };
    }

    /// Closing a socket with unread bytes in it would reset the connection, and the peer might lose the last answer.
    /// (RFC 9112 §9.6)
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Over>> {
        ready!(self.output.poll(&mut self.socket, context))?;
        let State::Ending { shut, left } = &mut self.state else {
            return Poll::Ready(Ok(()));
        };
        if !*shut {
            ready!(Pin::new(&mut self.socket).poll_shutdown(context))?;
            *shut = true;
        }
        while !self.ended {
            self.input = Bytes::new();
            let read = ready!(poll_more(&mut self.socket, context, &mut self.input))?;
            self.ended = read == 0 || read > *left;
            *left = left.saturating_sub(read);
        }
        Poll::Ready(Err(Over::Ended))
    }
}

impl Exchange {
    /// Adds to `batch` what there is to be written now.
    fn collect(&mut self, batch: &mut Batch, context: &mut Context<'_>) -> Collected {
        loop {
            match &mut self.stage {
                Stage::Thinking(dispatched) => match dispatched.poll(context) {
                    Poll::Ready((response, policies)) => {
                        self.respond(response, &policies, batch);
                    }
                    Poll::Pending => break,
                },
                Stage::Sending(_) if batch.is_full() => return Collected::Some,
                Stage::Sending(body) => {
                    let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(context) else {
                        break;
                    };
                    // Asked at once: while the last data waits for room in the socket, the deadline has to know that it is.
                    let ends = frame.is_none() || body.is_end_stream();
                    match frame.map(|Ok(frame)| frame.into_data()) {
                        Some(Ok(data)) if !data.is_empty() => batch.data(data, self.coding),
                        // An empty chunk would end the body; trailers are not written.
                        _ => {}
                    }
                    if ends {
                        batch.end(self.coding);
                        self.stage = Stage::Sent;
                    }
                }
                Stage::Sent => return Collected::All,
            }
        }
        self.waited = true;
        Collected::Waits
    }

    /// The answer is decided.
    fn respond(&mut self, response: Response<Body>, policies: &Policies, batch: &mut Batch) {
        // Whether a body that was not asked for comes is not known.
        let unknown = self.expects && self.incoming.is_some();
        self.asked.keeps_alive &= !unknown;
        let begun = encode::head(&response, policies, self.asked, batch.bytes());
        self.coding = begun.coding;
        self.keeps_alive = begun.keeps_alive;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            self.taker = None;
        }
        self.stage = match begun.coding {
            BodyCoding::None => Stage::Sent,
            BodyCoding::Plain | BodyCoding::Chunked => Stage::Sending(response.into_body()),
        };
    }

    /// Where the next request begins is not known.
    fn breaks(&mut self) {
        self.incoming = None;
        self.followed = true;
        self.asked.keeps_alive = false;
        self.keeps_alive = false;
    }
}

impl Future for Connection {
    type Output = Over;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Over> {
        turn(|| self.poll_turn(context))
    }
}
