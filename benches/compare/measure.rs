//! Turns of servers under the load of `sockjs-gateway bench`, and what came of them.

use std::error::Error;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::figures::{Measured, Row, Shape};
use super::machine::{this_machine, version_of};
use super::peer::{Peer, Running, pinned};
use super::scenarios::Scenario;

/// What is compared, and how often.
#[derive(Debug)]
pub(crate) struct Suite {
    pub(crate) peers: Vec<Peer>,
    /// Where the peers are installed.
    pub(crate) folder: PathBuf,
    pub(crate) rounds: usize,
    pub(crate) seconds: u32,
    pub(crate) transports: Vec<String>,
    pub(crate) shapes: Vec<Shape>,
    /// Sessions that idle.
    pub(crate) idle: usize,
}

/// One load, but for the server's address.
struct Load<'a> {
    scenario: &'a Scenario,
    transport: &'a str,
    shape: Shape,
}

impl Suite {
    /// # Errors
    /// What keeps a server or the load from running.
    pub(crate) fn measure(&self, scenarios: &[&Scenario]) -> Result<Measured, Box<dyn Error>> {
        let versions = self.peers.iter().filter_map(|peer| {
            let version = version_of(*peer, &self.folder)?;
            Some((peer.name().to_owned(), version))
        });
        let mut measured = Measured {
            machine: this_machine(),
            rounds: self.rounds,
            seconds: self.seconds,
            versions: versions.collect(),
            rows: Vec::new(),
        };
        for &scenario in scenarios {
            for transport in &self.transports {
                for shape in (scenario.shapes)(self) {
                    let load = Load {
                        scenario,
                        transport,
                        shape,
                    };
                    measured.rows.extend(self.take_turns(&load)?);
                }
            }
        }
        Ok(measured)
    }

    fn take_turns(&self, load: &Load<'_>) -> Result<Vec<Row>, Box<dyn Error>> {
        let mut running: Vec<(Peer, Running, String)> = Vec::new();
        for peer in &self.peers {
            let server = peer.start(&self.folder)?;
            let broadcast = load.scenario.load == "fan-out";
            if let Some(url) = peer.url(server.port, load.transport, broadcast) {
                running.push((*peer, server, url));
            }
        }
        let mut rows: Vec<Row> = running
            .iter()
            .map(|(peer, _, _)| Row {
                scenario: load.scenario.name.to_owned(),
                transport: load.transport.to_owned(),
                shape: load.shape,
                peer: peer.name().to_owned(),
                turns: Vec::new(),
                load: Vec::new(),
                wrong: 0,
            })
            .collect();
        for round in 0..self.rounds.min(load.scenario.rounds) {
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
                row.turns.extend((load.scenario.figure)(&report));
                row.load.extend(number(&report, "/bench/us_per_unit"));
                row.wrong += ["/messages/lost", "/messages/reordered", "/sessions/failed"]
                    .iter()
                    .filter_map(|field| report.pointer(field)?.as_u64())
                    .sum::<u64>();
                writeln!(
                    std::io::stderr(),
                    "{} {} {} {}: {:.2} (load {:.2})",
                    load.scenario.name,
                    load.transport,
                    load.shape,
                    peer.name(),
                    row.turns.last().copied().unwrap_or(f64::NAN),
                    row.load.last().copied().unwrap_or(f64::NAN),
                )?;
            }
        }
        Ok(rows)
    }

    /// Runs the load on the second processor, and gives its report.
    fn put_load(&self, load: &Load<'_>, url: &str, pid: u32) -> Result<Value, Box<dyn Error>> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sockjs-gateway"));
        command
            .args(["bench", url, "--json", "--scenario", load.scenario.load])
            .args(["--transport", load.transport])
            .args(["--sessions", &load.shape.sessions.to_string()])
            .args(["--duration", &format!("{}s", self.seconds)])
            .args(["--pid", &pid.to_string()])
            .args(load.scenario.more);
        if load.shape.size > 0 {
            command.args(["--size", &load.shape.size.to_string()]);
        }
        let output = pinned(&command, 1).stdin(Stdio::null()).output()?;
        serde_json::from_slice(&output.stdout).map_err(|_| {
            let said = String::from_utf8_lossy(&output.stderr);
            format!("the load of {url} gave no report: {said}").into()
        })
    }
}

pub(crate) fn number(report: &Value, field: &str) -> Option<f64> {
    report.pointer(field)?.as_f64()
}
