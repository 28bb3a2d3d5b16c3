//! What holds for configurations: where values come from, and that what is printed can be read.

mod auth;
mod conditions;
mod mistakes;
mod printed;
mod starter;
mod together;
mod variables;
mod warnings;

use std::time::Duration;

use super::layers::{OneService, Setting, Sources};
use super::*;
use crate::server::Server;
use crate::service::Origins;

const SERVICE: &str = "[[service]]\nprefix = \"/a\"\nbackend = \"echo:\"\n";

/// A file that is removed when dropped.
struct File(PathBuf);

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

/// A folder that is removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("sockjs-gateway-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&path).expect("the folder can be made");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Reads a file with variables and `--set` over it. Its name is `FILE` in messages.
fn load(text: &str, variables: &[(&str, &str)], set: &[(&str, &str)]) -> Result<Config, String> {
    let file = File::new(text);
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), Some((*value).to_owned()));
    let sources = Sources {
        file: Some((file.0.clone(), Origin::Argument("--config".into()))),
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
    assert_eq!(config.listen[0].to_string(), "[::1]:9999");
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

/// A file that is named by a relative path is looked for beside the file that names it; what a variable or an argument names, in the
/// working directory.
#[test]
fn relative_paths_count_from_where_they_are_written() {
    let folder = Folder::new();
    std::fs::create_dir(folder.0.join("secrets")).expect("a folder");
    let secret = "0123456789abcdef0123456789abcdef";
    for name in ["token", "secrets/hmac"] {
        std::fs::write(folder.0.join(name), secret).expect("a file");
    }
    let text = format!(
        "[admin]\ntoken_file = \"token\"\n[[auth]]\nname = \"a\"\nsecret_file = \"secrets/hmac\"\n{SERVICE}"
    );
    let path = folder.0.join("gateway.toml");
    std::fs::write(&path, &text).expect("a file");
    let load = |settings: Vec<Setting>| {
        Config::load(&Sources {
            file: Some((path.clone(), Origin::Argument("--config".into()))),
            settings,
            ..Sources::default()
        })
    };
    let config = load(Vec::new()).expect("both are beside the file");
    assert_eq!(config.admin.token_file, Some(folder.0.join("token")));
    // What is printed means the same elsewhere.
    assert!(
        config
            .show(true)
            .contains(&format!("{:?}", folder.0.join("secrets/hmac")))
    );
    let wrong = load(vec![Setting {
        path: "admin.token_file".to_owned(),
        value: "token".to_owned(),
        argument: "--set admin.token_file".to_owned(),
    }])
    .expect_err("there is none in the working directory");
    let here = std::env::current_dir().expect("a working directory");
    let expected = format!("{}: cannot be read", here.join("token").display());
    assert!(wrong.to_string().contains(&expected), "{wrong}");
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
    assert_eq!(config.listen[0].to_string(), "127.0.0.1:2");
    assert_eq!(config.server.backlog, 7);

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

/// `[defaults]` can name the authenticator of all services, variables can describe it, and a service can do without.
#[test]
fn services_share_authenticators_or_have_none() {
    let secret = File::new("0123456789abcdef0123456789abcdef\n");
    let table = format!(
        "[{{ name = \"users\", secret_file = {:?}, from = [\"cookie:t\"] }}]",
        secret.0
    );
    let text = format!(
        "[defaults]\nauth = \"users\"\n{SERVICE}[[service]]\nprefix = \"/b\"\nbackend = \"echo:\"\nauth = \"none\"\n"
    );
    let config = load(&text, &[("SOCKJS_GATEWAY_AUTH", &table)], &[]).expect("valid");
    assert!(config.services[0].settings.config.auth.is_some());
    assert!(config.services[1].settings.config.auth.is_none());
    let shown = config.show(false);
    assert!(
        shown.contains("cookie:t") && !shown.contains("0123456789abcdef"),
        "{shown}"
    );
}

/// Certificates are read once: what was checked is what is used, at the start and at a reload, also where the files have gone since.
#[tokio::test]
async fn certificates_are_used_as_they_were_checked() {
    if !cfg!(feature = "tls") {
        return;
    }
    let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a key");
    let text = format!(
        "[[listener]]\naddress = \"127.0.0.1:0\"\n[[listener.tls]]\ncertificate = \"own.pem\"\nkey = \"own.key\"\n{SERVICE}"
    );
    let read = || {
        let folder = Folder::new();
        let write = |name: &str, content: &str| {
            let path = folder.0.join(name);
            std::fs::write(&path, content).expect("the file can be written");
            path
        };
        write("own.pem", &own.cert.pem());
        write("own.key", &own.signing_key.serialize_pem());
        let path = write("gateway.toml", &text);
        let sources = Sources {
            file: Some((path, Origin::Argument("--config".into()))),
            ..Sources::default()
        };
        // The folder goes with the end of this.
        Config::load(&sources).expect("it is right")
    };
    let mut config = read();
    let gateway = config.gateway().expect("one service");
    let server = Server::listen(&config.take_listeners(), gateway, ServerConfig::default());
    let certificates = server.expect("a free port").certificates();
    let reloaded = certificates.reload(&read().take_listeners());
    reloaded.expect("what was read is used");
}
