//! The kinds of values that keys take. Durations are in `spans.rs`, files in `files.rs`.

use std::marker::PhantomData;
use std::sync::Arc;

use http::header::HeaderName;
use ipnet::IpNet;

use crate::backend::upstream::{BinaryPolicy, check_passed_on};
use crate::backend::{kind_of, without_secrets};
use crate::network::WebsocketProof;
use crate::server::{InvalidListenAddress, ListenAddress};
use crate::service::{CorsFields, Origins, ServiceConfig, TrustedProxies, parse_networks};
use crate::transport::{Chunks, TRANSPORTS};

use super::key::{Kind, Shape};
use super::mistake::Mistake;
use super::units;
use super::value::{Content, Value};

/// `true`, `false`
pub(super) struct Flag;

/// Bytes, never zero.
pub(super) type Size = SizeFrom<1>;

/// Bytes, at least so many.
pub(super) struct SizeFrom<const LEAST: usize>;

/// A whole number within bounds.
pub(super) struct Number<T, const LEAST: i64, const MOST: i64>(PhantomData<T>);

/// A number of things, at least one.
pub(super) type Count = Number<usize, 1, { i64::MAX }>;

/// A value that may be left out.
pub(super) struct Optional<K>(PhantomData<K>);

/// One of the names of a [`Choice`].
pub(super) struct OneOf<T>(PhantomData<T>);

/// An enum whose values have names.
pub(super) trait Choice: Copy + PartialEq + 'static {
    const NAMES: &'static [(&'static str, Self)];
}

/// Where a listener is.
pub(super) struct Address;

/// Where listeners are: one, or a list.
pub(super) struct Addresses;

/// The name of a service.
pub(super) struct Name;

/// The path of a service.
pub(super) struct Prefix;

/// The URL of a backend; only its kind is checked here.
pub(super) struct BackendUrl;

/// Who may use a service.
pub(super) struct OriginList;

/// The URL of a script.
pub(super) struct ScriptUrl;

/// Names of transports.
pub(super) struct TransportNames;

/// Networks of proxies.
pub(super) struct Proxies;

/// Networks of browsers, at least one.
pub(super) struct Clients;

/// Names of header fields that can be passed on.
pub(super) struct FieldNames;

impl Choice for Chunks {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("auto", Self::Auto),
        ("small", Self::Small),
        ("whole", Self::Whole),
    ];
}

impl Choice for CorsFields {
    const NAMES: &'static [(&'static str, Self)] = &[("auto", Self::Auto), ("off", Self::Off)];
}

impl Choice for BinaryPolicy {
    const NAMES: &'static [(&'static str, Self)] =
        &[("close", Self::Close), ("base64", Self::Base64)];
}

impl Choice for WebsocketProof {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("auto", Self::Auto),
        ("always", Self::Always),
        ("never", Self::Never),
    ];
}

pub(super) fn wrong<T>(value: &Value, expected: impl std::fmt::Display) -> Result<T, Vec<Mistake>> {
    Err(vec![Mistake::of_value(value, expected)])
}

/// A value that its key would take, but for what it says.
pub(super) fn refused<T>(value: &Value, what: impl std::fmt::Display) -> Result<T, Vec<Mistake>> {
    Err(vec![Mistake::new(&value.origin, "", what.to_string())])
}

/// Reads every value, or tells all that is wrong with any.
fn each<T>(
    values: &[Value],
    read: impl Fn(&Value) -> Result<T, Vec<Mistake>>,
) -> Result<Vec<T>, Vec<Mistake>> {
    let (mut all, mut mistakes) = (Vec::new(), Vec::new());
    for value in values {
        match read(value) {
            Ok(one) => all.push(one),
            Err(found) => mistakes.extend(found),
        }
    }
    if mistakes.is_empty() {
        Ok(all)
    } else {
        Err(mistakes)
    }
}

