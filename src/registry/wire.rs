//! What the server knows about a browser's connection below HTTP: whether answers left, whether it broke, whether it is
//! still there. Written by the server's I/O, read by receivers. Applications that serve the gateway themselves have none.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::moment::Moment;

use super::clock::now;
use super::handle::SessionHandle;
use super::wakers::store;

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
    /// Whoever answers waits for something that is in vain without a browser.
    in_vain_alone: AtomicBool,
    /// More came behind the request that is being answered.
    pipelined: AtomicBool,
    /// A receiver was told that there is nothing for it, and none attached since.
    told: AtomicBool,
    resets_are_usual: AtomicBool,
    /// Bytes were written since somebody looked.
    progress: AtomicBool,
    cut_off: AtomicBool,
    /// It is known who is there.
    vouched: AtomicBool,
    broken: AtomicBool,
    closed: AtomicBool,
    recheck: AtomicBool,
    rechecked: Notify,
    /// The task that does the connection's I/O.
    task: Mutex<Option<Waker>>,
}

/// A reset this soon after an answer means that the answer was not read. (Linux resets a connection that is closed with unread
/// data.) Later, it is how some end an idle connection.
const RESET_WINDOW: Duration = Duration::from_millis(200);

#[derive(Default)]
struct Answers {
    /// Frames of this receiver were handed over and are not flushed.
    in_flight: Option<(Arc<SessionHandle>, u32)>,
    /// The last flushed frames were a whole response of this receiver, and when that was.
    answered: Option<(Weak<SessionHandle>, u32, Moment)>,
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
            if let Some((handle, attachment)) = &settled
                && answers.complete
            {
                answers.answered = Some((Arc::downgrade(handle), *attachment, now()));
            }
            settled
        };
        if let Some((handle, attachment)) = settled {
            handle.left(attachment);
        }
    }

    /// Bytes were written.
    pub fn wrote(&self) {
        self.progress.store(true, Ordering::Relaxed);
    }

    /// Whether bytes were written since the last call.
    pub(super) fn take_progress(&self) -> bool {
        self.progress.swap(false, Ordering::Relaxed)
    }

    /// Whether a reset after an answer says nothing about the answer: proxies end connections like that once they have read
    /// it, and so does anybody who asked for the connection to be closed.
    pub fn resets_are_usual(&self, usual: bool) {
        self.resets_are_usual.store(usual, Ordering::Relaxed);
    }

    /// The connection has broken: it was reset, or could not be written to.
    pub fn broke(&self) {
        self.broken.store(true, Ordering::Relaxed);
    }

    /// Whether the connection has broken, as far as anybody looked.
    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
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
        if let Some((handle, attachment, since)) = answered
            && let Some(handle) = handle.upgrade()
        {
            let unusual = broken && !self.resets_are_usual.load(Ordering::Relaxed);
            if unusual && now().saturating_duration_since(since) < RESET_WINDOW {
                handle.doubt(attachment);
            }
            handle.let_wire_go(self);
        }
        // A session that still knows this wire must not keep the task of a connection that is gone.
        *self.task.lock() = None;
        // Only now: whoever asks must find the sessions told.
        self.closed.store(true, Ordering::Release);
        self.rechecked.notify_waiters();
    }

    /// Whether the whole response of a receiver that waited is about to be written: the last moment to see that nobody is
    /// there to read it.
    pub fn is_answering_parked(&self) -> bool {
        self.unsettled.load(Ordering::Relaxed)
            && self.waited.load(Ordering::Relaxed)
            && self.answers.lock().complete
    }

    /// Whether the end of the browser's side is the end of the request that is being answered: a receiver waits, and with it its session
    /// ends, or [`Self::while_there`] does.
    pub fn ends_with_browser(&self) -> bool {
        let is_parked = self.parked.load(Ordering::Relaxed) && self.waited.load(Ordering::Relaxed);
        is_parked || self.in_vain_alone.load(Ordering::Relaxed)
    }

    /// Waits for `waiting` for as long as the browser is there: a request whose connection ends meanwhile is dropped by the server, and
    /// `waiting` with it.
    pub async fn while_there<T>(wire: Option<Arc<Self>>, waiting: impl Future<Output = T>) -> T {
        struct Marked(Arc<Wire>);
        impl Drop for Marked {
            fn drop(&mut self) {
                self.0.in_vain_alone.store(false, Ordering::Relaxed);
            }
        }
        let _marked = wire.map(|wire| {
            wire.in_vain_alone.store(true, Ordering::Relaxed);
            Marked(wire)
        });
        waiting.await
    }

    /// A request is being answered, and nothing came behind it yet.
    pub fn request_begins(&self) {
        self.pipelined.store(false, Ordering::Relaxed);
    }

    /// More came behind the request that is being answered. A receiver that waits is to be polled again, to give way.
    pub fn more_came(&self) {
        self.pipelined.store(true, Ordering::Relaxed);
    }

    /// Remembers the task that does the I/O, so that it can be made to look at the socket, or to fail.
    pub fn register(&self, context: &Context<'_>) {
        store(&mut self.task.lock(), context);
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

    /// It is known who is there: the connection is not ended for others to come in.
    #[cfg(any(feature = "cli", test))]
    pub(crate) fn vouch(&self) {
        self.vouched.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_vouched(&self) -> bool {
        self.vouched.load(Ordering::Relaxed)
    }

    /// Ends the connection from outside.
    pub(super) fn cut(&self) {
        self.cut_off.store(true, Ordering::Release);
        self.wake();
    }

    /// Asks the I/O to look at the socket now: `true` when it found the browser present, `false` when the connection has
    /// ended and those who were answered on it know.
    pub async fn recheck(&self) -> bool {
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

    /// A receiver is told that there is nothing for it; whether one was before, and none attached since.
    pub fn tell(&self) -> bool {
        self.told.swap(true, Ordering::Relaxed)
    }

    /// A receiver attaches.
    pub(super) fn park(&self) {
        self.told.store(false, Ordering::Relaxed);
        self.waited.store(false, Ordering::Relaxed);
        self.parked.store(true, Ordering::Relaxed);
    }

    /// The receiver has to wait. From now on the end of the connection is the end of its session.
    pub(super) fn wait(&self) {
        self.waited.store(true, Ordering::Relaxed);
    }

    /// The receiver is gone.
    pub(super) fn unpark(&self) {
        self.parked.store(false, Ordering::Relaxed);
    }

    /// Whether the attached receiver should give way to a request behind it.
    pub(super) fn hurries(&self) -> bool {
        self.parked.load(Ordering::Relaxed) && self.pipelined.load(Ordering::Relaxed)
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
