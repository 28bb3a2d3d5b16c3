//! What is compared: a row of [`SCENARIOS`] each.

use serde_json::Value;

use super::figures::Shape;
use super::measure::{Suite, number};
use super::peer::{Peer, Setting};
use super::targets::{ONE_WORKER, TWO_WORKERS, WITH_UPSTREAM};

/// Takes a figure out of a report of the load.
type Figure = fn(&Value) -> Option<f64>;

/// A server that takes part in a comparison, and by which name.
#[derive(Debug)]
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    pub(crate) peer: Peer,
    pub(crate) setting: Setting,
    /// It passes messages on to a floor, which runs beside the load.
    pub(crate) has_upstream: bool,
}

impl From<Peer> for Contestant {
    fn from(peer: Peer) -> Self {
        Self {
            name: peer.name(),
            peer,
            setting: Setting::USUAL,
            has_upstream: false,
        }
    }
}

/// How a scenario is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// Turns of all servers under one load.
    Turns,
    /// Memory of the gateway before and after many sessions.
    Churn,
    /// `/info`, while the gateway is half busy.
    Info,
}

/// One kind of load, and the figure that is taken from it.
#[derive(Debug)]
pub(crate) struct Scenario {
    /// In `--scenarios`, and in what is kept.
    pub(crate) name: &'static str,
    /// Of its table.
    pub(crate) title: &'static str,
    /// What the table's figures are.
    pub(crate) unit: &'static str,
    /// A unit of the table in that of the figure.
    pub(crate) scale: f64,
    pub(crate) how: How,
    /// What `bench --scenario` is told, and with it.
    pub(crate) load: &'static str,
    pub(crate) more: &'static [&'static str],
    /// Where the load runs, as `taskset` lists processors.
    pub(crate) load_on: &'static str,
    /// The only transports of those asked for; none for all.
    pub(crate) transports: &'static [&'static str],
    pub(crate) shapes: fn(&Suite, &str) -> Vec<Shape>,
    pub(crate) contestants: fn(&Suite, &str, Shape) -> Vec<Contestant>,
    /// Most turns of a server.
    pub(crate) rounds: usize,
    /// Seconds of a turn, where they are not those asked for.
    pub(crate) seconds: Option<u32>,
    /// Processors that a machine must have.
    pub(crate) processors: usize,
    /// The load has a rate, and a server that does not keep up has no figure.
    pub(crate) keeps_rate: bool,
    pub(crate) figure: Figure,
    /// Other figures, by name.
    pub(crate) also: &'static [(&'static str, Figure)],
}

/// Sessions that get heartbeats.
pub(crate) const BEATING: usize = 15_000;

const USUAL: Scenario = Scenario {
    name: "echo",
    title: "Echo",
    unit: "µs of the server for each message",
    scale: 1.0,
    how: How::Turns,
    load: "echo",
    more: &[],
    load_on: "1",
    transports: &[],
    shapes: |suite, transport| suite.echo_shapes(transport),
    contestants: |suite, _, _| suite.servers(),
    rounds: usize::MAX,
    seconds: None,
    processors: 1,
    keeps_rate: false,
    figure: per_unit,
    also: &[
        ("per_second", |report| {
            number(report, "/messages/per_second")
        }),
        ("p50", |report| number(report, "/latency_us/p50")),
        ("p99", |report| number(report, "/latency_us/p99")),
        ("load_cores", |report| number(report, "/bench/cores")),
    ],
};

