//! How tables of `auth` become authenticators, and the kinds of their values.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;

use crate::auth::{
    ForwardAuth, ForwardConfig, JwksConfig, Jwt, JwtConfig, KeyError, Keys, Mtls, MtlsConfig,
    Source, SubjectFrom, Terms,
};
use crate::identity::{Authentication, SessionBinding};

use super::key::{Kind, Shape, nearest};
use super::keys::AUTH;
use super::mistake::Mistake;
use super::tables::{Entries, Wrong, described, label_of, show_all, write_all};
use super::units;
use super::value::{Content, Origin, Table, Value};
use super::{Config, ServiceSettings, find};

/// What takes a service out of the `auth` of `[defaults]`.
const NOBODY: &str = "none";

/// An authenticator as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthTable {
    pub(super) name: Option<String>,
    pub(super) secret_file: Option<PathBuf>,
    pub(super) jwks_file: Option<PathBuf>,
    pub(super) jwks_url: Option<String>,
    pub(super) client_certificate: Option<SubjectFrom>,
    pub(super) forward_url: Option<String>,
    pub(super) sources: Option<Vec<Source>>,
    pub(super) pass_token: bool,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) timeout: Duration,
    pub(super) jwks: JwksConfig,
    pub(super) forward: ForwardConfig,
    pub(super) jwt: JwtConfig,
    pub(super) terms: Terms,
}

impl Default for AuthTable {
    fn default() -> Self {
        let jwks = JwksConfig::new("");
        Self {
            name: None,
            secret_file: None,
            jwks_file: None,
            jwks_url: None,
            client_certificate: None,
            forward_url: None,
            sources: None,
            pass_token: false,
            ca_file: None,
            timeout: jwks.timeout,
            jwks,
            forward: ForwardConfig::new(""),
            jwt: JwtConfig::default(),
            terms: Terms::default(),
        }
    }
}

/// Keys that say how somebody proves who it is, and those that mean something beside each.
const WAYS: &[(&str, &[&[&str]])] = &[
    ("secret_file", &[OF_TOKENS]),
    ("jwks_file", &[OF_TOKENS]),
    (
        "jwks_url",
        &[OF_TOKENS, OF_URLS, &["jwks_refresh", "jwks_keep"]],
    ),
    ("client_certificate", &[]),
    (
        "forward_url",
        &[
            OF_URLS,
            &[
                "from",
                "pass_token",
                "subject_field",
                "each_request",
                "cache",
            ],
        ],
    ),
];
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
const OF_URLS: &[&str] = &[
    "ca_file",
    "timeout",
    "unavailable_code",
    "unavailable_reason",
];

/// Whether a key means something beside one of [`WAYS`].
fn belongs(key: &str, beside: &[&[&str]]) -> bool {
    beside.iter().any(|keys| keys.contains(&key))
}

/// With which ways to prove who it is a key means something, unless it does with all.
pub(super) fn needed(key: &str) -> Option<String> {
    let ways = WAYS.iter().filter(|(_, beside)| belongs(key, beside));
    let ways: Vec<_> = ways.map(|(way, _)| *way).collect();
    let (last, before) = ways.split_last()?;
    let message = if key == "message_timeout" {
        ", and \"message\" in from"
    } else {
        ""
    };
    Some(match before {
        [] => format!("{last}{message}"),
        before => format!("{} or {last}{message}", before.join(", ")),
    })
}

/// Authenticators.
pub(super) struct Auths;

impl AuthTable {
    /// Its keys, and whom they are taken from.
    pub(super) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let files = [&self.secret_file, &self.jwks_file, &self.ca_file];
        files.into_iter().flatten()
    }

    fn awaits_messages(&self) -> bool {
        let sources = self.sources.as_ref();
        sources.is_some_and(|sources| sources.contains(&Source::Message))
    }

    /// Whether it knows something that it would have to ask for again.
    fn asks_others(&self) -> bool {
        self.jwks_url.is_some() || self.forward_url.is_some()
    }
}

