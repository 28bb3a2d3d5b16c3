//! A configuration that is valid: what the file, the environment and the arguments say, checked and in the modules' own types.
//!
//! To add a key: its field in the `Config` of the module that owns it, and its row in `keys.rs`.

mod admin;
mod auth;
mod auth_kinds;
mod closing;
mod conditions;
mod document;
mod files;
mod interpret;
mod key;
mod keys;
mod kinds;
mod layers;
mod listeners;
mod mistake;
mod reference;
mod restart;
mod schema;
mod show;
mod spans;
mod starter;
mod tables;
#[cfg(test)]
mod tests;
mod units;
mod value;
mod warnings;

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::admin::AdminConfig;
use crate::backend::UpstreamConfig;
use crate::identity::Authentication;
use crate::registry::Backend;
use crate::server::{ListenAddress, ListenerConfig, ServerConfig, TlsFiles, TlsRemark};
use crate::service::{ConfigError, Gateway, GatewayBuilder, GatewayConfig, ServiceConfig};

pub use auth::AuthTable;
use keys::OWN;
pub use layers::{DEFAULT_PREFIX, FILE_VARIABLE, OneService, Setting, Sources, VARIABLES};
pub(crate) use mistake::shown_lines;
pub use mistake::{LoadError, Mistake};
pub use reference::reference;
pub use schema::schema;
pub use starter::default_file;
pub use tables::ListenerTable;
pub use value::Origin;
use value::{Content, Table, Value};

/// Where the gateway listens when nothing else is said.
pub const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8081);

/// Everything the program needs to run.
#[derive(Debug)]
pub struct Config {
    /// Where to listen, without TLS.
    pub listen: Vec<ListenAddress>,
    /// Further listeners.
    pub listeners: Vec<ListenerTable>,
    /// Authenticators.
    pub auths: Vec<AuthTable>,
    /// Limits of connections and of stopping.
    pub server: ServerConfig,
    /// What all services share.
    pub gateway: GatewayConfig,
    /// The operators' side.
    pub(crate) admin: AdminConfig,
    /// How often to look whether files have changed. Default never.
    pub watch: Option<Duration>,
    /// The services.
    pub services: Vec<ConfiguredService>,
    /// The authenticators by their names.
    authenticators: HashMap<String, Authentication>,
    /// What the files of TLS held, of each of the `listeners`, until somebody listens there.
    tls_files: Vec<Option<TlsFiles>>,
    /// What there is to say of them.
    tls_remarks: Vec<Vec<TlsRemark>>,
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
    /// The authenticator's name; `none` for nobody.
    pub auth: Option<String>,
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
        let (tree, mistakes) = sources.merged()?;
        let file = sources.file.as_ref().map(|(path, _)| path.as_path());
        Self::interpret(tree, mistakes, file)
    }

    /// No services, and the defaults for the rest.
    pub fn empty() -> Self {
        Self {
            listen: vec![ListenAddress::Tcp(DEFAULT_LISTEN)],
            listeners: Vec::new(),
            auths: Vec::new(),
            admin: AdminConfig::default(),
            watch: None,
            server: ServerConfig::default(),
            gateway: GatewayConfig::default(),
            services: Vec::new(),
            authenticators: HashMap::new(),
            tls_files: Vec::new(),
            tls_remarks: Vec::new(),
            given: Table::default(),
        }
    }

    /// The gateway this configuration describes.
    ///
    /// # Errors
    /// When two services have one prefix.
    pub fn gateway(&self) -> Result<Gateway, ConfigError> {
        self.builder().build()
    }

    /// What makes that gateway, or takes the place of what a running one has.
    pub fn builder(&self) -> GatewayBuilder {
        let mut builder = Gateway::builder().config(self.gateway.clone());
        for service in &self.services {
            let config = service.settings.config.clone();
            builder = builder.shared_service(config, Arc::clone(&service.backend));
        }
        builder
    }

    /// Every listener there is to be, with what was read for them, which is given away.
    pub(crate) fn take_listeners(&mut self) -> Vec<ListenerConfig> {
        let mut listeners = self.all_listeners();
        let plain = listeners.len() - self.listeners.len();
        let files = std::mem::take(&mut self.tls_files);
        for (listener, files) in listeners[plain..].iter_mut().zip(files) {
            listener.tls_files = files;
        }
        listeners
    }

    /// Every listener there is to be.
    pub fn all_listeners(&self) -> Vec<ListenerConfig> {
        let plain = self.listen.iter().cloned().map(ListenerConfig::new);
        let is_meant = self.listeners.is_empty() || self.given.get("listen").is_some();
        let plain = plain.filter(|_| is_meant);
        plain.chain(self.listeners.iter().map(Into::into)).collect()
    }

    /// The files that it names: certificates, keys and tokens.
    pub fn files(&self) -> Vec<PathBuf> {
        let listeners = self.listeners.iter().map(|listener| &listener.tls);
        let of_listeners = listeners.flat_map(|tls| {
            let pairs = tls.certificates.iter();
            let pairs = pairs.flat_map(|files| [&files.certificate, &files.key]);
            pairs.chain(&tls.client_ca)
        });
        let of_auths = self.auths.iter().flat_map(AuthTable::files);
        let services = self.services.iter();
        let of_services = services.filter_map(|one| one.settings.upstream.ca_file.as_ref());
        let files = of_listeners.chain(of_auths).chain(of_services);
        let files = files.chain(&self.admin.token_file);
        files.cloned().collect()
    }

    /// The tables of a list, as they were given.
    fn tables(&self, list: &str) -> impl Iterator<Item = (usize, &Table)> {
        let values = match self.given.get(list).map(|value| &value.content) {
            Some(Content::List(values)) => values.as_slice(),
            _ => &[],
        };
        let tables = values.iter().enumerate();
        tables.filter_map(|(index, value)| match &value.content {
            Content::Table(table) => Some((index, table)),
            _ => None,
        })
    }

    /// One table of a list of tables, as it was given.
    fn table(&self, list: &str, index: usize) -> Option<&Value> {
        match &self.given.get(list)?.content {
            Content::List(tables) => tables.get(index),
            _ => None,
        }
    }

    /// Where the value of a service's key comes from.
    fn origin_in_service(&self, index: usize, section: &str, key: &str) -> Origin {
        let own = self.table("service", index);
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
            auth: None,
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
