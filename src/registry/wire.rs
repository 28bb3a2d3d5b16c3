//! What the server knows about a browser's connection below HTTP: whether answers left, whether it broke, whether it is
//! still there. Written by the server's I/O, read by receivers. Applications that serve the gateway themselves have none.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Waker};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::handle::SessionHandle;

/// One browser connection, shared by its I/O and by the receivers of the requests on it.
#[derive(Default)]
pub struct Wire {
    answers: Mutex<Answers>,
    /// Whether `answers` holds something a flush settles; keeps the lock out of other flushes.
    unsettled: AtomicBool,
    /// A receiver is parked: the browser has no reason to send anything.
    parked: AtomicBool,
    /// Something came while a receiver was parked.
    pipelined: AtomicBool,
    cut_off: AtomicBool,
    closed: AtomicBool,
    recheck: AtomicBool,
    rechecked: Notify,
    /// The task that does the connection's I/O.
    task: Mutex<Option<Waker>>,
}

#[derive(Default)]
struct Answers {
    /// Frames of this receiver were handed over and are not flushed.
    in_flight: Option<(Arc<SessionHandle>, u32)>,
    /// The last flushed frames were a whole response of this receiver.
    answered: Option<(Weak<SessionHandle>, u32)>,
    complete: bool,
}

impl Wire {
    /// Everything handed over so far was written to the socket.
    pub fn flushed(&self) {
        if !self.unsettled.swap(false, Ordering::Relaxed) {
            return;
        }
        let settled = {
            let mut answers = self.answers.lock();
            let settled = answers.in_flight.take();
            if let Some((handle, attachment)) = &settled {
                answers.answered = answers
                    .complete
                    .then(|| (Arc::downgrade(handle), *attachment));
            }
            settled
        };
        if let Some((handle, attachment)) = settled {
            handle.left(attachment);
        }
    }

    /// The connection is gone; `broken` when it did not end in order (reset, write error).
    pub fn closed(&self, broken: bool) {
        let (in_flight, answered) = {
            let mut answers = self.answers.lock();
            (answers.in_flight.take(), answers.answered.take())
        };
        if let Some((handle, attachment)) = in_flight {
            handle.doubt(attachment);
        }
        if let Some((handle, attachment)) = answered.filter(|_| broken)
            && let Some(handle) = handle.upgrade()
        {
            handle.doubt(attachment);
        }
        // Only now: whoever asks must find the sessions told.
        self.closed.store(true, Ordering::Release);
        self.rechecked.notify_waiters();
    }

    /// Whether a whole response waits to be flushed. Before it is written is the last moment to see that nobody is there to
    /// read it.
    pub fn is_answering(&self) -> bool {
        self.unsettled.load(Ordering::Relaxed) && self.answers.lock().complete
    }

    /// Bytes came from the browser. `context` is that of the task that read them.
    pub fn received(&self, context: &Context<'_>) {
        if self.parked.load(Ordering::Relaxed) && !self.pipelined.swap(true, Ordering::Relaxed) {
            context.waker().wake_by_ref();
        }
    }

    /// Remembers the task that does the I/O, for [`Self::cut`] and [`Self::recheck`].
    pub fn register(&self, context: &Context<'_>) {
        let mut task = self.task.lock();
        if !task
            .as_ref()
            .is_some_and(|waker| waker.will_wake(context.waker()))
        {
            *task = Some(context.waker().clone());
        }
    }

    /// Whether the I/O must fail from now on.
    pub fn is_cut(&self) -> bool {
        self.cut_off.load(Ordering::Acquire)
    }

    /// Whether somebody asks if the browser is still there; the I/O answers with [`Self::present`] or by ending.
    pub fn take_recheck(&self) -> bool {
        self.recheck.load(Ordering::Relaxed) && self.recheck.swap(false, Ordering::AcqRel)
    }

    /// Answer to a re-check: no sign that the browser is gone.
    pub fn present(&self) {
        self.rechecked.notify_waiters();
    }

    /// Ends the connection from outside.
    pub(super) fn cut(&self) {
        self.cut_off.store(true, Ordering::Release);
        self.wake();
    }

    /// Asks the I/O to look at the socket now: `true` when it found the browser present, `false` when the connection has
    /// ended and those who were answered on it know.
    pub(super) async fn recheck(&self) -> bool {
        let answer = self.rechecked.notified();
        if self.closed.load(Ordering::Acquire) {
            return false;
        }
        self.recheck.store(true, Ordering::Release);
        self.wake();
        answer.await;
        !self.closed.load(Ordering::Acquire)
    }

    /// Frames of this receiver were handed to the connection; `complete` when they end its response.
    pub(super) fn carries(&self, handle: &Arc<SessionHandle>, attachment: u32, complete: bool) {
        let mut answers = self.answers.lock();
        answers.in_flight = Some((Arc::clone(handle), attachment));
        answers.answered = None;
        answers.complete = complete;
        self.unsettled.store(true, Ordering::Relaxed);
    }

    pub(super) fn park(&self, parked: bool) {
        self.pipelined.store(false, Ordering::Relaxed);
        self.parked.store(parked, Ordering::Relaxed);
    }

    pub(super) fn is_pipelined(&self) -> bool {
        self.pipelined.load(Ordering::Relaxed)
    }

    fn wake(&self) {
        let task = self.task.lock().clone();
        if let Some(task) = task {
            task.wake();
        }
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire")
            .field("cut_off", &self.cut_off)
            .field("parked", &self.parked)
            .finish_non_exhaustive()
    }
}
