//! What an operator can set about a service.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::fields::Fields;
use crate::identity::{Authentication, SessionBinding};
use crate::network::{NetworkConfig, Networks};
use crate::registry::{ClientLimits, Peer};
use crate::session::{RateLimit, SessionConfig};
use crate::transport::{TRANSPORTS, Transport, TransportConfig};

use super::forwarded::TrustedProxies;
use super::health::HealthConfig;
use super::origin::Origins;

/// What all services of a gateway share.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GatewayConfig {
    /// Proxies whose `Forwarded` and `X-Forwarded-*` fields are believed. Default none.
    pub trusted_proxies: TrustedProxies,
    /// The most sessions of all services together. Default 1 000 000.
    pub max_sessions: usize,
    /// Bytes that all queues and bodies may take together, beyond 16 KiB that each session has for itself. Default 1 GiB.
    pub queue_memory: usize,
    /// How it tells whether it lives and is ready.
    pub health: HealthConfig,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            trusted_proxies: TrustedProxies::default(),
            max_sessions: 1_000_000,
            queue_memory: 1 << 30,
            health: HealthConfig::default(),
        }
    }
}

/// A service's prefix and options. `ServiceConfig::new("/echo")` has the defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceConfig {
    /// Path the service is under: starts with `/`, does not end with it.
    pub prefix: Arc<str>,
    /// Origins whose pages may use the service. Default: the service's own.
    pub origins: Origins,
    /// Whether requests without `Origin` are let in. Default yes. Without, something else in them has to say that a page that is
    /// allowed made them; programs are kept out.
    pub allow_missing_origin: bool,
    /// Who says which pages may read answers.
    pub cors: CorsFields,
    /// Whether WebSockets are accepted and announced. Default yes.
    pub websocket: bool,
    /// Whether the JSESSIONID cookie is set, for load balancers that keep browsers to a server by it. Default no.
    pub cookie_needed: bool,
    /// URL of the script that the iframe page loads; starts with `/`, `http://` or `https://`. Default: our own script,
    /// served below the prefix.
    pub sockjs_url: Option<String>,
    /// Names of the transports that are on. Default all where every origin is let in; else all but htmlfile and jsonp-polling,
    /// which browsers ask for without `Origin`; and, with sessions that are bound to cookies and other origins than the own, all but
    /// eventsource, which sockjs-client asks other origins for without cookies.
    pub transports: Option<Vec<String>>,
    /// The most sessions at a time. Default 100 000.
    pub max_sessions: usize,
    /// How fast sessions may be opened. Default no limit.
    pub openings: RateLimit,
    /// What each client may have, by its address after trusted proxies. Default no limit.
    pub clients: ClientLimits,
    /// Bytes that the queues and bodies of this service may take together. Default 512 MiB.
    pub queue_memory: usize,
    /// Time that `/info` takes at least. sockjs-client gives every transport a multiple of the time that `/info` took, so that
    /// this gives users far away more time before their browsers fall back. `None`, the default, answers at once.
    pub info_min_delay: Option<Duration>,
    /// What is learnt of client networks.
    pub network: NetworkConfig,
    /// Whether `/doctor` below the prefix tests what a user's network does to SockJS. Default no.
    pub doctor: bool,
    /// Results of the doctor that are kept under a code for a day. Default none.
    pub doctor_results: usize,
    /// Who finds out who opens sessions. `None`, the default, lets everybody in whose origin is.
    pub auth: Option<Authentication>,
    /// What ties further requests to a session. `None`, the default, is the identity where `auth` is set and asks for no message.
    pub session_binding: Option<SessionBinding>,
    /// Timing and queues of sessions.
    pub session: SessionConfig,
    /// Limits of requests and responses.
    pub transport: TransportConfig,
}

/// Whether answers say which pages may read them. (Fetch, CORS protocol)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CorsFields {
    /// Those of the origins that are let in.
    #[default]
    Auto,
    /// They say nothing: what stands in front of the gateway does, and two that say it are one too many for browsers.
    Off,
}

