//! What a key is: its name, what it says, which values it takes, and where they go. The rows themselves are in `keys.rs`.

use super::mistake::Mistake;
use super::value::{Content, Table, Value};

/// A kind of value: how it is read from a file and written into one.
pub(super) trait Kind {
    /// What the configuration of a module holds.
    type Held;
    /// For messages, documentation and editors.
    const SHAPE: Shape;

    /// Reads a value.
    ///
    /// # Errors
    /// What it should have been.
    fn read(value: &Value) -> Result<Self::Held, Vec<Mistake>>;

    /// As it would stand in a file. `None` when that would be to leave it out.
    fn write(held: &Self::Held) -> Option<Value>;

    /// The same without secrets.
    fn show(held: &Self::Held) -> Option<Value> {
        Self::write(held)
    }
}

/// What values of a key look like.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// `true`, `false`
    Boolean,
    /// One of these texts.
    Choice(fn() -> Vec<&'static str>),
    /// A whole number.
    Count { least: i64, most: i64 },
    /// `"25s"`, or also `"off"`.
    Duration { off: bool },
    /// `4096`, `"64KiB"`
    Size,
    /// Tables, each with these keys.
    Tables(fn() -> Vec<Described>),
    /// A text, with an example.
    Text(&'static str),
    /// A list of texts, with an example of one; or also one text alone.
    Texts { example: &'static str, or_one: bool },
}

/// What people are told of a key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    /// The lines of its doc comment, each with a leading blank.
    pub(super) about: &'static [&'static str],
    pub(super) shape: Shape,
    /// What holds when it is left out and the default is no value.
    pub(super) otherwise: Option<&'static str>,
    /// An example in place of the shape's, as it would stand in a variable.
    pub(super) example: Option<&'static str>,
}

/// A key, and its default as it would stand in a file.
#[derive(Clone, Debug)]
pub(super) struct Described {
    pub(super) field: Field,
    pub(super) default: Option<Value>,
}

/// A key of tables that are read into a `C`.
pub(super) struct Key<C> {
    pub(super) field: Field,
    pub(super) get: fn(&C) -> Option<Value>,
    /// The same for people's eyes: without secrets.
    pub(super) show: fn(&C) -> Option<Value>,
    pub(super) set: fn(&mut C, &Value) -> Result<(), Vec<Mistake>>,
}

/// A table of keys, or the keys outside of all of them (without a name).
pub(super) struct Section<C: 'static> {
    pub(super) name: &'static str,
    /// Lines, as of a key.
    pub(super) about: &'static [&'static str],
    pub(super) keys: &'static [Key<C>],
}

/// Rows of keys: `name: Kind => field of the configuration;`, the documentation of the key as its doc comment, and after
/// `or` what holds without it when the default is no value, and after `like` an example, where that of the kind does not fit.
macro_rules! keys {
    ($config:ty: $($(#[doc = $about:literal])+ $name:ident: $kind:ty => $($path:ident).+ $(, or $otherwise:expr)? $(, like $example:literal)?;)+) => {
        &[$($crate::config::key::Key {
            field: $crate::config::key::Field {
                name: stringify!($name),
                about: &[$($about),+],
                shape: <$kind as $crate::config::key::Kind>::SHAPE,
                otherwise: [$(Some($otherwise),)? None][0],
                example: [$(Some($example),)? None][0],
            },
            get: |config: &$config| <$kind as $crate::config::key::Kind>::write(&config.$($path).+),
            show: |config: &$config| <$kind as $crate::config::key::Kind>::show(&config.$($path).+),
            set: |config: &mut $config, value| {
                config.$($path).+ = <$kind as $crate::config::key::Kind>::read(value)?;
                Ok(())
            },
        }),+]
    };
}
pub(super) use keys;

impl Field {
    /// Its documentation as one text.
    pub(super) fn meaning(&self) -> String {
        joined(self.about)
    }

    /// An example of its text, or of one of its texts.
    pub(super) fn text_example(&self) -> &'static str {
        match self.shape {
            Shape::Text(example) | Shape::Texts { example, .. } => self.example.unwrap_or(example),
            _ => self.example.unwrap_or_default(),
        }
    }
}

/// The lines of a doc comment as one text; empty lines part paragraphs.
pub(super) fn joined(lines: &[&str]) -> String {
    let mut text = String::new();
    for line in lines.iter().map(|line| line.trim()) {
        match line {
            "" => text.push_str("\n\n"),
            _ if text.is_empty() || text.ends_with('\n') => text.push_str(line),
            _ => {
                text.push(' ');
                text.push_str(line);
            }
        }
    }
    text
}

/// A text without links: `[doctor.md](doctor.md)` is `docs/doctor.md`.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, link)) = rest.split_once('[') {
        plain.push_str(before);
        let end = link
            .split_once("](")
            .and_then(|(_, link)| link.split_once(')'));
        // A bracket that is none of a link's stands for itself.
        let is_link = link.find("](") == link.find(']') && end.is_some();
        match end.filter(|_| is_link) {
            Some((target, behind)) => {
                plain.push_str("docs/");
                plain.push_str(target);
                rest = behind;
            }
            None => {
                plain.push('[');
                rest = link;
            }
        }
    }
    plain.push_str(rest);
    plain
}

