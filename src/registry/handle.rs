//! The lock around a session, and who waits for what. The only place that opens a [`Session`]'s mutex, reads the clock
//! for it, and acts on its wake-ups.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use parking_lot::Mutex;
use uuid::Uuid;

use crate::network::{Path, Proof, Report};
use crate::protocol::{CloseReason, Frame, Message};
use crate::session::{
    Attach, Deliver, Detach, End, EndCause, Manner, Refused, Session, SessionConfig,
};

use super::budget::{Budget, Reservation};
use super::wire::Wire;

/// A session that others can reach. Shared by its receiver, its driver, its backend and the registry.
pub struct SessionHandle {
    id: Uuid,
    state: Mutex<Locked>,
    queue_memory: Arc<Budget>,
}

/// What the lock protects.
struct Locked {
    session: Session,
    /// What the session shows about its client's network, for browsers.
    path: Option<Box<Path>>,
    /// Queue memory taken from the process's budget.
    reserved: Option<Reservation>,
    /// The connection of the attached receiver, or of the last one that was answered.
    wire: Option<Arc<Wire>>,
    receiver: Option<Waker>,
    backend: Option<Waker>,
    /// Whoever waits for the proof of the path, or for the end.
    watchers: Vec<Waker>,
    driver: Option<Waker>,
    room_in: Vec<Waker>,
    room_out: Vec<Waker>,
    vacancy: Vec<Waker>,
    settled: Option<Waker>,
}

/// Queue memory that every session may use without asking the process's budget, so that small messages cost no shared
/// counter. The limit on the number of sessions bounds it.
const FREE_QUEUE_MEMORY: usize = 16 * 1024;

/// Wake-ups, and what is to be told, collected under the lock and done after it.
#[derive(Default)]
struct ToWake {
    one: [Option<Waker>; 4],
    many: [Vec<Waker>; 3],
    cut_off: Option<Arc<Wire>>,
    report: Option<Report>,
}

impl ToWake {
    fn wake(self) {
        self.one.into_iter().flatten().for_each(Waker::wake);
        self.many.into_iter().flatten().for_each(Waker::wake);
        if let Some(wire) = self.cut_off {
            wire.cut();
        }
        if let Some(report) = self.report {
            report.tell();
        }
    }
}

/// The one clock of all sessions; follows tokio's paused clock in tests.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Stores the waker of `context`, unless it is there already.
pub(super) fn store(slot: &mut Option<Waker>, context: &Context<'_>) {
    if !slot
        .as_ref()
        .is_some_and(|waker| waker.will_wake(context.waker()))
    {
        *slot = Some(context.waker().clone());
    }
}

fn store_one_more(list: &mut Vec<Waker>, context: &Context<'_>) {
    if !list.iter().any(|waker| waker.will_wake(context.waker())) {
        list.push(context.waker().clone());
    }
}

/// What the driver has to do next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Schedule {
    /// Call `timeout` then.
    At(Instant),
    /// Nothing until woken.
    Idle,
    /// The session is closed.
    Closed,
}

impl SessionHandle {
    pub(super) fn new(
        config: Arc<SessionConfig>,
        queue_memory: Arc<Budget>,
        path: Option<Path>,
    ) -> Arc<Self> {
        Arc::new(Self {
            id: Uuid::new_v4(),
            state: Mutex::new(Locked {
                session: Session::new(config, now()),
                path: path.map(Box::new),
                reserved: None,
                wire: None,
                receiver: None,
                backend: None,
                watchers: Vec::new(),
                driver: None,
                room_in: Vec::new(),
                room_out: Vec::new(),
                vacancy: Vec::new(),
                settled: None,
            }),
            queue_memory,
        })
    }

