//! Whether connections come about: WebSocket, origins, several servers, who stands between.

use super::*;

#[test]
fn websocket_whose_request_came_without_upgrade() {
    let stripped = |report: &mut Report, seen: &mut Seen| {
        fail(report, "websocket", Outcome::Refused);
        seen.requests[0].status = Some(400);
        seen.requests[0].headers.remove("upgrade");
        seen.requests[0]
            .headers
            .insert("connection".into(), "close".into());
    };
    let finding = finds(
        "websocket-stripped",
        Severity::Problem,
        stripped,
        |report, seen| {
            stripped(report, seen);
            seen.requests[0]
                .headers
                .insert("upgrade".into(), "websocket".into());
            seen.requests[0]
                .headers
                .insert("connection".into(), "keep-alive, Upgrade".into());
        },
    );
    assert!(
        finding
            .evidence
            .contains("no upgrade and connection: close, answered 400"),
        "{finding:#?}"
    );
    assert!(places(&finding).contains(&"nginx"));
    // https: nothing on the user's side can do this.
    let users_side = ["whoever runs the site", "your network's administrator"];
    assert!(
        !places(&finding)
            .iter()
            .any(|place| users_side.contains(place)),
        "{finding:#?}"
    );
    let plain = judged(|report, seen| {
        stripped(report, seen);
        report.url = Some("http://app.example/echo/doctor".into());
    });
    let finding = find(&plain, "websocket-stripped").expect("is found");
    assert!(
        users_side
            .iter()
            .all(|place| places(finding).contains(place)),
        "{finding:#?}"
    );
    let verdict = judged(stripped);
    assert!(
        verdict.summary.starts_with(
            "Live connections work from your network, but not in the best way. A proxy removes"
        ),
        "{}",
        verdict.summary
    );
}

#[test]
fn websocket_asked_for_in_http_1_0() {
    let old = |report: &mut Report, seen: &mut Seen| {
        fail(report, "websocket", Outcome::Refused);
        seen.requests[0].status = Some(400);
        seen.requests[0].http_version = "1.0".into();
    };
    let finding = finds(
        "websocket-http10",
        Severity::Problem,
        old,
        |report, seen| {
            old(report, seen);
            seen.requests[0].headers.remove("upgrade");
        },
    );
    assert!(finding.advice[0].how.contains("proxy_http_version 1.1;"));
    // This gateway accepts the old version; that it is old is worth knowing all the same.
    let verdict = judged(|_, seen| seen.requests[0].http_version = "1.0".into());
    let noted = find(&verdict, "websocket-http10").expect("is noted");
    assert_eq!(noted.severity, Severity::Note);
    assert!(noted.advice[0].how.contains("proxy_http_version 1.1;"));
}

#[test]
fn websocket_that_never_came() {
    let never = |outcome| {
        move |report: &mut Report, seen: &mut Seen| {
            fail(report, "websocket", outcome);
            seen.requests = vec![poll()];
        }
    };
    let blocked = finds(
        "websocket-blocked",
        Severity::Problem,
        never(Outcome::Refused),
        never(Outcome::Timeout),
    );
    assert!(places(&blocked).contains(&"your network's administrator"));
    let swallowed = finds(
        "websocket-swallowed",
        Severity::Problem,
        never(Outcome::Timeout),
        never(Outcome::Refused),
    );
    // A proxy of the site that lacks a setting answers; it does not keep silent.
    assert_eq!(places(&swallowed), ["your network's administrator"]);
    // Squid says that it is there: its rule first.
    let verdict = judged(|report, seen| {
        never(Outcome::Refused)(report, seen);
        let request = seen.request.as_mut().expect("is there");
        request
            .headers
            .insert("via".into(), "1.1 proxy.example (squid/5.7)".into());
    });
    let blocked = find(&verdict, "websocket-blocked").expect("is found");
    assert_eq!(blocked.advice[0].place, "Squid");
    assert!(blocked.advice[0].how.contains("SSL_ports"));
}

/// What another gateway got, or what is no longer known, is not taken for what never came.
#[test]
fn nothing_seen_of_what_worked_is_not_taken_for_nothing_came() {
    for (outcome, id) in [
        (Outcome::Refused, "websocket-blocked"),
        (Outcome::Timeout, "websocket-swallowed"),
    ] {
        let unknown = judged(|report, seen| {
            fail(report, "websocket", outcome);
            seen.requests.clear();
        });
        let found = find(&unknown, id).expect("is found");
        for text in [&found.what, &found.evidence] {
            assert!(
                !text.contains("server never saw") && !text.contains("reached the server"),
                "{found:#?}"
            );
        }
        let one = |advice: &Advice| advice.how.contains("one gateway");
        assert!(found.advice.iter().any(one), "{found:#?}");
    }
}

#[test]
fn websocket_whose_answer_is_lost() {
    let lost = |report: &mut Report, _: &mut Seen| fail(report, "websocket", Outcome::Timeout);
    finds(
        "websocket-answer-lost",
        Severity::Problem,
        lost,
        |report, seen| {
            lost(report, seen);
            seen.requests = vec![poll()];
        },
    );
}

