//! The tables of `docs/performance.md`.

use std::fmt::Write as _;

use super::figures::{Measured, Row, Shape, median};
use super::scenarios::{How, SCENARIOS, Scenario};
use super::targets::{
    Bound, FLOOR, GATEWAY, ONE_WORKER, SOCKJS_NODE, TWO_WORKERS, both_legs, judge, scaling,
};

const NONE: &str = "–";

/// All tables.
pub(crate) fn markdown(measured: &Measured) -> String {
    let mut out = String::new();
    let machine = &measured.machine;
    let _ = writeln!(
        out,
        "Measured on {} processors of type {}, {} GiB, Linux {}, server and load on one each; medians of {} turns of {} s, in \
         brackets the ratio to the floor.\n",
        machine.processors,
        machine.processor,
        machine.memory_gib,
        machine.kernel,
        measured.rounds,
        measured.seconds
    );
    for (name, version) in &measured.versions {
        let _ = writeln!(out, "- {name} {version}");
    }
    out += &targets(measured);
    for scenario in SCENARIOS {
        let rows: Vec<_> = measured
            .rows
            .iter()
            .filter(|row| row.scenario == scenario.name)
            .collect();
        if rows.is_empty() {
            continue;
        }
        let (title, unit) = (scenario.title, scenario.unit);
        let _ = write!(out, "\n### {title}\n\n{unit}\n\n");
        out += &match (scenario.name, scenario.how) {
            ("upstream", _) => upstream(measured, &rows),
            ("heartbeats", _) => with_others(scenario, &rows, &["fewest", "most", "all"]),
            (_, How::Info) => with_others(scenario, &rows, &["p50", "max", "late_p99", "cores"]),
            (_, How::Churn) => with_others(scenario, &rows, &["opened", "before", "after"]),
            _ => table(&rows, scenario),
        };
        out += &match scenario.name {
            "echo" => bytes(measured, &rows),
            "connect" => openings(measured, &rows),
            "workers" => workers(measured, &rows),
            _ => String::new(),
        };
    }
    out
}

/// Each promise, and whether it is kept.
fn targets(measured: &Measured) -> String {
    let mut out = String::from(
        "\n### Targets\n\n| what is promised | measured | promised | |\n|---|---|---|---|\n",
    );
    for target in judge(measured) {
        let value = |value: f64| format!("{value:.2}{}", target.unit);
        let (word, bound) = match target.bound {
            Bound::AtMost(bound) => ("at most", bound),
            Bound::AtLeast(bound) => ("at least", bound),
        };
        let verdict = match target.is_met() {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "not measured",
        };
        let _ = writeln!(
            out,
            "| {} | {} | {word} {} | {verdict} |",
            target.promise,
            target.value.map_or_else(|| NONE.to_owned(), value),
            value(bound)
        );
    }
    out
}

pub(crate) fn peers<'a>(rows: &[&'a Row]) -> Vec<&'a str> {
    let mut peers: Vec<&str> = Vec::new();
    for row in rows {
        if !peers.contains(&row.peer.as_str()) {
            peers.push(&row.peer);
        }
    }
    peers
}

pub(crate) fn cases<'a>(rows: &[&'a Row]) -> Vec<(&'a str, Shape)> {
    let mut cases: Vec<(&str, Shape)> = Vec::new();
    for row in rows {
        let case = (row.transport.as_str(), row.shape);
        if !cases.contains(&case) {
            cases.push(case);
        }
    }
    cases
}

pub(crate) fn find<'a>(rows: &[&'a Row], case: (&str, Shape), peer: &str) -> Option<&'a Row> {
    rows.iter()
        .copied()
        .find(|row| row.transport == case.0 && row.shape == case.1 && row.peer == peer)
}

fn transports<'a>(rows: &[&'a Row]) -> Vec<&'a str> {
    let mut transports: Vec<&str> = Vec::new();
    for (transport, _) in cases(rows) {
        if !transports.contains(&transport) {
            transports.push(transport);
        }
    }
    transports
}

