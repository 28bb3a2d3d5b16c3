//! The kinds of values that are tables themselves.

use std::borrow::Cow;

use crate::network::Pin;
use crate::server::{CertificateFiles, ListenAddress, ListenerConfig, TlsConfig};

use super::key::{Described, Key, Kind, Root, Section, Shape, read};
use super::keys::{CERTIFICATE, LISTENER, PIN};
use super::mistake::Mistake;
use super::value::{Content, Table, Value};

/// What is known of networks.
pub(super) struct Pins;

/// Listeners.
pub(super) struct Listeners;

/// Certificates of a listener.
pub(super) struct Certificates;

/// A listener as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerTable {
    pub(super) address: ListenAddress,
    pub(super) tls: TlsConfig,
    pub(super) proxy_protocol: bool,
    pub(super) mode: u32,
}

/// Without what a key of a listener has no effect.
pub(super) fn needed(key: &str) -> Option<&'static str> {
    match key {
        "client_ca" => Some("[[listener.tls]]"),
        "client_optional" => Some("client_ca"),
        "mode" => Some("an address like \"unix:/run/gateway.sock\""),
        _ => None,
    }
}

impl Default for ListenerTable {
    fn default() -> Self {
        ListenerConfig::new(ListenAddress::Systemd(None)).into()
    }
}

impl From<ListenerConfig> for ListenerTable {
    fn from(config: ListenerConfig) -> Self {
        Self {
            address: config.address,
            tls: config.tls.unwrap_or_default(),
            proxy_protocol: config.proxy_protocol,
            mode: config.mode,
        }
    }
}

impl From<&ListenerTable> for ListenerConfig {
    fn from(table: &ListenerTable) -> Self {
        let mut config = Self::new(table.address.clone());
        config.tls = (!table.tls.certificates.is_empty()).then(|| table.tls.clone());
        config.proxy_protocol = table.proxy_protocol;
        config.mode = table.mode;
        config
    }
}

/// What is wrong with an entry of a list as a whole, and with which key of it.
pub(super) type Wrong = (&'static str, Cow<'static, str>);

/// How the entries of a list are read.
pub(super) struct Entries<C: 'static> {
    pub(super) keys: &'static [Key<C>],
    /// What an entry is called in messages.
    pub(super) label: fn(&Table) -> Option<String>,
    /// What is wrong with it as a whole. It goes by what is written, which may be wrong in itself.
    pub(super) check: fn(&C, &Table) -> Vec<Wrong>,
}

impl<C: Clone + Default> Entries<C> {
    /// Reads a list of tables.
    ///
    /// # Errors
    /// All that is wrong with any of them.
    pub(super) fn read(&self, value: &Value) -> Result<Vec<C>, Vec<Mistake>> {
        let Content::List(values) = &value.content else {
            let expected = "a list of tables; write the name of each in two brackets, [[…]], and its keys below";
            return Err(vec![Mistake::of_value(value, expected)]);
        };
        let (mut all, mut mistakes) = (Vec::new(), Vec::new());
        for value in values {
            let Content::Table(table) = &value.content else {
                mistakes.push(Mistake::of_value(value, "a table"));
                continue;
            };
            let (one, mut found) = self.read_one(table);
            found.extend((self.check)(&one, table).into_iter().map(|(key, what)| {
                let at = table.get(key).map_or(&value.origin, |value| &value.origin);
                Mistake::new(at, key, what)
            }));
            let label = (self.label)(table);
            mistakes.extend(found.into_iter().map(|mistake| match &label {
                Some(label) => mistake.of_one(label),
                None => mistake,
            }));
            all.push(one);
        }
        if mistakes.is_empty() {
            Ok(all)
        } else {
            Err(mistakes)
        }
    }

    /// What of an entry can be read, and what is wrong with the keys that cannot.
    pub(super) fn read_one(&self, table: &Table) -> (C, Vec<Mistake>) {
        let sections = [Section {
            name: "",
            about: &[],
            keys: self.keys,
        }];
        let (mut one, mut mistakes) = (C::default(), Vec::new());
        read(&mut one, &sections, table, Root::Item, &mut mistakes);
        (one, mistakes)
    }
}

/// A listener is called by its address, where it is one.
pub(super) fn label_of_listener(table: &Table) -> Option<String> {
    let label = label_of(table, "address")?;
    label.parse::<ListenAddress>().is_ok().then_some(label)
}

/// The text that an entry is called by.
pub(super) fn label_of(table: &Table, key: &str) -> Option<String> {
    match &table.get(key)?.content {
        Content::Text(text) => Some(text.clone()),
        _ => None,
    }
}

pub(super) fn write_all<C>(held: &[C], keys: &[Key<C>]) -> Option<Value> {
    Some(lists(held, keys, |key, one| (key.get)(one)))
}

/// As [`write_all`], without secrets.
pub(super) fn show_all<C>(held: &[C], keys: &[Key<C>]) -> Option<Value> {
    Some(lists(held, keys, |key, one| (key.show)(one)))
}

