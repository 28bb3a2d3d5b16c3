//! Who waits for what at a session, and whom to wake: chosen under the session's lock, woken after it.

use std::ops::BitOrAssign;
use std::task::{Context, Waker};

use crate::session::Wakes;

/// Everybody who waits at one session.
///
/// Where one task has receiver, backend and driver together, as a WebSocket's does, it works in *turns*. During a turn what
/// would wake that task is only noted, because it is running and asks for the notes before it rests
/// ([`Self::end_turn`]); otherwise each message would make the runtime poll it again for what it has already done. The notes
/// are made under the lock, so none can slip in between the question and the rest.
#[derive(Default)]
pub(super) struct Wakers {
    /// The receiver, for a frame or, before that, for the backend to have dealt with what came before.
    receiver: Option<Waker>,
    /// The backend, for a message.
    backend: Option<Waker>,
    /// The driver; in a session with turns, the task that takes them.
    driver: Option<Waker>,
    /// Those who wait for what is seldom waited for.
    others: Vec<(For, Waker)>,
    turn: Turn,
    /// What the receiver waits for is not a frame yet.
    settles: bool,
    /// Noted, and not looked at yet. Between turns the task has been woken when there is anything.
    due: Due,
}

/// What the others wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    /// The proof of the path, or the end.
    Event,
    /// Room for messages of the browser.
    RoomIn,
    /// Room for messages of the backend.
    RoomOut,
    /// The receiver to be gone.
    Vacancy,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Turn {
    /// Receiver, backend and driver are woken each by itself.
    #[default]
    Never,
    Between,
    Now,
}

/// What the task of a session has to look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// There may be a frame for the receiver.
    pub frame: bool,
    /// There may be a message for the backend.
    pub message: bool,
    /// Something else may have happened that the backend waits for.
    pub event: bool,
    /// The deadline has become earlier, or the session was closed.
    pub deadline: bool,
    /// There may be room for messages of the browser.
    pub room: bool,
}

impl Due {
    const EVERYTHING: Self = Self {
        frame: true,
        message: true,
        event: true,
        deadline: true,
        room: true,
    };

    /// Whether there is nothing to look at.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the backend's future is to be polled.
    pub fn backend(&self) -> bool {
        self.message || self.event
    }
}

impl BitOrAssign for Due {
    fn bitor_assign(&mut self, other: Self) {
        self.frame |= other.frame;
        self.message |= other.message;
        self.event |= other.event;
        self.deadline |= other.deadline;
        self.room |= other.room;
    }
}

/// Chosen to be woken, hardly ever more than one.
#[must_use]
pub(super) struct ToWake {
    first: Waker,
    more: Vec<Waker>,
}

impl ToWake {
    pub(super) fn wake(self) {
        self.first.wake();
        self.more.into_iter().for_each(Waker::wake);
    }

    fn add(chosen: &mut Option<Self>, waker: Waker) {
        match chosen {
            Some(chosen) => chosen.more.push(waker),
            None => {
                *chosen = Some(Self {
                    first: waker,
                    more: Vec::new(),
                });
            }
        }
    }
}

/// Stores the waker of `context`, unless it is there already.
pub(super) fn store(slot: &mut Option<Waker>, context: &Context<'_>) {
    if !is(slot, context.waker()) {
        *slot = Some(context.waker().clone());
    }
}

fn is(slot: &Option<Waker>, waker: &Waker) -> bool {
    slot.as_ref().is_some_and(|stored| stored.will_wake(waker))
}

impl Wakers {
    /// The receiver found no frame.
    pub(super) fn wait_for_frame(&mut self, context: &Context<'_>) {
        store(&mut self.receiver, context);
        self.frame_taken();
    }

    /// The receiver took the frame that was there.
    pub(super) fn frame_taken(&mut self) {
        self.due.frame = false;
        self.settles = false;
    }

    /// The backend found no message.
    pub(super) fn wait_for_message(&mut self, context: &Context<'_>) {
        store(&mut self.backend, context);
        self.due.message = false;
    }

    /// The driver knows the deadline.
    pub(super) fn wait_for_deadline(&mut self, context: &Context<'_>) {
        store(&mut self.driver, context);
        self.due.deadline = false;
    }

    /// The receiver found that the backend is not done with what came before.
    pub(super) fn wait_for_settlement(&mut self, context: &Context<'_>) {
        store(&mut self.receiver, context);
        self.settles = true;
    }

    /// The receiver is gone.
    pub(super) fn let_receiver_go(&mut self) {
        self.receiver = None;
        self.settles = false;
    }

    /// Another wait.
    pub(super) fn wait(&mut self, what: For, context: &Context<'_>) {
        let waker = context.waker();
        let waits = |(known, other): &(For, Waker)| *known == what && other.will_wake(waker);
        if !self.others.iter().any(waits) {
            self.others.push((what, waker.clone()));
        }
    }

