//! One service's requests: route × method → endpoint, and the header policies around its answer.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{ALLOW, CONTENT_TYPE, ORIGIN, REFERER, VARY};
use http::{HeaderValue, Method, Response, StatusCode};
use tracing::warn;

use crate::fields::Fields;
use crate::identity::{Caller, SessionBinding};
use crate::protocol::Route;
use crate::protocol::info::Info;
use crate::registry::{Counts, Peer, now};
use crate::session::SessionId;
use crate::transport::{
    Address, Answer, Body, Endpoint, Exchange, Hints, Request, Transport, empty, endpoint_at, text,
};

use super::cors;
use super::policies::{Cors, NO_CACHE, NO_SNIFF, Policies, Put as _};
use super::{ConnectionInfo, CorsFields, Service, ServiceConfig};

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=UTF-8");

pub(super) fn not_found() -> Response<Body> {
    text(StatusCode::NOT_FOUND, "Not found.")
}

/// Without a body and a type. (sockjs-protocol, `WebsocketHttpErrors.test_invalidMethod`)
pub(super) fn method_not_allowed(allow: &'static str) -> Response<Body> {
    let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allow));
    response
}

/// What becomes of a request: decided at once, so that a parked request keeps nothing but its handler.
pub(crate) struct Dispatched {
    answer: Answer,
    policies: Policies,
}

impl<A: Into<Answer>> From<A> for Dispatched {
    fn from(answer: A) -> Self {
        Self {
            answer: answer.into(),
            policies: Policies::default(),
        }
    }
}

impl Dispatched {
    /// The same, and `observe` is told the answer's status.
    pub(super) fn observed(self, observe: impl FnOnce(StatusCode) + Send + 'static) -> Self {
        let Self { answer, policies } = self;
        let observed = async move {
            let response = answer.await;
            observe(response.status());
            response
        };
        Self {
            answer: Answer::later(observed),
            policies,
        }
    }

    /// The answer, and the fields to be added to its own. Not to be polled after it was ready.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<(Response<Body>, Policies)> {
        let answer = Pin::new(&mut self.answer).poll(context);
        answer.map(|response| (response, std::mem::take(&mut self.policies)))
    }

    /// The answer with all its fields.
    pub(crate) async fn finish(mut self) -> Response<Body> {
        let (mut response, policies) = std::future::poll_fn(|context| self.poll(context)).await;
        policies.add(response.headers_mut());
        if let Some(content_type) = response.body().content_type() {
            response.headers_mut().fixed(content_type);
        }
        response
    }
}

impl Service {
    /// Finds who answers a request to `path` below the prefix.
    pub(super) fn dispatch(
        &self,
        request: Request,
        path: &str,
        peer: Peer,
        connection: &ConnectionInfo,
    ) -> Dispatched {
        let response = match Route::parse(path) {
            None => not_found(),
            Some(Route::Greeting) => {
                only_get(&request, || text(StatusCode::OK, "Welcome to SockJS!\n"))
            }
            Some(Route::Info) => return self.info(&request, &peer),
            Some(Route::Iframe) => only_get(&request, || self.iframe.answer(&request.fields)),
            Some(Route::File(name)) if name == self.script_name => {
                only_get(&request, || self.script.answer(&request.fields))
            }
            // The iframe page is cached for a year, so its script is asked for by names of earlier versions.
            Some(Route::File(name)) if name.starts_with("iframe-") && name.ends_with(".js") => {
                only_get(&request, || self.script.answer_outdated(&request.fields))
            }
            Some(Route::File(_)) => not_found(),
            Some(Route::RawWebsocket) => {
                return match endpoint_at(Address::RawWebsocket) {
                    Some(found) => self.endpoint(found, None, request, peer, connection),
                    None => not_found().into(),
                };
            }
            Some(Route::Session {
                session, transport, ..
            }) => {
                return match (endpoint_at(Address::Session(transport)), session.parse()) {
                    (Some(found), Ok(id)) => {
                        self.endpoint(found, Some(id), request, peer, connection)
                    }
                    _ => not_found().into(),
                };
            }
        };
        response.into()
    }

