//! Keys that have no effect by themselves.

use super::{SERVICE, load};

/// A key that says nothing without another one is refused with its place, and with what is missing.
#[test]
fn keys_without_effect_are_refused() {
    for (line, lacks) in [
        ("max_sessions_per_user = 1", "auth = \"NAME\""),
        ("sessions_burst = 1", "sessions_per_second;"),
        (
            "sessions_burst_per_client = 1",
            "sessions_per_second_per_client;",
        ),
        ("messages_burst = 5", "messages_per_second;"),
        ("bytes_burst = \"1KiB\"", "bytes_per_second;"),
        (
            "rate_exceeded = \"close\"",
            "messages_per_second or bytes_per_second;",
        ),
        (
            "slow_consumer_timeout = \"1s\"",
            "slow_consumer = \"close\"",
        ),
    ] {
        let error = load(&format!("{SERVICE}{line}\n"), &[], &[]).expect_err(line);
        let key = line.split(' ').next().unwrap_or_default();
        let place = format!(": service \"/a\": {key}: has no effect without {lacks}");
        assert!(error.starts_with("FILE:4:"), "{error}");
        assert!(error.contains(&place), "{error}");
    }
}

/// What gives it effect may stand in another source, and defaults may wait for services that need them.
#[test]
fn keys_may_get_their_effect_from_elsewhere() {
    let close = ("slow_consumer", "close");
    let text = format!("{SERVICE}slow_consumer_timeout = \"1s\"\n");
    assert!(load(&text, &[], &[(&format!("service.a.{}", close.0), close.1)]).is_ok());
    let defaults = format!("[defaults]\nslow_consumer = \"close\"\n{text}");
    assert!(load(&defaults, &[], &[]).is_ok());
    let waiting = format!("[defaults]\nslow_consumer_timeout = \"1s\"\n{SERVICE}");
    assert!(load(&waiting, &[], &[]).is_ok());
}

/// What defaults hold for other services is not shown as a setting of a service where it has no effect: what is shown can be read again.
#[test]
fn keys_without_effect_are_not_shown_as_settings() {
    let text = format!("[defaults]\nslow_consumer_timeout = \"1s\"\nsessions_burst = 7\n{SERVICE}");
    let shown = load(&text, &[], &[]).expect("valid").show(false);
    assert!(
        shown.contains("# slow_consumer_timeout: no effect in this service"),
        "{shown}"
    );
    assert!(load(&shown, &[], &[]).is_ok());
}
