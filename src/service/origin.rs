//! Which origins may use a service.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use http::header::{HeaderName, ORIGIN, REFERER};

use crate::fields::{FieldValue, Fields};
use crate::registry::Peer;

/// The origins whose pages may use a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// Every origin. Pages of any site can then talk to the service in the name of their visitors.
    Any,
    /// The service's own: host and port of the `Host` field, as trusted proxies report them.
    #[default]
    Same,
    /// The service's own and these.
    List(Vec<AllowedOrigin>),
}

impl fmt::Display for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Same => f.write_str("same"),
            Self::List(list) => {
                f.write_str("same")?;
                list.iter().try_for_each(|origin| write!(f, " {origin}"))
            }
        }
    }
}

/// One entry of a list: `https://app.example.com`, `https://*.example.com`, `http://localhost:8080`,
/// `http://localhost:[3000,8080]`, `http://localhost:*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedOrigin {
    scheme: &'static str,
    /// In lower case; with a leading dot when sub-domains are meant.
    host: String,
    ports: Ports,
}

/// Ports of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Ports {
    Any,
    /// At least one, without the brackets when it is one alone.
    These(Vec<u16>),
}

/// Not an origin: the text that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidOrigin(pub String);

impl fmt::Display for InvalidOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not an origin: it must look like \"https://app.example.com\", without a path; \"https://*.example.com\" stands for sub-domains, \"http://localhost:[3000,8080]\" for ports, \"http://localhost:*\" for all of them",
            self.0
        )
    }
}

impl std::error::Error for InvalidOrigin {}

/// The parts of an origin: scheme (`http` or `https`), host, port.
struct Parts<'a> {
    scheme: &'static str,
    host: &'a str,
    port: u16,
}

impl<'a> Parts<'a> {
    fn parse(origin: &'a str) -> Option<Self> {
        let (scheme, authority) = origin.split_once("://")?;
        let (scheme, default) = scheme_and_port(scheme)?;
        let (host, port) = split_port(authority)?;
        Some(Self {
            scheme,
            host,
            port: port.unwrap_or(default),
        })
    }
}

/// The scheme of pages, and its port. A program may name the WebSocket's, which is the same thing. (RFC 6455 §3)
fn scheme_and_port(scheme: &str) -> Option<(&'static str, u16)> {
    match scheme {
        "http" | "ws" => Some(("http", 80)),
        "https" | "wss" => Some(("https", 443)),
        _ => None,
    }
}

/// A host as two ways to write the same are compared: names in lower case, IPv6 addresses as they are written shortest.
/// (RFC 5952 §4)
fn canonical(host: &str) -> String {
    let address = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .and_then(|host| host.parse::<Ipv6Addr>().ok());
    match address {
        Some(address) => format!("[{address}]"),
        None => host.to_ascii_lowercase(),
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    scheme_and_port(scheme).map(|(_, port)| port)
}

/// `host:port`, `[::1]:port` or either without a port.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let port_at = authority
        .rfind(':')
        .filter(|at| !authority[*at..].contains(']'));
    let (host, port) = match port_at {
        Some(at) => (&authority[..at], Some(port_of(&authority[at + 1..])?)),
        None => (authority, None),
    };
    let address = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let valid = match address {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        // `*` is for the entries of a list; no browser sends it.
        None => {
            // Labels are not empty, but for the root's at the end. (RFC 1034 §3.1)
            !host.starts_with('.')
                && !host.contains("..")
                && !host.is_empty()
                && host
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-._*".contains(&byte))
        }
    };
    valid.then_some((host, port))
}

/// Digits only (RFC 3986 §3.2.3), and none that nobody can listen on.
fn port_of(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0)
}

impl FromStr for AllowedOrigin {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        let invalid = || InvalidOrigin(text.to_owned());
        let (text, ports) = match text.rsplit_once(':') {
            Some((before, "*")) => (before, Some(Ports::Any)),
            Some((before, list))
                if list.starts_with('[') && list.ends_with(']') && !list.contains(':') =>
            {
                let list = list[1..list.len() - 1]
                    .split(',')
                    .map(|port| port_of(port.trim()));
                let list = list.collect::<Option<Vec<_>>>().ok_or_else(invalid)?;
                (before, Some(Ports::These(list)))
            }
            _ => (text, None),
        };
        let parts = Parts::parse(text).ok_or_else(invalid)?;
        let is_page = text.starts_with("http");
        let host = canonical(parts.host.strip_prefix('*').unwrap_or(parts.host));
        let wildcard = parts.host.starts_with('*');
        let bare = parts.host.len() + parts.scheme.len() + "://".len() == text.len();
        if !is_page
            || (ports.is_some() && !bare)
            || host.contains('*')
            || (wildcard && !host.starts_with('.'))
            || host.len() < 2 && wildcard
        {
            return Err(invalid());
        }
        Ok(Self {
            scheme: parts.scheme,
            host,
            ports: ports.unwrap_or_else(|| Ports::These(vec![parts.port])),
        })
    }
}

