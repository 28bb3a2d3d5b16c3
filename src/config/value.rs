//! Values as the layers of a configuration have them, each with the place that it comes from.

use std::fmt;
use std::path::{self, Path, PathBuf};
use std::sync::Arc;

use super::mistake::shown;

/// Where a value comes from. Later ones override earlier ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything else.
    #[default]
    Default,
    /// A line of a file.
    File {
        /// The file, as it was named.
        name: Arc<Path>,
        /// From 1.
        line: usize,
        /// In characters, from 1.
        column: usize,
    },
    /// A variable of the environment.
    Environment(Arc<str>),
    /// An argument of the command line, like `--listen`.
    Argument(Arc<str>),
}

impl Origin {
    /// The file that a value from here names: a relative path counts from the folder of the configuration's file, where it stands in one,
    /// else from the working directory.
    pub(super) fn path(&self, named: &str) -> PathBuf {
        let folder = match self {
            Self::File { name, .. } => name.parent(),
            _ => None,
        };
        let found = folder.map_or_else(|| PathBuf::from(named), |folder| folder.join(named));
        // Whole, so that it means the same wherever it is printed and read again.
        path::absolute(&found).unwrap_or(found)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { name, line, column } => {
                let name = name.to_string_lossy();
                write!(f, "{}:{line}:{column}", shown(&name))
            }
            Self::Environment(name) => write!(f, "environment variable {}", shown(name)),
            Self::Argument(name) => f.write_str(&shown(name)),
        }
    }
}

/// A value and its place.
#[derive(Clone, Debug, Default)]
pub(super) struct Value {
    pub(super) content: Content,
    pub(super) origin: Origin,
}

/// What a value is, in TOML's kinds.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Boolean(bool),
    Integer(i64),
    List(Vec<Value>),
    Table(Table),
    Text(String),
    /// A kind that no key takes (float, date, an integer beyond 64 bits), as it was written.
    Other(String),
}

impl Default for Content {
    fn default() -> Self {
        Self::Table(Table::default())
    }
}

/// Keys and their values.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub(super) entries: Vec<Entry>,
}

/// A key, where it stands, and its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) at: Origin,
    pub(super) value: Value,
}

impl Table {
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        let entry = self.entries.iter().find(|entry| entry.key == key);
        entry.map(|entry| &entry.value)
    }

    /// Takes a key out.
    pub(super) fn take(&mut self, key: &str) -> Option<Entry> {
        let index = self.entries.iter().position(|entry| entry.key == key)?;
        Some(self.entries.remove(index))
    }

    /// Sets a key, in place of what it was.
    pub(super) fn set(&mut self, key: &str, value: Value) {
        self.take(key);
        self.entries.push(Entry {
            key: key.to_owned(),
            at: value.origin.clone(),
            value,
        });
    }

    /// The table under a key, which is made when there is none. `None` when something else is there.
    pub(super) fn table(&mut self, key: &str, origin: &Origin) -> Option<&mut Self> {
        if self.get(key).is_none() {
            self.set(key, Value::new(Content::default(), origin.clone()));
        }
        let entry = self.entries.iter_mut().find(|entry| entry.key == key)?;
        match &mut entry.value.content {
            Content::Table(table) => Some(table),
            _ => None,
        }
    }
}

impl Value {
    pub(super) fn new(content: Content, origin: Origin) -> Self {
        Self { content, origin }
    }

    /// Whether it is a list of nothing.
    pub(super) fn is_empty(&self) -> bool {
        matches!(&self.content, Content::List(values) if values.is_empty())
    }

    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::new(Content::Text(text.into()), Origin::Default)
    }

    pub(super) fn list<V: Into<Self>>(values: impl IntoIterator<Item = V>) -> Self {
        let values = values.into_iter().map(Into::into).collect();
        Self::new(Content::List(values), Origin::Default)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::new(Content::Boolean(value), Origin::Default)
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        Self::new(Content::Integer(value), Origin::Default)
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::text(value)
    }
}

/// As it would stand in a file, on one line.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.content {
            Content::Boolean(value) => value.fmt(f),
            Content::Integer(value) => value.fmt(f),
            Content::Other(text) => f.write_str(text),
            // The serializer of TOML's own library chooses quotes and escapes.
            Content::Text(text) => write!(f, "{}", toml::Value::String(text.clone())),
            Content::List(values) => {
                f.write_str("[")?;
                for (index, value) in values.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{value}")?;
                }
                f.write_str("]")
            }
            Content::Table(table) => {
                f.write_str("{")?;
                for (index, Entry { key, value, .. }) in table.entries.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    write!(f, "{comma} {key} = {value}")?;
                }
                f.write_str(if table.entries.is_empty() { "}" } else { " }" })
            }
        }
    }
}

impl From<&Value> for serde_json::Value {
    fn from(value: &Value) -> Self {
        match &value.content {
            Content::Boolean(value) => Self::from(*value),
            Content::Integer(value) => Self::from(*value),
            Content::List(values) => values.iter().map(Self::from).collect(),
            Content::Other(text) | Content::Text(text) => Self::from(text.as_str()),
            Content::Table(table) => {
                let entries = table.entries.iter();
                entries
                    .map(|entry| (entry.key.clone(), Self::from(&entry.value)))
                    .collect()
            }
        }
    }
}
