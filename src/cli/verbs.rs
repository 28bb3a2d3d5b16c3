//! Commands for a gateway that runs: `status`, `sessions`, `drain`, `undrain`, `reload`. They talk to its admin listener.

use std::cell::Cell;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::log::say;
use super::output::print;
use super::settings::Settings;
use crate::admin::AdminConfig;
use crate::remote::{Field, Remote, RemoteError, show};
use crate::server::ListenAddress;

/// Nobody answers. (`EX_UNAVAILABLE`)
const UNAVAILABLE: u8 = 69;

/// How often `drain --wait` looks.
const LOOK: Duration = Duration::from_millis(250);

/// How many sessions there are, or are left.
const SESSIONS: Field = Field("sessions", Value::is_u64);

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 the gateway refused, and says why, 64 wrong arguments or configuration, 69 no gateway answers.";

const SESSIONS_EXAMPLES: &str = "\
Examples:
  sockjs-gateway sessions list --config gateway.toml --service /chat --state waiting
      Sessions whose browser is expected back.
  sockjs-gateway sessions kick --config gateway.toml --user ada
      End every session of a user.
  sockjs-gateway sessions tap --config gateway.toml 3f2a9c1d
      Its frames as they pass, until it ends.

An ID is the gateway's own name of a session, as in its log, or the first digits of that. It opens nothing: the id that browsers
use is a secret, and never shown.

Exit codes: 0 done, 1 the gateway refused, and says why, 64 wrong arguments or configuration, 69 no gateway answers.";

/// Which gateway.
#[derive(Debug, Args)]
pub(super) struct Whom {
    /// The file that it runs with; its [admin] says where to ask [default: what SOCKJS_GATEWAY_CONFIG names]
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where its admin listener is, like unix:/run/sockjs-gateway/admin.sock or 127.0.0.1:8082 [default: the file's]
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<ListenAddress>,
    /// File with the admin listener's token [default: the file's]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Print what the gateway answers as JSON
    #[arg(long)]
    json: bool,
}

/// Say how a running gateway is
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(super) struct StatusArguments {
    #[command(flatten)]
    whom: Whom,
}

/// Let a running gateway read its configuration again, and say what is wrong with it
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(super) struct ReloadArguments {
    #[command(flatten)]
    whom: Whom,
}

/// Refuse new sessions and end the living ones, without stopping
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(super) struct DrainArguments {
    #[command(flatten)]
    whom: Whom,
    /// Time over which sessions are ended, in whole seconds like 5m [default: that of [drain]]
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    window: Option<u32>,
    /// Stay until no session is left
    #[arg(long)]
    wait: bool,
    /// The longest time to stay; then leave with code 1
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, requires = "wait")]
    timeout: Option<Duration>,
}

/// Take a drain back: new sessions are served again
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(super) struct UndrainArguments {
    #[command(flatten)]
    whom: Whom,
}

/// List, show, end and watch the sessions of a running gateway
#[derive(Debug, Args)]
#[command(after_help = SESSIONS_EXAMPLES)]
pub(super) struct SessionsArguments {
    #[command(subcommand)]
    verb: SessionsVerb,
}

#[derive(Debug, Subcommand)]
enum SessionsVerb {
    /// Which there are
    List {
        #[command(flatten)]
        whom: Whom,
        #[command(flatten)]
        filter: Filter,
    },
    /// One in detail
    Show {
        #[command(flatten)]
        whom: Whom,
        /// Its id, or the first digits of it
        id: String,
    },
    /// End one, or all of a user or a service, after what is queued
    Kick {
        #[command(flatten)]
        whom: Whom,
        #[command(flatten)]
        which: Which,
        /// Close code that browsers see
        #[arg(long, default_value_t = 4000)]
        code: u16,
        /// Reason that they see
        #[arg(long, default_value = "Ended by the operator")]
        reason: String,
    },
    /// Watch the frames of one as they pass
    Tap {
        #[command(flatten)]
        whom: Whom,
        /// Its id, or the first digits of it
        id: String,
        /// Show what messages say, where admin.tap_contents allows it
        #[arg(long)]
        contents: bool,
    },
}

