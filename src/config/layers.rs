//! What a configuration is made of: a file, variables of the environment over it, arguments over both.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::document;
use super::files::what_else;
use super::key::{Key, Root, Section, Shape, nearest, no_such_key};
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
    /// A TOML file, and what names it.
    pub file: Option<(PathBuf, Origin)>,
    /// A service that arguments describe, instead of those of a file.
    pub service: Option<OneService>,
    /// Variables of the environment, `None` for a value that is not text; only those that begin with [`VARIABLES`] count.
    pub variables: Vec<(String, Option<String>)>,
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
    /// Like `listen`, `server.backlog`, `defaults.resume`, `service.chat.heartbeat_delay`.
    pub path: String,
    /// As it would stand in a variable.
    pub value: String,
    /// The argument, for messages.
    pub argument: String,
}

/// How services are called by variables and arguments: as at the start, whatever name or prefix they are given later.
struct Names(Vec<String>);

impl Sources {
    /// All layers, one over the other, and what is wrong with variables and arguments.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn merged(&self) -> Result<(Table, Vec<Mistake>), LoadError> {
        let mut tree = match &self.file {
            Some((path, origin)) => from_file(path, origin)?,
            None => Table::default(),
        };
        if let Some(service) = &self.service {
            let list = Value::list([Value::new(Content::default(), argument("--to"))]);
            tree.set("service", list);
            service.write_into(&mut tree);
        }
        let mut names = Names(
            services(&mut tree)
                .into_iter()
                .map(|table| name_of(table).unwrap_or_default())
                .collect(),
        );
        let mut mistakes = Vec::new();
        for (name, value) in &self.variables {
            let Some(rest) = name.strip_prefix(VARIABLES) else {
                continue;
            };
            if name == FILE_VARIABLE || (is_of_an_orchestrator(rest) && key_like(rest).is_none()) {
                continue;
            }
            let origin = Origin::Environment(name.as_str().into());
            let placed = match value {
                Some(value) => {
                    let path = names.path_of_variable(rest);
                    place(&mut tree, &mut names, &path, value, &origin)
                }
                None => Err(vec![Mistake::new(&origin, "", "is not text in UTF-8")]),
            };
            mistakes.extend(placed.err().into_iter().flatten());
        }
        if let Some(service) = &self.service {
            service.write_into(&mut tree);
        }
        for setting in &self.settings {
            let path: Vec<_> = setting.path.split('.').map(str::to_owned).collect();
            let origin = argument(&setting.argument);
            let placed = place(&mut tree, &mut names, &path, &setting.value, &origin);
            mistakes.extend(placed.err().into_iter().flatten());
        }
        Ok((tree, mistakes))
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

fn from_file(path: &Path, origin: &Origin) -> Result<Table, Mistake> {
    /// More is no configuration.
    const LONGEST: u64 = 16 << 20;
    let name = path.display().to_string();
    let unreadable = |error: &dyn std::fmt::Display| {
        Mistake::new(origin, "", format!("cannot read {name}: {error}"))
    };
    if let Some(what) = what_else(path) {
        return Err(unreadable(&format_args!("it is {what}, not a file")));
    }
    let file = std::fs::File::open(path).map_err(|error| unreadable(&error))?;
    let mut bytes = Vec::new();
    let read = file.take(LONGEST + 1).read_to_end(&mut bytes);
    read.map_err(|error| unreadable(&error))?;
    if bytes.len() as u64 > LONGEST {
        return Err(unreadable(&"it is longer than 16 MiB"));
    }
    let text = str::from_utf8(&bytes).map_err(|error| {
        let valid = str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default();
        let what = "not TOML: here is something that is not text in UTF-8; save the file as UTF-8";
        Mistake::new(&document::end_of_text(path, valid), "", what)
    })?;
    document::parse(path, text)
}

/// Kubernetes and Docker set variables for every service whose name begins with `sockjs-gateway`: `…SERVICE_HOST`,
/// `…PORT_8081_TCP`, `…NAME`, `…ENV_PATH`.
fn is_of_an_orchestrator(rest: &str) -> bool {
    let is_port = rest == "PORT"
        || rest.starts_with("PORT_")
        || rest.ends_with("_PORT")
        || rest.contains("_PORT_");
    let is_theirs =
        is_port || rest == "NAME" || rest.starts_with("ENV_") || rest.ends_with("SERVICE_HOST");
    is_theirs && !rest.contains("__")
}

/// The path of the key of a table outside of services that a variable names with one underscore where there have to be two:
/// `SERVER__REUSE_PORT` of `SERVER_REUSE_PORT`.
fn key_like(rest: &str) -> Option<String> {
    let rest = rest.to_ascii_lowercase();
    let tables = TOP.iter().filter(|section| !section.name.is_empty());
    let shared = SERVICE.iter().map(|section| (section.name, section.keys));
    let of_defaults = shared.flat_map(|(section, keys)| {
        keys.iter()
            .map(move |key| ["defaults", section, key.field.name])
    });
    let outside = tables.flat_map(|section| {
        section
            .keys
            .iter()
            .map(|key| ["", section.name, key.field.name])
    });
    let mut paths = outside.chain(of_defaults).map(|path| {
        let parts = path.into_iter().filter(|part| !part.is_empty());
        parts.collect::<Vec<_>>()
    });
    let path = paths.find(|path| path.join("_") == rest)?;
    Some(path.join("__").to_ascii_uppercase())
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
    let parts = prefix.split(|c: char| !c.is_ascii_alphanumeric());
    let parts: Vec<_> = parts.filter(|part| !part.is_empty()).collect();
    match parts.join("-") {
        name if name.is_empty() => "root".to_owned(),
        name => name,
    }
}

/// A name as it stands in a variable.
pub(super) fn in_variable(name: &str) -> String {
    name.to_ascii_uppercase().replace('-', "_")
}

impl Names {
    /// The path of `SERVICE__APP_LIVE__UPSTREAM__BINARY`.
    fn path_of_variable(&self, rest: &str) -> Vec<String> {
        let mut path = Vec::new();
        let mut rest = rest;
        if let Some((name, below)) = rest
            .strip_prefix("SERVICE__")
            .and_then(|below| below.split_once("__"))
        {
            let known = self.0.iter().find(|known| in_variable(known) == name);
            let added = || name.to_ascii_lowercase().replace('_', "-");
            path.extend(["service".to_owned(), known.cloned().unwrap_or_else(added)]);
            rest = below;
        }
        path.extend(rest.split("__").map(str::to_ascii_lowercase));
        path
    }

