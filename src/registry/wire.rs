//! What the server knows about a browser's connection below HTTP: whether answers left, whether it broke, whether it is
//! still there. Written by the server's I/O, read by receivers. Applications that serve the gateway themselves have none.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
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
    /// The receiver found no frame and had to wait.
    waited: AtomicBool,
    /// Bytes that came behind the head of the request that is being answered: its body, and then more requests.
    behind: AtomicUsize,
    /// How many of them are its body; [`UNKNOWN`] for a chunked one that is not read yet.
    body: AtomicUsize,
    /// The I/O has seen the end of the connection and keeps it back.
    end_hidden: AtomicBool,
    cut_off: AtomicBool,
    closed: AtomicBool,
    recheck: AtomicBool,
    rechecked: Notify,
    /// The task that does the connection's I/O.
    task: Mutex<Option<Waker>>,
}

/// Stands for the length of a body whose end only its reader finds.
const UNKNOWN: usize = usize::MAX;

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

    /// Whether the whole response of a receiver that waited is about to be written: the last moment to see that nobody is
    /// there to read it.
    pub fn is_answering_parked(&self) -> bool {
        self.unsettled.load(Ordering::Relaxed)
            && self.answers.lock().complete
            && self.waited.load(Ordering::Relaxed)
    }

    /// Whether a receiver waits: the end of the connection is the end of its session.
    fn is_parked(&self) -> bool {
        self.parked.load(Ordering::Relaxed) && self.waited.load(Ordering::Relaxed)
    }

    /// The head of a request has come; what comes from now on is its body, or another request.
    pub fn head_ended(&self) {
        self.behind.store(0, Ordering::Relaxed);
        self.body.store(0, Ordering::Relaxed);
    }

    /// `length` bytes came behind the head. `context` is that of the task that read them.
    pub fn received(&self, context: &Context<'_>, length: usize) {
        let was_pipelined = self.is_pipelined();
        self.behind.fetch_add(length, Ordering::Relaxed);
        if !was_pipelined && self.is_pipelined() && self.is_parked() {
            context.waker().wake_by_ref();
        }
    }

    /// The request has a body of that length; `None` for one whose length is not declared.
    pub fn body_expected(&self, length: Option<u64>) {
        let length = length
            .and_then(|length| usize::try_from(length).ok())
            .unwrap_or(UNKNOWN);
        self.body.store(length, Ordering::Relaxed);
    }

    /// The body was read whole.
    pub fn body_read(&self) {
        if self.body.load(Ordering::Relaxed) == UNKNOWN {
            self.body
                .store(self.behind.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    /// Whether the end of the connection may be kept back, because the request that is being answered does not need to know:
    /// it has come whole, and no receiver waits.
    pub fn may_hide_end(&self) -> bool {
        !self.is_parked()
            && self.behind.load(Ordering::Relaxed) >= self.body.load(Ordering::Relaxed)
    }

    /// The I/O has seen the end of the connection and says so later, see [`Self::reveal_end`].
    pub fn hide_end(&self) {
        self.end_hidden.store(true, Ordering::Relaxed);
    }

    /// The request is answered, or waits: time to report an end that was kept back.
    pub fn reveal_end(&self) {
        if self.end_hidden.load(Ordering::Relaxed) {
            self.wake();
        }
    }

    /// Remembers the task that does the I/O, so that it can be made to look at the socket, or to fail.
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

    /// A receiver attaches.
    pub(super) fn park(&self) {
        self.waited.store(false, Ordering::Relaxed);
        self.parked.store(true, Ordering::Relaxed);
    }

    /// The receiver has to wait. From now on the I/O reports an end at once.
    pub(super) fn wait(&self) {
        if !self.waited.swap(true, Ordering::Relaxed) {
            self.reveal_end();
        }
    }

    /// The receiver is gone.
    pub(super) fn unpark(&self) {
        self.parked.store(false, Ordering::Relaxed);
    }

    /// Whether another request waits behind the one that is being answered.
    fn is_pipelined(&self) -> bool {
        self.behind.load(Ordering::Relaxed) > self.body.load(Ordering::Relaxed)
    }

    /// Whether the attached receiver should give way to a request behind it.
    pub(super) fn hurries(&self) -> bool {
        self.parked.load(Ordering::Relaxed) && self.is_pipelined()
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
