//! Who may connect: how many there may be, of all and of each client network, and who may speak for others.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tracing::warn;

use crate::metrics::{ConnectionReading, ConnectionRefusal, Connections};
use crate::registry::{
    Budget, ClientPlace, ClientPrefixes, Clients, Newcomer, Newcomers, Reservation, Throttle,
};
use crate::service::{ConnectionInfo, Gateway};

use super::ServerConfig;

/// What servers count of their connections: those of all servers of one gateway. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ConnectionCounts(Arc<Connections>);

impl ConnectionCounts {
    pub(super) fn of(gateway: &Gateway) -> Self {
        Self(Arc::clone(gateway.connections()))
    }

    /// What was counted so far. The same is in [`Gateway::reading`], which looks at each session besides.
    pub fn read(&self) -> ConnectionReading {
        self.0.read()
    }
}

/// Connections that have yet to show who they are, and where it is counted that one of them had to end for another.
#[derive(Debug)]
pub(super) struct Strangers {
    newcomers: Arc<Newcomers>,
    counts: Arc<Connections>,
}

impl Strangers {
    /// `most` of a client network at a time. Who ends is counted with the connections of `gateway`.
    #[cfg(feature = "cli")]
    pub(super) fn new(most: usize, gateway: &Gateway) -> Self {
        Self {
            newcomers: Newcomers::new(most),
            counts: Arc::clone(gateway.connections()),
        }
    }
}

/// What is asked before a connection is served.
pub(super) struct Gate {
    connections: Arc<Budget>,
    clients: Arc<Clients>,
    per_client: Option<usize>,
    prefixes: ClientPrefixes,
    /// Of a listener for those who show who they are.
    strangers: Option<Strangers>,
    counts: Arc<Connections>,
    /// For each reason that is told of here.
    told: [Throttle; ConnectionRefusal::ALL.len()],
    /// For connections without the PROXY header that they must begin with.
    told_of_headers: Throttle,
}

/// A connection's place in the counts, free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    of_all: Reservation,
    /// Boxed, because most servers count nobody by client.
    of_client: Option<Box<ClientPlace>>,
    /// Has the place that is counted among all, until somebody else gets it.
    newcomer: Option<Box<Newcomer>>,
}

impl Place {
    /// What requests on this connection that take a place each take it from. They are not counted for the client: its connection is.
    pub(super) fn further(&self) -> Reservation {
        self.of_all.sibling()
    }
}

impl Gate {
    pub(super) fn new(
        config: &ServerConfig,
        strangers: Option<Strangers>,
        gateway: &Gateway,
    ) -> Self {
        let connections = Budget::new(config.max_connections);
        let counts = Arc::clone(gateway.connections());
        counts.serve(&connections);
        Self {
            connections,
            clients: Arc::default(),
            per_client: config.max_connections_per_client,
            prefixes: config.clients,
            strangers,
            counts,
            told: Default::default(),
            told_of_headers: Throttle::default(),
        }
    }

    /// That a connection is refused is counted. With how many it was not told of, when it is to be told.
    fn refuses(&self, why: ConnectionRefusal) -> Option<u64> {
        self.counts.refused(why);
        self.told[why as usize].admit()
    }

    /// A place for one more connection, if there is one, or somebody has to give it one.
    pub(super) fn place(&self) -> Option<Place> {
        let displace = || {
            let strangers = self.strangers.as_ref()?;
            let place = strangers.newcomers.displace()?;
            self.tell_of_displaced(strangers, None);
            Some(place)
        };
        let place = self.connections.reserve(1).or_else(displace);
        if place.is_none()
            && let Some(held_back) = self.refuses(ConnectionRefusal::TooMany)
        {
            let limit = self.connections.limit();
            warn!(limit, held_back, "connection refused: too many");
        }
        place.map(|of_all| Place {
            of_all,
            of_client: None,
            newcomer: None,
        })
    }

    /// Where connections have to show who they are: who this one is is not known, and its place may be given to others until it is.
    pub(super) fn is_new(&self, place: &mut Place, info: &mut ConnectionInfo) {
        let Some(strangers) = &self.strangers else {
            return;
        };
        let client = info.peer.map(|peer| self.prefixes.client(peer.ip()));
        let wire = Arc::clone(info.wire.get_or_insert_default());
        let none = place.of_all.sibling();
        let own = std::mem::replace(&mut place.of_all, none);
        let (newcomer, for_it) = strangers.newcomers.enter(client, wire, own);
        place.newcomer = Some(Box::new(newcomer));
        if for_it {
            self.tell_of_displaced(strangers, info.peer);
        }
    }

    /// One has ended: because there was no place left, or because its network, where `peer` is too, has too many.
    fn tell_of_displaced(&self, strangers: &Strangers, peer: Option<SocketAddr>) {
        let why = ConnectionRefusal::Displaced;
        strangers.counts.refused(why);
        if let Some(held_back) = self.told[why as usize].admit() {
            warn!(
                peer = peer.map(display),
                held_back,
                "too many connections that did not show that they may ask: the first of them ended for the next"
            );
        }
    }

    /// Whether there is a place for one more connection of its client network, which it takes then. Proxies that are trusted connect for
    /// many, and of who has no address nothing is known: they are not counted.
    pub(super) fn counts_client(
        &self,
        place: &mut Place,
        info: &ConnectionInfo,
        gateway: &Gateway,
    ) -> bool {
        let Some((limit, peer)) = self.per_client.zip(info.peer) else {
            return true;
        };
        if gateway.trusts(info) {
            return true;
        }
        let client = self.prefixes.client(peer.ip());
        place.of_client = self.clients.place(client, limit).map(Box::new);
        let has_place = place.of_client.is_some();
        if !has_place && let Some(held_back) = self.refuses(ConnectionRefusal::TooManyOfClient) {
            warn!(%peer, limit, held_back, "connection refused: too many from one network (server.max_connections_per_client)");
        }
        has_place
    }

    /// A connection did not begin with the PROXY header that its listener expects. Who only looks whether somebody listens, and
    /// goes, is not told of.
    pub(super) fn misses_header(&self, info: &ConnectionInfo, error: &io::Error) {
        if error.kind() != io::ErrorKind::InvalidData {
            return;
        }
        if let Some(held_back) = self.told_of_headers.admit() {
            warn!(
                peer = info.peer.map(display),
                %error,
                held_back,
                "connection ended: proxy_protocol = true of its listener expects a PROXY header; have the proxy send one, or take proxy_protocol out"
            );
        }
    }

    /// Whether the word of who begins with a PROXY header is taken.
    pub(super) fn believes_proxy(&self, info: &ConnectionInfo, gateway: &Gateway) -> bool {
        let believed = gateway.trusts(info);
        if !believed && let Some(held_back) = self.refuses(ConnectionRefusal::Distrusted) {
            warn!(
                peer = info.peer.map(display),
                held_back,
                "connection refused: with proxy_protocol, only proxies in trusted_proxies may connect"
            );
        }
        believed
    }
}