    /// The task of `context`, which has receiver, backend and driver, begins a turn: what it has to look at besides its
    /// socket. The backend is among it, because a task is not told which of its futures was woken.
    pub(super) fn begin_turn(&mut self, context: &Context<'_>) -> Due {
        let is_known = self.turn != Turn::Never && is(&self.driver, context.waker());
        self.turn = Turn::Now;
        let noted = self.noted();
        if !is_known {
            store(&mut self.driver, context);
            store(&mut self.receiver, context);
            return Due::EVERYTHING;
        }
        Due {
            message: true,
            ..noted
        }
    }

    /// What was noted since the last question.
    pub(super) fn noted(&mut self) -> Due {
        std::mem::take(&mut self.due)
    }

    /// As [`Self::noted`]; when that is nothing, the turn is over.
    pub(super) fn end_turn(&mut self) -> Due {
        if self.due.is_empty() {
            self.turn = Turn::Between;
        }
        self.noted()
    }

    /// The task that had turns, if one did, is done: its wakers are dropped, so that they do not keep its memory.
    pub(super) fn end_turns(&mut self) {
        if std::mem::take(&mut self.turn) != Turn::Never
            && let Some(task) = self.driver.take()
        {
            self.receiver = None;
            self.backend.take_if(|waker| waker.will_wake(&task));
            self.others.retain(|(_, waker)| !waker.will_wake(&task));
            self.due = Due::default();
        }
    }

    /// Those whom `wakes` means, but for the task whose turn it is.
    pub(super) fn choose(&mut self, wakes: Wakes) -> Option<ToWake> {
        // Mostly nobody waits, and then it should cost nothing.
        let anybody = wakes.driver
            || (self.means_receiver(wakes) && self.receiver.is_some())
            || (wakes.backend && self.backend.is_some())
            || !self.others.is_empty();
        if anybody {
            self.choose_among(wakes)
        } else {
            None
        }
    }

    fn means_receiver(&self, wakes: Wakes) -> bool {
        if self.settles {
            wakes.settled
        } else {
            wakes.receiver
        }
    }

    fn choose_among(&mut self, wakes: Wakes) -> Option<ToWake> {
        let mut chosen = None;
        let mut noted = Due::default();
        let task = match self.turn {
            Turn::Never => None,
            Turn::Between | Turn::Now => self.driver.as_ref(),
        };
        let means_receiver = self.means_receiver(wakes);
        let mut choose_one = |wanted: bool, slot: &mut Option<Waker>, note: &mut bool| {
            let Some(waker) = slot.as_ref().filter(|_| wanted) else {
                return;
            };
            if task.is_some_and(|task| task.will_wake(waker)) {
                *note = true;
            } else if let Some(waker) = slot.take() {
                ToWake::add(&mut chosen, waker);
            }
        };
        choose_one(means_receiver, &mut self.receiver, &mut noted.frame);
        choose_one(wakes.backend, &mut self.backend, &mut noted.message);
        if !self.others.is_empty() {
            for (what, waker) in self.others.extract_if(.., |(what, _)| what.is_in(wakes)) {
                if !task.is_some_and(|task| task.will_wake(&waker)) {
                    ToWake::add(&mut chosen, waker);
                } else if what == For::RoomIn {
                    noted.room = true;
                } else {
                    noted.event = true;
                }
            }
        }
        if wakes.driver {
            match task {
                Some(_) => noted.deadline = true,
                None => self
                    .driver
                    .take()
                    .into_iter()
                    .for_each(|waker| ToWake::add(&mut chosen, waker)),
            }
        }
        if !noted.is_empty() {
            if self.turn == Turn::Between
                && self.due.is_empty()
                && let Some(task) = &self.driver
            {
                ToWake::add(&mut chosen, task.clone());
            }
            self.due |= noted;
        }
        chosen
    }
}

