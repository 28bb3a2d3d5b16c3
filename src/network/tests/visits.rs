//! Whole visits, as sockjs-client makes them, and what the memory makes of them.

use super::*;

/// The worst network there is: handshakes vanish, and nothing arrives before it is complete.
#[test]
fn hostile_network_costs_a_first_visit_a_second_and_later_ones_nothing() {
    let networks = networks(|_| ());
    let mut day = Day::new();
    let browser = Browser::hostile(&networks);
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
        holds_streams: false,
        ..Browser::hostile(&networks)
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
    let browser = Browser::hostile(&networks);
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
    let mut browser = Browser::hostile(&networks);
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
    let bad = Browser::hostile(&networks);
    let good = Browser {
        agent: FIREFOX,
        ..Browser::good(&networks)
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
    let bad = Browser::hostile(&networks);
    let good = Browser::good(&networks);
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
    let bad = Browser::hostile(&networks);
    let good = Browser::good(&networks);
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

/// A forward proxy says what it hands on in `/info`, but not in the tunnel that the WebSocket gets.
#[test]
fn what_becomes_of_websockets_in_tunnels_is_known_to_info() {
    let networks = networks(|_| ());
    let mut day = Day::new();
    let squid = ("via", "1.1 squid");
    let through_proxy = request(CHROME, &[squid]);
    let claim = request(CHROME, &[squid, ("x-forwarded-for", "10.0.0.7")]);
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
    let browser = Browser::good(&networks);
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
    let browser = Browser::good(&networks);
    assert!((0..50).all(|visit| browser.visit(&mut day, &visit.to_string()).websocket));
}
