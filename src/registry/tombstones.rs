//! Ids of ended sessions and when to forget them. Bounded in time and in number.

use std::collections::{BTreeMap, HashMap};

use crate::moment::Moment;
use crate::session::SessionId;

use super::shard::give_back;

/// Due instants of ended ids.
#[derive(Debug, Default)]
pub(super) struct Tombstones {
    /// By due instant; the number tells equal ones apart.
    due: BTreeMap<(Moment, u64), SessionId>,
    added: u64,
    renewed: HashMap<SessionId, Moment>,
}

/// The most that one shard keeps; the one that is due first goes first.
const MAX_TOMBSTONES: usize = 4096;

impl Tombstones {
    /// Adds an id; gives back the one that is due first when there are too many.
    pub(super) fn push(&mut self, id: SessionId, due: Moment) -> Option<SessionId> {
        self.insert(id, due);
        if self.due.len() <= MAX_TOMBSTONES {
            return None;
        }
        let (_, first) = self.due.pop_first()?;
        self.renewed.remove(&first);
        Some(first)
    }

    /// The id was asked for again: it is to be kept until `due`.
    pub(super) fn renew(&mut self, id: &SessionId, due: Moment) {
        self.renewed.insert(id.clone(), due);
    }

    /// The next id whose time has come.
    pub(super) fn pop_due(&mut self, now: Moment) -> Option<SessionId> {
        while self.next_due().is_some_and(|due| due <= now) {
            let (_, id) = self.due.pop_first()?;
            let renewed = self.renewed.remove(&id);
            give_back(&mut self.renewed);
            match renewed {
                Some(due) if due > now => self.insert(id, due),
                _ => return Some(id),
            }
        }
        None
    }

    /// When to look again; `None` when there is nothing.
    pub(super) fn next_due(&self) -> Option<Moment> {
        self.due.first_key_value().map(|((due, _), _)| *due)
    }

    fn insert(&mut self, id: SessionId, due: Moment) {
        self.added += 1;
        self.due.insert((due, self.added), id);
    }
}
