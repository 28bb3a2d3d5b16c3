//! `sockjs-gateway bench URL`: arguments, run, output, exit code.

use std::io::Write as _;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use http::Uri;

use crate::arguments::{ServiceArguments, parse_time, transport_parser};
use crate::client::Transport;

use super::measure;
use super::plan::{Plan, Scenario};
use super::progress::Progress;
use super::report::Report;

const EXAMPLES: &str = "\
Examples:
  sockjs-gateway bench http://127.0.0.1:8081/echo --pid $(pidof sockjs-gateway)
      100 WebSockets that wait for one message each: messages per second, and what the server spends on each.
  sockjs-gateway bench http://127.0.0.1:8081/echo --transport xhr-streaming --sessions 1000 --rate 2
      2000 messages per second from 1000 sessions, sent when it is time: latencies that hide no pause.
  sockjs-gateway bench http://127.0.0.1:8081/echo --scenario connect --transport xhr-polling
      Sessions opened and closed per second.
  sockjs-gateway bench http://127.0.0.1:8081/echo --scenario idle --sessions 5000 --duration 30s --pid 4711
      Memory of a session that does nothing, and what its heartbeats cost.
  sockjs-gateway bench http://127.0.0.1:8081/room --scenario fan-out --sessions 500 --rate 20
      One session speaks to 500, on a broadcast: service.

What the figures mean, and what spoils them: docs/bench.md.

Exit codes: 0 everything arrived once and in order, 1 something was lost, reordered or duplicated, or a session failed,
64 wrong arguments.";

/// Time that a transport has to open: a server under load is slow.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// Put load on a SockJS service and measure it
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    service: ServiceArguments,
    /// What sessions do
    #[arg(long, value_name = "NAME", value_enum, default_value = "echo")]
    scenario: Scenario,
    /// Transport of all sessions
    #[arg(long, value_name = "NAME", default_value = "websocket", value_parser = transport_parser())]
    transport: Transport,
    /// Sessions; with fan-out those that listen, with connect those that are being opened at a time, with info connections
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    sessions: usize,
    /// Messages of a session that may be on their way, without --rate
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 1,
        conflicts_with = "rate"
    )]
    in_flight: usize,
    /// Messages, or requests, per second of each session that sends, whether those before have come back or not
    #[arg(long, value_name = "NUMBER")]
    rate: Option<f64>,
    /// Bytes of a message, 32 at least
    #[arg(long, value_name = "BYTES", default_value_t = 64)]
    size: usize,
    /// How long it is measured
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_time)]
    duration: Duration,
    /// How long sessions do the same before that
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_time)]
    warmup: Duration,
    /// Process of the server, whose processor time and memory are measured, with its children
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
    /// Threads that the sessions share
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    threads: usize,
    /// Do not ask for /info before a session is opened
    #[arg(long)]
    no_info: bool,
    /// With idle over xhr-polling: sessions are opened by one poll, and have neither another nor a connection then
    #[arg(long)]
    unpolled: bool,
    /// Print an object instead of a table
    #[arg(long)]
    json: bool,
    /// Go on although the service is not on this machine
    #[arg(long)]
    yes_really: bool,
}

impl Arguments {
    fn plan(&self) -> Result<Plan, String> {
        let plan = Plan {
            scenario: self.scenario,
            transport: self.transport,
            sessions: self.sessions,
            in_flight: self.in_flight,
            size: self.size,
            duration: self.duration,
            warmup: self.warmup,
            rate: self.rate,
            threads: self.threads,
            info: !self.no_info,
            unpolled: self.unpolled,
        };
        plan.check()?;
        Ok(plan)
    }
}

/// Measures, prints, and gives the exit code: 0 when nothing was lost. `stop`: makes what is done when it is to end early.
///
/// # Errors
/// What is wrong with the arguments or with this machine; nothing was sent.
pub(crate) fn run<S: Future<Output = ()>>(
    arguments: &Arguments,
    stop: impl FnOnce() -> std::io::Result<S>,
) -> Result<ExitCode, String> {
    let plan = arguments.plan()?;
    let builder = arguments.service.builder()?;
    let builder = builder
        .transports([plan.transport])
        .map_err(|error| error.to_string())?
        .timeout(OPEN_TIMEOUT)
        .info(plan.info);
    let url = &arguments.service.url;
    if !arguments.yes_really {
        only_here(url)?;
    }
    let needed = plan.descriptors();
    // As many as may be are enough, or it is said.
    let allowed = rlimit::increase_nofile_limit(needed).unwrap_or(u64::MAX);
    if allowed < needed {
        return Err(format!(
            "{needed} open files are needed and {allowed} allowed: use fewer --sessions, or raise the limit with `ulimit -Hn {needed}` as root"
        ));
    }
    if let Some(id) = arguments.pid {
        super::process::usage(id).map_err(|error| format!("--pid: cannot watch {id}: {error}"))?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    let progress = Progress::new();
    let measured = runtime.block_on(async {
        let stop = stop().map_err(|error| format!("cannot wait for signals: {error}"))?;
        measure(plan, builder, arguments.pid, stop, &progress).await
    });
    progress.done();
    let report = match measured {
        Ok(measured) => Report::new(&measured, without_query(url)),
        Err(message) => {
            let _ = writeln!(std::io::stderr(), "sockjs-gateway: {message}");
            return Ok(ExitCode::FAILURE);
        }
    };
    let text = if arguments.json {
        let json = serde_json::to_string_pretty(&report);
        json.unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}")) + "\n"
    } else {
        report.text()
    };
    // Whoever reads it may have gone.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(ExitCode::from(u8::from(!report.is_good())))
}

/// A URL's query may hold a secret.
fn without_query(url: &str) -> &str {
    url.split('?').next().unwrap_or_default()
}

/// # Errors
/// When `url` leads to another machine, or nowhere.
fn only_here(url: &str) -> Result<(), String> {
    let uri: Uri = url.parse().map_err(|_| format!("{url:?} is not a URL"))?;
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let port = uri.port_u16().unwrap_or(80);
    let found = (host, port).to_socket_addrs();
    let found: Vec<SocketAddr> = found
        .map_err(|error| format!("{host} cannot be looked up: {error}"))?
        .collect();
    match found.iter().find(|address| !address.ip().is_loopback()) {
        None => Ok(()),
        Some(address) => Err(format!(
            "{host} is not this machine but {}: load on a service that is not yours is an attack; --yes-really goes on if it is yours",
            address.ip()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loaded() {
        for here in [
            "http://127.0.0.1:1/x",
            "http://[::1]/x",
            "http://127.9.9.9/",
        ] {
            assert_eq!(only_here(here), Ok(()), "{here}");
        }
        for there in [
            "http://192.0.2.1/x",
            "https://[2001:db8::1]:8/",
            "http://0.0.0.0/",
        ] {
            let error = only_here(there).unwrap_err();
            assert!(error.contains("--yes-really"), "{error}");
        }
    }
}