    fn position(&self, name: &str) -> Option<usize> {
        let name = in_variable(name);
        self.0.iter().position(|known| in_variable(known) == name)
    }
}

/// Puts a value at its place in the tree.
fn place(
    tree: &mut Table,
    names: &mut Names,
    path: &[String],
    text: &str,
    origin: &Origin,
) -> Result<(), Vec<Mistake>> {
    let path: Vec<_> = path.iter().map(String::as_str).collect();
    match path.as_slice() {
        ["service", name, below @ ..] => {
            let setting = read_setting(SERVICE, below, Root::Service, text, origin)?;
            let label = format!("service {name}");
            let table = service(tree, names, name, origin);
            setting.put(table, &label, ServiceSettings::default())
        }
        ["defaults", below @ ..] => {
            let setting = read_setting(SERVICE, below, Root::Defaults, text, origin)?;
            let table = tree.table("defaults", origin);
            setting.put(table, "defaults", ServiceSettings::default())
        }
        below => {
            let setting = read_setting(TOP, below, Root::Top, text, origin)?;
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
        // Something else stands there in the file, which is told of when that is read.
        let Some(table) = table else {
            return Ok(());
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

/// The table of a service, which is added when there is none of that name. `None` when something else stands in its place.
fn service<'a>(
    tree: &'a mut Table,
    names: &mut Names,
    name: &str,
    origin: &Origin,
) -> Option<&'a mut Table> {
    let index = match names.position(name) {
        Some(index) => index,
        None => {
            if tree.get("service").is_none() {
                let list = Value::new(Content::List(Vec::new()), origin.clone());
                tree.set("service", list);
            }
            let entry = tree
                .entries
                .iter_mut()
                .find(|entry| entry.key == "service")?;
            let Content::List(values) = &mut entry.value.content else {
                return None;
            };
            let mut table = Table::default();
            let text = Content::Text(name.to_owned());
            table.set("name", Value::new(text, origin.clone()));
            values.push(Value::new(Content::Table(table), origin.clone()));
            names.0.push(name.to_owned());
            names.0.len() - 1
        }
    };
    services(tree).into_iter().nth(index)
}

/// The key at the end of a path, and its value.
fn read_setting<'a, C>(
    sections: &'a [Section<C>],
    path: &[&str],
    root: Root,
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
    if !name.is_empty() && sections.iter().any(|known| path == [known.name]) {
        let what = format!(
            "{name} is a table; behind its name stands a key, as in server.backlog and SERVER__BACKLOG"
        );
        return Err(mistake(what));
    }
    let is_own = |key: &&Key<C>| root == Root::Defaults && OWN.contains(&key.field.name);
    let keys: Vec<_> = found.keys.iter().filter(|key| !is_own(key)).collect();
    let Some(key) = keys.iter().find(|key| key.field.name == name) else {
        let names: Vec<_> = keys.iter().map(|key| key.field.name).collect();
        let parts = ["server_", "defaults_", "service_"];
        let meant = key_like(name);
        if meant.is_some() || parts.iter().any(|part| name.starts_with(part)) {
            let meant = meant.as_deref().unwrap_or("SERVER__BACKLOG");
            let what = format!(
                "there is no key {name:?}; between the parts of a path stand two underscores, as in {meant}"
            );
            return Err(mistake(what));
        }
        return Err(mistake(no_such_key(name, &names, root)));
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
    let plain = |text: &str| Value::new(Content::Text(text.to_owned()), origin.clone());
    let as_written = || {
        document::parse_value(text, origin).map_err(|error| {
            let value = plain(text);
            format!("{value} is not a list as it would stand in a file: {error}")
        })
    };
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
