//! Listeners as a whole: addresses that are there twice, and files of TLS that cannot be used.

use std::path::Path;

use crate::server::{CertificateFiles, ListenAddress, TlsConfig, TlsFiles, TlsPart, TlsRemark};

use super::files::File;
use super::key::Kind as _;
use super::kinds::{Address, Flag};
use super::mistake::Mistake;
use super::tables::label_of_listener;
use super::value::{Content, Origin, Table, Value};
use super::{Config, DEFAULT_LISTEN, files};

/// Where something listens, as far as that could be read.
pub(super) struct Place {
    pub(super) address: ListenAddress,
    origin: Origin,
    /// The key that says so.
    key: &'static str,
}

/// The TLS of a listener, as far as it could be read, and where its parts are written.
struct Written<'a> {
    tls: TlsConfig,
    /// Of each certificate.
    tables: Vec<&'a Table>,
}

impl Config {
    /// Where services listen, with the mistakes of other keys left out of account.
    pub(super) fn places(&self) -> Vec<Place> {
        let place = |key: &'static str, value: &Value| {
            Address::read(value).ok().map(|address| Place {
                address,
                origin: value.origin.clone(),
                key,
            })
        };
        let mut places = Vec::new();
        match self.given.get("listen") {
            Some(value) => match &value.content {
                Content::List(values) => {
                    places.extend(values.iter().filter_map(|value| place("listen", value)));
                }
                _ => places.extend(place("listen", value)),
            },
            None if self.given.get("listener").is_none() => places.push(Place {
                address: ListenAddress::Tcp(DEFAULT_LISTEN),
                origin: Origin::Default,
                key: "listen",
            }),
            None => {}
        }
        let listeners = self.tables("listener");
        let addresses = listeners.filter_map(|(_, table)| table.get("address"));
        places.extend(addresses.filter_map(|value| place("listener.address", value)));
        places
    }

    /// Addresses that are there twice, and files of TLS that cannot be used. They are read here, and once.
    pub(super) fn check_listeners(&mut self, mistakes: &mut Vec<Mistake>) {
        let places = self.places();
        for (
            index,
            Place {
                address,
                origin,
                key,
            },
        ) in places.iter().enumerate()
        {
            let takes_free = matches!(address, ListenAddress::Tcp(tcp) if tcp.port() == 0);
            let is_known = places[..index]
                .iter()
                .any(|other| other.address == *address);
            if is_known && !takes_free && *address != ListenAddress::Systemd(None) {
                let what = format!(
                    "two listeners are at {address}; write another address, or leave one out"
                );
                mistakes.push(Mistake::new(origin, *key, what));
            }
        }
        for (_, table) in self.tables("listener") {
            if let Some(value) = table.get("proxy_protocol")
                && Flag::read(value).is_ok_and(|is_on| is_on)
                && self.gateway.trusted_proxies.entries().next().is_none()
                && mistakes
                    .iter()
                    .all(|mistake| mistake.key != "trusted_proxies")
            {
                let what = "nobody may connect: the header is taken from trusted_proxies only, and there are none; write them, or leave this out";
                let mistake = Mistake::new(&value.origin, "proxy_protocol", what);
                mistakes.push(of_listener(table, mistake));
            }
        }
        let (mut all_files, mut all_remarks) = (Vec::new(), Vec::new());
        for (index, table) in self.tables("listener") {
            let written = written_tls(table);
            let files = (!written.tls.certificates.is_empty()).then(|| written.tls.read_parts());
            let files = files.transpose().unwrap_or_else(|errors| {
                mistakes.extend(errors.into_iter().map(|(part, error)| {
                    let (key, origin) = written.place(part, table);
                    let origin = origin.unwrap_or_else(|| self.origin_of_listener(index));
                    of_listener(table, Mistake::new(&origin, key, error.to_string()))
                }));
                None
            });
            let remarks = files.as_ref().map(TlsFiles::remarks);
            all_remarks.push(remarks.unwrap_or_default());
            all_files.push(files);
        }
        (self.tls_files, self.tls_remarks) = (all_files, all_remarks);
    }

    /// What there is to say of certificates.
    pub(super) fn tls_warnings(&self) -> Vec<Mistake> {
        let mut warnings = Vec::new();
        for (index, table) in self.tables("listener") {
            let written = written_tls(table);
            for remark in self.tls_remarks.get(index).into_iter().flatten() {
                let (TlsRemark::Expired(path)
                | TlsRemark::NotYetValid(path)
                | TlsRemark::ChainMissing(path)) = remark;
                let (key, origin) = match written.position(path) {
                    Some(index) => written.place(TlsPart::Certificate(index), table),
                    None => ("tls", None),
                };
                let origin = origin.unwrap_or_else(|| self.origin_of_listener(index));
                let warning = Mistake::new(&origin, key, remark.to_string());
                warnings.push(of_listener(table, warning));
            }
        }
        warnings
    }

    fn origin_of_listener(&self, index: usize) -> Origin {
        let table = self.table("listener", index);
        table.map(|table| table.origin.clone()).unwrap_or_default()
    }
}

/// A mistake of a key, or of the key of a table, of this listener.
fn of_listener(table: &Table, mistake: Mistake) -> Mistake {
    let mistake = match label_of_listener(table) {
        Some(label) => mistake.of_one(&label),
        None => mistake,
    };
    mistake.within("listener")
}

/// What of a listener's TLS can be read: pairs of certificate and key, of whom clients' must be.
fn written_tls(table: &Table) -> Written<'_> {
    let mut written = Written {
        tls: TlsConfig::default(),
        tables: Vec::new(),
    };
    let certificates = match table.get("tls").map(|value| &value.content) {
        Some(Content::List(values)) => values.as_slice(),
        _ => &[],
    };
    for value in certificates {
        let Content::Table(pair) = &value.content else {
            continue;
        };
        let path = |key: &str| files::Path::read(pair.get(key)?).ok();
        if let (Some(certificate), Some(key)) = (path("certificate"), path("key")) {
            let files = CertificateFiles { certificate, key };
            written.tls.certificates.push(files);
            written.tables.push(pair);
        }
    }
    let client_ca = table
        .get("client_ca")
        .and_then(|value| File::read(value).ok());
    written.tls.client_ca = client_ca.flatten();
    let optional = table
        .get("client_optional")
        .and_then(|value| Flag::read(value).ok());
    written.tls.client_optional = optional.unwrap_or_default();
    written
}

impl Written<'_> {
    /// The key that says what a part is, and where it stands.
    fn place(&self, part: TlsPart, listener: &Table) -> (&'static str, Option<Origin>) {
        let of = |table: Option<&Table>, key| {
            let value = table.and_then(|table| table.get(key));
            value.map(|value| value.origin.clone())
        };
        match part {
            TlsPart::Certificate(index) => (
                "tls.certificate",
                of(self.tables.get(index).copied(), "certificate"),
            ),
            TlsPart::Key(index) => ("tls.key", of(self.tables.get(index).copied(), "key")),
            TlsPart::ClientCa => ("client_ca", of(Some(listener), "client_ca")),
            TlsPart::Whole => ("tls", of(Some(listener), "tls")),
        }
    }

    /// Which of the certificates is in a file.
    fn position(&self, path: &Path) -> Option<usize> {
        let mut certificates = self.tls.certificates.iter();
        certificates.position(|files| files.certificate == path)
    }
}
