//! One service's requests: route × method → endpoint, and the header policies around its answer.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, ORIGIN, REFERER, SET_COOKIE,
    VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use tracing::warn;

use crate::protocol::Route;
use crate::protocol::info::Info;
use crate::registry::{Peer, Wire, now};
use crate::session::SessionId;
use crate::transport::{
    Address, Answer, Body, Endpoint, Exchange, Hints, RequestBody, Transport, empty, endpoint_at,
    text,
};

use super::{Service, cookie, cors};

/// As the suite compares it. (sockjs-protocol, `InfoTest.test_basic`)
const NO_CACHE: HeaderValue =
    HeaderValue::from_static("no-store, no-cache, no-transform, must-revalidate, max-age=0");
/// Asks nginx and those who copied it to pass every frame on at once.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
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

/// What becomes of a request: decided at once, so that a parked request keeps nothing but its handler. A future of the
/// answer, not to be polled after it was ready.
pub(crate) enum Dispatched {
    /// Answered.
    Now(Response<Body>),
    /// A transport is at it; its answer is added to these fields.
    Later(Answer, HeaderMap),
}

impl From<Response<Body>> for Dispatched {
    fn from(response: Response<Body>) -> Self {
        Self::Now(response)
    }
}

impl Dispatched {
    /// The same, and `observe` is told the answer's status.
    pub(super) fn observed(self, observe: impl FnOnce(StatusCode) + Send + 'static) -> Self {
        match self {
            Self::Now(response) => {
                observe(response.status());
                Self::Now(response)
            }
            Self::Later(answer, policies) => {
                let observed = async move {
                    let response = answer.await;
                    observe(response.status());
                    response
                };
                Self::Later(Box::pin(observed), policies)
            }
        }
    }
}

impl Future for Dispatched {
    type Output = Response<Body>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Response<Body>> {
        Poll::Ready(match &mut *self {
            Self::Now(response) => std::mem::replace(response, Response::new(Body::empty())),
            Self::Later(answer, policies) => {
                let mut response = std::task::ready!(answer.as_mut().poll(context));
                // There are more of them than the answer has fields of its own.
                std::mem::swap(response.headers_mut(), policies);
                response.headers_mut().extend(policies.drain());
                response
            }
        })
    }
}

impl Service {
    /// Finds who answers a request to `path` below the prefix.
    pub(super) fn dispatch(
        &self,
        request: Request<RequestBody>,
        path: &str,
        peer: Peer,
        wire: Option<Arc<Wire>>,
    ) -> Dispatched {
        let response = match Route::parse(path) {
            None => not_found(),
            Some(Route::Greeting) => {
                only_get(&request, || text(StatusCode::OK, "Welcome to SockJS!\n"))
            }
            Some(Route::Info) => return self.info(&request, &peer),
            Some(Route::Iframe) => only_get(&request, || self.iframe.answer(request.headers())),
            Some(Route::File(name)) if name == self.script_name => {
                only_get(&request, || self.script.answer(request.headers()))
            }
            // The iframe page is cached for a year, so its script is asked for by names of earlier versions.
            Some(Route::File(name)) if name.starts_with("iframe-") && name.ends_with(".js") => {
                only_get(&request, || self.script.answer_outdated(request.headers()))
            }
            Some(Route::File(_)) => not_found(),
            Some(Route::RawWebsocket) => {
                return match endpoint_at(Address::RawWebsocket) {
                    Some(found) => self.endpoint(found, None, request, peer, wire),
                    None => not_found().into(),
                };
            }
            Some(Route::Session {
                session, transport, ..
            }) => {
                return match (endpoint_at(Address::Session(transport)), session.parse()) {
                    (Some(found), Ok(id)) => self.endpoint(found, Some(id), request, peer, wire),
                    _ => not_found().into(),
                };
            }
        };
        response.into()
    }