/// `100`, or `100, 16 in flight`.
fn sessions(shape: Shape) -> String {
    match shape.in_flight {
        1 => shape.sessions.to_string(),
        more => format!("{}, {more} in flight", shape.sessions),
    }
}

fn figure(value: Option<f64>) -> String {
    value.map_or_else(|| NONE.to_owned(), |value| format!("{value:.1}"))
}

fn times(value: Option<f64>) -> String {
    value.map_or_else(|| NONE.to_owned(), |value| format!("{value:.2}"))
}

/// A figure, and in brackets its ratio to another. A row on which something went wrong has none.
fn cell(row: Option<&Row>, scale: f64, to: Option<&Row>) -> String {
    let Some(row) = row else {
        return NONE.to_owned();
    };
    match (row.median(), to.and_then(|to| row.ratio_to(to))) {
        _ if row.wrong > 0 => format!("failed: {} wrong", row.wrong),
        (None, _) => NONE.to_owned(),
        (Some(value), Some(ratio)) => format!("{:.1} ({ratio:.2})", value / scale),
        (Some(value), None) => format!("{:.1}", value / scale),
    }
}

fn table(rows: &[&Row], scenario: &Scenario) -> String {
    let peers = peers(rows);
    let mut out = format!(
        "| transport | bytes | sessions | {} | load |\n",
        peers.join(" | ")
    );
    let _ = writeln!(out, "|---|---|---|{}---|", "---|".repeat(peers.len()));
    let compares = !scenario.name.starts_with("idle");
    for case in cases(rows) {
        let (transport, shape) = case;
        let _ = write!(
            out,
            "| {transport} | {} | {} |",
            shape.size,
            sessions(shape)
        );
        let floor = find(rows, case, FLOOR);
        for peer in &peers {
            let row = find(rows, case, peer);
            let cell = cell(row, scenario.scale, floor.filter(|_| compares));
            let _ = write!(out, " {cell} |");
        }
        let load = [GATEWAY, TWO_WORKERS]
            .iter()
            .find_map(|peer| find(rows, case, peer))
            .and_then(|row| median(&row.load));
        let _ = writeln!(out, " {} |", figure(load));
    }
    out
}

/// What the gateway spends, next to the floor of both its legs.
fn upstream(measured: &Measured, rows: &[&Row]) -> String {
    let mut out = String::from(
        "| transport | bytes | sessions | floor, without upstream | floor of both legs | sockjs-gateway | load |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for case in cases(rows) {
        let (transport, shape) = case;
        let gateway = find(rows, case, GATEWAY);
        let legs = both_legs(measured, transport, shape);
        let _ = writeln!(
            out,
            "| {transport} | {} | {} | {} | {} | {} | {} |",
            shape.size,
            sessions(shape),
            cell(find(rows, case, FLOOR), 1.0, None),
            figure(legs.as_ref().and_then(Row::median)),
            cell(gateway, 1.0, legs.as_ref()),
            figure(gateway.and_then(|row| median(&row.load)))
        );
    }
    out
}

/// What larger messages cost, for each byte.
fn bytes(measured: &Measured, rows: &[&Row]) -> String {
    const SESSIONS: usize = 100;
    let mut sizes: Vec<usize> = rows
        .iter()
        .map(|row| row.shape)
        .filter(|&shape| shape == Shape::new(shape.size, SESSIONS))
        .map(|shape| shape.size)
        .collect();
    sizes.sort_unstable();
    sizes.dedup();
    if sizes.len() < 2 {
        return String::new();
    }
    let mut out = String::from(
        "\n### What bytes cost\n\nµs of the server, 100 sessions: for each message, for each KiB of it, and for each KiB that it is \
         longer than the size before\n\n\
         | transport | bytes | floor | each KiB | KiB more | sockjs-gateway | each KiB | KiB more |\n|---|---|---|---|---|---|---|---|\n",
    );
    for transport in transports(rows) {
        let mut before: Option<usize> = None;
        for &size in &sizes {
            let kib = size as f64 / 1024.0;
            let _ = write!(out, "| {transport} | {size} |");
            for peer in [FLOOR, GATEWAY] {
                let of =
                    |size| measured.figure("echo", transport, Shape::new(size, SESSIONS), peer);
                let cost = of(size);
                let more = before.and_then(|before| {
                    Some((cost? - of(before)?) / (kib - before as f64 / 1024.0))
                });
                let each = cost.map(|cost| cost / kib);
                let _ = write!(
                    out,
                    " {} | {} | {} |",
                    figure(cost),
                    times(each),
                    times(more)
                );
            }
            out.push('\n');
            before = Some(size);
        }
    }
    out
}

