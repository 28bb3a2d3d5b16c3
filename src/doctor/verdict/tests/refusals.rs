//! What the gateway says itself, and no proxy has to do with.

use super::*;

/// `name` got the close frame `code`, before it was open or after.
fn ended(report: &mut Report, name: &str, outcome: Outcome, code: u16, reason: &str) {
    fail(report, name, outcome);
    let tested = report
        .transports
        .iter_mut()
        .find(|tested| tested.name == name);
    let tested = tested.expect("every transport is tested");
    tested.error = Some(format!("closed by the server: {code} {reason}"));
    tested.close = Some(Close {
        code: Some(code),
        reason: reason.into(),
        clean: true,
        after_ms: Some(12.0),
    });
}

/// As a service without a doctor is seen: nothing is known of what came there.
fn ended_everywhere(report: &mut Report, seen: &mut Seen, code: u16, reason: &str) {
    fail_all(report, Outcome::Dies);
    for name in TRANSPORTS {
        ended(report, name, Outcome::Dies, code, reason);
    }
    *seen = Seen::default();
}

/// The code, what it means and what to change; and nothing of networks, proxies and WebSocket.
#[test]
fn named_refusal_is_told_in_place_of_guesses() {
    for (code, reason, title, how) in [
        (
            1014,
            "Upstream refused the connection",
            "the upstream cannot be reached",
            "--deep",
        ),
        (
            1014,
            "Upstream answered 403",
            "status 403",
            "upstream.headers",
        ),
        (4401, "Unauthorized", "does not know who asks", "--header"),
        (4402, "Token expired", "the token has expired", "leeway"),
        (
            4503,
            "Authentication unavailable",
            "who may come in",
            "--deep",
        ),
        (1012, "Service restart", "no new sessions", "undrain"),
        (
            1013,
            "Too many sessions",
            "as many sessions",
            "max_sessions",
        ),
        (1001, "Service removed", "taken away", "[[service]]"),
    ] {
        for outcome in [Outcome::Refused, Outcome::Dies] {
            let verdict = judged(|report, seen| {
                ended_everywhere(report, seen, code, reason);
                report
                    .transports
                    .iter_mut()
                    .for_each(|tested| tested.outcome = outcome);
            });
            let found = find(&verdict, "session-refused").expect("is found");
            assert_eq!(found.severity, Severity::Problem);
            assert!(found.title.contains(title), "{found:#?}");
            assert!(found.title.contains(&code.to_string()), "{found:#?}");
            assert!(found.evidence.contains(reason), "{found:#?}");
            assert_eq!(places(found), ["sockjs-gateway"], "{found:#?}");
            assert!(found.advice[0].how.contains(how), "{found:#?}");
            assert!(!verdict.works && verdict.best.is_none());
            let problems = verdict.findings.iter();
            let problems = problems.filter(|finding| finding.severity == Severity::Problem);
            assert_eq!(problems.count(), 1, "{verdict:#?}");
            assert!(
                verdict.summary.contains("Your network is not the reason")
                    && verdict.summary.contains(title),
                "{}",
                verdict.summary
            );
        }
    }
}

/// What a service closes with by its own choice, and what a cut connection leaves, is no refusal of the gateway's.
#[test]
fn other_ends_are_not_taken_for_refusals() {
    for (code, reason) in [
        (3000, "Go away!"),
        (1002, "Connection interrupted"),
        (1006, ""),
    ] {
        let verdict = judged(|report, seen| ended_everywhere(report, seen, code, reason));
        assert!(find(&verdict, "session-refused").is_none(), "{verdict:#?}");
        assert!(find(&verdict, "nothing-works").is_some(), "{verdict:#?}");
    }
}

/// A WebSocket that a proxy stops is still found where the other transports are refused by the gateway.
#[test]
fn network_and_gateway_can_both_stand_in_the_way() {
    let verdict = judged(|report, seen| {
        ended_everywhere(report, seen, 4401, "Unauthorized");
        fail(report, "websocket", Outcome::Refused);
        report.transports[0].status = Some(400);
    });
    assert!(find(&verdict, "session-refused").is_some(), "{verdict:#?}");
    assert!(
        find(&verdict, "websocket-blocked").is_some(),
        "{verdict:#?}"
    );
    assert!(find(&verdict, "nothing-works").is_none(), "{verdict:#?}");
}

