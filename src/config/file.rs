//! The shape of the TOML file. Every key is optional but a service's prefix and backend; unknown keys are refused.

use std::net::SocketAddr;
use std::num::{NonZeroU16, NonZeroUsize};
use std::path::PathBuf;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::backend::{UpstreamConfig, from_url, upstream::BinaryPolicy};
use crate::server::ServerConfig;
use crate::service::{Origins, ServiceConfig, TrustedProxies};
use crate::transport::Chunks;

use super::network::NetworkTable;
use super::units::{Size, Span, SpanOrOff};
use super::{Config, ConfiguredService, LoadError, parse_listen};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    listen: Option<Listen>,
    trusted_proxies: Option<Vec<String>>,
    max_sessions: Option<NonZeroUsize>,
    queue_memory: Option<Size>,
    #[serde(default)]
    server: ServerTable,
    #[serde(default)]
    service: Vec<ServiceTable>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerTable {
    max_connections: Option<NonZeroUsize>,
    header_timeout: Option<Span>,
    idle_timeout: Option<Span>,
    max_header_size: Option<Size>,
    max_headers: Option<NonZeroUsize>,
    tcp_user_timeout: Option<SpanOrOff>,
    backlog: Option<NonZeroU16>,
    shutdown_grace: Option<Span>,
    close_grace: Option<Span>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ServiceTable {
    prefix: String,
    backend: String,
    origins: Option<OneOrMany>,
    websocket: Option<bool>,
    cookie_needed: Option<bool>,
    sockjs_url: Option<String>,
    transports: Option<Vec<String>>,
    doctor: Option<bool>,
    doctor_results: Option<usize>,
    max_sessions: Option<NonZeroUsize>,
    queue_memory: Option<Size>,
    heartbeat_delay: Option<SpanOrOff>,
    disconnect_delay: Option<Span>,
    pong_timeout: Option<Span>,
    proof_delay: Option<Span>,
    outbound_bytes: Option<Size>,
    outbound_messages: Option<NonZeroUsize>,
    inbound_bytes: Option<Size>,
    inbound_messages: Option<NonZeroUsize>,
    response_limit: Option<Size>,
    response_max_age: Option<SpanOrOff>,
    chunks: Option<ChunksName>,
    identity_encoding: Option<bool>,
    close_delimited: Option<bool>,
    resume: Option<bool>,
    info_min_delay: Option<SpanOrOff>,
    max_body_size: Option<Size>,
    body_timeout: Option<Span>,
    deliver_timeout: Option<Span>,
    close_timeout: Option<Span>,
    max_messages: Option<NonZeroUsize>,
    max_message_size: Option<Size>,
    #[serde(default)]
    network: NetworkTable,
    #[serde(default)]
    upstream: UpstreamTable,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct UpstreamTable {
    dial_timeout: Option<Span>,
    headers: Option<Vec<String>>,
    binary: Option<BinaryName>,
    ping_delay: Option<SpanOrOff>,
    pong_timeout: Option<Span>,
    max_message_size: Option<Size>,
    ca_file: Option<PathBuf>,
}

#[derive(Debug)]
struct Listen(SocketAddr);

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_listen(&text).map(Self).map_err(D::Error::custom)
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ChunksName {
    Auto,
    Small,
    Whole,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum BinaryName {
    Close,
    Base64,
}

#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "origins is \"same\", \"*\", or a list like [\"https://app.example.com\"]"
)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// Replaces a default where the file has a value.
pub(super) fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

/// Reads a configuration from TOML text; `name` is the file's, for messages.
pub(super) fn parse(name: &str, text: &str) -> Result<Config, LoadError> {
    let malformed = |error: toml::de::Error| {
        LoadError::Malformed(name.to_owned(), error.to_string().trim_end().to_owned())
    };
    let file: File = toml::from_str(text).map_err(malformed)?;
    if file.service.is_empty() {
        let what = "there is no service; add one, like\n[[service]]\nprefix = \"/sockjs\"\nbackend = \"ws://127.0.0.1:9000/socket\"";
        return Err(LoadError::Invalid(name.to_owned(), what.to_owned()));
    }
    let mut config = Config::empty();
    set(&mut config.listen, file.listen.map(|listen| listen.0));
    if let Some(list) = file.trusted_proxies {
        let place = || format!("{name}: trusted_proxies");
        config.trusted_proxies =
            TrustedProxies::from_list(&list).map_err(|what| LoadError::Invalid(place(), what))?;
    }
    config.max_sessions = file.max_sessions.map(NonZeroUsize::get);
    config.queue_memory = file.queue_memory.map(|size| size.0);
    file.server.apply(&mut config.server);
    for table in file.service {
        let place = format!("{name}: service {:?}", table.prefix);
        let service = table
            .into_service()
            .map_err(|what| LoadError::Invalid(place, what))?;
        config.services.push(service);
    }
    config
        .gateway()
        .map_err(|error| LoadError::Invalid(name.to_owned(), error.to_string()))?;
    Ok(config)
}

impl ServerTable {
    fn apply(self, config: &mut ServerConfig) {
        set(
            &mut config.max_connections,
            self.max_connections.map(NonZeroUsize::get),
        );
        set(
            &mut config.header_timeout,
            self.header_timeout.map(|span| span.0),
        );
        set(
            &mut config.idle_timeout,
            self.idle_timeout.map(|span| span.0),
        );
        set(
            &mut config.max_header_size,
            self.max_header_size.map(|size| size.0),
        );
        set(
            &mut config.max_headers,
            self.max_headers.map(NonZeroUsize::get),
        );
        set(
            &mut config.tcp_user_timeout,
            self.tcp_user_timeout.map(|span| span.0),
        );
        set(
            &mut config.backlog,
            self.backlog.map(|backlog| i32::from(backlog.get())),
        );
        set(
            &mut config.shutdown_grace,
            self.shutdown_grace.map(|span| span.0),
        );
        set(&mut config.close_grace, self.close_grace.map(|span| span.0));
    }
}

impl ServiceTable {
    fn into_service(self) -> Result<ConfiguredService, String> {
        let mut config = ServiceConfig::new(self.prefix);
        if let Some(origins) = self.origins {
            let origins = match origins {
                OneOrMany::One(origin) => vec![origin],
                OneOrMany::Many(origins) => origins,
            };
            if origins.is_empty() {
                return Err("origins: the list is empty; leave it out, or write \"same\", for the own origin".to_owned());
            }
            config.origins =
                Origins::from_list(&origins).map_err(|error| format!("origins: {error}"))?;
        }
        set(&mut config.websocket, self.websocket);
        set(&mut config.cookie_needed, self.cookie_needed);
        config.sockjs_url = self.sockjs_url;
        config.transports = self.transports;
        set(&mut config.doctor, self.doctor);
        set(&mut config.doctor_results, self.doctor_results);
        set(
            &mut config.max_sessions,
            self.max_sessions.map(NonZeroUsize::get),
        );
        set(
            &mut config.queue_memory,
            self.queue_memory.map(|size| size.0),
        );

        let session = &mut config.session;
        set(
            &mut session.heartbeat_delay,
            self.heartbeat_delay.map(|span| span.0),
        );
        set(
            &mut session.disconnect_delay,
            self.disconnect_delay.map(|span| span.0),
        );
        set(
            &mut session.pong_timeout,
            self.pong_timeout.map(|span| span.0),
        );
        set(
            &mut session.proof_delay,
            self.proof_delay.map(|span| span.0),
        );
        set(
            &mut session.outbound.bytes,
            self.outbound_bytes.map(|size| size.0),
        );
        set(
            &mut session.outbound.messages,
            self.outbound_messages.map(NonZeroUsize::get),
        );
        set(
            &mut session.inbound.bytes,
            self.inbound_bytes.map(|size| size.0),
        );
        set(
            &mut session.inbound.messages,
            self.inbound_messages.map(NonZeroUsize::get),
        );

        let transport = &mut config.transport;
        set(
            &mut transport.response_limit,
            self.response_limit.map(|size| size.0),
        );
        set(
            &mut transport.response_max_age,
            self.response_max_age.map(|span| span.0),
        );
        set(
            &mut transport.chunks,
            self.chunks.map(|name| match name {
                ChunksName::Auto => Chunks::Auto,
                ChunksName::Small => Chunks::Small,
                ChunksName::Whole => Chunks::Whole,
            }),
        );
        set(&mut transport.identity_encoding, self.identity_encoding);
        set(&mut transport.close_delimited, self.close_delimited);
        set(&mut transport.resume, self.resume);
        set(
            &mut config.info_min_delay,
            self.info_min_delay.map(|span| span.0),
        );
        self.network.apply(&mut config.network)?;
        set(
            &mut transport.max_body_size,
            self.max_body_size.map(|size| size.0),
        );
        set(
            &mut transport.body_timeout,
            self.body_timeout.map(|span| span.0),
        );
        set(
            &mut transport.deliver_timeout,
            self.deliver_timeout.map(|span| span.0),
        );
        set(
            &mut transport.close_timeout,
            self.close_timeout.map(|span| span.0),
        );
        set(
            &mut transport.messages.max_messages,
            self.max_messages.map(NonZeroUsize::get),
        );
        set(
            &mut transport.messages.max_message_size,
            self.max_message_size.map(|size| size.0),
        );
        config.check().map_err(|error| error.to_string())?;

        let upstream = self.upstream.into_config()?;
        let backend =
            from_url(&self.backend, &upstream).map_err(|error| format!("backend: {error}"))?;
        Ok(ConfiguredService {
            config,
            url: self.backend,
            backend,
        })
    }
}

impl UpstreamTable {
    fn into_config(self) -> Result<UpstreamConfig, String> {
        let mut config = UpstreamConfig::default();
        set(
            &mut config.dial_timeout,
            self.dial_timeout.map(|span| span.0),
        );
        if let Some(names) = self.headers {
            let parse = |name: &String| {
                name.parse().map_err(|_| {
                    format!("upstream.headers: {name:?} is not the name of a header field")
                })
            };
            config.headers = names.iter().map(parse).collect::<Result<_, _>>()?;
        }
        let binary = self.binary.map(|name| match name {
            BinaryName::Close => BinaryPolicy::Close,
            BinaryName::Base64 => BinaryPolicy::Base64,
        });
        set(&mut config.binary, binary);
        set(&mut config.ping_delay, self.ping_delay.map(|span| span.0));
        set(
            &mut config.pong_timeout,
            self.pong_timeout.map(|span| span.0),
        );
        set(
            &mut config.max_message_size,
            self.max_message_size.map(|size| size.0),
        );
        config.ca_file = self.ca_file;
        config
            .check()
            .map_err(|error| format!("upstream.headers: {error}"))?;
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn error(text: &str) -> String {
        parse("gateway.toml", text)
            .expect_err("must be refused")
            .to_string()
    }

    /// Keys land in the config of the module that owns them.
    #[test]
    fn keys_reach_their_modules() {
        let config = parse(
            "gateway.toml",
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
            [[service]]
            prefix = "/echo"
            backend = "echo:"
            origins = "*"
            "#,
        )
        .expect("a valid file");
        assert_eq!(config.listen.port(), 9999);
        assert_eq!(config.queue_memory, Some(64 << 20));
        assert_eq!(config.server.header_timeout, Duration::from_secs(3));
        assert_eq!(config.server.tcp_user_timeout, None);
        let live = &config.services[0].config;
        assert_eq!(live.session.heartbeat_delay, None);
        assert_eq!(live.transport.response_limit, 4096);
        assert_eq!(live.transport.messages.max_message_size, 1 << 20);
        assert_eq!((live.doctor, live.doctor_results), (true, 20));
        assert_eq!(config.services[1].config.origins, Origins::Any);
        assert!(!config.services[1].config.doctor);
    }

    /// Every mistake names the place and what to write.
    #[test]
    fn mistakes_are_named_with_their_place() {
        let service = "[[service]]\nprefix = \"/a\"\nbackend = \"echo:\"\n";
        let cases = [
            (String::new(), "there is no service"),
            (format!("lisen = 1\n{service}"), "line 1"),
            (
                format!("{service}hartbeat_delay = \"25s\"\n"),
                "heartbeat_delay",
            ),
            (format!("{service}heartbeat_delay = 25\n"), "line 4"),
            (
                format!("{service}heartbeat_delay = \"25\"\n"),
                "like \"25s\"",
            ),
            (
                format!("{service}response_limit = \"big\"\n"),
                "like \"64KiB\"",
            ),
            (
                format!("{service}origins = \"app.example.com\"\n"),
                "origins: \"app.example.com\" is not an origin",
            ),
            (format!("{service}transports = [\"xhr\"]\n"), "xhr-polling"),
            (
                format!("{service}{service}"),
                "two services have the prefix \"/a\"",
            ),
            (
                "[[service]]\nprefix = \"a\"\nbackend = \"echo:\"".into(),
                "must start with /",
            ),
            (
                "[[service]]\nprefix = \"/a\"\nbackend = \"http://x\"".into(),
                "must start with one of",
            ),
            (
                "[[service]]\nprefix = \"/a\"\nbackend = \"ws://\"".into(),
                "must look like",
            ),
            (
                format!("{service}[service.upstream]\nheaders = [\"host\"]\n"),
                "cannot be passed on",
            ),
            (
                format!("listen = \"8081\"\n{service}"),
                "like \"127.0.0.1:8081\"",
            ),
            (
                format!("trusted_proxies = [\"x\"]\n{service}"),
                "10.0.0.0/8",
            ),
        ];
        for (text, expected) in cases {
            let message = error(&text);
            assert!(message.starts_with("gateway.toml: "), "{message}");
            assert!(
                message.contains(expected),
                "{message:?} does not contain {expected:?}"
            );
        }
    }
}
