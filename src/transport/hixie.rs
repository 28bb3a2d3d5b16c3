//! SockJS over the WebSocket draft Hixie-76, on the upgraded bytes. (sockjs-protocol, `Websocket.test_haproxy`)

use std::future::poll_fn;
use std::sync::Arc;

use http::Response;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::protocol::hixie::{CLOSE_FRAME, Decoder, Event, NONCE, challenge_response, text_frame};
use crate::protocol::message::decode_websocket;
use crate::protocol::{CloseReason, Frame, Framing as _, framing};
use crate::registry::{Driver, Opener, Receiver, SessionHandle};
use crate::session::{Deliver, Liveness, Manner};

use super::body::Body;
use super::upgraded::{Upgraded, upgraded};
use super::{Exchange, TransportConfig, upgrade};

/// Answers the handshake with 101 before its nonce is there, as the draft has it behind proxies, and runs the session.
pub(super) fn open(mut exchange: Exchange, keys: (u32, u32)) -> Response<Body> {
    let target = exchange
        .request
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str())
        .to_owned();
    let secure = exchange.peer.scheme == Some("https");
    let host = exchange.peer.host.as_deref();
    let response = host
        .and_then(|host| upgrade::accept_hixie(&exchange.request.fields, secure, host, &target));
    let Some(response) = response else {
        return upgrade::not_websocket();
    };

    let upgraded = upgraded(&mut exchange.request);
    let ticket = exchange.ticket.take();
    let opened = exchange.service.registry.open_unnamed(
        false,
        Opener::new(&exchange.caller, ticket),
        None,
        || exchange.handshake(),
        None,
    );
    if let Ok((handle, _)) = &opened {
        exchange.log_opened(handle);
    }
    let config = exchange.service.config.clone();
    drop(exchange);
    tokio::spawn(async move {
        let Some(mut io) = upgraded.await else { return };
        let greeted = tokio::time::timeout(config.body_timeout, answer_nonce(&mut io, keys)).await;
        let Ok(Ok(())) = greeted else { return };
        // Heartbeats are `h` frames: the draft has no Ping.
        let attached = match opened {
            Ok((handle, driver)) => {
                Receiver::attach(handle, Manner::new(Liveness::Connection), None)
                    .await
                    .map(|receiver| (receiver, driver))
            }
            Err(reason) => Err(reason),
        };
        match attached {
            Ok((receiver, driver)) => run(io, receiver, driver, &config).await,
            Err(reason) => {
                let frame = framing::Websocket.wrap(&Frame::Close(&reason));
                let refusal = [text_frame(&frame), CLOSE_FRAME.to_vec()].concat();
                // Whether the browser saw it or not, there is nothing more to do.
                let _ = tokio::time::timeout(config.close_timeout, write(&mut io, &refusal)).await;
            }
        }
    });
    response
}

async fn answer_nonce(io: &mut Upgraded, keys: (u32, u32)) -> std::io::Result<()> {
    let mut nonce = [0; NONCE];
    io.read_exact(&mut nonce).await?;
    io.write_all(&challenge_response(keys.0, keys.1, &nonce))
        .await?;
    io.flush().await
}

/// The conversation and the session's driver side by side: either may wait for the other.
async fn run(io: Upgraded, receiver: Receiver, driver: Driver, config: &TransportConfig) {
    tokio::join!(driver, talk(io, receiver, config));
}

async fn talk(mut io: Upgraded, mut receiver: Receiver, config: &TransportConfig) {
    let mut decoder = Decoder::new(config.max_body_size);
    let mut buffer = [0; 2048];
    loop {
        let next = poll_fn(|context| {
            receiver.poll_frame(context, |frame| {
                (
                    framing::Websocket.wrap(&frame),
                    matches!(frame, Frame::Close(_)),
                )
            })
        });
        tokio::select! {
            biased;
            (text, closes) = next => {
                // The draft has no Ping that would find a browser that reads nothing.
                let written = tokio::time::timeout(config.deliver_timeout, write(&mut io, &text_frame(&text))).await;
                if !matches!(written, Ok(Ok(()))) {
                    return;
                }
                receiver.left();
                if closes {
                    let _ = write(&mut io, &CLOSE_FRAME).await;
                    let _ = io.shutdown().await;
                    return;
                }
            }
            read = io.read(&mut buffer) => {
                let Ok(length @ 1..) = read else { return };
                decoder.push(&buffer[..length]);
                if !receive(receiver.handle(), &mut decoder, config).await {
                    let _ = write(&mut io, &CLOSE_FRAME).await;
                    let _ = io.shutdown().await;
                    return;
                }
            }
        }
    }
}

async fn write(io: &mut Upgraded, bytes: &[u8]) -> std::io::Result<()> {
    io.write_all(bytes).await?;
    io.flush().await
}

/// Hands in what the browser sent; `false` when nothing more is to be read.
async fn receive(
    handle: &Arc<SessionHandle>,
    decoder: &mut Decoder,
    config: &TransportConfig,
) -> bool {
    while let Some(event) = decoder.next_event() {
        match event {
            Event::Close => {
                handle.browser_closed(CloseReason::new(1005, ""));
                return false;
            }
            Event::Fail => return false,
            Event::Text(text) => {
                let mut messages = Vec::new();
                if decode_websocket(&text, &config.messages, &mut messages).is_err() {
                    handle.violated(CloseReason::BROKEN_FRAMING);
                    continue;
                }
                let delivering = handle.deliver(&mut messages);
                let delivered = tokio::time::timeout(config.deliver_timeout, delivering).await;
                if !matches!(delivered, Ok(Deliver::Accepted | Deliver::Void)) {
                    return false;
                }
            }
        }
    }
    true
}
