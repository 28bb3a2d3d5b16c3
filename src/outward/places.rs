//! Places for questions, shared by the client networks for which they are asked.

use std::collections::BTreeMap;

use ipnet::IpNet;
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// For whom a question is asked; `None` is everybody of whom no address is known, and the gateway itself.
pub(crate) type Network = Option<IpNet>;

/// So many places. A network gets one while it has fewer than are free: alone it may have half of them, and a few networks
/// together leave some to others. When there is one for who waits, the network with the fewest has it, and in it who waits longest.
#[derive(Debug)]
pub(super) struct Places(Mutex<State>);

#[derive(Debug)]
struct State {
    free: usize,
    /// Networks that have places, or wait for one.
    shares: BTreeMap<Network, Share>,
    /// Networks that wait, in the order in which they get places.
    turns: BTreeMap<Turn, Network>,
    /// Of the next one who waits.
    number: u64,
}

#[derive(Debug, Default)]
struct Share {
    taken: usize,
    /// Who waits, by number.
    waiting: BTreeMap<u64, oneshot::Sender<()>>,
}

/// When a network gets its next place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    taken: usize,
    /// Who has waited longest.
    first: u64,
}

/// A place, or the wait for one; over when it is dropped.
#[derive(Debug)]
pub(super) struct Place<'a> {
    places: &'a Places,
    network: Network,
    /// Who waited for it.
    number: Option<u64>,
}

impl Places {
    pub(super) fn new(count: usize) -> Self {
        Self(Mutex::new(State {
            free: count,
            shares: BTreeMap::new(),
            turns: BTreeMap::new(),
            number: 0,
        }))
    }

    /// A place for a question of that network, once there is one.
    pub(super) async fn take(&self, network: Network) -> Place<'_> {
        let (place, granted) = self.begin(network);
        if let Some(granted) = granted {
            // Nobody else takes it out of the list of those who wait.
            let _ = granted.await;
        }
        place
    }

    fn begin(&self, network: Network) -> (Place<'_>, Option<oneshot::Receiver<()>>) {
        let mut place = Place {
            places: self,
            network,
            number: None,
        };
        let mut state = self.0.lock();
        let taken = state.shares.get(&network).map_or(0, |share| share.taken);
        if taken < state.free {
            state.free -= 1;
            state.change(network, |share| share.taken += 1);
            return (place, None);
        }
        let (grant, granted) = oneshot::channel();
        let number = state.number;
        state.number += 1;
        state.change(network, |share| share.waiting.insert(number, grant));
        place.number = Some(number);
        (place, Some(granted))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.places.0.lock();
        let number = self.number;
        let waited = state.change(self.network, |share| {
            let waited = number.is_some_and(|number| share.waiting.remove(&number).is_some());
            if !waited {
                share.taken -= 1;
            }
            waited
        });
        if !waited {
            state.free += 1;
            state.grant();
        }
    }
}

impl State {
    /// Gives places to those who wait, as far as there are any for them.
    fn grant(&mut self) {
        while let Some((turn, network)) = self.turns.first_key_value()
            && turn.taken < self.free
        {
            let network = *network;
            self.free -= 1;
            let granted = self.change(network, |share| {
                share.taken += 1;
                share.waiting.pop_first()
            });
            if let Some((_, grant)) = granted {
                // Who has gone since gives the place back.
                let _ = grant.send(());
            }
        }
    }

    /// Changes what a network has, and when its turn is. Nothing is kept of one that has nothing.
    fn change<T>(&mut self, network: Network, change: impl FnOnce(&mut Share) -> T) -> T {
        let share = self.shares.entry(network).or_default();
        if let Some(turn) = share.turn() {
            self.turns.remove(&turn);
        }
        let changed = change(share);
        match share.turn() {
            Some(turn) => drop(self.turns.insert(turn, network)),
            None if share.taken == 0 => drop(self.shares.remove(&network)),
            None => {}
        }
        changed
    }
}

impl Share {
    fn turn(&self) -> Option<Turn> {
        let (&first, _) = self.waiting.first_key_value()?;
        let taken = self.taken;
        Some(Turn { taken, first })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn network(number: u8) -> Network {
        Some(IpNet::from(std::net::IpAddr::from([192, 0, 2, number])))
    }

    /// As many places as a network gets at once.
    fn all(places: &Places, number: u8) -> Vec<Place<'_>> {
        let get = || places.take(network(number)).now_or_never();
        std::iter::from_fn(get).collect()
    }

    fn is_untouched(places: &Places, count: usize) -> bool {
        let state = places.0.lock();
        state.free == count && state.shares.is_empty() && state.turns.is_empty()
    }

    /// One network cannot have all places, nor can a few together: who comes later finds one.
    #[test]
    fn nobody_takes_all() {
        let places = Places::new(64);
        let mut taken = Vec::new();
        for (number, expected) in [(1, 32), (2, 16), (3, 8), (4, 4), (5, 2), (6, 1)] {
            let own = all(&places, number);
            assert_eq!(own.len(), expected, "network {number}");
            taken.push(own);
        }
        assert!(places.take(network(7)).now_or_never().is_some());
        drop(taken);
        assert!(is_untouched(&places, 64));
    }

    /// Of those who wait, the network with the fewest places is next, and not the one that has more of them waiting.
    #[test]
    fn places_go_to_who_has_the_fewest() {
        let places = Places::new(2);
        let first = all(&places, 1);
        let second = all(&places, 2);
        assert_eq!((first.len(), second.len()), (1, 1));
        let mut crowd = Box::pin(places.take(network(1)));
        let mut other = Box::pin(places.take(network(3)));
        assert!(crowd.as_mut().now_or_never().is_none());
        assert!(other.as_mut().now_or_never().is_none());
        drop(second);
        assert!(crowd.as_mut().now_or_never().is_none());
        let other = other.now_or_never().expect("it is its turn");
        drop(first);
        let crowd = crowd.now_or_never().expect("it is its turn");
        drop((other, crowd));
        assert!(is_untouched(&places, 2));
    }

    /// Within a network who waits longest is next.
    #[test]
    fn who_waits_longest_is_next() {
        let places = Places::new(1);
        let mut held = all(&places, 1);
        let mut waiting: Vec<_> = (0..5).map(|_| Box::pin(places.take(network(1)))).collect();
        for wait in &mut waiting {
            assert!(wait.as_mut().now_or_never().is_none());
        }
        for mut wait in waiting {
            held.clear();
            held.push(wait.as_mut().now_or_never().expect("it is its turn"));
        }
        held.clear();
        assert!(is_untouched(&places, 1));
    }

    /// Who goes while waiting leaves nothing behind, also when a place was just given to it.
    #[test]
    fn who_goes_gives_its_place_back() {
        let places = Places::new(1);
        let held = all(&places, 1);
        let mut waiting: Vec<_> = (1..4)
            .map(|number| Box::pin(places.take(network(number))))
            .collect();
        for wait in &mut waiting {
            assert!(wait.as_mut().now_or_never().is_none());
        }
        drop(waiting.remove(1));
        drop(held);
        // Given to the first, which does not look.
        drop(waiting.remove(0));
        assert!(waiting.remove(0).now_or_never().is_some());
        assert!(is_untouched(&places, 1));
    }
}
