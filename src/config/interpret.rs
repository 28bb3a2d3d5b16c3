//! What the merged layers mean: everything is read, and all that is wrong is told.

use std::path::Path;

use crate::backend::from_url;
use crate::server::ListenAddress;
use crate::service::ConfigError;

use super::key;
use super::keys::{OWN, SERVICE, TOP};
use super::mistake::{LoadError, Mistake};
use super::value::{Content, Entry, Origin, Table, Value};
use super::{Config, ConfiguredService, ServiceSettings};

impl Config {
    pub(super) fn interpret(mut tree: Table, file: Option<&Path>) -> Result<Self, LoadError> {
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
        if mistakes.is_empty() {
            config.check_listeners(&mut mistakes);
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

    /// Addresses that are there twice, and files of TLS that cannot be used.
    fn check_listeners(&self, mistakes: &mut Vec<Mistake>) {
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
            if let Some(Err(error)) = listener.tls.map(|tls| tls.remarks()) {
                let key = format!("listener {address}: tls");
                mistakes.push(Mistake::new(&origin, key, error.to_string()));
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
