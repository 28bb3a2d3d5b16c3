//! The command line: arguments → configuration → run.

mod check;
mod config;
mod connect;
mod log;
mod manual;
mod output;
mod process;
mod proxy_config;
mod reload;
mod settings;
mod signals;
mod supervisor;
mod verbs;
mod watch;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Parser, Subcommand};
use tokio::runtime::Runtime;
use tracing::{info, warn};

use crate::admin::{Admin, ListenerAbout};
use crate::backend::{UpstreamConfig, from_url, without_secrets};
use crate::bench::command as bench;
use crate::config::{Config, ConfiguredService, DEFAULT_LISTEN, ServiceSettings, shown_lines};
use crate::probe::command::{self as probe, DoctorArguments};
use crate::server::{ListenAddress, Server, systemd};
use crate::service::{Gateway, Origins, ServiceConfig};

use log::say;
use process::{Asked, Program};
use settings::Settings;
use signals::Signals;
use watch::Watched;

/// The arguments or the configuration are wrong; nothing was started. (`EX_USAGE`)
const USAGE: u8 = 64;

const EXAMPLES: &str = "\
Examples:
  sockjs-gateway demo
      Try every transport in a browser, with nothing else installed.
  sockjs-gateway --to ws://127.0.0.1:9000/socket
      SockJS at http://127.0.0.1:8081/sockjs in front of a WebSocket server.
  sockjs-gateway --to ws://127.0.0.1:9000/socket --listen 0.0.0.0:80 --prefix /chat --origin https://app.example.com
      Reachable from outside, for the pages of one other site.
  sockjs-gateway run --config gateway.toml
      Several services, with options; `config default` prints a file to start from.
  sockjs-gateway check --config gateway.toml
      What is wrong with it, without starting anything.
  sockjs-gateway proxy-config nginx --config gateway.toml --server-name example.com
      What nginx in front of it has to be told.
  sockjs-gateway status --config gateway.toml
      How the gateway is that runs with it; likewise sessions, drain, undrain and reload.

  sockjs-gateway doctor https://app.example.com/chat
      What the network between here and a service does to SockJS, and what to change.
  sockjs-gateway connect https://app.example.com/chat
      A session in the terminal: lines in, lines out.
  sockjs-gateway bench http://127.0.0.1:8081/sockjs
      Load on a service of yours, and what it costs.

Exit codes: 0 stopped in order, 1 failed while starting or running, 64 wrong arguments or configuration.
Logs go to standard error, as JSON when it is not a terminal; RUST_LOG sets what is logged (default: info).";

const USAGE_LINES: &str = "sockjs-gateway --to URL [OPTIONS]
       sockjs-gateway [run] --config FILE [OPTIONS]
       sockjs-gateway demo [--listen ADDRESS]
       sockjs-gateway check --config FILE [--deep]
       sockjs-gateway config default | show | reference | schema
       sockjs-gateway status | drain | undrain | reload --config FILE
       sockjs-gateway sessions list | show | kick | tap --config FILE
       sockjs-gateway doctor URL [OPTIONS]
       sockjs-gateway connect URL [OPTIONS]
       sockjs-gateway bench URL [OPTIONS]
       sockjs-gateway proxy-config PROXY [OPTIONS]
       sockjs-gateway completion SHELL
       sockjs-gateway man [COMMAND]";

/// Puts every SockJS transport, and raw WebSocket, in front of a WebSocket server.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES, args_conflicts_with_subcommands = true, max_term_width = 100, override_usage = USAGE_LINES)]
struct Arguments {
    #[command(flatten)]
    settings: Settings,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve: what is done without a command too
    Run(Settings),
    /// Try it: embedded services and a page that opens every transport
    Demo {
        /// Where to listen
        #[arg(long, value_name = "ADDRESS", default_value_t = ListenAddress::Tcp(DEFAULT_LISTEN))]
        listen: ListenAddress,
    },
    /// Tell what the network does to a SockJS service, and what to change
    Doctor(DoctorArguments),
    Check(check::Arguments),
    Config(config::Arguments),
    Connect(connect::Arguments),
    Bench(bench::Arguments),
    ProxyConfig(proxy_config::Arguments),
    Status(verbs::StatusArguments),
    Sessions(verbs::SessionsArguments),
    Drain(verbs::DrainArguments),
    Undrain(verbs::UndrainArguments),
    Reload(verbs::ReloadArguments),
    Completion(manual::CompletionArguments),
    Man(manual::ManArguments),
}

