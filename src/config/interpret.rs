//! What the merged layers mean: everything is read, and all that is wrong is told.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use crate::backend::{BackendError, from_url};
use crate::server::{ListenAddress, TlsFiles};
use crate::service::ConfigError;

use super::conditions;
use super::key::{self, Root, nearest};
use super::keys::{OWN, SERVICE, TOP};
use super::layers::{in_variable, name_of};
use super::mistake::{LoadError, Mistake, shown};
use super::value::{Content, Entry, Origin, Table, Value};
use super::{Config, ConfiguredService, ServiceSettings};

impl Config {
    /// Reads what the layers gave, in which `mistakes` were found already.
    pub(super) fn interpret(
        mut tree: Table,
        mut mistakes: Vec<Mistake>,
        file: Option<&Path>,
    ) -> Result<Self, LoadError> {
        let mut config = Self::empty();
        config.given = tree.clone();
        let services = tree.take("service");
        let defaults = tree.take("defaults");
        key::read(&mut config, TOP, &tree, Root::Top, &mut mistakes);
        if mistakes.is_empty() {
            config.check_listeners(&mut mistakes);
            config.check_admin(&mut mistakes);
        }
        let built = config.build_authenticators(&mut mistakes);
        let mut pattern = ServiceSettings::default();
        if let Some(entry) = defaults {
            read_defaults(&mut pattern, &entry, &mut mistakes);
        }
        let tables = service_tables(services, file, &mut mistakes);
        let mut neighbours = Neighbours::default();
        for (index, (table, origin)) in tables.iter().enumerate() {
            let mut settings = pattern.clone();
            let mut found = Vec::new();
            key::read(&mut settings, SERVICE, table, Root::Service, &mut found);
            found.extend(missing(table, origin, &neighbours));
            neighbours.check(&settings, table, &mut found);
            found.extend(settings.authenticate(&config, &built, table).err());
            if found.is_empty() {
                found.extend(conditions::unmet(&settings, table));
            }
            if found.is_empty() {
                match connect(settings, table) {
                    Ok(service) => config.services.push(service),
                    Err(mistake) => found.push(mistake),
                }
            }
            let label = label(table, index);
            mistakes.extend(found.into_iter().map(|mut mistake| {
                mistake.key = match mistake.key.as_str() {
                    "" => label.clone(),
                    key => format!("{label}: {key}"),
                };
                mistake
            }));
        }
        config.check_health_paths(&mut mistakes);
        config.authenticators = built;
        if mistakes.is_empty() {
            return Ok(config);
        }
        mistakes.sort_by_key(|mistake| match &mistake.origin {
            Origin::File { line, column, .. } => (*line, *column),
            _ => (usize::MAX, 0),
        });
        Err(LoadError(mistakes))
    }

    /// Addresses that are there twice, and files of TLS that cannot be used. They are read here, and once.
    fn check_listeners(&mut self, mistakes: &mut Vec<Mistake>) {
        let mut known: Vec<ListenAddress> = Vec::new();
        let plain = self.all_listeners().len() - self.listeners.len();
        for (index, listener) in self.all_listeners().into_iter().enumerate() {
            let origin = match index.checked_sub(plain) {
                Some(index) => self.origin_of_listener(index),
                None => self
                    .given
                    .get("listen")
                    .map(|value| value.origin.clone())
                    .unwrap_or_default(),
            };
            let address = listener.address;
            let takes_free = matches!(&address, ListenAddress::Tcp(tcp) if tcp.port() == 0);
            if known.contains(&address) && !takes_free && address != ListenAddress::Systemd(None) {
                let what = format!(
                    "two listeners are at {address}; write another address, or leave one out"
                );
                mistakes.push(Mistake::new(&origin, "listener", what));
            }
            let files = listener.tls.map(|tls| tls.read()).transpose();
            let files = files.unwrap_or_else(|error| {
                let key = format!("listener {address}: tls");
                mistakes.push(Mistake::new(&origin, key, error.to_string()));
                None
            });
            if index >= plain {
                let remarks = files.as_ref().map(TlsFiles::remarks);
                self.tls_remarks.push(remarks.unwrap_or_default());
                self.tls_files.push(files);
            }
            known.push(address);
        }
    }
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
    key::read(pattern, SERVICE, &table, Root::Defaults, mistakes);
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
    let (mut tables, before) = (Vec::new(), mistakes.len());
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
    if tables.is_empty() && mistakes.len() == before {
        let place = file.map(|path| format!("{}: ", path.display()));
        let what = format!(
            "{}there is no service; add a table [[service]] with prefix = \"/sockjs\" and backend = \"ws://127.0.0.1:9000/socket\"",
            place.unwrap_or_default()
        );
        mistakes.push(Mistake::new(&Origin::Default, "", what));
    }
    tables
}

