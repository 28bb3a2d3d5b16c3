//! The memory of networks, as sessions write and read it.

mod fates;
mod visits;

use http::header::USER_AGENT;
use http::{HeaderMap, HeaderValue};

use crate::moment::Moment;

use super::*;

const CHROME: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/156.0 Safari/537.36";
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0";
const CLIENT: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7)));

fn networks(change: impl FnOnce(&mut NetworkConfig)) -> Networks {
    let mut config = NetworkConfig::default();
    change(&mut config);
    let delay = Some(Duration::from_secs(25));
    Networks::new("/echo".into(), config, delay, delay)
}

/// Of a browser.
fn agent(agent: &'static str) -> Fields {
    request(agent, &[])
}

/// Of a browser's request to which proxies added something.
fn request(agent: &'static str, added: &[(&'static str, &str)]) -> Fields {
    let mut map = HeaderMap::from_iter([(USER_AGENT, HeaderValue::from_static(agent))]);
    for (name, value) in added {
        map.insert(*name, value.parse().expect("a value"));
    }
    map.into()
}

/// Some instant to begin with.
pub(in crate::network) fn now() -> Moment {
    Moment::START + Duration::from_secs(7 * 24 * 3600)
}

/// The network of a Chrome at the usual address.
fn chrome(networks: &Networks) -> Arc<Network> {
    let network = networks.of(CLIENT, false, &agent(CHROME));
    network.expect("a browser is remembered")
}

/// A day that passes step by step.
struct Day(Moment);

impl Day {
    fn new() -> Self {
        Self(now())
    }

    fn after(&mut self, milliseconds: u64) -> Moment {
        self.0 += Duration::from_millis(milliseconds);
        self.0
    }
}

/// A browser behind one address, and what its network does.
struct Browser<'a> {
    networks: &'a Networks,
    agent: &'static str,
    swallows_websocket: bool,
    holds_streams: bool,
}

/// How a visit went.
#[derive(Debug, PartialEq, Eq)]
struct Visit {
    websocket: bool,
    /// Milliseconds until the page had its `o`.
    opened_after: u64,
    one_frame: bool,
}

impl<'a> Browser<'a> {
    /// A Chrome whose way is bad in both respects.
    fn hostile(networks: &'a Networks) -> Self {
        Self {
            networks,
            agent: CHROME,
            swallows_websocket: true,
            holds_streams: true,
        }
    }

    /// A Chrome whose way lets everything through.
    fn good(networks: &'a Networks) -> Self {
        Self {
            swallows_websocket: false,
            holds_streams: false,
            ..Self::hostile(networks)
        }
    }

    /// A page opens, writes at once, and is closed.
    fn visit(&self, day: &mut Day, server: &str) -> Visit {
        let network = self
            .networks
            .of(CLIENT, false, &agent(self.agent))
            .expect("a browser is remembered");
        let begin = day.0;
        let offered = network.offer_websocket(begin, true, None);
        if offered && !self.swallows_websocket {
            let mut path = network.open_websocket(day.after(10), server, CLIENT);
            path.begun(day.after(1), true, Duration::ZERO);
            path.said(day.0, true);
            path.heard(day.after(2));
            path.wrote(day.0);
            let opened_after = day.0.saturating_duration_since(begin).as_millis() as u64;
            path.over(day.after(5000));
            return Visit {
                websocket: true,
                opened_after,
                one_frame: false,
            };
        }
        day.after(if offered { 630 } else { 10 });
        self.visit_over_http(day, server, begin)
    }

    /// The same, of a service or a page without WebSocket.
    fn visit_without_websocket(&self, day: &mut Day, server: &str) -> Visit {
        let begin = day.0;
        day.after(10);
        self.visit_over_http(day, server, begin)
    }

