//! The doctor below a service's prefix: `/doctor`, its files, its answers, and a SockJS service of its own.

use std::collections::HashMap;
use std::sync::Arc;

use http::Method;

use crate::doctor::{Doctor, PAGES, SeenRequest, ServiceFacts, serve};
use crate::registry::Budgets;
use crate::transport::{Request, TRANSPORTS};

use super::dispatch::{Dispatched, method_not_allowed, not_found};
use super::page::Page;
use super::{ConnectionInfo, Service, ServiceConfig, TrustedProxies};

/// Bounds of the doctors' sessions. They are apart from those of the services, and not counted with them.
const MAX_SESSIONS: usize = 1000;
const QUEUE_MEMORY: usize = 128 << 20;

/// Its page opens WebSockets, which some browsers do not count as `'self'`, and frames itself for the cookie test.
const POLICY: &str = "default-src 'self'; img-src 'self' data:; connect-src 'self' ws: wss:; \
                      base-uri 'none'; form-action 'self'; frame-ancestors 'self'";

/// A service's doctor.
pub(super) struct DoctorService {
    doctor: Arc<Doctor>,
    pages: HashMap<&'static str, Page>,
    /// Everything is on and the heartbeat off, whatever the service's own options are.
    sockjs: Box<Service>,
}

impl DoctorService {
    /// The doctor of the service with this configuration, if it has one.
    pub(super) fn of(config: &ServiceConfig) -> Option<Self> {
        if !config.doctor {
            return None;
        }
        let facts = ServiceFacts {
            websocket: config.websocket,
            heartbeat_s: config
                .session
                .heartbeat_delay
                .map(|delay| delay.as_secs_f64()),
            adaptive: config.network.learn && config.network.adaptive_heartbeat,
            transports: config.offered(),
        };
        let mut own = ServiceConfig::new(format!("{}/doctor/sockjs", config.prefix));
        own.origins = config.origins.clone();
        own.transports = Some(
            TRANSPORTS
                .iter()
                .map(|transport| transport.name.to_owned())
                .collect(),
        );
        own.cookie_needed = config.cookie_needed;
        own.max_sessions = MAX_SESSIONS;
        own.queue_memory = QUEUE_MEMORY;
        // What the network does is to be seen, not what is done about it.
        own.session.heartbeat_delay = None;
        own.network.learn = false;
        own.transport.response_max_age = None;
        own.transport.resume = false;
        let budgets = Budgets::new(MAX_SESSIONS, QUEUE_MEMORY);
        let page = |&(name, content_type, content)| {
            (name, Page::with_policy(content_type, content, POLICY))
        };
        Some(Self {
            doctor: Arc::new(Doctor::new(
                Arc::clone(&config.prefix),
                facts,
                config.doctor_results,
            )),
            pages: PAGES.iter().map(page).collect(),
            sockjs: Box::new(Service::new(own, Arc::new(serve), &budgets)),
        })
    }

    /// The SockJS service that is tested.
    pub(super) fn sockjs(&self) -> &Service {
        &self.sockjs
    }

    /// Finds who answers a request to `path` below `/doctor`.
    pub(super) fn dispatch(
        &self,
        request: Request,
        path: &str,
        connection: &ConnectionInfo,
        trusted: &TrustedProxies,
    ) -> Dispatched {
        let peer = trusted.peer(&request, connection);
        let seen = SeenRequest::of(&request, &peer, trusted.trusts_peer(connection));
        if let Some(rest) = path.strip_prefix("/sockjs")
            && (rest.is_empty() || rest.starts_with('/'))
        {
            let noted = self.doctor.note(rest, &request.method, seen);
            let dispatched = self.sockjs.dispatch(request, rest, peer, connection);
            let Some(noted) = noted else {
                return dispatched;
            };
            let doctor = Arc::clone(&self.doctor);
            return dispatched.observed(move |status| doctor.answered(&noted, status));
        }
        match self.doctor.answer(path, request, seen) {
            Ok(answer) => answer.into(),
            Err(request) => match self.pages.get(path.trim_start_matches('/')) {
                Some(page) if request.method == Method::GET => page.answer(&request.fields),
                Some(_) => method_not_allowed("GET"),
                None => not_found(),
            }
            .into(),
        }
    }
}
