//! What is not turns of servers under one load: memory after many sessions, and `/info` beside other load.

use std::error::Error;
use std::io::{self, Write as _};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use super::figures::{Row, Shape, wrong_in};
use super::measure::{Load, Suite, bench, number, report_of};
use super::peer::pinned;

/// Sessions after which the memory counts as used, and after which it is compared.
const WARM: u64 = 10_000;
const ALL: u64 = 200_000;
/// Time in which the gateway forgets sessions: `disconnect_delay` is 500 ms in `churn.toml`, and an id is remembered three times
/// as long.
const FORGETTING: Duration = Duration::from_secs(10);

/// Messages per second of each session that keeps the server half busy.
const BUSY_RATE: &str = "40";
/// Connections that ask for `/info`.
const ASKING: usize = 4;
/// Until the sessions are open and at work.
const OPENING: Duration = Duration::from_secs(2);

impl Suite {
    /// Opens and closes sessions on all transports in turns.
    pub(crate) fn churn(&self, load: Load<'_>) -> Result<Vec<Row>, Box<dyn Error>> {
        let mut rows = Vec::new();
        for contestant in (load.scenario.contestants)(self, load.transport, load.shape) {
            let (server, url) = self.start(&contestant, load, None)?;
            let mut row = load.row(contestant.name);
            "all".clone_into(&mut row.transport);
            let mut opened = 0;
            let mut until = |count: u64, row: &mut Row| -> Result<(), Box<dyn Error>> {
                while opened < count {
                    for transport in &self.transports {
                        let turn = Load { transport, ..load };
                        let command = self.command(turn, &url, server.pid());
                        let report = report_of(pinned(&command, load.scenario.load_on))?;
                        opened += report["sessions"]["opened"].as_u64().unwrap_or(0);
                        let wrong = wrong_in(&report, false);
                        row.wrong += wrong;
                        row.load.extend(number(&report, "/bench/us_per_unit"));
                        if wrong > 0 {
                            let problems = &report["problems"];
                            writeln!(io::stderr(), "churn {transport}: WRONG {wrong}: {problems}")?;
                        }
                    }
                }
                Ok(())
            };
            until(WARM, &mut row)?;
            sleep(FORGETTING);
            let before = resident(server.pid())?;
            until(ALL, &mut row)?;
            sleep(FORGETTING);
            let after = resident(server.pid())?;
            row.turns.push(after / before);
            let mut also = |name: &str, value| {
                row.also.insert(name.to_owned(), vec![value]);
            };
            also("before", before);
            also("after", after);
            also("opened", opened as f64);
            writeln!(
                io::stderr(),
                "churn {}: {opened} sessions, {before} and {after} bytes",
                contestant.name
            )?;
            rows.push(row);
        }
        Ok(rows)
    }

    /// Asks for `/info` at a rate, while sessions send at another.
    pub(crate) fn ask_info(&self, load: Load<'_>) -> Result<Vec<Row>, Box<dyn Error>> {
        let mut rows = Vec::new();
        for contestant in (load.scenario.contestants)(self, load.transport, load.shape) {
            let (server, url) = self.start(&contestant, load, None)?;
            let mut row = load.row(contestant.name);
            for _ in 0..self.rounds.min(load.scenario.rounds) {
                let seconds = load.scenario.seconds.unwrap_or(self.seconds) + 3;
                let mut busy = bench(&url, "echo", load.transport, load.shape.sessions);
                busy.args(["--size", &load.shape.size.to_string()])
                    .args(["--rate", BUSY_RATE])
                    .args(["--duration", &format!("{seconds}s")]);
                // Who asks shares a processor with that load, and is not to be measured waiting for it.
                let mut busy = yielding(&pinned(&busy, load.scenario.load_on));
                busy.stdin(Stdio::null())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::null());
                let busy = busy.spawn()?;
                sleep(OPENING);
                let asking = Load {
                    shape: Shape {
                        sessions: ASKING,
                        ..load.shape
                    },
                    ..load
                };
                let command = self.command(asking, &url, server.pid());
                let report = report_of(pinned(&command, load.scenario.load_on));
                // Its time has an end, and is waited for whatever came of the other.
                let busy = busy.wait_with_output()?;
                let busy: Value = serde_json::from_slice(&busy.stdout)?;
                load.take(&mut row, &report?)?;
                let wrong = wrong_in(&busy, load.scenario.keeps_rate);
                if wrong > 0 {
                    let problems = &busy["problems"];
                    writeln!(io::stderr(), "info, beside it: WRONG {wrong}: {problems}")?;
                }
                row.wrong += wrong;
            }
            rows.push(row);
        }
        Ok(rows)
    }
}

/// `command` behind others that want the same processor, where there is `nice`.
fn yielding(command: &Command) -> Command {
    let mut nice = Command::new("nice");
    nice.args(["-n", "10"])
        .arg(command.get_program())
        .args(command.get_args());
    nice
}

/// Bytes of process `id` in memory. Source: proc(5).
fn resident(id: u32) -> Result<f64, Box<dyn Error>> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kib: f64 = kib.ok_or("the server has no memory")?.trim().parse()?;
    Ok(kib * 1024.0)
}