/// Runs the program.
pub fn main() -> ExitCode {
    // Before the arguments are read, which takes longer than this: a signal that comes meanwhile counts.
    let begun = may_serve(std::env::args_os().nth(1)).then(Begun::now);
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let asked_for = !error.use_stderr();
            let text = error.render().to_string();
            // A URL that stands where none belongs may hold a secret.
            let safe = shown_lines(&text);
            if !asked_for && check::is_asked_for_json(std::env::args_os().skip(1)) {
                return check::refuse_arguments(&safe);
            }
            if asked_for || safe == text {
                let _ = error.print();
            } else {
                let _ = write!(io::stderr(), "{safe}");
            }
            return if asked_for {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(USAGE)
            };
        }
    };
    let done = match arguments.command {
        None => serve(begun, || prepare(arguments.settings)),
        Some(Command::Run(settings)) => serve(begun, || prepare(settings)),
        Some(Command::Demo { listen }) => serve(begun, || demo(listen)),
        Some(Command::Doctor(arguments)) => probe::run(&arguments),
        Some(Command::Check(arguments)) => check::run(&arguments),
        Some(Command::Config(arguments)) => config::run(&arguments),
        Some(Command::Connect(arguments)) => connect::run(&arguments),
        Some(Command::Bench(arguments)) => bench::run(&arguments, signals::stop_signal),
        Some(Command::ProxyConfig(arguments)) => proxy_config::run(&arguments),
        Some(Command::Status(arguments)) => verbs::status(&arguments),
        Some(Command::Sessions(arguments)) => verbs::sessions(&arguments),
        Some(Command::Drain(arguments)) => verbs::drain(&arguments),
        Some(Command::Undrain(arguments)) => verbs::undrain(&arguments),
        Some(Command::Reload(arguments)) => verbs::reload(&arguments),
        Some(Command::Completion(arguments)) => Ok(manual::complete(&arguments)),
        Some(Command::Man(arguments)) => manual::man(&arguments),
    };
    done.unwrap_or_else(|message| {
        say(&message);
        ExitCode::from(USAGE)
    })
}

/// Everything is checked; only the port is missing.
struct Prepared {
    config: Config,
    gateway: Gateway,
    /// Where the configuration comes from; `None` for the demo's.
    settings: Option<Settings>,
    watched: Watched,
}

fn prepare(settings: Settings) -> Result<Prepared, String> {
    let (config, watched) = reload::load(&settings)?;
    let gateway = config.gateway().map_err(|error| error.to_string())?;
    Ok(Prepared {
        config,
        gateway,
        settings: Some(settings),
        watched,
    })
}

fn demo(listen: ListenAddress) -> Result<Prepared, String> {
    let mut config = Config::empty();
    config.listen = vec![listen];
    let mut builder = Gateway::builder()
        .page(
            "/",
            "text/html; charset=UTF-8",
            include_str!("../static/demo.html"),
        )
        .page(
            "/common.css",
            "text/css; charset=UTF-8",
            include_str!("../static/common.css"),
        )
        .page(
            "/demo.css",
            "text/css; charset=UTF-8",
            include_str!("../static/demo.css"),
        )
        .page(
            "/demo.js",
            "text/javascript; charset=UTF-8",
            include_str!("../static/demo.js"),
        )
        .page(
            "/sockjs.js",
            "text/javascript; charset=UTF-8",
            include_str!("../static/sockjs.js"),
        );
    for (prefix, url) in [
        ("/echo", "echo:"),
        ("/close", "close:"),
        ("/broadcast", "broadcast:"),
        ("/amplify", "amplify:"),
    ] {
        let backend =
            from_url(url, &UpstreamConfig::default()).map_err(|error| error.to_string())?;
        let mut service = ServiceConfig::new(prefix);
        service.origins = Origins::Any;
        (service.doctor, service.doctor_results) = (prefix == "/echo", 20);
        builder = builder.shared_service(service.clone(), Arc::clone(&backend));
        config.services.push(ConfiguredService {
            settings: ServiceSettings {
                backend: url.to_owned(),
                config: service,
                ..ServiceSettings::default()
            },
            backend,
        });
    }
    let gateway = builder.build().map_err(|error| error.to_string())?;
    Ok(Prepared {
        config,
        gateway,
        settings: None,
        watched: Watched::default(),
    })
}

/// Files that the program has open beside its connections, about.
const OWN_FILES: usize = 32;

/// Every connection is an open file: as many as the system lets this process have, and a warning where it may have fewer than
/// `max_connections`. And memory that was given back by sessions is given back to the system after a while, whether others come or not.
fn raise_limits(max_connections: usize) {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(files) => {
            info!(files, "open files allowed");
            let needed = max_connections.saturating_add(OWN_FILES) as u64;
            if files < needed {
                warn!(
                    files,
                    max_connections,
                    "fewer files may be open than there may be connections (server.max_connections), and those beyond are not accepted: allow {needed} or more (LimitNOFILE= of systemd, ulimit -n), as many again where each session has an upstream connection; or lower server.max_connections"
                );
            }
        }
        Err(error) => warn!(%error, "the limit on open files cannot be raised"),
    }
    #[cfg(feature = "jemalloc")]
    if let Err(error) = tikv_jemalloc_ctl::background_thread::write(true) {
        tracing::debug!(%error, "memory is given back only when more is asked for");
    }
}

/// What a program that serves has from its first moments on.
struct Begun {
    runtime: Runtime,
    signals: Signals,
}

