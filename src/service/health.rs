//! Whether the process lives, and whether it is ready for new sessions: what load balancers and orchestrators ask.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode};

use crate::registry::Backend;
use crate::transport::{Body, Request};

use super::dispatch::method_not_allowed;
use super::{Dispatched, Gateway};

/// Where a gateway tells how it is, and what it looks at for that.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HealthConfig {
    /// Whether the gateway itself answers at the two paths, beside its services. Default no.
    pub public: bool,
    /// Answers 200 as long as the process answers at all. Default `/live`.
    pub live_path: Arc<str>,
    /// Answers 200 while new sessions are served, else 503 and why. Default `/ready`.
    pub ready_path: Arc<str>,
    /// Whether upstreams count. Default not: a balancer that takes every gateway out because a shared upstream is down makes one
    /// fault into two.
    pub upstreams: UpstreamHealth,
    /// How old what is known of an upstream may be before it is tried again, when somebody asks. Default 10 s.
    pub upstream_interval: Duration,
}

/// Which upstreams must be reached for a gateway to be ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UpstreamHealth {
    /// None.
    #[default]
    Ignore,
    /// One of them, if there are any.
    Any,
    /// All.
    All,
}

/// Whether a gateway is ready for new sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It is.
    Ready,
    /// New sessions are refused.
    Draining,
    /// Backends of the services with these prefixes cannot be reached, and count.
    UpstreamsDown(Vec<Arc<str>>),
}

impl Default for HealthConfig {
    fn default() -> Self {
        Self {
            public: false,
            live_path: "/live".into(),
            ready_path: "/ready".into(),
            upstreams: UpstreamHealth::Ignore,
            upstream_interval: Duration::from_secs(10),
        }
    }
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready => f.write_str("ready"),
            Self::Draining => f.write_str("draining"),
            Self::UpstreamsDown(prefixes) => {
                write!(f, "upstream down: {}", prefixes.join(" "))
            }
        }
    }
}

/// An upstream of which nothing is known yet is tried for so long, before it is taken to be down. Below the second that probes of
/// orchestrators have by default.
const FIRST_TRY: Duration = Duration::from_millis(800);

impl Gateway {
    /// Whether it is ready for new sessions. Where upstreams count, those are tried in the background of which nothing is known, or
    /// nothing recent.
    ///
    /// Must be called in a tokio runtime.
    pub async fn readiness(&self) -> Readiness {
        if self.is_draining() {
            return Readiness::Draining;
        }
        let routes = self.0.routes.load_full();
        let health = &routes.health;
        if health.upstreams == UpstreamHealth::Ignore {
            return Readiness::Ready;
        }
        let (mut up, mut down) = (0, Vec::new());
        let tried = routes.services.iter().map(|service| async {
            let backend = service.context.registry.backend();
            let is_up = is_up(backend, health.upstream_interval).await;
            is_up.map(|is_up| (Arc::clone(&service.config.prefix), is_up))
        });
        let tried = futures_util::future::join_all(tried).await;
        for (prefix, is_up) in tried.into_iter().flatten() {
            if is_up {
                up += 1;
            } else {
                down.push(prefix);
            }
        }
        let enough = health.upstreams == UpstreamHealth::Any && up > 0;
        if enough || down.is_empty() {
            Readiness::Ready
        } else {
            Readiness::UpstreamsDown(down)
        }
    }

    /// The answer to a request for one of the two paths, when this is one.
    pub(crate) fn health(&self, request: &Request) -> Option<Dispatched> {
        let routes = self.0.routes.load();
        let path = request.uri.path();
        let lives = path == &*routes.health.live_path;
        if !lives && path != &*routes.health.ready_path {
            return None;
        }
        if ![Method::GET, Method::HEAD].contains(&request.method) {
            return Some(method_not_allowed("GET, HEAD").into());
        }
        if lives {
            return Some(told(StatusCode::OK, "live".to_owned()).into());
        }
        let gateway = self.clone();
        let answer = async move {
            let readiness = gateway.readiness().await;
            let status = match readiness {
                Readiness::Ready => StatusCode::OK,
                _ => StatusCode::SERVICE_UNAVAILABLE,
            };
            told(status, readiness.to_string())
        };
        Some(crate::transport::Answer::later(answer).into())
    }

    /// The same, where the gateway itself answers at the two paths.
    pub(super) fn public_health(&self, request: &Request) -> Option<Dispatched> {
        let public = self.0.routes.load().health.public;
        public.then(|| self.health(request)).flatten()
    }
}

/// Whether a backend is reached, as far as it depends on anybody.
async fn is_up(backend: Arc<dyn Backend>, interval: Duration) -> Option<bool> {
    let tries = backend.health()?.tries();
    let recent = tries.age().is_some_and(|age| age < interval);
    if let Some(up) = tries.is_up().filter(|_| recent) {
        return Some(up);
    }
    let tried = if backend.health()?.begins() {
        let backend = Arc::clone(&backend);
        // In a task of its own: who asked may be gone before there is an answer.
        Some(tokio::spawn(async move {
            let _ = backend.reach().await;
            if let Some(health) = backend.health() {
                health.done();
            }
        }))
    } else {
        None
    };
    if tries.is_up().is_none()
        && let Some(tried) = tried
    {
        let _ = tokio::time::timeout(FIRST_TRY, tried).await;
    }
    Some(backend.health()?.tries().is_up().unwrap_or(false))
}

fn told(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text + "\n"));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let plain = HeaderValue::from_static("text/plain; charset=UTF-8");
    headers.insert(CONTENT_TYPE, plain);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
