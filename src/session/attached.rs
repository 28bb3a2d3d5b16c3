//! The attached receiver and its deadlines.

use std::time::Duration;

use crate::moment::Moment;

use super::answers::{Liveness, Manner};

/// Longer than what a network that works keeps on its way.
const IN_FLIGHT: Duration = Duration::from_millis(2500);

/// The one receiver that is attached.
#[derive(Debug)]
pub(super) struct Attached {
    liveness: Liveness,
    /// It gives way after its first frame.
    one_frame: bool,
    /// Its browser comes back by itself after a cut.
    resumes: bool,
    /// Silence after which a heartbeat is due, besides the configured one.
    silence: Option<Duration>,
    /// A heartbeat is to be taken.
    pub(super) heartbeat_due: bool,
    /// When the configured heartbeat is due.
    beat_at: Option<Moment>,
    /// It was due, and nothing was taken since.
    overdue: bool,
    /// Bytes were written since it was due.
    progressed: bool,
    /// When something last went to the browser, and came from it; a heartbeat that is due counts.
    said: Moment,
    heard: Moment,
    /// When something really came from the browser.
    alive: Moment,
    /// When `o` was taken.
    open_taken: Option<Moment>,
    /// When the last messages were taken of which nothing has shown since that they arrived.
    messages_taken: Option<Moment>,
    pub(super) pong_by: Option<Moment>,
    /// Its messages wait for room, and nothing is read from it: an answer of its cannot be seen.
    pub(super) held_up: bool,
    /// When staying attached proves the path; `None` once proven.
    pub(super) proof_at: Option<Moment>,
    /// When it is to give way to its successor.
    recycle_at: Option<Moment>,
    /// It is to give way with the next frame.
    recycles: bool,
    /// The close frame was taken: nothing may follow.
    pub(super) close_taken: bool,
}

impl Attached {
    pub(super) fn new(now: Moment, manner: Manner, heartbeat_delay: Option<Duration>) -> Self {
        Self {
            liveness: manner.liveness,
            one_frame: manner.one_frame,
            resumes: manner.resumes,
            silence: manner.silence,
            heartbeat_due: false,
            beat_at: heartbeat_delay.map(|delay| now + delay),
            overdue: false,
            progressed: false,
            said: now,
            heard: now,
            alive: now,
            open_taken: None,
            messages_taken: None,
            pong_by: None,
            held_up: false,
            proof_at: None,
            recycle_at: manner.max_age.map(|age| now + age),
            recycles: false,
            close_taken: false,
        }
    }

    /// The open frame was taken.
    pub(super) fn took_open(&mut self, now: Moment, heartbeat_delay: Option<Duration>) {
        self.open_taken = Some(now);
        self.took_content(now, heartbeat_delay);
    }

    /// Messages were taken.
    pub(super) fn took_messages(&mut self, now: Moment, heartbeat_delay: Option<Duration>) {
        self.messages_taken = Some(now);
        self.took_content(now, heartbeat_delay);
    }

    /// On HTTP content breaks the silence; Pings keep their own beat.
    fn took_content(&mut self, now: Moment, heartbeat_delay: Option<Duration>) {
        self.said = now;
        if self.liveness == Liveness::Connection {
            self.heartbeat_due = self.recycles;
            self.overdue = false;
            self.beat_at = heartbeat_delay.map(|delay| now + delay);
        }
    }

    /// The heartbeat was taken.
    pub(super) fn took_heartbeat(&mut self, now: Moment) {
        self.said = now;
        self.heartbeat_due = false;
        self.overdue = false;
    }

    /// The browser sent messages, which may have been on their way as long as what was taken meanwhile. What was taken longer
    /// before has arrived: its network works.
    pub(super) fn spoke(&mut self, now: Moment) {
        let is_old = |taken: &mut Moment| now.saturating_duration_since(*taken) >= IN_FLIGHT;
        self.messages_taken.take_if(is_old);
    }

    /// Something came from the browser; whether an answer was waited for.
    pub(super) fn heard(&mut self, now: Moment) -> bool {
        self.heard = now;
        self.alive = now;
        self.pong_by.take().is_some()
    }

