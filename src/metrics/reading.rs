//! Everything that is measured, at one point in time.

use std::sync::Arc;

use crate::network::Findings;
use crate::registry::{Census, Counts, Level, LimitHits};

use super::connections::{ConnectionRefusal, ConnectionTimeout, HeadRefusal, TlsOutcome};
use super::process::ProcessReading;

/// What a gateway has measured since it was built.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Reading {
    /// Its services, by prefix; one that was left out by a reload until its sessions are gone.
    pub services: Vec<ServiceReading>,
    /// Sessions of all services together.
    pub sessions: Level,
    /// Bytes of queue memory of all services together.
    pub queue_memory: Level,
    /// Whether new sessions are refused, because it stops or drains.
    pub draining: bool,
    /// Connections of its servers; `None` when an application serves it.
    pub connections: Option<ConnectionReading>,
    /// The process; `None` where the system does not tell (other than Linux).
    pub process: Option<ProcessReading>,
    /// Lines of the log that were lost, because nobody took them in time; `None` when an application writes it.
    pub log_lines_dropped: Option<u64>,
}

/// What was measured of a service.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ServiceReading {
    /// Its prefix.
    pub service: Arc<str>,
    /// Its sessions.
    pub census: Census,
    /// How often its limits were reached.
    pub limits: Vec<LimitHits>,
    /// Requests that were refused: for which reason, and how many.
    pub refusals: Vec<(&'static str, u64)>,
    /// What was found out about its clients' networks: names, and how often.
    pub findings: Vec<(&'static str, u64)>,
}

/// What was measured of connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionReading {
    /// Connections that are open.
    pub open: Level,
    /// Connections that were accepted.
    pub accepted: u64,
    /// Connections that were not served, for each of [`ConnectionRefusal::ALL`].
    pub refused: [u64; ConnectionRefusal::ALL.len()],
    /// Requests whose head was not taken, for each of [`HeadRefusal::ALL`].
    pub heads_refused: [u64; HeadRefusal::ALL.len()],
    /// Connections that were ended because something did not come in its time, for each of [`ConnectionTimeout::ALL`].
    pub timed_out: [u64; ConnectionTimeout::ALL.len()],
    /// TLS handshakes, for each of [`TlsOutcome::ALL`].
    pub tls: [u64; TlsOutcome::ALL.len()],
}

impl Reading {
    /// Adds what was measured of a service. Two of one prefix, of which one is on its way out, are told as one.
    pub(crate) fn add(&mut self, more: ServiceReading) {
        let mut known = self.services.iter_mut();
        match known.find(|known| known.service == more.service) {
            Some(known) => known.add(more),
            None => self.services.push(more),
        }
    }
}

impl ServiceReading {
    pub(crate) fn new(
        service: Arc<str>,
        census: Census,
        counts: &Counts,
        findings: &Findings,
    ) -> Self {
        let named = |(name, _, count): (_, _, u64)| (name, count);
        Self {
            service,
            census,
            limits: counts.limits(),
            refusals: counts.refusals().into_iter().map(named).collect(),
            findings: findings.all().into_iter().map(named).collect(),
        }
    }

    fn add(&mut self, more: Self) {
        self.census += more.census;
        for (known, more) in self.limits.iter_mut().zip(&more.limits) {
            known.hits += more.hits;
        }
        let refusals = self.refusals.iter_mut().zip(&more.refusals);
        let findings = self.findings.iter_mut().zip(&more.findings);
        for ((_, known), (_, more)) in refusals.chain(findings) {
            *known += more;
        }
    }
}
