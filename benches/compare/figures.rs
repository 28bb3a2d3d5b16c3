//! What was measured, as `--json` keeps it. Pure.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Of the messages that were to be sent, those that may have not been when the time was over.
const UNSENT: f64 = 0.01;

/// What a load is made of. In `--shapes`: `64x100`, or `64x100*16` with 16 messages of each session on their way at a time.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Shape {
    /// Bytes of a message; 0 where there are none.
    pub(crate) size: usize,
    pub(crate) sessions: usize,
    #[serde(default = "one")]
    pub(crate) in_flight: usize,
}

const fn one() -> usize {
    1
}

impl Shape {
    pub(crate) const fn new(size: usize, sessions: usize) -> Self {
        Self {
            size,
            sessions,
            in_flight: 1,
        }
    }
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (size, rest) = text.split_once('x')?;
            let (sessions, in_flight) = rest.split_once('*').unwrap_or((rest, "1"));
            let number = |text: &str| text.parse().ok().filter(|&number: &usize| number > 0);
            Some(Self {
                size: number(size)?,
                sessions: number(sessions)?,
                in_flight: number(in_flight)?,
            })
        };
        parse().ok_or_else(|| {
            format!(
                "{text:?} is not BYTESxSESSIONS or BYTESxSESSIONS*FLIGHT, like 64x100 or 64x100*16"
            )
        })
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.size, self.sessions)?;
        if self.in_flight > 1 {
            write!(f, "*{}", self.in_flight)?;
        }
        Ok(())
    }
}

/// The machine, in words.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) processors: usize,
    pub(crate) memory_gib: u64,
    pub(crate) kernel: String,
}

/// All turns of one server at one thing.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Row {
    pub(crate) scenario: String,
    pub(crate) transport: String,
    pub(crate) shape: Shape,
    pub(crate) peer: String,
    /// What the scenario's table is of: microseconds, or bytes.
    pub(crate) turns: Vec<f64>,
    /// Microseconds of the load's own processor time for each.
    pub(crate) load: Vec<f64>,
    /// Other figures of the turns, by name.
    #[serde(default)]
    pub(crate) also: BTreeMap<String, Vec<f64>>,
    /// Messages and sessions that went wrong in all turns: its figures are of something else then.
    pub(crate) wrong: u64,
}

impl Row {
    /// `None` when something went wrong.
    pub(crate) fn median(&self) -> Option<f64> {
        median(&self.turns).filter(|_| self.wrong == 0)
    }

    /// Its figure as a multiple of another server's: the median of the ratios of turns that followed each other, because what slows
    /// the machine for a while slows both.
    pub(crate) fn ratio_to(&self, other: &Self) -> Option<f64> {
        let (all, others) = (self.median()?, other.median()?);
        let ratios: Vec<f64> = if self.turns.len() == other.turns.len() {
            let turns = self.turns.iter().zip(&other.turns);
            turns.map(|(turn, other)| turn / other).collect()
        } else {
            vec![all / others]
        };
        median(&ratios).filter(|ratio| ratio.is_finite())
    }

    /// Of another figure.
    pub(crate) fn median_of(&self, name: &str) -> Option<f64> {
        median(self.also.get(name)?).filter(|_| self.wrong == 0)
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
    pub(crate) fn row(
        &self,
        scenario: &str,
        transport: &str,
        shape: Shape,
        peer: &str,
    ) -> Option<&Row> {
        self.rows.iter().find(|row| {
            row.scenario == scenario
                && row.transport == transport
                && row.shape == shape
                && row.peer == peer
        })
    }

    /// The median of a row.
    pub(crate) fn figure(
        &self,
        scenario: &str,
        transport: &str,
        shape: Shape,
        peer: &str,
    ) -> Option<f64> {
        self.row(scenario, transport, shape, peer)?.median()
    }

    /// The figure of a server as a multiple of another's at the same thing.
    pub(crate) fn ratio(
        &self,
        scenario: &str,
        transport: &str,
        shape: Shape,
        peer: &str,
        to: &str,
    ) -> Option<f64> {
        let row = |peer| self.row(scenario, transport, shape, peer);
        row(peer)?.ratio_to(row(to)?)
    }

    /// What went wrong, in a line each.
    pub(crate) fn failures(&self) -> Vec<String> {
        let wrong = self.rows.iter().filter(|row| row.wrong > 0);
        wrong
            .map(|row| {
                let Row {
                    scenario,
                    transport,
                    shape,
                    peer,
                    wrong,
                    ..
                } = row;
                format!(
                    "{scenario} {transport} {shape} {peer}: {wrong} messages or sessions went wrong"
                )
            })
            .collect()
    }
}

/// Messages and sessions that went wrong. `keeps_rate`: and those that were not sent when it was time, if they are many.
pub(crate) fn wrong_in(report: &Value, keeps_rate: bool) -> u64 {
    let count = |field: &str| report.pointer(field).and_then(Value::as_u64).unwrap_or(0);
    let fields = [
        "/messages/lost",
        "/messages/reordered",
        "/messages/duplicated",
        "/sessions/failed",
        "/sessions/ended",
    ];
    let mut wrong = fields.into_iter().map(count).sum();
    // With connect, there are as many as there can be.
    if report["scenario"] != "connect" {
        wrong += count("/sessions/wanted").saturating_sub(count("/sessions/opened"));
    }
    if keeps_rate {
        let unsent = count("/messages/unsent") + count("/answers/unsent");
        let sent = count("/messages/sent") + count("/answers/asked");
        if unsent as f64 > UNSENT * (sent + unsent) as f64 {
            wrong += unsent;
        }
    }
    wrong
}