    /// The server's own id of this session; it is not the one in the URL and grants nothing.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Opens the lock, lets `act` decide, and wakes afterwards whom the session wants woken.
    fn locked<R>(&self, act: impl FnOnce(&mut Locked) -> R) -> R {
        let mut to_wake = ToWake::default();
        let answer = {
            let mut state = self.state.lock();
            let answer = act(&mut state);
            state.account(&self.queue_memory);
            state.collect(&mut to_wake);
            answer
        };
        to_wake.wake();
        answer
    }

    pub(super) fn attach(&self, mut manner: Manner, wire: Option<&Arc<Wire>>) -> Attach {
        self.locked(|state| {
            let now = now();
            if !state.session.has_receiver()
                && let Some(path) = &mut state.path
            {
                let plan = path.begun(now, manner.streams, manner.pause);
                manner.one_frame = plan.one_frame;
                manner.max_age = plan.max_age;
                manner.silence = path.silence(now);
            }
            let answer = state.session.handle_attach(now, manner);
            if matches!(answer, Attach::Granted(_)) {
                state.wire = wire.cloned();
            }
            answer
        })
    }

    /// How this WebSocket is to show that it works before its first frame.
    pub(super) fn proof(&self) -> Proof {
        let state = self.state.lock();
        state
            .path
            .as_ref()
            .map_or(Proof::None, |path| path.proof(now()))
    }

    pub(super) fn detach(&self, attachment: u32, how: Detach) {
        let vacated = self.locked(|state| {
            let now = now();
            if let Some(path) = &mut state.path
                && state.session.has_receiver()
            {
                match how {
                    _ if let Some(end) = state.session.end() => match end.cause {
                        EndCause::Unresponsive => path.unresponsive(now),
                        _ => path.over(now),
                    },
                    Detach::Done => path.finished(now),
                    Detach::Ended | Detach::Aborted => path.aborted(now),
                }
            }
            state.session.handle_detach(now, attachment, how);
            if how != Detach::Done {
                state.wire = None;
            }
            state.receiver = None;
            std::mem::take(&mut state.vacancy)
        });
        vacated.into_iter().for_each(Waker::wake);
    }

    pub(super) fn handed_over(&self, attachment: u32) {
        self.locked(|state| state.session.handle_handed_over(attachment));
    }

    pub(super) fn left(&self, attachment: u32) {
        self.locked(|state| state.session.handle_left(now(), attachment));
    }

    pub(super) fn doubt(&self, attachment: u32) {
        self.locked(|state| state.session.handle_doubt(attachment));
    }

    /// The connection of the attached receiver, or of the last one that was answered.
    pub(super) fn wire(&self) -> Option<Arc<Wire>> {
        self.state.lock().wire.clone()
    }

