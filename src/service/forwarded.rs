//! Who the browser is when proxies stand in between: `Forwarded` and `X-Forwarded-*`, believed from trusted proxies only.

use std::net::IpAddr;
use std::str::FromStr;

use http::header::{FORWARDED, HeaderName};
use ipnet::{IpNet, Ipv4Net};

use crate::fields::Fields;
use crate::registry::Peer;
use crate::transport::Request;

use super::{ConnectionInfo, direct_peer};

/// Proxies that are believed: by their networks, and those that come over a Unix socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    unix: bool,
}

/// How those that come over a Unix socket are written.
const UNIX: &str = "unix";

impl TrustedProxies {
    /// From addresses and networks such as `10.0.0.0/8` and `::1`, and `unix` for whoever comes over a Unix socket.
    ///
    /// # Errors
    /// The first entry that is none of them.
    pub fn from_list<S: AsRef<str>>(entries: &[S]) -> Result<Self, String> {
        let is_unix = |entry: &&S| entry.as_ref() == UNIX;
        let networks: Vec<_> = entries.iter().filter(|entry| !is_unix(entry)).collect();
        Ok(Self {
            networks: parse_networks(&networks)?,
            unix: entries.iter().any(|entry| is_unix(&entry)),
        })
    }

    /// What they were made from.
    pub fn entries(&self) -> impl Iterator<Item = String> {
        let networks = self.networks.iter().map(ToString::to_string);
        networks.chain(self.unix.then(|| UNIX.to_owned()))
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.networks
            .iter()
            .any(|network| network.contains(&address.to_canonical()))
    }

    /// Whether the connection's peer is one of them.
    pub(super) fn trusts_peer(&self, connection: &ConnectionInfo) -> bool {
        match connection.peer {
            Some(peer) => self.trusts(peer.ip()),
            None => connection.unix && self.unix,
        }
    }

    /// The browser's side of a request: the right-most hop that is not trusted, and the scheme and host the outermost
    /// trusted proxy was asked for.
    pub(super) fn peer(&self, request: &Request, connection: &ConnectionInfo) -> Peer {
        let mut peer = direct_peer(request, connection);
        if !self.trusts_peer(connection) {
            return peer;
        }
        peer.trusted = true;
        let hops = hops(&request.fields);
        for hop in hops.into_iter().rev() {
            if let Some(scheme) = hop.scheme {
                peer.scheme = Some(scheme);
            }
            if hop.host.is_some() {
                peer.host = hop.host;
            }
            match hop.address {
                Some(address) => peer.address = Some(address),
                None => break,
            }
            if !peer.address.is_some_and(|address| self.trusts(address)) {
                break;
            }
        }
        peer
    }
}

/// Reads addresses and networks such as `10.0.0.0/8` and `::1`.
///
/// # Errors
/// The first entry that is neither.
pub fn parse_networks<S: AsRef<str>>(entries: &[S]) -> Result<Vec<IpNet>, String> {
    let parse = |entry: &S| {
        let entry = entry.as_ref();
        let network = IpNet::from_str(entry).or_else(|_| IpAddr::from_str(entry).map(IpNet::from));
        network.map(canonical).map_err(|_| {
            format!("{entry:?} is neither an address nor a network such as \"10.0.0.0/8\"")
        })
    };
    entries.iter().map(parse).collect()
}

/// A network of IPv4 addresses that are written as IPv6's is one of IPv4: addresses are compared so. (RFC 4291 §2.5.5.2)
fn canonical(network: IpNet) -> IpNet {
    const MAPPED: u8 = 96;
    let IpNet::V6(six) = network else {
        return network;
    };
    let four = six
        .addr()
        .to_ipv4_mapped()
        .filter(|_| six.prefix_len() >= MAPPED);
    let four = four.and_then(|four| Ipv4Net::new(four, six.prefix_len() - MAPPED).ok());
    four.map_or(network, IpNet::V4)
}

