//! What is compared: a row of [`SCENARIOS`] each.

use serde_json::Value;

use super::figures::Shape;
use super::measure::{Suite, number};

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
    /// What `bench --scenario` is told, and with it.
    pub(crate) load: &'static str,
    pub(crate) more: &'static [&'static str],
    pub(crate) shapes: fn(&Suite) -> Vec<Shape>,
    /// Most turns of a server.
    pub(crate) rounds: usize,
    pub(crate) figure: fn(&Value) -> Option<f64>,
}

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "echo",
        title: "Echo",
        unit: "µs of the server for each message",
        scale: 1.0,
        load: "echo",
        more: &[],
        shapes: |suite| suite.shapes.clone(),
        rounds: usize::MAX,
        figure: per_unit,
    },
    Scenario {
        name: "connect",
        title: "Opening and closing",
        unit: "µs of the server for each session",
        scale: 1.0,
        load: "connect",
        more: &["--no-info"],
        shapes: |_| vec![silent(16)],
        rounds: usize::MAX,
        figure: per_unit,
    },
    Scenario {
        name: "fan-out",
        title: "Fan-out",
        unit: "µs of the server for each message that is delivered",
        scale: 1.0,
        load: "fan-out",
        more: &["--rate", "10"],
        shapes: |_| {
            vec![Shape {
                size: 64,
                sessions: 1000,
            }]
        },
        rounds: usize::MAX,
        figure: per_unit,
    },
    Scenario {
        name: "idle",
        title: "Idle sessions",
        unit: "KiB of the server for each session",
        scale: 1024.0,
        load: "idle",
        more: &["--no-info"],
        shapes: |suite| vec![silent(suite.idle)],
        // Memory that was given back is not seen again: only the first turn of a server counts.
        rounds: 1,
        figure: |report| number(report, "/server/bytes_per_session"),
    },
];

const fn silent(sessions: usize) -> Shape {
    Shape { size: 0, sessions }
}

fn per_unit(report: &Value) -> Option<f64> {
    number(report, "/server/us_per_unit")
}
