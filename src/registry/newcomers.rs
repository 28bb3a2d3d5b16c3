//! Connections of whom nothing is known yet, on a listener for a few who are known: they may not keep those out.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use super::budget::Reservation;
use super::clients::Client;
use super::wire::Wire;

/// Open connections in the order in which they came. Those that were vouched for stay ([`Wire::vouch`]); of the others the one that came
/// first gives its place to who comes and finds none. Each has a place of the listener's, so those bound their number.
#[derive(Default)]
pub(crate) struct Newcomers {
    /// The most of one client network that nobody has vouched for.
    of_client: usize,
    list: Mutex<List>,
}

#[derive(Default)]
struct List {
    next: u64,
    waiting: VecDeque<Entry>,
}

struct Entry {
    number: u64,
    /// `None` for who has no address.
    client: Option<Client>,
    wire: Arc<Wire>,
    place: Reservation,
}

impl Entry {
    fn is_of(&self, client: &Client) -> bool {
        !self.wire.is_vouched() && self.client.as_ref() == Some(client)
    }
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(crate) struct Newcomer {
    newcomers: Arc<Newcomers>,
    number: u64,
}

impl Newcomers {
    /// `of_client` at a time of one client network.
    #[cfg(any(feature = "cli", test))]
    pub(crate) fn new(of_client: usize) -> Arc<Self> {
        Arc::new(Self {
            of_client,
            list: Mutex::default(),
        })
    }

    /// One more, with its place; and whether another had to end for it: of a client network that has too many, the one that came first.
    pub(crate) fn enter(
        self: &Arc<Self>,
        client: Option<Client>,
        wire: Arc<Wire>,
        place: Reservation,
    ) -> (Newcomer, bool) {
        let (number, displaced) = {
            let mut list = self.list.lock();
            let first = client.as_ref().and_then(|client| {
                let waiting = list.waiting.iter();
                let of_client = waiting.filter(|entry| entry.is_of(client)).count();
                let first = || list.waiting.iter().position(|entry| entry.is_of(client));
                first().filter(|_| of_client >= self.of_client)
            });
            let displaced = first.and_then(|first| list.waiting.remove(first));
            let number = list.next;
            list.next += 1;
            list.waiting.push_back(Entry {
                number,
                client,
                wire,
                place,
            });
            (number, displaced)
        };
        if let Some(displaced) = &displaced {
            displaced.wire.cut();
        }
        let newcomer = Newcomer {
            newcomers: Arc::clone(self),
            number,
        };
        (newcomer, displaced.is_some())
    }

    /// The place of the one that came first of those whom nobody has vouched for, which is ended.
    pub(crate) fn displace(&self) -> Option<Reservation> {
        let first = {
            let mut list = self.list.lock();
            let mut waiting = list.waiting.iter();
            let first = waiting.position(|entry| !entry.wire.is_vouched())?;
            list.waiting.remove(first)?
        };
        first.wire.cut();
        Some(first.place)
    }

    fn leave(&self, number: u64) {
        let mut list = self.list.lock();
        let place = list
            .waiting
            .binary_search_by_key(&number, |entry| entry.number);
        if let Ok(place) = place {
            list.waiting.remove(place);
        }
    }
}

impl fmt::Debug for Newcomers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Newcomers")
            .field("of_client", &self.of_client)
            .finish_non_exhaustive()
    }
}

impl Drop for Newcomer {
    fn drop(&mut self) {
        self.newcomers.leave(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::super::budget::Budget;
    use super::super::clients::ClientPrefixes;
    use super::*;

    struct Listener {
        places: Arc<Budget>,
        newcomers: Arc<Newcomers>,
    }

    impl Listener {
        fn new(places: usize, of_client: usize) -> Self {
            Self {
                places: Budget::new(places),
                newcomers: Newcomers::new(of_client),
            }
        }

        /// A connection from there, when it gets a place.
        fn connect(&self, address: Option<&str>) -> Option<(Arc<Wire>, Newcomer)> {
            let client = |address: &str| {
                let address = address.parse().expect("an address");
                ClientPrefixes::default().client(address)
            };
            let place = self.places.reserve(1);
            let place = place.or_else(|| self.newcomers.displace())?;
            let wire = Arc::new(Wire::default());
            let client = address.map(client);
            let (newcomer, _) = self.newcomers.enter(client, Arc::clone(&wire), place);
            Some((wire, newcomer))
        }
    }

    const HERE: Option<&str> = Some("192.0.2.1");
    const THERE: Option<&str> = Some("192.0.2.2");

    /// Who came first goes when places run out, wherever it came from; who was vouched for never.
    #[test]
    fn the_first_that_nobody_vouched_for_makes_room() {
        let listener = Listener::new(3, 3);
        let known = listener.connect(None).expect("a place");
        known.0.vouch();
        let first = listener.connect(HERE).expect("a place");
        let second = listener.connect(None).expect("a place");
        let third = listener.connect(THERE).expect("that of the first");
        let cut = [&known, &first, &second, &third].map(|(wire, _)| wire.is_cut());
        assert_eq!(cut, [false, true, false, false]);
        assert_eq!(listener.places.used(), 3);
        second.0.vouch();
        third.0.vouch();
        assert!(listener.connect(HERE).is_none(), "all are known");
        drop((known, first, second, third));
        assert_eq!(listener.places.used(), 0);
    }

    /// A client network has a bound of its own for those that nobody vouched for, and takes no place of others.
    #[test]
    fn newcomers_of_a_client_network_make_room_for_its_own() {
        let listener = Listener::new(10, 2);
        let other = listener.connect(THERE).expect("a place");
        let known = listener.connect(HERE).expect("a place");
        known.0.vouch();
        let all = [HERE; 3].map(|address| listener.connect(address).expect("a place"));
        let cut = all.each_ref().map(|(wire, _)| wire.is_cut());
        assert_eq!(cut, [true, false, false]);
        assert!(!other.0.is_cut() && !known.0.is_cut());
        assert_eq!(listener.places.used(), 4);
        // Who has no address is counted for nobody.
        let unix = [None; 3].map(|address| listener.connect(address).expect("a place"));
        assert!(unix.iter().all(|(wire, _)| !wire.is_cut()));
    }
}
