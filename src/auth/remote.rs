//! Keys that somebody else publishes: a JSON Web Key Set at a URL, read again and again.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::HeaderMap;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::outward::Asker;
use crate::registry::Throttle;

use super::key::Keys;

/// What an operator can set about keys at a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JwksConfig {
    /// Where they are: `https://…`, or `http://…` where nobody is on the way.
    pub url: String,
    /// Certificates (PEM) that the server may be signed by, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// How often they are read. Default 15 min.
    pub refresh: Duration,
    /// How long they hold while they cannot be read, from the last time that they were; no shorter than `refresh`. Default 24 h.
    pub keep: Duration,
    /// Time that reading them may take. Default 5 s.
    pub timeout: Duration,
    /// What the log calls whom they let in by. Default nothing.
    pub name: Option<String>,
}

impl JwksConfig {
    /// Keys at `url`, and the defaults.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            name: None,
            url: url.into(),
            ca_file: None,
            refresh: Duration::from_secs(15 * 60),
            keep: Duration::from_secs(24 * 3600),
            timeout: Duration::from_secs(5),
        }
    }
}

/// Longest set, in bytes.
const LONGEST: usize = 256 * 1024;
/// Pause after the first failure; it doubles while they go on.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The keys, and a task that reads them again, for as long as this lives.
#[derive(Debug)]
pub(super) struct RemoteKeys {
    shared: Arc<Shared>,
    task: OnceLock<AbortHandle>,
}

struct Shared {
    config: JwksConfig,
    asker: Asker,
    state: watch::Sender<State>,
    /// Told to read now.
    demanded: Notify,
    /// Who comes with an unknown key makes them be read, but not as often as anybody likes.
    demands: Throttle,
}

#[derive(Clone, Default)]
struct State {
    keys: Option<Arc<Keys>>,
    /// When they were read.
    read_at: Option<Instant>,
    /// Times that reading has ended.
    attempts: u64,
    is_reading: bool,
    /// What was wrong the last time.
    problem: Option<String>,
}

impl RemoteKeys {
    /// Nothing is read yet.
    ///
    /// # Errors
    /// What is wrong with the URL, the certificates or the times.
    pub(super) fn new(config: JwksConfig) -> Result<Self, String> {
        if config.keep < config.refresh {
            return Err("they would cease to hold before they are read again; let keep be no shorter than refresh".to_owned());
        }
        let asker = Asker::new(&config.url, config.ca_file.clone(), config.timeout)?;
        Ok(Self {
            shared: Arc::new(Shared {
                config,
                asker,
                state: watch::Sender::default(),
                demanded: Notify::new(),
                demands: Throttle::default(),
            }),
            task: OnceLock::new(),
        })
    }

    /// Begins to read, if that has not begun. In a tokio runtime.
    pub(super) fn start(&self) {
        self.task.get_or_init(|| {
            let reading = Arc::clone(&self.shared).run();
            tokio::spawn(reading).abort_handle()
        });
    }

    /// Those that hold.
    pub(super) fn current(&self) -> Option<Arc<Keys>> {
        let state = self.shared.state.borrow();
        let holds = |read_at: Instant| read_at.elapsed() <= self.shared.config.keep;
        state
            .keys
            .clone()
            .filter(|_| state.read_at.is_some_and(holds))
    }

    /// Whether they could not be read the last time.
    pub(super) fn fails(&self) -> bool {
        self.shared.state.borrow().problem.is_some()
    }

    /// Reads them again for somebody whose key is not among them, unless that was done a short while ago.
    pub(super) async fn renew(&self) {
        let mut watched = self.shared.state.subscribe();
        let seen = watched.borrow_and_update().attempts;
        if !self.is_being_read() {
            if self.shared.demands.admit().is_none() {
                return;
            }
            self.shared.demanded.notify_one();
        }
        // A little longer than reading may take.
        let patience = self.shared.config.timeout + Duration::from_secs(1);
        let read = watched.wait_for(|state| state.attempts > seen);
        // What is there afterwards is looked at in any case.
        let _ = tokio::time::timeout(patience, read).await;
    }

    fn is_being_read(&self) -> bool {
        let state = self.shared.state.borrow();
        state.is_reading || state.attempts == 0
    }

    /// Waits for the first attempt.
    ///
    /// # Errors
    /// What was wrong.
    pub(super) async fn prepare(&self) -> Result<(), String> {
        self.start();
        let mut watched = self.shared.state.subscribe();
        let state = watched.wait_for(|state| state.attempts > 0).await;
        let problem = state.ok().and_then(|state| state.problem.clone());
        problem.map_or(Ok(()), Err)
    }
}

impl Drop for RemoteKeys {
    fn drop(&mut self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

impl Shared {
    /// Reads them for ever.
    async fn run(self: Arc<Self>) {
        let mut pause = FIRST_PAUSE;
        loop {
            self.state.send_modify(|state| state.is_reading = true);
            let read = self.read().await;
            let refresh = self.config.refresh;
            let wait = match &read {
                Ok(_) => {
                    pause = FIRST_PAUSE;
                    refresh
                }
                Err(problem) => {
                    self.tell(problem);
                    let wait = pause.min(refresh);
                    pause = wait * 2;
                    wait
                }
            };
            self.state.send_modify(|state| state.note(read));
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.demanded.notified() => {}
            }
        }
    }

    /// Tells the operator that keys cannot be read, and what that comes to.
    fn tell(&self, problem: &str) {
        let auth = self.config.name.as_deref();
        let url = &self.asker;
        if self.state.borrow().keys.is_some() {
            warn!(auth, %url, problem, "keys cannot be read; those that are known stay");
        } else {
            warn!(auth, %url, problem, "keys cannot be read; nobody is let in until they can be");
        }
    }

    async fn read(&self) -> Result<Keys, String> {
        let mut fields = HeaderMap::new();
        let accepted = http::HeaderValue::from_static("application/jwk-set+json, application/json");
        fields.insert(http::header::ACCEPT, accepted);
        let answered = self.asker.ask(None, &fields, LONGEST).await?;
        if answered.status != http::StatusCode::OK {
            return Err(format!("the server answered {}", answered.status));
        }
        Keys::set(&answered.body).map_err(|error| error.to_string())
    }
}

impl State {
    fn note(&mut self, read: Result<Keys, String>) {
        self.is_reading = false;
        self.attempts += 1;
        match read {
            Ok(keys) => {
                if self.keys.as_deref() != Some(&keys) {
                    info!(keys = keys.count(), "keys are read");
                    self.keys = Some(Arc::new(keys));
                }
                self.read_at = Some(Instant::now());
                self.problem = None;
            }
            Err(problem) => self.problem = Some(problem),
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shared").field(&self.asker).finish()
    }
}
