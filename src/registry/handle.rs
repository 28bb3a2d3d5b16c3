//! The lock around a session, and who waits for what. The only place that opens a [`Session`]'s mutex, reads the clock
//! for it, and acts on its wake-ups.

mod watched;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use tracing::debug;
use uuid::Uuid;

use crate::identity::{Caller, Identity, Owner};
use crate::moment::Moment;
use crate::network::{Path, Proof, Report};
use crate::protocol::{CloseReason, Frame, Message};
use crate::session::{
    Attach, Deliver, Detach, End, EndCause, Excess, Manner, Refused, Session, SessionConfig, Wakes,
};

use super::LOG;
use super::clock::now;
use super::counts::Counts;
use super::limit::Limit;
use super::queue_memory::{Asked, Hold};
use super::tally::Tally;
use super::tap::Taps;
use super::wakers::{Due, For, Wakers};
use super::wire::Wire;

/// A session that others can reach. Shared by its receiver, its driver, its backend and the registry.
pub struct SessionHandle {
    id: Uuid,
    state: Mutex<Locked>,
    /// Where it is counted.
    tally: Arc<Tally>,
    owner: Owner,
    /// Where the browser is, after trusted proxies.
    /// Boxed: with a few bytes more, the allocator would round the handle up by a quarter.
    address: Option<Box<IpAddr>>,
}

/// What the lock protects.
struct Locked {
    session: Session,
    /// What the session shows about its client's network, for browsers.
    path: Option<Box<Path>>,
    /// Queue memory taken from the budget.
    hold: Option<Box<Hold>>,
    /// The connection of the attached receiver, or of the last one that was answered.
    wire: Option<Arc<Wire>>,
    wakers: Wakers,
    /// Whoever watches it; mostly nobody.
    taps: Option<Box<Taps>>,
}

/// What is to be told after the lock.
struct News {
    cut_off: Option<Arc<Wire>>,
    report: Option<Report>,
}

impl News {
    fn tell(self) {
        if let Some(wire) = self.cut_off {
            wire.cut();
        }
        if let Some(report) = self.report {
            report.tell();
        }
    }
}

/// What the driver has to do next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Schedule {
    /// Call `timeout` then.
    At(Moment),
    /// Nothing until woken.
    Idle,
    /// The session is closed.
    Closed,
}

impl SessionHandle {
    pub(super) fn new(
        config: Arc<SessionConfig>,
        tally: Arc<Tally>,
        path: Option<Path>,
        owner: Owner,
        address: Option<IpAddr>,
    ) -> Arc<Self> {
        let id = Uuid::new_v4();
        let mut session = Session::new(config, now());
        // Any of its random bytes will do.
        session.beats_first_after(0.5 + f32::from(id.as_bytes()[0]) / 512.0);
        Arc::new(Self {
            id,
            state: Mutex::new(Locked {
                session,
                path: path.map(Box::new),
                hold: None,
                wire: None,
                wakers: Wakers::default(),
                taps: None,
            }),
            tally,
            owner,
            address: address.map(Box::new),
        })
    }

    /// The server's own id of this session; it is not the one in the URL and grants nothing.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Who opened it, where services ask.
    pub fn identity(&self) -> Option<&Arc<Identity>> {
        self.owner.identity()
    }

    /// Who opened it is known now; the first time counts.
    pub(super) fn identify(self: &Arc<Self>, identity: &Arc<Identity>) {
        self.owner.identify(identity);
        // It may expire.
        self.locked(|state| state.session.handle_earlier_deadline());
    }