fn lists<C>(held: &[C], keys: &[Key<C>], write: impl Fn(&Key<C>, &C) -> Option<Value>) -> Value {
    let table = |one: &C| {
        let mut table = Table::default();
        for key in keys {
            if let Some(value) = write(key, one) {
                table.set(key.field.name, value);
            }
        }
        Value::new(Content::Table(table), Default::default())
    };
    Value::list(held.iter().map(table))
}

/// What people are told of the keys; defaults of what `needed` names are none.
pub(super) fn described<C>(keys: &[Key<C>], default: &C, needed: &[&str]) -> Vec<Described> {
    let one = |key: &Key<C>| Described {
        field: key.field,
        default: (key.get)(default).filter(|_| !needed.contains(&key.field.name)),
    };
    keys.iter().map(one).collect()
}

impl Kind for Pins {
    type Held = Vec<Pin>;
    const SHAPE: Shape = Shape::Tables(|| described(PIN, &Pin::default(), &["clients"]));

    fn read(value: &Value) -> Result<Self::Held, Vec<Mistake>> {
        let check = |_: &Pin, table: &Table| {
            let says = ["heartbeat_delay", "websocket", "one_frame"];
            let mut wrong: Vec<Wrong> = Vec::new();
            if table.get("clients").is_none() {
                let what = "is missing; write the networks it is for, like [\"10.1.0.0/16\"]";
                wrong.push(("clients", what.into()));
            }
            if says.iter().all(|key| table.get(key).is_none()) {
                let what = "says nothing; write heartbeat_delay, websocket or one_frame";
                wrong.push(("", what.into()));
            }
            wrong
        };
        let entries = Entries {
            keys: PIN,
            label: |_| None,
            check,
        };
        entries.read(value)
    }

    fn write(held: &Self::Held) -> Option<Value> {
        write_all(held, PIN)
    }
}

impl Kind for Listeners {
    type Held = Vec<ListenerTable>;
    const SHAPE: Shape =
        Shape::Tables(|| described(LISTENER, &ListenerTable::default(), &["address"]));

    fn read(value: &Value) -> Result<Self::Held, Vec<Mistake>> {
        let check = |listener: &ListenerTable, table: &Table| {
            let tls = table.get("tls");
            let without_tls = tls.is_none_or(Value::is_empty);
            let is_given = |key: &str| table.get(key).is_some();
            let wrong = [
                (
                    "address",
                    !is_given("address"),
                    "is missing; write where to listen, like \"0.0.0.0:443\"",
                ),
                (
                    "tls",
                    tls.is_some() && without_tls,
                    "the list is empty; leave it out for no TLS, or write a certificate and its key",
                ),
                (
                    "client_ca",
                    is_given("client_ca") && without_tls,
                    "clients show certificates over TLS only; write [[listener.tls]] with certificate and key",
                ),
                (
                    "client_optional",
                    is_given("client_optional") && !is_given("client_ca"),
                    "clients are not asked for a certificate; write client_ca, or leave this out",
                ),
                (
                    "mode",
                    is_given("mode") && !matches!(listener.address, ListenAddress::Unix(_)),
                    "is for Unix sockets only; leave it out",
                ),
            ];
            let wrong = wrong.into_iter().filter(|(_, is_wrong, _)| *is_wrong);
            wrong.map(|(key, _, what)| (key, what.into())).collect()
        };
        let entries = Entries {
            keys: LISTENER,
            label: label_of_listener,
            check,
        };
        entries.read(value)
    }

    fn write(held: &Self::Held) -> Option<Value> {
        let mut value = write_all(held, LISTENER)?;
        // What can only be said beside something else is left out without it, so that what is written can be read.
        if let Content::List(values) = &mut value.content {
            for (value, listener) in values.iter_mut().zip(held) {
                let Content::Table(table) = &mut value.content else {
                    continue;
                };
                if listener.tls.certificates.is_empty() {
                    table.take("tls");
                }
                if listener.tls.client_ca.is_none() {
                    table.take("client_optional");
                }
                if !matches!(listener.address, ListenAddress::Unix(_)) {
                    table.take("mode");
                }
            }
        }
        Some(value)
    }
}

impl Kind for Certificates {
    type Held = Vec<CertificateFiles>;
    const SHAPE: Shape =
        Shape::Tables(|| described(CERTIFICATE, &CertificateFiles::default(), &[]));

    fn read(value: &Value) -> Result<Self::Held, Vec<Mistake>> {
        let check = |_: &CertificateFiles, table: &Table| {
            let wrong = [
                (
                    "certificate",
                    "is missing; a key is of no use without the file of its certificate",
                ),
                (
                    "key",
                    "is missing; a certificate is of no use without the file of its key",
                ),
            ];
            let wrong = wrong
                .into_iter()
                .filter(|(key, _)| table.get(key).is_none());
            wrong.map(|(key, what)| (key, what.into())).collect()
        };
        let entries = Entries {
            keys: CERTIFICATE,
            label: |_| None,
            check,
        };
        entries.read(value)
    }

    fn write(held: &Self::Held) -> Option<Value> {
        write_all(held, CERTIFICATE)
    }
}
