//! What the merged layers mean: everything is read, and all that is wrong is told.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use crate::backend::{BackendError, from_url};
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
        let mistaken: Vec<_> = mistakes.iter().map(|one| one.key.clone()).collect();
        let unknown = |key: &str| mistaken.iter().any(|wrong| wrong == key);
        mistakes.extend(conditions::unmet_outside(&config, &tree, unknown));
        config.check_listeners(&mut mistakes);
        config.check_admin(&mut mistakes);
        let built = config.build_authenticators(&mut mistakes);
        let mut pattern = ServiceSettings::default();
        if let Some(entry) = defaults {
            read_defaults(&mut pattern, &entry, &mut mistakes);
        }
        let mistaken = of_section(&mistakes, "defaults");
        let tables = service_tables(services, file, &mut mistakes);
        let mut neighbours = Neighbours::default();
        let mut prefixes = Vec::new();
        for (index, (table, origin)) in tables.iter().enumerate() {
            let mut settings = pattern.clone();
            let mut found = Vec::new();
            key::read(&mut settings, SERVICE, table, Root::Service, &mut found);
            if found.iter().all(|mistake| mistake.key != "prefix") && table.get("prefix").is_some()
            {
                prefixes.push(Arc::clone(&settings.config.prefix));
            }
            found.extend(missing(table, origin, &neighbours));
            neighbours.check(&settings, table, &mut found);
            found.extend(settings.authenticate(&config, &built, table).err());
            // What is wrong in itself is not also told to lack something, or to be of no use.
            let unknown = |key: &str| {
                let of_service = found.iter().map(|mistake| mistake.key.as_str());
                let mut wrong = of_service.chain(mistaken.iter().map(String::as_str));
                wrong.any(|wrong| wrong == key)
            };
            let unmet = conditions::unmet(&settings, table, unknown);
            let connected = if table.get("backend").is_some() && !unknown("backend") {
                connect(settings, table).map(Some)
            } else {
                Ok(None)
            };
            found.extend(unmet);
            match connected {
                Ok(service) => config.services.extend(service),
                Err(mistake) => found.push(mistake),
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
        config.check_health_paths(&prefixes, &mut mistakes);
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

/// The keys of a table that have a mistake.
pub(super) fn of_section(mistakes: &[Mistake], section: &str) -> Vec<String> {
    let keys = mistakes.iter().map(|mistake| mistake.key.as_str());
    let keys = keys.filter_map(|key| key.strip_prefix(section)?.strip_prefix('.'));
    keys.map(str::to_owned).collect()
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
