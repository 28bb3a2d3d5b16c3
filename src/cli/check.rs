//! `check`: what is wrong with a configuration, without starting anything.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::USAGE;
use super::log::say;
use super::output::print;
use super::settings::Settings;
use crate::backend::without_secrets;
use crate::config::{Config, LoadError, Mistake, Origin};

const EXAMPLES: &str = "\
Examples:
  sockjs-gateway check --config gateway.toml
      Every mistake of a file, the environment and the arguments, and of the certificates and keys that they name; nothing is
      started, and nobody is asked.
  sockjs-gateway check --config gateway.toml --deep
      Also whether the upstreams can be reached (a WebSocket is opened to each, and closed again), and whether the jwks_url and
      forward_url of [[auth]] answer.

With --json one object is printed: valid, mistakes and warnings (lists of {file, line, column, origin, key, what}), services
(a list of {name, prefix, backend, reachable, problem}; reachable is null without --deep), auth_problems (with --deep, a list
of {name, problem}: each [[auth]] whose jwks_url or forward_url does not answer). Wrong arguments are a mistake too.

Exit codes: 0 in order; 1 valid, but an upstream cannot be reached, or a jwks_url or forward_url does not answer (--deep);
64 a mistake.";

/// Say what is wrong with a configuration, without starting anything
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(flatten)]
    settings: Settings,
    /// Also try whether the upstreams, and the servers that [[auth]] asks, can be reached
    #[arg(long)]
    deep: bool,
    /// Print the outcome as JSON
    #[arg(long)]
    json: bool,
}

/// Whether a command line, right or wrong, is that of `check --json`.
pub(super) fn is_asked_for_json(arguments: impl Iterator<Item = OsString>) -> bool {
    let mut arguments = arguments.take_while(|argument| argument != "--");
    arguments.next().is_some_and(|command| command == "check")
        && arguments.any(|argument| argument == "--json")
}

/// Tells a program what people are told of wrong arguments.
pub(super) fn refuse_arguments(text: &str) -> ExitCode {
    // What stands below is how to use it.
    let what = text.split("\n\nUsage:").next().unwrap_or_default();
    let what = what.strip_prefix("error: ").unwrap_or(what);
    let lines = what.lines().map(str::trim).filter(|line| !line.is_empty());
    let what = lines.collect::<Vec<_>>().join("; ");
    let origin = Origin::Argument("arguments".into());
    let mistake = Mistake::new(&origin, "", what);
    print(&format!("{:#}\n", outcome(&[mistake], &[], &[], &[])));
    ExitCode::from(USAGE)
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, String> {
    let sources = arguments.settings.sources(None);
    let config = match sources.and_then(|sources| Config::load(&sources)) {
        Ok(config) => config,
        Err(LoadError(mistakes)) if arguments.json => {
            print(&format!("{:#}\n", outcome(&mistakes, &[], &[], &[])));
            return Ok(ExitCode::from(USAGE));
        }
        Err(error) => return Err(error.to_string()),
    };
    let (problems, unprepared) = if arguments.deep {
        let (problems, unprepared) = reach_all(&config)?;
        (Some(problems), unprepared)
    } else {
        (None, Vec::new())
    };
    let failed = problems.iter().flatten().any(Option::is_some) || !unprepared.is_empty();
    let warnings = config.warnings();
    let text = if arguments.json {
        let services = services(&config, problems.as_deref());
        format!("{:#}\n", outcome(&[], &warnings, &services, &unprepared))
    } else {
        for warning in &warnings {
            say(&format!("warning: {warning}"));
        }
        for (auth, problem) in &unprepared {
            say(&format!("auth {auth:?}: NOT working: {problem}"));
        }
        summary(&config, problems.as_deref())
    };
    let printed = print(&text);
    Ok(if failed { ExitCode::FAILURE } else { printed })
}

/// For each service, what is wrong with its backend.
type Problems = Vec<Option<String>>;
/// The names of authenticators, and what is wrong with them.
type Unprepared = Vec<(String, String)>;

/// Tries to reach all backends, and whom authenticators ask, at once.
fn reach_all(config: &Config) -> Result<(Problems, Unprepared), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    let attempts = config
        .services
        .iter()
        .map(|service| service.backend.reach());
    let (outcomes, unprepared) =
        runtime.block_on(async { tokio::join!(join_all(attempts), config.prepare()) });
    let problems = outcomes.into_iter().map(Result::err).collect();
    Ok((problems, unprepared))
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

fn outcome(
    mistakes: &[Mistake],
    warnings: &[Mistake],
    services: &[Value],
    unprepared: &[(String, String)],
) -> Value {
    let auths = unprepared
        .iter()
        .map(|(auth, problem)| json!({ "name": auth, "problem": problem }));
    let auths: Vec<_> = auths.collect();
    let told = |list: &[Mistake]| list.iter().map(told).collect::<Vec<_>>();
    json!({
        "valid": mistakes.is_empty(),
        "mistakes": told(mistakes),
        "warnings": told(warnings),
        "services": services,
        "auth_problems": auths,
    })
}

fn told(mistake: &Mistake) -> Value {
    let (file, line, column) = match &mistake.origin {
        Origin::File { name, line, column } => (Some(name), Some(line), Some(column)),
        _ => (None, None, None),
    };
    json!({
        "file": file.map(|name| name.to_string_lossy()),
        "line": line,
        "column": column,
        "origin": mistake.origin.to_string(),
        "key": mistake.key,
        "what": mistake.what,
    })
}