/// A limit that is reached in the middle of a run refuses the last transports only.
#[test]
fn refusal_of_some_is_told_and_the_rest_works() {
    let verdict = judged(|report, _| {
        let reason = "Too many new sessions a second";
        ended(report, "jsonp-polling", Outcome::Refused, 1013, reason);
    });
    let found = find(&verdict, "session-refused").expect("is found");
    assert!(found.evidence.starts_with("jsonp-polling: "), "{found:#?}");
    assert!(
        find(&verdict, "transports-failing").is_none(),
        "{verdict:#?}"
    );
    assert!(verdict.works);
}

/// An upstream that is dialled for ten seconds shows in the silence only.
#[test]
fn refusal_in_the_silence_is_told() {
    let late = |code: u16, reason: &'static str| {
        move |report: &mut Report, seen: &mut Seen| {
            *seen = Seen::default();
            report.untested = vec!["messages".into()];
            for idle in &mut report.idle {
                *idle = lost(&idle.transport, 9.6, 0.0);
                idle.how = Some("clean".into());
                idle.close = Some(Close {
                    code: Some(code),
                    reason: reason.into(),
                    clean: true,
                    after_ms: None,
                });
            }
        }
    };
    let reason = "Upstream did not answer in time";
    let verdict = judged(late(1014, reason));
    let found = find(&verdict, "session-refused").expect("is found");
    assert!(
        found.title.contains("the upstream does not answer"),
        "{found:#?}"
    );
    assert!(find(&verdict, "idle-cut").is_none(), "{verdict:#?}");
    assert!(!verdict.works);
    let elsewhere = judged(late(3000, "Go away!"));
    assert!(
        find(&elsewhere, "session-refused").is_none(),
        "{elsewhere:#?}"
    );
}

/// The gateway's 403 names itself, also where it tells nothing of what it saw.
#[test]
fn refused_origin_is_known_by_its_answer() {
    let verdict = judged(|report, seen| {
        *seen = Seen::default();
        report.agent = "terminal".into();
        report.origin = Some("https://evil.example".into());
        report.transports.clear();
        report.idle.clear();
        let info = info(report);
        info.round_trips_ms.clear();
        (info.status, info.cause) = (Some(403), Some(Cause::Origin));
        info.error = Some("http status 403".into());
    });
    let found = find(&verdict, "origin-refused").expect("is found");
    assert!(found.what.contains("https://evil.example"), "{found:#?}");
    assert_eq!(places(found), ["sockjs-gateway"], "{found:#?}");
    assert!(
        found.advice[0]
            .how
            .contains("`origins = [\"https://evil.example\"]`"),
        "{found:#?}"
    );
    assert!(find(&verdict, "nothing-works").is_none(), "{verdict:#?}");
    assert!(!verdict.works);

    // The service's own page is refused only by what changes `Host` on the way.
    let verdict = judged(|report, seen| {
        *seen = Seen::default();
        fail_all(report, Outcome::Refused);
        for tested in &mut report.transports {
            (tested.status, tested.cause) = (Some(403), Some(Cause::Origin));
        }
    });
    let found = find(&verdict, "origin-refused").expect("is found");
    assert!(found.advice[0].how.contains("Host"), "{found:#?}");
    assert!(
        find(&verdict, "websocket-blocked").is_none(),
        "{verdict:#?}"
    );
}

/// Plain http at a port for TLS is a wrong address, not a block.
#[test]
fn plain_http_at_a_port_for_tls_is_named() {
    let verdict = judged(|report, seen| {
        *seen = Seen::default();
        report.url = Some("http://app.example:8443/live".into());
        report.transports.clear();
        let info = info(report);
        info.round_trips_ms.clear();
        (info.status, info.cause) = (None, Some(Cause::Https));
        info.error = Some("what answers there speaks TLS".into());
    });
    let found = find(&verdict, "nothing-works").expect("is found");
    assert!(found.title.contains("https"), "{found:#?}");
    assert!(
        found.advice[0]
            .how
            .contains("`https://app.example:8443/live`"),
        "{found:#?}"
    );
    assert!(
        !found
            .advice
            .iter()
            .any(|advice| advice.how.contains("blocked")),
        "{found:#?}"
    );
}

/// A test of a size that the gateway ended says nothing about sizes.
#[test]
fn refused_tests_of_sizes_are_not_a_matter_of_size() {
    for error in [
        "closed by the server: 1013 Too many sessions",
        "Too many sessions",
    ] {
        let verdict = judged(|report, seen| {
            ended_everywhere(report, seen, 1013, "Too many sessions");
            report.upload = vec![Upload {
                bytes: 4096.0,
                ok: false,
                error: Some(error.to_owned()),
                ..Upload::default()
            }];
        });
        assert!(find(&verdict, "session-refused").is_some(), "{error}");
        assert!(find(&verdict, "upload-limited").is_none(), "{error}");
    }
}
