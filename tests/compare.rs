//! What the comparison of `benches/compare` computes: a bench with a `main` of its own runs no unit tests, so they run here.

use std::collections::BTreeMap;

use figures::{Machine, Measured, Row, Shape, wrong_in};
use serde_json::json;
use targets::{
    Bound, FLOOR, GATEWAY, ONE_WORKER, RELAY, TWO_WORKERS, Target, both_legs, judge, scaling,
};

#[allow(dead_code, reason = "the bench uses the rest")]
#[path = "../benches/compare/figures.rs"]
mod figures;
#[allow(dead_code, reason = "the bench uses the rest")]
#[path = "../benches/compare/targets.rs"]
mod targets;

const SMALL: Shape = Shape::new(64, 100);
const MANY: Shape = Shape::new(64, 1000);

#[test]
fn shapes_are_read_as_they_are_written() {
    let shape = Shape {
        in_flight: 16,
        ..Shape::new(64, 100)
    };
    for (text, expected) in [("64x100*16", shape), ("4096x10", Shape::new(4096, 10))] {
        assert_eq!(text.parse(), Ok(expected));
        assert_eq!(expected.to_string(), text);
    }
    for wrong in [
        "", "64", "64x", "x100", "64x100*", "64*2x100", "0x100", "64x0", "64x1*0",
    ] {
        assert!(wrong.parse::<Shape>().is_err(), "{wrong}");
    }
}

#[test]
fn what_went_wrong_has_no_figure() {
    let mut row = Row {
        scenario: "echo".to_owned(),
        transport: "websocket".to_owned(),
        shape: Shape::new(64, 100),
        peer: "floor".to_owned(),
        turns: vec![3.0, 1.0, 2.0],
        load: Vec::new(),
        also: BTreeMap::from([("p99".to_owned(), vec![7.0])]),
        wrong: 0,
    };
    assert_eq!(row.median(), Some(2.0));
    assert_eq!(row.median_of("p99"), Some(7.0));
    assert_eq!(row.median_of("p50"), None);
    row.wrong = 1;
    assert_eq!(row.median(), None);
    assert_eq!(row.median_of("p99"), None);
}

fn measured(rows: &[(&str, &str, Shape, &str, f64)]) -> Measured {
    let rows = rows
        .iter()
        .map(|&(scenario, transport, shape, peer, value)| Row {
            scenario: scenario.to_owned(),
            transport: transport.to_owned(),
            shape,
            peer: peer.to_owned(),
            turns: vec![value],
            load: Vec::new(),
            also: BTreeMap::new(),
            wrong: 0,
        });
    Measured {
        machine: Machine {
            processor: "a".to_owned(),
            processors: 2,
            memory_gib: 1,
            kernel: "b".to_owned(),
        },
        rounds: 1,
        seconds: 1,
        versions: Vec::new(),
        rows: rows.collect(),
    }
}

fn target(measured: &Measured, promise: &str) -> Target {
    let targets = judge(measured);
    let mut found = targets
        .into_iter()
        .filter(|one| one.promise.contains(promise));
    let target = found.next().expect("there is such a promise");
    assert_eq!(found.next(), None, "{promise} is said of one");
    target
}

#[test]
fn what_was_not_measured_is_neither_met_nor_missed() {
    let targets = judge(&measured(&[]));
    assert!(targets.len() > 40);
    assert!(targets.iter().all(|target| target.is_met().is_none()));
}

#[test]
fn a_bound_itself_keeps_the_promise() {
    for (cost, met) in [(11.5, true), (11.6, false)] {
        let measured = measured(&[
            ("echo", "raw-websocket", SMALL, GATEWAY, cost),
            ("echo", "raw-websocket", SMALL, FLOOR, 10.0),
        ]);
        let target = target(&measured, "echo, raw-websocket, 64x100, to the floor");
        assert_eq!(target.is_met(), Some(met), "{target:?}");
    }
    assert!(Bound::AtLeast(3.0).holds(3.0) && !Bound::AtLeast(3.0).holds(2.9));
}

#[test]
fn errors_leave_no_judgement() {
    let mut measured = measured(&[
        ("echo", "websocket", SMALL, GATEWAY, 1.0),
        ("echo", "websocket", SMALL, FLOOR, 1.0),
    ]);
    measured.rows[0].wrong = 1;
    let target = target(&measured, "echo, websocket, 64x100, to the floor");
    assert_eq!(target.is_met(), None);
    assert_eq!(measured.failures().len(), 1);
}

