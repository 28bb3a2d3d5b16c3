//! The operators' side: a listener of its own with a JSON API, a page on top of it, and health.

mod answer;
mod api;
mod config;
mod drain;
mod guard;
mod pages;
mod sessions;
mod status;
mod tap;
mod token;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::protocol::CloseReason;
use crate::registry::{Budget, Throttle, now};
use crate::server::{BindError, ListenerConfig, Server, ServerConfig};
use crate::service::{ConnectionInfo, Gateway, Outside};
use crate::transport::{Answer, Request};

pub(crate) use api::has;
pub(crate) use config::{AdminConfig, NotSafe};
use drain::Draining;
use guard::Guard;
pub(crate) use token::Token;

/// What only the program knows of itself, and can do.
pub(crate) trait Process: Send + Sync {
    /// The services by their prefixes.
    fn services(&self) -> Vec<ServiceAbout>;
    /// Where it listens.
    fn listeners(&self) -> Vec<ListenerAbout>;
    /// Every key in force, without secrets: a list of `{"key", "value", "origin", "after_restart"}`.
    fn config(&self) -> Value;
    /// How sessions are ended when nobody says otherwise: the reason, and the time over which it is done.
    fn drain(&self) -> (CloseReason, Duration);
    /// Whether it stops; then it is too late for anything else.
    fn is_stopping(&self) -> bool;
    /// Reads the configuration again.
    fn reload(&self) -> Reloading;
}

/// What comes of reading the configuration again; else its mistakes, a line each. `None` when it is too late: the program stops.
pub(crate) type Reloading =
    Pin<Box<dyn Future<Output = Option<Result<ReloadOutcome, Vec<String>>>> + Send>>;

/// A configuration was read and is in force.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct ReloadOutcome {
    /// Prefixes of services that are new.
    pub(crate) added: Vec<String>,
    /// Prefixes of services that end.
    pub(crate) removed: Vec<String>,
    /// Keys that differ from what is in force, and need a restart.
    pub(crate) needs_restart: Vec<String>,
    /// What is allowed but seldom meant.
    pub(crate) warnings: Vec<String>,
}

/// A service as its configuration has it.
#[derive(Clone, Debug)]
pub(crate) struct ServiceAbout {
    pub(crate) prefix: Arc<str>,
    pub(crate) name: String,
    /// The backend's URL without secrets.
    pub(crate) backend: String,
}

/// A listener.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ListenerAbout {
    pub(crate) address: String,
    pub(crate) tls: bool,
}

/// Taps of all sessions at a time.
const MAX_TAPS: usize = 16;

/// Connections of one client network of which nobody has shown that it may ask.
const MAX_STRANGERS_OF_CLIENT: usize = 64;

/// What answers on the admin listener.
pub(crate) struct Admin {
    gateway: Gateway,
    process: Arc<dyn Process>,
    guard: Guard,
    tap_contents: bool,
    taps: Arc<Budget>,
    refusals: Throttle,
    draining: Draining,
    measured: status::Measured,
    began: crate::moment::Moment,
}

impl Admin {
    /// Opens the listener of `config`, if it has one; and where it asks for a token, what another one takes the place of.
    ///
    /// # Errors
    /// It is not safe, or cannot be opened.
    pub(crate) fn listen(
        config: &AdminConfig,
        gateway: Gateway,
        process: Arc<dyn Process>,
    ) -> Result<Option<(Server, Option<Token>)>, AdminError> {
        let Some(address) = config.listen.clone() else {
            return Ok(None);
        };
        config.check().map_err(AdminError::NotSafe)?;
        let token = Token::of(config).map_err(AdminError::NotSafe)?;
        let operated = gateway.clone();
        let admin = Self {
            guard: Guard::new(token.clone()),
            gateway,
            process,
            tap_contents: config.tap_contents,
            taps: Budget::new(MAX_TAPS),
            refusals: Throttle::default(),
            draining: Draining::default(),
            measured: status::Measured::default(),
            began: now(),
        };
        let mut listener = ListenerConfig::new(address);
        listener.mode = config.mode;
        // A gateway without services, so that the same server serves it, within limits for a few operators.
        let outside = Gateway::builder().outside(Arc::new(Shared(Arc::new(admin))));
        let outside = outside.build().map_err(AdminError::Gateway)?;
        let limits = ServerConfig {
            max_connections: 1024,
            // Whoever asks for health needs no token, and is not to stay for long.
            header_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(15),
            // Of one connection, requests could take all places.
            http2: false,
            ..ServerConfig::default()
        };
        let server = Server::listen(&[listener], outside, limits).map_err(AdminError::Bind)?;
        let server = server.keeping_places_for_the_known(MAX_STRANGERS_OF_CLIENT, &operated);
        Ok(Some((server, token)))
    }
}

/// An [`Admin`] that its answers share.
struct Shared(Arc<Admin>);

impl Outside for Shared {
    fn answer(&self, request: Request, connection: &ConnectionInfo) -> Answer {
        api::answer(&self.0, request, connection)
    }
}

/// There is no admin listener, though one is configured.
#[derive(Debug)]
pub(crate) enum AdminError {
    NotSafe(NotSafe),
    Bind(BindError),
    Gateway(crate::service::ConfigError),
}

impl std::fmt::Display for AdminError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotSafe(error) => error.fmt(f),
            Self::Bind(error) => write!(f, "{error}; admin.listen takes another address"),
            Self::Gateway(error) => error.fmt(f),
        }
    }
}
