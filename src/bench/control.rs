//! How a run goes, as all sessions see it: what phase it is in, and since when. Whoever changes that wakes every session.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::task::Waker;

use futures_util::task::AtomicWaker;
use tokio::sync::Notify;
use tokio::time::Instant;

/// What sessions are to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Open, and wait.
    Opening,
    /// Send, until [`Control::end`].
    Running,
    /// Send nothing more, wait for what is on its way, and close.
    Draining,
    /// Give up what has not come.
    Over,
}

const PHASES: [Phase; 4] = [Phase::Opening, Phase::Running, Phase::Draining, Phase::Over];

/// Shared by all sessions. Times are nanoseconds since it was made.
#[derive(Debug)]
pub(super) struct Control {
    epoch: Instant,
    phase: AtomicU8,
    /// When sending, measuring and both end.
    start: AtomicU64,
    begin: AtomicU64,
    end: AtomicU64,
    wakers: Box<[AtomicWaker]>,
    /// Sessions that are open, or will not be; and those that are done.
    settled: AtomicUsize,
    done: AtomicUsize,
    changed: Notify,
    /// Messages that the one who sends to all has sent, once it sends no more.
    published: AtomicU64,
    published_all: AtomicBool,
}

impl Control {
    pub(super) fn new(seats: usize) -> Self {
        Self {
            epoch: Instant::now(),
            phase: AtomicU8::new(Phase::Opening as u8),
            start: AtomicU64::new(0),
            begin: AtomicU64::new(u64::MAX),
            end: AtomicU64::new(u64::MAX),
            wakers: (0..seats).map(|_| AtomicWaker::new()).collect(),
            settled: AtomicUsize::new(0),
            done: AtomicUsize::new(0),
            changed: Notify::new(),
            published: AtomicU64::new(0),
            published_all: AtomicBool::new(false),
        }
    }

    pub(super) fn now(&self) -> u64 {
        self.time(Instant::now())
    }

    pub(super) fn time(&self, instant: Instant) -> u64 {
        u64::try_from(instant.duration_since(self.epoch).as_nanos()).unwrap_or(u64::MAX)
    }

    pub(super) fn phase(&self) -> Phase {
        PHASES[usize::from(self.phase.load(Ordering::Acquire))]
    }

    /// When the first message is to be sent.
    pub(super) fn start(&self) -> u64 {
        self.start.load(Ordering::Relaxed)
    }

    /// When no message is sent any more.
    pub(super) fn end(&self) -> u64 {
        self.end.load(Ordering::Relaxed)
    }

    /// Whether what happens at `time` is measured.
    pub(super) fn measures(&self, time: u64) -> bool {
        (self.begin.load(Ordering::Relaxed)..self.end()).contains(&time)
    }

    /// In which second of the measured time `time` is; `None` outside of it.
    pub(super) fn second(&self, time: u64) -> Option<usize> {
        let since = time.checked_sub(self.begin.load(Ordering::Relaxed))?;
        let second = usize::try_from(since / 1_000_000_000).ok();
        second.filter(|_| time < self.end())
    }

    /// Lets sessions send.
    pub(super) fn run(&self, start: Instant) {
        self.start.store(self.time(start), Ordering::Relaxed);
        self.enter(Phase::Running);
    }

    /// Measures from now on, until `end`, which is also the end of sending.
    pub(super) fn measure(&self, begin: Instant, end: Instant) {
        self.end.store(self.time(end), Ordering::Relaxed);
        self.begin.store(self.time(begin), Ordering::Relaxed);
    }

    /// The end is now.
    pub(super) fn end_at(&self, end: Instant) {
        self.end.store(self.time(end), Ordering::Relaxed);
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Release);
        self.wake_all();
    }

    /// Lets session `seat` look again.
    pub(super) fn wake(&self, seat: usize) {
        if let Some(waker) = self.wakers.get(seat) {
            waker.wake();
        }
    }

    fn wake_all(&self) {
        self.wakers.iter().for_each(AtomicWaker::wake);
    }

    /// Before a session looks at anything here: from now on it is woken for what changes.
    pub(super) fn register(&self, seat: usize, waker: &Waker) {
        if let Some(known) = self.wakers.get(seat) {
            known.register(waker);
        }
    }

    /// A session is open, or never will be.
    pub(super) fn settle(&self) {
        self.settled.fetch_add(1, Ordering::AcqRel);
        self.changed.notify_one();
    }

    pub(super) fn settled(&self) -> usize {
        self.settled.load(Ordering::Acquire)
    }

    /// A session is over.
    pub(super) fn finish(&self) {
        self.done.fetch_add(1, Ordering::AcqRel);
        self.changed.notify_one();
    }

    /// Waits until every session is open or given up. For one who waits.
    pub(super) async fn all_settled(&self) {
        while self.settled() < self.wakers.len() {
            self.changed.notified().await;
        }
    }

    /// Waits until every session is over. For one who waits.
    pub(super) async fn all_done(&self) {
        while self.done.load(Ordering::Acquire) < self.wakers.len() {
            self.changed.notified().await;
        }
    }

    /// The one who sends to all has sent `messages`, and sends no more.
    pub(super) fn publish(&self, messages: u64) {
        self.published.store(messages, Ordering::Relaxed);
        self.published_all.store(true, Ordering::Release);
        self.wake_all();
    }

    /// How many messages were sent to all; `None` while that is not known.
    pub(super) fn published(&self) -> Option<u64> {
        let all = self.published_all.load(Ordering::Acquire);
        all.then(|| self.published.load(Ordering::Relaxed))
    }
}
