//! What is to be measured, within bounds; and when messages are to be sent. Pure.

use std::time::Duration;

use crate::client::Transport;

use super::payload::MIN_SIZE;

/// One address has some 28 000 ports towards one server, and a session over HTTP that sends uses two.
const MAX_CONNECTIONS: usize = 20_000;
const MAX_IN_FLIGHT: usize = 10_000;
const MAX_SIZE: usize = 1 << 20;
/// Bytes that may be on their way at once.
const MAX_OUTSTANDING: usize = 1 << 30;
const MAX_THREADS: usize = 64;
const MIN_DURATION: Duration = Duration::from_millis(10);
const MAX_DURATION: Duration = Duration::from_secs(3600);
const MAX_WARMUP: Duration = Duration::from_secs(600);
/// Messages per second, of all sessions.
const MAX_RATE: f64 = 1e6;
const MIN_RATE: f64 = 1e-3;

/// What sessions do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Scenario {
    /// Every session sends, and waits for its messages to come back: an `echo:` service
    Echo,
    /// Sessions are opened and closed, as many as can be
    Connect,
    /// Sessions are open and silent
    Idle,
    /// One session sends, and all others wait for its messages: a `broadcast:` service
    FanOut,
    /// `/info` is asked for, over connections that are kept
    Info,
}

impl Scenario {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Connect => "connect",
            Self::Idle => "idle",
            Self::FanOut => "fan-out",
            Self::Info => "info",
        }
    }

    pub(super) const fn sends(self) -> bool {
        matches!(self, Self::Echo | Self::FanOut)
    }

    /// Whether what it does can be done at a rate.
    const fn is_paced(self) -> bool {
        self.sends() || matches!(self, Self::Info)
    }
}

/// What is measured.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) scenario: Scenario,
    pub(super) transport: Transport,
    /// Without the one that sends in [`Scenario::FanOut`].
    pub(super) sessions: usize,
    pub(super) in_flight: usize,
    /// Bytes of a message.
    pub(super) size: usize,
    pub(super) duration: Duration,
    pub(super) warmup: Duration,
    /// Messages per second of each session that sends; `None`: as fast as they come back.
    pub(super) rate: Option<f64>,
    pub(super) threads: usize,
    /// Whether `/info` is asked before a session is opened.
    pub(super) info: bool,
    /// Whether sessions are left by their browsers once they are open.
    pub(super) unpolled: bool,
}

impl Plan {
    /// Checks that it makes sense and is within bounds.
    ///
    /// # Errors
    /// Which argument is wrong, and what it may be.
    pub(super) fn check(&self) -> Result<(), String> {
        let between = |name: &str, value: usize, least: usize, most: usize| {
            let fits = (least..=most).contains(&value);
            fits.then_some(())
                .ok_or_else(|| format!("--{name}: {value} is not between {least} and {most}"))
        };
        let most = MAX_CONNECTIONS / self.connections_of_one();
        between("sessions", self.sessions, 1, most)?;
        between("in-flight", self.in_flight, 1, MAX_IN_FLIGHT)?;
        between("size", self.size, MIN_SIZE, MAX_SIZE)?;
        between("threads", self.threads, 1, MAX_THREADS)?;
        if self.sessions * self.in_flight * self.size > MAX_OUTSTANDING {
            return Err(format!(
                "--sessions × --in-flight × --size is more than {MAX_OUTSTANDING} bytes on their way at once"
            ));
        }
        if !(MIN_DURATION..=MAX_DURATION).contains(&self.duration) {
            return Err("--duration: it must be between 10 ms and an hour".to_owned());
        }
        if self.warmup > MAX_WARMUP {
            return Err("--warmup: it must not be longer than ten minutes".to_owned());
        }
        let polls = self.scenario == Scenario::Idle && self.transport == Transport::XhrPolling;
        if self.unpolled && !polls {
            return Err("--unpolled: it goes with idle over xhr-polling".to_owned());
        }
        if let Some(rate) = self.rate {
            if !self.scenario.is_paced() {
                let name = self.scenario.name();
                return Err(format!("--rate: {name} sends no messages"));
            }
            // NaN is in no range.
            if !(MIN_RATE..=MAX_RATE).contains(&(rate * self.senders() as f64)) {
                return Err(format!(
                    "--rate: {rate} per second for {} sessions is not between {MIN_RATE} and {MAX_RATE} per second together",
                    self.senders()
                ));
            }
        }
        Ok(())
    }

    /// Every session there is to be.
    pub(super) fn seats(&self) -> usize {
        self.sessions + usize::from(self.scenario == Scenario::FanOut)
    }

    /// Those that send, or ask.
    pub(super) const fn senders(&self) -> usize {
        match self.scenario {
            Scenario::Echo | Scenario::Info => self.sessions,
            Scenario::FanOut => 1,
            Scenario::Connect | Scenario::Idle => 0,
        }
    }

    /// Connections that a session has, but for the one that sends to all: over HTTP, one that receives and, where it sends,
    /// another.
    fn connections_of_one(&self) -> usize {
        if self.scenario == Scenario::Echo && !self.transport.is_websocket() {
            2
        } else {
            1
        }
    }

