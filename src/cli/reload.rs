//! SIGHUP, and files that have changed: the configuration is read again, checked as a whole, and takes the place of what is in force.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::block_in_place;
use tracing::{error, info, warn};

use super::process::{Asked, Program};
use super::settings::Settings;
use super::signals::HangUp;
use super::supervisor;
use super::watch::Watched;
use crate::admin::{ReloadOutcome, Token};
use crate::config::Config;
use crate::server::Certificates;
use crate::service::Gateway;

/// What is needed to read it again, and what it is for.
pub(super) struct Reload {
    /// `None` where there is nothing to read, as in the demo.
    pub(super) settings: Option<Settings>,
    pub(super) gateway: Gateway,
    pub(super) certificates: Certificates,
    /// Of an admin listener that asks for one.
    pub(super) token: Option<Token>,
    /// What it is made of, as it was when it was read.
    pub(super) watched: Watched,
    /// Whether the program stops: then it is too late.
    pub(super) stopping: Arc<AtomicBool>,
    /// Told of what is in force.
    pub(super) program: Arc<Program>,
}

/// Logs what is allowed but seldom meant.
pub(super) fn warn_of(config: &Config) {
    for warning in config.warnings() {
        warn!(place = %warning.origin, "{}: {}", warning.key, warning.what);
    }
}

/// Lets authenticators get what they need from others, and logs what they could not get.
pub(super) async fn prepare(config: &Config) {
    for (auth, problem) in config.prepare().await {
        error!(
            auth,
            problem, "nobody is let in until this is mended; it is tried again by itself"
        );
    }
}

/// Those that a configuration is made of.
fn files(settings: &Settings, config: &Config) -> Vec<PathBuf> {
    settings.file().into_iter().chain(config.files()).collect()
}

/// The configuration, and its files as they were when it was read: what is written from then on is a change.
pub(super) fn load(settings: &Settings) -> Result<(Config, Watched), String> {
    let mut watched = Watched::new(settings.file().into_iter().collect());
    let config = settings.load(None)?;
    watched.replace(files(settings, &config));
    Ok((config, watched))
}

/// Prefixes as they are logged: nothing where there are none, and `/` for the one of all paths, which is empty.
fn names(prefixes: &[Arc<str>]) -> Option<String> {
    let shown = |prefix: &Arc<str>| match &**prefix {
        "" => "/".to_owned(),
        prefix => prefix.to_owned(),
    };
    let names: Vec<_> = prefixes.iter().map(shown).collect();
    (!names.is_empty()).then(|| names.join(" "))
}

/// Until files are to be looked at.
async fn pause(watch: Option<Duration>) {
    match watch {
        Some(pause) => tokio::time::sleep(pause).await,
        None => std::future::pending().await,
    }
}

impl Reload {
    /// Reloads at each `hang_up`, when it is `asked` for, and when files have changed, where the configuration wants them watched.
    /// `running` is what the program was started with. Done when a signal came because the terminal that the program was started in
    /// is gone.
    pub(super) async fn at(
        mut self,
        mut hang_up: HangUp,
        mut asked: mpsc::Receiver<Asked>,
        running: Config,
    ) {
        let mut watch = running.watch;
        let mut current: Option<Config> = None;
        loop {
            let mut who = None;
            tokio::select! {
                terminal_gone = hang_up.recv() => {
                    if terminal_gone {
                        return;
                    }
                    // What is read now is known.
                    block_in_place(|| self.watched.read_now());
                }
                Some(asker) = asked.recv() => {
                    who = Some(asker);
                    block_in_place(|| self.watched.read_now());
                }
                () = pause(watch.map(|usual| self.watched.pause(usual))) => {
                    if !block_in_place(|| self.watched.has_changed()) {
                        continue;
                    }
                    info!("files have changed");
                }
            }
            let reloaded = self.reload(&running, current.as_ref()).await;
            let outcome = reloaded.map(|(config, outcome)| {
                watch = config.watch;
                current = Some(config);
                outcome
            });
            if let Some(who) = who {
                let _ = who.send(outcome);
            }
        }
    }

    /// What is in force then, and what has changed; else the mistakes. Both are logged. Before, it was `current`, or else what is
    /// `running` since the start.
    async fn reload(
        &mut self,
        running: &Config,
        current: Option<&Config>,
    ) -> Result<(Config, ReloadOutcome), Vec<String>> {
        let Some(settings) = &self.settings else {
            let what = "there is no configuration to reload";
            info!("{what}");
            return Err(vec![what.to_owned()]);
        };
        if self.stopping.load(Ordering::Relaxed) {
            let what = "the configuration is not reloaded, the program stops";
            warn!("{what}");
            return Err(vec![what.to_owned()]);
        }
        supervisor::reloading();
        let taken_over = self.take_over(settings, running, current).await;
        supervisor::ready();
        match taken_over {
            Ok((config, outcome)) => {
                block_in_place(|| self.watched.replace(files(settings, &config)));
                self.program.reloaded(&config, running);
                Ok((config, outcome))
            }
            Err(mistakes) => {
                let mistakes: Vec<_> = mistakes.lines().map(str::to_owned).collect();
                mistakes.iter().for_each(|mistake| error!("{mistake}"));
                error!("the configuration was not reloaded; what was in force stays");
                Err(mistakes)
            }
        }
    }

    async fn take_over(
        &self,
        settings: &Settings,
        running: &Config,
        current: Option<&Config>,
    ) -> Result<(Config, ReloadOutcome), String> {
        // Files may be where reading them takes long, or for ever: only the reload waits.
        let mut config = block_in_place(|| settings.load(None))?;
        config.inherit(current.unwrap_or(running));
        prepare(&config).await;
        // From here on nothing can be wrong but a token that changed in this moment: the certificates were read with the rest.
        let token = self.token.as_ref();
        let token = token.map(|token| block_in_place(|| token.prepare(&config.admin)));
        let replace_token = token.transpose().map_err(|error| error.to_string())?;
        let certificates = self.certificates.reload(&config.take_listeners());
        certificates.map_err(|error| error.to_string())?;
        let reloaded = self.gateway.reload(config.builder());
        let reloaded = reloaded.map_err(|error| error.to_string())?;
        if replace_token.is_some_and(|replace| replace()) {
            info!("the admin listener asks for another token");
        }
        warn_of(&config);
        let needs_restart = config.needs_restart(running);
        if !needs_restart.is_empty() {
            let keys = needs_restart.join(", ");
            warn!("{keys}: as when the program was started; changes need a restart");
        }
        info!(
            added = names(&reloaded.added),
            removed = names(&reloaded.removed),
            "configuration reloaded"
        );
        let texts = |prefixes: &[Arc<str>]| prefixes.iter().map(ToString::to_string).collect();
        let warnings = config.warnings();
        let outcome = ReloadOutcome {
            added: texts(&reloaded.added),
            removed: texts(&reloaded.removed),
            needs_restart,
            warnings: warnings.iter().map(ToString::to_string).collect(),
        };
        Ok((config, outcome))
    }
}