/// What one proxy says it saw.
#[derive(Debug, Default, PartialEq, Eq)]
struct Hop {
    address: Option<IpAddr>,
    scheme: Option<&'static str>,
    host: Option<String>,
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The hops, the nearest last: of `Forwarded` when it is there (RFC 7239), else of the `X-Forwarded-*` fields.
fn hops(fields: &Fields) -> Vec<Hop> {
    let forwarded: Vec<_> = fields.items(&FORWARDED).collect();
    if !forwarded.is_empty() {
        return forwarded.into_iter().map(forwarded_hop).collect();
    }
    let [addresses, schemes, hosts] = [X_FORWARDED_FOR, X_FORWARDED_PROTO, X_FORWARDED_HOST]
        .map(|name| fields.items(&name).collect::<Vec<_>>());
    let count = addresses.len().max(1);
    (0..count)
        .map(|index| {
            // A list shorter than the addresses' was set by the nearest proxy only.
            let from_right = count - 1 - index;
            let at = |items: &[&str]| {
                items
                    .len()
                    .checked_sub(from_right + 1)
                    .map(|at| items[at].to_owned())
            };
            Hop {
                address: addresses
                    .get(index)
                    .and_then(|address| node_address(address)),
                scheme: at(&schemes).and_then(|scheme| known_scheme(&scheme)),
                host: at(&hosts),
            }
        })
        .collect()
}

/// `for=192.0.2.60;proto=https;host=a.example`
fn forwarded_hop(element: &str) -> Hop {
    let mut hop = Hop::default();
    for pair in element.split(';') {
        let Some((name, value)) = pair.trim().split_once('=') else {
            continue;
        };
        let value = value.trim_matches('"');
        match name.to_ascii_lowercase().as_str() {
            "for" => hop.address = node_address(value),
            "proto" => hop.scheme = known_scheme(value),
            "host" => hop.host = Some(value.to_owned()),
            _ => {}
        }
    }
    hop
}

/// An address with or without a port, IPv6 with or without brackets.
fn node_address(node: &str) -> Option<IpAddr> {
    let bare = node
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .map_or(node, |(address, _)| address);
    let without_port = || {
        bare.rsplit_once(':')
            .map(|(address, _)| address)
            .unwrap_or_default()
            .parse()
    };
    let address: Result<IpAddr, _> = bare.parse().or_else(|_| without_port());
    address.ok().map(|address| address.to_canonical())
}

fn known_scheme(scheme: &str) -> Option<&'static str> {
    match scheme.to_ascii_lowercase().as_str() {
        "http" | "ws" => Some("http"),
        "https" | "wss" => Some("https"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::transport::RequestBody;

    use super::*;

    fn resolve(trusted: &[&str], fields: &[(&'static str, &'static str)]) -> Peer {
        let mut request = http::Request::builder().header("host", "inner.example");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(RequestBody::empty());
        let request = request.expect("a valid request").into();
        let connection = ConnectionInfo {
            peer: Some(([10, 0, 0, 1], 4000).into()),
            ..ConnectionInfo::default()
        };
        TrustedProxies::from_list(trusted)
            .expect("valid networks")
            .peer(&request, &connection)
    }

    fn peer(trusted: bool, address: [u8; 4], scheme: Option<&'static str>, host: &str) -> Peer {
        Peer {
            address: Some(address.into()),
            scheme,
            host: Some(host.to_owned()),
            trusted,
        }
    }

    /// Networks of IPv4 addresses that are written as IPv6's are IPv4's, as the addresses are that they are compared with.
    #[test]
    fn mapped_networks_are_those_of_ipv4() {
        for (written, meant) in [
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:10.0.0.1", "10.0.0.1/32"),
            ("::/0", "::/0"),
            ("2001:db8::/32", "2001:db8::/32"),
        ] {
            let networks = parse_networks(&[written]).expect("a network");
            assert_eq!(
                networks,
                [meant.parse::<IpNet>().expect("a network")],
                "{written}"
            );
        }
        let peer = resolve(
            &["::ffff:10.0.0.0/104"],
            &[("x-forwarded-for", "192.0.2.1")],
        );
        assert!(peer.trusted);
    }

    /// A browser cannot choose its address.
    #[test]
    fn forwarding_fields_of_strangers_are_ignored() {
        let fields = [
            ("x-forwarded-for", "1.2.3.4"),
            ("forwarded", "for=1.2.3.4;proto=https"),
        ];
        assert_eq!(
            resolve(&[], &fields),
            peer(false, [10, 0, 0, 1], None, "inner.example")
        );
    }

    /// The right-most address that no trusted proxy owns is the browser's; what it claims before that does not count.
    #[test]
    fn rightmost_untrusted_hop_is_the_browser() {
        let fields = [
            ("x-forwarded-for", "6.6.6.6, 1.2.3.4, 10.0.0.9"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "a.example"),
        ];
        assert_eq!(
            resolve(&["10.0.0.0/8"], &fields),
            peer(true, [1, 2, 3, 4], Some("https"), "a.example")
        );
    }

    /// RFC 7239 §4
    #[test]
    fn forwarded_field_is_read() {
        let fields = [(
            "forwarded",
            "for=\"[2001:db8::1]:4711\";proto=https;host=a.example, for=10.0.0.7",
        )];
        let resolved = resolve(&["10.0.0.0/8"], &fields);
        assert_eq!(resolved.address, "2001:db8::1".parse().ok());
        assert_eq!(
            (resolved.scheme, resolved.host.as_deref()),
            (Some("https"), Some("a.example"))
        );
    }

    /// IPv4 inside of IPv6 is IPv4, as everywhere else. (RFC 4291 §2.5.5.2)
    #[test]
    fn mapped_addresses_are_told_as_what_they_are() {
        for node in ["::ffff:1.2.3.4", "[::ffff:1.2.3.4]:4711"] {
            assert_eq!(node_address(node), Some([1, 2, 3, 4].into()), "{node}");
        }
    }

    /// An address that cannot be read ends the chain: what is left of it is not vouched for.
    #[test]
    fn unreadable_hop_ends_the_chain() {
        let resolved = resolve(&["10.0.0.0/8"], &[("x-forwarded-for", "1.2.3.4, unknown")]);
        assert_eq!(resolved.address, Some([10, 0, 0, 1].into()));
    }
}
