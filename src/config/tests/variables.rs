//! Variables of the environment, and arguments, in the place of keys.

use super::*;

/// Values of variables need no quotes, whatever their kind.
#[test]
fn variables_take_every_kind_of_value() {
    let variables = [
        ("SOCKJS_GATEWAY_TRUSTED_PROXIES", "10.0.0.0/8, ::1"),
        ("SOCKJS_GATEWAY_MAX_SESSIONS", "12"),
        ("SOCKJS_GATEWAY_QUEUE_MEMORY", "1MiB"),
        ("SOCKJS_GATEWAY_DEFAULTS__RESUME", "false"),
        ("SOCKJS_GATEWAY_DEFAULTS__MAX_BODY_SIZE", "4096"),
        ("SOCKJS_GATEWAY_DEFAULTS__UPSTREAM__HEADERS", "[\"cookie\"]"),
        ("SOCKJS_GATEWAY_DEFAULTS__CHUNKS", "small"),
        ("SOCKJS_GATEWAY_DEFAULTS__HEARTBEAT_DELAY", "off"),
        (
            "SOCKJS_GATEWAY_DEFAULTS__NETWORK__PIN",
            "[{ clients = [\"10.1.0.0/16\"], one_frame = true }]",
        ),
        ("SOCKJS_GATEWAY_SERVICE__APP_LIVE__PREFIX", "/app/live"),
        ("SOCKJS_GATEWAY_SERVICE__APP_LIVE__BACKEND", "echo:"),
        (
            "SOCKJS_GATEWAY_SERVICE__APP_LIVE__ORIGINS",
            "https://a.example,https://b.example",
        ),
    ];
    let config = load("", &variables, &[]).expect("no file is needed");
    let service = &config.services[0].settings;
    assert_eq!(config.gateway.trusted_proxies.entries().count(), 2);
    assert_eq!(config.gateway.max_sessions, 12);
    assert_eq!(config.gateway.queue_memory, 1 << 20);
    assert_eq!(service.name(), "app-live");
    assert!(!service.config.transport.resume);
    assert_eq!(service.config.transport.max_body_size, 4096);
    assert_eq!(service.upstream.headers.len(), 1);
    assert_eq!(service.config.session.heartbeat_delay, None);
    assert_eq!(service.config.network.pins[0].one_frame, Some(true));
    assert!(matches!(&service.config.origins, Origins::List(list) if list.len() == 2));
}

/// A cluster that has a service of our name sets variables that begin like ours.
#[test]
fn variables_of_an_orchestrator_are_not_ours() {
    let variables = [
        ("SOCKJS_GATEWAY_PORT", "tcp://10.0.0.1:8081"),
        ("SOCKJS_GATEWAY_PORT_8081_TCP_ADDR", "10.0.0.1"),
        ("SOCKJS_GATEWAY_SERVICE_HOST", "10.0.0.1"),
        ("SOCKJS_GATEWAY_SERVICE_PORT_HTTP", "8081"),
        ("SOCKJS_GATEWAY_METRICS_SERVICE_HOST", "10.0.0.1"),
        (
            "SOCKJS_GATEWAY_METRICS_PORT_9090_TCP",
            "tcp://10.0.0.1:9090",
        ),
        ("SOCKJS_GATEWAY_NAME", "/app/gateway"),
        ("SOCKJS_GATEWAY_ENV_PATH", "/bin"),
        ("OTHER", "x"),
    ];
    assert!(load(SERVICE, &variables, &[]).is_ok());
}

/// What looks like one of these, and is a key with an underscore too few, is told.
#[test]
fn keys_with_too_few_underscores_are_not_an_orchestrators() {
    for (variable, meant) in [
        ("SOCKJS_GATEWAY_SERVER_REUSE_PORT", "SERVER__REUSE_PORT"),
        ("SOCKJS_GATEWAY_ADMIN_LISTEN", "ADMIN__LISTEN"),
        ("SOCKJS_GATEWAY_DRAIN_WINDOW", "DRAIN__WINDOW"),
        (
            "SOCKJS_GATEWAY_DEFAULTS_UPSTREAM_DIAL_TIMEOUT",
            "DEFAULTS__UPSTREAM__DIAL_TIMEOUT",
        ),
    ] {
        let error = load(SERVICE, &[(variable, "true")], &[]).expect_err(variable);
        let expected = format!("two underscores, as in {meant}");
        assert!(
            error.contains(variable) && error.contains(&expected),
            "{error}"
        );
    }
}

/// What arguments say of the one service holds against variables, which may add to it.
#[test]
fn the_service_of_arguments_can_be_completed() {
    let sources = Sources {
        service: Some(OneService {
            backend: "echo:".to_owned(),
            prefix: None,
            origins: vec!["https://a.example".to_owned()],
        }),
        variables: vec![
            (
                "SOCKJS_GATEWAY_SERVICE__SOCKJS__RESUME".to_owned(),
                Some("false".to_owned()),
            ),
            (
                "SOCKJS_GATEWAY_SERVICE__SOCKJS__BACKEND".to_owned(),
                Some("close:".to_owned()),
            ),
        ],
        ..Sources::default()
    };
    let config = Config::load(&sources).expect("valid");
    let [service] = &config.services[..] else {
        panic!("one service: {config:?}");
    };
    assert_eq!(&*service.settings.config.prefix, "/sockjs");
    assert_eq!(service.settings.backend, "echo:");
    assert!(!service.settings.config.transport.resume);
}

/// A service is called as the file has it, whatever variables make of its name and prefix, in any order.
#[test]
fn names_of_services_hold_for_all_variables() {
    let text = format!("{SERVICE}[[service]]\nprefix = \"/b\"\nbackend = \"close:\"\n");
    let swapped = [
        ("SOCKJS_GATEWAY_SERVICE__A__PREFIX", "/b"),
        ("SOCKJS_GATEWAY_SERVICE__A__RESUME", "false"),
        ("SOCKJS_GATEWAY_SERVICE__B__NAME", "other"),
        ("SOCKJS_GATEWAY_SERVICE__B__PREFIX", "/a"),
    ];
    let set = [("service.b.pong_timeout", "3s")];
    let config = load(&text, &swapped, &set).expect("valid");
    let [a, b] = [&config.services[0].settings, &config.services[1].settings];
    assert_eq!((&*a.config.prefix, &*a.backend), ("/b", "echo:"));
    assert_eq!((&*b.config.prefix, &*b.backend), ("/a", "close:"));
    assert!(!a.config.transport.resume && b.config.transport.resume);
    assert_eq!(b.config.session.pong_timeout, Duration::from_secs(3));
    assert_eq!(b.name(), "other");
    // One that variables add is one service too, when it gets a name of its own.
    let added = [
        ("SOCKJS_GATEWAY_SERVICE__LIVE__BACKEND", "echo:"),
        ("SOCKJS_GATEWAY_SERVICE__LIVE__NAME", "foo"),
        ("SOCKJS_GATEWAY_SERVICE__LIVE__PREFIX", "/live"),
    ];
    let config = load("", &added, &[]).expect("valid");
    assert_eq!(
        (config.services.len(), config.services[0].settings.name()),
        (1, "foo".to_owned())
    );
}
