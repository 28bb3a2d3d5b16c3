//! One session of a run: where it belongs, how it opens and closes.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::client::{Builder, Client, Error};
use crate::protocol::CloseReason;

use super::control::{Control, Phase};
use super::payload::Template;
use super::plan::{Plan, Schedule};
use super::tally::Tally;

/// What all sessions have.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) plan: Plan,
    pub(super) builder: Builder,
    pub(super) control: Control,
    pub(super) template: Template,
    /// When messages are to be sent, unless that is when others have come back.
    pub(super) schedule: Option<Schedule>,
    /// Sessions that may be opening at the same time, so that no queue of connections runs over.
    pub(super) opening: Semaphore,
}

/// One session's place.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    pub(super) index: usize,
    pub(super) run: Arc<Run>,
    /// Its worker's. Nobody else holds it for longer than a look.
    pub(super) tally: Arc<Mutex<Tally>>,
}

impl Seat {
    /// Does `doing`, until the run is over: `None` then.
    pub(super) async fn until_over<T>(&self, doing: impl Future<Output = T>) -> Option<T> {
        let mut doing = pin!(doing);
        let control = &self.run.control;
        poll_fn(|context| {
            control.register(self.index, context.waker());
            if control.phase() == Phase::Over {
                return Poll::Ready(None);
            }
            doing.as_mut().poll(context).map(Some)
        })
        .await
    }

    /// Opens the session that this place has for the whole run.
    pub(super) async fn open(&self) -> Option<Client> {
        let opening = async {
            let _turn = self.run.opening.acquire().await;
            if self.run.control.phase() > Phase::Opening {
                return None;
            }
            Some(self.run.builder.connect().await)
        };
        let opened = self.until_over(opening).await.flatten();
        let opened = match opened {
            Some(Ok(client)) => {
                self.tally.lock().opened += 1;
                Some(client)
            }
            Some(Err(error)) => {
                self.failed(&error);
                None
            }
            None => {
                let mut tally = self.tally.lock();
                tally.failed += 1;
                tally.problem("a session could not be opened before the run began");
                None
            }
        };
        self.run.control.settle();
        opened
    }

    /// A session could not be opened.
    pub(super) fn failed(&self, error: &Error) {
        let mut tally = self.tally.lock();
        tally.failed += 1;
        tally.problem(&error.to_string());
    }

    /// The same; a server that refuses is not asked again in a tight loop.
    pub(super) async fn refused(&self, error: &Error) {
        self.failed(error);
        let pause = tokio::time::sleep(std::time::Duration::from_millis(10));
        self.until_over(pause).await;
    }

    /// A session ended that was not to.
    pub(super) fn ended(&self, reason: Option<&CloseReason>) {
        let mut tally = self.tally.lock();
        tally.ended += 1;
        match reason {
            Some(reason) => tally.problem(&format!(
                "a session ended with {} {}",
                reason.code, reason.reason
            )),
            None => tally.problem("a session ended"),
        }
    }
}
