//! What we promise, and whether it was measured so. Pure.

use super::figures::{Measured, Row, Shape};

pub(crate) const FLOOR: &str = "floor";
pub(crate) const RELAY: &str = "floor-relay";
pub(crate) const GATEWAY: &str = "sockjs-gateway";
pub(crate) const SOCKJS_NODE: &str = "sockjs-node";
pub(crate) const ONE_WORKER: &str = "1 worker";
pub(crate) const TWO_WORKERS: &str = "2 workers";

const SMALL: Shape = Shape::new(64, 100);
const MANY: Shape = Shape::new(64, 1000);
const LARGE: Shape = Shape::new(4096, 100);
/// From so many sessions on, they count as ten thousand: a machine may not let a process have all of their connections.
const TEN_THOUSAND: usize = 9_900;
const KIB: f64 = 1024.0;

/// What the value is to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Bound {
    pub(crate) fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
        }
    }
}

/// One promise.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Target {
    pub(crate) promise: String,
    /// Behind the value.
    pub(crate) unit: &'static str,
    pub(crate) bound: Bound,
    /// `None` when it was not measured, or something went wrong.
    pub(crate) value: Option<f64>,
}

impl Target {
    /// Whether it was kept; `None` when that is not known.
    pub(crate) fn is_met(&self) -> Option<bool> {
        self.value.map(|value| self.bound.holds(value))
    }
}

/// Most that an echo may cost: times the floor for each of three shapes, and times sockjs-node.
const ECHO: [(&str, [f64; 4]); 5] = [
    ("raw-websocket", [1.15, 1.15, 1.3, 0.45]),
    ("websocket", [1.20, 1.25, 1.6, 0.38]),
    ("xhr-streaming", [1.40, 1.60, 1.8, 0.15]),
    ("eventsource", [1.40, 1.60, 1.8, 0.15]),
    ("xhr-polling", [1.45, 1.80, 1.6, 0.14]),
];
const UPSTREAM: f64 = 1.3;
pub(crate) const WITH_UPSTREAM: [&str; 4] =
    ["raw-websocket", "websocket", "xhr-streaming", "xhr-polling"];
/// KiB of a silent session.
const IDLE: [(&str, &str, &str, f64); 7] = [
    ("idle", "raw-websocket", "", 6.0),
    ("idle", "websocket", "", 7.0),
    ("idle", "xhr-streaming", "", 8.0),
    ("idle", "eventsource", "", 8.0),
    ("idle", "xhr-polling", ", its poll waiting", 8.0),
    ("idle-upstream", "websocket", " with an upstream", 14.0),
    ("idle-unpolled", "xhr-polling", ", not polled", 2.0),
];
const FAN_OUT: f64 = 1.4;
const CONNECT: f64 = 3.0;
const MANY_SESSIONS: f64 = 1.5;
const WORKERS: f64 = 1.7;
const HEARTBEATS: f64 = 1.0;
const CHURN: f64 = 1.10;
const INFO_MILLISECONDS: f64 = 1.0;

