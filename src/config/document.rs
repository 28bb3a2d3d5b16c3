//! A TOML text as values with their places.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::mistake::Mistake;
use super::value::{Content, Entry, Origin, Table, Value};

/// Finds lines and columns.
struct Document<'a> {
    name: Arc<Path>,
    text: &'a str,
    /// Where lines begin.
    lines: Vec<usize>,
}

impl<'a> Document<'a> {
    fn new(name: &Path, text: &'a str) -> Self {
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            name: name.into(),
            text,
            lines: std::iter::once(0).chain(ends).collect(),
        }
    }
}

/// Reads a whole file.
///
/// # Errors
/// What is not TOML.
pub(super) fn parse(name: &Path, text: &str) -> Result<Table, Mistake> {
    // A byte order mark is not a column.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let document = Document::new(name, text);
    match DeTable::parse(text) {
        Ok(table) => Ok(document.table(table.get_ref())),
        Err(error) => {
            let span = error.span().unwrap_or(0..0);
            let mut what = format!("not TOML: {}", error.message());
            if let Some(key) = text
                .get(span.clone())
                .filter(|_| what.ends_with("duplicate key"))
            {
                what.push_str(&format!(
                    " {key}: it stands there already; leave one of them out"
                ));
            }
            Err(Mistake::new(&document.place(span), "", what))
        }
    }
}

/// Where a file ceases to be text in UTF-8, which it is until there.
pub(super) fn end_of_text(name: &Path, valid: &str) -> Origin {
    Document::new(name, valid).place(valid.len()..valid.len())
}

/// Reads one value, as it would stand behind `=`. Its places, and those of its parts, are `origin`.
///
/// # Errors
/// Why it is not TOML.
pub(super) fn parse_value(text: &str, origin: &Origin) -> Result<Value, String> {
    let document = Document::new(Path::new(""), text);
    let value = DeValue::parse(text).map_err(|error| error.message().to_owned())?;
    let mut value = document.value(&value);
    place_all(&mut value, origin);
    Ok(value)
}

fn place_all(value: &mut Value, origin: &Origin) {
    value.origin = origin.clone();
    match &mut value.content {
        Content::List(values) => values.iter_mut().for_each(|value| place_all(value, origin)),
        Content::Table(table) => table.entries.iter_mut().for_each(|entry| {
            entry.at = origin.clone();
            place_all(&mut entry.value, origin);
        }),
        _ => {}
    }
}

impl Document<'_> {
    fn place(&self, span: Range<usize>) -> Origin {
        let line = self
            .lines
            .partition_point(|begin| *begin <= span.start)
            .max(1);
        let before = self.text.get(self.lines[line - 1]..span.start);
        Origin::File {
            name: Arc::clone(&self.name),
            line,
            column: before.map_or(0, |before| before.chars().count()) + 1,
        }
    }

    fn table(&self, table: &DeTable<'_>) -> Table {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let entries = entries.into_iter().map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            at: self.place(key.span()),
            value: self.value(value),
        });
        Table {
            entries: entries.collect(),
        }
    }

    fn value(&self, value: &Spanned<DeValue<'_>>) -> Value {
        let content = match value.get_ref() {
            DeValue::String(text) => Content::Text(text.to_string()),
            DeValue::Integer(integer) => {
                match i64::from_str_radix(integer.as_str(), integer.radix()) {
                    Ok(integer) => Content::Integer(integer),
                    Err(_) => Content::Other(self.text[value.span()].to_owned()),
                }
            }
            DeValue::Boolean(boolean) => Content::Boolean(*boolean),
            DeValue::Float(_) | DeValue::Datetime(_) => {
                Content::Other(self.text[value.span()].to_owned())
            }
            DeValue::Array(values) => {
                Content::List(values.iter().map(|value| self.value(value)).collect())
            }
            DeValue::Table(table) => Content::Table(self.table(table)),
        };
        Value::new(content, self.place(value.span()))
    }
}
