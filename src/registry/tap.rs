//! Taps: whoever watches what a session sends and receives. Events wait in a bounded queue and are pulled, so that a slow watcher
//! holds up nobody; what does not fit is counted.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::moment::Moment;
use crate::protocol::{CloseReason, Frame, Message};

use super::handle::SessionHandle;

/// Watches one session; it ends when this is dropped.
pub struct Tap {
    handle: Arc<SessionHandle>,
    number: u32,
}

/// What passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tapped {
    /// How old the session was.
    pub age: Duration,
    /// What it was.
    pub passage: Passage,
    /// Events before this one that found no room.
    pub missed: u64,
}

/// A frame towards the browser, or messages from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passage {
    /// The `o` frame.
    Open,
    /// An `h` frame, or a Ping.
    Heartbeat,
    /// Messages towards the browser in one frame.
    Sent(Load),
    /// Messages of the browser in one request or frame.
    Received(Load),
    /// The close frame.
    Close(CloseReason),
}

/// Messages that went together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// How many.
    pub messages: usize,
    /// Bytes of all together.
    pub bytes: usize,
    /// The messages, the first of them at least as far as they fit, for taps that want contents.
    pub contents: Option<Vec<Message>>,
}

/// Taps of one session at a time.
pub const MOST_TAPS: usize = 4;
/// Events that wait for one tap, and bytes of their contents.
const QUEUED: usize = 512;
const QUEUED_BYTES: usize = 256 * 1024;

/// The taps of one session, behind its lock.
#[derive(Debug)]
pub(super) struct Taps {
    began: Moment,
    next: u32,
    taps: Vec<Queue>,
}

#[derive(Debug)]
struct Queue {
    number: u32,
    contents: bool,
    events: VecDeque<Tapped>,
    bytes: usize,
    missed: u64,
    waker: Option<Waker>,
}

impl Tap {
    pub(super) fn new(handle: Arc<SessionHandle>, number: u32) -> Self {
        Self { handle, number }
    }

    /// What passed since the last call; `None` once the session is closed and everything was told. Cancel safe.
    pub async fn next(&mut self) -> Option<Vec<Tapped>> {
        std::future::poll_fn(|context| self.handle.poll_tapped(self.number, context)).await
    }

    /// The session.
    pub fn session(&self) -> &Arc<SessionHandle> {
        &self.handle
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.handle.untap(self.number);
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tap").field(&self.handle).finish()
    }
}

impl Taps {
    pub(super) fn new(began: Moment) -> Self {
        Self {
            began,
            next: 0,
            taps: Vec::new(),
        }
    }

    /// One more; `None` when there are too many.
    pub(super) fn add(&mut self, contents: bool) -> Option<u32> {
        if self.taps.len() == MOST_TAPS {
            return None;
        }
        let number = self.next;
        self.next = number.wrapping_add(1);
        self.taps.push(Queue {
            number,
            contents,
            events: VecDeque::new(),
            bytes: 0,
            missed: 0,
            waker: None,
        });
        Some(number)
    }

    /// Whether nobody is left.
    pub(super) fn remove(&mut self, number: u32) -> bool {
        self.taps.retain(|tap| tap.number != number);
        self.taps.is_empty()
    }

    /// A frame is about to be written.
    pub(super) fn sent(&mut self, now: Moment, frame: &Frame<'_>) {
        self.tell(now, |contents| match frame {
            Frame::Open => Passage::Open,
            Frame::Heartbeat => Passage::Heartbeat,
            Frame::Messages(messages) => {
                let all = messages.iter();
                Passage::Sent(Load::of(
                    messages.len(),
                    messages.total_bytes(),
                    all,
                    contents,
                ))
            }
            Frame::Close(reason) => Passage::Close((*reason).clone()),
        });
    }

    /// What is to be told once they are accepted.
    pub(super) fn load(&self, messages: &[Message]) -> Load {
        let contents = self.taps.iter().any(|tap| tap.contents);
        let bytes = messages.iter().map(Message::len).sum();
        Load::of(messages.len(), bytes, messages.iter(), contents)
    }

    /// The browser's messages were accepted.
    pub(super) fn received(&mut self, now: Moment, load: &Load) {
        self.tell(now, |contents| {
            let kept = load.contents.clone().filter(|_| contents);
            Passage::Received(Load {
                contents: kept,
                ..*load
            })
        });
    }

    fn tell(&mut self, now: Moment, passage: impl Fn(bool) -> Passage) {
        let age = now.saturating_duration_since(self.began);
        for tap in &mut self.taps {
            let passage = passage(tap.contents);
            let bytes = passage.bytes();
            if tap.events.len() == QUEUED || (tap.bytes > 0 && tap.bytes + bytes > QUEUED_BYTES) {
                tap.missed += 1;
                continue;
            }
            tap.bytes += bytes;
            tap.events.push_back(Tapped {
                age,
                passage,
                missed: std::mem::take(&mut tap.missed),
            });
        }
    }

