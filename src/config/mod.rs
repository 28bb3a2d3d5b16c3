//! A configuration that is valid: what the file, the environment and the arguments say, checked and in the modules' own types.
//!
//! To add a key: its field in the `Config` of the module that owns it, and its row in `keys.rs`.

mod document;
mod key;
mod keys;
mod kinds;
mod layers;
mod mistake;
mod reference;
mod schema;
mod show;
#[cfg(test)]
mod tests;
mod units;
mod value;

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::backend::{UpstreamConfig, from_url};
use crate::registry::Backend;
use crate::server::ServerConfig;
use crate::service::{ConfigError, Gateway, GatewayConfig, Origins, ServiceConfig};

use keys::{OWN, SERVICE, TOP};
pub use layers::{DEFAULT_PREFIX, FILE_VARIABLE, OneService, Setting, Sources, VARIABLES};
pub use mistake::{LoadError, Mistake};
pub use reference::{default_file, reference};
pub use schema::schema;
pub use value::Origin;
use value::{Content, Entry, Table, Value};

/// Where the gateway listens when nothing else is said.
pub const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8081);

/// After which sockjs-client gives up a jsonp poll; fixed there.
const JSONP_TIMEOUT: Duration = Duration::from_secs(35);

/// Reads an address to listen on.
///
/// # Errors
/// What it must look like.
pub fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("{text:?} is not an address and a port, like \"127.0.0.1:8081\" or \"[::1]:8081\"; names are not looked up")
    })
}

/// Everything the program needs to run.
#[derive(Debug)]
pub struct Config {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Limits of connections and of stopping.
    pub server: ServerConfig,
    /// What all services share.
    pub gateway: GatewayConfig,
    /// The services.
    pub services: Vec<ConfiguredService>,
    /// What was said, and where.
    given: Table,
}

/// A service and what it talks to.
pub struct ConfiguredService {
    /// What was said of it.
    pub settings: ServiceSettings,
    /// What sessions talk to.
    pub backend: Arc<dyn Backend>,
}

/// What can be said of a service.
#[derive(Clone, Debug)]
pub struct ServiceSettings {
    /// What it is called, when it has a name of its own.
    pub name: Option<String>,
    /// The backend's URL.
    pub backend: String,
    /// Prefix and options.
    pub config: ServiceConfig,
    /// How the backend is reached.
    pub upstream: UpstreamConfig,
}

impl Config {
    /// Reads and checks all sources.
    ///
    /// # Errors
    /// Every mistake, with its place.
    pub fn load(sources: &Sources) -> Result<Self, LoadError> {
        let tree = sources.merged()?;
        let file = sources.file.as_deref();
        Self::interpret(tree, file)
    }

    /// No services, and the defaults for the rest.
    pub fn empty() -> Self {
        Self {
            listen: DEFAULT_LISTEN,
            server: ServerConfig::default(),
            gateway: GatewayConfig::default(),
            services: Vec::new(),
            given: Table::default(),
        }
    }

    /// The gateway this configuration describes.
    ///
    /// # Errors
    /// When two services have one prefix.
    pub fn gateway(&self) -> Result<Gateway, ConfigError> {
        let mut builder = Gateway::builder().config(self.gateway.clone());
        for service in &self.services {
            let config = service.settings.config.clone();
            builder = builder.shared_service(config, Arc::clone(&service.backend));
        }
        builder.build()
    }

    /// What is allowed but seldom meant.
    pub fn warnings(&self) -> Vec<Mistake> {
        let mut warnings = Vec::new();
        for (index, service) in self.services.iter().enumerate() {
            let ServiceSettings { config, .. } = &service.settings;
            let mut warn = |key: &str, what: &str| {
                let origin = self.origin_in_service(index, "", key);
                let key = format!("service {:?}: {key}", config.prefix);
                warnings.push(Mistake::new(&origin, key, what));
            };
            let beat = config.session.heartbeat_delay;
            if beat.is_none_or(|delay| delay >= JSONP_TIMEOUT) {
                warn(
                    "heartbeat_delay",
                    "not below the 35 s after which sockjs-client gives up a jsonp poll",
                );
            }
            if config.origins == Origins::Any {
                warn(
                    "origins",
                    "pages of every site may use this service; a list of origins limits them",
                );
            }
        }
        warnings
    }

    fn interpret(mut tree: Table, file: Option<&Path>) -> Result<Self, LoadError> {
        let mut config = Self::empty();
        config.given = tree.clone();
        let mut mistakes = Vec::new();
        let services = tree.take("service");
        let defaults = tree.take("defaults");
        key::read(
            &mut config,
            TOP,
            &tree,
            &["service", "defaults"],
            &mut mistakes,
        );

        let mut pattern = ServiceSettings::default();
        if let Some(entry) = defaults {
            read_defaults(&mut pattern, &entry, &mut mistakes);
        }
        let tables = service_tables(services, file, &mut mistakes);
        let mut read: Vec<(ServiceSettings, &Table)> = Vec::new();
        for (table, origin) in &tables {
            let mut settings = pattern.clone();
            let before = mistakes.len();
            key::read(&mut settings, SERVICE, table, &[], &mut mistakes);
            for key in ["prefix", "backend"] {
                if table.get(key).is_none() {
                    let example = key::example(SERVICE, key);
                    let what = format!("is missing; write {key} = {example:?}, with your own");
                    mistakes.push(Mistake::new(origin, key, what));
                }
            }
            check_twice(&settings, table, &read, &mut mistakes);
            let label = label(table, read.len());
            for mistake in &mut mistakes[before..] {
                mistake.key = match mistake.key.as_str() {
                    "" => label.clone(),
                    key => format!("{label}: {key}"),
                };
            }
            read.push((settings, table));
        }
        if !mistakes.is_empty() {
            mistakes.sort_by_key(|mistake| match &mistake.origin {
                Origin::File { line, column, .. } => (*line, *column),
                _ => (usize::MAX, 0),
            });
            return Err(LoadError(mistakes));
        }
        // With TLS, certificates are read here; what is wrong above would only be told again.
        for (index, (settings, table)) in read.into_iter().enumerate() {
            match from_url(&settings.backend, &settings.upstream) {
                Ok(backend) => config
                    .services
                    .push(ConfiguredService { settings, backend }),
                Err(error) => {
                    let origin = table.get("backend").map(|value| value.origin.clone());
                    let key = format!("{}: backend", label(table, index));
                    mistakes.push(Mistake::new(
                        &origin.unwrap_or_default(),
                        key,
                        error.to_string(),
                    ));
                }
            }
        }
        if mistakes.is_empty() {
            Ok(config)
        } else {
            Err(LoadError(mistakes))
        }
    }

