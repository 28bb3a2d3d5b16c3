//! Ids of ended sessions and when to forget them. Bounded in time and in number.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use crate::session::SessionId;

/// Due instants of ended ids. Kept in the order they were added; one that was renewed goes to the end when its turn comes.
#[derive(Debug, Default)]
pub(super) struct Tombstones {
    queue: VecDeque<(SessionId, Instant)>,
    renewed: HashMap<SessionId, Instant>,
}

/// The most that one shard keeps; the oldest goes first.
const MAX_TOMBSTONES: usize = 4096;

impl Tombstones {
    /// Adds an id; gives back the oldest when there are too many.
    pub(super) fn push(&mut self, id: SessionId, due: Instant) -> Option<SessionId> {
        self.queue.push_back((id, due));
        if self.queue.len() <= MAX_TOMBSTONES {
            return None;
        }
        let (oldest, _) = self.queue.pop_front()?;
        self.renewed.remove(&oldest);
        Some(oldest)
    }

    /// The id was asked for again: it is to be kept until `due`.
    pub(super) fn renew(&mut self, id: &SessionId, due: Instant) {
        self.renewed.insert(id.clone(), due);
    }

    /// The next id whose time has come.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<SessionId> {
        while self.queue.front().is_some_and(|(_, due)| *due <= now) {
            let (id, _) = self.queue.pop_front()?;
            match self.renewed.remove(&id) {
                Some(due) if due > now => self.queue.push_back((id, due)),
                _ => return Some(id),
            }
        }
        None
    }

    /// When to look again; `None` when there is nothing.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.queue.front().map(|(_, due)| *due)
    }
}
