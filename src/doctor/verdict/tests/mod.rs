//! Every finding, with a report that calls for it and one that nearly does.

use crate::doctor::report::*;
use crate::doctor::seen::{Seen, SeenRequest, ServiceFacts};

use super::*;

mod connections;
mod flow;
mod refusals;

const RUN: &str = "0123456789abcdef";

fn tested(name: &str) -> Tested {
    let streaming = STREAMING.contains(&name);
    Tested {
        name: name.to_owned(),
        outcome: Outcome::Works,
        opened_ms: Some(if name == "websocket" { 30.0 } else { 20.0 }),
        echo_ms: vec![21.0, 20.0, 22.0, 19.0, 24.0],
        paced_ms: (0..5)
            .map(|index| f64::from(index) * 300.0 + if streaming { 12.0 } else { 11.0 })
            .collect(),
        ..Tested::default()
    }
}

fn handshake(status: u16) -> SeenRequest {
    SeenRequest {
        http_version: "1.1".into(),
        peer: Some("10.0.0.7".into()),
        host: Some("app.example".into()),
        headers: [
            ("upgrade", "websocket"),
            ("connection", "Upgrade"),
            ("host", "app.example"),
            ("origin", "https://app.example"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into(),
        transport: Some("websocket".into()),
        kind: Some("receive".into()),
        session: Some(1),
        at_ms: Some(0),
        status: Some(status),
        ..SeenRequest::default()
    }
}

fn poll() -> SeenRequest {
    SeenRequest {
        transport: Some("xhr-polling".into()),
        session: Some(2),
        ..handshake(200)
    }
}

/// 32 pieces, each `late` after it was sent.
fn drip(late: impl Fn(usize) -> f64) -> Vec<(f64, f64)> {
    (0..32)
        .map(|index| {
            (
                15.0 + 50.0 * index as f64 + late(index),
                1024.0 * (index + 1) as f64,
            )
        })
        .collect()
}

/// As `drip`, where a piece waits until `size` of them are there.
fn blocks(size: usize) -> Vec<(f64, f64)> {
    (0..32)
        .filter(|index| (index + 1) % size == 0)
        .map(|index| (15.0 + 50.0 * index as f64, 1024.0 * (index + 1) as f64))
        .collect()
}

fn idle(transport: &str) -> Idle {
    Idle {
        transport: transport.into(),
        survived_s: Some(60.0),
        ..Idle::default()
    }
}

fn lost(transport: &str, after: f64, survived: f64) -> Idle {
    Idle {
        transport: transport.into(),
        survived_s: Some(survived),
        lost_after_s: Some(after),
        how: Some("abrupt".into()),
        ..Idle::default()
    }
}

/// A run in which everything is as it should be.
fn good() -> (Report, Seen) {
    let report = Report {
        schema: 1,
        run: RUN.into(),
        agent: "page".into(),
        url: Some("https://app.example/echo/doctor".into()),
        info: Some(Info {
            round_trips_ms: vec![30.0, 10.0, 11.0, 10.0, 12.0],
            status: Some(200),
            websocket: Some(true),
            http_version: Some("http/1.1".into()),
            cors: Some("ok".into()),
            ..Info::default()
        }),
        stream: Some(Stream {
            drip: Some(Drip {
                arrivals: drip(|_| 0.0),
                status: Some(200),
                ..Drip::default()
            }),
            tail: Some(Tail {
                arrivals: vec![(12.0, 6144.0)],
                error: None,
            }),
        }),
        transports: TRANSPORTS.map(tested).into(),
        upload: [4096.0, 65536.0, 524_288.0]
            .map(|bytes| Upload {
                bytes,
                ok: true,
                ms: Some(20.0),
                status: Some(204),
                error: None,
            })
            .into(),
        download: [65536.0, 524_288.0, 1_048_576.0]
            .map(|bytes| Download {
                bytes,
                ok: true,
                ms: Some(20.0),
                error: None,
            })
            .into(),
        idle: ["websocket", "xhr-streaming", "xhr-polling"]
            .map(idle)
            .into(),
        busy: Some(Busy {
            survived_s: Some(100.0),
            ..Busy::default()
        }),
        cookies: Some(Cookies {
            first_party: Some(true),
            iframe: Some(true),
        }),
        ..Report::default()
    };
    let mut request = handshake(200);
    (request.transport, request.kind, request.session) = (None, None, None);
    request.secure = true;
    request.headers.remove("upgrade");
    let seen = Seen {
        request: Some(request),
        requests: vec![handshake(101), poll()],
        service: Some(ServiceFacts {
            websocket: true,
            heartbeat_s: Some(25.0),
            adaptive: false,
            transports: None,
        }),
    };
    (report, seen)
}

fn judged(change: impl FnOnce(&mut Report, &mut Seen)) -> Verdict {
    let (mut report, mut seen) = good();
    change(&mut report, &mut seen);
    // What is judged went through JSON.
    let json = serde_json::to_vec(&report).expect("is JSON");
    let verdict = judge(&Report::parse(&json).expect("a report"), &seen);
    for finding in &verdict.findings {
        assert!(
            !finding.title.is_empty() && !finding.what.is_empty(),
            "{finding:?}"
        );
        assert!(!finding.title.ends_with('.'), "{finding:?}");
        assert!(finding.what.ends_with('.'), "{finding:?}");
        assert!(
            finding.severity != Severity::Problem || !finding.advice.is_empty(),
            "a problem without advice: {finding:?}"
        );
        for text in [&finding.title, &finding.what, &finding.evidence] {
            assert!(!text.contains("  ") && !text.contains(" ."), "{finding:?}");
        }
        let mut places: Vec<_> = finding.advice.iter().map(|advice| &advice.place).collect();
        let all = places.len();
        places.sort_unstable();
        places.dedup();
        assert!(
            places.len() == all || finding.id == "origin-refused",
            "advice twice: {finding:?}"
        );
    }
    verdict
}

fn find<'a>(verdict: &'a Verdict, id: &str) -> Option<&'a Finding> {
    verdict.findings.iter().find(|finding| finding.id == id)
}

