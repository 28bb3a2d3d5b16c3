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
        ("doctor_results = 5", "doctor = true;"),
        (
            "allow_missing_origin = false\norigins = \"*\"",
            "origins = \"same\" or a list",
        ),
        (
            "transports = [\"websocket\", \"websocket-raw\"]\nwebsocket = false",
            "websocket = true",
        ),
        (
            "max_message_size = \"3MiB\"\nmax_body_size = \"64KiB\"",
            "a max_body_size",
        ),
        ("client_ipv4_prefix = 24", "max_sessions_per_client"),
        ("client_ipv6_prefix = 48", "max_sessions_per_client"),
    ] {
        let error = load(&format!("{SERVICE}{line}\n"), &[], &[]).expect_err(line);
        let key = line.split(' ').next().unwrap_or_default();
        let place = format!(": service \"/a\": {key}: has no effect without {lacks}");
        assert!(error.starts_with("FILE:4:"), "{error}");
        assert!(error.contains(&place), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

/// The same of keys in the tables of a service.
#[test]
fn keys_of_tables_without_effect_are_refused() {
    for (lines, expected) in [
        (
            "[service.upstream]\ndial_timeout = \"1s\"",
            "FILE:5:16: service \"/a\": upstream.dial_timeout: has no effect without a ws:// or wss:// backend",
        ),
        (
            "[service.network]\nlearn = false\nprove_websocket = \"always\"",
            "FILE:6:19: service \"/a\": network.prove_websocket: has no effect without learn = true",
        ),
        (
            "[service.network]\nadaptive_heartbeat = false\nfirst_heartbeat = \"3s\"",
            "network.first_heartbeat: has no effect without learn = true, adaptive_heartbeat = true",
        ),
        (
            "[service.network]\nfirst_heartbeat = \"3m\"",
            "network.first_heartbeat: has no effect without a heartbeat_delay that is as long",
        ),
        (
            "heartbeat_delay = \"off\"\n[service.network]\nheartbeat_floor = \"3s\"",
            "network.heartbeat_floor: has no effect without learn = true",
        ),
        (
            "[service.network]\nheartbeat_floor = \"3m\"",
            "network.heartbeat_floor: has no effect without a heartbeat_delay that is as long",
        ),
    ] {
        let error = load(&format!("{SERVICE}{lines}\n"), &[], &[]).expect_err(lines);
        assert!(error.contains(expected), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

/// And of keys outside of services.
#[test]
fn keys_outside_of_services_without_effect_are_refused() {
    for (lines, expected) in [
        (
            "[server]\nclient_ipv4_prefix = 24",
            "FILE:2:22: server.client_ipv4_prefix: has no effect without max_connections_per_client",
        ),
        (
            "[admin]\ntap_contents = true",
            "FILE:2:16: admin.tap_contents: has no effect without admin.listen",
        ),
        (
            "[[listener]]\naddress = \"127.0.0.1:1\"\nproxy_protocol = true",
            "FILE:3:18: listener 127.0.0.1:1: proxy_protocol: nobody may connect",
        ),
    ] {
        let error = load(&format!("{lines}\n{SERVICE}"), &[], &[]).expect_err(lines);
        assert!(error.starts_with(expected), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    let pin = "[service.network]\nlearn = false\nprove_websocket = \"always\"\n[[service.network.pin]]\nclients = [\"10.0.0.0/8\"]\none_frame = true\n";
    assert!(load(&format!("{SERVICE}{pin}"), &[], &[]).is_ok());
}

/// All that services share may have what only some of them can use, and what is shown of it can be read again.
#[test]
fn defaults_may_have_what_a_service_cannot_use() {
    let text = format!(
        "[defaults]\ndoctor_results = 5\nclient_ipv4_prefix = 24\nmax_message_size = \"3MiB\"\nmax_body_size = \"1MiB\"\n[defaults.upstream]\ndial_timeout = \"1s\"\nmax_message_size = \"1KiB\"\n[defaults.network]\nadaptive_heartbeat = false\nfirst_heartbeat = \"3s\"\n{SERVICE}"
    );
    let config = load(&text, &[], &[]).expect("defaults may wait");
    let shown = config.show(false);
    assert!(
        shown.contains("# dial_timeout: no effect in this service"),
        "{shown}"
    );
    assert!(load(&shown, &[], &[]).is_ok(), "{shown}");
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