    fn visit_over_http(&self, day: &mut Day, server: &str, begin: Moment) -> Visit {
        let network = self
            .networks
            .of(CLIENT, false, &agent(self.agent))
            .expect("a browser is remembered");
        let mut path = network.open_http(day.0, server, true, CLIENT);
        let mut plan = path.begun(day.0, true, Duration::ZERO);
        path.said(day.0, false);
        if self.holds_streams && !plan.one_frame {
            let held = plan.max_age.expect("streams have an age");
            if held < Duration::from_millis(600) {
                path.finished(day.after(held.as_millis() as u64));
                day.after(5);
                let opened_after = day.0.saturating_duration_since(begin).as_millis() as u64;
                let plan = path.begun(day.0, true, Duration::ZERO);
                path.wrote(day.after(5));
                return Visit {
                    websocket: false,
                    opened_after,
                    one_frame: plan.one_frame,
                };
            }
            // The browser gives up and tries the next transport.
            path.aborted(day.after(630));
            path = network.open_http(day.0, server, true, CLIENT);
            plan = path.begun(day.0, true, Duration::ZERO);
            path.said(day.0, false);
            assert!(plan.one_frame, "it was held back a moment ago");
        }
        let opened_after = day.after(5).saturating_duration_since(begin).as_millis() as u64;
        path.wrote(day.after(25));
        path.finished(day.after(10));
        let plan = path.begun(day.after(5), true, Duration::ZERO);
        path.finished(day.after(10));
        Visit {
            websocket: false,
            opened_after,
            one_frame: plan.one_frame,
        }
    }
}
#[test]
fn programs_that_are_no_browsers_are_not_remembered() {
    let networks = networks(|_| ());
    assert!(
        networks
            .of(CLIENT, false, &HeaderMap::new().into())
            .is_none()
    );
    assert!(
        networks
            .of(CLIENT, false, &agent("Python-urllib/2.7"))
            .is_none()
    );
}

#[test]
fn networks_are_told_apart_by_address_proxies_and_browser() {
    let networks = networks(|_| ());
    let mut seen: Vec<Arc<Network>> = Vec::new();
    let via = request(CHROME, &[("via", "1.1 proxy")]);
    let other = Some(IpAddr::from([192, 0, 2, 8]));
    for (client, headers) in [
        (CLIENT, agent(CHROME)),
        (CLIENT, agent(FIREFOX)),
        (other, agent(CHROME)),
        (CLIENT, via),
    ] {
        let network = networks
            .of(client, false, &headers)
            .expect("a browser is remembered");
        let again = networks
            .of(client, false, &headers)
            .expect("a browser is remembered");
        assert!(Arc::ptr_eq(&network, &again));
        assert!(!seen.iter().any(|other| Arc::ptr_eq(other, &network)));
        seen.push(network);
    }
}

#[test]
fn memory_is_bounded_and_keeps_what_is_in_use() {
    let networks = networks(|config| config.capacity = 100);
    let headers = agent(CHROME);
    let kept = networks
        .of(CLIENT, false, &headers)
        .expect("a browser is remembered");
    for address in 0..10_000_u32 {
        let _ = networks.of(Some(IpAddr::from(address.to_be_bytes())), false, &headers);
        let again = networks
            .of(CLIENT, false, &headers)
            .expect("a browser is remembered");
        assert!(Arc::ptr_eq(&kept, &again));
    }
    let known = networks.known.lock();
    assert!(known.young.len() + known.old.len() <= 50);
}

/// Who makes forwarding fields up, or has a whole IPv6 network to itself, does not push out what others have taught.
#[test]
fn made_up_addresses_push_nobody_out() {
    let networks = networks(|config| config.capacity = 100);
    let kept = chrome(&networks);
    for number in 0..1000_u32 {
        let claiming = request(CHROME, &[("x-forwarded-for", &number.to_string())]);
        let _ = networks.of(CLIENT, false, &claiming);
        let host = std::net::Ipv6Addr::from((0x2001_0db8_u128 << 96) + u128::from(number));
        let _ = networks.of(Some(host.into()), false, &agent(CHROME));
    }
    assert!(Arc::ptr_eq(&kept, &chrome(&networks)));
    let remembered = [&networks.known, &networks.claimed].map(|known| {
        let known = known.lock();
        known.young.len() + known.old.len()
    });
    assert!(remembered[0] == 2 && remembered[1] <= 50, "{remembered:?}");
}

#[test]
fn pins_decide_instead_of_what_is_learnt() {
    let pin = Pin {
        clients: vec!["192.0.2.0/24".parse().expect("a network")],
        heartbeat_delay: Some(Duration::from_secs(4)),
        websocket: Some(false),
        one_frame: Some(true),
    };
    let networks = networks(|config| {
        config.learn = false;
        config.pins.push(pin);
    });
    assert!(
        networks
            .of(Some(IpAddr::from([198, 51, 100, 1])), false, &agent(CHROME))
            .is_none()
    );
    let network = networks
        .of(CLIENT, false, &HeaderMap::new().into())
        .expect("pinned, whoever it is");
    let now = now();
    assert!(!network.offer_websocket(now, true, None));
    let mut path = network.open_http(now, "1", true, CLIENT);
    assert_eq!(path.silence(now), Some(Duration::from_secs(4)));
    assert!(path.begun(now, true, Duration::ZERO).one_frame);
}