/// The machine was half as fast for most turns of the one and most of the other, but not for the same.
#[test]
fn a_ratio_is_that_of_turns_that_follow_each_other() {
    let mut measured = measured(&[
        ("echo", "websocket", SMALL, GATEWAY, 0.0),
        ("echo", "websocket", SMALL, FLOOR, 0.0),
    ]);
    measured.rows[0].turns = vec![12.0, 24.0, 24.0];
    measured.rows[1].turns = vec![10.0, 20.0, 10.0];
    let ratio = |measured: &Measured| measured.ratio("echo", "websocket", SMALL, GATEWAY, FLOOR);
    assert_eq!(ratio(&measured), Some(1.2));
    measured.rows[1].turns = vec![10.0, 20.0];
    assert_eq!(
        ratio(&measured),
        Some(1.2),
        "of medians, where turns are missing"
    );
    measured.rows[1].turns = vec![0.0, 0.0];
    assert_eq!(ratio(&measured), None);
}

/// On HTTP the upstream's leg is what a relay of raw WebSockets spends more than an echo.
#[test]
fn the_floor_of_an_upstream_has_both_legs() {
    let measured = measured(&[
        ("upstream", "raw-websocket", SMALL, FLOOR, 6.0),
        ("upstream", "raw-websocket", SMALL, RELAY, 13.0),
        ("upstream", "xhr-polling", SMALL, FLOOR, 12.0),
        ("upstream", "xhr-polling", SMALL, GATEWAY, 38.0),
    ]);
    let legs = |transport| both_legs(&measured, transport, SMALL)?.median();
    assert_eq!(legs("raw-websocket"), Some(13.0));
    assert_eq!(legs("xhr-polling"), Some(19.0));
    assert_eq!(legs("websocket"), None);
    let target = target(&measured, "upstream, xhr-polling, 64x100");
    assert_eq!((target.value, target.is_met()), (Some(2.0), Some(false)));
}

/// Measured throughput wins over what follows from costs.
#[test]
fn two_workers_are_twice_one_but_for_what_sharing_costs() {
    let costs = [
        ("workers", "websocket", SMALL, ONE_WORKER, 9.0),
        ("workers", "websocket", SMALL, TWO_WORKERS, 10.0),
    ];
    assert_eq!(scaling(&measured(&costs), "websocket"), Some(1.8));
    let throughput = [
        ("workers-throughput", "websocket", MANY, ONE_WORKER, 100.0),
        ("workers-throughput", "websocket", MANY, TWO_WORKERS, 150.0),
    ];
    let both = [costs, throughput].concat();
    assert_eq!(scaling(&measured(&both), "websocket"), Some(1.5));
}

/// Fewer sessions for want of connections still count, and a tenth of them do not.
#[test]
fn ten_thousand_sessions_are_nearly_that_many() {
    let rows = |sessions| {
        [
            ("echo", "xhr-polling", SMALL, GATEWAY, 20.0),
            (
                "echo",
                "xhr-polling",
                Shape::new(64, sessions),
                GATEWAY,
                25.0,
            ),
            (
                "idle",
                "xhr-polling",
                Shape::new(0, sessions),
                GATEWAY,
                4096.0,
            ),
        ]
    };
    let (enough, few) = (measured(&rows(9_950)), measured(&rows(1_000)));
    let promise = "echo, xhr-polling, 64 bytes, 10 000 sessions to 100";
    assert_eq!(target(&enough, promise).value, Some(1.25));
    assert_eq!(target(&few, promise).value, None);
    let promise = "idle, xhr-polling, its poll waiting";
    assert_eq!(target(&enough, promise).value, Some(4.0));
    assert_eq!(target(&few, promise).value, None);
}

/// A server that did not do what it was asked for is not compared with one that did.
#[test]
fn everything_that_went_wrong_counts() {
    let good = json!({
        "scenario": "echo",
        "sessions": {"wanted": 2, "opened": 2, "failed": 0, "ended": 0},
        "messages": {"lost": 0, "reordered": 0, "duplicated": 0, "sent": 990, "unsent": 10},
    });
    assert_eq!(wrong_in(&good, true), 0);
    for (field, wrong) in [
        ("/messages/lost", 1),
        ("/messages/reordered", 1),
        ("/messages/duplicated", 1),
        ("/sessions/failed", 1),
        ("/sessions/ended", 1),
        ("/sessions/opened", 1),
        ("/messages/unsent", 11),
    ] {
        let mut report = good.clone();
        let value = report.pointer_mut(field).expect("there is such a field");
        let count = value.as_u64().expect("it is a number");
        *value = if field == "/sessions/opened" {
            json!(count - 1)
        } else {
            json!(count + 1)
        };
        assert_eq!(wrong_in(&report, true), wrong, "{field}");
    }
    // Without a rate to keep, nothing is late.
    let mut late = good;
    late["messages"]["unsent"] = json!(500);
    assert_eq!(wrong_in(&late, false), 0);
}

/// Latencies of a machine that has no time are not the gateway's.
#[test]
fn info_is_not_judged_where_the_floor_is_too_slow_itself() {
    for (floor, value) in [(900.0, Some(3.0)), (1100.0, None)] {
        let measured = measured(&[
            ("info", "websocket", MANY, GATEWAY, 3000.0),
            ("info", "websocket", MANY, FLOOR, floor),
        ]);
        assert_eq!(target(&measured, "/info while").value, value);
    }
}
