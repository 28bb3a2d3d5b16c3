//! Whole visits, as sockjs-client makes them, and what the memory makes of them.

use http::HeaderValue;
use http::header::USER_AGENT;

use super::*;
use std::time::Instant;

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

fn agent(agent: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(USER_AGENT, HeaderValue::from_static(agent))])
}

/// Some instant to begin with.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The network of a Chrome at the usual address.
fn chrome(networks: &Networks) -> Arc<Network> {
    let network = networks.of(CLIENT, false, &agent(CHROME));
    network.expect("a browser is remembered")
}

/// A day that passes step by step.
struct Day(Instant);

impl Day {
    fn new() -> Self {
        Self(now())
    }

    fn after(&mut self, milliseconds: u64) -> Instant {
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

impl Browser<'_> {
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
            let opened_after = day.0.duration_since(begin).as_millis() as u64;
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

    fn visit_over_http(&self, day: &mut Day, server: &str, begin: Instant) -> Visit {
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
                let opened_after = day.0.duration_since(begin).as_millis() as u64;
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
        let opened_after = day.after(5).duration_since(begin).as_millis() as u64;
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
    assert!(networks.of(CLIENT, false, &HeaderMap::new()).is_none());
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
    let mut via = agent(CHROME);
    via.insert(VIA, HeaderValue::from_static("1.1 proxy"));
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
    let mut claiming = agent(CHROME);
    for number in 0..1000_u32 {
        let claim = HeaderValue::from(number);
        claiming.insert(HeaderName::from_static("x-forwarded-for"), claim);
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

/// The worst network there is: handshakes vanish, and nothing arrives before it is complete.
#[test]
fn hostile_network_costs_a_first_visit_a_second_and_later_ones_nothing() {
    let networks = networks(|_| ());
    let mut day = Day::new();
    let browser = Browser {
        networks: &networks,
        agent: CHROME,
        swallows_websocket: true,
        holds_streams: true,
    };
    let first = browser.visit(&mut day, "1");
    assert!((600..1000).contains(&first.opened_after), "{first:?}");
    assert!(first.one_frame);
    let later = browser.visit(&mut day, "2");
    assert_eq!(
        later,
        Visit {
            websocket: false,
            opened_after: 15,
            one_frame: true
        }
    );
}

#[test]
fn network_that_streams_is_left_to_stream() {
    let networks = networks(|_| ());
    let mut day = Day::new();
    let browser = Browser {
        networks: &networks,
        agent: CHROME,
        swallows_websocket: true,
        holds_streams: false,
    };
    browser.visit(&mut day, "1");
    let later = browser.visit(&mut day, "2");
    assert_eq!(
        later,
        Visit {
            websocket: false,
            opened_after: 15,
            one_frame: false
        }
    );
}

/// A page that only listens cannot answer a trial; the fourth one shows by keeping its stream that streams flow.
#[test]
fn network_that_streams_to_silent_pages_is_found_out_at_its_fourth_visit() {
    let networks = networks(|_| ());
    let mut day = Day::new();
    let network = chrome(&networks);
    for server in ["1", "2", "3"] {
        let mut path = network.open_http(day.after(60_000), server, true, CLIENT);
        let trial = path.begun(day.0, true, Duration::ZERO).max_age;
        let trial = trial.expect("a trial ends");
        assert!(trial <= Duration::from_millis(300));
        path.finished(day.after(trial.as_millis() as u64));
        assert!(
            path.begun(day.after(5), true, Duration::ZERO).one_frame,
            "it may be held back"
        );
    }
    for server in ["4", "5"] {
        let mut path = network.open_http(day.after(60_000), server, true, CLIENT);
        let plan = path.begun(day.0, true, Duration::ZERO);
        assert!(!plan.one_frame);
        assert_eq!(
            plan.max_age,
            Some(Duration::from_secs(25)),
            "it is not ended early"
        );
        path.said(day.after(6000), true);
        path.finished(day.after(19_000));
        assert!(
            !path.begun(day.after(5), true, Duration::ZERO).one_frame,
            "streams are known to flow"
        );
    }
}

/// On a busy machine, and on a way that is long, the first trial may have no answer. The next visit waits for no more than
/// half as long.
#[test]
fn network_whose_first_trial_was_undecided_keeps_no_later_visit_waiting() {
    let networks = networks(|_| ());
    let mut day = Day::new();
    let network = chrome(&networks);
    let mut path = network.open_http(day.0, "1", true, CLIENT);
    let trial = path.begun(day.0, true, Duration::ZERO).max_age;
    path.finished(day.after(trial.expect("a trial ends").as_millis() as u64));
    assert!(path.begun(day.after(400), true, Duration::ZERO).one_frame);
    path.wrote(day.after(20));
    let browser = Browser {
        networks: &networks,
        agent: CHROME,
        swallows_websocket: true,
        holds_streams: true,
    };
    assert!(!network.offer_websocket(day.after(60_000), false, None));
    let visits: Vec<_> = (0..20)
        .map(|visit| {
            browser
                .visit_without_websocket(&mut day, &format!("r{visit}"))
                .opened_after
        })
        .collect();
    assert_eq!(visits[..2], [165, 15], "{visits:?}");
    assert!(visits.iter().all(|visit| *visit <= 165), "{visits:?}");
}

/// What was written into a connection that is gone ends no silence.
#[test]
fn heartbeats_into_a_stream_that_is_gone_are_not_survived() {
    let networks = networks(|config| config.first_heartbeat = Duration::from_secs(5));
    let mut day = Day::new();
    let network = chrome(&networks);
    for server in 0..3 {
        let mut path = network.open_http(day.0, &server.to_string(), true, CLIENT);
        path.begun(day.0, true, Duration::ZERO);
        path.wrote(day.after(10));
        path.said(day.0, false);
        path.said(day.after(5000), true);
        path.aborted(day.after(5));
        path.begun(day.after(1000), true, Duration::ZERO);
        path.aborted(day.after(10));
        day.after(30_000);
    }
    let mut path = network.open_http(day.0, "next", true, CLIENT);
    assert_eq!(path.silence(day.0), Some(Duration::from_secs(3)));
}

/// A page that is pushed to every few seconds is never silent, whatever it says itself.
#[test]
fn pushed_pages_do_not_wipe_out_the_cuts_of_silent_ones() {
    let networks = networks(|config| config.first_heartbeat = Duration::from_secs(25));
    let mut day = Day::new();
    let network = chrome(&networks);
    let mut pushed = network.open_websocket(day.0, "0", CLIENT);
    pushed.heard(day.0);
    for server in 1..=3 {
        let mut path = network.open_websocket(day.0, &server.to_string(), CLIENT);
        path.heard(day.0);
        for _ in 0..4 {
            pushed.said(day.after(3000), false);
        }
        pushed.said(day.after(100), true);
        pushed.heard(day.after(10));
        path.said(day.0, false);
        path.heard(day.after(10));
        path.aborted(day.after(10_000));
    }
    assert_eq!(pushed.silence(day.0), Some(Duration::from_secs(6)));
}

/// Who has not heard for a minute whether it lets longer silences happen asks again.
#[test]
fn chatty_session_remains_the_only_one_that_lets_longer_silences_happen() {
    let networks = networks(|_| ());
    let mut day = Day::new();
    let network = chrome(&networks);
    let mut chatty = network.open_websocket(day.0, "1", CLIENT);
    let first = chatty.silence(day.0);
    chatty.heard(day.0);
    for _ in 0..30 {
        chatty.silence(day.0);
        chatty.said(day.after(2000), true);
        chatty.heard(day.after(10));
    }
    let longer = chatty.silence(day.0);
    assert!(longer > first);
    for _ in 0..100 {
        chatty.said(day.after(5000), false);
        if chatty.is_stale(day.0) {
            chatty.silence(day.0);
        }
        let mut other = network.open_websocket(day.0, "2", CLIENT);
        assert_eq!(other.silence(day.0), first);
    }
}

/// Heartbeats of an operator who knows a network that is more impatient than any other.
#[test]
fn first_heartbeats_below_a_second_get_longer_too() {
    let networks = networks(|config| config.first_heartbeat = Duration::from_millis(500));
    let mut day = Day::new();
    let network = chrome(&networks);
    let mut path = network.open_websocket(day.0, "1", CLIENT);
    path.heard(day.0);
    for _ in 0..30 {
        path.silence(day.0);
        path.said(day.after(500), true);
        path.heard(day.after(10));
    }
    assert_eq!(path.silence(day.0), Some(Duration::from_millis(800)));
}

/// A firewall that forgets connections ends none.
#[test]
fn websocket_that_nobody_answers_on_is_no_success() {
    let networks = networks(|_| ());
    let mut day = Day::new();
    let network = chrome(&networks);
    let mut path = network.open_websocket(day.0, "1", CLIENT);
    path.begun(day.0, true, Duration::ZERO);
    path.heard(day.after(10));
    for _ in 0..30 {
        path.silence(day.0);
        path.said(day.after(2000), true);
        path.heard(day.after(10));
    }
    drop(path);
    for _ in 0..2 {
        let mut path = network.open_websocket(day.0, "2", CLIENT);
        assert_eq!(path.silence(day.0), Some(Duration::from_millis(3200)));
        path.begun(day.0, true, Duration::ZERO);
        path.heard(day.after(10));
        path.said(day.after(3200), true);
        path.unresponsive(day.after(20_000));
    }
    let mut path = network.open_websocket(day.0, "3", CLIENT);
    assert_eq!(
        path.silence(day.0),
        Some(Duration::from_secs(2)),
        "the step was too far"
    );
}

/// The client of an event source waits before it comes back: what it writes meanwhile is no sign that it had read earlier.
#[test]
fn event_source_that_is_held_back_is_not_taken_for_flowing() {
    let networks = networks(|_| ());
    let mut day = Day::new();
    let network = chrome(&networks);
    let pause = Duration::from_millis(200);
    let mut path = network.open_http(day.0, "1", true, CLIENT);
    let trial = path
        .begun(day.0, true, pause)
        .max_age
        .expect("a trial ends");
    path.finished(day.after(trial.as_millis() as u64));
    path.wrote(day.after(30));
    assert!(path.begun(day.after(175), true, pause).one_frame);
}

/// One wrong memory is used a few times and then gone.
#[test]
fn network_that_was_repaired_is_found_out() {
    let networks = networks(|_| ());
    let mut day = Day::new();
    let mut browser = Browser {
        networks: &networks,
        agent: CHROME,
        swallows_websocket: true,
        holds_streams: true,
    };
    browser.visit(&mut day, "1");
    browser.swallows_websocket = false;
    browser.holds_streams = false;
    let visits: Vec<_> = (0..6)
        .map(|visit| browser.visit(&mut day, &format!("r{visit}")).websocket)
        .collect();
    assert_eq!(visits, [false, false, false, false, true, true]);
}

/// Two kinds of browser behind one address: what one suffers is not what the other gets.
#[test]
fn other_browser_behind_the_same_address_is_served_as_ever() {
    let networks = networks(|_| ());
    let mut day = Day::new();
    let bad = Browser {
        networks: &networks,
        agent: CHROME,
        swallows_websocket: true,
        holds_streams: true,
    };
    let good = Browser {
        agent: FIREFOX,
        swallows_websocket: false,
        holds_streams: false,
        ..bad
    };
    for visit in 0..10 {
        bad.visit(&mut day, &format!("b{visit}"));
        let visit = good.visit(&mut day, &format!("g{visit}"));
        assert_eq!(
            visit,
            Visit {
                websocket: true,
                opened_after: 13,
                one_frame: false
            }
        );
    }
}

/// Two clients that cannot be told apart: while the one with the good way is there, it keeps its WebSocket, and the other
/// is served as a server without a memory would.
#[test]
fn same_browser_with_and_without_a_bad_way_keeps_its_websocket() {
    let networks = networks(|_| ());
    let mut day = Day::new();
    let bad = Browser {
        networks: &networks,
        agent: CHROME,
        swallows_websocket: true,
        holds_streams: true,
    };
    let good = Browser {
        swallows_websocket: false,
        holds_streams: false,
        ..bad
    };
    good.visit(&mut day, "first");
    for visit in 0..10 {
        let of_bad = bad.visit(&mut day, &format!("b{visit}"));
        assert!(of_bad.opened_after < 1300, "{of_bad:?}");
        assert!(
            good.visit(&mut day, &format!("g{visit}")).websocket,
            "visit {visit}"
        );
    }
}

/// Nobody who was there first teaches the address for long.
#[test]
fn good_client_behind_an_address_with_a_bad_memory_gets_its_websocket_after_a_few_visits() {
    let networks = networks(|_| ());
    let mut day = Day::new();
    let bad = Browser {
        networks: &networks,
        agent: CHROME,
        swallows_websocket: true,
        holds_streams: true,
    };
    let good = Browser {
        swallows_websocket: false,
        holds_streams: false,
        ..bad
    };
    bad.visit(&mut day, "first");
    let visits: Vec<_> = (0..8)
        .map(|visit| good.visit(&mut day, &visit.to_string()))
        .collect();
    assert!(
        visits.iter().all(|visit| visit.opened_after < 20),
        "nobody waits: {visits:?}"
    );
    assert_eq!(visits.iter().filter(|visit| !visit.websocket).count(), 4);
    assert!(visits[4..].iter().all(|visit| visit.websocket));
}

#[test]
fn websocket_that_dies_at_once_is_proven_from_then_on_and_avoided() {
    let networks = networks(|_| ());
    let mut day = Day::new();
    let network = chrome(&networks);
    assert!(network.offer_websocket(day.0, true, None));
    let mut path = network.open_websocket(day.after(10), "1", CLIENT);
    assert_eq!(
        path.proof(day.0),
        Proof::Brief(Duration::from_millis(100)),
        "nothing is known yet"
    );
    path.begun(day.0, true, Duration::ZERO);
    path.heard(day.after(5));
    path.aborted(day.after(5));
    assert_eq!(path.proof(day.0), Proof::Full);
    assert!(!network.offer_websocket(day.after(1000), true, None));
}

/// The round trip is saved where it teaches nothing.
#[test]
fn websocket_is_not_proven_where_websockets_grow_old() {
    let networks = networks(|_| ());
    let mut day = Day::new();
    let network = chrome(&networks);
    let mut path = network.open_websocket(day.0, "1", CLIENT);
    path.begun(day.0, true, Duration::ZERO);
    for _ in 0..3 {
        path.said(day.after(25_000), true);
        path.heard(day.after(10));
    }
    assert_eq!(path.proof(day.0), Proof::None);
}

/// A limit on the whole time of a connection: the WebSocket dies although it was used, and the next visit does without.
#[test]
fn websocket_cut_young_while_in_use_teaches_an_age() {
    let networks = networks(|_| ());
    let mut day = Day::new();
    let network = chrome(&networks);
    let mut path = network.open_websocket(day.0, "1", CLIENT);
    path.begun(day.0, true, Duration::ZERO);
    for _ in 0..2 {
        path.said(day.after(2000), true);
        path.heard(day.after(10));
    }
    path.aborted(day.after(1980));
    assert!(!network.offer_websocket(day.after(100), true, None));
    let mut path = network.open_http(day.after(10), "2", true, CLIENT);
    path.begun(day.0, true, Duration::ZERO);
    let go_on = path.wrote(day.after(30)).expect("the trial is decided");
    let age = go_on.expect("responses have an age").duration_since(day.0);
    assert!(
        (3000..=3600).contains(&age.as_millis()),
        "0.6 of 6 s: {age:?}"
    );
}

/// A forward proxy says what it hands on in `/info`, but not in the tunnel that the WebSocket gets.
#[test]
fn what_becomes_of_websockets_in_tunnels_is_known_to_info() {
    let networks = networks(|_| ());
    let mut day = Day::new();
    let mut through_proxy = agent(CHROME);
    through_proxy.insert(VIA, HeaderValue::from_static("1.1 squid"));
    let mut claim = through_proxy.clone();
    let name = HeaderName::from_static("x-forwarded-for");
    claim.insert(name, HeaderValue::from_static("10.0.0.7"));
    for headers in [&through_proxy, &claim] {
        assert!(networks.offer_websocket(CLIENT, false, headers, day.0, true));
    }
    let mut path = chrome(&networks).open_websocket(day.after(10), "1", CLIENT);
    for _ in 0..2 {
        path.said(day.after(2000), true);
        path.heard(day.after(10));
    }
    path.aborted(day.after(1980));
    for headers in [&through_proxy, &claim, &agent(CHROME)] {
        assert!(!networks.offer_websocket(CLIENT, false, headers, day.0, true));
    }
}

/// Applications may choose transports, and then ask for `/info` all the same.
#[test]
fn pages_that_want_no_websocket_take_it_from_no_other() {
    let networks = networks(|_| ());
    let mut day = Day::new();
    let browser = Browser {
        networks: &networks,
        agent: CHROME,
        swallows_websocket: false,
        holds_streams: false,
    };
    assert!(browser.visit(&mut day, "1").websocket);
    let network = chrome(&networks);
    for server in 2..10 {
        network.offer_websocket(day.after(10_000), true, None);
        network.open_http(day.after(800), &server.to_string(), true, CLIENT);
    }
    assert!(browser.visit(&mut day, "10").websocket);
}

/// A tab that is closed says nothing, however often.
#[test]
fn websockets_closed_in_order_teach_nothing_bad() {
    let networks = networks(|_| ());
    let mut day = Day::new();
    let browser = Browser {
        networks: &networks,
        agent: CHROME,
        swallows_websocket: false,
        holds_streams: false,
    };
    assert!((0..50).all(|visit| browser.visit(&mut day, &visit.to_string()).websocket));
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
        .of(CLIENT, false, &HeaderMap::new())
        .expect("pinned, whoever it is");
    let now = now();
    assert!(!network.offer_websocket(now, true, None));
    let mut path = network.open_http(now, "1", true, CLIENT);
    assert_eq!(path.silence(now), Some(Duration::from_secs(4)));
    assert!(path.begun(now, true, Duration::ZERO).one_frame);
}
