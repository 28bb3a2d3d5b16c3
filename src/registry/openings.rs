//! How fast each client opens sessions. What is remembered is bounded, and forgotten as soon as it says nothing any more.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use parking_lot::Mutex;

use crate::moment::Moment;
use crate::session::{Bucket, Rate};

use super::clients::Client;
use super::shard::give_back;

const SHARDS: usize = 16;
/// Clients of a shard that are remembered.
const REMEMBERED: usize = 4096;
/// Time between two looks for clients to forget.
const PAUSE: Duration = Duration::from_secs(1);

/// What is left to each client that opened sessions a short while ago.
#[derive(Debug, Default)]
pub(super) struct Openings {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
}

#[derive(Debug)]
struct Shard {
    buckets: HashMap<Client, Bucket>,
    /// When it is looked for clients to forget next.
    looks: Moment,
}

impl Default for Shard {
    fn default() -> Self {
        Self {
            buckets: HashMap::new(),
            looks: Moment::START,
        }
    }
}

impl Openings {
    /// Whether `client` may open a session now. With 65 536 clients that all open sessions, further ones are not counted: who has so many
    /// networks gains nothing by having one more.
    pub(super) fn take(&self, now: Moment, client: &Client, rate: Rate) -> bool {
        let index = self.hasher.hash_one(client) as usize % SHARDS;
        let mut shard = self.shards[index].lock();
        shard.forget(now);
        if let Some(bucket) = shard.buckets.get_mut(client) {
            return bucket.take(now, rate, 1);
        }
        let mut bucket = Bucket::default();
        let granted = bucket.take(now, rate, 1);
        if shard.buckets.len() < REMEMBERED {
            shard.buckets.insert(client.clone(), bucket);
        }
        granted
    }

    /// The number of clients that are remembered.
    #[cfg(test)]
    fn len(&self) -> usize {
        let shards = self.shards.iter();
        shards.map(|shard| shard.lock().buckets.len()).sum()
    }
}

impl Shard {
    /// Forgets clients that have all that they may have.
    fn forget(&mut self, now: Moment) {
        if self.looks <= now {
            self.looks = now + PAUSE;
            self.buckets.retain(|_, bucket| !bucket.is_full(now));
            give_back(&mut self.buckets);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv6Addr};

    use super::super::clients::ClientPrefixes;
    use super::*;
    use crate::session::RateLimit;

    fn client(number: u64) -> Client {
        let address = IpAddr::V6(Ipv6Addr::from_bits(u128::from(number) << 72));
        ClientPrefixes::default().client(address)
    }

    fn rate() -> Rate {
        RateLimit::per_second(1, 2).rate().expect("a limit")
    }

    /// Each client has its own rate.
    #[test]
    fn clients_do_not_use_up_what_others_may() {
        let (openings, now) = (Openings::default(), Moment::START + PAUSE);
        let take = |number| openings.take(now, &client(number), rate());
        assert_eq!([take(1), take(1), take(1)], [true, true, false]);
        assert!(take(2));
    }

    /// Clients that pause are forgotten, and however many there are, a bounded number is remembered.
    #[test]
    fn what_is_remembered_is_bounded() {
        let (openings, now) = (Openings::default(), Moment::START + PAUSE);
        for number in 0..2 * (SHARDS * REMEMBERED) as u64 {
            assert!(openings.take(now, &client(number), rate()));
        }
        assert_eq!(openings.len(), SHARDS * REMEMBERED);
        let later = now + 3 * PAUSE;
        (0..1000).for_each(|number| assert!(openings.take(later, &client(number), rate())));
        assert!(openings.len() <= 1000, "{}", openings.len());
    }
}
