//! Which of a task's wake-ups are the socket's: only then there is something to read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

use futures_util::task::AtomicWaker;

/// Stands for the task where the socket is polled: it passes wake-ups on, and notes them.
pub(super) struct Readiness {
    shared: Arc<Shared>,
    waker: Waker,
}

struct Shared {
    /// The socket woke the task, which has not looked at it since.
    noted: AtomicBool,
    /// Taken by the first wake-up that is noted.
    task: AtomicWaker,
}

impl Readiness {
    /// The socket is to be looked at first.
    pub(super) fn new() -> Self {
        let shared = Arc::new(Shared {
            noted: AtomicBool::new(true),
            task: AtomicWaker::new(),
        });
        let waker = Waker::from(Arc::clone(&shared));
        Self { shared, waker }
    }

    /// Whether the socket has called since the last question. From now on it wakes the task of `context`.
    pub(super) fn take(&self, context: &Context<'_>) -> bool {
        // Who calls after the note is taken finds the task; who called before is heard by it.
        self.shared.task.register(context.waker());
        self.shared.noted.swap(false, Ordering::AcqRel)
    }

    /// What the socket is to be polled with.
    pub(super) fn context(&self) -> Context<'_> {
        Context::from_waker(&self.waker)
    }
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.noted.swap(true, Ordering::AcqRel) {
            self.task.wake();
        }
    }
}
