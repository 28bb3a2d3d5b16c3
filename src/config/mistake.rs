//! What is wrong with a configuration: where, what, and what to write instead.

use std::fmt;

use super::value::{Content, Origin, Value};
use crate::backend::without_secrets;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where it stands.
    pub origin: Origin,
    /// The key, with the tables that it is in: `service "/chat": upstream.dial_timeout`. Empty when it is not about one.
    pub key: String,
    /// What is wrong, and what to write instead.
    pub what: String,
}

/// The configuration cannot be used: every mistake that was found, in the order of their places. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError(pub Vec<Mistake>);

impl Mistake {
    /// One, at its place.
    pub fn new(origin: &Origin, key: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            origin: origin.clone(),
            key: shown(&key.into()),
            what: shown(&what.into()),
        }
    }

    /// A value that its key does not take.
    pub(super) fn of_value(value: &Value, expected: impl fmt::Display) -> Self {
        let mut expected = expected.to_string();
        // Outside of files nothing is quoted.
        if matches!(value.origin, Origin::Environment(_) | Origin::Argument(_)) {
            for quoted in [", in quotes", " in quotes", ", without quotes"] {
                expected = expected.replace(quoted, "");
            }
        }
        let what = format!("{} is not {expected}", shortened(value));
        Self::new(&value.origin, "", what)
    }

    /// The same, within one of several tables of a name, which is called so: behind the name of them all stands a blank.
    pub(super) fn of_one(mut self, label: &str) -> Self {
        let colon = if self.key.is_empty() { "" } else { ": " };
        self.key = format!(" {}{colon}{}", shown(label), self.key);
        self
    }

    /// The same, within a table.
    pub(super) fn within(mut self, table: &str) -> Self {
        if !table.is_empty() {
            let is_joined = self.key.is_empty() || self.key.starts_with(' ');
            let dot = if is_joined { "" } else { "." };
            self.key = format!("{table}{dot}{}", self.key);
        }
        self
    }
}

/// A text for people's eyes: URLs without what may be secret in them, nothing that a terminal would obey, no word so long that
/// nobody can read it. A URL goes up to a space or a quote: a comma may be a part of a secret.
pub(crate) fn shown(text: &str) -> String {
    const LONGEST: usize = 200;
    const ENDS: [char; 4] = [' ', '"', '\'', '\n'];
    let mut shown = String::new();
    for part in text.split_inclusive(ENDS) {
        let (word, end) = part.split_at(part.trim_end_matches(ENDS).len());
        // A Unix socket without a file has an at sign in front of its name.
        let is_login = word.contains('@') && word.contains(':') && !word.starts_with("unix:@");
        let is_url = word.contains("://") || is_login;
        let word = if is_url {
            without_secrets(word)
        } else {
            word.to_owned()
        };
        let cut = word.char_indices().nth(LONGEST).map(|(at, _)| at);
        let more = if cut.is_some() { "…" } else { "" };
        let kept = &word[..cut.unwrap_or(word.len())];
        for char in kept.chars().chain(more.chars()).chain(end.chars()) {
            // Marks of direction turn what is read around.
            let turns = matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            if char.is_control() || turns {
                shown.extend(char.escape_debug());
            } else {
                shown.push(char);
            }
        }
    }
    shown
}

/// The same of a text of several lines.
pub(crate) fn shown_lines(text: &str) -> String {
    text.split('\n').map(shown).collect::<Vec<_>>().join("\n")
}

/// A value in a message: what is too long to be read is cut.
fn shortened(value: &Value) -> String {
    const LONGEST: usize = 80;
    let text = without_secrets_in(value).to_string();
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// A value with nothing in its texts that may be secret. Each is hidden before it is quoted: a secret may have quotes in it.
fn without_secrets_in(value: &Value) -> Value {
    let content = match &value.content {
        Content::Text(text) if text.contains("://") => Content::Text(without_secrets(text)),
        Content::List(values) => Content::List(values.iter().map(without_secrets_in).collect()),
        Content::Table(table) => {
            let mut table = table.clone();
            for entry in &mut table.entries {
                entry.value = without_secrets_in(&entry.value);
                if entry.key.contains("://") {
                    entry.key = without_secrets(&entry.key);
                }
            }
            Content::Table(table)
        }
        other => other.clone(),
    };
    Value::new(content, value.origin.clone())
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.origin != Origin::Default {
            write!(f, "{}: ", self.origin)?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.what)
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.0.iter().enumerate() {
            let line = if index == 0 { "" } else { "\n" };
            write!(f, "{line}{mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for LoadError {}

impl From<Mistake> for LoadError {
    fn from(mistake: Mistake) -> Self {
        Self(vec![mistake])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever stands in a URL's password, query or fragment is hidden, wherever the URL stands; the rest of the text stays.
    #[test]
    fn secrets_of_urls_are_hidden() {
        for (text, expected) in [
            (
                "'ws://a/?token=x,y]z' is no number",
                "'ws://a/?…' is no number",
            ),
            (
                "ws://me:pass,word@a/b wss://c/#d e",
                "ws://…@a/b wss://c/#… e",
            ),
            ("[\"ws://a/?x\", \"b\"]", "[\"ws://a/?…\", \"b\"]"),
            ("me:word@a", "…@a"),
            ("unix:@abc", "unix:@abc"),
            ("what, is: [this] 'for'", "what, is: [this] 'for'"),
        ] {
            assert_eq!(shown(text), expected);
        }
        assert_eq!(
            shown_lines("error: 'ws://a?b'\n\n\u{1b}[1mtry\n"),
            "error: 'ws://a?…'\n\n\\u{1b}[1mtry\n"
        );
    }

    /// A terminal obeys nothing of it, and a word is cut where nobody would read on.
    #[test]
    fn texts_are_harmless_and_short() {
        assert_eq!(shown("a\nb\u{1b}\u{202e}c"), "a\\nb\\u{1b}\\u{202e}c");
        let long = "ä".repeat(300);
        assert_eq!(
            shown(&format!("{long} b")),
            format!("{}… b", "ä".repeat(200))
        );
    }
}
