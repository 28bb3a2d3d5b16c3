//! What is allowed, but seldom meant.

use super::{SERVICE, parsed};

/// Keys and texts of the warnings of a file.
fn warnings(text: &str) -> Vec<(String, String)> {
    let warnings = parsed(text).warnings().into_iter();
    warnings
        .map(|warning| (warning.key.clone(), warning.to_string()))
        .collect()
}

/// What is risky is a warning, at its place.
#[test]
fn risky_values_are_warnings() {
    let text = format!("[defaults]\nheartbeat_delay = \"40s\"\n{SERVICE}origins = \"*\"\n");
    let warnings = parsed(&text).warnings();
    let keys: Vec<_> = warnings
        .iter()
        .map(|warning| warning.key.as_str())
        .collect();
    assert_eq!(
        keys,
        ["service \"/a\": heartbeat_delay", "service \"/a\": origins"]
    );
    assert!(
        warnings[0].origin.to_string().ends_with(":2:19"),
        "{}",
        warnings[0]
    );
    assert!(parsed(SERVICE).warnings().is_empty());
}

/// Heartbeats that are too seldom for jsonp are a warning where there is jsonp.
#[test]
fn slow_heartbeats_are_told_where_there_is_jsonp() {
    for (lines, count) in [
        ("", 0),
        ("transports = [\"websocket\"]\n", 0),
        ("origins = [\"https://a.example\"]\n", 0),
        ("transports = [\"jsonp-polling\"]\n", 1),
    ] {
        for delay in ["40s", "off"] {
            let found = warnings(&format!("{SERVICE}heartbeat_delay = \"{delay}\"\n{lines}"));
            assert_eq!(found.len(), count, "{lines}: {found:?}");
            assert!(
                found
                    .iter()
                    .all(|(_, text)| text.contains("write less than \"35s\""))
            );
        }
    }
}

/// Whom everybody can be, and who may be anybody.
#[test]
fn what_lets_everybody_in_is_a_warning() {
    for (text, key) in [
        (
            format!("trusted_proxies = [\"0.0.0.0/0\"]\n{SERVICE}"),
            "trusted_proxies",
        ),
        (
            format!("trusted_proxies = [\"10.0.0.1\", \"::/0\"]\n{SERVICE}"),
            "trusted_proxies",
        ),
        (
            format!("{SERVICE}origins = [\"https://*.com\"]\n"),
            "service \"/a\": origins",
        ),
    ] {
        let found = warnings(&text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, key);
    }
    for text in [
        format!("trusted_proxies = [\"10.0.0.0/8\"]\n{SERVICE}"),
        format!(
            "{SERVICE}origins = [\"https://*.example.com\", \"http://*.localhost\", \"http://localhost\"]\n"
        ),
    ] {
        assert!(warnings(&text).is_empty(), "{text}");
    }
}

/// A bound above another one, which is reached first.
#[test]
fn bounds_above_others_are_warnings() {
    for (text, key) in [
        (
            format!("max_sessions = 5\n{SERVICE}max_sessions = 6\n"),
            "max_sessions",
        ),
        (
            format!("queue_memory = \"16MiB\"\n{SERVICE}queue_memory = \"32MiB\"\n"),
            "queue_memory",
        ),
        (format!("queue_memory = 1\n{SERVICE}"), "outbound_bytes"),
        (
            format!(
                "{SERVICE}[[service.network.pin]]\nclients = [\"10.0.0.0/8\"]\nheartbeat_delay = \"2m\"\n"
            ),
            "network.pin",
        ),
    ] {
        let found = warnings(&text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, format!("service \"/a\": {key}"));
    }
    assert!(warnings(&format!("max_sessions = 5\n{SERVICE}")).is_empty());
}
