//! What is checked of the operators' side, and the kinds of its values.

use std::sync::Arc;

use crate::server::ListenAddress;
use crate::service::UpstreamHealth;

use super::key::{Kind, Shape};
use super::kinds::{Choice, refused};
use super::mistake::Mistake;
use super::value::{Content, Origin, Value};
use super::{Config, find, interpret};

/// A path of a URL.
pub(super) struct UrlPath;

impl Choice for UpstreamHealth {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("ignore", Self::Ignore),
        ("any", Self::Any),
        ("all", Self::All),
    ];
}

impl Kind for UrlPath {
    type Held = Arc<str>;
    const SHAPE: Shape = Shape::Text("/ready");

    fn read(value: &Value) -> Result<Arc<str>, Vec<Mistake>> {
        let Content::Text(text) = &value.content else {
            return Err(vec![Mistake::of_value(
                value,
                "a path; write it in quotes, like \"/ready\"",
            )]);
        };
        let allowed = |byte: u8| byte.is_ascii_graphic() && !b"?#\"<>\\".contains(&byte);
        if !text.starts_with('/') || !text.bytes().all(allowed) {
            let what = format!(
                "{text:?} is not a path; it must start with / and hold no blanks, quotes, ? or #, like \"/ready\""
            );
            return refused(value, what);
        }
        Ok(text.as_str().into())
    }

    fn write(held: &Arc<str>) -> Option<Value> {
        Some(Value::text(held.to_string()))
    }
}

impl Config {
    /// A listener that lets strangers in, or is where another one is.
    pub(super) fn check_admin(&self, mistakes: &mut Vec<Mistake>) {
        // With one of its keys wrong, it is not known whom it lets in.
        let is_known = interpret::of_section(mistakes, "admin").is_empty();
        if let Err(error) = self
            .admin
            .check()
            .or_else(|error| if is_known { Err(error) } else { Ok(()) })
        {
            let origin = self.origin_of("admin", error.key);
            let key = format!("admin.{}", error.key);
            mistakes.push(Mistake::new(&origin, key, error.what));
        }
        let Some(listen) = &self.admin.listen else {
            return;
        };
        let takes_free = matches!(listen, ListenAddress::Tcp(tcp) if tcp.port() == 0);
        let mut others = self.places().into_iter();
        if !takes_free && others.any(|other| other.address == *listen) {
            let origin = self.origin_of("admin", "listen");
            let what = format!("services are at {listen}; write another address");
            mistakes.push(Mistake::new(&origin, "admin.listen", what));
        }
    }

    /// Health that would be where a service or the admin listener has something else.
    pub(super) fn check_health_paths(&self, prefixes: &[Arc<str>], mistakes: &mut Vec<Mistake>) {
        let health = &self.gateway.health;
        let paths = [
            ("live_path", &health.live_path),
            ("ready_path", &health.ready_path),
        ];
        if health.live_path == health.ready_path {
            let origin = self.origin_of("health", "ready_path");
            let what = format!(
                "{:?} is live_path too; write another path",
                health.ready_path
            );
            mistakes.push(Mistake::new(&origin, "health.ready_path", what));
        }
        for (key, path) in paths {
            let mut refuse = |origin: &Origin, what: String| {
                mistakes.push(Mistake::new(origin, format!("health.{key}"), what));
            };
            let written = self.origin_of("health", key);
            if crate::admin::has(path) {
                let what = format!(
                    "{path:?} is where the admin listener has something else; write another path, like {:?}",
                    if key == "live_path" {
                        "/live"
                    } else {
                        "/ready"
                    }
                );
                refuse(&written, what);
                continue;
            }
            if !health.public {
                continue;
            }
            let mut prefixes = prefixes.iter();
            if let Some(prefix) = prefixes.find(|prefix| is_of_service(path, prefix)) {
                let origin = match written {
                    Origin::Default => self.origin_of("health", "public"),
                    written => written,
                };
                let what = format!(
                    "{path:?} is of the service {prefix:?}; write a path that is not below a service, or public = false and ask the admin listener"
                );
                refuse(&origin, what);
            }
        }
    }

    /// A listener that is safe, but not as it could be.
    pub(super) fn admin_warning(&self) -> Option<Mistake> {
        let warning = self.admin.warning()?;
        let origin = self.origin_of("admin", warning.key);
        let key = format!("admin.{}", warning.key);
        Some(Mistake::new(&origin, key, warning.what))
    }

    /// Where the value of a key outside of services comes from.
    pub(super) fn origin_of(&self, section: &str, key: &str) -> Origin {
        if section.is_empty() {
            let value = self.given.get(key);
            return value.map(|value| value.origin.clone()).unwrap_or_default();
        }
        let table = self.given.get(section);
        let value = table.and_then(|table| find(table, "", key));
        value
            .or(table)
            .map(|value| value.origin.clone())
            .unwrap_or_default()
    }
}

/// Whether a path is a service's own. One at the root leaves other names directly below it free.
fn is_of_service(path: &str, prefix: &str) -> bool {
    if prefix.is_empty() {
        let taken = ["/", "/info", "/websocket", "/doctor"].contains(&path);
        return taken || path.starts_with("/iframe") || path[1..].contains('/');
    }
    let rest = path.strip_prefix(prefix);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