/// How many sessions are opened in a second, next to sockjs-node.
fn openings(measured: &Measured, rows: &[&Row]) -> String {
    if !peers(rows).contains(&SOCKJS_NODE) {
        return String::new();
    }
    let mut out = String::from(
        "\nSessions opened in a second, and how much of its processor the load used meanwhile: where that is nearly all, the \
         gateway waited for the load, and the ratio of processor times says more\n\n\
         | transport | sockjs-gateway | load | sockjs-node | load | ratio | of processor time |\n|---|---|---|---|---|---|---|\n",
    );
    for case in cases(rows) {
        let _ = write!(out, "| {} |", case.0);
        for peer in [GATEWAY, SOCKJS_NODE] {
            let of = |name| find(rows, case, peer)?.median_of(name);
            let rate = of("per_second").map(|rate| format!("{rate:.0}"));
            let rate = rate.unwrap_or_else(|| NONE.to_owned());
            let _ = write!(out, " {rate} | {} |", times(of("load_cores")));
        }
        let of = |peer| find(rows, case, peer)?.median_of("per_second");
        let rate = of(GATEWAY).zip(of(SOCKJS_NODE));
        let rate = rate.map(|(one, other)| one / other);
        let cost = measured.ratio("connect", case.0, case.1, SOCKJS_NODE, GATEWAY);
        let _ = writeln!(out, " {} | {} |", times(rate), times(cost));
    }
    out
}

/// What follows from the costs of one and two workers.
fn workers(measured: &Measured, rows: &[&Row]) -> String {
    let mut out =
        String::from("\nThe throughput of two workers that follows, or was measured:\n\n");
    for transport in transports(rows) {
        let of = |peer| {
            let shape = rows.first()?.shape;
            measured.figure("workers", transport, shape, peer)
        };
        let _ = writeln!(
            out,
            "- {transport}: {} times that of one; a message costs {} µs with one and {} µs with two",
            times(scaling(measured, transport)),
            figure(of(ONE_WORKER)),
            figure(of(TWO_WORKERS))
        );
    }
    out
}

/// A scenario's figure, and others of its turns.
fn with_others(scenario: &Scenario, rows: &[&Row], others: &[&str]) -> String {
    let heads: Vec<&str> = others
        .iter()
        .map(|name| match *name {
            "fewest" => "fewest in a second",
            "most" => "most in a second",
            "all" => "heartbeats",
            "p50" => "half of them",
            "max" => "the longest",
            "late_p99" => "of that before they were sent",
            "cores" => "processors of the server",
            "opened" => "opened",
            "before" => "MiB before",
            "after" => "MiB after",
            other => other,
        })
        .collect();
    let mut out = format!(
        "| server | transport | sessions | figure | {} |\n|---|---|---|---|{}\n",
        heads.join(" | "),
        "---|".repeat(others.len())
    );
    for row in rows {
        let value = row.median().map(|value| value / scenario.scale);
        let _ = write!(
            out,
            "| {} | {} | {} | {} |",
            row.peer,
            row.transport,
            row.shape.sessions,
            if row.wrong > 0 {
                format!("failed: {} wrong", row.wrong)
            } else {
                times(value)
            }
        );
        for name in others {
            let value = row.median_of(name);
            let shown = match *name {
                "before" | "after" => figure(value.map(|bytes| bytes / f64::from(1 << 20))),
                "cores" => times(value),
                "opened" | "fewest" | "most" | "all" => {
                    value.map_or_else(|| NONE.to_owned(), |value| format!("{value:.0}"))
                }
                _ => figure(value),
            };
            let _ = write!(out, " {shown} |");
        }
        out.push('\n');
    }
    out
}
