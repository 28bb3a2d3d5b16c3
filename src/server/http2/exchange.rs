//! One request of HTTP/2 and its answer, in a task: what is on one connection at a time in HTTP/1.1.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, HeaderName, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Response};
use http_body::Body as _;
use tokio::sync::oneshot;
use tokio::time::Sleep;

use crate::metrics::{ConnectionTimeout, Connections};
use crate::registry::{Wire, turn};
use crate::service::{ConnectionInfo, Dispatched, Gateway};
use crate::transport::{Body, RequestBody, Upgraded};

use super::super::ServerConfig;
use super::super::encode::date_value;
use super::delivery::{Delivery, Piece};
use super::in_order;
use super::request::Read;
use super::streams::Open;
use super::tunnel::Tunnel;

/// Fields about a connection, which a stream has not. (RFC 9113 §8.2.2)
static OF_CONNECTIONS: [HeaderName; 5] = [
    CONNECTION,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// A request that is being answered.
pub(super) struct Exchange {
    stage: Stage,
    head_only: bool,
    /// Who gets the stream, and the client's side of it, after an answer 200 to an extended CONNECT.
    taker: Option<(oneshot::Sender<Upgraded>, RecvStream)>,
    delivery: Arc<Delivery>,
    /// The task is known to the wire.
    registered: bool,
    /// Of the connection below.
    below: Option<Arc<Wire>>,
    /// Whether the connection is still there.
    looking: Option<Pin<Box<dyn Future<Output = bool> + Send>>>,
    /// The answer is complete, and has so much time to be taken.
    patience: Option<Pin<Box<Sleep>>>,
    config: Arc<ServerConfig>,
    counts: Arc<Connections>,
    open: Option<Open>,
}

#[allow(
    clippy::large_enum_variant,
    reason = "a box would cost every request an allocation"
)]
enum Stage {
    Thinking(SendResponse<Piece>, Dispatched),
    Sending {
        output: SendStream<Piece>,
        body: Body,
        /// Was taken from the body, and whether it is the last: it waits for room.
        held: Option<(Bytes, bool)>,
        /// Nothing is left in the body.
        ended: bool,
    },
    Over,
}

/// How it came to be over.
enum End {
    /// Answered.
    Done,
    /// The peer has reset the stream.
    Reset(Reason),
    /// The connection is gone.
    Gone,
    /// From our side.
    Cut,
}

impl Exchange {
    pub(super) fn new(
        read: Read,
        respond: SendResponse<Piece>,
        open: Open,
        gateway: &Gateway,
        info: &ConnectionInfo,
        config: &Arc<ServerConfig>,
    ) -> Self {
        let delivery = Arc::new(Delivery::default());
        let info_of_stream = || ConnectionInfo {
            wire: Some(Arc::clone(&delivery.wire)),
            ..info.clone()
        };
        let mut head_only = false;
        let mut taker = None;
        let dispatched = match read {
            Read::Refused(_, response) => response.into(),
            Read::Request(request) => {
                head_only = request.method == Method::HEAD;
                gateway.dispatch(request, &info_of_stream())
            }
            Read::Tunnel(mut request, stream) => {
                let (sender, receiver) = oneshot::channel();
                request.body = RequestBody::Upgrade(receiver);
                taker = Some((sender, stream));
                gateway.dispatch(request, &info_of_stream())
            }
        };
        Self {
            stage: Stage::Thinking(respond, dispatched),
            head_only,
            taker,
            delivery,
            registered: false,
            below: info.wire.clone(),
            looking: None,
            patience: None,
            config: Arc::clone(config),
            counts: Arc::clone(gateway.connections()),
            open: Some(open),
        }
    }

    fn poll_turn(&mut self, context: &mut Context<'_>) -> Poll<End> {
        if !self.registered {
            self.delivery.wire.register(context);
            self.registered = true;
        }
        if self.delivery.wire.is_cut() {
            return Poll::Ready(End::Cut);
        }
        let looked = self.poll_look(context);
        if let Poll::Ready(reset) = self.poll_reset(context) {
            return Poll::Ready(reset.map_or(End::Gone, End::Reset));
        }
        if looked.is_ready() {
            self.delivery.wire.present();
        }
        loop {
            if let Stage::Thinking(_, dispatched) = &mut self.stage {
                let (mut response, policies) = ready!(dispatched.poll(context));
                policies.add(response.headers_mut());
                if let Some(end) = self.respond(response) {
                    return Poll::Ready(end);
                }
            }
            if let Err(end) = ready!(self.poll_send(context)) {
                return Poll::Ready(end);
            }
        }
    }

    /// Before anything is taken out of a session, it is seen whether the browser has given the stream up.
    fn poll_reset(&mut self, context: &mut Context<'_>) -> Poll<Result<Reason, h2::Error>> {
        match &mut self.stage {
            Stage::Thinking(respond, _) => respond.poll_reset(context),
            Stage::Sending { output, .. } => output.poll_reset(context),
            Stage::Over => Poll::Pending,
        }
    }