/// `change` calls for the finding, `near` does not.
#[track_caller]
fn finds(
    id: &str,
    severity: Severity,
    change: impl FnOnce(&mut Report, &mut Seen),
    near: impl FnOnce(&mut Report, &mut Seen),
) -> Finding {
    let verdict = judged(change);
    let found = find(&verdict, id).unwrap_or_else(|| panic!("{id} is missing: {verdict:#?}"));
    assert_eq!(found.severity, severity, "{found:#?}");
    let all_good = find(&verdict, "all-good").is_some();
    assert!(!all_good || severity != Severity::Problem, "{verdict:#?}");
    let miss = judged(near);
    assert!(find(&miss, id).is_none(), "{id} is found: {miss:#?}");
    found.clone()
}

fn fail(report: &mut Report, name: &str, outcome: Outcome) {
    let tested = report
        .transports
        .iter_mut()
        .find(|tested| tested.name == name);
    let tested = tested.expect("every transport is tested");
    *tested = Tested {
        name: name.into(),
        outcome,
        close: Some(Close {
            code: Some(1006),
            after_ms: Some(12.0),
            ..Close::default()
        }),
        ..Tested::default()
    };
}

fn fail_all(report: &mut Report, outcome: Outcome) {
    TRANSPORTS
        .iter()
        .for_each(|name| fail(report, name, outcome));
    report.idle.clear();
    report.busy = None;
    report.upload.clear();
    report.download.clear();
}

fn places(finding: &Finding) -> Vec<&str> {
    finding
        .advice
        .iter()
        .map(|advice| advice.place.as_str())
        .collect()
}

fn info(report: &mut Report) -> &mut Info {
    report.info.as_mut().expect("is there")
}

fn drip_of(report: &mut Report) -> &mut Drip {
    let stream = report.stream.as_mut().expect("is there");
    stream.drip.as_mut().expect("is there")
}

fn nothing(_: &mut Report, _: &mut Seen) {}

#[test]
fn good_run_is_all_good() {
    let verdict = judged(nothing);
    let ids: Vec<_> = verdict
        .findings
        .iter()
        .map(|finding| finding.id.as_str())
        .collect();
    assert_eq!(
        ids,
        [
            "all-good",
            "websocket-works",
            "idle-survived",
            "stream-flows"
        ]
    );
    assert_eq!(
        verdict.summary,
        "Everything works from your network. Over WebSocket a message takes 21 ms there and back."
    );
    let best = verdict.best.expect("works");
    assert_eq!(
        (best.transport.as_str(), best.open_ms, best.message_ms),
        ("websocket", Some(30.0), Some(21.0))
    );
}

/// Nothing panics and nothing is claimed when hardly anything is known.
#[test]
fn empty_report_is_judged() {
    let report = Report {
        schema: 1,
        run: RUN.into(),
        ..Report::default()
    };
    let verdict = judge(&report, &Seen::default());
    assert!(!verdict.works);
    assert_eq!(verdict.findings.len(), 1, "{verdict:#?}");
    let numbers = br#"{"schema":1,"run":"0123456789abcdef","info":{"round_trips_ms":[-5,1e308]},
        "stream":{"drip":{"arrivals":[[0,1e308],[-1,-1]]},"tail":{"arrivals":[[-1e308,0],[1e308,6144]]}},
        "transports":[{"name":"xhr-streaming","outcome":"works","paced_ms":[-1e308,1e308,0],"echo_ms":[1e308]}],
        "upload":[{"bytes":-1}],"idle":[{"lost_after_s":-3},{"lost_after_s":1e308}],"busy":{"lost_after_s":0}}"#;
    judge(&Report::parse(numbers).expect("a report"), &Seen::default());
}