/// Whom to end; clap names all of it where nothing is said.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Which {
    /// Its id, or the first digits of it
    #[arg(conflicts_with_all = ["user", "service"])]
    id: Option<String>,
    /// All of this user: the subject of the token
    #[arg(long)]
    user: Option<String>,
    /// All of the service with this prefix
    #[arg(long, value_name = "PREFIX")]
    service: Option<String>,
}

#[derive(Debug, Args)]
struct Filter {
    /// Of the service with this prefix
    #[arg(long, value_name = "PREFIX")]
    service: Option<String>,
    /// Opened over this transport, like xhr-streaming
    #[arg(long)]
    transport: Option<String>,
    /// Of this user: the subject of the token
    #[arg(long)]
    user: Option<String>,
    /// opening, receiving, waiting (for the browser to come back) or closing
    #[arg(long, value_parser = ["opening", "receiving", "waiting", "closing"])]
    state: Option<String>,
    /// From this address, or a network like 10.0.0.0/8
    #[arg(long)]
    address: Option<String>,
    /// At least so old, like 5m
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    min_age: Option<u32>,
    /// At most so old
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    max_age: Option<u32>,
    /// newest, oldest, or queued: the most bytes that wait first
    #[arg(long, default_value = "newest", value_parser = ["newest", "oldest", "queued"])]
    sort: String,
    /// How many to list, at most 1000
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// How many to leave out before those
    #[arg(long, default_value_t = 0)]
    offset: u32,
}

fn seconds(text: &str) -> Result<u32, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if time.subsec_nanos() > 0 {
        return Err("write whole seconds, like 2s".to_owned());
    }
    u32::try_from(time.as_secs()).map_err(|_| "too long".to_owned())
}

