//! `check`: what is wrong with a configuration, without starting anything.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::output::print;
use super::settings::Settings;
use super::{USAGE, say};
use crate::backend::without_secrets;
use crate::config::{Config, LoadError, Mistake, Origin};

const EXAMPLES: &str = "\
Examples:
  sockjs-gateway check --config gateway.toml
      Every mistake of a file, the environment and the arguments; nothing is started.
  sockjs-gateway check --config gateway.toml --deep
      Also whether the upstreams can be reached: a WebSocket is opened to each, and closed again.

With --json one object is printed: valid, mistakes and warnings (lists of {file, line, column, origin, key, what}), services
(a list of {name, prefix, backend, reachable, problem}; reachable is null without --deep).

Exit codes: 0 in order, 1 valid, but an upstream cannot be reached (--deep), 64 a mistake.";

/// Say what is wrong with a configuration, without starting anything
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(flatten)]
    settings: Settings,
    /// Also try whether the upstreams can be reached
    #[arg(long)]
    deep: bool,
    /// Print the outcome as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, String> {
    let sources = arguments.settings.sources(None);
    let config = match sources.and_then(|sources| Config::load(&sources)) {
        Ok(config) => config,
        Err(LoadError(mistakes)) if arguments.json => {
            print(&format!("{:#}\n", outcome(&mistakes, &[], &[])));
            return Ok(ExitCode::from(USAGE));
        }
        Err(error) => return Err(error.to_string()),
    };
    let problems = if arguments.deep {
        Some(reach_all(&config)?)
    } else {
        None
    };
    let failed = problems.iter().flatten().any(Option::is_some);
    let warnings = config.warnings();
    let text = if arguments.json {
        let services = services(&config, problems.as_deref());
        format!("{:#}\n", outcome(&[], &warnings, &services))
    } else {
        for warning in &warnings {
            say(&format!("warning: {warning}"));
        }
        summary(&config, problems.as_deref())
    };
    let printed = print(&text);
    Ok(if failed { ExitCode::FAILURE } else { printed })
}

/// Tries to reach all backends at once; for each, what is wrong.
fn reach_all(config: &Config) -> Result<Vec<Option<String>>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    let attempts = config
        .services
        .iter()
        .map(|service| service.backend.reach());
    let outcomes = runtime.block_on(join_all(attempts));
    Ok(outcomes.into_iter().map(Result::err).collect())
}

fn summary(config: &Config, problems: Option<&[Option<String>]>) -> String {
    let mut text = String::new();
    for (index, service) in config.services.iter().enumerate() {
        let settings = &service.settings;
        let outcome = match problems.map(|problems| &problems[index]) {
            None => "",
            Some(None) => ": reachable",
            Some(Some(problem)) => &format!(": NOT reachable: {problem}"),
        };
        let backend = without_secrets(&settings.backend);
        let _ = writeln!(
            text,
            "service {:?} ({}) to {backend}{outcome}",
            settings.config.prefix,
            settings.name()
        );
    }
    let listeners = config.all_listeners();
    let listeners = listeners.iter().map(|listener| {
        let tls = if listener.tls.is_some() { " (TLS)" } else { "" };
        format!("{}{tls}", listener.address)
    });
    let listeners = listeners.collect::<Vec<_>>().join(", ");
    let _ = writeln!(
        text,
        "the configuration is valid; it would listen on {listeners}"
    );
    text
}

fn services(config: &Config, problems: Option<&[Option<String>]>) -> Vec<Value> {
    let services = config.services.iter().enumerate();
    let service = services.map(|(index, service)| {
        let problem = problems.map(|problems| &problems[index]);
        json!({
            "name": service.settings.name(),
            "prefix": &*service.settings.config.prefix,
            "backend": without_secrets(&service.settings.backend),
            "reachable": problem.map(Option::is_none),
            "problem": problem.and_then(Option::as_ref),
        })
    });
    service.collect()
}

fn outcome(mistakes: &[Mistake], warnings: &[Mistake], services: &[Value]) -> Value {
    let told = |list: &[Mistake]| list.iter().map(told).collect::<Vec<_>>();
    json!({
        "valid": mistakes.is_empty(),
        "mistakes": told(mistakes),
        "warnings": told(warnings),
        "services": services,
    })
}

fn told(mistake: &Mistake) -> Value {
    let (file, line, column) = match &mistake.origin {
        Origin::File { name, line, column } => (Some(name), Some(line), Some(column)),
        _ => (None, None, None),
    };
    json!({
        "file": file.map(|name| &**name),
        "line": line,
        "column": column,
        "origin": mistake.origin.to_string(),
        "key": mistake.key,
        "what": mistake.what,
    })
}
