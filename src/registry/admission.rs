//! Whether one more session may be opened: the limits that are asked, and what is said when one is reached.

use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::identity::{Caller, Identity};
use crate::network::Path;
use crate::protocol::CloseReason;
use crate::session::{Bucket, RateLimit};

use super::clients::{Client, ClientLimits, ClientPlace, User};
use super::clock::now;
use super::handle::SessionHandle;
use super::limit::{Culprit, Limit};
use super::openings::Openings;
use super::registration::{ClientPlaces, Place};
use super::{Registry, Settings};

/// What the limits on sessions that are opened have to remember.
#[derive(Debug, Default)]
pub(super) struct Admission {
    openings: Mutex<Bucket>,
    of_clients: Openings,
}

/// Who wants to open a session.
#[derive(Debug)]
pub struct Opener<'a> {
    caller: &'a Caller,
    ticket: Option<Ticket>,
}

impl<'a> Opener<'a> {
    /// With the ticket that was asked for before it was known who it is, if one was.
    pub fn new(caller: &'a Caller, ticket: Option<Ticket>) -> Self {
        Self { caller, ticket }
    }

    pub(super) const fn caller(&self) -> &'a Caller {
        self.caller
    }
}

impl<'a> From<&'a Caller> for Opener<'a> {
    fn from(caller: &'a Caller) -> Self {
        Self::new(caller, None)
    }
}

/// A client network may open a session, if its limits are all that there is to it: what it takes of them. Dropped unused, its place
/// among the sessions of the network is free again, while the try still counts for the rate.
#[derive(Debug, Default)]
pub struct Ticket {
    network: Option<ClientPlace>,
}

/// What keeps a session from being opened.
#[derive(Clone, Copy, Debug)]
enum Bound {
    Sessions,
    AllSessions,
    OfClient,
    OfUser,
    Rate,
    RateOfClient,
    QueueMemory(Limit),
}

impl Bound {
    fn reason(self) -> CloseReason {
        match self {
            Self::Sessions | Self::AllSessions => CloseReason::TOO_MANY_SESSIONS,
            Self::OfClient => CloseReason::TOO_MANY_OF_CLIENT,
            Self::OfUser => CloseReason::TOO_MANY_OF_USER,
            Self::Rate => CloseReason::TOO_FAST,
            Self::RateOfClient => CloseReason::TOO_FAST_OF_CLIENT,
            Self::QueueMemory(_) => CloseReason::OUT_OF_BUDGET,
        }
    }

    /// As it is told.
    fn limit(self) -> Limit {
        match self {
            Self::Sessions => Limit::Sessions,
            Self::AllSessions => Limit::AllSessions,
            Self::OfClient => Limit::OfClient,
            Self::OfUser => Limit::OfUser,
            Self::Rate => Limit::Openings,
            Self::RateOfClient => Limit::OpeningsOfClient,
            Self::QueueMemory(limit) => limit,
        }
    }
}

impl Registry {
    /// A ticket for somebody at `address`, of whom it costs others work to find out who it is. What is the client network's own is taken;
    /// what all share is looked at, and taken by who opens a session: who is not let in must not keep others out.
    ///
    /// # Errors
    /// The close frame to answer with: none can be opened, whoever it is.
    pub fn ticket(&self, address: Option<IpAddr>) -> Result<Ticket, CloseReason> {
        if let Some(reason) = self.refusing() {
            return Err(reason);
        }
        let refuse = |bound| self.refuse_one(bound, address);
        let budgets = self.budgets();
        if budgets.queue_memory.is_short() {
            return Err(refuse(Bound::QueueMemory(self.short_of_memory())));
        }
        if budgets.sessions.reserve(1).is_none() {
            return Err(refuse(self.bound_of_sessions()));
        }
        let Settings {
            clients, openings, ..
        } = self.settings();
        let ticket = self.place_of_network(clients, address).map_err(refuse)?;
        self.client_keeps_pace(clients, address).map_err(refuse)?;
        if let Some(rate) = openings.rate()
            && self
                .admission
                .openings
                .lock()
                .ready(now(), rate, 1)
                .is_some()
        {
            return Err(refuse(Bound::Rate));
        }
        Ok(ticket)
    }