#[test]
fn websocket_that_breaks_after_opening() {
    let with = |outcome| {
        move |report: &mut Report, _: &mut Seen| {
            fail(report, "websocket", outcome);
            report.transports[0].opened_ms = Some(20.0);
        }
    };
    finds(
        "websocket-killed",
        Severity::Problem,
        with(Outcome::Dies),
        with(Outcome::Stalls),
    );
    finds(
        "websocket-stalls",
        Severity::Problem,
        with(Outcome::Stalls),
        with(Outcome::Dies),
    );
}

#[test]
fn websocket_that_is_off_or_unknown() {
    let off = |_: &mut Report, seen: &mut Seen| {
        seen.service.as_mut().expect("is there").websocket = false;
    };
    let finding = finds("websocket-off", Severity::Note, off, nothing);
    assert!(finding.advice[0].how.contains("websocket = true"));
    assert_eq!(judged(off).best.expect("works").transport, "xhr-streaming");
    let listed = finds(
        "websocket-off",
        Severity::Note,
        |_, seen| {
            seen.service.as_mut().expect("is there").transports = Some(vec!["xhr-polling".into()])
        },
        |_, seen| {
            seen.service.as_mut().expect("is there").transports = Some(vec!["websocket".into()])
        },
    );
    assert!(listed.advice[0].how.contains("transports"));
    // Of a service without a doctor only /info tells.
    let elsewhere = |report: &mut Report, seen: &mut Seen| {
        *seen = Seen::default();
        info(report).websocket = Some(false);
        fail(report, "websocket", Outcome::Refused);
    };
    finds("websocket-off", Severity::Note, elsewhere, |_, seen| {
        *seen = Seen::default()
    });
    assert!(find(&judged(elsewhere), "websocket-blocked").is_none());
    finds(
        "websocket-unsupported",
        Severity::Note,
        |report, _| fail(report, "websocket", Outcome::Unsupported),
        |report, _| fail(report, "websocket", Outcome::Skipped),
    );
}

#[test]
fn websocket_refused_where_the_server_tells_nothing() {
    let refused = |report: &mut Report, seen: &mut Seen| {
        *seen = Seen::default();
        report.agent = "terminal".into();
        fail(report, "websocket", Outcome::Refused);
        report.transports[0].status = Some(400);
    };
    let finding = finds(
        "websocket-blocked",
        Severity::Problem,
        refused,
        |_, seen| *seen = Seen::default(),
    );
    assert!(finding.what.contains("status 400"), "{finding:#?}");
    assert!(
        finding.evidence.starts_with("this computer: answered 400"),
        "{finding:#?}"
    );
}

#[test]
fn caches_and_permissions() {
    finds(
        "info-cached",
        Severity::Problem,
        |report, _| info(report).cached = true,
        nothing,
    );
    let cors = |state: &'static str| {
        move |report: &mut Report, _: &mut Seen| info(report).cors = Some(state.into())
    };
    finds(
        "cors-duplicate",
        Severity::Problem,
        cors("duplicate"),
        cors("ok"),
    );
    finds(
        "cors-missing",
        Severity::Note,
        cors("missing"),
        |report, _| info(report).cors = None,
    );
}

#[test]
fn sessions_that_reach_two_servers() {
    let split = |report: &mut Report, _: &mut Seen| {
        fail(report, "xhr-polling", Outcome::Dies);
        report.transports[4].status = Some(404);
        report.transports[4].opened_ms = Some(20.0);
    };
    let finding = finds("two-servers", Severity::Problem, split, |report, _| {
        // Ended for another reason.
        fail(report, "xhr-polling", Outcome::Dies);
        report.transports[4].opened_ms = Some(20.0);
    });
    assert!(
        finding
            .advice
            .iter()
            .any(|advice| advice.how.contains("balance uri depth 3"))
    );
    assert!(
        finding
            .what
            .ends_with("WebSocket is not affected: it is a single connection."),
        "{finding:#?}"
    );
    // This server has seen all of the session, and ended it.
    let ended = judged(|report, seen| {
        split(report, seen);
        for (kind, status) in [("receive", 200), ("send", 404)] {
            seen.requests.push(SeenRequest {
                transport: Some("xhr-polling".into()),
                kind: Some(kind.into()),
                session: Some(2),
                status: Some(status),
                ..SeenRequest::default()
            });
        }
    });
    assert!(find(&ended, "two-servers").is_none(), "{ended:#?}");
    // A transport that never opened was simply not found.
    let missing = judged(|report, _| {
        fail(report, "jsonp-polling", Outcome::Refused);
        report.transports[5].status = Some(404);
    });
    assert!(find(&missing, "two-servers").is_none(), "{missing:#?}");
}