impl fmt::Display for AllowedOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let star = if self.host.starts_with('.') { "*" } else { "" };
        write!(f, "{}://{star}{}", self.scheme, self.host)?;
        match &self.ports {
            Ports::Any => f.write_str(":*"),
            Ports::These(ports) => match ports.as_slice() {
                [port] if default_port(self.scheme) == Some(*port) => Ok(()),
                [port] => write!(f, ":{port}"),
                ports => {
                    let ports: Vec<_> = ports.iter().map(ToString::to_string).collect();
                    write!(f, ":[{}]", ports.join(","))
                }
            },
        }
    }
}

impl AllowedOrigin {
    fn matches(&self, origin: &Parts<'_>) -> bool {
        let host = canonical(origin.host);
        let host_matches = if self.host.starts_with('.') {
            host.ends_with(&self.host)
        } else {
            host == self.host
        };
        let port_matches = match &self.ports {
            Ports::Any => true,
            Ports::These(ports) => ports.contains(&origin.port),
        };
        host_matches && origin.scheme == self.scheme && port_matches
    }

    /// The sources of a Content-Security-Policy that mean the same: one for each port. (CSP3 §2.3.1)
    fn sources(&self) -> Vec<String> {
        match &self.ports {
            Ports::Any => vec![self.to_string()],
            Ports::These(ports) => {
                let one = |port: &u16| Self {
                    ports: Ports::These(vec![*port]),
                    ..self.clone()
                };
                ports.iter().map(|port| one(port).to_string()).collect()
            }
        }
    }
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

impl Origins {
    /// From `"*"`, `"same"`, or a list of origins.
    ///
    /// # Errors
    /// The first entry that is no origin.
    pub fn from_list<S: AsRef<str>>(entries: &[S]) -> Result<Self, InvalidOrigin> {
        match entries {
            [only] if only.as_ref() == "*" => Ok(Self::Any),
            [only] if only.as_ref() == "same" => Ok(Self::Same),
            _ => entries
                .iter()
                .map(|entry| entry.as_ref().parse())
                .collect::<Result<_, _>>()
                .map(Self::List),
        }
    }

    /// Whether a request may use the service.
    ///
    /// A request without `Origin` is let in when nothing says that another site's page made it. Script and frame requests
    /// carry no `Origin`; of those that browsers mark as cross-site, the `Referer` has to name an origin that is allowed.
    /// Where `missing` is not let in, something has to say that a page that is allowed made it: browsers leave `Origin` out where
    /// a page asks its own.
    pub(super) fn admit(&self, fields: &Fields, peer: &Peer, missing: bool) -> bool {
        if *self == Self::Any {
            return true;
        }
        let mut origins = fields.get_all(&ORIGIN);
        if let Some(origin) = origins.next() {
            // Of several, it cannot be known which one somebody else looked at.
            return origins.next().is_none()
                && origin
                    .text()
                    .is_some_and(|origin| self.allows(origin, peer));
        }
        match fields.get(&SEC_FETCH_SITE).map(FieldValue::as_bytes) {
            Some(b"cross-site" | b"same-site") => {}
            Some(b"same-origin") => return true,
            _ if missing => return true,
            _ => {}
        }
        let referer = fields.get(&REFERER).and_then(FieldValue::text);
        referer
            .and_then(origin_of)
            .is_some_and(|origin| self.allows(origin, peer))
    }

    fn allows(&self, origin: &str, peer: &Peer) -> bool {
        let Some(origin) = Parts::parse(origin) else {
            return false;
        };
        let listed = match self {
            Self::Any => true,
            Self::Same => false,
            Self::List(list) => list.iter().any(|allowed| allowed.matches(&origin)),
        };
        listed || is_same(&origin, peer)
    }