const ENTRIES: Entries<AuthTable> = Entries {
    keys: AUTH,
    label: |table| label_of(table, "name").map(|name| format!("{name:?}")),
    check: |auth, table| {
        let mut wrong: Vec<Wrong> = Vec::new();
        match (table.get("name"), auth.name.as_deref()) {
            (None, _) => {
                let what = "is missing; write the name that services call it by";
                wrong.push(("name", what.into()));
            }
            (_, Some(NOBODY)) => {
                let what = "\"none\" stands for no authentication; write another name";
                wrong.push(("name", what.into()));
            }
            _ => {}
        }
        let ways = WAYS.iter().filter(|(key, _)| table.get(key).is_some());
        match ways.collect::<Vec<_>>().as_slice() {
            [] => {
                let what = "says nothing of how somebody proves who it is; write jwks_url, jwks_file, secret_file, client_certificate or forward_url";
                wrong.push(("", what.into()));
            }
            [(way, beside)] => {
                // Keys that are beside some way, and not beside this.
                let others = keys_beside_ways();
                let others = others.filter(|key| !belongs(key, beside) && table.get(key).is_some());
                wrong.extend(others.map(|key| {
                    let what = format!("means nothing beside {way}; leave it out");
                    (key, what.into())
                }));
                let is_of_tokens = belongs("message_timeout", beside);
                if is_of_tokens && table.get("message_timeout").is_some() && !auth.awaits_messages()
                {
                    let what =
                        "is for tokens in messages; write \"message\" into from, or leave this out";
                    wrong.push(("message_timeout", what.into()));
                }
            }
            [_, further @ ..] => {
                let what = "two ways to prove who somebody is cannot be mixed; leave out all but one, or write two [[auth]]";
                wrong.extend(further.iter().map(|(way, _)| (*way, what.into())));
            }
        }
        wrong
    },
};

/// Keys that mean something beside some of [`WAYS`], each once.
fn keys_beside_ways() -> impl Iterator<Item = &'static str> {
    let keys = WAYS.iter().flat_map(|(_, keys)| *keys);
    let keys: BTreeSet<_> = keys.flat_map(|keys| *keys).copied().collect();
    keys.into_iter()
}

impl Kind for Auths {
    type Held = Vec<AuthTable>;
    const SHAPE: Shape = Shape::Tables(|| described(AUTH, &AuthTable::default(), &[]));

    fn read(value: &Value) -> Result<Self::Held, Vec<Mistake>> {
        ENTRIES.read(value)
    }

    fn write(held: &Self::Held) -> Option<Value> {
        write_all(held, AUTH).map(|value| with_meaning(value, held))
    }

    fn show(held: &Self::Held) -> Option<Value> {
        show_all(held, AUTH).map(|value| with_meaning(value, held))
    }
}

