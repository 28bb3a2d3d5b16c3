//! HTTP ⇄ session: one file per transport, and the table of all of them.
//!
//! To add one: a file with a `TRANSPORT`, its line in [`TRANSPORTS`], and, for a new wrapping, an `impl Framing` in
//! [`crate::protocol::framing`]. Dispatch, allowed methods, header policy and configuration read the table.

mod answer;
mod body;
mod config;
mod eventsource;
mod hixie;
mod htmlfile;
mod jsonp;
mod pieces;
mod raw_websocket;
mod receive;
mod request;
mod response;
mod send;
mod socket;
mod upgrade;
mod upgraded;
mod websocket;
mod xhr;
mod xhr_streaming;

use std::sync::Arc;

use http::{HeaderValue, Method};

use crate::identity::{Authentication, BindingCookies, Caller};
use crate::network::{Network, Networks, Path};
use crate::protocol::Route;
use crate::registry::{
    Culprit, Handshake, Limit, Peer, Registry, SessionHandle, Throttle, Throttles, Ticket, Wire,
    now,
};
use crate::session::SessionId;

pub use answer::Answer;
pub use body::Body;
pub use config::{Chunks, TransportConfig};
pub use pieces::{PieceSender, pieces};
pub use request::{BodyError, Request, RequestBody};
pub use response::{empty, text};
pub use upgraded::Upgraded;

/// All transports, in the order of the protocol's document.
pub static TRANSPORTS: &[&Transport] = &[
    &websocket::TRANSPORT,
    &xhr::TRANSPORT,
    &xhr_streaming::TRANSPORT,
    &eventsource::TRANSPORT,
    &htmlfile::TRANSPORT,
    &jsonp::TRANSPORT,
    &raw_websocket::TRANSPORT,
];

/// A way for a browser to talk to a session.
#[derive(Debug)]
pub struct Transport {
    /// Name as in configuration and logs; sockjs-client's where it has one.
    pub name: &'static str,
    /// The URLs it answers.
    pub endpoints: &'static [Endpoint],
    /// Browsers ask for it with script or frame elements, which any page can make and which carry no `Origin`.
    pub by_element: bool,
    /// sockjs-client asks other origins for it without cookies, whatever they are.
    pub without_cookies: bool,
}

/// One URL of a transport.
#[derive(Debug)]
pub struct Endpoint {
    /// Where it is.
    pub address: Address<'static>,
    /// The one method it answers, beside OPTIONS where `cors` is set.
    pub method: Method,
    /// What it does.
    pub handler: Handler,
    /// Which header policies apply.
    pub hints: Hints,
}

impl Endpoint {
    /// Whether browsers may ask with OPTIONS before they send. Only scripts that POST across origins have to.
    pub fn answers_preflight(&self) -> bool {
        self.hints.cors && self.method == Method::POST
    }

    /// Whether its requests may open a session, so that who asks for one that is not there is told that it has ended; others need one.
    pub fn opens(&self) -> bool {
        self.hints.receives || self.hints.websocket
    }

    /// The `Allow` field. (RFC 9110 §10.2.1)
    pub fn allow(&self) -> &'static str {
        match (self.answers_preflight(), &self.method) {
            (true, _) => "OPTIONS, POST",
            (false, method) if *method == Method::POST => "POST",
            (false, _) => "GET",
        }
    }
}

/// Where an endpoint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address<'a> {
    /// `/{server}/{session}/SEGMENT`
    Session(&'a str),
    /// `/websocket` below the prefix.
    RawWebsocket,
}

/// Header policies of an endpoint, applied by the service to every answer of it.
#[derive(Clone, Copy, Debug)]
pub struct Hints {
    /// CORS fields, and an answer to preflight requests.
    pub cors: bool,
    /// The JSESSIONID cookie, where the service opts in.
    pub cookie: bool,
    /// `Cache-Control: no-store, …`
    pub no_cache: bool,
    /// A receiving response: proxies are asked not to buffer it.
    pub receives: bool,
    /// A receiving response that goes on: compressing proxies are asked to leave it alone.
    pub streams: bool,
    /// A script or page that a browser must not take for anything else.
    pub script: bool,
    /// A WebSocket: gone when the service has WebSockets disabled.
    pub websocket: bool,
}

impl Hints {
    /// The policies of an ordinary session URL; a transport adds to them.
    const SESSION: Self = Self {
        cors: false,
        cookie: true,
        no_cache: true,
        receives: false,
        streams: false,
        script: false,
        websocket: false,
    };
    /// WebSockets have no policies: nothing is cached, and CORS does not apply.
    const WEBSOCKET: Self = Self {
        cors: false,
        cookie: false,
        no_cache: false,
        receives: false,
        streams: false,
        script: false,
        websocket: true,
    };
}

