//! Configurations of the proxies that stand in front of the gateway: text, made from what is served where. PURE.
//!
//! One file per proxy, and one row each in [`Proxy::ALL`]; `docs/proxies/` explains every directive. A template is a
//! configuration as an operator would write it, with `«name»` where something of the [`Site`] goes.

mod apache;
mod caddy;
mod envoy;
mod haproxy;
mod nginx;
mod site;
mod traefik;

use std::fmt;
use std::str::FromStr;

pub use site::{Node, Route, Site, SiteError};

/// A proxy there is a recipe for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proxy {
    /// nginx, 1.15.3 or later.
    Nginx,
    /// HAProxy, 2.4 or later; for several gateways 2.6.
    Haproxy,
    /// Caddy, 2.5 or later.
    Caddy,
    /// Apache httpd, 2.4.47 or later.
    Apache,
    /// Traefik, 3.0 or later.
    Traefik,
    /// Envoy, 1.22 or later.
    Envoy,
}

impl Proxy {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Nginx,
        Self::Haproxy,
        Self::Caddy,
        Self::Apache,
        Self::Traefik,
        Self::Envoy,
    ];

    /// Its name on the command line: `nginx`, `haproxy`, …
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Caddy => "caddy",
            Self::Apache => "apache",
            Self::Traefik => "traefik",
            Self::Envoy => "envoy",
        }
    }

    /// Its name for people.
    const fn title(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
            Self::Caddy => "Caddy",
            Self::Apache => "Apache httpd",
            Self::Traefik => "Traefik",
            Self::Envoy => "Envoy",
        }
    }

    /// A complete configuration for `site`; the same site gives the same text.
    ///
    /// # Errors
    /// When the site has something that this proxy's configuration cannot say.
    pub fn configuration(self, site: &Site) -> Result<String, SiteError> {
        site.check()?;
        match self {
            Self::Nginx => Ok(nginx::configuration(site)),
            Self::Haproxy => Ok(haproxy::configuration(site)),
            Self::Caddy => Ok(caddy::configuration(site)),
            Self::Apache => apache::configuration(site),
            Self::Traefik => traefik::configuration(site),
            Self::Envoy => Ok(envoy::configuration(site)),
        }
    }
}

/// No proxy of this name has a recipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownProxy(pub String);

impl FromStr for Proxy {
    type Err = UnknownProxy;

    fn from_str(name: &str) -> Result<Self, UnknownProxy> {
        Self::ALL
            .into_iter()
            .find(|proxy| proxy.name() == name)
            .ok_or_else(|| UnknownProxy(name.to_owned()))
    }
}

impl fmt::Display for UnknownProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Proxy::ALL.map(Proxy::name).join(", ");
        write!(f, "there is no recipe for {:?}; there are {names}", self.0)
    }
}

impl std::error::Error for UnknownProxy {}

/// Replaces each `«name»` by its value, once: what a value contains is left alone.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('«') {
        filled.push_str(before);
        let Some((name, after)) = after.split_once('»') else {
            rest = after;
            break;
        };
        if let Some((_, value)) = values.iter().find(|(key, _)| *key == name) {
            filled.push_str(value);
        }
        rest = after;
    }
    filled.push_str(rest);
    filled
}

/// One line or block for each item, from a function that fills a template.
fn each<T>(items: &[T], block: impl FnMut(&T) -> String) -> String {
    items.iter().map(block).collect()
}

#[cfg(test)]
mod tests;
