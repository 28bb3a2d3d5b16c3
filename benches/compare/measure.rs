//! Turns of servers under the load of `sockjs-gateway bench`, and what came of them.

use std::error::Error;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::machine::{Machine, version_of};
use super::peer::{Peer, Running, pinned};

/// A message's size and the number of sessions that send it.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Shape {
    pub(crate) size: usize,
    pub(crate) sessions: usize,
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once('x').and_then(|(size, sessions)| {
            Some(Self {
                size: size.parse().ok()?,
                sessions: sessions.parse().ok()?,
            })
        });
        parsed.ok_or_else(|| format!("{text:?} is not BYTESxSESSIONS, like 64x100"))
    }
}

/// What is compared, and how often.
#[derive(Debug)]
pub(crate) struct Suite {
    pub(crate) peers: Vec<Peer>,
    /// Where the peers are installed.
    pub(crate) folder: PathBuf,
    pub(crate) rounds: usize,
    pub(crate) seconds: u32,
}

/// All turns of one server at one thing.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Row {
    pub(crate) scenario: String,
    pub(crate) transport: String,
    pub(crate) shape: Shape,
    pub(crate) peer: String,
    /// Microseconds of the server's processor time for each message, or opened session; bytes for each idle session.
    pub(crate) turns: Vec<f64>,
    /// Microseconds of the load's own processor time for each.
    pub(crate) load: Vec<f64>,
    /// Messages and sessions that went wrong in all turns.
    pub(crate) wrong: u64,
}

impl Row {
    pub(crate) fn median(&self) -> Option<f64> {
        median(&self.turns)
    }
}

pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

/// Everything that was measured.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Measured {
    pub(crate) machine: Machine,
    pub(crate) rounds: usize,
    pub(crate) seconds: u32,
    /// Name and version of each server.
    pub(crate) versions: Vec<(String, String)>,
    pub(crate) rows: Vec<Row>,
}

impl Measured {
    pub(crate) fn begin(suite: &Suite) -> Self {
        let versions = suite.peers.iter().filter_map(|peer| {
            let version = version_of(*peer, &suite.folder)?;
            Some((peer.name().to_owned(), version))
        });
        Self {
            machine: Machine::this(),
            rounds: suite.rounds,
            seconds: suite.seconds,
            versions: versions.collect(),
            rows: Vec::new(),
        }
    }
}

/// One load, but for the server's address.
struct Load<'a> {
    scenario: &'a str,
    transport: &'a str,
    shape: Shape,
    more: &'a [&'a str],
}

impl Suite {
    pub(crate) fn echo(
        &self,
        transport: &str,
        shape: Shape,
        measured: &mut Measured,
    ) -> Result<(), Box<dyn Error>> {
        let size = shape.size.to_string();
        let more = ["--size", &size];
        let load = Load {
            scenario: "echo",
            transport,
            shape,
            more: &more,
        };
        self.take_turns(&load, self.rounds, measured, |report| {
            number(report, "/server/us_per_unit")
        })
    }

    pub(crate) fn connect(
        &self,
        transport: &str,
        measured: &mut Measured,
    ) -> Result<(), Box<dyn Error>> {
        let load = Load {
            scenario: "connect",
            transport,
            shape: Shape {
                size: 0,
                sessions: 16,
            },
            more: &["--no-info"],
        };
        self.take_turns(&load, self.rounds, measured, |report| {
            number(report, "/server/us_per_unit")
        })
    }

    /// Each turn with a server of its own: memory that was given back is not seen again.
    pub(crate) fn idle(
        &self,
        transport: &str,
        sessions: usize,
        measured: &mut Measured,
    ) -> Result<(), Box<dyn Error>> {
        let load = Load {
            scenario: "idle",
            transport,
            shape: Shape { size: 0, sessions },
            more: &["--no-info"],
        };
        self.take_turns(&load, 1, measured, |report| {
            number(report, "/server/bytes_per_session")
        })
    }

    pub(crate) fn fan_out(
        &self,
        transport: &str,
        measured: &mut Measured,
    ) -> Result<(), Box<dyn Error>> {
        let load = Load {
            scenario: "fan-out",
            transport,
            shape: Shape {
                size: 64,
                sessions: 1000,
            },
            more: &["--size", "64", "--rate", "10"],
        };
        self.take_turns(&load, self.rounds, measured, |report| {
            number(report, "/server/us_per_unit")
        })
    }

    fn take_turns(
        &self,
        load: &Load<'_>,
        rounds: usize,
        measured: &mut Measured,
        figure: impl Fn(&Value) -> Option<f64>,
    ) -> Result<(), Box<dyn Error>> {
        let mut running: Vec<(Peer, Running, String)> = Vec::new();
        for peer in &self.peers {
            let server = peer.start(&self.folder)?;
            if let Some(url) = peer.url(server.port, load.transport, load.scenario == "fan-out") {
                running.push((*peer, server, url));
            }
        }
        let mut rows: Vec<Row> = running
            .iter()
            .map(|(peer, _, _)| Row {
                scenario: load.scenario.to_owned(),
                transport: load.transport.to_owned(),
                shape: load.shape,
                peer: peer.name().to_owned(),
                turns: Vec::new(),
                load: Vec::new(),
                wrong: 0,
            })
            .collect();
        for round in 0..rounds {
            for turn in 0..running.len() {
                // Who comes after whom changes from round to round.
                let at = if round % 2 == 0 {
                    turn
                } else {
                    running.len() - 1 - turn
                };
                let (peer, server, url) = &running[at];
                let report = self.put_load(load, url, server.pid())?;
                let row = &mut rows[at];
                row.turns.extend(figure(&report));
                row.load.extend(number(&report, "/bench/us_per_unit"));
                row.wrong += ["/messages/lost", "/messages/reordered", "/sessions/failed"]
                    .iter()
                    .filter_map(|field| report.pointer(field)?.as_u64())
                    .sum::<u64>();
                writeln!(
                    std::io::stderr(),
                    "{} {} {}x{} {}: {:.2} (load {:.2})",
                    load.scenario,
                    load.transport,
                    load.shape.size,
                    load.shape.sessions,
                    peer.name(),
                    row.turns.last().copied().unwrap_or(f64::NAN),
                    row.load.last().copied().unwrap_or(f64::NAN),
                )?;
            }
        }
        measured.rows.extend(rows);
        Ok(())
    }

    /// Runs the load on the second processor, and gives its report.
    fn put_load(&self, load: &Load<'_>, url: &str, pid: u32) -> Result<Value, Box<dyn Error>> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sockjs-gateway"));
        command
            .args(["bench", url, "--json", "--scenario", load.scenario])
            .args(["--transport", load.transport])
            .args(["--sessions", &load.shape.sessions.to_string()])
            .args(["--duration", &format!("{}s", self.seconds)])
            .args(["--pid", &pid.to_string()])
            .args(load.more);
        let output = pinned(&command, 1).stdin(Stdio::null()).output()?;
        serde_json::from_slice(&output.stdout).map_err(|_| {
            let said = String::from_utf8_lossy(&output.stderr);
            format!("the load of {url} gave no report: {said}").into()
        })
    }
}

fn number(report: &Value, field: &str) -> Option<f64> {
    report.pointer(field)?.as_f64()
}
