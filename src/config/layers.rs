//! What a configuration is made of: a file, variables of the environment over it, arguments over both.

use std::path::{Path, PathBuf};

use super::document;
use super::key::{Key, Section, Shape, nearest, no_such_key};
use super::keys::{OWN, SERVICE, TOP};
use super::mistake::{LoadError, Mistake};
use super::value::{Content, Origin, Table, Value};
use super::{Config, ServiceSettings};

/// How variables that are keys begin.
pub const VARIABLES: &str = "SOCKJS_GATEWAY_";

/// The variable that names the file.
pub const FILE_VARIABLE: &str = "SOCKJS_GATEWAY_CONFIG";

/// Path of the one service, when arguments do not say another.
pub const DEFAULT_PREFIX: &str = "/sockjs";

/// What a configuration is made of.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// A TOML file.
    pub file: Option<PathBuf>,
    /// A service that arguments describe, instead of those of a file.
    pub service: Option<OneService>,
    /// Variables of the environment; only those that begin with [`VARIABLES`] count.
    pub variables: Vec<(String, String)>,
    /// Single keys from arguments.
    pub settings: Vec<Setting>,
}

/// A service as arguments describe it.
#[derive(Clone, Debug, Default)]
pub struct OneService {
    /// `--to`
    pub backend: String,
    /// `--prefix`
    pub prefix: Option<String>,
    /// `--origin`, each of them
    pub origins: Vec<String>,
}

/// A key from an argument.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Like `listen`, `server.backlog`, `defaults.resume`, `service.live.heartbeat_delay`.
    pub path: String,
    /// As it would stand in a variable.
    pub value: String,
    /// The argument, for messages.
    pub argument: String,
}

impl Sources {
    /// All layers, one over the other.
    ///
    /// # Errors
    /// Files that cannot be read, and keys that do not exist.
    pub(super) fn merged(&self) -> Result<Table, LoadError> {
        let mut tree = match &self.file {
            Some(path) => from_file(path)?,
            None => Table::default(),
        };
        if let Some(service) = &self.service {
            tree.set(
                "service",
                Value::list([Value::new(Content::default(), argument("--to"))]),
            );
            service.write_into(&mut tree);
        }
        let mut mistakes = Vec::new();
        for (name, value) in &self.variables {
            let Some(rest) = name.strip_prefix(VARIABLES) else {
                continue;
            };
            if name != FILE_VARIABLE && !is_of_an_orchestrator(rest) {
                let origin = Origin::Environment(name.as_str().into());
                let path = path_of_variable(rest, &tree);
                mistakes.extend(
                    place(&mut tree, &path, value, &origin)
                        .err()
                        .into_iter()
                        .flatten(),
                );
            }
        }
        if let Some(service) = &self.service {
            service.write_into(&mut tree);
        }
        for setting in &self.settings {
            let path: Vec<_> = setting.path.split('.').map(str::to_owned).collect();
            let origin = argument(&setting.argument);
            mistakes.extend(
                place(&mut tree, &path, &setting.value, &origin)
                    .err()
                    .into_iter()
                    .flatten(),
            );
        }
        if mistakes.is_empty() {
            Ok(tree)
        } else {
            Err(LoadError(mistakes))
        }
    }
}

impl OneService {
    fn write_into(&self, tree: &mut Table) {
        let Some(table) = services(tree).into_iter().next() else {
            return;
        };
        let text = |text: &str, name| Value::new(Content::Text(text.to_owned()), argument(name));
        table.set("backend", text(&self.backend, "--to"));
        match &self.prefix {
            Some(prefix) => table.set("prefix", text(prefix, "--prefix")),
            None if table.get("prefix").is_none() => {
                table.set("prefix", Value::text(DEFAULT_PREFIX))
            }
            None => {}
        }
        if !self.origins.is_empty() {
            let origins = self.origins.iter().map(|origin| text(origin, "--origin"));
            let origins = Content::List(origins.collect());
            table.set("origins", Value::new(origins, argument("--origin")));
        }
    }
}

fn argument(name: &str) -> Origin {
    Origin::Argument(name.into())
}

fn from_file(path: &Path) -> Result<Table, Mistake> {
    let name = path.display().to_string();
    let unreadable = |error: std::io::Error| {
        Mistake::new(&Origin::Default, "", format!("cannot read {name}: {error}"))
    };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    document::parse(&name, &text)
}

