//! A configuration that is valid: what the file says, checked and in the modules' own types.

mod file;
mod network;
mod units;

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use crate::backend::{BackendError, UpstreamConfig, from_url};
use crate::registry::Backend;
use crate::server::ServerConfig;
use crate::service::{ConfigError, Gateway, InvalidOrigin, ServiceConfig, TrustedProxies};

/// Where the gateway listens when nothing else is said.
pub const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8081);

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
    /// Proxies that are believed.
    pub trusted_proxies: TrustedProxies,
    /// The most sessions of all services together; `None` is the library's default.
    pub max_sessions: Option<usize>,
    /// Bytes that all queues and bodies may take together; `None` is the library's default.
    pub queue_memory: Option<usize>,
    /// The services.
    pub services: Vec<ConfiguredService>,
}

/// A service and what it talks to.
pub struct ConfiguredService {
    /// Prefix and options.
    pub config: ServiceConfig,
    /// The backend's URL, for people.
    pub url: String,
    /// What sessions talk to.
    pub backend: Arc<dyn Backend>,
}

/// The configuration cannot be used. `Display` says where, what, and what to write instead.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoadError {
    /// The file cannot be read.
    Unreadable(String, std::io::Error),
    /// The file is not TOML, or has keys or values that do not exist; the text names line and column.
    Malformed(String, String),
    /// A value is wrong in its context.
    Invalid(String, String),
}

impl Config {
    /// One service that talks to `backend_url`, with the defaults.
    ///
    /// # Errors
    /// When the URL, the prefix or an origin is wrong.
    pub fn for_backend(
        backend_url: &str,
        prefix: &str,
        origins: &[String],
    ) -> Result<Self, LoadError> {
        let mut config = ServiceConfig::new(prefix);
        if !origins.is_empty() {
            config.origins =
                crate::service::Origins::from_list(origins).map_err(|error: InvalidOrigin| {
                    LoadError::Invalid("--origin".to_owned(), error.to_string())
                })?;
        }
        config
            .check()
            .map_err(|error| LoadError::Invalid("--prefix".to_owned(), error.to_string()))?;
        let backend = from_url(backend_url, &UpstreamConfig::default())
            .map_err(|error| LoadError::Invalid("--to".to_owned(), error.to_string()))?;
        Ok(Self {
            services: vec![ConfiguredService {
                config,
                url: backend_url.to_owned(),
                backend,
            }],
            ..Self::empty()
        })
    }

    /// Reads and checks a TOML file.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn from_file(path: &Path) -> Result<Self, LoadError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| LoadError::Unreadable(name.clone(), error))?;
        file::parse(&name, &text)
    }

    /// No services, and the defaults for the rest.
    pub fn empty() -> Self {
        Self {
            listen: DEFAULT_LISTEN,
            server: ServerConfig::default(),
            trusted_proxies: TrustedProxies::default(),
            max_sessions: None,
            queue_memory: None,
            services: Vec::new(),
        }
    }

    /// The gateway this configuration describes.
    ///
    /// # Errors
    /// When two services have one prefix.
    pub fn gateway(&self) -> Result<Gateway, ConfigError> {
        let mut builder = Gateway::builder().trusted_proxies(self.trusted_proxies.clone());
        if let Some(sessions) = self.max_sessions {
            builder = builder.max_sessions(sessions);
        }
        if let Some(bytes) = self.queue_memory {
            builder = builder.queue_memory(bytes);
        }
        for service in &self.services {
            builder = builder.shared_service(service.config.clone(), Arc::clone(&service.backend));
        }
        builder.build()
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(file, error) => write!(f, "cannot read {file}: {error}"),
            Self::Malformed(file, what) => write!(f, "{file}: {what}"),
            Self::Invalid(place, what) => write!(f, "{place}: {what}"),
        }
    }
}

impl std::error::Error for LoadError {}

impl From<ConfigError> for LoadError {
    fn from(error: ConfigError) -> Self {
        Self::Invalid("services".to_owned(), error.to_string())
    }
}

impl From<BackendError> for LoadError {
    fn from(error: BackendError) -> Self {
        Self::Invalid("backend".to_owned(), error.to_string())
    }
}

impl fmt::Debug for ConfiguredService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfiguredService")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