    /// `/info`, answered from memory. (sockjs-protocol, `InfoTest`)
    fn info(&self, request: &Request, peer: &Peer) -> Dispatched {
        const METHODS: &str = "OPTIONS, GET";
        if ![Method::GET, Method::OPTIONS].contains(&request.method) {
            return method_not_allowed(METHODS).into();
        }
        if !self.admits(None, &request.fields, peer) {
            return refused_origin().into();
        }
        let mut response = if request.method == Method::OPTIONS {
            cors::preflight(METHODS)
        } else {
            let answered = now() + self.config.info_min_delay.unwrap_or_default();
            let info = Info {
                websocket: self.context.networks.offer_websocket(
                    peer.address,
                    peer.trusted,
                    &request.fields,
                    answered,
                    self.offers_websocket(),
                ),
                // sockjs-client asks without cookies by XDomainRequest, unless they are needed.
                cookie_needed: self.config.cookie_needed
                    || self.config.binding() == SessionBinding::Cookie,
                base_url: None,
                entropy: rand::random(),
            };
            let mut response = Response::new(Body::from(info.to_json()));
            response.headers_mut().insert(CONTENT_TYPE, JSON);
            response.headers_mut().fixed(&NO_SNIFF);
            response.headers_mut().fixed(&NO_CACHE);
            response
        };
        self.cors(&request.fields).put(response.headers_mut());
        match self.config.info_min_delay {
            Some(delay) if request.method == Method::GET => {
                let delayed = async move {
                    tokio::time::sleep(delay).await;
                    response
                };
                Answer::later(delayed).into()
            }
            _ => response.into(),
        }
    }

    fn endpoint(
        &self,
        (transport, endpoint): (&'static Transport, &'static Endpoint),
        session: Option<SessionId>,
        request: Request,
        peer: Peer,
        connection: &ConnectionInfo,
    ) -> Dispatched {
        let hints = endpoint.hints;
        let permits = |config: &ServiceConfig| config.permits(transport.name, hints.websocket);
        if !permits(&self.config) && !self.held(session.as_ref(), permits) {
            return not_found().into();
        }
        let preflight = endpoint.answers_preflight() && request.method == Method::OPTIONS;
        let asks =
            request.method == endpoint.method || (request.extended_connect && hints.websocket);
        if !preflight && !asks {
            return method_not_allowed(endpoint.allow()).into();
        }
        if !self.admits(session.as_ref(), &request.fields, &peer) {
            return refused_origin().into();
        }
        if preflight {
            let mut response = cors::preflight(endpoint.allow());
            let cacheable = Hints {
                no_cache: false,
                ..hints
            };
            self.policies(cacheable, &request.fields)
                .add(response.headers_mut());
            return response.into();
        }
        let policies = self.policies(hints, &request.fields);
        let exchange = Exchange {
            caller: Caller::default(),
            ticket: None,
            request,
            service: Arc::clone(&self.context),
            session,
            peer,
            wire: connection.wire.clone(),
            transport: transport.name,
        };
        let certificate = connection.certificate.as_deref();
        Dispatched {
            answer: self.admit(exchange, certificate, endpoint),
            policies,
        }
    }

    fn policies(&self, hints: Hints, request: &Fields) -> Policies {
        let config = &self.config;
        let cors = hints.cors.then(|| self.cors(request));
        let identity = config.transport.identity_encoding;
        Policies::of(hints, request, cors, config.cookie_needed, identity)
    }

    fn cors(&self, request: &Fields) -> Cors {
        match self.config.cors {
            CorsFields::Auto => Cors::of(request, &self.config.origins),
            CorsFields::Off => Cors::default(),
        }
    }

    /// Whether the session lives, or ended a short while ago, and may have begun when this held.
    fn held(&self, session: Option<&SessionId>, what: impl Fn(&ServiceConfig) -> bool) -> bool {
        self.earlier.iter().any(|config| what(config))
            && session.is_some_and(|id| self.context.registry.knows(id))
    }

    fn admits(&self, session: Option<&SessionId>, fields: &Fields, peer: &Peer) -> bool {
        let admits = |config: &ServiceConfig| config.admits(fields, peer);
        let admitted = admits(&self.config) || self.held(session, admits);
        if !admitted {
            Counts::add(&self.context.registry.counts().origins_refused, 1);
        }
        if !admitted && let Some(held_back) = self.refusals.admit() {
            // What would be let in if `Origin` could be missing is not refused for what it is.
            let why = match self.config.origins.admit(fields, peer, true) {
                true => {
                    "request without origin refused: `allow_missing_origin` of the service lets programs in"
                }
                false => {
                    "origin refused: --origin, or `origins` of the service, lets pages of other sites in"
                }
            };
            warn!(
                service = %self.config.prefix,
                origin = fields.get(&ORIGIN).or_else(|| fields.get(&REFERER)).map(debug),
                host = peer.host,
                scheme = peer.scheme,
                allowed = %self.config.origins,
                held_back,
                "{why}",
            );
        }
        admitted
    }
}

fn only_get(request: &Request, answer: impl FnOnce() -> Response<Body>) -> Response<Body> {
    if request.method == Method::GET {
        answer()
    } else {
        method_not_allowed("GET")
    }
}

/// Without CORS fields, so that the page of the refused origin cannot read even this.
fn refused_origin() -> Response<Body> {
    let mut response = text(StatusCode::FORBIDDEN, "Forbidden origin.");
    response
        .headers_mut()
        .insert(VARY, HeaderValue::from_static("Origin"));
    response
}
