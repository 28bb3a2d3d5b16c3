//! SockJS over WebSocket: `GET …/websocket`, in HTTP/2 an extended CONNECT. Its sessions are not found by their id. (sockjs-protocol, `Websocket`)

use http::{Method, Response, StatusCode};

use super::body::Body;
use super::hixie;
use super::request::no_memory;
use super::response::text;
use super::socket::{self, Mode};
use super::upgrade::{self, Dialect};
use super::upgraded::upgraded;
use super::{Address, Answer, Endpoint, Exchange, Hints, Transport};

use crate::registry::{Negotiated, NegotiationFailed, Opener, Receiver, now};
use crate::session::{Liveness, Manner};

pub(super) const TRANSPORT: Transport = Transport {
    name: "websocket",
    endpoints: &[Endpoint {
        address: Address::Session("websocket"),
        method: Method::GET,
        handler: |exchange| Answer::later(open(exchange, Mode::Sockjs)),
        hints: Hints::WEBSOCKET,
    }],
    by_element: false,
    without_cookies: false,
};

/// Answers a WebSocket handshake and runs its session in a task of its own.
pub(super) async fn open(mut exchange: Exchange, mode: Mode) -> Response<Body> {
    let (accept, offered) = match upgrade::check(&exchange.request) {
        Err(refusal) => {
            if let Some(network) = exchange.network() {
                network.handshake_refused(now(), exchange.server());
            }
            return refusal;
        }
        Ok(Dialect::Hixie76 { keys }) if mode == Mode::Sockjs => {
            return hixie::open(exchange, keys);
        }
        Ok(Dialect::Hixie76 { .. }) => {
            return text(
                StatusCode::BAD_REQUEST,
                "Only supported WebSocket protocol is RFC 6455.",
            );
        }
        Ok(Dialect::Rfc6455 { accept, offered }) => (accept, offered),
    };
    exchange.warn_of_http10();
    let registry = exchange.service.registry.clone();
    // SockJS has no sub-protocols: sockjs-client never offers any.
    let negotiated = if mode == Mode::Raw && !offered.is_empty() && exchange.caller.opens().is_ok()
    {
        let handshake = exchange.handshake();
        let Ok(_room) = registry.room_for_head(handshake.size()) else {
            return no_memory();
        };
        match registry.backend().negotiate(&handshake, &offered).await {
            Ok(negotiated) => negotiated,
            Err(NegotiationFailed(why)) => {
                tracing::debug!(service = %exchange.service.prefix, %why, "sub-protocol negotiation failed: answered 502");
                return text(StatusCode::BAD_GATEWAY, "Backend cannot be reached.");
            }
        }
    } else {
        Negotiated::default()
    };
    let response = upgrade::accept(accept.as_deref(), negotiated.protocol.as_deref());
    let upgraded = upgraded(&mut exchange.request);
    // Whoever uses raw WebSockets has nothing to fall back to.
    let path = if mode == Mode::Sockjs {
        exchange.websocket_path()
    } else {
        None
    };
    let ticket = exchange.ticket.take();
    let opened = registry.open_unnamed(
        mode == Mode::Raw,
        Opener::new(&exchange.caller, ticket),
        path,
        || exchange.handshake(),
        negotiated.state,
    );
    if let Ok((handle, _)) = &opened {
        exchange.log_opened(handle);
    }
    let service = exchange.service.clone();
    let wire = exchange.wire.take();
    drop(exchange);
    tokio::spawn(async move {
        // A browser that left between its request and the answer has no session to lose.
        let Some(stream) = upgraded.await else { return };
        let session = registry.config();
        let config = socket::websocket_config(&service.config, &session);
        let socket = socket::accepted(stream, config).await;
        let attached = match opened {
            Ok((handle, driver)) => Receiver::attach(handle, Manner::new(Liveness::Pong), wire)
                .await
                .map(|receiver| (receiver, driver)),
            Err(reason) => Err(reason),
        };
        match attached {
            // A task of its own size: what was needed to get here is given back.
            Ok((receiver, driver)) => {
                tokio::spawn(socket::Running::new(
                    socket,
                    receiver,
                    driver,
                    mode,
                    &service.config,
                    session.pong_timeout,
                ));
            }
            Err(reason) => {
                socket::refuse(socket, mode, &reason, service.config.close_timeout).await
            }
        }
    });
    response
}
