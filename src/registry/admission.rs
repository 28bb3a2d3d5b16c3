//! Whether one more session may be opened: the limits that are asked, and what is said when one is reached.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use parking_lot::Mutex;
use tracing::warn;

use crate::identity::{Caller, Identity};
use crate::network::Path;
use crate::protocol::CloseReason;
use crate::session::{Bucket, RateLimit};
use crate::throttle::Throttle;

use super::clients::{Client, ClientLimits, User};
use super::clock::now;
use super::counts::Counts;
use super::handle::SessionHandle;
use super::openings::Openings;
use super::registration::{ClientPlaces, Place};
use super::{Registry, Settings};

/// What the limits on sessions that are opened have to remember.
#[derive(Debug, Default)]
pub(super) struct Admission {
    openings: Mutex<Bucket>,
    of_clients: Openings,
    /// For each [`Limit`].
    told: [Throttle; 6],
}

/// A limit that was reached.
#[derive(Clone, Copy, Debug)]
enum Limit {
    Sessions,
    OfClient,
    OfUser,
    Rate,
    RateOfClient,
    QueueMemory,
}

impl Limit {
    fn reason(self) -> CloseReason {
        match self {
            Self::Sessions => CloseReason::TOO_MANY_SESSIONS,
            Self::OfClient => CloseReason::TOO_MANY_OF_CLIENT,
            Self::OfUser => CloseReason::TOO_MANY_OF_USER,
            Self::Rate => CloseReason::TOO_FAST,
            Self::RateOfClient => CloseReason::TOO_FAST_OF_CLIENT,
            Self::QueueMemory => CloseReason::OUT_OF_BUDGET,
        }
    }

    /// The key that sets it.
    fn key(self) -> &'static str {
        match self {
            Self::Sessions => "max_sessions, of the service or of the process",
            Self::OfClient => "max_sessions_per_client",
            Self::OfUser => "max_sessions_per_user",
            Self::Rate => "sessions_per_second",
            Self::RateOfClient => "sessions_per_second_per_client",
            Self::QueueMemory => "queue_memory, of the service or of the process",
        }
    }

    fn counter(self, counts: &Counts) -> &AtomicU64 {
        match self {
            Self::Sessions => &counts.too_many_sessions,
            Self::OfClient => &counts.too_many_of_client,
            Self::OfUser => &counts.too_many_of_user,
            Self::Rate => &counts.opened_too_fast,
            Self::RateOfClient => &counts.opened_too_fast_by_client,
            Self::QueueMemory => &counts.refused_for_queue_memory,
        }
    }
}

impl Registry {
    /// A new session and its place in the counts, if all limits allow one. What is counted comes before what is taken from a rate, and what
    /// one client does before what it takes from others.
    pub(super) fn register(
        &self,
        caller: &Caller,
        path: impl FnOnce() -> Option<Path>,
    ) -> Result<(Arc<SessionHandle>, Place), CloseReason> {
        let owner = caller.opens()?;
        if let Some(reason) = self.refusing() {
            return Err(reason);
        }
        let refuse = |limit| self.refuse_one(limit, caller.address());
        let budgets = self.budgets();
        if budgets.queue_memory.is_short() {
            return Err(refuse(Limit::QueueMemory));
        }
        let place = budgets.sessions.reserve(1);
        let place = place.ok_or_else(|| refuse(Limit::Sessions))?;
        let Settings {
            config,
            clients,
            openings,
            ..
        } = self.settings();
        let places = self.places(clients, caller.address(), owner.identity());
        let places = places.map_err(refuse)?;
        self.keeps_pace(openings, clients, caller.address())
            .map_err(refuse)?;
        budgets.reliefs().for_each(|relief| relief.runs_here());
        let tally = self.tallies.of(caller.transport(), &self.totals);
        tally.opened();
        let handle = SessionHandle::new(config, tally, path(), owner, caller.address());
        Ok((handle, Place::new(place, places)))
    }

    /// Places among the sessions of the client network and of the user, where those are limited.
    fn places(
        &self,
        limits: ClientLimits,
        address: Option<IpAddr>,
        owner: Option<&Arc<Identity>>,
    ) -> Result<ClientPlaces, Limit> {
        let place = |client: Client, most: usize, limit: Limit| {
            let place = self.totals.clients.place(client, most);
            place.ok_or(limit)
        };
        let network = limits.sessions.zip(address);
        let network = network
            .map(|(most, address)| place(limits.prefixes.client(address), most, Limit::OfClient))
            .transpose()?;
        let user = limits.sessions_of_user.zip(owner);
        let user = user
            .map(|(most, owner)| place(Client::User(User(Arc::clone(owner))), most, Limit::OfUser))
            .transpose()?;
        Ok(ClientPlaces { network, user })
    }

    fn keeps_pace(
        &self,
        openings: RateLimit,
        clients: ClientLimits,
        address: Option<IpAddr>,
    ) -> Result<(), Limit> {
        if let Some((rate, address)) = clients.openings.rate().zip(address) {
            let client = clients.prefixes.client(address);
            if !self.admission.of_clients.take(now(), &client, rate) {
                return Err(Limit::RateOfClient);
            }
        }
        match openings.rate() {
            Some(rate) if !self.admission.openings.lock().take(now(), rate, 1) => Err(Limit::Rate),
            _ => Ok(()),
        }
    }

    fn refuse_one(&self, limit: Limit, peer: Option<IpAddr>) -> CloseReason {
        Counts::add(limit.counter(self.counts()), 1);
        if let Some(held_back) = self.admission.told[limit as usize].admit() {
            warn!(
                peer = peer.map(tracing::field::display),
                sessions = self.len(),
                limit = limit.key(),
                held_back,
                "session refused"
            );
        }
        limit.reason()
    }
}
