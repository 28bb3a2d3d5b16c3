//! The kinds of values that are tables themselves.

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

/// Reads a list of tables, each on top of `default`. `check` says what is wrong with one as a whole, and for which key.
pub(super) fn read_all<C: Clone>(
    value: &Value,
    default: &C,
    keys: &'static [Key<C>],
    check: impl Fn(&C, &Table) -> Option<(&'static str, &'static str)>,
) -> Result<Vec<C>, Vec<Mistake>> {
    let Content::List(values) = &value.content else {
        let expected =
            "a list of tables; write the name of each in two brackets, [[…]], and its keys below";
        return Err(vec![Mistake::of_value(value, expected)]);
    };
    let sections = [Section {
        name: "",
        about: &[],
        keys,
    }];
    let (mut all, mut mistakes) = (Vec::new(), Vec::new());
    for value in values {
        let Content::Table(table) = &value.content else {
            mistakes.push(Mistake::of_value(value, "a table"));
            continue;
        };
        let (mut one, before) = (default.clone(), mistakes.len());
        read(&mut one, &sections, table, Root::Item, &mut mistakes);
        if mistakes.len() == before {
            let found = check(&one, table);
            mistakes.extend(found.map(|(key, what)| Mistake::new(&value.origin, key, what)));
        }
        all.push(one);
    }
    if mistakes.is_empty() {
        Ok(all)
    } else {
        Err(mistakes)
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
        read_all(value, &Pin::default(), PIN, |pin, _| {
            let says_nothing = Pin {
                clients: pin.clients.clone(),
                ..Pin::default()
            } == *pin;
            if pin.clients.is_empty() {
                let what = "is missing; write the networks it is for, like [\"10.1.0.0/16\"]";
                Some(("clients", what))
            } else if says_nothing {
                Some((
                    "",
                    "says nothing; write heartbeat_delay, websocket or one_frame",
                ))
            } else {
                None
            }
        })
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
        read_all(
            value,
            &ListenerTable::default(),
            LISTENER,
            |listener, table| {
                let without_tls = listener.tls.certificates.is_empty();
                if table.get("address").is_none() {
                    Some((
                        "address",
                        "is missing; write where to listen, like \"0.0.0.0:443\"",
                    ))
                } else if without_tls && table.get("tls").is_some() {
                    Some((
                        "tls",
                        "the list is empty; leave it out for no TLS, or write a certificate and its key",
                    ))
                } else if without_tls && listener.tls.client_ca.is_some() {
                    Some((
                        "client_ca",
                        "clients show certificates over TLS only; write [[listener.tls]] with certificate and key",
                    ))
                } else if listener.tls.client_ca.is_none() && table.get("client_optional").is_some()
                {
                    Some((
                        "client_optional",
                        "clients are not asked for a certificate; write client_ca, or leave this out",
                    ))
                } else if table.get("mode").is_some()
                    && !matches!(listener.address, ListenAddress::Unix(_))
                {
                    Some(("mode", "is for Unix sockets only; leave it out"))
                } else {
                    None
                }
            },
        )
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
        read_all(
            value,
            &CertificateFiles::default(),
            CERTIFICATE,
            |files, _| {
                if files.certificate.as_os_str().is_empty() {
                    Some((
                        "certificate",
                        "is missing; a key is of no use without the file of its certificate",
                    ))
                } else if files.key.as_os_str().is_empty() {
                    Some((
                        "key",
                        "is missing; a certificate is of no use without the file of its key",
                    ))
                } else {
                    None
                }
            },
        )
    }

    fn write(held: &Self::Held) -> Option<Value> {
        write_all(held, CERTIFICATE)
    }
}
