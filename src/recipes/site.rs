//! What a recipe is made for: services, gateways, and where browsers come in.

use std::fmt;
use std::time::Duration;

use super::{Proxy, fill};

/// What browsers should reach, where, and who serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The services; at least one.
    pub services: Vec<Route>,
    /// Where the proxy connects to; at least one. Of several, a session stays with the one that its URL gives.
    pub gateways: Vec<Node>,
    /// Host name that browsers use; `None` answers for every name.
    pub server_name: Option<String>,
    /// Address of the proxy that browsers connect to; `None` is all of them. IPv6 without brackets.
    pub public_address: Option<String>,
    /// Port of the proxy that browsers connect to.
    pub public_port: u16,
    /// Time after which the gateway closes a connection that idles between requests.
    pub idle_timeout: Duration,
}

/// A service, as far as a proxy has to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Path of the service: empty for the root, otherwise starts with `/` and does not end with it.
    pub prefix: String,
    /// Silence after which the gateway sends something; `None` never.
    pub heartbeat_delay: Option<Duration>,
    /// Longest request body in bytes.
    pub max_body_size: usize,
    /// Whether there is a doctor below it, at `prefix/doctor`.
    pub doctor: bool,
}

/// A gateway's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Name or address; IPv6 without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// There is no recipe for this site. `Display` says why, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SiteError {
    /// No service, or no gateway.
    Empty,
    /// A prefix that proxies decode, normalise or take for syntax.
    Prefix(String),
    /// Not a host name.
    ServerName(String),
    /// Not a name or address of a gateway.
    Host(String),
    /// The gateway closes idle connections before a proxy can.
    IdleTimeout(Duration),
    /// More gateways than this proxy's way to tell sessions apart can serve.
    TooManyGateways {
        /// How many there are.
        count: usize,
        /// How many it can serve.
        most: usize,
    },
}

const MINUTE: u64 = 60;
const DAY: u64 = 24 * 60 * MINUTE;

/// nginx and Caddy count bytes in 63 bits.
const MOST_MEBIBYTES: usize = (i64::MAX >> 20) as usize;

/// HAProxy counts milliseconds in 31 bits, which end before the 25th day.
const LONGEST_SILENCE: u64 = 24 * DAY;

impl Site {
    /// Finds what no proxy's configuration could say.
    ///
    /// # Errors
    /// The first of them.
    pub(super) fn check(&self) -> Result<(), SiteError> {
        if self.services.is_empty() || self.gateways.is_empty() {
            return Err(SiteError::Empty);
        }
        if let Some(route) = self.services.iter().find(|route| !is_plain(&route.prefix)) {
            return Err(SiteError::Prefix(route.prefix.clone()));
        }
        if let Some(name) = self.server_name.as_ref().filter(|name| !is_host(name)) {
            return Err(SiteError::ServerName(name.clone()));
        }
        let hosts = self.gateways.iter().map(|node| &node.host);
        let mut hosts = hosts.chain(self.public_address.as_ref());
        if let Some(host) = hosts.find(|host| !is_host(host) && !is_ipv6(host)) {
            return Err(SiteError::Host(host.clone()));
        }
        if self.idle_timeout < Duration::from_secs(2) {
            return Err(SiteError::IdleTimeout(self.idle_timeout));
        }
        Ok(())
    }

    /// Seconds of silence that a proxy has to stand: four heartbeats, so that one that comes late cuts nobody off, and
    /// at least a minute. Without heartbeats a day.
    pub(super) fn silence(&self) -> u64 {
        let seconds = |route: &Route| {
            route.heartbeat_delay.map_or(DAY, |delay| {
                let four = delay.as_millis().saturating_mul(4).div_ceil(1000);
                u64::try_from(four)
                    .unwrap_or(u64::MAX)
                    .clamp(MINUTE, LONGEST_SILENCE)
            })
        };
        self.services.iter().map(seconds).max().unwrap_or(DAY)
    }

    /// Seconds that a proxy may keep an idle connection to the gateway: less than the gateway does, so that it is the
    /// proxy who closes, and no request meets a closing connection.
    pub(super) fn keep_alive(&self) -> u64 {
        (self.idle_timeout.as_secs() * 4 / 5).clamp(1, MINUTE)
    }