impl For {
    fn is_in(self, wakes: Wakes) -> bool {
        match self {
            Self::Event => wakes.backend,
            Self::RoomIn => wakes.room_in,
            Self::RoomOut => wakes.room_out,
            Self::Vacancy => wakes.vacant,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    /// Counts its wake-ups.
    #[derive(Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Task {
        fn woken(&self) -> usize {
            self.0.swap(0, Ordering::Relaxed)
        }
    }

    fn task() -> (Arc<Task>, Waker) {
        let task = Arc::new(Task::default());
        (Arc::clone(&task), Waker::from(task))
    }

    fn wake(wakers: &mut Wakers, wakes: Wakes) {
        if let Some(to_wake) = wakers.choose(wakes) {
            to_wake.wake();
        }
    }

    const MESSAGE: Wakes = Wakes {
        receiver: false,
        backend: true,
        driver: false,
        room_in: false,
        room_out: false,
        settled: false,
        vacant: false,
        cut_off: false,
    };
    const FRAME: Wakes = Wakes {
        receiver: true,
        backend: false,
        ..MESSAGE
    };

    /// A session whose task rests after its first turn, its backend waiting for a message.
    fn resting(context: &Context<'_>) -> Wakers {
        let mut wakers = Wakers::default();
        assert_eq!(wakers.begin_turn(context), Due::EVERYTHING);
        wakers.wait_for_message(context);
        assert!(wakers.end_turn().is_empty());
        wakers
    }

    /// A task that runs is not woken; the turn does not end before it was told.
    #[test]
    fn wake_up_during_a_turn_is_noted() {
        let (task, waker) = task();
        let context = Context::from_waker(&waker);
        let mut wakers = resting(&context);
        wakers.begin_turn(&context);
        wake(&mut wakers, FRAME);
        assert!(wakers.end_turn().frame, "the wake-up was lost");
        wake(&mut wakers, MESSAGE);
        assert!(wakers.end_turn().message, "the turn ended too early");
        assert_eq!(task.woken(), 0);
        assert!(wakers.end_turn().is_empty());
        wake(&mut wakers, FRAME);
        assert_eq!(task.woken(), 1, "a task that rests was not woken");
    }

    /// Many messages before a task runs wake it once, and it is told of them when it does.
    #[test]
    fn task_that_rests_is_woken_once() {
        let (task, waker) = task();
        let context = Context::from_waker(&waker);
        let mut wakers = resting(&context);
        for wakes in [FRAME, FRAME, MESSAGE] {
            wake(&mut wakers, wakes);
        }
        assert_eq!(task.woken(), 1);
        assert!(wakers.begin_turn(&context).frame);
        assert!(wakers.end_turn().is_empty());
        wake(&mut wakers, FRAME);
        assert_eq!(task.woken(), 1);
    }

    /// A backend in another task, or one whose futures have wakers of their own, is woken whosever turn it is.
    #[test]
    fn waker_of_another_is_woken_during_a_turn() {
        let (task, waker) = task();
        let (other, other_waker) = self::task();
        let context = Context::from_waker(&waker);
        let mut wakers = resting(&context);
        wakers.begin_turn(&context);
        wakers.wait_for_message(&Context::from_waker(&other_waker));
        wakers.wait(For::Event, &Context::from_waker(&other_waker));
        wake(&mut wakers, MESSAGE);
        assert_eq!((task.woken(), other.woken()), (0, 2));
        assert!(wakers.end_turn().is_empty());
    }

    /// What was noted is done when its owner has looked again; what it does not look at stays noted.
    #[test]
    fn looking_again_settles_a_note() {
        let (_, waker) = task();
        let context = Context::from_waker(&waker);
        let mut wakers = resting(&context);
        wakers.begin_turn(&context);
        wakers.wait(For::RoomIn, &context);
        let wakes = Wakes {
            room_in: true,
            ..MESSAGE
        };
        wake(&mut wakers, wakes);
        wakers.wait_for_message(&context);
        let due = wakers.end_turn();
        assert!(due.room && !due.message, "{due:?}");
        wake(&mut wakers, FRAME);
        wakers.frame_taken();
        assert!(wakers.end_turn().is_empty());
    }

    /// A future that moves to another task is looked at as a whole, and that task is woken from then on.
    #[test]
    fn another_task_takes_over() {
        let (first, first_waker) = task();
        let (second, second_waker) = task();
        let mut wakers = resting(&Context::from_waker(&first_waker));
        let context = Context::from_waker(&second_waker);
        assert_eq!(wakers.begin_turn(&context), Due::EVERYTHING);
        wake(&mut wakers, MESSAGE);
        assert_eq!(first.woken(), 1, "a waker of an older task is as any other");
        assert!(wakers.end_turn().is_empty());
        wake(&mut wakers, FRAME);
        assert_eq!((first.woken(), second.woken()), (0, 1));
    }

    /// The session, which others may keep, does not keep the task that is done.
    #[test]
    fn task_that_is_done_is_let_go() {
        let (task, waker) = task();
        let context = Context::from_waker(&waker);
        let mut wakers = resting(&context);
        wakers.wait(For::Event, &context);
        wakers.end_turns();
        drop(waker);
        assert_eq!(Arc::strong_count(&task), 1);
    }

    /// Without turns every waker is woken by itself.
    #[test]
    fn without_turns_everybody_is_woken() {
        let (task, waker) = task();
        let context = Context::from_waker(&waker);
        let mut wakers = Wakers::default();
        wakers.wait_for_deadline(&context);
        wakers.wait_for_frame(&context);
        wakers.wait_for_message(&context);
        let wakes = Wakes {
            driver: true,
            backend: true,
            ..FRAME
        };
        wake(&mut wakers, wakes);
        assert_eq!(task.woken(), 3);
        wake(&mut wakers, wakes);
        assert_eq!(task.woken(), 0);
        assert_eq!(Arc::strong_count(&task), 2, "a waker was kept");
    }
}
