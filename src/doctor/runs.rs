//! What was seen of each run. Bounded: of many runs one goes, of who has most of them; of a long run the later requests are
//! not noted.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

use super::seen::SeenRequest;

const MAX_RUNS: usize = 256;
const MAX_REQUESTS: usize = 200;
/// Bytes of notes of one run; beyond that a request is noted without its header fields.
const MAX_BYTES: usize = 64 * 1024;
/// Time after which a run is forgotten.
const EXPIRY: Duration = Duration::from_secs(15 * 60);

/// Where a request was noted, for its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    run: String,
    index: usize,
}

/// The runs of a service, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Runs(VecDeque<Run>);

#[derive(Debug)]
struct Run {
    name: String,
    /// Who sent its first request, as far as that is known.
    sender: Option<Sender>,
    began: Instant,
    bytes: usize,
    requests: Vec<SeenRequest>,
    /// Ids of its sessions, in order; what is told of one is its number.
    sessions: Vec<String>,
}

/// An address; of IPv6 the network, since a single machine has as many addresses as it likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Sender(IpAddr);

impl Sender {
    fn of(seen: &SeenRequest) -> Option<Self> {
        let address: IpAddr = seen.peer.as_deref()?.parse().ok()?;
        Some(Self(match address.to_canonical() {
            IpAddr::V6(address) => {
                let network = u128::from(address) >> 64 << 64;
                IpAddr::V6(network.into())
            }
            address => address,
        }))
    }
}

impl Runs {
    /// Notes a request of `run`'s session `session`.
    pub(super) fn note(
        &mut self,
        now: Instant,
        run: &str,
        session: &str,
        mut seen: SeenRequest,
    ) -> Option<Noted> {
        self.expire(now);
        let run = match self.0.iter().position(|known| known.name == run) {
            Some(index) => &mut self.0[index],
            None => {
                if self.0.len() == MAX_RUNS {
                    self.make_room();
                }
                self.0.push_back(Run {
                    name: run.to_owned(),
                    sender: Sender::of(&seen),
                    began: now,
                    bytes: 0,
                    requests: Vec::new(),
                    sessions: Vec::new(),
                });
                self.0.back_mut()?
            }
        };
        if run.requests.len() == MAX_REQUESTS {
            return None;
        }
        let known = run.sessions.iter().position(|known| known == session);
        let number = known.unwrap_or_else(|| {
            run.sessions.push(session.to_owned());
            run.sessions.len() - 1
        });
        seen.session = Some(number + 1);
        seen.at_ms = Some(u64::try_from((now - run.began).as_millis()).unwrap_or(u64::MAX));
        if run.bytes + seen.size() > MAX_BYTES {
            seen.headers.clear();
            seen.cookie_names.clear();
        }
        run.bytes += seen.size();
        run.requests.push(seen);
        Some(Noted {
            run: run.name.clone(),
            index: run.requests.len() - 1,
        })
    }

    /// Adds what a request was answered with.
    pub(super) fn answered(&mut self, noted: &Noted, status: u16) {
        let run = self.0.iter_mut().find(|run| run.name == noted.run);
        if let Some(request) = run.and_then(|run| run.requests.get_mut(noted.index)) {
            request.status = Some(status);
        }
    }

    /// The requests of `run` so far; none of a run that is not known.
    pub(super) fn requests(&mut self, now: Instant, run: &str) -> Vec<SeenRequest> {
        self.expire(now);
        let run = self.0.iter().find(|known| known.name == run);
        run.map(|run| run.requests.clone()).unwrap_or_default()
    }

    /// Forgets the oldest run of the sender who has most, so that nobody's many runs push those of others out. Of senders who
    /// have equally many, a run with a single request goes first: a test of the network makes more.
    fn make_room(&mut self) {
        let mut counts: HashMap<Option<Sender>, usize> = HashMap::new();
        for run in &self.0 {
            *counts.entry(run.sender).or_default() += 1;
        }
        let of_sender = |run: &Run| counts.get(&run.sender).copied().unwrap_or_default();
        let runs = self.0.iter().enumerate();
        let least = runs
            .min_by_key(|(index, run)| (Reverse(of_sender(run)), run.requests.len() > 1, *index));
        if let Some((index, _)) = least {
            self.0.remove(index);
        }
    }