/// What is wrong, and with which key.
type WrongKey = (&'static str, String);

impl AuthTable {
    /// Errors name the keys.
    fn build(&self) -> Result<Authentication, Vec<WrongKey>> {
        let mut wrong = Vec::new();
        if self.forward_url.is_some()
            && let Err(what) = self.forwarding().check_sources()
        {
            wrong.push(("from", what));
        }
        if self.jwks_url.is_some() && self.jwks.keep < self.jwks.refresh {
            let what = format!(
                "{} is shorter than jwks_refresh ({}): keys would cease to hold before they are read again; write a longer jwks_keep or a shorter jwks_refresh",
                units::write_duration(self.jwks.keep),
                units::write_duration(self.jwks.refresh)
            );
            wrong.push(("jwks_keep", what));
        }
        match self.authentication() {
            Ok(built) if wrong.is_empty() => Ok(built),
            built => {
                wrong.extend(built.err());
                Err(wrong)
            }
        }
    }

    fn forwarding(&self) -> ForwardConfig {
        let mut config = self.forward.clone();
        config.ca_file.clone_from(&self.ca_file);
        config.timeout = self.timeout;
        if let Some(sources) = &self.sources {
            config.sources.clone_from(sources);
        }
        config.pass_token = self.pass_token;
        config.terms = self.terms.clone();
        config
    }

    fn authentication(&self) -> Result<Authentication, WrongKey> {
        let read = |key, path: &std::path::Path| {
            let failed = |error| (key, format!("cannot read {}: {error}", path.display()));
            std::fs::read(path).map_err(failed)
        };
        let wrong = |key, path: &std::path::Path, error: KeyError| {
            (key, format!("{}: {error}", path.display()))
        };
        // What is wrong with the certificates names their file.
        let ca_file = self.ca_file.as_ref().map(|path| path.display().to_string());
        let of_url = |key: &'static str| {
            let ca_file = ca_file.clone();
            move |what: String| match ca_file {
                Some(path) if what.contains(&path) => ("ca_file", what),
                _ => (key, what),
            }
        };
        if let Some(subject_from) = self.client_certificate {
            let config = MtlsConfig {
                subject_from,
                terms: self.terms.clone(),
            };
            return Ok(Authentication::new(Mtls::new(config)));
        }
        if let Some(url) = &self.forward_url {
            let mut config = self.forwarding();
            config.name.clone_from(&self.name);
            config.url.clone_from(url);
            let built = ForwardAuth::new(config).map_err(of_url("forward_url"));
            return built.map(Authentication::new);
        }
        let mut config = self.jwt.clone();
        if let Some(sources) = &self.sources {
            config.sources.clone_from(sources);
        }
        config.pass_token = self.pass_token;
        config.terms = self.terms.clone();
        let keys = match (&self.secret_file, &self.jwks_file, &self.jwks_url) {
            (Some(path), ..) => {
                let secret = read("secret_file", path)?;
                // Editors end files with a newline.
                let secret = secret.trim_ascii_end();
                Keys::secret(secret).map_err(|error| wrong("secret_file", path, error))?
            }
            (None, Some(path), _) => Keys::set(&read("jwks_file", path)?)
                .map_err(|error| wrong("jwks_file", path, error))?,
            (None, None, Some(url)) => {
                let mut jwks = self.jwks.clone();
                jwks.name.clone_from(&self.name);
                jwks.url.clone_from(url);
                jwks.ca_file.clone_from(&self.ca_file);
                jwks.timeout = self.timeout;
                let built = Jwt::with_url(jwks, config).map_err(of_url("jwks_url"));
                return built.map(Authentication::new);
            }
            (None, None, None) => return Err(("", "has no key".to_owned())),
        };
        Ok(Authentication::new(Jwt::new(keys, config)))
    }
}

/// Whether one of these is a mistake of this key.
fn is_of(mistakes: &[Mistake], key: &str) -> bool {
    mistakes.iter().any(|mistake| mistake.key == key)
}

/// What can only be said beside something else is left out without it, so that what is written can be read.
fn with_meaning(mut value: Value, held: &[AuthTable]) -> Value {
    let Content::List(values) = &mut value.content else {
        return value;
    };
    for (value, auth) in values.iter_mut().zip(held) {
        let Content::Table(table) = &mut value.content else {
            continue;
        };
        let mut ways = WAYS.iter();
        let way = ways.find(|(key, _)| table.get(key).is_some());
        let beside = way.map_or(&[][..], |(_, beside)| beside);
        for key in keys_beside_ways().filter(|key| !belongs(key, beside)) {
            table.take(key);
        }
        if !auth.awaits_messages() {
            table.take("message_timeout");
        }
    }
    value
}

/// Whether what is asked there is not encrypted, and leaves this host.
fn is_open_to_others(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else {
        return false;
    };
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_here = match host.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    };
    uri.scheme_str() == Some("http") && !is_here
}