    /// A Ping was sent; from when on the browser's time to answer counts. A Ping that only keeps the way open, earlier than
    /// the configured one, does not shorten the outage that a connection survives; and a later one gives no more time.
    pub(super) fn awaits_pong(
        &mut self,
        now: Moment,
        heartbeat_delay: Option<Duration>,
        timeout: Duration,
    ) {
        let due = self.alive + heartbeat_delay.unwrap_or_default();
        self.pong_by.get_or_insert_with(|| now.max(due) + timeout);
    }

    /// When a heartbeat is due.
    fn heartbeat_at(&self) -> Option<Moment> {
        let quiet = match self.liveness {
            Liveness::Connection => self.said,
            Liveness::Pong => self.said.max(self.heard),
        };
        let silent = self.silence.and_then(|silence| quiet.checked_add(silence));
        [self.beat_at, silent].into_iter().flatten().min()
    }

    /// Makes a heartbeat due, and the receiver give way, when their time has come; whether there is something to take.
    /// `None` when the receiver is dead: for a whole `heartbeat_delay` it took neither the last heartbeat nor a byte.
    pub(super) fn beat(
        &mut self,
        now: Moment,
        progressing: bool,
        heartbeat_delay: Option<Duration>,
    ) -> Option<bool> {
        let reached = |at: Option<Moment>| at.is_some_and(|at| at <= now);
        self.progressed |= progressing;
        if reached(self.beat_at) {
            if self.overdue && !self.progressed {
                return None;
            }
            self.overdue = true;
            self.progressed = false;
        }
        let beats = reached(self.heartbeat_at());
        if beats {
            self.said = now;
            self.heard = now;
        }
        if reached(self.beat_at) {
            self.beat_at = heartbeat_delay.map(|delay| now + delay);
        }
        let recycles = reached(self.recycle_at);
        if recycles {
            self.recycle_at = None;
            self.recycles = true;
        }
        // An end needs a frame before it, too: an empty answer is asked for again at once.
        self.heartbeat_due |= beats || recycles;
        Some(beats || recycles)
    }

    /// From now on a heartbeat is due after this silence.
    pub(super) fn set_silence(&mut self, silence: Option<Duration>) {
        self.silence = silence;
    }

    /// Whether it is to be told with Pings that it must answer.
    pub(super) fn is_pinged(&self) -> bool {
        self.liveness == Liveness::Pong
    }

    /// Whether it ends with the next frame, because another receiver follows.
    pub(super) fn gives_way(&self) -> bool {
        self.one_frame || self.recycles
    }

    /// Another request waits behind it: it gives way, at once if it has been there for `spacing`. Whether that is now.
    pub(super) fn hurry(&mut self, now: Moment, spacing: Duration) -> bool {
        let at = self.alive + spacing;
        if at <= now || self.heartbeat_due {
            self.heartbeat_due = true;
            return true;
        }
        self.recycle_at = Some(self.recycle_at.map_or(at, |recycle_at| recycle_at.min(at)));
        false
    }

    /// It gives way at `at` instead.
    pub(super) fn recycle_later(&mut self, at: Option<Moment>) {
        if !self.recycles {
            self.recycle_at = at;
        }
    }

    /// Whether a browser that was cut off can go on without a gap: all messages taken on this response have arrived. Time
    /// alone does not show that, nor how the connection ended: a proxy may have kept what the browser could not read. A browser
    /// that did not get its `o` comes back only while it is still waiting for it, and notices.
    pub(super) fn can_resume(&self, now: Moment, in_order: bool) -> bool {
        let opened = match self.open_taken {
            None => true,
            Some(taken) => in_order && now.saturating_duration_since(taken) >= IN_FLIGHT,
        };
        self.resumes && opened && self.messages_taken.is_none() && !self.close_taken
    }

    /// The earliest of its deadlines.
    pub(super) fn deadline(&self) -> Option<Moment> {
        [
            self.heartbeat_at(),
            self.pong_by,
            self.proof_at,
            self.recycle_at,
        ]
        .into_iter()
        .flatten()
        .min()
    }
}