    fn expire(&mut self, now: Instant) {
        while self
            .0
            .front()
            .is_some_and(|oldest| now.duration_since(oldest.began) >= EXPIRY)
        {
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: usize) -> String {
        format!("{number:016x}")
    }

    /// A run's requests keep their order, and get their status later.
    #[tokio::test]
    async fn requests_are_noted_in_order_and_get_their_status() {
        let now = Instant::now();
        let mut runs = Runs::default();
        let run = name(1);
        let first = runs.note(now, &run, "a", SeenRequest::default());
        let later = now + Duration::from_millis(40);
        let second = runs.note(later, &run, "b", SeenRequest::default());
        runs.answered(&second.expect("was noted"), 404);
        runs.answered(&first.expect("was noted"), 200);
        let seen = runs.requests(later, &run);
        let facts = |seen: &SeenRequest| (seen.session, seen.at_ms, seen.status);
        assert_eq!(facts(&seen[0]), (Some(1), Some(0), Some(200)));
        assert_eq!(facts(&seen[1]), (Some(2), Some(40), Some(404)));
        assert_eq!(runs.requests(later, &name(2)), []);
    }

    /// Neither many runs, nor a long one, nor large notes grow without bound.
    #[tokio::test]
    async fn runs_are_bounded() {
        let now = Instant::now();
        let mut runs = Runs::default();
        let mut large = SeenRequest::default();
        large.headers.insert("via".into(), "x".repeat(4096));
        for number in 0..=MAX_RUNS {
            runs.note(now, &name(number), "a", large.clone());
        }
        assert_eq!(runs.requests(now, &name(0)), [], "the oldest is gone");
        for number in 0..MAX_REQUESTS {
            let session = number.to_string();
            runs.note(now, &name(MAX_RUNS), &session, large.clone());
        }
        let seen = runs.requests(now, &name(MAX_RUNS));
        assert_eq!(seen.len(), MAX_REQUESTS);
        let bytes: usize = seen.iter().map(SeenRequest::size).sum();
        assert!(bytes < MAX_BYTES + MAX_REQUESTS * 512, "{bytes}");
        assert_eq!(runs.note(now, &name(MAX_RUNS), "z", large), None);
    }

    fn from(peer: &str) -> SeenRequest {
        SeenRequest {
            peer: Some(peer.to_owned()),
            ..SeenRequest::default()
        }
    }

    /// However many runs somebody makes up, those of others stay.
    #[tokio::test]
    async fn many_runs_of_one_sender_push_out_his_own() {
        for senders in [
            ["192.0.2.1", "192.0.2.1"],
            ["2001:db8::1", "2001:db8::ffff:1:2"],
        ] {
            let now = Instant::now();
            let mut runs = Runs::default();
            for session in ["a", "b"] {
                runs.note(now, &name(0), session, from("192.0.2.9"));
            }
            for number in 1..=3 * MAX_RUNS {
                for session in ["a", "b"] {
                    runs.note(now, &name(number), session, from(senders[number % 2]));
                }
            }
            assert_eq!(runs.requests(now, &name(0)).len(), 2, "{senders:?}");
            assert_eq!(runs.requests(now, &name(1)), [], "the oldest of his");
            runs.note(now, &name(9999), "a", from("192.0.2.10"));
            assert_eq!(runs.requests(now, &name(0)).len(), 2, "another one came");
            assert_eq!(runs.0.len(), MAX_RUNS);
        }
    }

    /// From many addresses it takes more than one request for each.
    #[tokio::test]
    async fn runs_of_a_single_request_go_first() {
        let now = Instant::now();
        let mut runs = Runs::default();
        let peer = |number: usize| format!("10.0.{}.{}", number / 256, number % 256);
        for session in ["a", "b"] {
            runs.note(now, &name(0), session, from("192.0.2.9"));
        }
        for number in 1..=2 * MAX_RUNS {
            runs.note(now, &name(number), "a", from(&peer(number)));
        }
        assert_eq!(runs.requests(now, &name(0)).len(), 2);
        assert_eq!(runs.requests(now, &name(1)), []);
    }

    /// After a quarter of an hour a run is forgotten.
    #[tokio::test]
    async fn runs_expire() {
        let now = Instant::now();
        let mut runs = Runs::default();
        runs.note(now, &name(1), "a", SeenRequest::default());
        assert_eq!(runs.requests(now + EXPIRY / 2, &name(1)).len(), 1);
        assert_eq!(runs.requests(now + EXPIRY, &name(1)), []);
    }
}