    /// Where the value of a service's key comes from.
    fn origin_in_service(&self, index: usize, section: &str, key: &str) -> Origin {
        let services = match self.given.get("service").map(|value| &value.content) {
            Some(Content::List(values)) => values.as_slice(),
            _ => &[],
        };
        let own = services.get(index);
        let own = own.and_then(|service| find(service, section, key));
        let shared = self.given.get("defaults").filter(|_| !OWN.contains(&key));
        let shared = shared.and_then(|defaults| find(defaults, section, key));
        own.or(shared)
            .map(|value| value.origin.clone())
            .unwrap_or_default()
    }
}

/// A key of a table, or of a table in it.
fn find<'a>(table: &'a Value, section: &str, key: &str) -> Option<&'a Value> {
    let below = |value: &'a Value, key: &str| match &value.content {
        Content::Table(table) => table.get(key),
        _ => None,
    };
    let table = if section.is_empty() {
        table
    } else {
        below(table, section)?
    };
    below(table, key)
}

fn read_defaults(pattern: &mut ServiceSettings, entry: &Entry, mistakes: &mut Vec<Mistake>) {
    let Content::Table(table) = &entry.value.content else {
        mistakes.push(
            Mistake::of_value(&entry.value, "a table; write [defaults] and its keys")
                .within("defaults"),
        );
        return;
    };
    let mut table = table.clone();
    for key in OWN {
        if let Some(entry) = table.take(key) {
            let what = "every service has its own; write it in [[service]]";
            mistakes.push(Mistake::new(&entry.at, format!("defaults.{key}"), what));
        }
    }
    let before = mistakes.len();
    key::read(pattern, SERVICE, &table, &[], mistakes);
    for mistake in mistakes.drain(before..).collect::<Vec<_>>() {
        mistakes.push(mistake.within("defaults"));
    }
}

/// The tables of the services, and where they begin.
fn service_tables(
    entry: Option<Entry>,
    file: Option<&Path>,
    mistakes: &mut Vec<Mistake>,
) -> Vec<(Table, Origin)> {
    let mut tables = Vec::new();
    match entry.map(|entry| entry.value) {
        Some(Value {
            content: Content::List(values),
            ..
        }) => {
            for value in values {
                match value.content {
                    Content::Table(table) => tables.push((table, value.origin)),
                    _ => mistakes.push(
                        Mistake::of_value(&value, "a table; write [[service]] and its keys")
                            .within("service"),
                    ),
                }
            }
        }
        Some(value) => {
            let what = "there may be several: write [[service]], with two brackets";
            mistakes.push(Mistake::new(&value.origin, "service", what));
            return tables;
        }
        None => {}
    }
    if tables.is_empty() && mistakes.is_empty() {
        let place = file
            .map(|path| format!("{}: ", path.display()))
            .unwrap_or_default();
        let what = format!(
            "{place}there is no service; add one, like\n[[service]]\nprefix = \"/sockjs\"\nbackend = \"ws://127.0.0.1:9000/socket\""
        );
        mistakes.push(Mistake::new(&Origin::Default, "", what));
    }
    tables
}

/// What a service is called in messages.
fn label(table: &Table, index: usize) -> String {
    match table.get("prefix").or_else(|| table.get("name")) {
        Some(value) => format!("service {value}"),
        None => format!("service number {}", index + 1),
    }
}

/// A prefix or name that a service before has too.
fn check_twice(
    settings: &ServiceSettings,
    table: &Table,
    before: &[(ServiceSettings, &Table)],
    mistakes: &mut Vec<Mistake>,
) {
    let Some(prefix) = table.get("prefix") else {
        return;
    };
    for (other, other_table) in before {
        let Some(other_prefix) = other_table.get("prefix") else {
            continue;
        };
        if other.config.prefix == settings.config.prefix {
            let what = ConfigError::PrefixTwice(settings.config.prefix.to_string());
            let what = format!("{what}; the other one is at {}", other_prefix.origin);
            mistakes.push(Mistake::new(&prefix.origin, "prefix", what));
        } else if other.name() == settings.name() {
            let origin = table.get("name").unwrap_or(prefix);
            let what = format!(
                "the service {:?} is called {:?} too; write another name",
                other.config.prefix,
                settings.name()
            );
            mistakes.push(Mistake::new(&origin.origin, "name", what));
        }
    }
}

impl ServiceSettings {
    /// What the service is called.
    pub fn name(&self) -> String {
        self.name
            .clone()
            .unwrap_or_else(|| layers::name_from_prefix(&self.config.prefix))
    }
}

impl Default for ServiceSettings {
    fn default() -> Self {
        Self {
            name: None,
            backend: String::new(),
            config: ServiceConfig::new(""),
            upstream: UpstreamConfig::default(),
        }
    }
}

impl fmt::Debug for ConfiguredService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfiguredService")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
