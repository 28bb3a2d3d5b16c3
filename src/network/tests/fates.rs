//! What becomes of single sessions, and what it teaches.

use super::*;

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
    let age = go_on
        .expect("responses have an age")
        .saturating_duration_since(day.0);
    assert!(
        (3000..=3600).contains(&age.as_millis()),
        "0.6 of 6 s: {age:?}"
    );
}