/// A service's configuration is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// Two services have this prefix.
    PrefixTwice(String),
    /// Not a prefix.
    InvalidPrefix(String),
    /// No transport has this name.
    UnknownTransport(String),
    /// The list of transports is empty.
    NoTransport,
    /// Not a URL for the iframe's script.
    InvalidSockjsUrl(String),
    /// A service has this path, and the gateway's health is to be there.
    HealthAtPrefix(String),
    /// Every page may use sessions that are bound to cookies.
    CookieForEveryOrigin,
    /// Sessions are bound to an identity that only their first message shows.
    IdentityByMessage,
}

impl ServiceConfig {
    /// A service under `prefix`, with the defaults.
    pub fn new(prefix: impl Into<Arc<str>>) -> Self {
        Self {
            prefix: prefix.into(),
            origins: Origins::Same,
            allow_missing_origin: true,
            cors: CorsFields::Auto,
            websocket: true,
            cookie_needed: false,
            sockjs_url: None,
            transports: None,
            max_sessions: 100_000,
            openings: RateLimit::default(),
            clients: ClientLimits::default(),
            queue_memory: 512 << 20,
            info_min_delay: None,
            network: NetworkConfig::default(),
            doctor: false,
            doctor_results: 0,
            auth: None,
            session_binding: None,
            session: SessionConfig::default(),
            transport: TransportConfig::default(),
        }
    }

    /// What ties further requests to sessions.
    pub(super) fn binding(&self) -> SessionBinding {
        match (self.session_binding, &self.auth) {
            (Some(binding), _) => binding,
            (None, Some(_)) if !self.awaits_messages() => SessionBinding::Identity,
            (None, _) => SessionBinding::None,
        }
    }

    /// Whether the transport of that name is on.
    pub(crate) fn offers(&self, transport: &str) -> bool {
        match &self.transports {
            Some(names) => names.iter().any(|name| name == transport),
            None => {
                let others = self.origins != Origins::Same;
                let is_off = |known: &Transport| match self.binding() {
                    SessionBinding::Cookie => known.by_element || (others && known.without_cookies),
                    _ => known.by_element && self.origins != Origins::Any,
                };
                let mut known = TRANSPORTS.iter();
                !known.any(|known| known.name == transport && is_off(known))
            }
        }
    }

    /// Whether requests to this transport are answered at all.
    pub(super) fn permits(&self, transport: &str, is_websocket: bool) -> bool {
        self.offers(transport) && (self.websocket || !is_websocket)
    }

    /// Whether pages that ask like this are let in.
    pub(super) fn admits(&self, fields: &Fields, peer: &Peer) -> bool {
        self.origins.admit(fields, peer, self.allow_missing_origin)
    }

    /// Whether the same requests are answered under `other`.
    pub(super) fn lets_in_as(&self, other: &Self) -> bool {
        self.origins == other.origins
            && self.allow_missing_origin == other.allow_missing_origin
            && self.websocket == other.websocket
            && self.transports == other.transports
    }

    /// The transports that are on, when not all are.
    pub(super) fn offered(&self) -> Option<Vec<String>> {
        let on: Vec<_> = TRANSPORTS
            .iter()
            .filter(|transport| self.offers(transport.name))
            .map(|transport| transport.name.to_owned())
            .collect();
        (on.len() < TRANSPORTS.len()).then_some(on)
    }

    /// An empty memory of client networks.
    pub(super) fn networks(&self) -> Arc<Networks> {
        Arc::new(Networks::new(
            Arc::clone(&self.prefix),
            self.network.clone(),
            self.session.heartbeat_delay,
            self.transport.response_max_age,
        ))
    }

    /// Whether what was learnt under `other` still means the same.
    pub(super) fn learns_as(&self, other: &Self) -> bool {
        self.network == other.network
            && self.session.heartbeat_delay == other.session.heartbeat_delay
            && self.transport.response_max_age == other.transport.response_max_age
    }

