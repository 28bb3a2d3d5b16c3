//! A session's place in the registry, from its opening to its end.

use std::sync::{Arc, Weak};

use uuid::Uuid;

use crate::identity::{Identity, Owner};
use crate::session::{End, SessionId};

use super::budget::Reservation;
use super::clients::ClientPlace;
use super::shard::{Entry, Tomb};
use super::{Registry, clock};

/// Where a session is registered.
#[derive(Clone, Debug)]
pub(super) enum Key {
    Named(SessionId),
    Unnamed(Uuid),
}

/// A session's place in the counts.
pub(super) struct Place {
    _of_service: Reservation,
    /// Boxed, because most services count nobody by client.
    _of_client: Option<Box<ClientPlaces>>,
}

/// A session's places among those of its client, where these are counted.
#[derive(Debug)]
pub(super) struct ClientPlaces {
    pub(super) network: Option<ClientPlace>,
    pub(super) user: Option<ClientPlace>,
}

impl Place {
    pub(super) fn new(of_service: Reservation, of_client: ClientPlaces) -> Self {
        let counted = of_client.network.is_some() || of_client.user.is_some();
        Self {
            _of_service: of_service,
            _of_client: counted.then(|| Box::new(of_client)),
        }
    }
}

impl Registry {
    /// Who opened the living session with that id.
    pub fn identity_of(&self, id: &SessionId) -> Option<Arc<Identity>> {
        match self.shard(id).lock().get(id)? {
            Entry::Living(handle) => handle.identity().cloned(),
            Entry::Ended(_) => None,
        }
    }
}

/// A session's place in the registry and in the counts; dropping it gives the place free.
pub(super) struct Registration {
    registry: Weak<Registry>,
    key: Key,
    // Dropped in this order: the place is free when the registry looks whether it is empty.
    _place: Place,
    _last_out: LastOut,
}

/// Tells the registry that a session has left.
struct LastOut(Weak<Registry>);

impl Drop for LastOut {
    fn drop(&mut self) {
        if let Some(registry) = self.0.upgrade().filter(|registry| registry.is_empty()) {
            registry.emptied.notify_waiters();
        }
    }
}

impl Registration {
    pub(super) fn new(registry: Weak<Registry>, key: Key, place: Place) -> Self {
        Self {
            _last_out: LastOut(registry.clone()),
            registry,
            key,
            _place: place,
        }
    }

    /// The session is closed: its id answers with `end` for a while.
    pub(super) fn close(&self, end: End, owner: Owner) {
        let Some(registry) = self.registry.upgrade() else {
            return;
        };
        let Key::Named(id) = &self.key else {
            return;
        };
        let index = registry.shard_index(id);
        let due = clock::now() + registry.lingering(end.cause);
        // This registration is the only one of its id, so the entry is still this session's.
        let nobody_sweeps = registry.shards[index].lock().close(
            id,
            Tomb {
                end,
                owner,
                told: false,
            },
            due,
        );
        if nobody_sweeps {
            tokio::spawn(Registry::sweep(registry.this.clone(), index));
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if let Some(registry) = self.registry.upgrade() {
            registry.shard_of(&self.key).lock().remove(&self.key);
        }
    }
}
