//! A part of the registry: the sessions whose ids fall to it, and the ids that ended a short while ago.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use uuid::Uuid;

use crate::identity::Owner;
use crate::moment::Moment;
use crate::session::{End, SessionId, Traffic};

use super::clock::now;
use super::handle::SessionHandle;
use super::registration::Key;
use super::tombstones::Tombstones;

#[derive(Debug, Default)]
pub(super) struct Shard {
    named: HashMap<SessionId, Entry>,
    unnamed: HashMap<Uuid, Arc<SessionHandle>>,
    tombstones: Tombstones,
    /// What came and went on sessions that have left, by the index of their tally.
    ended: Vec<Traffic>,
}

/// What the registry knows of an id.
#[derive(Clone, Debug)]
pub(super) enum Entry {
    Living(Arc<SessionHandle>),
    /// Ended: requests are answered with this until the tombstone is removed.
    Ended(Box<Tomb>),
}

/// What remains of a session.
#[derive(Clone, Debug)]
pub(super) struct Tomb {
    pub(super) end: End,
    /// Whom it belonged to.
    pub(super) owner: Owner,
    /// A receiver was told so.
    pub(super) told: bool,
}

impl Shard {
    /// What is known of an id. Between a session's end and its driver's clean-up it is still living.
    pub(super) fn get(&self, id: &SessionId) -> Option<&Entry> {
        self.named.get(id)
    }

    /// A session has opened.
    pub(super) fn open(&mut self, key: &Key, handle: Arc<SessionHandle>) {
        match key {
            Key::Named(id) => {
                self.named.insert(id.clone(), Entry::Living(handle));
            }
            Key::Unnamed(id) => {
                self.unnamed.insert(*id, handle);
            }
        }
    }

    /// The session of that id is closed: until `due` the id answers with its end. Whether somebody has to start to
    /// [`bury`](Self::bury).
    pub(super) fn close(&mut self, id: &SessionId, tomb: Tomb, due: Moment) -> bool {
        if let Some(Entry::Living(handle)) =
            (self.named).insert(id.clone(), Entry::Ended(Box::new(tomb)))
        {
            self.settle(&handle);
        }
        let nobody_buries = self.tombstones.next_due().is_none();
        if let Some(oldest) = self.tombstones.push(id.clone(), due) {
            self.named.remove(&oldest);
        }
        nobody_buries
    }

    /// A receiver is told the end of an id; whether one was before.
    pub(super) fn tell(&mut self, id: &SessionId) -> bool {
        match self.named.get_mut(id) {
            Some(Entry::Ended(tomb)) => std::mem::replace(&mut tomb.told, true),
            _ => false,
        }
    }

    /// An ended id was asked for again: it is known until `due`.
    pub(super) fn renew(&mut self, id: &SessionId, due: Moment) {
        self.tombstones.renew(id, due);
    }

    /// The session is over.
    pub(super) fn remove(&mut self, key: &Key) {
        match key {
            Key::Named(id) => {
                if let Some(Entry::Living(handle)) = self.named.get(id) {
                    let handle = Arc::clone(handle);
                    self.named.remove(id);
                    self.settle(&handle);
                    give_back(&mut self.named);
                }
            }
            Key::Unnamed(id) => {
                if let Some(handle) = self.unnamed.remove(id) {
                    self.settle(&handle);
                }
                give_back(&mut self.unnamed);
            }
        }
    }

    /// Forgets the ids that are due; the instant of the next, or `None` (and then nobody buries) when nothing is left.
    pub(super) fn bury(&mut self) -> Option<Moment> {
        while let Some(id) = self.tombstones.pop_due(now()) {
            self.named.remove(&id);
        }
        give_back(&mut self.named);
        self.tombstones.next_due()
    }

    /// Keeps what a session that leaves has counted.
    fn settle(&mut self, handle: &SessionHandle) {
        let index = handle.tally().index;
        if self.ended.len() <= index {
            self.ended.resize(index + 1, Traffic::default());
        }
        self.ended[index] += handle.glance().traffic;
    }

    /// What those counted that have left, and those that live: each session is in one of the two.
    pub(super) fn roll(&self) -> (Vec<Traffic>, Vec<Arc<SessionHandle>>) {
        (self.ended.clone(), self.living().cloned().collect())
    }

    /// Whether it knows of nobody.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.named.is_empty() && self.unnamed.is_empty()
    }

    /// Its sessions that have not ended.
    pub(super) fn living(&self) -> impl Iterator<Item = &Arc<SessionHandle>> {
        let named = self.named.values().filter_map(|entry| match entry {
            Entry::Living(handle) => Some(handle),
            Entry::Ended(_) => None,
        });
        named.chain(self.unnamed.values())
    }
}

/// Gives back most of a map that was much larger once: a storm of sessions is not to be remembered by its memory.
pub(super) fn give_back<K: Eq + Hash, V>(map: &mut HashMap<K, V>) {
    const SMALL: usize = 64;
    if map.capacity() > SMALL && map.len() < map.capacity() / 8 {
        map.shrink_to(map.len() * 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A map that grows and shrinks has at most eight times the room that it needs, or a little.
    #[test]
    fn room_of_a_map_follows_what_is_in_it() {
        let mut map: HashMap<u32, u32> = (0..10_000).map(|number| (number, number)).collect();
        for number in 0..10_000 {
            map.remove(&number);
            give_back(&mut map);
            assert!(
                map.capacity() <= 64 || map.len() >= map.capacity() / 8,
                "{} of {}",
                map.len(),
                map.capacity()
            );
            assert_eq!(map.len(), 9_999 - number as usize);
        }
        assert!(map.capacity() <= 64, "{}", map.capacity());
    }
}
