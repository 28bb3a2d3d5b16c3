//! A file with all keys, to start from: whatever is needed of it is set by taking away a `#`.

use std::fmt::Write as _;

use super::key::{Described, Field, Section, Shape, example, joined, plain};
use super::keys::{OWN, SERVICE, TOP};
use super::reference::default_of;
use super::value::{Content, Value};
use super::{Config, ServiceSettings, auth, conditions, tables};

const HEAD: &str = "\
# Every key of sockjs-gateway, with its default or an example. Take away the # in front of a key to set it; in front of a key
# of a table in two brackets, also that in front of the table's name. A service needs prefix and backend, and nothing else is
# needed.

";

const DEFAULTS: &str = "\
[defaults]
# Keys of [[service]] but name, prefix and backend, for all services that do not say otherwise; [defaults.network] and
# [defaults.upstream] for those of [service.network] and [service.upstream].

";

/// The comment that stands in front of an example; other values are defaults.
pub(super) const EXAMPLE: &str = "# For example:";

/// A file with every key, each with its documentation and its default or an example; it can be run as it is.
pub fn default_file() -> String {
    let mut file = HEAD.to_owned();
    let (config, settings) = (Config::empty(), ServiceSettings::default());
    for section in TOP {
        write_section(&mut file, "", section, &config);
    }
    file.push_str(DEFAULTS);
    for section in SERVICE {
        write_section(&mut file, "service", section, &settings);
    }
    file.truncate(file.trim_end().len());
    file.push('\n');
    file
}

fn write_section<C>(file: &mut String, within: &str, section: &Section<C>, config: &C) {
    let _ = match (within, section.name) {
        ("", "") => Ok(()),
        (within, "") => writeln!(file, "[[{within}]]"),
        ("", name) => writeln!(file, "[{name}]"),
        (within, name) => writeln!(file, "[{within}.{name}]"),
    };
    if !section.about.is_empty() {
        write_comment(file, &joined(section.about));
        file.push('\n');
    }
    let keys = section.keys.iter().map(|key| Described {
        field: key.field,
        default: default_of(key, config),
    });
    let path = [within, section.name].into_iter();
    let path: Vec<_> = path.filter(|part| !part.is_empty()).collect();
    write_keys(file, &path.join("."), keys.collect());
}

/// Keys, and behind them the tables among them: in TOML, what stands behind a table's name is the table's.
fn write_keys(file: &mut String, path: &str, keys: Vec<Described>) {
    let is_tables = |one: &Described| matches!(one.field.shape, Shape::Tables(_));
    let (tables, keys): (Vec<_>, Vec<_>) = keys.into_iter().partition(is_tables);
    for Described { field, default } in keys {
        write_comment(file, &field.meaning());
        if let Some(needed) = needed(path, field.name) {
            write_comment(file, &format!("Only with {needed}."));
        }
        let needs_one = path == "service" && OWN[1..].contains(&field.name);
        let _ = match default.filter(|value| !value.is_empty() || !is_of_list(path)) {
            Some(value) => writeln!(file, "#{} = {value}\n", field.name),
            None if needs_one => {
                let value = Value::text(example(SERVICE, field.name));
                writeln!(file, "{} = {value}\n", field.name)
            }
            None => {
                if let Some(default) = field.otherwise {
                    write_comment(file, &format!("Default: {default}."));
                }
                let _ = writeln!(file, "{EXAMPLE}");
                writeln!(file, "#{} = {}\n", field.name, example_of(&field))
            }
        };
    }
    for Described { field, .. } in tables {
        let Shape::Tables(described) = field.shape else {
            continue;
        };
        let dot = if path.is_empty() { "" } else { "." };
        let path = format!("{path}{dot}{}", field.name);
        write_comment(file, &field.meaning());
        let _ = writeln!(file, "#[[{path}]]\n");
        write_keys(file, &path, described());
    }
}

/// Whether keys there are those of an entry of a list, other than a service.
fn is_of_list(path: &str) -> bool {
    ["auth", "listener"]
        .iter()
        .any(|list| path.starts_with(list))
        || path.ends_with("pin")
}

/// Without what else a key has no effect.
fn needed(path: &str, key: &str) -> Option<String> {
    match path {
        "auth" => auth::needed(key),
        "listener" => tables::needed(key).map(str::to_owned),
        path => conditions::needed(path, key).map(str::to_owned),
    }
}

/// Lines of a comment, at most 100 characters each.
fn write_comment(file: &mut String, text: &str) {
    const WIDTH: usize = 100;
    for paragraph in plain(text).split("\n\n") {
        let mut line = String::from("#");
        for word in paragraph.split(' ') {
            if line.len() + 1 + word.len() > WIDTH {
                let _ = writeln!(file, "{line}");
                line = String::from("#");
            }
            let _ = write!(line, " {word}");
        }
        let _ = writeln!(file, "{line}");
    }
}

fn example_of(field: &Field) -> Value {
    let integer = |number| Value::new(Content::Integer(number), Default::default());
    let own = field.example;
    match field.shape {
        Shape::Boolean => own.is_some_and(|text| text == "true").into(),
        Shape::Choice(names) => {
            Value::text(own.or_else(|| names().first().copied()).unwrap_or_default())
        }
        Shape::Count { least, .. } => {
            integer(own.and_then(|text| text.parse().ok()).unwrap_or(least))
        }
        Shape::Duration { .. } => Value::text(own.unwrap_or("10s")),
        Shape::Size => Value::text(own.unwrap_or("64KiB")),
        Shape::Text(_) => Value::text(field.text_example()),
        Shape::Tables(_) => Value::list(Vec::<Value>::new()),
        Shape::Texts { .. } => {
            let texts = field.text_example().split(", ");
            Value::list(texts.map(str::to_owned))
        }
    }
}