    /// Finds what is wrong with `session_binding`.
    ///
    /// # Errors
    /// It does not go together with what else is there.
    pub(crate) fn check_binding(&self) -> Result<(), ConfigError> {
        match self.session_binding {
            Some(SessionBinding::Cookie) if self.origins == Origins::Any => {
                Err(ConfigError::CookieForEveryOrigin)
            }
            Some(SessionBinding::Identity) if self.awaits_messages() => {
                Err(ConfigError::IdentityByMessage)
            }
            _ => Ok(()),
        }
    }

    /// Whether first messages may say who it is.
    fn awaits_messages(&self) -> bool {
        let auth = self.auth.as_ref();
        auth.is_some_and(|auth| auth.message_timeout().is_some())
    }

    /// Finds what is wrong.
    ///
    /// # Errors
    /// The first mistake.
    pub fn check(&self) -> Result<(), ConfigError> {
        let allowed = |byte: u8| {
            byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'"' | b'<' | b'>' | b'\\')
        };
        let prefix = &*self.prefix;
        // Browsers resolve such segments before they ask.
        let is_segment = |segment: &str| !segment.is_empty() && segment != "." && segment != "..";
        let is_escaped = |escape: &str| {
            let digits = escape.as_bytes().get(..2);
            digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
        };
        let well_formed = match prefix.strip_prefix('/') {
            Some(path) => path.split('/').all(is_segment),
            None => prefix.is_empty(),
        };
        let escapes = prefix.split('%').skip(1).all(is_escaped);
        if !well_formed || !escapes || !prefix.bytes().all(allowed) {
            return Err(ConfigError::InvalidPrefix(prefix.to_owned()));
        }
        if self.transports.as_ref().is_some_and(Vec::is_empty) {
            return Err(ConfigError::NoTransport);
        }
        for name in self.transports.iter().flatten() {
            if !TRANSPORTS.iter().any(|transport| transport.name == name) {
                return Err(ConfigError::UnknownTransport(name.clone()));
            }
        }
        self.check_binding()?;
        let is_url = |url: &str| {
            let starts = ["/", "http://", "https://"]
                .iter()
                .any(|start| url.starts_with(start));
            starts
                && url
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() && !b"\"<>\\".contains(&byte))
        };
        match &self.sockjs_url {
            Some(url) if !is_url(url) => Err(ConfigError::InvalidSockjsUrl(url.clone())),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PrefixTwice(prefix) => write!(
                f,
                "two services have the prefix {prefix:?}; each needs one of its own"
            ),
            Self::InvalidPrefix(prefix) => {
                write!(
                    f,
                    "{prefix:?} is not a prefix: it must start with / and not end with it, like \"/sockjs\", hold no blanks, quotes, ? or #, and other letters as %C3%A4; or be empty, for all paths"
                )
            }
            Self::UnknownTransport(name) => {
                let names: Vec<_> = TRANSPORTS.iter().map(|transport| transport.name).collect();
                write!(
                    f,
                    "there is no transport {name:?}; there are {}",
                    names.join(", ")
                )
            }
            Self::CookieForEveryOrigin => f.write_str(
                "session_binding \"cookie\" and origins \"*\" do not go together: browsers add the cookie for every page that may ask; list the origins",
            ),
            Self::IdentityByMessage => f.write_str(
                "session_binding \"identity\" and tokens in messages do not go together: further requests have no token; write \"cookie\", or \"none\"",
            ),
            Self::NoTransport => f.write_str(
                "transports is empty; leave it out for all of them, or name at least one",
            ),
            Self::HealthAtPrefix(path) => write!(
                f,
                "the service {path:?} is where the gateway's health is to be; write another path for it (health.live_path, health.ready_path), or health.public = false"
            ),
            Self::InvalidSockjsUrl(url) => write!(
                f,
                "sockjs_url {url:?} must start with /, http:// or https:// and hold no blanks, quotes or angle brackets"
            ),
        }
    }
}

impl std::error::Error for ConfigError {}