    /// Ready when somebody asked whether the browser is still there, and the connection is.
    fn poll_look(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.delivery.wire.take_recheck()
            && let Some(below) = self.below.clone()
        {
            self.looking = Some(Box::pin(async move { below.recheck().await }));
        }
        let Some(looking) = &mut self.looking else {
            return Poll::Pending;
        };
        let there = ready!(looking.as_mut().poll(context));
        self.looking = None;
        if there {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// The answer is decided: its head is sent. The end, when that was all.
    fn respond(&mut self, response: Response<Body>) -> Option<End> {
        let Stage::Thinking(mut respond, _) = std::mem::replace(&mut self.stage, Stage::Over)
        else {
            return Some(End::Cut);
        };
        let (mut head, body) = response.into_parts();
        let taker = self.taker.take().filter(|_| head.status.is_success());
        if let Some(content_type) = body.content_type() {
            head.headers
                .insert(content_type.name(), content_type.value());
        }
        let ends = taker.is_none() && (self.head_only || body.is_end_stream());
        complete(&mut head.headers, taker.is_none(), &body);
        let Ok(output) = respond.send_response(Response::from_parts(head, ()), ends) else {
            return Some(End::Gone);
        };
        match (taker, self.open.take()) {
            (Some((taker, input)), Some(open)) => {
                let delivery = Arc::clone(&self.delivery);
                // Whoever asked for it may have given up.
                let _ = taker.send(Box::new(Tunnel::new(output, input, delivery, open)));
                return Some(End::Done);
            }
            (_, open) => self.open = open,
        }
        if ends {
            return Some(End::Done);
        }
        self.stage = Stage::Sending {
            output,
            body,
            held: None,
            ended: false,
        };
        None
    }

    /// Sends the next piece of the body. Errors are the end: when all is written, or the peer does not take the last of it.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<Result<(), End>> {
        match self.poll_piece(context) {
            Poll::Pending if self.is_complete() => self.poll_patience(context).map(Err),
            sent => sent,
        }
    }

    /// Sends a piece once the one before is written and there is room: until then what is not taken stays in the session.
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Result<(), End>> {
        let Stage::Sending {
            output,
            body,
            held,
            ended,
        } = &mut self.stage
        else {
            return Poll::Ready(Err(End::Cut));
        };
        ready!(self.delivery.poll_idle(context));
        if *ended {
            let lost = self.delivery.wire.is_broken();
            return Poll::Ready(Err(if lost { End::Gone } else { End::Done }));
        }
        if held.is_none() {
            let frame = ready!(Pin::new(&mut *body).poll_frame(context));
            let last = frame.is_none() || body.is_end_stream();
            let data = frame.and_then(|Ok(frame)| frame.into_data().ok());
            *held = Some((data.unwrap_or_default(), last));
        }
        let Some((data, last)) = held else {
            return Poll::Ready(Ok(()));
        };
        // Room is asked for only now: what is kept for those who wait is missing to others. (RFC 9113 §5.2.2)
        if !data.is_empty() && output.capacity() == 0 {
            output.reserve_capacity(1);
            if !matches!(ready!(output.poll_capacity(context)), Some(Ok(_))) {
                return Poll::Ready(Err(End::Gone));
            }
        }
        let piece = self.delivery.piece(std::mem::take(data));
        *ended = *last;
        *held = None;
        let sent = output.send_data(piece, *ended);
        Poll::Ready(sent.map_err(|_| End::Gone))
    }

    /// Whether nothing is left in the body.
    const fn is_complete(&self) -> bool {
        match &self.stage {
            Stage::Sending { ended: true, .. } => true,
            Stage::Sending {
                held: Some((_, last)),
                ..
            } => *last,
            _ => false,
        }
    }

    /// Ready when the peer has not taken a byte of the rest of the answer for too long.
    fn poll_patience(&mut self, context: &mut Context<'_>) -> Poll<End> {
        let time = self.config.idle_timeout;
        let sleep = || Box::pin(tokio::time::sleep(time));
        let patience = self.patience.get_or_insert_with(sleep);
        while patience.as_mut().poll(context).is_ready() {
            if !self.delivery.take_progress() {
                self.counts.timed_out(ConnectionTimeout::Answer);
                return Poll::Ready(End::Cut);
            }
            *patience = sleep();
        }
        Poll::Pending
    }

    fn end(&mut self, end: &End) {
        let wire = &self.delivery.wire;
        match end {
            End::Done => {}
            End::Reset(reason) => {
                if let Some(open) = &mut self.open {
                    open.was_reset();
                }
                if !in_order(*reason) {
                    wire.broke();
                }
            }
            End::Gone => {
                if self.below.as_ref().is_none_or(|below| below.is_broken()) {
                    wire.broke();
                }
            }
            End::Cut => match &mut self.stage {
                Stage::Thinking(respond, _) => respond.send_reset(Reason::CANCEL),
                Stage::Sending { output, .. } => output.send_reset(Reason::CANCEL),
                Stage::Over => {}
            },
        }
    }
}

/// Adds what an answer has to have, and takes away what it must not.
fn complete(headers: &mut HeaderMap, has_length: bool, body: &Body) {
    for name in &OF_CONNECTIONS {
        headers.remove(name);
    }
    if has_length && let Some(length) = body.size_hint().exact() {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    headers.entry(DATE).or_insert_with(date_value);
}

impl Future for Exchange {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        turn(|| {
            let end = ready!(self.poll_turn(context));
            self.end(&end);
            Poll::Ready(())
        })
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        // Who receives learns from the wire how it ended, so it goes first.
        self.stage = Stage::Over;
        if self.open.is_some() {
            self.delivery.wire.closed(self.delivery.wire.is_broken());
        }
    }
}
