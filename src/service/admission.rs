//! Who makes a request: the authenticator is asked, now or later, and what it says is what the transport goes by.

use std::net::IpAddr;
use std::sync::Arc;

use tracing::field::display;
use tracing::warn;

use crate::identity::{
    BindingCookies, Caller, Decision, Identity, Inquiry, Refusal, SessionBinding, Tie,
};
use crate::protocol::CloseReason;
use crate::registry::{Counts, Ticket, Wire};
use crate::transport::{Answer, Endpoint, Exchange, ServiceContext};

use super::Service;

impl Service {
    /// Lets `endpoint` answer, once it is known who asks. Where others have to be asked, only about who may open a session as far as
    /// can be said without knowing who it is, or who is there for one that lives.
    pub(super) fn admit(
        &self,
        mut exchange: Exchange,
        certificate: Option<&[u8]>,
        endpoint: &'static Endpoint,
    ) -> Answer {
        let handler = endpoint.handler;
        let binding = self.config.binding();
        let tie = match binding {
            SessionBinding::None => Tie::None,
            SessionBinding::Identity => Tie::Identity,
            SessionBinding::Cookie => {
                let cookies = BindingCookies::of(&exchange.request.fields, rand::random);
                Tie::Cookies(Box::new(cookies))
            }
        };
        let (address, transport) = (exchange.peer.address, exchange.transport);
        let Some(auth) = &self.config.auth else {
            exchange.caller = Caller::new(None, tie).at(address).on(transport);
            return handler(exchange);
        };
        let named = exchange.session.as_ref();
        let registry = &self.context.registry;
        // Then it needs no identity, and who has none is not refused anything.
        let is_bound_otherwise = binding != SessionBinding::Identity
            && named.is_some_and(|session| registry.knows(session));
        if is_bound_otherwise && (binding == SessionBinding::None || auth.asks_others()) {
            exchange.caller = Caller::unasked(tie).at(address).on(transport);
            return handler(exchange);
        }
        let owner = named.filter(|_| auth.knows_again());
        let owner = owner.and_then(|session| registry.identity_of(session));
        let decision = auth.authenticate(&Inquiry {
            method: &exchange.request.method,
            uri: &exchange.request.uri,
            fields: &exchange.request.fields,
            prefix: &self.config.prefix,
            address,
            network: address.map(|address| self.config.clients.prefixes.network(address)),
            scheme: exchange.peer.scheme,
            host: exchange.peer.host.as_deref(),
            // A proxy's says nothing of the browser.
            certificate: certificate.filter(|_| !exchange.peer.trusted),
            owner: owner.as_ref(),
        });
        let tell = move |service: &ServiceContext, answer: &Result<Arc<Identity>, Refusal>| {
            if let Err(refusal) = answer
                && !is_bound_otherwise
            {
                tell(service, address, refusal);
            }
        };
        match decision {
            Decision::Now(answer) => {
                tell(&self.context, &answer);
                exchange.caller = Caller::new(Some(answer), tie).at(address).on(transport);
                handler(exchange)
            }
            Decision::Later(answer) => {
                let prepared = self.before_asking(&exchange, endpoint).and_then(|ticket| {
                    let room = registry.room_for_head(exchange.request.fields.size())?;
                    Ok((ticket, room))
                });
                let room = match prepared {
                    Ok((ticket, room)) => {
                        exchange.ticket = ticket;
                        room
                    }
                    Err(reason) => {
                        let caller = Caller::refused(reason, tie);
                        exchange.caller = caller.at(address).on(transport);
                        return handler(exchange);
                    }
                };
                let answer = Wire::while_there(exchange.wire.clone(), answer);
                Answer::after(answer, move |answer| {
                    drop(room);
                    tell(&exchange.service, &answer);
                    exchange.caller = Caller::new(Some(answer), tie).at(address).on(transport);
                    handler(exchange)
                })
            }
            Decision::ByMessage => {
                exchange.caller = Caller::unsaid(tie).at(address).on(transport);
                handler(exchange)
            }
        }
    }
}

impl Service {
    /// Whether others are to be asked who makes a request, and the ticket for the session that it may open.
    ///
    /// # Errors
    /// The close frame to answer with, if an answer of that request is a frame: nothing can come of it.
    fn before_asking(
        &self,
        exchange: &Exchange,
        endpoint: &Endpoint,
    ) -> Result<Option<Ticket>, CloseReason> {
        let registry = &self.context.registry;
        // A WebSocket is never for the session that its URL names.
        let named = exchange.session.as_ref();
        let named = named.filter(|_| !endpoint.hints.websocket);
        if named.is_some_and(|session| registry.knows(session)) {
            return Ok(None);
        }
        if !endpoint.opens() {
            return Err(CloseReason::INTERRUPTED);
        }
        registry.ticket(exchange.peer.address).map(Some)
    }
}

/// Tells the operator why somebody is not let in.
pub(super) fn tell(service: &ServiceContext, peer: Option<IpAddr>, refusal: &Refusal) {
    Counts::add(&service.registry.counts().unauthenticated, 1);
    if let Some(held_back) = service.unauthenticated.admit(refusal.why) {
        let peer = peer.map(display);
        warn!(service = %service.prefix, peer, why = refusal.why, held_back, "authentication refused");
    }
}