    /// File descriptors that are needed: the connections of all sessions, and what a program has open anyway.
    pub(super) fn descriptors(&self) -> u64 {
        (self.seats() * self.connections_of_one() + 16 * self.threads + 64) as u64
    }
}

/// When messages are to be sent: each session at its rate, evenly between those of the others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    /// Nanoseconds between two messages of a session.
    interval: u128,
    sessions: u128,
}

impl Schedule {
    pub(super) fn new(rate: f64, sessions: usize) -> Self {
        Self {
            interval: (1e9 / rate).round().max(1.0) as u128,
            sessions: sessions.max(1) as u128,
        }
    }

    /// When message `sequence` of `session` is to be sent, in nanoseconds after the first of all.
    pub(super) fn time(&self, session: usize, sequence: u64) -> u64 {
        self.slot(u128::from(sequence) * self.sessions + session as u128)
    }

    /// When the `slot`th message of all sessions is.
    pub(super) fn slot(&self, slot: u128) -> u64 {
        u64::try_from(slot * self.interval / self.sessions).unwrap_or(u64::MAX)
    }

    /// How many messages of `session` are to be sent before `time`.
    pub(super) fn before(&self, session: usize, time: u64) -> u64 {
        let first = self.time(session, 0);
        if time <= first {
            return 0;
        }
        let guess = u128::from(time - first).div_ceil(self.interval);
        let guess = u64::try_from(guess).unwrap_or(u64::MAX);
        // Rounding may move it by one.
        (guess.saturating_sub(1)..=guess + 1)
            .find(|&count| self.time(session, count) >= time)
            .unwrap_or(guess)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            scenario: Scenario::Echo,
            transport: Transport::Websocket,
            sessions: 100,
            in_flight: 1,
            size: 64,
            duration: Duration::from_secs(5),
            warmup: Duration::from_secs(1),
            rate: None,
            threads: 1,
            info: true,
            unpolled: false,
        }
    }

    #[test]
    fn absurd_arguments_are_refused_by_name() {
        type Change = fn(&mut Plan);
        let wrong: &[(Change, &str)] = &[
            (|plan| plan.sessions = 0, "--sessions"),
            (|plan| plan.sessions = 20_001, "--sessions"),
            (
                |plan| (plan.sessions, plan.transport) = (10_001, Transport::XhrPolling),
                "--sessions",
            ),
            (|plan| plan.in_flight = 0, "--in-flight"),
            (|plan| plan.size = 31, "--size"),
            (|plan| plan.size = 2 << 20, "--size"),
            (|plan| plan.threads = 0, "--threads"),
            (|plan| plan.duration = Duration::ZERO, "--duration"),
            (
                |plan| plan.duration = Duration::from_secs(3601),
                "--duration",
            ),
            (|plan| plan.warmup = Duration::from_secs(601), "--warmup"),
            (|plan| plan.rate = Some(0.0), "--rate"),
            (|plan| plan.rate = Some(f64::NAN), "--rate"),
            (|plan| plan.rate = Some(1e5), "--rate"),
            (
                |plan| (plan.scenario, plan.rate) = (Scenario::Idle, Some(1.0)),
                "--rate",
            ),
            (|plan| plan.unpolled = true, "--unpolled"),
            (
                |plan| (plan.in_flight, plan.size) = (10_000, 1 << 20),
                "at once",
            ),
        ];
        assert_eq!(plan().check(), Ok(()));
        for (change, expected) in wrong {
            let mut plan = plan();
            change(&mut plan);
            let error = plan.check().expect_err(expected);
            assert!(error.contains(expected), "{error}");
        }
    }

    /// No two sessions send at the same time, and each does at its rate.
    #[test]
    fn messages_are_spread_evenly() {
        let schedule = Schedule::new(10.0, 4);
        let times: Vec<_> = (0..8).map(|slot| schedule.slot(slot) / 1_000_000).collect();
        assert_eq!(times, [0, 25, 50, 75, 100, 125, 150, 175]);
        assert_eq!(schedule.time(2, 1), 150_000_000);
    }

    #[test]
    fn messages_before_a_time_are_counted() {
        for (rate, sessions) in [(10.0, 4), (3.0, 7), (999_983.0, 1), (0.001, 3)] {
            let schedule = Schedule::new(rate, sessions);
            for session in 0..sessions {
                assert_eq!(schedule.before(session, 0), 0);
                for sequence in [0, 1, 2, 1000] {
                    let time = schedule.time(session, sequence);
                    assert_eq!(schedule.before(session, time), sequence);
                    assert_eq!(schedule.before(session, time + 1), sequence + 1);
                }
            }
        }
    }

    /// Those that are silent have one connection, on every transport.
    #[test]
    fn http_sessions_that_send_need_two_descriptors() {
        let mut plan = plan();
        let sockets = plan.descriptors();
        plan.transport = Transport::XhrPolling;
        assert_eq!(plan.descriptors() - sockets, 100);
        plan.scenario = Scenario::Idle;
        assert_eq!(plan.descriptors(), sockets);
    }
}