    /// Where the browser is, after trusted proxies. Takes no lock.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.address.as_deref().copied()
    }

    /// Whom it belongs to.
    pub(super) const fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Where it is counted.
    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.tally.of_service.counts
    }

    /// When it was opened.
    pub(super) fn opened(&self) -> Moment {
        self.state.lock().session.opened()
    }

    /// Whether `caller` may know of it.
    pub(super) fn is_there_for(&self, caller: &Caller) -> bool {
        caller.reaches(self.owner(), false)
            || (caller.reaches(self.owner(), true) && self.ended().is_some())
    }

    /// When the owner ceases to be who it is.
    fn expires(&self) -> Option<&(Moment, CloseReason)> {
        self.owner.identity()?.expires.as_ref()
    }

    /// Opens the lock, lets `act` decide, and wakes afterwards whom the session wants woken.
    fn locked<R>(self: &Arc<Self>, act: impl FnOnce(&mut Locked) -> R) -> R {
        let mut state = self.state.lock();
        let answer = act(&mut state);
        let short = state.account(self, None);
        let wakes = state.session.poll_wakes();
        let to_wake = state.wakers.choose(wakes);
        let news = state.news(wakes);
        let watching = state.watching();
        drop(state);
        if let Some(to_wake) = to_wake {
            to_wake.wake();
        }
        if let Some(news) = news {
            news.tell();
        }
        watching.into_iter().for_each(Waker::wake);
        if short {
            self.tally.of_service.relieve();
        }
        answer
    }

    /// A head of so many bytes is kept for its backend from now on; 0 when it is no longer.
    pub(super) fn keeps_head(self: &Arc<Self>, bytes: usize) {
        if self.locked(|state| state.account(self, Some(bytes))) {
            self.tally.of_service.relieve();
        }
    }

    pub(super) fn attach(self: &Arc<Self>, mut manner: Manner, wire: Option<&Arc<Wire>>) -> Attach {
        let (answer, waited) = self.locked(|state| {
            let now = now();
            let waited = state.session.waited(now);
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
            (answer, waited)
        });
        match answer {
            Attach::Granted(attachment) => {
                debug!(target: LOG, session = %self.id, attachment, ?waited, "receiver attached");
                if let Some(waited) = waited {
                    self.tally.of_service.waits.observe(waited);
                }
            }
            Attach::Busy => debug!(target: LOG, session = %self.id, "receiver refused"),
            Attach::Ended(_) => {}
        }
        answer
    }

    /// A receiver is turned away because another one is attached; for how long to hold it back, because that is not the first.
    pub(super) fn turns_away(&self) -> Option<Duration> {
        let mut state = self.state.lock();
        let again = state.session.handle_turned_away();
        let spacing = state.session.config().poll_spacing.filter(|_| again)?;
        drop(state);
        Counts::add(&self.counts().polls_held, 1);
        Some(spacing)
    }

    /// How this WebSocket is to show that it works before its first frame.
    pub(super) fn proof(&self) -> Proof {
        let state = self.state.lock();
        state
            .path
            .as_ref()
            .map_or(Proof::None, |path| path.proof(now()))
    }

    pub(super) fn detach(self: &Arc<Self>, attachment: u32, how: Detach) {
        self.locked(|state| {
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
            state.wakers.let_receiver_go();
        });
        debug!(target: LOG, session = %self.id, attachment, ?how, "receiver gone");
    }

    pub(super) fn handed_over(self: &Arc<Self>, attachment: u32) {
        self.locked(|state| state.session.handle_handed_over(attachment));
    }

    pub(super) fn left(self: &Arc<Self>, attachment: u32) {
        self.locked(|state| state.session.handle_left(now(), attachment));
    }

    pub(super) fn written(self: &Arc<Self>, attachment: u32) {
        self.locked(|state| state.session.handle_written(attachment));
    }

    pub(super) fn doubt(self: &Arc<Self>, attachment: u32) {
        self.locked(|state| state.session.handle_doubt(attachment));
    }

    /// The connection of the attached receiver, or of the last one that was answered.
    pub(super) fn wire(&self) -> Option<Arc<Wire>> {
        self.state.lock().wire.clone()
    }

    /// This connection is gone, and those who were answered on it know.
    pub(super) fn let_wire_go(&self, wire: &Wire) {
        let is_this = |known: &mut Arc<Wire>| std::ptr::eq(Arc::as_ptr(known), wire);
        self.state.lock().wire.take_if(is_this);
    }

    /// Ready when no receiver is attached (any more).
    pub(super) fn poll_vacant(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if state.session.has_receiver() {
            state.wakers.wait(For::Vacancy, context);
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// Whether the backend has dealt with what was handed in.
    pub(super) fn is_settled(&self) -> bool {
        self.state.lock().session.is_settled()
    }

    /// Ready when [`Self::is_settled`].
    pub(super) fn poll_settled(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if state.session.is_settled() {
            return Poll::Ready(());
        }
        state.wakers.wait_for_settlement(context);
        Poll::Pending
    }

    /// The next frame, read by `read` under the lock, and whether the receiver is to end with it. `hurry` makes a
    /// heartbeat due.
    pub(super) fn poll_frame<R>(
        self: &Arc<Self>,
        context: &Context<'_>,
        hurry: bool,
        read: impl FnOnce(Frame<'_>) -> R,
    ) -> Poll<(R, bool)> {
        self.locked(|state| {
            if hurry {
                state.session.handle_hurry(now());
            }
            let last = state.session.gives_way();
            if !state.session.has_frame() {
                state.wakers.wait_for_frame(context);
                return Poll::Pending;
            }
            let now = now();
            let Some(frame) = state.session.poll_frame(now) else {
                return Poll::Pending;
            };
            state.wakers.frame_taken();
            let heartbeat = matches!(frame, Frame::Heartbeat);
            if let Some(taps) = &mut state.taps {
                taps.sent(now, &frame);
            }
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
    pub async fn deliver(self: &Arc<Self>, messages: &mut Vec<Message>) -> Deliver {
        std::future::poll_fn(|context| self.poll_deliver(context, messages)).await
    }

    /// As [`Self::deliver`], without waiting.
    pub fn try_deliver(self: &Arc<Self>, messages: &mut Vec<Message>) -> Deliver {
        self.locked(|state| state.take_in(now(), messages, self))
    }

    /// [`Self::deliver`] as a poll function.
    pub fn poll_deliver(
        self: &Arc<Self>,
        context: &Context<'_>,
        messages: &mut Vec<Message>,
    ) -> Poll<Deliver> {
        self.locked(|state| state.hand_in(now(), context, messages, self))
    }

    /// Something came on the browser's WebSocket, with `messages` in it or none: [`Self::poll_deliver`], and the browser is
    /// known to be alive.
    pub fn poll_hear(
        self: &Arc<Self>,
        context: &Context<'_>,
        messages: &mut Vec<Message>,
    ) -> Poll<Deliver> {
        self.locked(|state| {
            let now = now();
            state.hear(now);
            if messages.is_empty() {
                return Poll::Ready(Deliver::Accepted);
            }
            state.hand_in(now, context, messages, self)
        })
    }

    /// Messages have waited for too long to be taken: what for, when it was not for room.
    pub fn gave_up_delivering(&self) -> Option<Excess> {
        let excess = self.state.lock().session.excess();
        self.reached(match excess {
            Some(_) => Limit::DeliverRate,
            None => Limit::DeliverTime,
        });
        excess
    }

    /// The browser closed its WebSocket with `reason`.
    pub fn browser_closed(self: &Arc<Self>, reason: CloseReason) {
        self.locked(|state| state.session.handle_browser_close(reason));
    }

    /// The browser broke a rule: the session ends with `reason`.
    pub fn violated(self: &Arc<Self>, reason: CloseReason) {
        if reason == CloseReason::TOO_BIG {
            self.reached(Limit::MessageSize);
        }
        self.end(EndCause::Violation, reason);
    }

    /// Ends the session because an operator wants it: what is queued is delivered, then the close frame. Whether it had not ended
    /// before.
    pub fn kick(self: &Arc<Self>, reason: &CloseReason) -> bool {
        self.end(EndCause::Operator, reason.clone())
    }

    /// Ends the session because the service stops: what is queued is delivered, then the close frame.
    pub fn shut_down(self: &Arc<Self>, reason: &CloseReason) {
        self.end(EndCause::Shutdown, reason.clone());
    }

    /// Nobody drives it any more: whatever it waits for will not come.
    pub(super) fn forsaken(self: &Arc<Self>) {
        self.locked(|state| state.session.handle_forsaken());
    }

    /// Ends the session after what is queued. The first end wins; whether this is it.
    pub(super) fn end(self: &Arc<Self>, cause: EndCause, reason: CloseReason) -> bool {
        let code = reason.code;
        let decided = self.locked(|state| {
            let decided = state.session.end().is_none();
            state.session.handle_end(cause, reason);
            decided
        });
        if decided {
            debug!(target: LOG, session = %self.id, cause = cause.name(), code, "end decided");
        }
        decided
    }

    /// Bytes of queue memory that it holds, its [weight](Hold::weight), and whether it is closed and will give them back.
    pub(super) fn holds(&self, now: Moment) -> Option<(usize, u128, bool)> {
        let state = self.state.lock();
        let (bytes, weight) = state.hold.as_ref()?.weight(now);
        Some((bytes, weight, state.session.is_closed()))
    }

    /// Others need the memory of its queues: it is closed, and a connection that is in the middle of a frame is cut off.
    pub(super) fn give_up(self: &Arc<Self>) {
        let ended = self.locked(|state| {
            let lived = state.session.end().is_none();
            state.session.handle_exhausted();
            lived
        });
        Counts::add(&self.counts().ended_for_queue_memory, usize::from(ended));
    }

    pub(super) fn try_send(self: &Arc<Self>, message: Message) -> Result<(), Refused> {
        let (sent, dropped) = self.locked(|state| {
            let sent = state.session.handle_backend_message(message);
            if matches!(sent, Err(Refused::Full(_))) {
                self.blocked(state);
            }
            (sent, state.session.poll_dropped())
        });
        self.dropped(dropped);
        sent
    }

    /// Sends what `message` holds; it is empty after `Ready(Ok)`, and still there otherwise.
    pub(super) fn poll_send(
        self: &Arc<Self>,
        context: &Context<'_>,
        message: &mut Option<Message>,
    ) -> Poll<Result<(), ()>> {
        let Some(taken) = message.take() else {
            return Poll::Ready(Ok(()));
        };
        let sent = self.locked(|state| match state.session.handle_backend_message(taken) {
            Ok(()) => Poll::Ready(Ok(state.session.poll_dropped())),
            Err(Refused::Full(refused)) => {
                *message = Some(refused);
                self.blocked(state);
                state.wakers.wait(For::RoomOut, context);
                Poll::Pending
            }
            Err(Refused::Ended(refused)) => {
                *message = Some(refused);
                Poll::Ready(Err(()))
            }
        });
        sent.map_ok(|dropped| self.dropped(dropped))
    }

    fn blocked(&self, state: &mut Locked) {
        if state.session.handle_blocked(now()) {
            Counts::add(&self.counts().blocked, 1);
        }
    }

    /// The next message for the backend; `None` once the session has ended and all were given.
    pub(super) fn poll_message(self: &Arc<Self>, context: &Context<'_>) -> Poll<Option<Message>> {
        self.locked(|state| match state.session.poll_message() {
            Some(message) => Poll::Ready(Some(message)),
            None if state.session.end().is_some() => Poll::Ready(None),
            None => {
                state.wakers.wait_for_message(context);
                Poll::Pending
            }
        })
    }

    /// `true` when the browser has shown that it receives, `false` when the session has ended before that.
    pub(super) fn poll_proven(self: &Arc<Self>, context: &Context<'_>) -> Poll<bool> {
        self.locked(|state| {
            if state.session.is_proven() || state.session.end().is_some() {
                return Poll::Ready(state.session.is_proven());
            }
            state.wakers.wait(For::Event, context);
            Poll::Pending
        })
    }

    /// Ready when the end is decided.
    pub(super) fn poll_ended(self: &Arc<Self>, context: &Context<'_>) -> Poll<()> {
        self.locked(|state| {
            if state.session.end().is_some() {
                return Poll::Ready(());
            }
            state.wakers.wait(For::Event, context);
            Poll::Pending
        })
    }

    /// Ready when nothing more will be delivered.
    pub(super) fn poll_closed(self: &Arc<Self>, context: &Context<'_>) -> Poll<End> {
        self.locked(|state| match state.session.end() {
            Some(end) if state.session.is_closed() => Poll::Ready(end.clone()),
            _ => {
                state.wakers.wait(For::Event, context);
                Poll::Pending
            }
        })
    }

    /// Ready when the session is closed and every message for the backend was given: nobody is interested any more.
    pub(super) fn poll_abandoned(self: &Arc<Self>, context: &Context<'_>) -> Poll<()> {
        self.locked(|state| {
            if state.session.is_closed() && state.session.has_given_all() {
                return Poll::Ready(());
            }
            state.wakers.wait(For::Event, context);
            Poll::Pending
        })
    }

    pub(super) fn ended(&self) -> Option<End> {
        self.state.lock().session.end().cloned()
    }

    pub(super) fn take_undelivered(self: &Arc<Self>) -> Vec<Message> {
        self.locked(|state| state.session.take_undelivered())
    }

    pub(super) fn poll_schedule(self: &Arc<Self>, context: &Context<'_>) -> Schedule {
        self.locked(|state| {
            if state.session.is_closed() {
                return Schedule::Closed;
            }
            state.wakers.wait_for_deadline(context);
            let expires = self.expires().map(|(moment, _)| *moment);
            let expires = expires.filter(|_| state.session.end().is_none());
            let timeout = state.session.poll_timeout();
            let next = timeout.into_iter().chain(expires).min();
            next.map_or(Schedule::Idle, Schedule::At)
        })
    }

    /// The task of `context`, which has receiver, backend and driver of this session, begins a turn: until it ends, what
    /// would wake the task is noted instead. What it has to look at, whatever else it was woken for.
    pub(super) fn begin_turn(&self, context: &Context<'_>) -> Due {
        self.state.lock().wakers.begin_turn(context)
    }

    /// What was noted since the last question; the turn goes on.
    pub(super) fn noted(&self) -> Due {
        self.state.lock().wakers.noted()
    }

    /// What was noted since the last question; when that is nothing, the turn is over.
    pub(super) fn end_turn(&self) -> Due {
        self.state.lock().wakers.end_turn()
    }

    /// The task that had turns is done.
    pub(super) fn end_turns(&self) {
        self.state.lock().wakers.end_turns();
    }

    pub(super) fn timeout(self: &Arc<Self>) {
        let ended = self.locked(|state| {
            let progressing = state.wire.as_ref().is_some_and(|wire| wire.take_progress());
            let lived = state.session.end().is_none();
            let now = now();
            if let Some((moment, reason)) = self.expires()
                && *moment <= now
            {
                state.session.handle_end(EndCause::Identity, reason.clone());
            }
            state.session.handle_timeout(now, progressing);
            state.session.end().filter(|_| lived).cloned()
        });
        if let Some(End { cause, reason }) = ended {
            match cause {
                EndCause::Overload => self.reached(Limit::SlowConsumer),
                _ if reason == CloseReason::NO_FIRST_MESSAGE => self.reached(Limit::FirstMessage),
                _ => {}
            }
        }
    }
}

impl Locked {
    fn hear(&mut self, now: Moment) {
        if let Some(path) = &mut self.path {
            path.heard(now);
            if path.is_stale(now) {
                self.session.handle_silence(path.silence(now));
            }
        }
        self.session.handle_alive(now);
    }

    fn hand_in(
        &mut self,
        now: Moment,
        context: &Context<'_>,
        messages: &mut Vec<Message>,
        handle: &SessionHandle,
    ) -> Poll<Deliver> {
        match self.take_in(now, messages, handle) {
            Deliver::Full => {
                self.wakers.wait(For::RoomIn, context);
                Poll::Pending
            }
            answer => Poll::Ready(answer),
        }
    }

    fn take_in(
        &mut self,
        now: Moment,
        messages: &mut Vec<Message>,
        handle: &SessionHandle,
    ) -> Deliver {
        let tapped = self.taps.as_ref().map(|taps| taps.load(messages));
        let answer = self.session.handle_browser_messages(now, messages);
        match answer {
            Deliver::Full if self.session.poll_paced() => handle.reached(Limit::RateWait),
            Deliver::Full => {}
            Deliver::Excessive => handle.reached(Limit::RateClose),
            _ => self.wrote(now),
        }
        if let (Some(load), Some(taps), Deliver::Accepted) = (tapped, &mut self.taps, answer) {
            taps.received(now, &load);
        }
        answer
    }

    /// The browser sent something: it has read what is before that.
    fn wrote(&mut self, now: Moment) {
        if let Some(path) = &mut self.path
            && let Some(recycle_at) = path.wrote(now)
        {
            self.session.handle_recycle(recycle_at);
        }
    }

    /// Keeps what is held in step with the queues, and with a `head` that is kept or no longer; whether memory runs short. A session for
    /// which there is none ends.
    fn account(&mut self, handle: &Arc<SessionHandle>, head: Option<usize>) -> bool {
        let totals = &handle.tally.of_service;
        let queued = self.session.queued_bytes();
        let budget = &totals.budgets.queue_memory;
        let list = || totals.holders.list(Arc::downgrade(handle));
        let asked = Hold::follow(&mut self.hold, head, queued, budget, list);
        if asked == Asked::Refused {
            if self.session.end().is_none() {
                handle.reached(Limit::OwnMemory);
            }
            self.session
                .handle_end(EndCause::Overload, CloseReason::OUT_OF_BUDGET);
        }
        asked != Asked::Granted
    }

    /// Whoever watches and has something to see.
    fn watching(&mut self) -> Vec<Waker> {
        match &mut self.taps {
            Some(taps) => taps.due(self.session.is_closed()),
            None => Vec::new(),
        }
    }

    fn news(&mut self, wakes: Wakes) -> Option<Box<News>> {
        let report = self.path.as_mut().and_then(|path| path.take_report());
        (wakes.cut_off || report.is_some()).then(|| {
            Box::new(News {
                cut_off: self.wire.clone().filter(|_| wakes.cut_off),
                report,
            })
        })
    }
}

impl fmt::Debug for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionHandle")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
