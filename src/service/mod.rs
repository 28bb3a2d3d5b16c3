//! The gateway as an HTTP service: which service a request is for, and the policies around its transports.

mod admission;
mod builder;
mod config;
mod cookie;
mod cors;
mod dispatch;
mod doctor;
mod drain;
mod forwarded;
mod gate;
mod health;
mod host;
mod look;
mod measure;
mod origin;
mod page;
mod policies;
mod reload;
mod routes;
#[cfg(feature = "tower")]
mod tower;

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::HOST;
use http::uri::Authority;
use http::{Method, Response, StatusCode, Version};
use http_body_util::BodyExt as _;
use parking_lot::Mutex;

use crate::fields::FieldValue;
use crate::metrics::{Connections, HeadRefusal};
use crate::network::{Findings, Networks};
use crate::protocol::{CloseReason, Route};
use crate::registry::{Backend, Budgets, Counts, Peer, Registry, Throttle, Throttles, Wire};
use crate::transport::{Body, BodyError, Request, RequestBody, ServiceContext, text};

pub use builder::GatewayBuilder;
pub use config::{ConfigError, CorsFields, GatewayConfig, ServiceConfig};
pub(crate) use dispatch::Dispatched;
use doctor::DoctorService;
pub use forwarded::{TrustedProxies, parse_networks};
use gate::Gate;
pub use health::{HealthConfig, Readiness, UpstreamHealth};
pub(crate) use look::Outside;
pub use look::ServiceLook;
pub use origin::{AllowedOrigin, InvalidOrigin, Origins};
pub(crate) use page::Page;
pub(crate) use policies::Policies;
pub use reload::Reloaded;
use routes::Routes;

/// The gateway: services under their prefixes, and nothing else. Cheap to clone.
///
/// It is a [`hyper::service::Service`], and a `tower::Service` with feature `tower`. It must see the whole path, prefix
/// included. Sessions run as tasks of the tokio runtime that calls it.
///
/// ```
/// use sockjs_gateway::{Connection, Gateway, ServiceConfig};
///
/// async fn shout(mut connection: Connection) {
///     while let Some(message) = connection.recv().await {
///         let text = message.as_text().unwrap_or_default().to_uppercase();
///         if connection.send(text).await.is_err() {
///             break;
///         }
///     }
/// }
///
/// let gateway = Gateway::builder().service(ServiceConfig::new("/shout"), shout).build()?;
/// # Ok::<(), sockjs_gateway::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

struct Inner {
    /// What is in force; each request looks once.
    routes: ArcSwap<Routes>,
    pages: HashMap<&'static str, Page>,
    outside: Option<Arc<dyn Outside>>,
    budgets: Budgets,
    /// Counted by the servers that serve it.
    connections: Arc<Connections>,
    /// What counts the lines of the log that were lost, where the program writes one.
    log_lines_dropped: OnceLock<Box<dyn Fn() -> u64 + Send + Sync>>,
    /// Held by who changes `routes`. While new sessions are refused everywhere, what they are refused with.
    draining: Mutex<Option<CloseReason>>,
    trying: health::Trying,
}

/// One service: a prefix, its policies and its sessions.
struct Service {
    config: Arc<ServiceConfig>,
    /// What held when sessions that still live may have begun, the last at the end.
    earlier: Vec<Arc<ServiceConfig>>,
    context: Arc<ServiceContext>,
    iframe: Page,
    script: &'static Page,
    script_name: &'static str,
    refusals: Throttle,
    doctor: Option<DoctorService>,
}

/// What the server knows of the connection a request came on.
///
/// An application that serves the gateway itself puts it into the request's extensions; without it the peer is unknown, and
/// trusted proxies are not believed. In axum, with `into_make_service_with_connect_info`, in a layer of `from_fn`:
///
/// ```ignore (axum is not a dependency of the documentation)
/// async fn tell_peer(ConnectInfo(peer): ConnectInfo<SocketAddr>, mut request: Request, next: Next) -> Response {
///     request.extensions_mut().insert(ConnectionInfo { peer: Some(peer), ..ConnectionInfo::default() });
///     next.run(request).await
/// }
/// ```
#[derive(Clone, Debug, Default)]
pub struct ConnectionInfo {
    /// Address of the TCP peer.
    pub peer: Option<SocketAddr>,
    /// Whether it is TLS.
    pub secure: bool,
    /// The certificate (DER) that the client showed, when it is verified.
    pub certificate: Option<Arc<[u8]>>,
    /// Whether it came over a Unix socket, where there is no address.
    pub unix: bool,
    /// What was written, and whether it broke; from a server that tells.
    pub wire: Option<Arc<Wire>>,
}