/// The example of a key without tables.
pub(super) fn example<C>(sections: &[Section<C>], name: &str) -> &'static str {
    let keys = sections.iter().flat_map(|section| section.keys);
    let field = keys.map(|key| key.field).find(|field| field.name == name);
    field.map(|field| field.text_example()).unwrap_or_default()
}

/// In what table keys are read, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Root {
    Top,
    Service,
    Defaults,
    /// A table of a list.
    Item,
}

impl Root {
    /// Further keys that may stand there.
    const fn also(self) -> &'static [&'static str] {
        match self {
            Self::Top => &["service", "defaults"],
            _ => &[],
        }
    }

    /// The name of a table in it, as it is written.
    fn table(self, section: &str) -> String {
        match self {
            Self::Top | Self::Item => format!("[{section}]"),
            Self::Service => format!("[service.{section}]"),
            Self::Defaults => format!("[defaults.{section}]"),
        }
    }
}

/// Reads a table of keys, and tables of keys in it, into `config`.
pub(super) fn read<C>(
    config: &mut C,
    sections: &[Section<C>],
    table: &Table,
    root: Root,
    mistakes: &mut Vec<Mistake>,
) {
    let (own, below): (Vec<_>, Vec<_>) =
        sections.iter().partition(|section| section.name.is_empty());
    let keys = || own.iter().flat_map(|section| section.keys);
    for entry in &table.entries {
        let mut found = Vec::new();
        let key = keys().find(|key| key.field.name == entry.key);
        let section = below.iter().find(|section| section.name == entry.key);
        match (key, section, &entry.value.content) {
            (Some(key), _, _) => {
                found.extend((key.set)(config, &entry.value).err().into_iter().flatten());
            }
            (None, Some(section), Content::Table(table)) => {
                let only = [Section {
                    name: "",
                    ..**section
                }];
                read(config, &only, table, root, &mut found);
            }
            (None, Some(section), _) => {
                let name = root.table(section.name);
                let expected = format_args!("a table; write {name}, and its keys below");
                found.push(Mistake::of_value(&entry.value, expected));
            }
            (None, None, _) => {
                let names = keys().map(|key| key.field.name);
                let names = names.chain(below.iter().map(|section| section.name));
                let names: Vec<_> = names.chain(root.also().iter().copied()).collect();
                let what = no_such_key(&entry.key, &names, root);
                mistakes.push(Mistake::new(&entry.at, "", what));
            }
        }
        mistakes.extend(found.into_iter().map(|mistake| mistake.within(&entry.key)));
    }
}

/// What is said of a key that is not one of `names`.
pub(super) fn no_such_key(name: &str, names: &[&str], root: Root) -> String {
    match super::keys::home(name, root) {
        Some(home) => format!("there is no key {name:?} here; it belongs into {home}"),
        None => format!("there is no key {name:?}{}", nearest(name, names)),
    }
}

fn near<'a>(name: &str, names: &[&'a str]) -> Option<&'a str> {
    /// Edits that are still taken for a slip.
    const MOST: usize = 3;
    /// Longer ones are no slips.
    const LONGEST: usize = 64;
    if name.len() > LONGEST {
        return None;
    }
    let distance = |other: &str| strsim::damerau_levenshtein(name, other);
    let best = names.iter().copied().min_by_key(|other| distance(other))?;
    (distance(best) <= MOST.min(name.len() / 2)).then_some(best)
}

/// Those that have all of `name` in them, such as `heartbeat_delay` for `heartbeat`.
fn longer<'a>(name: &str, names: &[&'a str]) -> Vec<&'a str> {
    /// What is shorter is in too many.
    const SHORTEST: usize = 3;
    let has = |other: &&&str| name.len() >= SHORTEST && other.contains(name);
    names.iter().filter(has).copied().collect()
}

/// Which of `names` was meant, as the end of a message.
pub(super) fn nearest(name: &str, names: &[&str]) -> String {
    if let Some(best) = near(name, names) {
        return format!("; did you mean {best}?");
    }
    match longer(name, names).as_slice() {
        [] => format!("; there are {}", names.join(", ")),
        longer => format!("; did you mean {}?", longer.join(" or ")),
    }
}
