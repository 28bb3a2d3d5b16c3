//! How many sessions, or connections, each client has. Entries are there for clients that have some only, so their number bounds them,
//! whatever addresses anybody makes up.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, Hasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use parking_lot::Mutex;

use crate::identity::Identity;
use crate::session::RateLimit;

use super::shard::give_back;

/// For whom sessions are counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Client {
    /// Everybody behind the addresses of this network.
    Network(IpNet),
    /// Who a token, or what else an authenticator goes by, is about.
    User(User),
}

/// An identity as far as it says who somebody is: by issuer and subject.
#[derive(Clone, Debug)]
pub struct User(pub Arc<Identity>);

impl PartialEq for User {
    fn eq(&self, other: &Self) -> bool {
        self.0.is_same(&other.0)
    }
}

impl Eq for User {}

impl Hash for User {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.0.issuer, &self.0.subject).hash(state);
    }
}

/// How many sessions a client may have, and who is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientLimits {
    /// The most sessions at a time of one client network; `None`, the default, sets no limit.
    pub sessions: Option<usize>,
    /// The most sessions at a time of one user, where the service authenticates; `None`, the default, sets no limit.
    pub sessions_of_user: Option<usize>,
    /// How fast one client network may open sessions. Default no limit.
    pub openings: RateLimit,
    /// Which addresses are one client network.
    pub prefixes: ClientPrefixes,
}

/// Which addresses are one client network: those that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientPrefixes {
    /// Bits of an IPv4 address that tell client networks apart. Default 32.
    pub ipv4: u8,
    /// Bits of an IPv6 address that do. Default 56: what a household is given, in which it has as many addresses as it likes.
    /// (RFC 6177)
    pub ipv6: u8,
}

impl Default for ClientPrefixes {
    fn default() -> Self {
        Self { ipv4: 32, ipv6: 56 }
    }
}

impl ClientPrefixes {
    /// The network of `address`, as one for whom sessions are counted.
    pub fn client(&self, address: IpAddr) -> Client {
        Client::Network(self.network(address))
    }

    /// The network of `address`.
    pub fn network(&self, address: IpAddr) -> IpNet {
        let address = address.to_canonical();
        let prefix = match address {
            IpAddr::V4(_) => self.ipv4.min(32),
            IpAddr::V6(_) => self.ipv6.min(128),
        };
        let network = IpNet::new(address, prefix).unwrap_or_else(|_| address.into());
        network.trunc()
    }
}

const SHARDS: usize = 16;

/// The counts.
#[derive(Debug, Default)]
pub struct Clients {
    shards: [Mutex<HashMap<Client, usize>>; SHARDS],
    hasher: RandomState,
}

impl Clients {
    /// A place for one more of `client`, unless it has `limit` already.
    pub fn place(self: &Arc<Self>, client: Client, limit: usize) -> Option<ClientPlace> {
        let mut shard = self.shard(&client).lock();
        let count = shard.get(&client).copied().unwrap_or_default();
        if count >= limit {
            return None;
        }
        shard.insert(client.clone(), count + 1);
        drop(shard);
        Some(ClientPlace {
            clients: Arc::clone(self),
            client,
        })
    }

    fn shard(&self, client: &Client) -> &Mutex<HashMap<Client, usize>> {
        &self.shards[self.hasher.hash_one(client) as usize % SHARDS]
    }

    fn leave(&self, client: &Client) {
        let mut shard = self.shard(client).lock();
        match shard.get_mut(client) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                shard.remove(client);
                give_back(&mut shard);
            }
        }
    }
}

/// A place among those of a client, free again when dropped.
#[derive(Debug)]
pub struct ClientPlace {
    clients: Arc<Clients>,
    client: Client,
}

impl Drop for ClientPlace {
    fn drop(&mut self) {
        self.clients.leave(&self.client);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(limits: &ClientPrefixes, address: &str) -> Client {
        limits.client(address.parse().expect("an address"))
    }

    /// Addresses of one network are one client, also IPv4 written as IPv6. (RFC 4291 §2.5.5.2)
    #[test]
    fn addresses_are_grouped_by_prefix() {
        let limits = ClientPrefixes::default();
        let same = |a, b| client(&limits, a) == client(&limits, b);
        assert!(same("::ffff:192.0.2.1", "192.0.2.1"));
        assert!(!same("192.0.2.1", "192.0.2.2"));
        assert!(same("2001:db8:0:ff01::1", "2001:db8:0:ffee::2"));
        assert!(!same("2001:db8:0:100::1", "2001:db8:0:200::1"));
    }

    /// Each client has its own count, and nothing is kept of one whose sessions are gone.
    #[test]
    fn places_are_bounded_per_client_and_come_back() {
        let (clients, limits) = (Arc::new(Clients::default()), ClientPrefixes::default());
        let (first, second) = (client(&limits, "192.0.2.1"), client(&limits, "192.0.2.2"));
        let place = |client: &Client| clients.place(client.clone(), 2);
        let taken = [place(&first), place(&first), place(&second)];
        assert!(taken.iter().all(Option::is_some));
        assert!(place(&first).is_none() && place(&second).is_some());
        drop(taken);
        assert!(clients.shards.iter().all(|shard| shard.lock().is_empty()));
    }

    /// A user is told by issuer and subject, whatever else its tokens say.
    #[test]
    fn users_are_told_apart_by_issuer_and_subject() {
        let user = |issuer: &str, subject: &str, expires| {
            Client::User(User(Arc::new(Identity {
                issuer: Some(issuer.into()),
                subject: subject.into(),
                fields: Vec::new(),
                expires,
                proof: None,
            })))
        };
        let clients = Arc::new(Clients::default());
        let later = Some((
            crate::moment::Moment::END,
            crate::protocol::CloseReason::NORMAL,
        ));
        let taken = clients.place(user("i", "a", None), 1);
        assert!(taken.is_some());
        assert!(clients.place(user("i", "a", later), 1).is_none());
        assert!(clients.place(user("i", "b", None), 1).is_some());
        assert!(clients.place(user("j", "a", None), 1).is_some());
    }
}
