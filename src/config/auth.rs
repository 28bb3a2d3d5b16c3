//! How tables of `auth` become authenticators, and the kinds of their values.

use std::collections::HashMap;

use http::header::HeaderName;

use crate::auth::{Jwt, JwtConfig, KeyError, Keys, Mtls, MtlsConfig, Source, SubjectFrom, Terms};
use crate::identity::{Authentication, SessionBinding};

use super::key::{Kind, Shape, nearest};
use super::keys::AUTH;
use super::kinds::{Choice, list, refused, upstream_field};
use super::mistake::Mistake;
use super::tables::{described, read_all, write_all};
use super::value::{Content, Origin, Table, Value};
use super::{Config, ServiceSettings, find};

/// What takes a service out of the `auth` of `[defaults]`.
const NOBODY: &str = "none";

/// An authenticator as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthTable {
    pub(super) name: Option<String>,
    pub(super) secret_file: Option<std::path::PathBuf>,
    pub(super) jwks_file: Option<std::path::PathBuf>,
    pub(super) client_certificate: Option<SubjectFrom>,
    pub(super) jwt: JwtConfig,
    pub(super) terms: Terms,
}

/// How an authenticator proves who somebody is: the key that says so, and which keys beside it mean something.
struct Way {
    key: &'static str,
    tokens: bool,
}

const WAYS: &[Way] = &[
    Way {
        key: "secret_file",
        tokens: true,
    },
    Way {
        key: "jwks_file",
        tokens: true,
    },
    Way {
        key: "client_certificate",
        tokens: false,
    },
];

/// Keys that are about tokens.
const OF_TOKENS: &[&str] = &[
    "from",
    "message_timeout",
    "audience",
    "issuer",
    "token_type",
    "leeway",
    "require_expiry",
    "pass_token",
];

/// Authenticators.
pub(super) struct Auths;

/// Places of tokens, at least one.
pub(super) struct Sources;

/// Texts.
pub(super) struct Texts;

/// A text.
pub(super) struct OneText;

/// Fields of upstreams, and the claims that they get.
pub(super) struct UpstreamFields;

impl AuthTable {
    /// Its keys.
    pub(super) fn files(&self) -> impl Iterator<Item = &std::path::PathBuf> {
        self.secret_file.iter().chain(&self.jwks_file)
    }
}

impl Choice for SubjectFrom {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("cn", Self::CommonName),
        ("dns", Self::Dns),
        ("email", Self::Email),
        ("uri", Self::Uri),
    ];
}

impl Choice for SessionBinding {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("identity", Self::Identity),
        ("cookie", Self::Cookie),
        ("none", Self::None),
    ];
}

impl Kind for Auths {
    type Held = Vec<AuthTable>;
    const SHAPE: Shape = Shape::Tables(|| described(AUTH, &AuthTable::default(), &[]));

    fn read(value: &Value) -> Result<Self::Held, Vec<Mistake>> {
        read_all(value, &AuthTable::default(), AUTH, |auth, table| {
            let mut ways = WAYS.iter().filter(|way| table.get(way.key).is_some());
            let way = match (&auth.name, ways.next(), ways.next()) {
                (None, ..) => {
                    let what = "is missing; write the name that services call it by";
                    return Some(("name", what));
                }
                (Some(name), ..) if name == NOBODY => {
                    let what = "\"none\" stands for no authentication; write another name";
                    return Some(("name", what));
                }
                (_, None, _) => {
                    let what = "says nothing of how somebody proves who it is; write jwks_file, secret_file or client_certificate";
                    return Some(("", what));
                }
                (_, Some(_), Some(second)) => {
                    let what = "two ways to prove who somebody is cannot be mixed; leave out all but one, or write two [[auth]]";
                    return Some((second.key, what));
                }
                (_, Some(way), None) => way,
            };
            let of_tokens = OF_TOKENS.iter().find(|key| table.get(key).is_some());
            if let Some(key) = of_tokens.filter(|_| !way.tokens) {
                return Some((
                    key,
                    "is about tokens, and there are none here; leave it out",
                ));
            }
            if table.get("message_timeout").is_some()
                && !auth.jwt.sources.contains(&Source::Message)
            {
                let what =
                    "is for tokens in messages; write \"message\" into from, or leave this out";
                return Some(("message_timeout", what));
            }
            None
        })
    }