impl Begun {
    fn now() -> io::Result<Self> {
        // Before descriptors are opened that could be taken for systemd's.
        systemd::claim();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        let signals = {
            let _inside = runtime.enter();
            Signals::install()?
        };
        Ok(Self { runtime, signals })
    }
}

/// Whether a command line whose first argument is this may be one to serve. Other commands are ended by signals.
fn may_serve(first: Option<OsString>) -> bool {
    first.is_none_or(|first| {
        let first = first.to_string_lossy();
        first.starts_with('-') || ["run", "demo"].contains(&&*first)
    })
}

/// Serves what is prepared until a signal stops it.
fn serve(
    begun: Option<io::Result<Begun>>,
    prepare: impl FnOnce() -> Result<Prepared, String>,
) -> Result<ExitCode, String> {
    match begun.unwrap_or_else(Begun::now) {
        Ok(Begun { runtime, signals }) => Ok(prepare()?.run(runtime, signals)),
        Err(error) => {
            say(&format!("cannot start: {error}"));
            Ok(ExitCode::FAILURE)
        }
    }
}

impl Prepared {
    fn run(self, runtime: Runtime, signals: Signals) -> ExitCode {
        match log::start() {
            Ok(lost) => self.gateway.counts_log_lines(lost),
            Err(error) => {
                say(&format!("cannot start: {error}"));
                return ExitCode::FAILURE;
            }
        }
        raise_limits(self.config.server.max_connections);
        // On a worker too: a connection that is accepted there need not wake another thread.
        let serving = runtime.spawn(self.serve(signals));
        let outcome = runtime.block_on(serving);
        // What still runs, such as a backend that ignores the end, must not hold up the exit.
        runtime.shutdown_background();
        if let Ok(Err(message)) = &outcome {
            say(message);
        }
        log::flush();
        match outcome {
            Ok(Ok(())) => ExitCode::SUCCESS,
            Ok(Err(_)) => ExitCode::FAILURE,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }

    async fn serve(self, signals: Signals) -> Result<(), String> {
        let Self {
            mut config,
            gateway,
            settings,
            watched,
        } = self;
        let Signals {
            hang_up,
            terminal_gone,
            stop,
        } = signals;
        let demo = settings.is_none();
        let server = Server::listen(
            &config.take_listeners(),
            gateway.clone(),
            config.server.clone(),
        );
        let server = server.map_err(|error| {
            format!("{error}; --listen, listen and [[listener]] take another address")
        })?;
        let addresses = server
            .local_addresses()
            .map_err(|error| format!("cannot listen: {error}"))?;
        for service in &config.services {
            let ServiceSettings {
                config, backend, ..
            } = &service.settings;
            let (prefix, origins) = (&config.prefix, &config.origins);
            info!(%prefix, backend = without_secrets(backend), %origins, "service");
        }
        // The demo is open, and says so.
        if !demo {
            reload::warn_of(&config);
        }
        reload::prepare(&config).await;
        if demo {
            info!(
                "demo: open to pages of every site, for trying out only; open the address below in a browser"
            );
        }
        for (address, tls) in &addresses {
            match address {
                ListenAddress::Tcp(address) => {
                    let scheme = if *tls { "https" } else { "http" };
                    info!("listening on {scheme}://{address}");
                }
                address => info!(tls, "listening on {address}"),
            }
        }
        let stopping = Arc::new(AtomicBool::new(false));
        let (reload, asked) = tokio::sync::mpsc::channel::<Asked>(8);
        let listeners = addresses.iter().map(|(address, tls)| ListenerAbout {
            address: address.to_string(),
            tls: *tls,
        });
        let program = Program::new(&config, listeners.collect(), Arc::clone(&stopping), reload);
        let admin = Admin::listen(
            &config.admin,
            gateway.clone(),
            Arc::clone(&program) as Arc<_>,
        );
        let (admin, token) = admin.map_err(|error| error.to_string())?.unzip();
        let admin = admin.map(|admin| {
            for (address, _) in admin.local_addresses().into_iter().flatten() {
                match address {
                    ListenAddress::Tcp(address) => info!("admin on http://{address}"),
                    address => info!("admin on {address}"),
                }
            }
            tokio::spawn(admin.serve(std::future::pending()))
        });
        if let Some(unused) = systemd::unused() {
            warn!("{unused}");
        }
        let reload = reload::Reload {
            settings,
            gateway: gateway.clone(),
            certificates: server.certificates(),
            token: token.flatten(),
            watched,
            stopping: Arc::clone(&stopping),
            program,
        };
        let reloading = tokio::spawn(async move {
            reload.at(hang_up, asked, config).await;
            let _ = terminal_gone.send(());
        });
        let stop = async {
            stop.await;
            stopping.store(true, Ordering::Relaxed);
            supervisor::stopping(&gateway);
        };
        supervisor::ready();
        tokio::select! {
            () = server.serve(stop) => {}
            () = supervisor::watchdog(&gateway) => {}
        }
        reloading.abort();
        // Until now it told how far the end has come. Its socket's file goes with it.
        if let Some(admin) = admin {
            admin.abort();
            let _ = admin.await;
        }
        Ok(())
    }
}