#[test]
fn page_that_is_taken_for_another_sites() {
    let refused = |report: &mut Report, seen: &mut Seen| {
        fail_all(report, Outcome::Refused);
        seen.requests[0].status = Some(403);
        seen.requests[0].host = Some("127.0.0.1:8081".into());
        seen.requests[0]
            .headers
            .insert("host".into(), "127.0.0.1:8081".into());
    };
    let finding = finds(
        "origin-refused",
        Severity::Problem,
        refused,
        |report, seen| {
            refused(report, seen);
            seen.requests[0].status = Some(404);
        },
    );
    assert!(
        finding.advice[0]
            .how
            .contains("proxy_set_header Host $http_host;")
    );
    assert!(
        finding
            .advice
            .iter()
            .any(|advice| advice.how.contains("origins = [\"https://app.example\"]"))
    );
    let verdict = judged(refused);
    assert!(find(&verdict, "nothing-works").is_none(), "is explained");
    assert!(!verdict.works);
    assert!(
        verdict.summary.contains("refuses the page"),
        "{}",
        verdict.summary
    );
}

#[test]
fn nothing_works_says_why() {
    let cases: [(Option<u16>, &str); 6] = [
        (Some(404), "no such service"),
        (Some(403), "refused"),
        (Some(407), "password"),
        (Some(502), "cannot reach the server (status 502)"),
        (None, "cannot be reached"),
        (Some(200), "Requests reach the server"),
    ];
    for (status, expected) in cases {
        let verdict = judged(|report, seen| {
            fail_all(report, Outcome::Refused);
            seen.requests.clear();
            let info = info(report);
            info.status = status;
            if status != Some(200) {
                info.round_trips_ms.clear();
                info.error = Some("no\u{1b}[31m usable `answer`".into());
            }
        });
        let finding = find(&verdict, "nothing-works").expect("is found");
        assert!(finding.title.contains(expected), "{finding:#?}");
        assert!(!finding.evidence.contains(['\u{1b}', '`']), "{finding:#?}");
        assert!(!verdict.works && verdict.best.is_none());
    }
    assert!(
        find(
            &judged(|report, _| {
                fail_all(report, Outcome::Refused);
                report.transports[5].outcome = Outcome::Works;
            }),
            "nothing-works"
        )
        .is_none()
    );
}

/// What answered, and how the connection failed, are told apart by what is known, not by words of the error.
#[test]
fn nothing_works_says_what_answered() {
    let title = |cause: Option<Cause>, status: Option<u16>, location: Option<&str>| {
        let verdict = judged(|report, seen| {
            report.transports.clear();
            seen.requests.clear();
            let info = info(report);
            (info.cause, info.status) = (cause, status);
            info.location = location.map(str::to_owned);
            info.round_trips_ms.clear();
            info.error = Some("the word certificate is in it".into());
        });
        find(&verdict, "nothing-works").expect("is found").clone()
    };
    for (cause, status, expected) in [
        (Some(Cause::Certificate), None, "certificate is not trusted"),
        (Some(Cause::Tls), None, "encrypted connection"),
        (Some(Cause::NotSockjs), Some(200), "not SockJS"),
        (None, Some(302), "another one"),
        (None, None, "cannot be reached"),
    ] {
        let finding = title(cause, status, None);
        assert!(finding.title.contains(expected), "{finding:#?}");
    }
    let moved = title(None, Some(301), Some("https://app.example/live/info?t=1"));
    assert!(
        moved.what.contains("https://app.example/live/info"),
        "{moved:#?}"
    );
    assert!(
        moved.advice[0].how.contains("`https://app.example/live`"),
        "{moved:#?}"
    );
}

/// Whoever leaves a mark is named, and only then are others not advised about.
#[test]
fn proxies_are_recognised_by_their_marks() {
    let marks: &[(&str, &str, &str)] = &[
        ("via", "1.1 varnish (Varnish/7.1)", "Varnish"),
        ("via", "1.1 Caddy", "Caddy"),
        ("x-forwarded-server", "www.example", "Apache"),
        ("x-envoy-expected-rq-timeout-ms", "15000", "Envoy"),
        ("cf-ray", "8f-AMS", "Cloudflare"),
    ];
    for (field, value, expected) in marks {
        let verdict = judged(|report, seen| {
            fail(report, "websocket", Outcome::Refused);
            seen.requests[0].status = Some(400);
            seen.requests[0].headers.remove("upgrade");
            let request = seen.request.as_mut().expect("is there");
            request.headers.insert((*field).into(), (*value).into());
        });
        let finding = find(&verdict, "websocket-stripped").expect("is found");
        assert_eq!(places(finding)[0], *expected, "{finding:#?}");
        assert!(!places(finding).contains(&"nginx"), "{finding:#?}");
    }
    let verdict = judged(|report, seen| {
        fail(report, "websocket", Outcome::Refused);
        seen.requests[0].status = Some(400);
        seen.requests[0].headers.remove("upgrade");
        drip_of(report)
            .headers
            .insert("server".into(), "nginx/1.22.1".into());
    });
    assert_eq!(
        places(find(&verdict, "websocket-stripped").expect("is found")),
        ["nginx"]
    );
}