    /// A new session and its place in the counts, if all limits allow one. What is counted comes before what is taken from a rate, and what
    /// one client does before what it takes from others.
    pub(super) fn register(
        &self,
        opener: Opener<'_>,
        path: impl FnOnce() -> Option<Path>,
    ) -> Result<(Arc<SessionHandle>, Place), CloseReason> {
        let Opener { caller, ticket } = opener;
        let owner = caller.opens()?;
        if let Some(reason) = self.refusing() {
            return Err(reason);
        }
        let refuse = |bound| self.refuse_one(bound, caller.address());
        let budgets = self.budgets();
        if budgets.queue_memory.is_short() {
            return Err(refuse(Bound::QueueMemory(self.short_of_memory())));
        }
        let place = budgets.sessions.reserve(1);
        let place = place.ok_or_else(|| refuse(self.bound_of_sessions()))?;
        let Settings {
            config,
            clients,
            openings,
            ..
        } = self.settings();
        let has_ticket = ticket.is_some();
        let ticket = match ticket {
            Some(ticket) => Ok(ticket),
            None => self.place_of_network(clients, caller.address()),
        };
        let Ticket { network } = ticket.map_err(refuse)?;
        let user = self.place_of_user(clients, owner.identity());
        let user = user.map_err(refuse)?;
        if !has_ticket {
            self.client_keeps_pace(clients, caller.address())
                .map_err(refuse)?;
        }
        self.keeps_pace(openings).map_err(refuse)?;
        let places = ClientPlaces { network, user };
        budgets.reliefs().for_each(|relief| relief.runs_here());
        let tally = self.tallies.of(caller.transport(), &self.totals);
        tally.opened();
        let handle = SessionHandle::new(config, tally, path(), owner, caller.address());
        Ok((handle, Place::new(place, places)))
    }

    /// A place among the sessions of the client network, where those are limited.
    fn place_of_network(
        &self,
        limits: ClientLimits,
        address: Option<IpAddr>,
    ) -> Result<Ticket, Bound> {
        let Some((most, address)) = limits.sessions.zip(address) else {
            return Ok(Ticket::default());
        };
        let client = limits.prefixes.client(address);
        let place = self.totals.clients.place(client, most);
        let network = Some(place.ok_or(Bound::OfClient)?);
        Ok(Ticket { network })
    }

    /// A place among the sessions of the user, where those are limited.
    fn place_of_user(
        &self,
        limits: ClientLimits,
        owner: Option<&Arc<Identity>>,
    ) -> Result<Option<ClientPlace>, Bound> {
        let Some((most, owner)) = limits.sessions_of_user.zip(owner) else {
            return Ok(None);
        };
        let client = Client::User(User(Arc::clone(owner)));
        let place = self.totals.clients.place(client, most);
        place.map(Some).ok_or(Bound::OfUser)
    }

    fn client_keeps_pace(
        &self,
        limits: ClientLimits,
        address: Option<IpAddr>,
    ) -> Result<(), Bound> {
        let Some((rate, address)) = limits.openings.rate().zip(address) else {
            return Ok(());
        };
        let client = limits.prefixes.client(address);
        let granted = self.admission.of_clients.take(now(), &client, rate);
        granted.then_some(()).ok_or(Bound::RateOfClient)
    }

    fn keeps_pace(&self, openings: RateLimit) -> Result<(), Bound> {
        match openings.rate() {
            Some(rate) if !self.admission.openings.lock().take(now(), rate, 1) => Err(Bound::Rate),
            _ => Ok(()),
        }
    }

    /// Whose queue memory it is that runs short.
    fn short_of_memory(&self) -> Limit {
        match self.queue_memory().is_full_to_the_mark() {
            true => Limit::Memory,
            false => Limit::AllMemory,
        }
    }

    /// Tells that there is no queue memory for somebody new; what to answer.
    pub(super) fn refuse_for_memory(&self) -> CloseReason {
        let limit = self.short_of_memory();
        self.counts().reached(limit, Culprit::default());
        CloseReason::OUT_OF_BUDGET
    }

    /// Whose number of sessions it is that is reached.
    fn bound_of_sessions(&self) -> Bound {
        match self.budgets().sessions.is_used_up() {
            true => Bound::Sessions,
            false => Bound::AllSessions,
        }
    }