/// Kubernetes and Docker set variables for every service that is called `sockjs-gateway`: `…SERVICE_HOST`, `…PORT_8081_TCP`.
fn is_of_an_orchestrator(rest: &str) -> bool {
    ["SERVICE_HOST", "SERVICE_PORT", "PORT"]
        .iter()
        .any(|start| {
            rest == *start
                || rest
                    .strip_prefix(start)
                    .is_some_and(|rest| rest.starts_with('_') && !rest.starts_with("__"))
        })
}

/// The tables of all services.
pub(super) fn services(tree: &mut Table) -> Vec<&mut Table> {
    let entry = tree.entries.iter_mut().find(|entry| entry.key == "service");
    let list = match entry.map(|entry| &mut entry.value.content) {
        Some(Content::List(values)) => values.as_mut_slice(),
        _ => &mut [],
    };
    let tables = list
        .iter_mut()
        .filter_map(|value| match &mut value.content {
            Content::Table(table) => Some(table),
            _ => None,
        });
    tables.collect()
}

/// What a service is called: its `name`, or its prefix with `-` for what cannot stand in a name.
pub(super) fn name_of(service: &Table) -> Option<String> {
    let text = |key: &str| match &service.get(key)?.content {
        Content::Text(text) => Some(text.as_str()),
        _ => None,
    };
    text("name")
        .map(str::to_owned)
        .or_else(|| text("prefix").map(name_from_prefix))
}

/// `/app/live` is `app-live`.
pub(super) fn name_from_prefix(prefix: &str) -> String {
    let name = prefix
        .trim_matches('/')
        .replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    match name.trim_matches('-') {
        "" => "root".to_owned(),
        name => name.to_owned(),
    }
}

/// A name as it stands in a variable.
fn in_variable(name: &str) -> String {
    name.to_ascii_uppercase().replace('-', "_")
}

/// The path of `SERVICE__APP_LIVE__UPSTREAM__BINARY`; services that are known may have two lines in their names.
fn path_of_variable(rest: &str, tree: &Table) -> Vec<String> {
    let mut path = Vec::new();
    let mut rest = rest;
    if let Some(of_service) = rest.strip_prefix("SERVICE__") {
        let known = match tree.get("service").map(|value| &value.content) {
            Some(Content::List(values)) => values.as_slice(),
            _ => &[],
        };
        let names = known.iter().filter_map(|value| match &value.content {
            Content::Table(table) => name_of(table),
            _ => None,
        });
        let matching = names.filter_map(|name| {
            let below = of_service
                .strip_prefix(&in_variable(&name))?
                .strip_prefix("__")?;
            Some((name, below))
        });
        let best = matching.min_by_key(|(_, below)| below.len());
        let (name, below) = best.unwrap_or_else(|| {
            let (name, below) = of_service.split_once("__").unwrap_or((of_service, ""));
            (name.to_ascii_lowercase().replace('_', "-"), below)
        });
        path.extend(["service".to_owned(), name]);
        rest = below;
    }
    path.extend(rest.split("__").map(str::to_ascii_lowercase));
    path
}

/// Puts a value at its place in the tree.
fn place(
    tree: &mut Table,
    path: &[String],
    text: &str,
    origin: &Origin,
) -> Result<(), Vec<Mistake>> {
    let path: Vec<_> = path.iter().map(String::as_str).collect();
    match path.as_slice() {
        ["service", name, below @ ..] => {
            let setting = read_setting(SERVICE, below, &[], text, origin)?;
            let table = service(tree, name, origin);
            setting.put(
                Some(table),
                &format!("service {name}"),
                ServiceSettings::default(),
            )
        }
        ["defaults", below @ ..] => {
            let setting = read_setting(SERVICE, below, OWN, text, origin)?;
            let table = tree.table("defaults", origin);
            setting.put(table, "defaults", ServiceSettings::default())
        }
        below => {
            let setting = read_setting(TOP, below, &[], text, origin)?;
            setting.put(Some(tree), "", Config::empty())
        }
    }
}

/// A key that was found, and the value it gets.
struct Found<'a, C: 'static> {
    section: &'static str,
    key: &'a Key<C>,
    value: Value,
}

