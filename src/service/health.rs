//! Whether the process lives, and whether it is ready for new sessions: what load balancers and orchestrators ask.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode};
use parking_lot::Mutex;
use tokio::sync::watch;

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

/// Whoever asks waits for so long for the first that is known of an upstream. Below the second that probes of orchestrators have by
/// default.
const FIRST_TRY: Duration = Duration::from_millis(800);

impl Gateway {
    /// Whether it is ready for new sessions. Where upstreams count, those are tried in the background of which nothing is known, or
    /// nothing recent; one of which nothing is known in time is not taken to be down.
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
            let is_up = self
                .0
                .trying
                .is_up(&backend, health.upstream_interval)
                .await;
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

/// Tries that go on, just to know of backends.
#[derive(Default)]
pub(super) struct Trying(Mutex<Vec<Try>>);

/// One of them.
struct Try {
    /// Who is tried. Weak: the place is not taken by another backend while this is kept.
    backend: Weak<dyn Backend>,
    /// Closed once it is over.
    over: watch::Receiver<()>,
}

impl Trying {
    /// The try of this backend that goes on, or else one that begins now.
    fn join(&self, backend: &Arc<dyn Backend>) -> watch::Receiver<()> {
        let mut tries = self.0.lock();
        tries.retain(|known| known.over.has_changed().is_ok());
        let address = Arc::as_ptr(backend).cast::<()>();
        let going_on = tries
            .iter()
            .find(|known| known.backend.as_ptr().cast::<()>() == address);
        if let Some(going_on) = going_on {
            return going_on.over.clone();
        }
        let (until_over, over) = watch::channel(());
        tries.push(Try {
            backend: Arc::downgrade(backend),
            over: over.clone(),
        });
        let backend = Arc::clone(backend);
        // In a task of its own: who asked may be gone before there is an answer.
        tokio::spawn(async move {
            let _until_over = until_over;
            let _ = backend.reach().await;
        });
        over
    }

    /// Whether a backend is reached, as far as it depends on anybody. What is not known in time counts as reached: an alarm needs a
    /// reason.
    async fn is_up(&self, backend: &Arc<dyn Backend>, interval: Duration) -> Option<bool> {
        let known = backend.health()?.tries();
        let recent = known.age().is_some_and(|age| age < interval);
        if let Some(up) = known.is_reached().filter(|_| recent) {
            return Some(up);
        }
        let mut over = self.join(backend);
        if known.is_up().is_none() {
            let _ = tokio::time::timeout(FIRST_TRY, over.changed()).await;
        }
        Some(backend.health()?.tries().is_reached().unwrap_or(true))
    }
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

#[cfg(test)]
mod tests {
    use super::super::{GatewayConfig, ServiceConfig};
    use super::*;
    use crate::registry::{Connection, Health, Reaching, Served};
    use tokio::sync::Semaphore;

    /// An upstream that is down, and takes as long to say so as the test wants.
    struct Down {
        health: Health,
        begun: Semaphore,
        may_end: Semaphore,
    }

    impl Backend for Down {
        fn serve(&self, _connection: Connection) -> Served {
            Box::pin(std::future::ready(()))
        }

        fn reach(&self) -> Reaching<'_> {
            Box::pin(async {
                self.begun.add_permits(1);
                self.may_end.acquire().await.unwrap().forget();
                self.health.failed("refused".to_owned());
                Err("refused".into())
            })
        }

        fn health(&self) -> Option<&Health> {
            Some(&self.health)
        }
    }

    fn gateway() -> (Gateway, Arc<Down>) {
        let upstream = Arc::new(Down {
            health: Health::default(),
            begun: Semaphore::new(0),
            may_end: Semaphore::new(0),
        });
        let mut config = GatewayConfig::default();
        config.health.upstreams = UpstreamHealth::All;
        let gateway = Gateway::builder()
            .config(config)
            .shared_service(ServiceConfig::new("/up"), Arc::clone(&upstream) as _);
        (gateway.build().unwrap(), upstream)
    }

    /// Of several who ask while nothing is known all wait for the one try, and are told what came of it.
    #[tokio::test(start_paused = true)]
    async fn who_asks_joins_the_try_that_goes_on() {
        let (gateway, upstream) = gateway();
        let asking: Vec<_> = std::iter::repeat_with(|| {
            let gateway = gateway.clone();
            tokio::spawn(async move { gateway.readiness().await })
        })
        .take(3)
        .collect();
        upstream.begun.acquire().await.unwrap().forget();
        tokio::time::sleep(FIRST_TRY / 2).await;
        assert!(asking.iter().all(|one| !one.is_finished()));
        upstream.may_end.add_permits(1);
        for one in asking {
            let down = Readiness::UpstreamsDown(vec!["/up".into()]);
            assert_eq!(one.await.unwrap(), down);
        }
        assert_eq!(upstream.begun.available_permits(), 0, "one try only");
    }

    /// An upstream of which nothing is known when whoever asks has waited long enough is not taken to be down; once it is known to be, it
    /// is told.
    #[tokio::test(start_paused = true)]
    async fn what_is_not_known_in_time_raises_no_alarm() {
        let (gateway, upstream) = gateway();
        assert_eq!(gateway.readiness().await, Readiness::Ready);
        let asking = tokio::spawn({
            let gateway = gateway.clone();
            async move { gateway.readiness().await }
        });
        upstream.may_end.add_permits(1);
        assert_ne!(asking.await.unwrap(), Readiness::Ready);
        assert_eq!(upstream.begun.available_permits(), 1, "one try only");
    }
}