/// What a service is called in messages.
fn label(table: &Table, index: usize) -> String {
    match table.get("prefix").or_else(|| table.get("name")) {
        Some(value) => shown(&format!("service {value}")),
        None => format!("service number {}", index + 1),
    }
}

/// Keys that every service must have.
fn missing(table: &Table, origin: &Origin, neighbours: &Neighbours) -> Vec<Mistake> {
    let keys = ["prefix", "backend"];
    let missing = keys.into_iter().filter(|key| table.get(key).is_none());
    let missing: Vec<_> = missing.collect();
    if missing.len() == keys.len()
        && let (Origin::Environment(_) | Origin::Argument(_), Some(name)) = (origin, name_of(table))
    {
        // A slip more likely than a new service.
        let names: Vec<_> = neighbours.names.values().map(String::as_str).collect();
        let what = format!(
            "there is no service {name:?}{}; to add one, give it a prefix and a backend",
            nearest(&name, &names)
        );
        return vec![Mistake::new(origin, "", what)];
    }
    let mistake = |key: &str| {
        let example = key::example(SERVICE, key);
        let what = format!("is missing; write {key} = {example:?}, with your own");
        Mistake::new(origin, key, what)
    };
    missing.into_iter().map(mistake).collect()
}

/// What sessions of a service will talk to.
fn connect(settings: ServiceSettings, table: &Table) -> Result<ConfiguredService, Mistake> {
    let place = |value: Option<&Value>| value.map(|value| value.origin.clone()).unwrap_or_default();
    let ca_file = match table.get("upstream").map(|value| &value.content) {
        Some(Content::Table(upstream)) => upstream.get("ca_file"),
        _ => None,
    };
    if let Some(ca_file) = ca_file
        && !settings.backend.starts_with("wss:")
    {
        let what = "is for wss:// backends only; leave it out";
        return Err(Mistake::new(&ca_file.origin, "upstream.ca_file", what));
    }
    match from_url(&settings.backend, &settings.upstream) {
        Ok(backend) => Ok(ConfiguredService { settings, backend }),
        Err(error @ BackendError::Tls(_)) if settings.upstream.ca_file.is_some() => Err(
            Mistake::new(&place(ca_file), "upstream.ca_file", error.to_string()),
        ),
        Err(error) => Err(Mistake::new(
            &place(table.get("backend")),
            "backend",
            error.to_string(),
        )),
    }
}

/// The services before, by what must not be there twice.
#[derive(Default)]
struct Neighbours {
    /// Where each prefix stands.
    prefixes: HashMap<Arc<str>, Origin>,
    /// Names as they are written, by what they are in variables.
    names: HashMap<String, String>,
}

/// What a service answers itself, below its prefix.
const OWN_PATHS: [&str; 3] = ["info", "websocket", "doctor"];

impl Neighbours {
    /// Finds what this service shares with one before it.
    fn check(&mut self, settings: &ServiceSettings, table: &Table, mistakes: &mut Vec<Mistake>) {
        let Some(prefix) = table.get("prefix") else {
            return;
        };
        let own = &settings.config.prefix;
        if let Some(other) = self.prefixes.get(own) {
            let what = ConfigError::PrefixTwice(own.to_string());
            let what = format!("{what}; the other one is at {other}");
            mistakes.push(Mistake::new(&prefix.origin, "prefix", what));
            return;
        }
        // Of either, the other may be the one below.
        let below = |outer: &str, inner: &str| {
            let rest = inner
                .strip_prefix(outer)
                .and_then(|rest| rest.strip_prefix('/'));
            let first = rest.and_then(|rest| rest.split('/').next());
            first.is_some_and(|first| OWN_PATHS.contains(&first) || first.starts_with("iframe"))
        };
        if let Some(other) = self
            .prefixes
            .keys()
            .find(|other| below(other, own) || below(own, other))
        {
            let what = format!(
                "it lies where the service {other:?} answers something itself, or the other way round; write another path"
            );
            mistakes.push(Mistake::new(&prefix.origin, "prefix", what));
        }
        let name = settings.name();
        if let Some(other) = self.names.get(&in_variable(&name)) {
            let origin = &table.get("name").unwrap_or(prefix).origin;
            let what = format!(
                "a service before is called {other:?}, which is the same in variables; write another name"
            );
            mistakes.push(Mistake::new(origin, "name", what));
        }
        self.prefixes.insert(Arc::clone(own), prefix.origin.clone());
        self.names.insert(in_variable(&name), name);
    }
}