    /// Ready when no receiver is attached (any more).
    pub(super) fn poll_vacant(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if state.session.has_receiver() {
            store_one_more(&mut state.vacancy, context);
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// Ready when the backend has dealt with what was handed in.
    pub(super) fn poll_settled(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if state.session.is_settled() {
            return Poll::Ready(());
        }
        store(&mut state.settled, context);
        Poll::Pending
    }

    /// The next frame, read by `read` under the lock, and whether the receiver is to end with it. `hurry` makes a
    /// heartbeat due.
    pub(super) fn poll_frame<R>(
        &self,
        context: &Context<'_>,
        hurry: bool,
        read: impl FnOnce(Frame<'_>) -> R,
    ) -> Poll<(R, bool)> {
        self.locked(|state| {
            if hurry {
                state.session.handle_hurry();
            }
            let now = now();
            let last = state.session.gives_way();
            let Some(frame) = state.session.poll_frame(now) else {
                store(&mut state.receiver, context);
                return Poll::Pending;
            };
            let heartbeat = matches!(frame, Frame::Heartbeat);
            let read = read(frame);
            if let Some(path) = &mut state.path {
                path.said(now, heartbeat);
                if heartbeat || path.is_stale(now) {
                    state.session.handle_silence(path.silence(now));
                }
            }
            Poll::Ready((read, last))
        })
    }

    /// Hands in the browser's `messages`: all or none, waiting while the inbound queue is full. Cancel safe: what was not
    /// taken stays in `messages`.
    pub async fn deliver(&self, messages: &mut Vec<Message>) -> Deliver {
        std::future::poll_fn(|context| self.poll_deliver(context, messages)).await
    }

    /// As [`Self::deliver`], without waiting.
    pub fn try_deliver(&self, messages: &mut Vec<Message>) -> Deliver {
        self.locked(|state| {
            let now = now();
            let answer = state.session.handle_browser_messages(now, messages);
            if answer != Deliver::Full {
                state.wrote(now);
            }
            answer
        })
    }

    /// [`Self::deliver`] as a poll function.
    pub fn poll_deliver(
        &self,
        context: &Context<'_>,
        messages: &mut Vec<Message>,
    ) -> Poll<Deliver> {
        self.locked(|state| {
            let now = now();
            match state.session.handle_browser_messages(now, messages) {
                Deliver::Full => {
                    store_one_more(&mut state.room_in, context);
                    Poll::Pending
                }
                answer => {
                    state.wrote(now);
                    Poll::Ready(answer)
                }
            }
        })
    }

    /// Anything came from the browser's WebSocket.
    pub fn alive(&self) {
        self.locked(|state| {
            let now = now();
            if let Some(path) = &mut state.path {
                path.heard(now);
                if path.is_stale(now) {
                    state.session.handle_silence(path.silence(now));
                }
            }
            state.session.handle_alive(now);
        });
    }

    /// The browser closed its WebSocket with `reason`.
    pub fn browser_closed(&self, reason: CloseReason) {
        self.locked(|state| state.session.handle_browser_close(reason));
    }

    /// The browser broke a rule: the session ends with `reason`.
    pub fn violated(&self, reason: CloseReason) {
        self.end(EndCause::Violation, reason);
    }

    /// Ends the session after what is queued. The first end wins.
    pub(super) fn end(&self, cause: EndCause, reason: CloseReason) {
        self.locked(|state| state.session.handle_end(cause, reason));
    }

    pub(super) fn try_send(&self, message: Message) -> Result<(), Refused> {
        self.locked(|state| state.session.handle_backend_message(message))
    }

    /// Sends what `message` holds; it is empty after `Ready(Ok)`, and still there otherwise.
    pub(super) fn poll_send(
        &self,
        context: &Context<'_>,
        message: &mut Option<Message>,
    ) -> Poll<Result<(), ()>> {
        let Some(taken) = message.take() else {
            return Poll::Ready(Ok(()));
        };
        self.locked(|state| match state.session.handle_backend_message(taken) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(Refused::Full(refused)) => {
                *message = Some(refused);
                store_one_more(&mut state.room_out, context);
                Poll::Pending
            }
            Err(Refused::Ended(refused)) => {
                *message = Some(refused);
                Poll::Ready(Err(()))
            }
        })
    }

    /// The next message for the backend; `None` once the session has ended and all were given.
    pub(super) fn poll_message(&self, context: &Context<'_>) -> Poll<Option<Message>> {
        self.locked(|state| match state.session.poll_message() {
            Some(message) => Poll::Ready(Some(message)),
            None if state.session.end().is_some() => Poll::Ready(None),
            None => {
                store(&mut state.backend, context);
                Poll::Pending
            }
        })
    }

    /// `true` when the browser has shown that it receives, `false` when the session has ended before that.
    pub(super) fn poll_proven(&self, context: &Context<'_>) -> Poll<bool> {
        self.locked(|state| {
            if state.session.is_proven() || state.session.end().is_some() {
                return Poll::Ready(state.session.is_proven());
            }
            store_one_more(&mut state.watchers, context);
            Poll::Pending
        })
    }

    /// Ready when the end is decided.
    pub(super) fn poll_ended(&self, context: &Context<'_>) -> Poll<()> {
        self.locked(|state| {
            if state.session.end().is_some() {
                return Poll::Ready(());
            }
            store_one_more(&mut state.watchers, context);
            Poll::Pending
        })
    }

    /// Ready when nothing more will be delivered.
    pub(super) fn poll_closed(&self, context: &Context<'_>) -> Poll<End> {
        self.locked(|state| match state.session.end() {
            Some(end) if state.session.is_closed() => Poll::Ready(end.clone()),
            _ => {
                store_one_more(&mut state.watchers, context);
                Poll::Pending
            }
        })
    }

    /// Ready when the session is closed and every message for the backend was given: nobody is interested any more.
    pub(super) fn poll_abandoned(&self, context: &Context<'_>) -> Poll<()> {
        self.locked(|state| {
            if state.session.is_closed() && state.session.has_given_all() {
                return Poll::Ready(());
            }
            store_one_more(&mut state.watchers, context);
            Poll::Pending
        })
    }

    pub(super) fn ended(&self) -> Option<End> {
        self.state.lock().session.end().cloned()
    }

    pub(super) fn take_undelivered(&self) -> Vec<Message> {
        self.locked(|state| state.session.take_undelivered())
    }

    pub(super) fn poll_schedule(&self, context: &Context<'_>) -> Schedule {
        self.locked(|state| {
            if state.session.is_closed() {
                return Schedule::Closed;
            }
            store(&mut state.driver, context);
            state
                .session
                .poll_timeout()
                .map_or(Schedule::Idle, Schedule::At)
        })
    }

    pub(super) fn timeout(&self) {
        self.locked(|state| {
            let progressing = state.wire.as_ref().is_some_and(|wire| wire.take_progress());
            state.session.handle_timeout(now(), progressing);
        });
    }
}

impl Locked {
    /// The browser sent something: it has read what is before that.
    fn wrote(&mut self, now: Instant) {
        if let Some(path) = &mut self.path
            && let Some(recycle_at) = path.wrote(now)
        {
            self.session.handle_recycle(recycle_at);
        }
    }

    /// Keeps the reservation in step with the queues; a session for whose queues there is no memory ends.
    fn account(&mut self, budget: &Arc<Budget>) {
        const STEP: usize = 16 * 1024;
        let queued = self.session.queued_bytes();
        if queued <= FREE_QUEUE_MEMORY {
            self.reserved = None;
            return;
        }
        let wanted = queued.next_multiple_of(STEP);
        let granted = match &mut self.reserved {
            Some(reserved) => {
                reserved.shrink_to(wanted);
                reserved.grow_to(wanted)
            }
            none => {
                *none = budget.reserve(wanted);
                none.is_some()
            }
        };
        if !granted {
            self.session
                .handle_end(EndCause::Overload, CloseReason::OUT_OF_BUDGET);
        }
    }

    fn collect(&mut self, to_wake: &mut ToWake) {
        let wakes = self.session.poll_wakes();
        let take = |wanted: bool, slot: &mut Option<Waker>| if wanted { slot.take() } else { None };
        let take_all = |wanted: bool, list: &mut Vec<Waker>| {
            if wanted {
                std::mem::take(list)
            } else {
                Vec::new()
            }
        };
        to_wake.one = [
            take(wakes.receiver, &mut self.receiver),
            take(wakes.backend, &mut self.backend),
            take(wakes.driver, &mut self.driver),
            take(wakes.settled, &mut self.settled),
        ];
        to_wake.many = [
            take_all(wakes.room_in, &mut self.room_in),
            take_all(wakes.room_out, &mut self.room_out),
            take_all(wakes.backend, &mut self.watchers),
        ];
        if wakes.cut_off {
            to_wake.cut_off = self.wire.clone();
        }
        to_wake.report = self.path.as_mut().and_then(|path| path.take_report());
    }
}

impl fmt::Debug for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionHandle")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