/// All promises, as far as they were measured.
pub(crate) fn judge(measured: &Measured) -> Vec<Target> {
    let mut targets = Vec::new();
    let mut push = |promise: String, unit, bound, value| {
        targets.push(Target {
            promise,
            unit,
            bound,
            value,
        });
    };
    for (transport, [small, many, large, node]) in ECHO {
        for (shape, most) in [(SMALL, small), (MANY, many), (LARGE, large)] {
            let value = measured.ratio("echo", transport, shape, GATEWAY, FLOOR);
            let promise = format!("echo, {transport}, {shape}, to the floor");
            push(promise, "×", Bound::AtMost(most), value);
        }
        let value = measured.ratio("echo", transport, SMALL, GATEWAY, SOCKJS_NODE);
        let promise = format!("echo, {transport}, {SMALL}, to sockjs-node");
        push(promise, "×", Bound::AtMost(node), value);
    }
    for transport in WITH_UPSTREAM {
        for shape in [SMALL, LARGE] {
            let gateway = measured.row("upstream", transport, shape, GATEWAY);
            let floor = both_legs(measured, transport, shape);
            let ratio = gateway.and_then(|row| row.ratio_to(floor.as_ref()?));
            let promise = format!("upstream, {transport}, {shape}, to the floor of both legs");
            push(promise, "×", Bound::AtMost(UPSTREAM), ratio);
        }
    }
    for (transport, _) in ECHO {
        let promise = format!("echo, {transport}, 64 bytes, 10 000 sessions to 100");
        let value = divided(
            ten_thousand(measured, transport),
            measured.figure("echo", transport, SMALL, GATEWAY),
        );
        push(promise, "×", Bound::AtMost(MANY_SESSIONS), value);
    }
    for (transport, _) in ECHO {
        let value = measured.ratio("fan-out", transport, MANY, GATEWAY, FLOOR);
        let promise = format!("fan-out, {transport}, 64 bytes to 1000, to the floor");
        push(promise, "×", Bound::AtMost(FAN_OUT), value);
    }
    for (transport, _) in ECHO {
        let shape = Shape::new(0, 16);
        let value = measured.ratio("connect", transport, shape, SOCKJS_NODE, GATEWAY);
        let promise =
            format!("sessions opened for the same processor time, {transport}, to sockjs-node");
        push(promise, "×", Bound::AtLeast(CONNECT), value);
    }
    for (scenario, transport, more, most) in IDLE {
        let row = measured.rows.iter().find(|row| {
            row.scenario == scenario
                && row.transport == transport
                && row.peer == GATEWAY
                && row.shape.sessions >= TEN_THOUSAND
        });
        let value = row.and_then(|row| row.median()).map(|bytes| bytes / KIB);
        let promise = format!("idle, {transport}{more}, 10 000 sessions, for each");
        push(promise, " KiB", Bound::AtMost(most), value);
    }
    for transport in ["websocket", "xhr-polling"] {
        let promise = format!("two workers, {transport}, throughput of one");
        push(
            promise,
            "×",
            Bound::AtLeast(WORKERS),
            scaling(measured, transport),
        );
    }
    let of = |scenario: &str| {
        let mut rows = measured.rows.iter();
        rows.find(|row| row.scenario == scenario && row.peer == GATEWAY)
    };
    push(
        "heartbeats of 15 000 WebSockets, of a processor".to_owned(),
        " %",
        Bound::AtMost(HEARTBEATS),
        of("heartbeats")
            .and_then(|row| row.median())
            .map(|cores| cores * 100.0),
    );
    push(
        "memory after 200 000 sessions, to that after 10 000".to_owned(),
        "×",
        Bound::AtMost(CHURN),
        of("churn").and_then(|row| row.median()),
    );
    push(
        "/info while 1000 sessions keep half a processor busy, 99 of 100 within".to_owned(),
        " ms",
        Bound::AtMost(INFO_MILLISECONDS),
        info(measured),
    );
    targets
}

/// Milliseconds. On a machine that is so full that even the floor does not keep the promise, nothing is known of the gateway.
fn info(measured: &Measured) -> Option<f64> {
    let of = |peer| Some(measured.figure("info", "websocket", MANY, peer)? / 1000.0);
    let is_full = of(FLOOR).is_some_and(|floor| floor > INFO_MILLISECONDS);
    of(GATEWAY).filter(|_| !is_full)
}

fn divided(value: Option<f64>, by: Option<f64>) -> Option<f64> {
    Some(value? / by.filter(|&by| by > 0.0)?)
}

/// What the floor spends on a message that goes to an upstream and back. On HTTP: the floor's leg of the transport, and what a
/// relay spends more on a raw WebSocket than an echo does, which is the upstream's leg.
pub(crate) fn both_legs(measured: &Measured, transport: &str, shape: Shape) -> Option<Row> {
    let of = |transport: &str, peer| measured.row("upstream", transport, shape, peer);
    if transport.ends_with("websocket") {
        return of(transport, RELAY).cloned();
    }
    let raw = "raw-websocket";
    let leg = of(raw, RELAY)?.median()? - of(raw, FLOOR)?.median()?;
    let mut both = of(transport, FLOOR)?.clone();
    both.turns.iter_mut().for_each(|turn| *turn += leg);
    Some(both)
}

fn ten_thousand(measured: &Measured, transport: &str) -> Option<f64> {
    let row = measured.rows.iter().find(|row| {
        row.scenario == "echo"
            && row.transport == transport
            && row.peer == GATEWAY
            && row.shape.size == SMALL.size
            && row.shape.in_flight == 1
            && row.shape.sessions >= TEN_THOUSAND
    });
    row?.median()
}

/// What two workers do as a multiple of one. Where load and two workers have a processor each it was measured; otherwise it is
/// what follows from the cost of a message: twice the time, each message at the cost that it has with two.
pub(crate) fn scaling(measured: &Measured, transport: &str) -> Option<f64> {
    let throughput = measured.ratio(
        "workers-throughput",
        transport,
        MANY,
        TWO_WORKERS,
        ONE_WORKER,
    );
    throughput.or_else(|| {
        let cost = measured.ratio("workers", transport, SMALL, ONE_WORKER, TWO_WORKERS)?;
        Some(2.0 * cost)
    })
}
