//! What was found out about networks: counted, and told to the operator.

use std::fmt::Display;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use humantime::format_duration;
use tracing::field::display;
use tracing::info;

use super::Network;

/// Something that was found out about a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// WebSocket fails.
    Websocket { how: &'static str },
    /// Streams are held back.
    Streaming,
    /// Silent connections are cut.
    Silence {
        cut_after: Duration,
        heartbeat: Duration,
    },
    /// Connections are cut at an age.
    Age {
        cut_after: Duration,
        response_age: Duration,
        without_websocket: bool,
    },
}

/// How often something was found out about a network, since the start.
#[derive(Debug, Default)]
pub struct Findings {
    /// WebSocket fails.
    pub websocket: AtomicU64,
    /// Streams are held back.
    pub streaming: AtomicU64,
    /// Silent connections are cut.
    pub silence: AtomicU64,
    /// Connections are cut at an age.
    pub age: AtomicU64,
}

impl Findings {
    /// All of them: their names in metrics, what they mean, and how often they came.
    pub fn all(&self) -> [(&'static str, &'static str, u64); 4] {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [
            (
                "websocket_fails",
                "WebSockets of a network do not work; `/info` tells its next visits to do without",
                count(&self.websocket),
            ),
            (
                "streams_held_back",
                "somebody buffers a network's streams; responses end after each frame",
                count(&self.streaming),
            ),
            (
                "silence_cut",
                "a network's silent connections are cut; it gets earlier heartbeats",
                count(&self.silence),
            ),
            (
                "age_cut",
                "a network's connections are cut although they are used; responses end before that",
                count(&self.age),
            ),
        ]
    }
}

/// Findings that nobody has told yet: they come up under the lock of a session, where nothing is to wait for a log.
#[derive(Debug)]
#[must_use]
pub struct Report {
    pub(super) network: Arc<Network>,
    pub(super) client: Option<IpAddr>,
    pub(super) findings: Vec<Finding>,
}

impl Report {
    /// Counts and logs them. A flood of findings is counted, but not logged.
    pub fn tell(self) {
        for finding in self.findings {
            tell(&self.network, self.client, finding);
        }
    }
}

/// Counts and logs one finding about the network of `client`.
pub(super) fn tell(network: &Network, client: Option<IpAddr>, finding: Finding) {
    let shared = network.shared();
    let counters = &shared.findings;
    let counter = match finding {
        Finding::Websocket { .. } => &counters.websocket,
        Finding::Streaming => &counters.streaming,
        Finding::Silence { .. } => &counters.silence,
        Finding::Age { .. } => &counters.age,
    };
    let times = counter.fetch_add(1, Ordering::Relaxed) + 1;
    let Some(held_back) = shared.log.admit() else {
        return;
    };
    let service = &*shared.service;
    let client = client.map(display);
    match finding {
        Finding::Websocket { how } => info!(
            service,
            client,
            how,
            times,
            held_back,
            "network: WebSocket fails for these clients; /info tells the next visits to do without"
        ),
        Finding::Streaming => info!(
            service,
            client,
            times,
            held_back,
            "network: streams of these clients are held back; their responses end after each frame"
        ),
        Finding::Silence {
            cut_after,
            heartbeat,
        } => info!(
            service,
            client,
            cut_after = %told(cut_after),
            heartbeat = %told(heartbeat),
            times,
            held_back,
            "network: silent connections of these clients are cut; they get a heartbeat before that"
        ),
        Finding::Age {
            cut_after,
            response_age,
            without_websocket,
        } => info!(
            service,
            client,
            cut_after = %told(cut_after),
            response_age = %told(response_age),
            without_websocket,
            times,
            held_back,
            "network: connections of these clients are cut although they are used; responses end before that"
        ),
    }
}

/// A time for people, to the tenth of a second.
fn told(time: Duration) -> impl Display {
    let tenths = u64::try_from(time.as_millis() / 100).unwrap_or(u64::MAX / 100);
    format_duration(Duration::from_millis(tenths * 100))
}
