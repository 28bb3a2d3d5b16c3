//! How many sessions each client has. Entries are there for clients with living sessions only, so the number of sessions bounds them,
//! whatever addresses anybody makes up.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use parking_lot::Mutex;

use super::shard::give_back;

/// For whom sessions are counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Client {
    /// Everybody behind the addresses of this network.
    Network(IpNet),
    /// A user, by name.
    User(Arc<str>),
}

/// How many sessions a client may have, and who is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientLimits {
    /// The most sessions at a time of one client network; `None`, the default, sets no limit.
    pub sessions: Option<usize>,
    /// Bits of an IPv4 address that tell client networks apart. Default 32.
    pub ipv4_prefix: u8,
    /// Bits of an IPv6 address that do. Default 56: what a household is given, in which it has as many addresses as it likes.
    /// (RFC 6177)
    pub ipv6_prefix: u8,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            sessions: None,
            ipv4_prefix: 32,
            ipv6_prefix: 56,
        }
    }
}

impl ClientLimits {
    /// These, and the most sessions of a network, where there is such a limit.
    pub(super) fn of_network(self) -> Option<(Self, usize)> {
        self.sessions.map(|limit| (self, limit))
    }

    /// The network of `address`.
    pub(super) fn client(&self, address: IpAddr) -> Client {
        let address = address.to_canonical();
        let prefix = match address {
            IpAddr::V4(_) => self.ipv4_prefix.min(32),
            IpAddr::V6(_) => self.ipv6_prefix.min(128),
        };
        let network = IpNet::new(address, prefix).unwrap_or_else(|_| address.into());
        Client::Network(network.trunc())
    }
}

const SHARDS: usize = 16;

/// The counts.
#[derive(Debug, Default)]
pub(super) struct Clients {
    shards: [Mutex<HashMap<Client, usize>>; SHARDS],
    hasher: RandomState,
}

impl Clients {
    /// A place for one more session of `client`, unless it has `limit` already.
    pub(super) fn place(self: &Arc<Self>, client: Client, limit: usize) -> Option<ClientPlace> {
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

/// A session's place among those of its client, free again when dropped.
#[derive(Debug)]
pub(super) struct ClientPlace {
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

    fn client(limits: &ClientLimits, address: &str) -> Client {
        limits.client(address.parse().expect("an address"))
    }

    /// Addresses of one network are one client, also IPv4 written as IPv6. (RFC 4291 §2.5.5.2)
    #[test]
    fn addresses_are_grouped_by_prefix() {
        let limits = ClientLimits::default();
        let same = |a, b| client(&limits, a) == client(&limits, b);
        assert!(same("::ffff:192.0.2.1", "192.0.2.1"));
        assert!(!same("192.0.2.1", "192.0.2.2"));
        assert!(same("2001:db8:0:ff01::1", "2001:db8:0:ffee::2"));
        assert!(!same("2001:db8:0:100::1", "2001:db8:0:200::1"));
    }

    /// Each client has its own count, and nothing is kept of one whose sessions are gone.
    #[test]
    fn places_are_bounded_per_client_and_come_back() {
        let (clients, limits) = (Arc::new(Clients::default()), ClientLimits::default());
        let (first, second) = (client(&limits, "192.0.2.1"), client(&limits, "192.0.2.2"));
        let place = |client: &Client| clients.place(client.clone(), 2);
        let taken = [place(&first), place(&first), place(&second)];
        assert!(taken.iter().all(Option::is_some));
        assert!(place(&first).is_none() && place(&second).is_some());
        drop(taken);
        assert!(clients.shards.iter().all(|shard| shard.lock().is_empty()));
    }
}