    /// Mebibytes of a request body that the proxy lets through: one more than the gateway does, so that it is the gateway
    /// who refuses larger ones, with an answer that scripts may read. At most what proxies can count, 8 EiB in bytes.
    pub(super) fn body_mebibytes(&self) -> usize {
        let largest = self.services.iter().map(|route| route.max_body_size).max();
        (largest.unwrap_or_default().div_ceil(1 << 20) + 1).min(MOST_MEBIBYTES)
    }

    /// The host name for examples.
    pub(super) fn example_name(&self) -> &str {
        self.server_name.as_deref().unwrap_or("example.com")
    }

    /// The services' prefixes in order, for people.
    pub(super) fn prefixes(&self) -> String {
        let prefixes = self.services.iter().map(|route| match &*route.prefix {
            "" => "/",
            prefix => prefix,
        });
        prefixes.collect::<Vec<_>>().join(" ")
    }

    /// The gateways' addresses, for people.
    pub(super) fn nodes(&self) -> String {
        let nodes: Vec<_> = self.gateways.iter().map(ToString::to_string).collect();
        nodes.join(" ")
    }

    /// Whether everything belongs to one service.
    pub(super) fn is_root(&self) -> bool {
        self.services.iter().any(|route| route.prefix.is_empty())
    }

    /// Whether sessions have to be told apart.
    pub(super) fn is_shared(&self) -> bool {
        self.gateways.len() > 1
    }

    /// The services, the longest prefix first, since the pattern of a shorter one may match below it too.
    pub(super) fn deepest_first(&self) -> Vec<&Route> {
        let mut routes: Vec<_> = self.services.iter().collect();
        routes.sort_by_key(|route| std::cmp::Reverse(route.prefix.len()));
        routes
    }

    /// A regular expression for the start of session URLs whose server part belongs to the gateway `index`. The last
    /// digit is dealt out among the gateways; what does not end with a digit is the first one's.
    pub(super) fn server_pattern(&self, route: &Route, index: usize) -> String {
        let of = |mine: bool| -> String {
            let digits = (0..10).filter(|digit| (digit % self.gateways.len() == index) == mine);
            digits.map(|digit| digit.to_string()).collect()
        };
        let last = if index == 0 {
            format!("[^/.{}]", of(false))
        } else {
            format!("[{}]", of(true))
        };
        format!("{}/[^/.]*{last}/[^/.]+/", literal(&route.prefix))
    }

    /// An error when a proxy deals sessions out by the last digit and there are more gateways than digits.
    pub(super) fn check_digits(&self) -> Result<(), SiteError> {
        let (count, most) = (self.gateways.len(), 10);
        if count > most {
            return Err(SiteError::TooManyGateways { count, most });
        }
        Ok(())
    }

    /// The lines at the top of every configuration, comments of `#`. `limits` says which numbers the proxy has to know,
    /// `place` where its configuration belongs.
    pub(super) fn head(&self, proxy: Proxy, limits: &[Limit], place: &str) -> String {
        let limits: String = limits.iter().map(|limit| self.explain(*limit)).collect();
        let is_local = |node: &Node| {
            matches!(&*node.host, "localhost" | "::1") || node.host.starts_with("127.")
        };
        let trusted = match &*self.gateways[0].host {
            "::1" => "trusted_proxies = [\"::1\"]",
            _ if self.gateways.iter().all(is_local) => "trusted_proxies = [\"127.0.0.1\"]",
            _ => {
                "trusted_proxies = [\"192.0.2.10\"]   # this proxy's address, as the gateway sees it"
            }
        };
        let values = [
            ("title", proxy.title()),
            ("name", proxy.name()),
            ("prefixes", &*self.prefixes()),
            ("nodes", &self.nodes()),
            ("limits", &limits),
            ("trusted", trusted),
            ("place", place),
        ];
        fill(HEAD, &values)
    }