/// What an endpoint does with a request.
pub type Handler = fn(Exchange) -> Answer;

/// One request to a transport, with everything that belongs to it.
#[derive(Debug)]
pub struct Exchange {
    /// The request.
    pub request: Request,
    /// The service it is for.
    pub service: Arc<ServiceContext>,
    /// The session of the URL; `None` on the raw WebSocket's.
    pub session: Option<SessionId>,
    /// Who asks, after trusted proxies.
    pub peer: Peer,
    /// The connection the request came on, when the server tells.
    pub wire: Option<Arc<Wire>>,
    /// Name of the transport.
    pub transport: &'static str,
    /// Whose sessions it may use, and whether it may open one.
    pub caller: Caller,
    /// For the session that it may open, where limits were looked at before it was known who asks.
    pub ticket: Option<Ticket>,
}

/// What transports know of the service.
#[derive(Debug)]
pub struct ServiceContext {
    /// The service's prefix, e.g. `/echo`.
    pub prefix: Arc<str>,
    /// Limits.
    pub config: TransportConfig,
    /// Its sessions.
    pub registry: Arc<Registry>,
    /// What is known of its clients' networks.
    pub networks: Arc<Networks>,
    /// Who finds out who makes a request.
    pub auth: Option<Authentication>,
    /// Warnings about proxies that send handshakes in HTTP/1.0.
    pub http10: Throttle,
    /// Warnings about requests that nobody is let in with.
    pub unauthenticated: Throttles,
}

impl Exchange {
    /// One line that ties the session's id in later lines to who it is.
    fn log_opened(&self, session: &SessionHandle) {
        let peer = self.peer.address;
        let version = self.request.version;
        tracing::debug!(target: crate::registry::LOG, session = %session.id(), service = %self.service.prefix, transport = self.transport, ?version, peer = peer.map(display), "session opened");
    }

    /// Tells that this request reached a limit, with the session that it is for.
    fn tell(&self, limit: Option<Limit>) {
        let Some(limit) = limit else { return };
        let registry = &self.service.registry;
        let named = self.session.as_ref();
        let session = named.and_then(|id| registry.get(id, &self.caller).ok());
        let culprit = Culprit {
            session: session.map(|session| session.id()),
            peer: self.peer.address,
            sessions: None,
        };
        registry.counts().reached(limit, culprit);
    }

    /// The client's network, when it is a browser's.
    fn network(&self) -> Option<Arc<Network>> {
        let Peer {
            address, trusted, ..
        } = self.peer;
        let fields = &self.request.fields;
        self.service.networks.of(address, trusted, fields)
    }

    /// The first segment of a session's URL.
    fn server(&self) -> &str {
        let path = self.request.uri.path();
        match path
            .strip_prefix(&*self.service.prefix)
            .and_then(Route::parse)
        {
            Some(Route::Session { server, .. }) => server,
            _ => "",
        }
    }

    /// The way of a new HTTP session through the client's network.
    fn http_path(&self, streams: bool) -> Option<Path> {
        let network = self.network()?;
        Some(network.open_http(now(), self.server(), streams, self.peer.address))
    }

    /// The way of a new WebSocket session through the client's network.
    fn websocket_path(&self) -> Option<Path> {
        let network = self.network()?;
        Some(network.open_websocket(now(), self.server(), self.peer.address))
    }

    /// `Set-Cookie` for the answer that opens a session, where that is bound to a cookie which the browser has not.
    fn binding_cookie(&self) -> Option<Box<HeaderValue>> {
        let secure = self.peer.scheme == Some("https");
        let cookie = self.caller.set_cookie(&self.service.prefix, secure);
        cookie.map(Box::new)
    }

    /// What the backend may want to know of the request that opens a session.
    fn handshake(&self) -> Handshake {
        let (mut uri, mut headers) = (self.request.uri.clone(), self.request.fields.to_map());
        if self.caller.is_tied_by_cookies() {
            BindingCookies::strip(&mut headers);
        }
        if let Some(auth) = &self.service.auth {
            auth.strip(&mut uri, &mut headers);
        }
        Handshake {
            uri,
            prefix: Arc::clone(&self.service.prefix),
            headers,
            identity: self.caller.identity().cloned(),
            peer: self.peer.clone(),
            transport: self.transport,
        }
    }
}

/// Every endpoint with its transport.
pub fn endpoints() -> impl Iterator<Item = (&'static Transport, &'static Endpoint)> {
    TRANSPORTS.iter().flat_map(|transport| {
        transport
            .endpoints
            .iter()
            .map(move |endpoint| (*transport, endpoint))
    })
}

/// The endpoint at `address`.
pub fn endpoint_at(address: Address<'_>) -> Option<(&'static Transport, &'static Endpoint)> {
    endpoints().find(|(_, endpoint)| endpoint.address == address)
}