    /// `/info`, answered from memory. (sockjs-protocol, `InfoTest`)
    fn info(&self, request: &Request<RequestBody>, peer: &Peer) -> Dispatched {
        const METHODS: &str = "OPTIONS, GET";
        if ![Method::GET, Method::OPTIONS].contains(request.method()) {
            return method_not_allowed(METHODS).into();
        }
        if !self.admits(request.headers(), peer) {
            return refused_origin().into();
        }
        let mut response = if request.method() == Method::OPTIONS {
            cors::preflight(METHODS)
        } else {
            let answered = now() + self.config.info_min_delay.unwrap_or_default();
            let info = Info {
                websocket: self.context.networks.offer_websocket(
                    peer.address,
                    peer.trusted,
                    request.headers(),
                    answered,
                    self.offers_websocket(),
                ),
                cookie_needed: self.config.cookie_needed,
                base_url: None,
                entropy: rand::random(),
            };
            let mut response = Response::new(Body::from(info.to_json()));
            response.headers_mut().insert(CONTENT_TYPE, JSON);
            response
                .headers_mut()
                .insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            response.headers_mut().insert(CACHE_CONTROL, NO_CACHE);
            response
        };
        cors::allow(
            request.headers(),
            &self.config.origins,
            response.headers_mut(),
        );
        match self.config.info_min_delay {
            Some(delay) if request.method() == Method::GET => {
                let delayed = async move {
                    tokio::time::sleep(delay).await;
                    response
                };
                Dispatched::Later(Box::pin(delayed), HeaderMap::new())
            }
            _ => response.into(),
        }
    }

    fn endpoint(
        &self,
        (transport, endpoint): (&'static Transport, &'static Endpoint),
        session: Option<SessionId>,
        request: Request<RequestBody>,
        peer: Peer,
        wire: Option<Arc<Wire>>,
    ) -> Dispatched {
        let hints = endpoint.hints;
        if !self.offers(transport.name) || (hints.websocket && !self.config.websocket) {
            return not_found().into();
        }
        let preflight = endpoint.answers_preflight() && request.method() == Method::OPTIONS;
        if !preflight && request.method() != endpoint.method {
            return method_not_allowed(endpoint.allow()).into();
        }
        if !self.admits(request.headers(), &peer) {
            return refused_origin().into();
        }
        let mut policies = HeaderMap::new();
        self.apply(hints, preflight, request.headers(), &mut policies);
        if preflight {
            let mut response = cors::preflight(endpoint.allow());
            response.headers_mut().extend(policies);
            return response.into();
        }
        let service = Arc::clone(&self.context);
        let transport = transport.name;
        Dispatched::Later(
            (endpoint.handler)(Exchange {
                request,
                service,
                session,
                peer,
                wire,
                transport,
            }),
            policies,
        )
    }

    /// The fields that the endpoint's hints ask for.
    fn apply(&self, hints: Hints, preflight: bool, request: &HeaderMap, policies: &mut HeaderMap) {
        if hints.cors {
            cors::allow(request, &self.config.origins, policies);
        }
        if hints.cookie && self.config.cookie_needed {
            policies.insert(SET_COOKIE, cookie::set_cookie(request));
        }
        if hints.no_cache && !preflight {
            policies.insert(CACHE_CONTROL, NO_CACHE);
        }
        if hints.receives {
            policies.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
        }
        if hints.streams && self.config.transport.identity_encoding {
            policies.insert(CONTENT_ENCODING, HeaderValue::from_static("identity"));
        }
        if hints.script {
            policies.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        }
    }

    fn admits(&self, headers: &HeaderMap, peer: &Peer) -> bool {
        let admitted = self.config.origins.admit(headers, peer);
        if !admitted && let Some(held_back) = self.refusals.admit() {
            warn!(
                service = %self.config.prefix,
                origin = ?headers.get(ORIGIN).or_else(|| headers.get(REFERER)),
                host = ?peer.host,
                scheme = ?peer.scheme,
                allowed = %self.config.origins,
                held_back,
                "origin refused: --origin, or `origins` of the service, lets pages of other sites in",
            );
        }
        admitted
    }
}

fn only_get(
    request: &Request<RequestBody>,
    answer: impl FnOnce() -> Response<Body>,
) -> Response<Body> {
    if request.method() == Method::GET {
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