    /// Who may put the iframe page into a frame, as a Content-Security-Policy; `None` for everybody.
    pub(super) fn frame_ancestors(&self) -> Option<String> {
        match self {
            Self::Any => None,
            Self::Same => Some("frame-ancestors 'self'".to_owned()),
            Self::List(list) => {
                let list: Vec<_> = list.iter().flat_map(AllowedOrigin::sources).collect();
                Some(format!("frame-ancestors 'self' {}", list.join(" ")))
            }
        }
    }
}

/// Whether the origin is the one the request was sent to. Where nobody vouches for the scheme (a proxy that ends TLS and
/// is not trusted), a host without a port stands for either default port.
fn is_same(origin: &Parts<'_>, peer: &Peer) -> bool {
    let Some((host, port)) = peer.host.as_deref().and_then(split_port) else {
        return false;
    };
    let ports_match = match (port, peer.scheme) {
        (Some(port), _) => port == origin.port,
        (None, Some(scheme)) => default_port(scheme) == Some(origin.port),
        (None, None) => default_port(origin.scheme) == Some(origin.port),
    };
    canonical(host) == canonical(origin.host)
        && ports_match
        && peer.scheme.is_none_or(|scheme| scheme == origin.scheme)
}

/// `https://a.example` of `https://a.example/path`.
fn origin_of(url: &str) -> Option<&str> {
    let authority_at = url.find("://")? + 3;
    let end = url[authority_at..]
        .find(['/', '?', '#'])
        .map_or(url.len(), |at| authority_at + at);
    Some(&url[..end])
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::*;

    fn peer(host: &str, scheme: Option<&'static str>) -> Peer {
        Peer {
            address: None,
            scheme,
            host: Some(host.to_owned()),
            trusted: false,
        }
    }

    fn admits(origins: &Origins, fields: &[(&'static str, &str)], peer: &Peer) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.insert(*name, HeaderValue::from_str(value).expect("a valid value"));
        }
        origins.admit(&headers.into(), peer, true)
    }

    /// Same origin: scheme, host and port agree; what a TLS-ending proxy hides does not count against the page.
    #[test]
    fn same_origin_compares_host_port_and_known_scheme() {
        let same = Origins::Same;
        let cases = [
            ("http://a.example", "a.example", None, true),
            ("https://a.example", "a.example", None, true),
            ("https://A.example", "a.example:443", None, true),
            ("https://a.example", "a.example", Some("https"), true),
            ("http://a.example", "a.example", Some("https"), false),
            ("http://a.example:8080", "a.example:8080", None, true),
            ("http://a.example:8080", "a.example", None, false),
            ("http://a.example", "a.example:8080", None, false),
            ("http://b.example", "a.example", None, false),
            ("http://a.example.evil", "a.example", None, false),
            ("http://[::1]:8080", "[::1]:8080", None, true),
            ("http://[2001:db8::1]", "[2001:DB8:0:0::1]", None, true),
            ("null", "a.example", None, false),
        ];
        for (origin, host, scheme, admitted) in cases {
            assert_eq!(
                admits(&same, &[("origin", origin)], &peer(host, scheme)),
                admitted,
                "{origin} to {host}"
            );
        }
    }

    /// Entries name a scheme, a host or its sub-domains, and a port.
    #[test]
    fn list_matches_exact_origins_and_subdomains() {
        let list = Origins::from_list(&[
            "https://app.example.com",
            "https://*.example.org",
            "http://localhost:3000",
        ])
        .expect("a valid list");
        let here = peer("gateway.example", None);
        for good in [
            "https://app.example.com",
            "https://a.b.example.org",
            "http://localhost:3000",
            "https://gateway.example",
        ] {
            assert!(admits(&list, &[("origin", good)], &here), "{good}");
        }
        for bad in [
            "http://app.example.com",
            "https://example.org",
            "https://xexample.org",
            "https://.example.org",
            "https://a..example.org",
            "http://localhost:3001",
            "http://localhost:+3000",
            "null",
        ] {
            assert!(!admits(&list, &[("origin", bad)], &here), "{bad}");
        }
        assert_eq!(
            list.frame_ancestors().as_deref(),
            Some(
                "frame-ancestors 'self' https://app.example.com https://*.example.org http://localhost:3000"
            )
        );
    }

    /// An IPv6 address is the same however it is written; a port that nobody can listen on is no port.
    #[test]
    fn addresses_are_compared_as_addresses() {
        let list = Origins::from_list(&["https://[2001:DB8:0:0::1]"]).expect("a valid list");
        let here = peer("gateway.example", None);
        for (origin, expected) in [
            ("https://[2001:db8::1]", true),
            ("https://[2001:db8:0::0:1]:443", true),
            ("https://[2001:db8::2]", false),
        ] {
            assert_eq!(
                admits(&list, &[("origin", origin)], &here),
                expected,
                "{origin}"
            );
        }
        for wrong in ["https://a.example:0", "https://a.example:[0,443]"] {
            assert!(Origins::from_list(&[wrong]).is_err(), "{wrong}");
        }
    }

    /// A jsonp script of another site carries no Origin; the browser's own fetch metadata gives it away.
    #[test]
    fn cross_site_scripts_need_an_allowed_referer() {
        let list = Origins::from_list(&["https://app.example.com"]).expect("a valid list");
        let here = peer("gateway.example", None);
        assert!(admits(&list, &[], &here));
        assert!(admits(&list, &[("sec-fetch-site", "same-origin")], &here));
        assert!(!admits(&list, &[("sec-fetch-site", "cross-site")], &here));
        assert!(!admits(
            &list,
            &[
                ("sec-fetch-site", "cross-site"),
                ("referer", "https://evil.example/")
            ],
            &here
        ));
        assert!(admits(
            &list,
            &[
                ("sec-fetch-site", "cross-site"),
                ("referer", "https://app.example.com/x")
            ],
            &here
        ));
    }

    /// What cannot be an origin is refused where it is configured.
    #[test]
    fn malformed_entries_are_named() {
        for bad in [
            "app.example.com",
            "https://",
            "https://a/b",
            "ftp://a",
            "https://*",
            "https://a*.b",
            "https://a:x",
            "wss://a",
            "https://a:[]",
            "https://a:[1,x]",
            "https://a:80:[1]",
            "https://[::1:[1]",
            "https://.a.example",
            "https://a..example",
            "https://*..example",
            "https://a:+1",
            "https://a:[+1]",
        ] {
            assert_eq!(
                Origins::from_list(&["https://ok.example", bad]),
                Err(InvalidOrigin(bad.to_owned()))
            );
        }
        assert_eq!(Origins::from_list(&["*"]), Ok(Origins::Any));
    }

    /// An entry may name several ports, or all; as a source of a policy it is one for each.
    #[test]
    fn entries_may_name_ports() {
        let entries = [
            "http://localhost:[3000, 8080]",
            "https://*.example.org:*",
            "http://[::1]:[80,81]",
        ];
        let list = Origins::from_list(&entries).expect("a valid list");
        let here = peer("gateway.example", None);
        for (origin, admitted) in [
            ("http://localhost:3000", true),
            ("http://localhost:8080", true),
            ("http://localhost", false),
            ("https://a.example.org", true),
            ("https://a.example.org:8443", true),
            ("http://a.example.org:8443", false),
            ("http://[::1]", true),
            ("http://[::1]:82", false),
        ] {
            assert_eq!(
                admits(&list, &[("origin", origin)], &here),
                admitted,
                "{origin}"
            );
        }
        assert_eq!(
            list.to_string(),
            "same http://localhost:[3000,8080] https://*.example.org:* http://[::1]:[80,81]"
        );
        assert_eq!(
            list.frame_ancestors().as_deref(),
            Some(
                "frame-ancestors 'self' http://localhost:3000 http://localhost:8080 https://*.example.org:* http://[::1] http://[::1]:81"
            )
        );
    }

    /// A program that names the WebSocket's scheme means the page's.
    #[test]
    fn websocket_schemes_are_those_of_pages() {
        let list = Origins::from_list(&["https://app.example.com"]).expect("a valid list");
        let here = peer("gateway.example", Some("https"));
        for (origin, admitted) in [
            ("wss://app.example.com", true),
            ("ws://app.example.com", false),
            ("wss://gateway.example", true),
            ("ws://gateway.example", false),
        ] {
            assert_eq!(
                admits(&list, &[("origin", origin)], &here),
                admitted,
                "{origin}"
            );
        }
    }

    /// Where a missing origin is refused, a request has to show that a page that is allowed made it.
    #[test]
    fn missing_origins_can_be_refused() {
        let list = Origins::from_list(&["https://app.example.com"]).expect("a valid list");
        let here = peer("gateway.example", None);
        for (fields, admitted) in [
            (&[][..], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("referer", "https://app.example.com/page")], true),
            (&[("referer", "http://gateway.example/page")], true),
            (&[("referer", "https://evil.example/page")], false),
            (&[("origin", "https://app.example.com")], true),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.insert(*name, HeaderValue::from_static(value));
            }
            assert_eq!(
                list.admit(&headers.into(), &here, false),
                admitted,
                "{fields:?}"
            );
        }
        assert!(Origins::Any.admit(&HeaderMap::new().into(), &here, false));
    }
}