impl<C> Found<'_, C> {
    /// Sets it in `table`. What is overridden must have been right too, or a mistake would wait for the day when nothing
    /// overrides it; it is read into `scratch`.
    fn put(
        self,
        table: Option<&mut Table>,
        label: &str,
        mut scratch: C,
    ) -> Result<(), Vec<Mistake>> {
        let Self {
            section,
            key,
            value,
        } = self;
        let origin = value.origin.clone();
        let table = match (table, section) {
            (Some(table), "") => Some(table),
            (Some(table), section) => table.table(section, &origin),
            (None, _) => None,
        };
        let Some(table) = table else {
            let what = format!("{label}{section} is not a table in the file");
            return Err(vec![Mistake::new(&origin, "", what)]);
        };
        let name = key.field.name;
        let before = table.get(name).map(|value| (key.set)(&mut scratch, value));
        table.set(name, value);
        before.unwrap_or(Ok(())).map_err(|mistakes| {
            let within = |mistake: Mistake| mistake.within(name).within(section).within(label);
            mistakes.into_iter().map(within).collect()
        })
    }
}

/// The table of a service, which is added when there is none of that name.
fn service<'a>(tree: &'a mut Table, name: &str, origin: &Origin) -> &'a mut Table {
    let index = services(tree)
        .iter()
        .position(|table| name_of(table).is_some_and(|known| known == name));
    if index.is_none() {
        let mut table = Table::default();
        table.set(
            "name",
            Value::new(Content::Text(name.to_owned()), origin.clone()),
        );
        let value = Value::new(Content::Table(table), origin.clone());
        let mut entry = tree.take("service");
        match entry.as_mut().map(|entry| &mut entry.value.content) {
            Some(Content::List(values)) => values.push(value),
            _ => {
                let list = Value::new(Content::List(vec![value]), origin.clone());
                tree.set("service", list);
            }
        }
        tree.entries.extend(entry);
    }
    let mut tables = services(tree);
    let last = tables.len() - 1;
    tables.swap_remove(index.unwrap_or(last))
}

/// The key at the end of a path, and its value.
fn read_setting<'a, C>(
    sections: &'a [Section<C>],
    path: &[&str],
    without: &[&str],
    text: &str,
    origin: &Origin,
) -> Result<Found<'a, C>, Vec<Mistake>> {
    let mistake = |what: String| vec![Mistake::new(origin, "", what)];
    let (section, name) = match path {
        [name] => ("", *name),
        [section, name] => (*section, *name),
        _ => {
            return Err(mistake(
                "is no path of a key; write one like server.backlog, or service.NAME.heartbeat_delay".to_owned(),
            ));
        }
    };
    let Some(found) = sections.iter().find(|known| known.name == section) else {
        let names = sections.iter().map(|known| known.name);
        let names: Vec<_> = names.filter(|name| !name.is_empty()).collect();
        return Err(mistake(format!(
            "there is no table {section:?}{}",
            nearest(section, &names)
        )));
    };
    let keys = found.keys.iter();
    let keys: Vec<_> = keys
        .filter(|key| !without.contains(&key.field.name))
        .collect();
    let Some(key) = keys.iter().find(|key| key.field.name == name) else {
        let names: Vec<_> = keys.iter().map(|key| key.field.name).collect();
        return Err(mistake(no_such_key(name, &names)));
    };
    let value = read(key.field.shape, text, origin).map_err(mistake)?;
    Ok(Found {
        section: found.name,
        key,
        value,
    })
}

/// A value from a text without quotes: lists have commas, or are written as in a file; so are lists of tables.
fn read(shape: Shape, text: &str, origin: &Origin) -> Result<Value, String> {
    let as_written = || {
        document::parse_value(text, origin)
            .map_err(|error| format!("{text:?} is not a list as it would stand in a file: {error}"))
    };
    let plain = |text: &str| Value::new(Content::Text(text.to_owned()), origin.clone());
    let integer = || text.parse().ok().map(Content::Integer);
    let content = match shape {
        Shape::Boolean => text.parse().ok().map(Content::Boolean),
        Shape::Count { .. } | Shape::Size => integer(),
        Shape::Tables(_) => return as_written(),
        Shape::Texts { .. } if text.starts_with('[') => return as_written(),
        Shape::Texts { or_one: true, .. } if !text.contains(',') => None,
        Shape::Texts { .. } => {
            let items = text
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty());
            Some(Content::List(items.map(plain).collect()))
        }
        Shape::Choice(_) | Shape::Duration { .. } | Shape::Text(_) => None,
    };
    Ok(content.map_or_else(
        || plain(text),
        |content| Value::new(content, origin.clone()),
    ))
}
