//! Arguments that say what the configuration is: a file, or one service, and single keys.

use std::path::PathBuf;

use clap::Args;

use crate::config::{
    Config, FILE_VARIABLE, LoadError, Mistake, OneService, Origin, Setting, Sources, VARIABLES,
};
use crate::server::ListenAddress;

/// Where the configuration comes from; variables of the environment are a part of it.
#[derive(Debug, Default, Args)]
pub(super) struct Settings {
    /// TOML file [default: what SOCKJS_GATEWAY_CONFIG names]
    #[arg(long, short, value_name = "FILE", conflicts_with_all = ["to", "prefix", "origin"])]
    config: Option<PathBuf>,
    /// What sessions talk to, without a file: ws://, wss://, or echo: close: broadcast: amplify:
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// Path of that service [default: /sockjs]
    #[arg(long)]
    prefix: Option<String>,
    /// Other site whose pages may use it, like https://app.example.com; "*" lets every site; may be repeated
    #[arg(long, value_name = "ORIGIN")]
    origin: Vec<String>,
    /// Where to listen, like 0.0.0.0:8081 or unix:/run/gateway.sock; may be repeated [default: the file's, or 127.0.0.1:8081]
    #[arg(long, value_name = "ADDRESS")]
    listen: Vec<ListenAddress>,
    /// Any key of a file, like server.backlog=128 or service.chat.heartbeat_delay=10s; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_setting)]
    set: Vec<(String, String)>,
}

/// `server.backlog=128`
fn parse_setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| {
        "there is no equals sign; a key and its value are like server.backlog=128".to_owned()
    })?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

impl Settings {
    /// A file alone, or the one that the environment names.
    pub(super) fn of_file(config: Option<PathBuf>) -> Self {
        Self {
            config,
            ..Self::default()
        }
    }

    /// All sources. A service that nobody described talks to `otherwise`.
    ///
    /// # Errors
    /// Nothing says what the services are.
    pub(super) fn sources(&self, otherwise: Option<&str>) -> Result<Sources, LoadError> {
        let wrong = |argument: &str, what: String| {
            let origin = Origin::Argument(argument.into());
            Err(Mistake::new(&origin, "", what).into())
        };
        let named = |path: &PathBuf| (path.clone(), Origin::Argument("--config".into()));
        let (mut variables, mut file) = (Vec::new(), self.config.as_ref().map(named));
        for (name, value) in std::env::vars_os() {
            let Some(name) = name.to_str().filter(|name| name.starts_with(VARIABLES)) else {
                continue;
            };
            if name == FILE_VARIABLE {
                if self.to.is_none() && file.is_none() && !value.is_empty() {
                    let origin = Origin::Environment(FILE_VARIABLE.into());
                    file = Some((PathBuf::from(value), origin));
                }
                continue;
            }
            variables.push((name.to_owned(), value.into_string().ok()));
        }
        // In a fixed order, so that the same mistakes are told in the same order.
        variables.sort();
        let with_service = format!("{VARIABLES}SERVICE__");
        let described = variables
            .iter()
            .any(|(name, _)| name.starts_with(&with_service))
            || self
                .set
                .iter()
                .any(|(path, _)| path.starts_with("service."));
        let backend = match (&self.to, &file, otherwise) {
            (Some(backend), ..) => Some(backend.as_str()),
            (None, None, Some(otherwise)) if !described => Some(otherwise),
            (None, None, None) if !described => {
                return wrong(
                    "arguments",
                    format!(
                        "say what to serve: --to URL, --config FILE (or {FILE_VARIABLE}), or demo; --help has examples"
                    ),
                );
            }
            _ => None,
        };
        if backend.is_none() && (self.prefix.is_some() || !self.origin.is_empty()) {
            let what = "are for the service of --to; say that too, or write them in the file";
            return wrong("--prefix and --origin", what.to_owned());
        }
        let service = backend.map(|backend| OneService {
            backend: backend.to_owned(),
            prefix: self.prefix.clone(),
            origins: self.origin.clone(),
        });
        let addresses: Vec<_> = self.listen.iter().map(ToString::to_string).collect();
        let listen = (!addresses.is_empty()).then(|| Setting {
            path: "listen".to_owned(),
            value: addresses.join(","),
            argument: "--listen".to_owned(),
        });
        let set = self.set.iter().map(|(path, value)| Setting {
            path: path.clone(),
            value: value.clone(),
            argument: format!("--set {path}"),
        });
        Ok(Sources {
            file,
            service,
            variables,
            settings: set.chain(listen).collect(),
        })
    }

    /// The file that says what the configuration is, if one does.
    pub(super) fn file(&self) -> Option<PathBuf> {
        let sources = self.sources(None).ok()?;
        sources.file.map(|(path, _)| path)
    }

    /// The configuration, checked.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(super) fn load(&self, otherwise: Option<&str>) -> Result<Config, String> {
        let sources = self.sources(otherwise);
        let config = sources.and_then(|sources| Config::load(&sources));
        config.map_err(|error| error.to_string())
    }
}