const IDLE: Scenario = Scenario {
    name: "idle",
    title: "Idle sessions",
    unit: "KiB of the server for each session: the whole process, divided by its sessions",
    scale: 1024.0,
    load: "idle",
    more: &["--no-info"],
    shapes: |suite, _| vec![silent(suite.fitting(suite.idle, 1))],
    // Memory that was given back is not seen again: only the first turn of a server counts.
    rounds: 1,
    figure: |report| {
        let sessions = number(report, "/sessions/opened").filter(|&opened| opened > 0.0)?;
        Some(number(report, "/server/resident_bytes")? / sessions)
    },
    also: &[("grown", |report| {
        number(report, "/server/bytes_per_session")
    })],
    ..USUAL
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        contestants: |suite, _, shape| {
            let mut all = suite.all();
            // The others would take most of the time, and are compared where they are used most.
            all.retain(|contestant| match contestant.peer {
                Peer::Floor | Peer::Gateway => true,
                Peer::SockjsNode => shape.sessions <= 1000,
                _ => shape.sessions <= 1000 && shape.size <= 4096 && shape.in_flight == 1,
            });
            all
        },
        ..USUAL
    },
    Scenario {
        name: "upstream",
        title: "Echo of an upstream",
        // The relay has none.
        more: &["--no-info"],
        transports: &WITH_UPSTREAM,
        shapes: |_, _| vec![Shape::new(64, 100), Shape::new(4096, 100)],
        contestants: |suite, transport, _| {
            let mut all = suite.only(&[Peer::Floor]);
            if transport.ends_with("websocket") {
                all.extend(suite.with_upstream(Peer::Relay));
            }
            all.extend(suite.with_upstream(Peer::Gateway));
            all
        },
        ..USUAL
    },
    Scenario {
        name: "connect",
        title: "Opening and closing",
        unit: "µs of the server for each session",
        load: "connect",
        more: &["--no-info"],
        shapes: |_, _| vec![silent(16)],
        also: &[
            ("per_second", |report| {
                number(report, "/sessions/per_second")
            }),
            ("load_cores", |report| number(report, "/bench/cores")),
        ],
        ..USUAL
    },
    Scenario {
        name: "fan-out",
        title: "Fan-out",
        unit: "µs of the server for each message that is delivered",
        load: "fan-out",
        more: &["--rate", "10"],
        shapes: |_, _| vec![Shape::new(64, 1000)],
        contestants: |suite, _, _| suite.all(),
        ..USUAL
    },
    IDLE,
    Scenario {
        name: "idle-upstream",
        title: "Idle sessions with an upstream",
        transports: &["websocket"],
        shapes: |suite, _| vec![silent(suite.fitting(suite.idle, 2))],
        contestants: |suite, _, _| {
            let mut all = suite.with_upstream(Peer::Relay);
            all.extend(suite.with_upstream(Peer::Gateway));
            all
        },
        ..IDLE
    },
    Scenario {
        name: "idle-unpolled",
        title: "Idle sessions that nobody polls",
        more: &["--no-info", "--unpolled"],
        transports: &["xhr-polling"],
        contestants: |suite, _, _| suite.only_with(&[Peer::Floor, Peer::Gateway], "unpolled.toml"),
        ..IDLE
    },
    Scenario {
        name: "workers",
        title: "One and two workers on two processors that the load uses too",
        load_on: "0,1",
        transports: &["websocket", "xhr-polling"],
        shapes: |_, _| vec![Shape::new(64, 100)],
        contestants: |suite, _, _| suite.workers("0,1"),
        processors: 2,
        ..USUAL
    },
    Scenario {
        name: "workers-throughput",
        title: "One and two workers, as fast as they can",
        unit: "messages per second",
        more: &["--threads", "2"],
        load_on: "2,3",
        transports: &["websocket", "xhr-polling"],
        shapes: |_, _| vec![Shape::new(64, 1000)],
        contestants: |suite, _, _| suite.workers("0"),
        processors: 4,
        figure: |report| number(report, "/messages/per_second"),
        ..USUAL
    },
    Scenario {
        name: "heartbeats",
        title: "Heartbeats of idle sessions",
        unit: "% of one processor",
        scale: 0.01,
        load: "idle",
        more: &["--no-info"],
        transports: &["websocket"],
        shapes: |suite, _| vec![silent(suite.fitting(BEATING, 1))],
        contestants: |suite, _, _| suite.only(&[Peer::Gateway, Peer::SockjsNode]),
        rounds: 1,
        seconds: Some(60),
        figure: |report| number(report, "/server/cores"),
        also: &[
            ("fewest", |report| {
                beats(report).into_iter().reduce(f64::min)
            }),
            ("most", |report| beats(report).into_iter().reduce(f64::max)),
            ("all", |report| Some(beats(report).iter().sum())),
        ],
        ..USUAL
    },
    Scenario {
        name: "churn",
        title: "Memory after many sessions",
        unit: "the gateway's memory after 200 000 sessions that were opened and closed, as a multiple of that after the first 10 000",
        how: How::Churn,
        load: "connect",
        more: &["--no-info", "--warmup", "10ms"],
        shapes: |_, _| vec![silent(200)],
        contestants: |suite, _, _| suite.only_with(&[Peer::Gateway], "churn.toml"),
        rounds: 1,
        ..USUAL
    },
    Scenario {
        name: "info",
        title: "/info under load",
        unit: "µs until 99 of 100 requests are answered",
        how: How::Info,
        load: "info",
        more: &["--rate", "50"],
        transports: &["websocket"],
        shapes: |_, _| vec![Shape::new(64, 1000)],
        contestants: |suite, _, _| suite.only(&[Peer::Floor, Peer::Gateway]),
        rounds: 3,
        seconds: Some(10),
        keeps_rate: true,
        figure: |report| number(report, "/latency_us/p99"),
        also: &[
            ("p50", |report| number(report, "/latency_us/p50")),
            ("max", |report| number(report, "/latency_us/max")),
            ("late_p99", |report| number(report, "/answers/late_us/p99")),
            ("cores", |report| number(report, "/server/cores")),
        ],
        ..USUAL
    },
];

