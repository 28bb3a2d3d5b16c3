//! What is in force, and where each value comes from.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use super::conditions;
use super::key::{Key, Section};
use super::keys::{SERVICE, TOP};
use super::value::{Content, Origin, Value};
use super::{Config, find};

/// A key that is in force.
struct Shown {
    /// `[server]`, `[[service]]`, …; empty for the top level. With the number of the service, so that two of them differ.
    heading: (usize, String),
    /// `server.backlog`, `service.chat.origins`
    path: String,
    section: &'static str,
    name: &'static str,
    value: Option<Value>,
    /// A part of the value is not shown.
    hidden: bool,
    otherwise: &'static str,
    origin: Origin,
}

impl Config {
    /// Every key in force as TOML, with the place it comes from behind it. Secrets are hidden. With `changed`, only what
    /// is not the default.
    pub fn show(&self, changed: bool) -> String {
        let mut text = String::new();
        let mut heading = (0, String::new());
        for shown in self.shown(changed) {
            if shown.heading != heading {
                heading.clone_from(&shown.heading);
                let line = if text.is_empty() { "" } else { "\n" };
                let _ = writeln!(text, "{line}{}", heading.1);
            }
            let setting = match &shown.value {
                // As a file it must not pass for the value.
                Some(value) if shown.hidden => {
                    format!("# {} = {value}, with what is secret", shown.name)
                }
                Some(value) => format!("{} = {value}", shown.name),
                None => format!("# {}: {}", shown.name, shown.otherwise),
            };
            let _ = writeln!(text, "{setting:<48} # {}", shown.origin);
        }
        text
    }

    /// The same as JSON: a list of `{"key", "value", "origin"}`.
    pub fn show_json(&self, changed: bool) -> Json {
        let shown = self.shown(changed).into_iter();
        shown
            .map(|shown| {
                json!({
                    "key": shown.path,
                    "value": shown.value.as_ref().map(Json::from),
                    "origin": shown.origin.to_string(),
                })
            })
            .collect()
    }

    /// The same of a program that was started with `running` and has read this since: keys that need a restart have the value that it was
    /// started with, and in `after_restart` what this configuration has for them, as `{"value", "origin"}`; for others that is null.
    pub fn show_beside(&self, running: &Self) -> Json {
        let waiting = self.needs_restart(running);
        let started_with = running.shown(false);
        let told = |shown: Shown| {
            let value = |shown: &Shown| shown.value.as_ref().map(Json::from);
            let written = json!({ "value": value(&shown), "origin": shown.origin.to_string() });
            let waits = waiting.contains(&shown.path);
            let before = started_with.iter().find(|one| one.path == shown.path);
            let (in_force, after_restart) = match before.filter(|_| waits) {
                Some(before) => (before, written),
                None => (&shown, Json::Null),
            };
            let value = match shown.path.as_str() {
                "listener" if waits => self.open_listeners(running).as_ref().map(Json::from),
                _ => value(in_force),
            };
            json!({
                "key": shown.path,
                "value": value,
                "origin": in_force.origin.to_string(),
                "after_restart": after_restart,
            })
        };
        self.shown(false).into_iter().map(told).collect()
    }

    fn shown(&self, changed: bool) -> Vec<Shown> {
        let mut all = Vec::new();
        let given = Value::new(Content::Table(self.given.clone()), Origin::Default);
        for section in TOP {
            let heading = match section.name {
                "" => String::new(),
                name => format!("[{name}]"),
            };
            let origin = |key: &str| {
                let value = find(&given, section.name, key);
                value.map(|value| value.origin.clone()).unwrap_or_default()
            };
            show_section(&mut all, section, self, &(0, heading), "", origin);
        }
        for (index, service) in self.services.iter().enumerate() {
            let path = format!("service.{}.", service.settings.name());
            let first = all.len();
            for section in SERVICE {
                let heading = match section.name {
                    "" => "[[service]]".to_owned(),
                    name => format!("[service.{name}]"),
                };
                let origin = |key: &str| self.origin_in_service(index, section.name, key);
                let heading = (index + 1, heading);
                show_section(
                    &mut all,
                    section,
                    &service.settings,
                    &heading,
                    &path,
                    origin,
                );
            }
            // What `[defaults]` sets for other services would be refused in this one's own table.
            let idle: Vec<_> = conditions::idle(&service.settings).collect();
            for shown in &mut all[first..] {
                if shown.value.is_some() && idle.contains(&(shown.section, shown.name)) {
                    shown.value = None;
                    shown.otherwise = "no effect in this service";
                }
            }
        }
        if changed {
            all.retain(|shown| shown.origin != Origin::Default || shown.name == "prefix");
        }
        all
    }
}

fn show_section<C>(
    all: &mut Vec<Shown>,
    section: &Section<C>,
    config: &C,
    heading: &(usize, String),
    path: &str,
    origin: impl Fn(&str) -> Origin,
) {
    let dot = if section.name.is_empty() { "" } else { "." };
    let shown = section.keys.iter().map(|key: &Key<C>| Shown {
        heading: heading.clone(),
        path: format!("{path}{}{dot}{}", section.name, key.field.name),
        section: section.name,
        name: key.field.name,
        value: (key.show)(config),
        hidden: (key.show)(config).map(|value| value.to_string())
            != (key.get)(config).map(|value| value.to_string()),
        otherwise: key.field.otherwise.unwrap_or_default(),
        origin: origin(key.field.name),
    });
    all.extend(shown);
}