    fn write(held: &Self::Held) -> Option<Value> {
        write_all(held, AUTH)
    }
}

impl Kind for Sources {
    type Held = Vec<Source>;
    const SHAPE: Shape = Shape::Texts {
        example: "cookie:session",
        or_one: false,
    };

    fn read(value: &Value) -> Result<Self::Held, Vec<Mistake>> {
        let expected = "a list of places, like [\"cookie:session\", \"query:token\", \"header\"]";
        let sources = list(value, expected, str::parse)?;
        if sources.is_empty() {
            let what =
                "the list is empty; leave it out for \"header\", or write at least one place";
            return refused(value, what);
        }
        Ok(sources)
    }

    fn write(held: &Self::Held) -> Option<Value> {
        Some(Value::list(held.iter().map(ToString::to_string)))
    }
}

impl Kind for Texts {
    type Held = Vec<String>;
    const SHAPE: Shape = Shape::Texts {
        example: "https://login.example.com",
        or_one: true,
    };

    fn read(value: &Value) -> Result<Self::Held, Vec<Mistake>> {
        match &value.content {
            Content::Text(text) => Ok(vec![text.clone()]),
            _ => list(value, "a text, or a list of texts", |text| {
                Ok(text.to_owned())
            }),
        }
    }

    fn write(held: &Self::Held) -> Option<Value> {
        Some(Value::list(held.iter().cloned()))
    }
}

impl Kind for OneText {
    type Held = String;
    const SHAPE: Shape = Shape::Text("at+jwt");

    fn read(value: &Value) -> Result<Self::Held, Vec<Mistake>> {
        match &value.content {
            Content::Text(text) => Ok(text.clone()),
            _ => Err(vec![Mistake::of_value(value, "a text; write it in quotes")]),
        }
    }

    fn write(held: &Self::Held) -> Option<Value> {
        Some(Value::text(held))
    }
}

impl Kind for UpstreamFields {
    type Held = Vec<(HeaderName, String)>;
    const SHAPE: Shape = Shape::Texts {
        example: "x-user=sub",
        or_one: false,
    };

    fn read(value: &Value) -> Result<Self::Held, Vec<Mistake>> {
        let expected = "a list of fields and claims, like [\"x-user=sub\", \"x-roles=roles\"]";
        list(value, expected, |text| {
            let (name, claim) = text
                .split_once('=')
                .filter(|(_, claim)| !claim.is_empty())
                .ok_or_else(|| {
                    format!("{text:?} is no field and its claim; write them like \"x-user=sub\"")
                })?;
            Ok((upstream_field(name)?, claim.to_owned()))
        })
    }

    fn write(held: &Self::Held) -> Option<Value> {
        let texts = held.iter().map(|(name, claim)| format!("{name}={claim}"));
        Some(Value::list(texts))
    }
}

impl AuthTable {
    /// Errors name the key.
    fn build(&self) -> Result<Authentication, (&'static str, String)> {
        let read = |key, path: &std::path::Path| {
            let failed = |error| (key, format!("cannot read {}: {error}", path.display()));
            std::fs::read(path).map_err(failed)
        };
        let wrong = |key, path: &std::path::Path, error: KeyError| {
            (key, format!("{}: {error}", path.display()))
        };
        if let Some(subject_from) = self.client_certificate {
            let mut config = MtlsConfig::default();
            config.subject_from = subject_from;
            config.terms = self.terms.clone();
            return Ok(Authentication::new(Mtls::new(config)));
        }
        let keys = match (&self.secret_file, &self.jwks_file) {
            (Some(path), _) => {
                let secret = read("secret_file", path)?;
                // Editors end files with a newline.
                let secret = secret.trim_ascii_end();
                Keys::secret(secret).map_err(|error| wrong("secret_file", path, error))?
            }
            (None, Some(path)) => Keys::set(&read("jwks_file", path)?)
                .map_err(|error| wrong("jwks_file", path, error))?,
            (None, None) => return Err(("", "has no key".to_owned())),
        };
        let mut config = self.jwt.clone();
        config.terms = self.terms.clone();
        Ok(Authentication::new(Jwt::new(keys, config)))
    }
}

