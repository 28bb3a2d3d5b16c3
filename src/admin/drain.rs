//! A drain that an operator asked for, and may take back.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::AbortHandle;

use crate::protocol::CloseReason;
use crate::service::Gateway;

/// The drain that goes on, if one does.
#[derive(Debug, Default)]
pub(super) struct Draining(Mutex<Option<AbortHandle>>);

impl Draining {
    /// Refuses new sessions from now on and ends the living ones over `window`. One that was asked for before is given up: this one's
    /// window and reason hold for sessions that live; new ones are refused with the reason of the first.
    pub(super) fn begin(&self, gateway: &Gateway, reason: CloseReason, window: Duration) {
        let mut going_on = self.0.lock();
        // At once, so that whoever asked finds it so.
        gateway.close_doors(&reason);
        let gateway = gateway.clone();
        let task = tokio::spawn(async move { gateway.drain(&reason, window).await });
        if let Some(before) = going_on.replace(task.abort_handle()) {
            before.abort();
        }
    }

    /// Gives it up, and opens new sessions again.
    pub(super) fn undo(&self, gateway: &Gateway) {
        let mut going_on = self.0.lock();
        if let Some(task) = going_on.take() {
            task.abort();
        }
        gateway.undrain();
    }
}