impl Gateway {
    /// Answers a request. The answer to a receiving request may take as long as a heartbeat.
    pub fn answer(
        &self,
        request: http::Request<RequestBody>,
        connection: &ConnectionInfo,
    ) -> impl Future<Output = Response<Body>> + Send + use<> {
        self.dispatch(request.into(), connection).finish()
    }

    /// Decides who answers a request.
    pub(crate) fn dispatch(&self, request: Request, connection: &ConnectionInfo) -> Dispatched {
        if let Some(wrong) = wrong_host(&request) {
            self.0.connections.head_refused(HeadRefusal::Malformed);
            return text(StatusCode::BAD_REQUEST, wrong).into();
        }
        let uri = request.uri.clone();
        if !uri.path().starts_with('/') {
            // Authority-form and asterisk-form are for CONNECT and OPTIONS of proxies. (RFC 9112 §3.2)
            self.0.connections.head_refused(HeadRefusal::Malformed);
            return text(StatusCode::BAD_REQUEST, "Bad request target.").into();
        }
        if let Some(health) = self.public_health(&request) {
            return health;
        }
        let routes = self.0.routes.load();
        if let Some((service, rest)) = routes.find(uri.path()) {
            if let Some((doctor, rest)) = service.doctor(rest) {
                return doctor.dispatch(request, rest, connection, &routes.trusted);
            }
            let peer = routes.trusted.peer(&request, connection);
            return service.dispatch(request, rest, peer, connection);
        }
        let response = match self.0.pages.get(uri.path()) {
            Some(page) if request.method == Method::GET => page.answer(&request.fields),
            Some(_) => dispatch::method_not_allowed("GET"),
            None if let Some(outside) = &self.0.outside => {
                return outside.answer(request, connection).into();
            }
            None => {
                tracing::debug!(path = uri.path(), prefixes = ?self, "no service has this prefix; the gateway needs the whole path");
                dispatch::not_found()
            }
        };
        response.into()
    }

    /// Whether the peer of a connection is a proxy that is believed.
    pub(crate) fn trusts(&self, connection: &ConnectionInfo) -> bool {
        self.0.routes.load().trusted.trusts_peer(connection)
    }

    /// Number of living sessions of all services.
    pub fn sessions(&self) -> usize {
        self.0.budgets.sessions.used()
    }

    /// What was found out about client networks since the start: called with each service's prefix.
    pub fn findings(&self, mut look: impl FnMut(&str, &Findings)) {
        for service in &self.0.routes.load().services {
            look(&service.config.prefix, service.context.networks.findings());
        }
    }

    /// How often limits were reached since each service's start: called with its prefix.
    pub fn counts(&self, mut look: impl FnMut(&str, &Counts)) {
        for service in &self.0.routes.load().services {
            look(&service.config.prefix, service.context.registry.counts());
        }
    }

    /// Prefixes of the services.
    pub fn prefixes(&self) -> Vec<Arc<str>> {
        let routes = self.0.routes.load();
        let services = routes.services.iter();
        services
            .map(|service| Arc::clone(&service.config.prefix))
            .collect()
    }

    /// Answers any server's request, for which the server tells nothing of the connection but, perhaps, a
    /// [`ConnectionInfo`] among the request's extensions.
    fn call_with<B>(&self, request: http::Request<B>) -> GatewayFuture
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let gateway = self.clone();
        let request = request.map(|body| {
            RequestBody::Other(
                body.map_err(|error| BodyError::new(error.into()))
                    .boxed_unsync(),
            )
        });
        Box::pin(async move {
            let connection = request
                .extensions()
                .get::<ConnectionInfo>()
                .cloned()
                .unwrap_or_default();
            Ok(gateway.answer(request, &connection).await)
        })
    }
}

/// The answer to come.
pub type GatewayFuture = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl<B> hyper::service::Service<http::Request<B>> for Gateway
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = GatewayFuture;

    fn call(&self, request: http::Request<B>) -> GatewayFuture {
        self.call_with(request)
    }
}

impl Service {
    fn new(config: ServiceConfig, backend: Arc<dyn Backend>, process: &Budgets) -> Self {
        let budgets = process.child(config.max_sessions, config.queue_memory);
        let backend = Gate::around(backend, &config);
        let prefix = Arc::clone(&config.prefix);
        let registry = Registry::new(prefix, config.session.clone(), backend, budgets);
        registry.limit_openings(config.openings, config.clients);
        let networks = config.networks();
        Self::with(config, Vec::new(), registry, networks)
    }

