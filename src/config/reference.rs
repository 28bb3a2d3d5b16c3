//! The documentation of all keys.

use std::fmt::Write as _;

use super::key::{Described, Field, Key, Section, Shape, joined};
use super::keys::{OWN, SERVICE, TOP};
use super::value::Value;
use super::{Config, ServiceSettings};

const HEAD: &str = "\
# Configuration

`sockjs-gateway run --config FILE` reads a TOML file. Every key is optional but a service's `prefix` and `backend`. Unknown
keys are refused. Durations are texts with a unit (`\"500ms\"`, `\"25s\"`, `\"5m\"`, `\"1h\"`) of at most 366 days, sizes are bytes or texts with a unit
(`4096`, `\"512B\"`, `\"64KiB\"`, `\"1MiB\"`, `\"1GiB\"`); neither may be zero, and heartbeats are at least 100 ms apart. `\"off\"` where it says so.

This page is made from the program: `sockjs-gateway config reference` prints it. `config default` prints a file with all keys, their
defaults and what they mean, `config schema` a JSON Schema for editors, `config show` what is in force and where it
comes from, and `check` says what is wrong with a file, without starting anything.

## Where values come from

Each overrides what is above it:

1. the default
2. `[defaults]` of the file, for all services
3. the file
4. variables of the environment: `SOCKJS_GATEWAY_` and the key in capitals, with two underscores between the parts of its path:
   `SOCKJS_GATEWAY_LISTEN`, `SOCKJS_GATEWAY_SERVER__BACKLOG`, `SOCKJS_GATEWAY_DEFAULTS__RESUME`,
   `SOCKJS_GATEWAY_SERVICE__CHAT__UPSTREAM__DIAL_TIMEOUT` for the service called `chat`
5. arguments: `--listen`, `--set` for every key (`--set service.chat.heartbeat_delay=10s`), and `--to`, `--prefix` and `--origin`, which describe
   one service instead of a file

Values of variables and of `--set` have no quotes: `25s`, `true`, `64KiB`. Lists have commas
(`https://a.example,https://b.example`), or are written as in a file, as are lists of tables. A service that the file does not have is added when
variables or `--set` give it a `PREFIX` and a `BACKEND`; no file is needed then. A service keeps the name that it has in the file, whatever variables make of its
prefix. `SOCKJS_GATEWAY_CONFIG` names the file where neither `--config` nor `--to` is given. Variables that do not exist are refused, but for those that
Kubernetes and Docker make for services whose names begin with `sockjs-gateway` (`…_SERVICE_HOST`, `…_PORT…`, `…_NAME`, `…_ENV_…`).

A relative path (`token_file`, `certificate`, `key`, `client_ca`, `ca_file`, `secret_file`, `jwks_file`) counts from the folder of the file that it is
written in, and from the working directory where a variable or an argument says it.

";

const DEFAULTS: &str = "\
## `[defaults]`

Every key of `[[service]]`, `[service.network]` and `[service.upstream]` but `name`, `prefix` and `backend`, for all services that do not say
otherwise: `[defaults]`, `[defaults.network]`, `[defaults.upstream]`. A list in a service replaces the one here.

";

const FOOT: &str = "\
## Behind a proxy

Receiving answers carry `X-Accel-Buffering: no` and `Cache-Control: no-store, no-cache, no-transform, must-revalidate,
max-age=0`. Let the proxy pass `Upgrade` and `Connection`, keep its idle timeouts above `heartbeat_delay`, and list it in
`trusted_proxies`, so that the origin is compared with the host and scheme the browser used.
`sockjs-gateway proxy-config` prints configurations that do this; [proxies](proxies/README.md) explains them.
";

/// The page `docs/configuration.md`.
pub fn reference() -> String {
    let mut page = HEAD.to_owned();
    let (config, settings) = (Config::empty(), ServiceSettings::default());
    for section in TOP {
        let heading = match section.name {
            "" => "## Top level".to_owned(),
            name => format!("## `[{name}]`"),
        };
        write_section(&mut page, &heading, section, &config);
    }
    page.push_str(DEFAULTS);
    for section in SERVICE {
        let heading = match section.name {
            "" => "## `[[service]]`".to_owned(),
            name => format!("### `[service.{name}]`"),
        };
        write_section(&mut page, &heading, section, &settings);
    }
    page.push_str(FOOT);
    page
}

fn write_section<C>(page: &mut String, heading: &str, section: &Section<C>, config: &C) {
    let _ = write!(page, "{heading}\n\n");
    if !section.about.is_empty() {
        let _ = write!(page, "{}\n\n", joined(section.about));
    }
    write_table(page, section.keys.iter().map(|key| describe(key, config)));
    let within = heading.trim_matches(['#', ' ', '`', '[', ']']);
    let within = if section.name.is_empty() && within == "Top level" {
        ""
    } else {
        within
    };
    for key in section.keys {
        write_tables(page, within, &key.field);
    }
    if heading.ends_with("[[service]]`") {
        page.push_str("A session id may have 128 bytes, a callback name 64.\n\n");
    }
}

/// The tables that a key is a list of, and those in them.
fn write_tables(page: &mut String, within: &str, field: &Field) {
    let Shape::Tables(described) = field.shape else {
        return;
    };
    let dot = if within.is_empty() { "" } else { "." };
    let path = format!("{within}{dot}{}", field.name);
    let _ = write!(page, "`[[{path}]]`, any number of them:\n\n");
    write_table(page, described().into_iter());
    for below in described() {
        write_tables(page, &path, &below.field);
    }
}

fn write_table(page: &mut String, keys: impl Iterator<Item = Described>) {
    page.push_str("| key | default | meaning |\n|---|---|---|\n");
    for Described { field, default } in keys {
        let Field { name, shape, .. } = field;
        let alternatives = match (shape, &default) {
            (Shape::Duration { off: true }, Some(value)) if !value.to_string().contains("off") => {
                ", or `\"off\"`"
            }
            _ => "",
        };
        let default = match default {
            Some(value) => format!("`{value}`{alternatives}"),
            None => field.otherwise.unwrap_or_default().to_owned(),
        };
        let bounds = match shape {
            Shape::Count { least, most } if most < i64::MAX => format!(" ({least} to {most})"),
            _ => String::new(),
        };
        let _ = writeln!(
            page,
            "| `{name}` | {default} | {}{bounds} |",
            field.meaning()
        );
    }
    page.push('\n');
}

fn describe<C>(key: &Key<C>, config: &C) -> Described {
    Described {
        field: key.field,
        default: default_of(key, config),
    }
}

/// The default; none of what must be said.
pub(super) fn default_of<C>(key: &Key<C>, config: &C) -> Option<Value> {
    (key.get)(config).filter(|_| !OWN[1..].contains(&key.field.name))
}