/// A text that `parse` takes.
pub(super) fn parsed<T>(
    value: &Value,
    expected: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, Vec<Mistake>> {
    let text = match &value.content {
        Content::Text(text) => parse(text),
        _ => None,
    };
    text.map_or_else(|| wrong(value, expected), Ok)
}

/// A list of texts, each of which `parse` takes or says what is wrong with it.
pub(super) fn list<T>(
    value: &Value,
    expected: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, Vec<Mistake>> {
    let Content::List(values) = &value.content else {
        return wrong(value, expected);
    };
    each(values, |value| match &value.content {
        Content::Text(text) => parse(text).or_else(|what| refused(value, what)),
        _ => wrong(value, "a text; write it in quotes"),
    })
}

impl Kind for Flag {
    type Held = bool;
    const SHAPE: Shape = Shape::Boolean;

    fn read(value: &Value) -> Result<bool, Vec<Mistake>> {
        match value.content {
            Content::Boolean(flag) => Ok(flag),
            _ => wrong(value, "true or false, without quotes"),
        }
    }

    fn write(held: &bool) -> Option<Value> {
        Some((*held).into())
    }
}

impl<const LEAST: usize> Kind for SizeFrom<LEAST> {
    type Held = usize;
    const SHAPE: Shape = Shape::Size;

    fn read(value: &Value) -> Result<usize, Vec<Mistake>> {
        let size = match &value.content {
            Content::Integer(bytes) => usize::try_from(*bytes).ok(),
            Content::Text(text) => units::size(text),
            _ => None,
        };
        let expected = format!(
            "a size; write a number of bytes, at least {LEAST}, or one with a unit in quotes, like \"64KiB\", \"1MiB\" or \"1GiB\""
        );
        let size = size.filter(|size| *size >= LEAST);
        size.map_or_else(|| wrong(value, expected), Ok)
    }

    fn write(held: &usize) -> Option<Value> {
        Some(units::write_size(*held))
    }
}

impl<T, const LEAST: i64, const MOST: i64> Kind for Number<T, LEAST, MOST>
where
    T: TryFrom<i64> + Copy,
    i64: TryFrom<T>,
{
    type Held = T;
    const SHAPE: Shape = Shape::Count {
        least: LEAST,
        most: MOST,
    };

    fn read(value: &Value) -> Result<T, Vec<Mistake>> {
        let number = match value.content {
            Content::Integer(number) if (LEAST..=MOST).contains(&number) => {
                T::try_from(number).ok()
            }
            _ => None,
        };
        let expected = match MOST {
            i64::MAX => format!("a whole number of at least {LEAST}, without quotes"),
            _ => format!("a whole number from {LEAST} to {MOST}, without quotes"),
        };
        number.map_or_else(|| wrong(value, expected), Ok)
    }

    fn write(held: &T) -> Option<Value> {
        let number = i64::try_from(*held).unwrap_or(i64::MAX);
        Some(Value::new(Content::Integer(number), Default::default()))
    }
}

impl<K: Kind> Kind for Optional<K> {
    type Held = Option<K::Held>;
    const SHAPE: Shape = K::SHAPE;

    fn read(value: &Value) -> Result<Self::Held, Vec<Mistake>> {
        K::read(value).map(Some)
    }

    fn write(held: &Self::Held) -> Option<Value> {
        held.as_ref().and_then(K::write)
    }

    fn show(held: &Self::Held) -> Option<Value> {
        held.as_ref().and_then(K::show)
    }
}

impl<T: Choice> Kind for OneOf<T> {
    type Held = T;
    const SHAPE: Shape = Shape::Choice(|| T::NAMES.iter().map(|(name, _)| *name).collect());

    fn read(value: &Value) -> Result<T, Vec<Mistake>> {
        let names: Vec<_> = T::NAMES
            .iter()
            .map(|(name, _)| format!("\"{name}\""))
            .collect();
        parsed(value, &format!("one of {}", names.join(", ")), |text| {
            let found = T::NAMES.iter().find(|(name, _)| *name == text);
            found.map(|(_, choice)| *choice)
        })
    }

    fn write(held: &T) -> Option<Value> {
        let found = T::NAMES.iter().find(|(_, choice)| choice == held);
        found.map(|(name, _)| Value::text(*name))
    }
}

impl Kind for Address {
    type Held = ListenAddress;
    const SHAPE: Shape = Shape::Text("0.0.0.0:8081");

    fn read(value: &Value) -> Result<ListenAddress, Vec<Mistake>> {
        let text = parsed(
            value,
            "a text; write an address in quotes, like \"127.0.0.1:8081\"",
            |text| Some(text.to_owned()),
        )?;
        text.parse()
            .or_else(|error: InvalidListenAddress| refused(value, error))
    }

    fn write(held: &ListenAddress) -> Option<Value> {
        Some(Value::text(held.to_string()))
    }
}

impl Kind for Addresses {
    type Held = Vec<ListenAddress>;
    const SHAPE: Shape = Shape::Texts {
        example: "0.0.0.0:8081",
        or_one: true,
    };

    fn read(value: &Value) -> Result<Self::Held, Vec<Mistake>> {
        let values = match &value.content {
            Content::List(values) => values.as_slice(),
            _ => std::slice::from_ref(value),
        };
        if values.is_empty() {
            let what = "the list is empty; leave it out, or write at least one address";
            return refused(value, what);
        }
        each(values, Address::read)
    }

    fn write(held: &Self::Held) -> Option<Value> {
        match held.as_slice() {
            [one] => Address::write(one),
            all => Some(Value::list(all.iter().map(ToString::to_string))),
        }
    }
}

impl Kind for Name {
    type Held = String;
    const SHAPE: Shape = Shape::Text("chat");

    fn read(value: &Value) -> Result<String, Vec<Mistake>> {
        const LONGEST: usize = 64;
        let expected =
            "a name; write at most 64 letters and digits, and single - or _ between them";
        parsed(value, expected, |text| {
            let mut parts = text.split(['-', '_']);
            let is_part = |part: &str| {
                !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
            };
            let well_formed = text.len() <= LONGEST && parts.all(is_part);
            well_formed.then(|| text.to_owned())
        })
    }

    fn write(held: &String) -> Option<Value> {
        Some(Value::text(held))
    }
}

impl Kind for Prefix {
    type Held = Arc<str>;
    const SHAPE: Shape = Shape::Text("/chat");

    fn read(value: &Value) -> Result<Arc<str>, Vec<Mistake>> {
        let prefix = parsed(
            value,
            "a text; write a path in quotes, like \"/chat\"",
            |text| Some(Arc::from(text)),
        )?;
        match ServiceConfig::new(Arc::clone(&prefix)).check() {
            Ok(()) => Ok(prefix),
            Err(error) => refused(value, error),
        }
    }

    fn write(held: &Arc<str>) -> Option<Value> {
        Some(Value::text(&**held))
    }
}

impl Kind for BackendUrl {
    type Held = String;
    const SHAPE: Shape = Shape::Text("ws://127.0.0.1:9000/socket");

    fn read(value: &Value) -> Result<String, Vec<Mistake>> {
        let expected = "a text; write a URL in quotes, like \"ws://127.0.0.1:9000/socket\"";
        let url = parsed(value, expected, |text| Some(text.to_owned()))?;
        match kind_of(&url) {
            Ok(_) => Ok(url),
            Err(error) => refused(value, error),
        }
    }

    fn write(held: &String) -> Option<Value> {
        Some(Value::text(held))
    }

    fn show(held: &String) -> Option<Value> {
        Some(Value::text(without_secrets(held)))
    }
}

impl Kind for OriginList {
    type Held = Origins;
    const SHAPE: Shape = Shape::Texts {
        example: "https://app.example.com",
        or_one: true,
    };

    fn read(value: &Value) -> Result<Origins, Vec<Mistake>> {
        let expected = "\"same\", \"*\", or a list like [\"https://app.example.com\"]";
        let one = [value.clone()];
        let values = match &value.content {
            Content::Text(_) => &one[..],
            Content::List(values) if values.is_empty() => {
                let what = "the list is empty; leave it out, or write \"same\", for the own origin";
                return refused(value, what);
            }
            Content::List(values) => values,
            _ => return wrong(value, expected),
        };
        let texts = each(values, |one| {
            let text = parsed(one, expected, |text| Some(text.to_owned()))?;
            if values.len() > 1 && ["*", "same"].contains(&text.as_str()) {
                let what = format!(
                    "{text:?} stands alone, without a list; in a list, the own origin is always meant"
                );
                return refused(one, what);
            }
            match Origins::from_list(&[&text]) {
                Ok(_) => Ok(text),
                Err(error) => refused(one, error),
            }
        })?;
        Origins::from_list(&texts).or_else(|error| refused(value, error))
    }

    fn write(held: &Origins) -> Option<Value> {
        Some(match held {
            Origins::Any => Value::text("*"),
            Origins::Same => Value::text("same"),
            Origins::List(list) => Value::list(list.iter().map(ToString::to_string)),
        })
    }
}

impl Kind for ScriptUrl {
    type Held = Option<String>;
    const SHAPE: Shape = Shape::Text("/static/sockjs.min.js");

    fn read(value: &Value) -> Result<Self::Held, Vec<Mistake>> {
        let url = parsed(value, "a text; write a URL in quotes", |text| {
            Some(text.to_owned())
        })?;
        let mut config = ServiceConfig::new("/any");
        config.sockjs_url = Some(url);
        match config.check() {
            Ok(()) => Ok(config.sockjs_url),
            Err(error) => refused(value, error),
        }
    }

    fn write(held: &Self::Held) -> Option<Value> {
        held.as_deref().map(Value::text)
    }
}

impl Kind for TransportNames {
    type Held = Option<Vec<String>>;
    const SHAPE: Shape = Shape::Texts {
        example: "websocket",
        or_one: false,
    };

    fn read(value: &Value) -> Result<Self::Held, Vec<Mistake>> {
        let names: Vec<_> = TRANSPORTS.iter().map(|transport| transport.name).collect();
        let expected = format!("a list of names of transports: {}", names.join(", "));
        let list = list(value, &expected, |text| {
            if names.contains(&text) {
                Ok(text.to_owned())
            } else {
                Err(format!(
                    "there is no transport {text:?}{}",
                    super::key::nearest(text, &names)
                ))
            }
        })?;
        if list.is_empty() {
            let what = "the list is empty; leave it out for all transports, or name at least one";
            return refused(value, what);
        }
        Ok(Some(list))
    }

    fn write(held: &Self::Held) -> Option<Value> {
        held.as_ref()
            .map(|names| Value::list(names.iter().cloned()))
    }
}

/// Addresses and networks.
fn networks(value: &Value) -> Result<Vec<IpNet>, Vec<Mistake>> {
    let expected = "a list of addresses and networks, like [\"10.0.0.0/8\", \"::1\"]";
    let networks = list(value, expected, |text| parse_networks(&[text]))?;
    Ok(networks.into_iter().flatten().collect())
}

impl Kind for Proxies {
    type Held = TrustedProxies;
    const SHAPE: Shape = Shape::Texts {
        example: "10.0.0.0/8",
        or_one: false,
    };

    fn read(value: &Value) -> Result<TrustedProxies, Vec<Mistake>> {
        let expected = "a list of addresses and networks, like [\"10.0.0.0/8\", \"::1\"], and \"unix\" for Unix sockets";
        let entries = list(value, expected, |text| {
            TrustedProxies::from_list(&[text]).map(|_| text.to_owned())
        })?;
        TrustedProxies::from_list(&entries).or_else(|what| refused(value, what))
    }

    fn write(held: &TrustedProxies) -> Option<Value> {
        Some(Value::list(held.entries()))
    }
}

impl Kind for Clients {
    type Held = Vec<IpNet>;
    const SHAPE: Shape = Shape::Texts {
        example: "10.1.0.0/16",
        or_one: false,
    };

    fn read(value: &Value) -> Result<Self::Held, Vec<Mistake>> {
        let networks = networks(value)?;
        if networks.is_empty() {
            let what = "the list is empty; write the networks it is for, like [\"10.1.0.0/16\"]";
            return refused(value, what);
        }
        Ok(networks)
    }

    fn write(held: &Self::Held) -> Option<Value> {
        Some(Value::list(held.iter().map(ToString::to_string)))
    }
}

/// The name of a field that upstreams may be sent.
pub(super) fn upstream_field(text: &str) -> Result<HeaderName, String> {
    let name = HeaderName::try_from(text)
        .map_err(|_| format!("{text:?} is not the name of a header field"))?;
    check_passed_on(&name).map_err(|error| error.to_string())?;
    Ok(name)
}

impl Kind for FieldNames {
    type Held = Vec<HeaderName>;
    const SHAPE: Shape = Shape::Texts {
        example: "cookie",
        or_one: false,
    };

    fn read(value: &Value) -> Result<Self::Held, Vec<Mistake>> {
        let expected = "a list of names of header fields, like [\"cookie\", \"x-tenant\"]";
        list(value, expected, upstream_field)
    }

    fn write(held: &Self::Held) -> Option<Value> {
        Some(Value::list(held.iter().map(ToString::to_string)))
    }
}