impl Filter {
    /// The query of the URL.
    fn query(&self) -> String {
        let texts = [
            ("service", &self.service),
            ("transport", &self.transport),
            ("user", &self.user),
            ("state", &self.state),
            ("address", &self.address),
        ];
        let numbers = [
            ("min_age", self.min_age),
            ("max_age", self.max_age),
            ("limit", Some(self.limit)),
            ("offset", Some(self.offset)),
        ];
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in texts {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        for (name, value) in numbers {
            if let Some(value) = value {
                query.append_pair(name, &value.to_string());
            }
        }
        query.append_pair("sort", &self.sort);
        query.finish()
    }
}

impl Whom {
    /// Where to ask.
    fn remote(&self) -> Result<Remote, String> {
        let mut config = AdminConfig {
            listen: self.admin.clone(),
            token_file: self.token_file.clone(),
            ..AdminConfig::default()
        };
        if config.listen.is_none() || self.config.is_some() {
            let settings = Settings::of_file(self.config.clone());
            // Which services there are does not matter.
            let loaded = settings.load(Some("echo:")).map_err(|mistakes| {
                format!("{mistakes}\n--admin ADDRESS, and --token-file, in the place of --config ask without the file")
            })?;
            config.listen = config.listen.or(loaded.admin.listen);
            config.token_file = config.token_file.or(loaded.admin.token_file);
        }
        let Some(listen) = config.listen.clone() else {
            return Err(
                "it is not said where the gateway listens for operators: --config FILE of one with listen in [admin], or --admin ADDRESS".to_owned(),
            );
        };
        let token = config.token();
        let token = token.map_err(|error| format!("{}: {}", error.key, error.what))?;
        Remote::new(listen, token.as_deref())
    }
}

pub(super) fn status(arguments: &StatusArguments) -> Result<ExitCode, String> {
    ask(&arguments.whom, async |remote| {
        let status = remote.get("status", SESSIONS).await?;
        Ok(shown(&arguments.whom, &status, show::status))
    })
}

pub(super) fn reload(arguments: &ReloadArguments) -> Result<ExitCode, String> {
    ask(&arguments.whom, async |remote| {
        let outcome = remote
            .post("reload", &json!({}), Field("added", Value::is_array))
            .await?;
        Ok(shown(&arguments.whom, &outcome, show_reload))
    })
}

fn show_reload(outcome: &Value) -> String {
    let list = |key: &str| {
        let values = outcome[key].as_array().into_iter().flatten();
        let values = values.filter_map(Value::as_str).map(show::plain);
        values.collect::<Vec<_>>()
    };
    let mut text = "configuration reloaded\n".to_owned();
    for (key, before) in [("added", "added"), ("removed", "removed")] {
        for prefix in list(key) {
            text += &format!("service {before}: {prefix}\n");
        }
    }
    for warning in list("warnings") {
        text += &format!("warning: {warning}\n");
    }
    let keys = list("needs_restart").join(", ");
    if !keys.is_empty() {
        text += &format!("{keys}: as when the program was started; changes need a restart\n");
    }
    text
}

pub(super) fn drain(arguments: &DrainArguments) -> Result<ExitCode, String> {
    ask(&arguments.whom, async |remote| {
        let mut body = json!({});
        if let Some(window) = arguments.window {
            body["window_seconds"] = json!(window);
        }
        let outcome = remote.post("drain", &body, SESSIONS).await?;
        let printed = shown(&arguments.whom, &outcome, |outcome| {
            format!("draining, sessions: {}\n", outcome["sessions"])
        });
        if !arguments.wait {
            return Ok(printed);
        }
        if outcome["sessions"] == 0 {
            return Ok(printed);
        }
        let stopped = || {
            say("the gateway has stopped; no session is left");
            Ok(printed)
        };
        let left = Cell::new(outcome["sessions"].as_u64().unwrap_or(0));
        let over = async {
            let mut before = Value::Null;
            loop {
                match remote.get("status", SESSIONS).await {
                    Ok(status) if is_another(&status, &before) => return stopped(),
                    Ok(status) if status["sessions"] == 0 => return Ok(printed),
                    Ok(status) if status["draining"] == false => {
                        say("the drain was taken back by somebody else");
                        return Ok(ExitCode::FAILURE);
                    }
                    Ok(status) => {
                        left.set(status["sessions"].as_u64().unwrap_or(0));
                        before = status;
                    }
                    Err(error) if is_gone(&error) => return stopped(),
                    Err(error) => return Err(error),
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        let Some(patience) = arguments.timeout else {
            return over.await;
        };
        tokio::time::timeout(patience, over)
            .await
            .unwrap_or_else(|_| {
                say(&format!(
                    "sessions left after {}: {}; the drain goes on, and sockjs-gateway undrain takes it back",
                    humantime::format_duration(patience),
                    left.get(),
                ));
                Ok(ExitCode::FAILURE)
            })
    })
}

/// Whether one was started in the place of the gateway that answered `before`. In containers all have the same number.
fn is_another(status: &Value, before: &Value) -> bool {
    let uptime = |status: &Value| status["uptime_seconds"].as_u64();
    !before.is_null() && (status["pid"] != before["pid"] || uptime(status) < uptime(before))
}

/// Whether a gateway that answered before has stopped: it listens no more, or its connection broke.
fn is_gone(error: &RemoteError) -> bool {
    use std::io::ErrorKind::{ConnectionRefused, ConnectionReset, NotFound};
    match error {
        RemoteError::Unreachable(_, error) => {
            [ConnectionRefused, ConnectionReset, NotFound].contains(&error.kind())
        }
        RemoteError::Broken(..) => true,
        _ => false,
    }
}

pub(super) fn undrain(arguments: &UndrainArguments) -> Result<ExitCode, String> {
    ask(&arguments.whom, async |remote| {
        let outcome = remote.post("undrain", &json!({}), SESSIONS).await?;
        Ok(shown(&arguments.whom, &outcome, |_| {
            "new sessions are served\n".to_owned()
        }))
    })
}

pub(super) fn sessions(arguments: &SessionsArguments) -> Result<ExitCode, String> {
    match &arguments.verb {
        SessionsVerb::List { whom, filter } => ask(whom, async |remote| {
            let list = remote
                .get(
                    &format!("sessions?{}", filter.query()),
                    Field("sessions", Value::is_array),
                )
                .await?;
            Ok(shown(whom, &list, show::sessions))
        }),
        SessionsVerb::Show { whom, id } => ask(whom, async |remote| {
            let session = remote
                .get(
                    &format!("sessions/{}", segment(id)),
                    Field("id", Value::is_string),
                )
                .await?;
            Ok(shown(whom, &session, show::fields))
        }),
        SessionsVerb::Kick {
            whom,
            which: Which { id, user, service },
            code,
            reason,
        } => ask(whom, async |remote| {
            let body = json!({
                "id": id, "user": user, "service": service, "code": code, "reason": reason,
            });
            let outcome = remote
                .post("kick", &body, Field("kicked", Value::is_u64))
                .await?;
            Ok(shown(whom, &outcome, |outcome| {
                format!("sessions ended: {}\n", outcome["kicked"])
            }))
        }),
        SessionsVerb::Tap { whom, id, contents } => {
            ask(whom, async |remote| tap(&remote, whom, id, *contents).await)
        }
    }
}

/// Shows what passes until the session ends.
async fn tap(
    remote: &Remote,
    whom: &Whom,
    id: &str,
    contents: bool,
) -> Result<ExitCode, RemoteError> {
    let path = format!("sessions/{}/tap?contents={contents}", segment(id));
    let mut events = remote.events(&path).await?;
    loop {
        let event = match events.next().await {
            Ok(Some(event)) => event,
            Ok(None) => return Ok(ExitCode::SUCCESS),
            Err(error) => {
                say(&format!("the gateway is gone: {error}"));
                return Ok(ExitCode::from(UNAVAILABLE));
            }
        };
        let Ok(value) = serde_json::from_str::<Value>(&event.data) else {
            continue;
        };
        let text = match (whom.json, &*event.name) {
            (true, "end") => format!("{}\n", json!({ "end": value })),
            (true, _) => format!("{value}\n"),
            (false, "end") => format!(
                "session ended: {}, {} {}\n",
                show::plain(value["cause"].as_str().unwrap_or("-")),
                value["code"],
                show::plain(value["reason"].as_str().unwrap_or_default()),
            ),
            (false, _) => show::tapped(&value),
        };
        if print(&text) != ExitCode::SUCCESS {
            return Ok(ExitCode::FAILURE);
        }
    }
}

/// A part of a path that people wrote.
fn segment(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn shown(whom: &Whom, value: &Value, show: impl FnOnce(&Value) -> String) -> ExitCode {
    if whom.json {
        print(&format!("{value:#}\n"))
    } else {
        print(&show(value))
    }
}

/// Asks, and tells what went wrong.
fn ask(
    whom: &Whom,
    question: impl AsyncFnOnce(Remote) -> Result<ExitCode, RemoteError>,
) -> Result<ExitCode, String> {
    let remote = whom.remote()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    runtime.block_on(question(remote)).or_else(|error| {
        Ok(match error {
            RemoteError::Refused(answer) if whom.json => {
                print(&format!("{answer:#}\n"));
                ExitCode::FAILURE
            }
            RemoteError::Refused(_) => {
                say(&error.to_string());
                ExitCode::FAILURE
            }
            _ => {
                say(&error.to_string());
                ExitCode::from(UNAVAILABLE)
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What would be cut off is refused.
    #[test]
    fn times_are_whole_seconds() {
        assert_eq!(seconds("2m 5s"), Ok(125));
        assert_eq!(seconds("2000ms"), Ok(2));
        assert!(seconds("1500ms").unwrap_err().contains("whole seconds"));
        assert!(seconds("999years").unwrap_err().contains("too long"));
    }

    /// A gateway that was started anew has another number, or has not run for as long.
    #[test]
    fn gateways_started_anew_are_told_apart() {
        let status = |pid: u32, uptime: u32| json!({ "pid": pid, "uptime_seconds": uptime });
        assert!(!is_another(&status(1, 5), &Value::Null));
        assert!(!is_another(&status(1, 5), &status(1, 5)));
        assert!(is_another(&status(2, 5), &status(1, 5)));
        assert!(is_another(&status(1, 0), &status(1, 5)));
    }
}
