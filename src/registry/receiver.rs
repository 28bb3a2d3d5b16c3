//! The one response or socket that takes frames out of a session.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::network::Proof;
use crate::protocol::{CloseReason, Frame};
use crate::session::{Attach, Detach, Liveness, Manner};

use super::handle::SessionHandle;
use super::wire::Wire;

/// The attachment itself: made by [`Receiver::attach`], ended in order by [`Receiver::finish`]; dropping it means that the
/// browser is gone.
#[derive(Debug)]
pub struct Receiver {
    handle: Arc<SessionHandle>,
    attachment: u32,
    wire: Option<Arc<Wire>>,
    /// The last frame taken is to be the last.
    gives_way: bool,
    finished: bool,
}

/// How long a conflict waits for the old connection to end, where its socket cannot be asked. A browser that aborts and
/// asks again at once has closed the old connection before; the event is already on its way to us.
const CONFLICT_GRACE: Duration = Duration::from_millis(100);

/// The most that a poll waits for the backend, see [`Receiver::settle`].
const SETTLE: Duration = Duration::from_millis(10);

impl Receiver {
    /// Attaches to the session. Cancel safe.
    ///
    /// The connection of the receiver before is looked at first, unless it is this one. When that receiver is still
    /// attached, only a connection that is still open refuses this one. When it was answered, a connection that has broken
    /// since may have taken the answer with it, and the session ends instead of going on with a gap.
    ///
    /// # Errors
    /// The reason to answer with: 2010 while the other is attached, the session's own when it is closed.
    ///
    /// Source: sockjs-protocol, `HandlingClose.test_abort_xhr_polling`, `Protocol.test_simpleSession`.
    pub async fn attach(
        handle: Arc<SessionHandle>,
        manner: Manner,
        wire: Option<Arc<Wire>>,
    ) -> Result<Self, CloseReason> {
        let before = handle.wire();
        let elsewhere = match (&before, &wire) {
            (Some(before), Some(wire)) => !Arc::ptr_eq(before, wire),
            (Some(_), None) => true,
            (None, _) => false,
        };
        if elsewhere {
            recheck(&handle, before.as_deref()).await;
        }
        let mut answer = handle.attach(manner, wire.as_ref());
        if answer == Attach::Busy && !elsewhere {
            recheck(&handle, None).await;
            answer = handle.attach(manner, wire.as_ref());
        }
        match answer {
            Attach::Granted(attachment) => {
                if let (Some(wire), Liveness::Connection) = (&wire, manner.liveness) {
                    wire.park();
                }
                Ok(Self {
                    handle,
                    attachment,
                    wire,
                    gives_way: false,
                    finished: false,
                })
            }
            Attach::Busy => {
                if let Some(spacing) = handle.turns_away() {
                    tokio::time::sleep(spacing).await;
                }
                Err(CloseReason::ANOTHER_CONNECTION)
            }
            Attach::Ended(reason) => Err(reason),
        }
    }

    /// The next frame, read by `read`. After a close frame nothing more comes.
    pub fn poll_frame<R>(
        &mut self,
        context: &Context<'_>,
        read: impl FnOnce(Frame<'_>) -> R,
    ) -> Poll<R> {
        let frame = self.handle.poll_frame(context, self.is_hurried(), read);
        match frame {
            Poll::Pending => {
                if let Some(wire) = &self.wire {
                    wire.wait();
                }
                Poll::Pending
            }
            Poll::Ready((frame, gives_way)) => {
                self.gives_way = gives_way;
                Poll::Ready(frame)
            }
        }
    }

    /// How a WebSocket is to show that it works before it takes its first frame.
    pub fn proof(&self) -> Proof {
        self.handle.proof()
    }

    /// Waits, shortly, until the backend has dealt with the messages that were accepted before. A poll that takes its one
    /// frame after this carries all answers instead of the first few. (sockjs-protocol, `XhrPolling.test_content_types`)
    pub async fn settle(&self) {
        if self.handle.is_settled() {
            return;
        }
        let settled = std::future::poll_fn(|context| self.handle.poll_settled(context));
        let _ = tokio::time::timeout(SETTLE, settled).await;
    }

    /// Whether this response should end with the last frame taken, because another one follows.
    pub fn gives_way(&self) -> bool {
        self.gives_way || self.is_hurried()
    }

    /// Whether another request waits behind this one on the same connection.
    fn is_hurried(&self) -> bool {
        self.wire.as_ref().is_some_and(|wire| wire.hurries())
    }

    /// What was taken so far was handed to the connection. Where the connection tells of flushes, it is settled by the
    /// next one; elsewhere this is all there is to know.
    pub fn handed_over(&self, complete: bool) {
        match &self.wire {
            Some(wire) => {
                self.handle.handed_over(self.attachment);
                wire.carries(&self.handle, self.attachment, complete);
            }
            None => self.handle.written(self.attachment),
        }
    }

    /// What was taken so far was written to the socket.
    pub fn left(&self) {
        self.handle.written(self.attachment);
    }

    /// Ends the attachment in order: the browser will come back.
    pub fn finish(mut self) {
        self.finished = true;
        self.end(Detach::Done);
    }

    /// The session this receiver is attached to.
    pub fn handle(&self) -> &Arc<SessionHandle> {
        &self.handle
    }

    fn end(&self, how: Detach) {
        if let Some(wire) = &self.wire {
            wire.unpark();
        }
        self.handle.detach(self.attachment, how);
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if !self.finished {
            // Who cannot tell how the connection ended expects the worse.
            let in_order = self.wire.as_ref().is_some_and(|wire| !wire.is_broken());
            self.end(if in_order {
                Detach::Ended
            } else {
                Detach::Aborted
            });
        }
    }
}

/// Done when the connection before was found open or has ended, where it can be asked; elsewhere when its receiver is gone
/// or the grace has passed.
async fn recheck(handle: &Arc<SessionHandle>, wire: Option<&Wire>) {
    let checked = async {
        if let Some(wire) = wire
            && wire.recheck().await
        {
            return;
        }
        // The connection's receiver goes with it, a moment later.
        std::future::poll_fn(|context| handle.poll_vacant(context)).await;
    };
    let _ = tokio::time::timeout(CONFLICT_GRACE, checked).await;
}