impl Config {
    /// The authenticators by their names, and what is wrong with them.
    pub(super) fn build_authenticators(
        &self,
        mistakes: &mut Vec<Mistake>,
    ) -> HashMap<String, Authentication> {
        let (mut built, mut known) = (HashMap::new(), HashSet::new());
        for (index, table) in self.tables("auth") {
            let (auth, of_keys) = ENTRIES.read_one(table);
            let is_right = of_keys.is_empty() && (ENTRIES.check)(&auth, table).is_empty();
            let name = auth.name.clone().unwrap_or_default();
            let mut wrong = |key: &str, what: String| {
                let origin = self.origin_of_auth(index, key);
                let mistake = Mistake::new(&origin, key, what);
                let label = label_of(table, "name").map(|name| format!("{name:?}"));
                let mistake = match label {
                    Some(label) => mistake.of_one(&label),
                    None => mistake,
                };
                mistakes.push(mistake.within("auth"));
            };
            if !name.is_empty() && !known.insert(name.clone()) {
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
                // Where a key is wrong, others are not known to be; but files are what they are.
                Err(found) => found
                    .into_iter()
                    .filter(|(key, _)| {
                        is_right || (key.ends_with("_file") && !is_of(&of_keys, key))
                    })
                    .for_each(|(key, what)| wrong(key, what)),
            }
        }
        built
    }

    /// Takes over the authenticators of `earlier` that are the same and know what they would have to ask others for again.
    pub fn inherit(&mut self, earlier: &Self) {
        for auth in self.auths.iter().filter(|auth| auth.asks_others()) {
            let name = auth.name.as_deref().unwrap_or_default();
            let known = earlier.auths.contains(auth);
            let Some(known) = earlier.authenticators.get(name).filter(|_| known) else {
                continue;
            };
            let replaced = self.authenticators.insert(name.to_owned(), known.clone());
            for service in &mut self.services {
                let config = &mut service.settings.config;
                if config.auth.is_some() && config.auth == replaced {
                    config.auth = Some(known.clone());
                }
            }
        }
    }

    /// Lets authenticators get what they need from others, all at once; for each that could not, its name and what is wrong.
    pub async fn prepare(&self) -> Vec<(String, String)> {
        let preparing = self.authenticators.iter().map(|(name, auth)| async move {
            let problem = auth.prepare().await.err()?;
            Some((name.clone(), problem))
        });
        let prepared = futures_util::future::join_all(preparing).await;
        let mut problems: Vec<_> = prepared.into_iter().flatten().collect();
        problems.sort();
        problems
    }

    /// Servers that say who is let in, and may be played by whoever is on the way to them.
    pub(super) fn auth_warnings(&self) -> impl Iterator<Item = Mistake> {
        let urls = self.auths.iter().enumerate().flat_map(|(index, auth)| {
            let urls = [
                ("jwks_url", &auth.jwks_url),
                ("forward_url", &auth.forward_url),
            ];
            urls.map(|(key, url)| (index, auth, key, url.as_deref()))
        });
        let open = urls.filter(|(.., url)| url.is_some_and(is_open_to_others));
        open.map(|(index, auth, key, _)| {
            let origin = self.origin_of_auth(index, key);
            let key = format!("auth {:?}: {key}", auth.name.as_deref().unwrap_or_default());
            let what = "is http:// to another host: who is on the way can let anybody in; https:// keeps them out";
            Mistake::new(&origin, &key, what)
        })
    }

    fn asks_for_certificates(&self) -> bool {
        let mut listeners = self.tables("listener");
        listeners.any(|(_, listener)| listener.get("client_ca").is_some())
    }

    /// As they are written: also of those that have a mistake, which is told where it is.
    fn names_of_auths(&self) -> Vec<&str> {
        let tables = self.tables("auth");
        let named = tables.filter_map(|(_, table)| table.get("name"));
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
