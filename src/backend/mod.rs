//! What sessions can talk to, by URL. To add a kind: one file with an `impl Backend`, one row in [`KINDS`].

mod amplify;
mod broadcast;
mod close;
mod echo;
pub mod upstream;

use std::fmt;
use std::sync::Arc;

use crate::registry::Backend;

pub use upstream::{Upstream, UpstreamConfig};

/// One kind of backend: how its URL starts, what it is, how it is made.
#[derive(Debug)]
pub struct Kind {
    /// `echo:`, `ws:`, …
    pub scheme: &'static str,
    /// One line for people.
    pub about: &'static str,
    build: Build,
}

/// Makes a backend from its URL.
type Build = fn(&str, &UpstreamConfig) -> Result<Arc<dyn Backend>, BackendError>;

/// Every kind there is.
pub static KINDS: &[Kind] = &[
    Kind {
        scheme: "echo:",
        about: "sends every message back",
        build: |_, _| Ok(Arc::new(echo::serve)),
    },
    Kind {
        scheme: "close:",
        about: "closes every session with 3000 \"Go away!\"",
        build: |_, _| Ok(Arc::new(close::serve)),
    },
    Kind {
        scheme: "broadcast:",
        about: "sends every message to all sessions of the service",
        build: |_, _| Ok(Arc::new(broadcast::Broadcast::default())),
    },
    Kind {
        scheme: "amplify:",
        about: "answers the number n with 2^n characters",
        build: |_, _| Ok(Arc::new(amplify::serve)),
    },
    Kind {
        scheme: "ws:",
        about: "a WebSocket server: one connection per session",
        build: upstream,
    },
    Kind {
        scheme: "wss:",
        about: "a WebSocket server behind TLS",
        build: upstream,
    },
];

fn upstream(url: &str, config: &UpstreamConfig) -> Result<Arc<dyn Backend>, BackendError> {
    Upstream::new(url, config.clone()).map(|upstream| Arc::new(upstream) as Arc<dyn Backend>)
}

/// Makes the backend of a URL such as `ws://127.0.0.1:9000/socket` or `echo:`.
///
/// # Errors
/// [`BackendError`] when there is no such kind, or the URL is wrong for its kind.
pub fn from_url(url: &str, config: &UpstreamConfig) -> Result<Arc<dyn Backend>, BackendError> {
    (kind_of(url)?.build)(url, config)
}

/// Checks that there is a kind of backend for a URL.
///
/// # Errors
/// [`BackendError::UnknownKind`]
pub(crate) fn kind_of(url: &str) -> Result<&'static Kind, BackendError> {
    let kind = KINDS.iter().find(|kind| url.starts_with(kind.scheme));
    let kind = kind.ok_or_else(|| BackendError::UnknownKind(without_secrets(url)))?;
    let dials = matches!(kind.scheme, "ws:" | "wss:");
    if !dials && url != kind.scheme {
        return Err(BackendError::UnknownKind(without_secrets(url)));
    }
    Ok(kind)
}

/// A URL for people: without user name, password, query and fragment. Whatever stands in front of the last `@` is hidden, since
/// a password may hold anything.
pub(crate) fn without_secrets(url: &str) -> String {
    let start = url.find("://").map_or(0, |at| at + 3);
    let (scheme, rest) = url.split_at(start);
    let (hidden, rest) = match rest.rfind('@') {
        Some(at) => ("…", &rest[at..]),
        None => ("", rest),
    };
    match rest.find(['?', '#']) {
        Some(at) => format!("{scheme}{hidden}{}…", &rest[..=at]),
        None => format!("{scheme}{hidden}{rest}"),
    }
}

/// A backend's URL or options are wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BackendError {
    /// No kind has this scheme.
    UnknownKind(String),
    /// Not a URL of its kind.
    InvalidUrl {
        /// The URL.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// A header field that must not be passed on.
    ForbiddenHeader(String),
    /// TLS cannot be used.
    Tls(String),
}

impl fmt::Display for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKind(url) => {
                let kinds: Vec<_> = KINDS.iter().map(|kind| kind.scheme).collect();
                write!(
                    f,
                    "{url:?} is not a backend: write one of {}, with the URL of a server behind ws: and wss:",
                    kinds.join(" ")
                )
            }
            Self::InvalidUrl { url, why } => {
                write!(
                    f,
                    "{url:?} is not a backend: {why}; it must look like \"ws://127.0.0.1:9000/socket\""
                )
            }
            Self::ForbiddenHeader(name) => write!(
                f,
                "header field {name:?} cannot be passed on: it belongs to one connection, or to the WebSocket handshake"
            ),
            Self::Tls(why) => write!(f, "wss:// cannot be used: {why}"),
        }
    }
}

impl std::error::Error for BackendError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// What may be secret is shown to nobody.
    #[test]
    fn secrets_of_urls_are_hidden() {
        for (url, shown) in [
            ("ws://host:1/a", "ws://host:1/a"),
            ("ws://user:se/cr?e#t@host/a", "ws://…@host/a"),
            ("ws://host/a?token=x#y", "ws://host/a?…"),
            ("ws://host/a#token", "ws://host/a#…"),
            ("ws:/user:secret@host", "…@host"),
            ("echo:", "echo:"),
        ] {
            assert_eq!(without_secrets(url), shown);
        }
    }

    /// Every kind of the table can be made, and nothing else.
    #[test]
    fn urls_choose_their_kind() {
        for url in [
            "echo:",
            "close:",
            "broadcast:",
            "amplify:",
            "ws://127.0.0.1:1/x",
        ] {
            assert!(from_url(url, &UpstreamConfig::default()).is_ok(), "{url}");
        }
        for url in [
            "",
            "echo:x",
            "http://127.0.0.1",
            "ws:",
            "ws://",
            "ws://user:secret@host/",
            "ws://host/#x",
            "ws://h:99999/",
            "ws://h:abc/",
            "ws://h:0/",
            "ws://[::1]:x/",
        ] {
            assert!(from_url(url, &UpstreamConfig::default()).is_err(), "{url}");
        }
    }
}
