//! What a supervisor with systemd's protocol is told: that the program serves, reloads, stops, and is alive. (sd_notify(3))
//!
//! Without `NOTIFY_SOCKET` in the environment nobody is told anything.

use std::time::Duration;

use sd_notify::NotifyState;
use tracing::warn;

use crate::service::Gateway;

/// The program serves: those that were to start after it can.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The configuration is read again, until the next [`ready`].
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => warn!(%error, "the supervisor is not told of the reload"),
    }
}

/// The program stops, and takes its time.
pub(super) fn stopping(gateway: &Gateway) {
    let status = format!("stopping, {} sessions left", gateway.sessions());
    tell(&[NotifyState::Stopping, NotifyState::Status(&status)]);
}

/// Tells as often as `WatchdogSec=` asks that tasks are run, and how many sessions there are; never done.
pub(super) async fn watchdog(gateway: &Gateway) {
    const SHORTEST: Duration = Duration::from_millis(10);
    let Some(patience) = sd_notify::watchdog_enabled() else {
        return std::future::pending().await;
    };
    // Half of it, as sd_watchdog_enabled(3) recommends.
    let mut ticks = tokio::time::interval((patience / 2).max(SHORTEST));
    loop {
        ticks.tick().await;
        let status = format!("{} sessions", gateway.sessions());
        tell(&[NotifyState::Watchdog, NotifyState::Status(&status)]);
    }
}

fn tell(states: &[NotifyState<'_>]) {
    // A supervisor that does not read holds up whoever tells it.
    if let Err(error) = tokio::task::block_in_place(|| sd_notify::notify(states)) {
        warn!(%error, "the supervisor behind NOTIFY_SOCKET cannot be told");
    }
}
