//! Turns of servers under the load of `sockjs-gateway bench`, and what came of them.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::figures::{Measured, Row, Shape, wrong_in};
use super::machine::{this_machine, version_of};
use super::peer::{Peer, Running, Setting, pinned};
use super::scenarios::{Contestant, How, Scenario};

/// Before what is measured; a server has done the same in the turns before.
const WARMUP: &str = "500ms";

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
    /// Files that a process may have open.
    pub(crate) files: usize,
}

/// One load, but for the server's address.
#[derive(Clone, Copy)]
pub(crate) struct Load<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) transport: &'a str,
    pub(crate) shape: Shape,
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
            if measured.machine.processors < scenario.processors {
                continue;
            }
            let transports = self.transports.iter().map(String::as_str);
            let transports = transports.filter(|transport| {
                scenario.transports.is_empty() || scenario.transports.contains(transport)
            });
            for transport in transports {
                for shape in (scenario.shapes)(self, transport) {
                    let load = Load {
                        scenario,
                        transport,
                        shape,
                    };
                    let rows = match scenario.how {
                        How::Turns => self.take_turns(load)?,
                        How::Info => self.ask_info(load)?,
                        How::Churn => self.churn(load)?,
                    };
                    measured.rows.extend(rows);
                }
                // It uses all of them.
                if scenario.how == How::Churn {
                    break;
                }
            }
        }
        Ok(measured)
    }

    fn take_turns(&self, load: Load<'_>) -> Result<Vec<Row>, Box<dyn Error>> {
        let contestants = (load.scenario.contestants)(self, load.transport, load.shape);
        let needed = contestants.iter().any(|one| one.has_upstream);
        let upstream = needed.then(|| self.start_upstream()).transpose()?;
        let broadcast = load.scenario.load == "fan-out";
        let mut running: Vec<(Running, String)> = Vec::new();
        let mut rows = Vec::new();
        for contestant in &contestants {
            // A server that has no such service is not started.
            if contestant.peer.url(0, load.transport, broadcast).is_none() {
                continue;
            }
            let (server, url) = self.start(contestant, load, upstream.as_ref())?;
            running.push((server, url));
            rows.push(load.row(contestant.name));
        }
        for round in 0..self.rounds.min(load.scenario.rounds) {
            for turn in 0..running.len() {
                // Who comes after whom changes from round to round.
                let at = if round % 2 == 0 {
                    turn
                } else {
                    running.len() - 1 - turn
                };
                let (server, url) = &running[at];
                let report = self.command(load, url, server.pid());
                let report = report_of(pinned(&report, load.scenario.load_on))?;
                load.take(&mut rows[at], &report)?;
            }
        }
        Ok(rows)
    }

    /// The echo that gateways pass messages on to. It runs beside the load, so that it takes no time from them.
    fn start_upstream(&self) -> Result<Running, Box<dyn Error>> {
        let setting = Setting {
            processors: "1",
            ..Setting::USUAL
        };
        Ok(Peer::Floor.start(&self.folder, &setting)?)
    }

    /// Starts a server, and gives where its service is.
    pub(crate) fn start(
        &self,
        contestant: &Contestant,
        load: Load<'_>,
        upstream: Option<&Running>,
    ) -> Result<(Running, String), Box<dyn Error>> {
        let port = upstream.map(|upstream| upstream.port);
        let setting = Setting {
            upstream: port.filter(|_| contestant.has_upstream),
            ..contestant.setting
        };
        let server = contestant.peer.start(&self.folder, &setting)?;
        let broadcast = load.scenario.load == "fan-out";
        let url = contestant
            .peer
            .url(server.port, load.transport, broadcast)
            .ok_or("the server has no such service")?;
        Ok((server, url))
    }

    /// `sockjs-gateway bench` as the scenario wants it.
    pub(crate) fn command(&self, load: Load<'_>, url: &str, pid: u32) -> Command {
        let Load {
            scenario,
            transport,
            shape,
        } = load;
        let seconds = scenario.seconds.unwrap_or(self.seconds);
        let mut command = bench(url, scenario.load, transport, shape.sessions);
        command
            .args(["--duration", &format!("{seconds}s")])
            .args(["--pid", &pid.to_string()]);
        if !scenario.more.contains(&"--warmup") {
            command.args(["--warmup", WARMUP]);
        }
        command.args(scenario.more);
        if shape.size > 0 && scenario.load != "info" {
            command.args(["--size", &shape.size.to_string()]);
        }
        if shape.in_flight > 1 {
            command.args(["--in-flight", &shape.in_flight.to_string()]);
        }
        command
    }
}

/// `sockjs-gateway bench` with what it always needs.
pub(crate) fn bench(url: &str, scenario: &str, transport: &str, sessions: usize) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sockjs-gateway"));
    command
        .args(["bench", url, "--json", "--scenario", scenario])
        .args(["--transport", transport])
        .args(["--sessions", &sessions.to_string()]);
    command
}

/// Runs a load to its end, and gives its report.
///
/// # Errors
/// Why there is none.
pub(crate) fn report_of(mut command: Command) -> Result<Value, Box<dyn Error>> {
    let output = command.stdin(Stdio::null()).output()?;
    serde_json::from_slice(&output.stdout).map_err(|_| {
        let said = String::from_utf8_lossy(&output.stderr);
        format!("{command:?} gave no report: {said}").into()
    })
}

impl Load<'_> {
    pub(crate) fn row(&self, peer: &str) -> Row {
        Row {
            scenario: self.scenario.name.to_owned(),
            transport: self.transport.to_owned(),
            shape: self.shape,
            peer: peer.to_owned(),
            turns: Vec::new(),
            load: Vec::new(),
            also: BTreeMap::new(),
            wrong: 0,
        }
    }

    /// Takes the figures of one turn, and tells how it was.
    pub(crate) fn take(&self, row: &mut Row, report: &Value) -> std::io::Result<()> {
        let figure = (self.scenario.figure)(report);
        row.turns.extend(figure);
        row.load.extend(number(report, "/bench/us_per_unit"));
        for (name, of) in self.scenario.also {
            if let Some(value) = of(report) {
                row.also.entry((*name).to_owned()).or_default().push(value);
            }
        }
        let wrong = wrong_in(report, self.scenario.keeps_rate);
        row.wrong += wrong.max(u64::from(figure.is_none()));
        let mut told = format!(
            "{} {} {} {}: {:.2} (load {:.2})",
            row.scenario,
            row.transport,
            row.shape,
            row.peer,
            figure.unwrap_or(f64::NAN),
            row.load.last().copied().unwrap_or(f64::NAN),
        );
        if wrong > 0 {
            told += &format!("; WRONG {wrong}: {}", report["problems"]);
        }
        writeln!(std::io::stderr(), "{told}")
    }
}

pub(crate) fn number(report: &Value, field: &str) -> Option<f64> {
    report.pointer(field)?.as_f64()
}