    fn refuse_one(&self, bound: Bound, peer: Option<IpAddr>) -> CloseReason {
        let culprit = Culprit {
            peer,
            sessions: Some(self.len()),
            session: None,
        };
        self.counts().reached(bound.limit(), culprit);
        bound.reason()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Budgets, Connection, Handshake, Peer};
    use super::*;
    use crate::session::SessionConfig;

    const ADDRESS: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    fn registry(openings: RateLimit, clients: ClientLimits) -> Arc<Registry> {
        let backend = async |mut connection: Connection| while connection.recv().await.is_some() {};
        let budgets = Budgets::new(3, 1 << 20);
        let registry = Registry::new(
            "/p".into(),
            SessionConfig::default(),
            Arc::new(backend),
            budgets,
        );
        registry.limit_openings(openings, clients);
        registry
    }

    fn handshake() -> Handshake {
        Handshake {
            uri: http::Uri::default(),
            prefix: "/p".into(),
            headers: http::HeaderMap::new(),
            peer: Peer {
                address: ADDRESS,
                scheme: None,
                host: None,
                trusted: false,
            },
            transport: "websocket",
            identity: None,
        }
    }

    /// Whether a session is opened; its place is free again at once.
    fn opens(registry: &Registry, ticket: Option<Ticket>) -> Result<(), u16> {
        let caller = Caller::default().at(ADDRESS);
        let opener = Opener::new(&caller, ticket);
        let opened = registry.open_unnamed(false, opener, None, handshake, None);
        opened.map(drop).map_err(|reason| reason.code)
    }

    /// A ticket is one session's place among those of its client network, and gives it back unused.
    #[tokio::test(start_paused = true)]
    async fn ticket_is_a_place_that_comes_back() {
        let limits = ClientLimits {
            sessions: Some(1),
            ..ClientLimits::default()
        };
        let registry = registry(RateLimit::default(), limits);
        let ticket = registry.ticket(ADDRESS).expect("there is room");
        assert!(registry.ticket(ADDRESS).is_err());
        assert_eq!(opens(&registry, None), Err(1013));
        let elsewhere = Some(IpAddr::from([192, 0, 2, 1]));
        assert!(registry.ticket(elsewhere).is_ok() && registry.ticket(None).is_ok());
        assert_eq!(opens(&registry, Some(ticket)), Ok(()));
        drop(registry.ticket(ADDRESS).expect("the session is gone"));
        assert_eq!(opens(&registry, None), Ok(()));
        let refused = registry
            .counts()
            .too_many_of_client
            .load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!(refused, 2, "each refusal is counted once");
    }

    /// With a ticket the rate of the client network is paid, once; that of all is paid by the session.
    #[tokio::test(start_paused = true)]
    async fn ticket_is_paid_by_the_client() {
        let limits = ClientLimits {
            openings: RateLimit::per_second(1, 2),
            ..ClientLimits::default()
        };
        let registry = registry(RateLimit::per_second(1, 1), limits);
        let ticket = registry.ticket(ADDRESS);
        let unused = registry.ticket(ADDRESS);
        assert!(ticket.is_ok() && unused.is_ok());
        assert!(
            registry.ticket(ADDRESS).is_err(),
            "both of its burst are used"
        );
        assert_eq!(opens(&registry, ticket.ok()), Ok(()));
        assert_eq!(
            opens(&registry, unused.ok()),
            Err(1013),
            "that of all is used up"
        );
        let rate = registry
            .counts()
            .opened_too_fast
            .load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!(rate, 1);
    }

    /// Who drains or is full gives no ticket, and a ticket does not open a session of a service that drains since.
    #[tokio::test(start_paused = true)]
    async fn no_ticket_where_nobody_may_open() {
        let registry = registry(RateLimit::default(), ClientLimits::default());
        let ticket = registry.ticket(ADDRESS).ok();
        registry.refuse(&CloseReason::INTERRUPTED);
        assert!(registry.ticket(ADDRESS).is_err());
        assert_eq!(opens(&registry, ticket), Err(CloseReason::INTERRUPTED.code));
        registry.admit();
        let _all = registry.budgets().sessions.reserve(3).expect("free");
        assert!(registry.ticket(ADDRESS).is_err());
    }
}