impl Config {
    /// The authenticators by their names, and what is wrong with them.
    pub(super) fn authenticators(
        &self,
        mistakes: &mut Vec<Mistake>,
    ) -> HashMap<String, Authentication> {
        let mut built = HashMap::new();
        for (index, auth) in self.auths.iter().enumerate() {
            let name = auth.name.clone().unwrap_or_default();
            let mut wrong = |key: &'static str, what: String| {
                let origin = self.origin_of_auth(index, key);
                let key = format!("auth {name:?}: {key}");
                mistakes.push(Mistake::new(
                    &origin,
                    key.trim_end_matches([':', ' ']),
                    what,
                ));
            };
            if built.contains_key(&name) {
                wrong("name", "is there twice; write another name".to_owned());
                continue;
            }
            if auth.client_certificate.is_some() && !self.asks_for_certificates() {
                let what = "no listener asks clients for certificates; write client_ca into a [[listener]] with TLS";
                wrong("client_certificate", what.to_owned());
                continue;
            }
            match auth.build() {
                Ok(authentication) => {
                    built.insert(name, authentication);
                }
                Err((key, what)) => wrong(key, what),
            }
        }
        built
    }

    fn asks_for_certificates(&self) -> bool {
        // Of listeners with a mistake it is not known.
        let mut listeners = self.listeners.iter();
        let unknown = self.listeners.is_empty() && self.given.get("listener").is_some();
        unknown || listeners.any(|listener| listener.tls.client_ca.is_some())
    }

    /// As they are written: also of those that have a mistake, which is told where it is.
    fn names_of_auths(&self) -> Vec<&str> {
        let tables = match self.given.get("auth").map(|value| &value.content) {
            Some(Content::List(tables)) => tables.as_slice(),
            _ => &[],
        };
        let named = tables.iter().filter_map(|table| find(table, "", "name"));
        let texts = named.filter_map(|name| match &name.content {
            Content::Text(text) => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }

    fn origin_of_auth(&self, index: usize, key: &str) -> Origin {
        let table = self.table("auth", index);
        let value = table.and_then(|table| find(table, "", key));
        value
            .or(table)
            .map(|value| value.origin.clone())
            .unwrap_or_default()
    }
}

impl ServiceSettings {
    /// Finds the authenticator that the service names. `table` is its own, `defaults` those of all services.
    pub(super) fn authenticate(
        &mut self,
        known: &Config,
        built: &HashMap<String, Authentication>,
        table: &Table,
    ) -> Result<(), Mistake> {
        let origin = |key: &str| {
            let shared = match known.given.get("defaults").map(|value| &value.content) {
                Some(Content::Table(defaults)) => defaults.get(key),
                _ => None,
            };
            let value = table.get(key).or(shared);
            value.map(|value| value.origin.clone()).unwrap_or_default()
        };
        if let Some(name) = self.auth.as_deref().filter(|name| *name != NOBODY) {
            let names = known.names_of_auths();
            if !names.contains(&name) {
                let what = match names.is_empty() {
                    true => format!(
                        "there is no authenticator {name:?}; write [[auth]] with name = {name:?} and its keys"
                    ),
                    false => format!(
                        "there is no authenticator {name:?}{}",
                        nearest(name, &names)
                    ),
                };
                return Err(Mistake::new(&origin("auth"), "auth", what));
            }
            // One that could not be built is told of where it stands.
            self.config.auth = built.get(name).cloned();
        } else if self.config.session_binding == Some(SessionBinding::Identity) {
            let what = "there is no identity without authentication; write auth, or leave this out";
            let origin = origin("session_binding");
            return Err(Mistake::new(&origin, "session_binding", what));
        }
        if let Err(error) = self.config.check_binding() {
            let origin = origin("session_binding");
            return Err(Mistake::new(&origin, "session_binding", error.to_string()));
        }
        Ok(())
    }
}