    fn explain(&self, limit: Limit) -> String {
        match limit {
            Limit::Body => format!(
                "#   request body   {} MiB: {}\n",
                self.body_mebibytes(),
                if self.body_mebibytes() < MOST_MEBIBYTES {
                    "max_body_size and 1 MiB more, so that it is the gateway who refuses larger ones"
                } else {
                    "the most that this proxy can count, and less than max_body_size"
                }
            ),
            Limit::Silence => {
                let beats: Option<Vec<_>> = self
                    .services
                    .iter()
                    .map(|route| route.heartbeat_delay)
                    .collect();
                let why = match beats.and_then(|beats| beats.into_iter().max()) {
                    Some(beat) => format!(
                        "four times the heartbeat_delay of {}, at least 60 s",
                        Span(beat)
                    ),
                    None => {
                        "heartbeat_delay is off, and silence for longer than that ends a session"
                            .to_owned()
                    }
                };
                format!("#   idle timeouts  {} s: {why}\n", self.silence())
            }
        }
    }
}

/// A number that a proxy has to know.
#[derive(Clone, Copy, Debug)]
pub(super) enum Limit {
    /// [`Site::silence`]
    Silence,
    /// [`Site::body_mebibytes`]
    Body,
}

const HEAD: &str = "\
# SockJS behind «title», as printed by: sockjs-gateway proxy-config «name»
# docs/proxies/«name».md explains every line, and what breaks without it.
#
#   services       «prefixes»
#   gateway        «nodes»
«limits»#
# In the gateway's configuration, so that it believes this proxy about the browser's address, scheme and host:
#   «trusted»
#
«place»";

/// A duration as the gateway's configuration writes it.
struct Span(Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.subsec_millis() == 0 {
            write!(f, "{} s", self.0.as_secs())
        } else {
            write!(f, "{} ms", self.0.as_millis())
        }
    }
}

impl Route {
    /// A regular expression for the part of a session's URL that all its requests have in common:
    /// `/prefix/server/session`.
    pub(super) fn session_pattern(&self) -> String {
        format!("{}/[^/.]+/[^/.]+", literal(&self.prefix))
    }

    /// Path of the doctor, if there is one. What it sees of a run, and the results that it keeps, are in one gateway: so
    /// everything at and below this path goes to the same one, although some of it looks like a session's URL.
    pub(super) fn doctor_path(&self) -> Option<String> {
        self.doctor.then(|| format!("{}/doctor", self.prefix))
    }
}

/// What a regular expression of any dialect takes literally. (Prefixes are plain: only the dot means something.)
pub(super) fn literal(prefix: &str) -> String {
    prefix.replace('.', "[.]")
}

/// Whether every proxy compares this path as it stands: nothing to decode, to normalise, or to quote.
fn is_plain(prefix: &str) -> bool {
    let is_plain = |segment: &str| {
        !matches!(segment, "" | "." | "..")
            && segment
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    };
    prefix.is_empty()
        || prefix
            .strip_prefix('/')
            .is_some_and(|path| path.split('/').all(is_plain))
}

/// A host name or an IPv4 address.
fn is_host(name: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() < 64
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    name.len() < 254 && name.split('.').all(is_label)
}

/// Near enough to an IPv6 address to be safe to write; the proxy looks closer.
fn is_ipv6(address: &str) -> bool {
    address.matches(':').count() > 1
        && address
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || b":.".contains(&byte))
}

/// As in a URL: `127.0.0.1:8081`, `[::1]:8081`.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", bracketed(&self.host), self.port)
    }
}

/// An IPv6 address as URLs have it; anything else as it is.
pub(super) fn bracketed(host: &str) -> String {
    if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}

impl fmt::Display for SiteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a recipe needs at least one service and one gateway"),
            Self::Prefix(prefix) => write!(
                f,
                "proxies may change the prefix {prefix:?} on its way, or take it for syntax; give the service one of letters, digits and - . _ ~, like \"/live/feed\""
            ),
            Self::ServerName(name) => write!(
                f,
                "{name:?} is not a host name; it must look like example.com, without a scheme and a port"
            ),
            Self::Host(host) => write!(
                f,
                "{host:?} is neither a host name nor an address, like gateway.example.com, 10.0.0.1 or ::1"
            ),
            Self::IdleTimeout(timeout) => write!(
                f,
                "the gateway's idle_timeout of {} ms leaves proxies no time to close connections first; set 2s or more",
                timeout.as_millis()
            ),
            Self::TooManyGateways { count, most } => write!(
                f,
                "this proxy tells the sessions of at most {most} gateways apart, and there are {count}; haproxy, nginx, caddy and envoy can serve more"
            ),
        }
    }
}

impl std::error::Error for SiteError {}