    /// What waits for this one.
    pub(super) fn poll(
        &mut self,
        number: u32,
        context: &Context<'_>,
        closed: bool,
    ) -> Poll<Option<Vec<Tapped>>> {
        let Some(tap) = self.taps.iter_mut().find(|tap| tap.number == number) else {
            return Poll::Ready(None);
        };
        if !tap.events.is_empty() {
            tap.bytes = 0;
            return Poll::Ready(Some(std::mem::take(&mut tap.events).into()));
        }
        if closed {
            return Poll::Ready(None);
        }
        tap.waker = Some(context.waker().clone());
        Poll::Pending
    }

    /// Whom to wake, after the lock.
    pub(super) fn due(&mut self, closed: bool) -> Vec<Waker> {
        let taps = self.taps.iter_mut();
        let seeing = taps.filter(|tap| closed || !tap.events.is_empty());
        seeing.filter_map(|tap| tap.waker.take()).collect()
    }
}

impl Load {
    fn of<'a>(
        messages: usize,
        bytes: usize,
        all: impl Iterator<Item = &'a Message>,
        contents: bool,
    ) -> Self {
        let kept = || {
            let mut room = QUEUED_BYTES;
            let fits = |message: &&Message| {
                let fits = message.len() <= room;
                room = room.saturating_sub(message.len());
                fits
            };
            all.take(QUEUED).take_while(fits).cloned().collect()
        };
        Self {
            messages,
            bytes,
            contents: contents.then(kept),
        }
    }
}

impl Passage {
    /// Bytes of contents that are kept.
    fn bytes(&self) -> usize {
        match self {
            Self::Sent(load) | Self::Received(load) => {
                let kept = load.contents.iter().flatten();
                kept.map(|message| message.len() + size_of::<Message>())
                    .sum()
            }
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(taps: &mut Taps, text: &str) {
        let load = taps.load(&[text.into()]);
        taps.received(Moment::START, &load);
    }

    fn told(taps: &mut Taps, number: u32) -> Vec<Tapped> {
        let context = Context::from_waker(Waker::noop());
        match taps.poll(number, &context, false) {
            Poll::Ready(Some(events)) => events,
            other => panic!("{other:?} instead of events"),
        }
    }

    /// A tap that is not read loses the newest events, and is told how many. Nothing grows.
    #[test]
    fn what_does_not_fit_is_counted() {
        let mut taps = Taps::new(Moment::START);
        let number = taps.add(false).unwrap();
        (0..QUEUED + 7).for_each(|_| received(&mut taps, "x"));
        assert_eq!(told(&mut taps, number).len(), QUEUED);
        received(&mut taps, "x");
        assert_eq!(told(&mut taps, number)[0].missed, 7);
        received(&mut taps, "x");
        assert_eq!(told(&mut taps, number)[0].missed, 0);
    }

    /// Contents are there only for who asked for them, and their bytes are bounded.
    #[test]
    fn contents_are_told_by_choice_and_bounded() {
        let mut taps = Taps::new(Moment::START);
        let sizes = taps.add(false).unwrap();
        let contents = taps.add(true).unwrap();
        received(&mut taps, "hello");
        let Passage::Received(load) = &told(&mut taps, sizes)[0].passage else {
            panic!("not messages of the browser");
        };
        assert_eq!((load.messages, load.bytes, &load.contents), (1, 5, &None));
        let Passage::Received(load) = &told(&mut taps, contents)[0].passage else {
            panic!("not messages of the browser");
        };
        assert_eq!(load.contents, Some(vec!["hello".into()]));
        let large = "x".repeat(QUEUED_BYTES / 2);
        (0..3).for_each(|_| received(&mut taps, &large));
        assert_eq!(told(&mut taps, contents).len(), 1);
        received(&mut taps, "x");
        assert_eq!(told(&mut taps, contents)[0].missed, 2);
        received(&mut taps, &"x".repeat(QUEUED_BYTES + 1));
        let Passage::Received(load) = &told(&mut taps, contents)[0].passage else {
            panic!("not messages of the browser");
        };
        assert_eq!(load.contents, Some(Vec::new()), "too large to be kept");
    }

    #[test]
    fn taps_of_a_session_are_few() {
        let mut taps = Taps::new(Moment::START);
        let numbers: Vec<_> = (0..MOST_TAPS).map(|_| taps.add(true).unwrap()).collect();
        assert_eq!(taps.add(true), None);
        assert!(!taps.remove(numbers[0]));
        assert!(taps.add(true).is_some());
    }
}
