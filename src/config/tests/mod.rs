//! What holds for configurations: where values come from, and that what is printed can be read.

mod mistakes;

use std::collections::BTreeSet;
use std::time::Duration;

use super::layers::{OneService, Setting, Sources};
use super::*;
use crate::service::Origins;

const SERVICE: &str = "[[service]]\nprefix = \"/a\"\nbackend = \"echo:\"\n";

/// A file that is removed when dropped.
struct File(std::path::PathBuf);

impl File {
    fn new(text: &str) -> Self {
        let name = format!("sockjs-gateway-{}.toml", uuid::Uuid::new_v4());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).expect("the file can be written");
        Self(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Reads a file with variables and `--set` over it. Its name is `FILE` in messages.
fn load(text: &str, variables: &[(&str, &str)], set: &[(&str, &str)]) -> Result<Config, String> {
    let file = File::new(text);
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let sources = Sources {
        file: Some(file.0.clone()),
        variables: variables.iter().map(owned).collect(),
        settings: set
            .iter()
            .map(|(path, value)| Setting {
                path: (*path).to_owned(),
                value: (*value).to_owned(),
                argument: format!("--set {path}"),
            })
            .collect(),
        ..Sources::default()
    };
    let name = file.0.display().to_string();
    Config::load(&sources).map_err(|error| error.to_string().replace(&name, "FILE"))
}

fn parsed(text: &str) -> Config {
    load(text, &[], &[]).expect("a valid file")
}

#[track_caller]
fn error(text: &str) -> String {
    load(text, &[], &[]).expect_err("must be refused")
}

/// Keys land in the config of the module that owns them.
#[test]
fn keys_reach_their_modules() {
    let config = parsed(
        r#"
        listen = "[::1]:9999"
        trusted_proxies = ["10.0.0.0/8"]
        queue_memory = "64MiB"
        [server]
        header_timeout = "3s"
        tcp_user_timeout = "off"
        [[service]]
        prefix = "/live"
        backend = "ws://127.0.0.1:9000/socket"
        origins = ["https://app.example.com"]
        heartbeat_delay = "off"
        response_limit = 4096
        max_message_size = "1MiB"
        doctor = true
        doctor_results = 20
        [service.upstream]
        headers = ["cookie", "x-tenant"]
        binary = "base64"
        [[service.network.pin]]
        clients = ["10.1.0.0/16"]
        websocket = false
        [[service]]
        prefix = "/echo"
        backend = "echo:"
        origins = "*"
        "#,
    );
    assert_eq!(config.listen.port(), 9999);
    assert_eq!(config.gateway.queue_memory, 64 << 20);
    assert_eq!(config.server.header_timeout, Duration::from_secs(3));
    assert_eq!(config.server.tcp_user_timeout, None);
    let live = &config.services[0].settings.config;
    assert_eq!(live.session.heartbeat_delay, None);
    assert_eq!(live.transport.response_limit, 4096);
    assert_eq!(live.transport.messages.max_message_size, 1 << 20);
    assert_eq!((live.doctor, live.doctor_results), (true, 20));
    assert_eq!(live.network.pins[0].websocket, Some(false));
    assert_eq!(config.services[0].settings.upstream.headers.len(), 2);
    let echo = &config.services[1].settings.config;
    assert_eq!(echo.origins, Origins::Any);
    assert!(!echo.doctor);
}

/// Of the layers, the later one decides: default, `[defaults]`, service, variable, argument.
#[test]
fn later_layers_decide() {
    let text = "[defaults]\nbody_timeout = \"1s\"\nclose_timeout = \"1s\"\ndeliver_timeout = \"1s\"\npong_timeout = \"1s\"\n\
        [[service]]\nprefix = \"/a\"\nbackend = \"echo:\"\nclose_timeout = \"2s\"\ndeliver_timeout = \"2s\"\npong_timeout = \"2s\"\n";
    let variables = [
        ("SOCKJS_GATEWAY_SERVICE__A__DELIVER_TIMEOUT", "3s"),
        ("SOCKJS_GATEWAY_SERVICE__A__PONG_TIMEOUT", "3s"),
        ("SOCKJS_GATEWAY_LISTEN", "127.0.0.1:1"),
        ("SOCKJS_GATEWAY_SERVER__BACKLOG", "7"),
    ];
    let set = [("service.a.pong_timeout", "4s"), ("listen", "127.0.0.1:2")];
    let config = load(text, &variables, &set).expect("valid");
    let service = &config.services[0].settings.config;
    let seconds = [
        service.session.disconnect_delay,
        service.transport.body_timeout,
        service.transport.close_timeout,
        service.transport.deliver_timeout,
        service.session.pong_timeout,
    ]
    .map(|span| span.as_secs());
    assert_eq!(seconds, [5, 1, 2, 3, 4]);
    assert_eq!((config.listen.port(), config.server.backlog), (2, 7));

    let shown = config.show(false);
    for (key, origin) in [
        ("disconnect_delay = \"5s\" ", "# default"),
        ("body_timeout = \"1s\" ", ":2:16"),
        ("close_timeout = \"2s\" ", ":9:17"),
        (
            "deliver_timeout = \"3s\" ",
            "# environment variable SOCKJS_GATEWAY_SERVICE__A__DELIVER_TIMEOUT",
        ),
        ("pong_timeout = \"4s\" ", "# --set service.a.pong_timeout"),
    ] {
        let line = shown.lines().find(|line| line.starts_with(key));
        let line = line.unwrap_or_else(|| panic!("no {key} in {shown}"));
        assert!(line.ends_with(origin), "{line}");
    }
}

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
    assert_eq!(config.gateway.trusted_proxies.networks().len(), 2);
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
        ("OTHER", "x"),
    ];
    assert!(load(SERVICE, &variables, &[]).is_ok());
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
                "false".to_owned(),
            ),
            (
                "SOCKJS_GATEWAY_SERVICE__SOCKJS__BACKEND".to_owned(),
                "close:".to_owned(),
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

/// A password or token in a backend's URL is shown to nobody.
#[test]
fn secrets_of_a_backend_url_are_hidden() {
    let service = |url: &str| format!("[[service]]\nprefix = \"/a\"\nbackend = \"{url}\"\n");
    for url in [
        "ws://user:s3cret@host/",
        "wsx://user:s3cret@host/",
        "x://host/?token=s3cret",
    ] {
        let message = error(&service(url));
        assert!(!message.contains("s3cret"), "{message}");
    }
    let config = parsed(&service("ws://127.0.0.1:9/socket?token=s3cret"));
    for shown in [config.show(false), config.show_json(false).to_string()] {
        assert!(!shown.contains("s3cret"), "{shown}");
        assert!(shown.contains("ws://127.0.0.1:9/socket?…"), "{shown}");
    }
}

/// What is shown is a file that gives the same configuration.
#[test]
fn what_is_shown_can_be_read_again() {
    let text = format!(
        "trusted_proxies = [\"::1\"]\n[defaults]\norigins = [\"https://*.example.org:8443\"]\n{SERVICE}[[service.network.pin]]\nclients = [\"10.0.0.0/8\"]\nwebsocket = false\n[[service]]\nprefix = \"/it\\\"s\"\nbackend = \"close:\"\n"
    );
    let text = text.replace("/it\\\"s", "/its");
    let config = parsed(&text);
    for changed in [false, true] {
        let again = parsed(&config.show(changed));
        assert_eq!(
            format!("{:?}", again.services),
            format!("{:?}", config.services)
        );
        assert_eq!(
            (again.listen, &again.server, &again.gateway),
            (config.listen, &config.server, &config.gateway)
        );
    }
    assert!(
        config
            .show(true)
            .lines()
            .all(|line| !line.ends_with("# default"))
    );
}

/// The file of all keys runs as it is, and says the defaults.
#[test]
fn the_default_file_says_the_defaults() {
    let file = default_file();
    let plain = parsed(&file);
    let key = |line: &&str| {
        let name = line
            .strip_prefix('#')
            .and_then(|line| line.split_once(" = "));
        name.is_some_and(|(name, _)| !name.starts_with(' '))
    };
    let commented = file.lines().filter(key).count();
    let uncommented: Vec<_> = file
        .lines()
        .map(|line| if key(&line) { &line[1..] } else { line })
        .collect();
    let said = parsed(&uncommented.join("\n"));
    assert_eq!(
        format!("{:?}", plain.services),
        format!("{:?}", said.services)
    );
    assert_eq!(
        (plain.listen, &plain.server, &plain.gateway),
        (said.listen, &said.server, &said.gateway)
    );
    assert!(commented > 50, "{commented}");
    assert_eq!(
        said.show_json(true).as_array().map(Vec::len),
        Some(commented + 2)
    );
}

/// The page, the file of all keys and the schema name every key, once per table.
#[test]
fn every_key_is_documented() {
    let shown: BTreeSet<_> = parsed(SERVICE)
        .show_json(false)
        .as_array()
        .expect("a list")
        .iter()
        .map(|shown| {
            shown["key"]
                .as_str()
                .expect("a text")
                .rsplit('.')
                .next()
                .expect("a name")
                .to_owned()
        })
        .collect();
    let (page, file, schema) = (reference(), default_file(), schema().to_string());
    for key in shown {
        assert!(page.contains(&format!("| `{key}` |")), "{key} in the page");
        assert!(
            file.contains(&format!("{key} = ")) || file.contains(&format!(".{key}]]")),
            "{key} in the file"
        );
        assert!(
            schema.contains(&format!("\"{key}\":")),
            "{key} in the schema"
        );
    }
}

/// Comments and descriptions have no links of a page.
#[test]
fn links_are_plain_outside_of_the_page() {
    assert_eq!(
        key::plain("see [a.md](a.md); [\"x\"] and [b](b.md)."),
        "see docs/a.md; [\"x\"] and docs/b.md."
    );
    for text in [default_file(), schema().to_string()] {
        assert!(!text.contains("]("), "{text}");
    }
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
