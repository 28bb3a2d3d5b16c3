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
    kind.ok_or_else(|| BackendError::UnknownKind(without_secrets(url)))
}

/// A backend's URL for people: without user name, password and query.
pub(crate) fn without_secrets(url: &str) -> String {
    let (url, query) = match url.split_once('?') {
        Some((url, _)) => (url, "?…"),
        None => (url, ""),
    };
    let scheme = url.find("://").map_or(0, |at| at + 3);
    let authority_end = url[scheme..].find('/').map_or(url.len(), |at| scheme + at);
    match url[scheme..authority_end].rfind('@') {
        Some(at) => format!("{}…{}{query}", &url[..scheme], &url[scheme + at..]),
        None => format!("{url}{query}"),
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
                    "{url:?} is not a backend: it must start with one of {}",
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