impl Suite {
    /// Every server that was asked for.
    fn all(&self) -> Vec<Contestant> {
        self.peers.iter().copied().map(Contestant::from).collect()
    }

    /// As [`Self::all`], without the floor on tokio: it is there for what a message costs.
    fn servers(&self) -> Vec<Contestant> {
        let mut all = self.all();
        all.retain(|contestant| contestant.peer != Peer::FloorTokio);
        all
    }

    /// Those of `peers` that were asked for.
    fn only(&self, peers: &[Peer]) -> Vec<Contestant> {
        let mut all = self.all();
        all.retain(|contestant| peers.contains(&contestant.peer));
        all
    }

    /// As [`Self::only`], with another configuration of the gateway.
    fn only_with(&self, peers: &[Peer], config: &'static str) -> Vec<Contestant> {
        let mut all = self.only(peers);
        for contestant in &mut all {
            contestant.setting.config = config;
        }
        all
    }

    /// `peer` in front of a floor. The relay goes with the floor that was asked for.
    fn with_upstream(&self, peer: Peer) -> Vec<Contestant> {
        let asked = if peer == Peer::Relay {
            Peer::Floor
        } else {
            peer
        };
        let contestant = Contestant {
            has_upstream: true,
            ..Contestant::from(peer)
        };
        self.peers
            .contains(&asked)
            .then_some(contestant)
            .into_iter()
            .collect()
    }

    /// The gateway with one worker on processors `of_one`, and with two on two.
    fn workers(&self, of_one: &'static str) -> Vec<Contestant> {
        if !self.peers.contains(&Peer::Gateway) {
            return Vec::new();
        }
        let with = |name, workers, processors| Contestant {
            name,
            setting: Setting {
                workers: Some(workers),
                processors,
                ..Setting::USUAL
            },
            ..Contestant::from(Peer::Gateway)
        };
        vec![with(ONE_WORKER, 1, of_one), with(TWO_WORKERS, 2, "0,1")]
    }

    /// The shapes of echo, with as many sessions as this machine lets a process have connections.
    fn echo_shapes(&self, transport: &str) -> Vec<Shape> {
        let connections = if transport.ends_with("websocket") {
            1
        } else {
            2
        };
        let mut shapes = self.shapes.clone();
        for shape in &mut shapes {
            shape.sessions = self.fitting(shape.sessions, connections);
        }
        shapes
    }

    /// As many of `sessions` as there may be open files, with some to spare.
    fn fitting(&self, sessions: usize, connections: usize) -> usize {
        sessions
            .min(self.files.saturating_sub(100) / connections)
            .max(1)
    }
}

const fn silent(sessions: usize) -> Shape {
    Shape::new(0, sessions)
}

fn per_unit(report: &Value) -> Option<f64> {
    number(report, "/server/us_per_unit")
}

/// Heartbeats of each second, without the last, which may be short.
fn beats(report: &Value) -> Vec<f64> {
    let seconds = report.pointer("/sessions/heartbeats_by_second");
    let mut seconds: Vec<f64> = seconds
        .and_then(Value::as_array)
        .map(|seconds| seconds.iter().filter_map(Value::as_f64).collect())
        .unwrap_or_default();
    if seconds.len() > 1 {
        seconds.pop();
    }
    seconds
}