    fn with(
        config: ServiceConfig,
        earlier: Vec<Arc<ServiceConfig>>,
        registry: Arc<Registry>,
        networks: Arc<Networks>,
    ) -> Self {
        let context = ServiceContext {
            prefix: Arc::clone(&config.prefix),
            config: config.transport.clone(),
            registry,
            networks,
            auth: config.auth.clone(),
            http10: Throttle::default(),
            unauthenticated: Throttles::default(),
        };
        let (script_name, script) = page::iframe_script();
        let script_url = match &config.sockjs_url {
            Some(url) => url.clone(),
            None => format!("{}/{script_name}", config.prefix),
        };
        let iframe = Page::iframe(&script_url, &config.origins);
        Self {
            doctor: DoctorService::of(&config),
            config: Arc::new(config),
            earlier,
            context: Arc::new(context),
            iframe,
            script,
            script_name,
            refusals: Throttle::default(),
        }
    }

    /// What is below its prefix, when `path` is.
    fn below<'a>(&self, path: &'a str) -> Option<&'a str> {
        let rest = path.strip_prefix(&*self.config.prefix)?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    }

    /// Whether `path` is of a session of its own, or of its doctor's, that lives or ended a short while ago.
    fn knows(&self, path: &str) -> bool {
        self.with_doctor().any(|service| {
            let route = service.below(path).and_then(Route::parse);
            let Some(Route::Session { session, .. }) = route else {
                return false;
            };
            let id = session.parse();
            id.is_ok_and(|id| service.context.registry.knows(&id))
        })
    }

    /// The doctor and the path below it, when `rest` is one of its URLs.
    fn doctor<'a>(&self, rest: &'a str) -> Option<(&DoctorService, &'a str)> {
        let below = rest.strip_prefix("/doctor")?;
        let doctor = self.doctor.as_ref()?;
        (below.is_empty() || below.starts_with('/')).then_some((doctor, below))
    }

    /// Its sessions, and those that its doctor tests with.
    fn registries(&self) -> impl Iterator<Item = &Arc<Registry>> {
        let services = self.with_doctor();
        services.map(|service| &service.context.registry)
    }

    /// It, and the service that its doctor tests with.
    fn with_doctor(&self) -> impl Iterator<Item = &Self> {
        let tested = self.doctor.as_ref().map(DoctorService::sockjs);
        std::iter::once(self).chain(tested)
    }

    /// Whether browsers may try WebSocket.
    fn offers_websocket(&self) -> bool {
        self.config.websocket && self.config.offers("websocket")
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("prefixes", &self.prefixes())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for GatewayBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayBuilder")
            .field("services", &self.services.len())
            .finish_non_exhaustive()
    }
}

/// What is wrong with the host that a request is for: requests that proxies may have read differently end here. (RFC 9112 §3.2)
fn wrong_host(request: &Request) -> Option<&'static str> {
    const NO_HOST: &str = "The request is for no host, with a port or without.";
    // What an absolute target says counts, and not the field. (RFC 9112 §3.2.2)
    let said = request.uri.authority().map(Authority::as_str);
    if said.is_some_and(|said| said.is_empty() || !host::is_valid(said.as_bytes())) {
        return Some(NO_HOST);
    }
    if !matches!(request.uri.scheme_str(), None | Some("http" | "https")) {
        return Some("Only http and https are spoken here.");
    }
    let mut hosts = request.fields.get_all(&HOST);
    match (hosts.next(), hosts.next()) {
        (None, _) if request.version != Version::HTTP_11 => None,
        (None, _) | (_, Some(_)) => Some("Exactly one Host field is required."),
        (Some(host), None) if host::is_valid(host.as_bytes()) => None,
        (Some(_), None) => Some(NO_HOST),
    }
}

/// The browser's side of `connection`, when no proxy has to be believed.
fn direct_peer(request: &Request, connection: &ConnectionInfo) -> Peer {
    // What an absolute target says counts, and not the field. (RFC 9112 §3.2.2)
    let host = request.uri.authority().map(Authority::as_str);
    let field = || request.fields.get(&HOST).and_then(FieldValue::text);
    Peer {
        trusted: false,
        address: connection.peer.map(|peer| peer.ip().to_canonical()),
        scheme: connection.secure.then_some("https"),
        host: host.or_else(field).map(str::to_owned),
    }
}
