//! What was measured, as `--json` keeps it. Pure.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

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

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.size, self.sessions)
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
