//! What connections are worth: streaming, silence, sizes, speed, and what is only worth knowing.

use super::*;

#[test]
fn stream_that_is_held_until_its_end() {
    let held = |report: &mut Report, _: &mut Seen| {
        // A busy browser reads it in pieces.
        drip_of(report).arrivals = vec![(1580.0, 16384.0), (1650.0, 32768.0)];
        for name in STREAMING {
            fail(report, name, Outcome::Timeout);
        }
    };
    let finding = finds(
        "stream-held-until-end",
        Severity::Problem,
        held,
        |report, _| {
            // A slow line: late, but in pieces.
            drip_of(report).arrivals = drip(|_| 1500.0);
        },
    );
    assert!(
        finding
            .evidence
            .contains("all arrived together after 1.6 s"),
        "{finding:#?}"
    );
    let nginx = finding
        .advice
        .iter()
        .find(|advice| advice.place == "nginx")
        .expect("is advised");
    assert!(nginx.how.contains("proxy_buffering off;"));
    let verdict = judged(held);
    assert!(find(&verdict, "streaming-fails").is_none(), "is explained");
    assert!(
        find(&verdict, "transports-failing").is_none(),
        "is explained"
    );
    assert!(find(&verdict, "stream-tail-held").is_none());
}

#[test]
fn stream_that_is_held_until_a_size() {
    let finding = finds(
        "stream-held-until-size",
        Severity::Problem,
        |report, _| {
            drip_of(report).arrivals = blocks(8);
            report.stream.as_mut().expect("is there").tail = Some(Tail {
                arrivals: vec![(2013.0, 6144.0)],
                error: None,
            });
        },
        // Two pieces at a time is what busy machines do.
        |report, _| drip_of(report).arrivals = blocks(2),
    );
    assert!(finding.title.contains("8 KiB"), "{finding:#?}");
    // What waits for 4 KiB would keep a third of 6 KiB: this waits for a time, as HAProxy does.
    let timed = judged(|report, _| {
        fail_all(report, Outcome::Dies);
        drip_of(report).arrivals = blocks(4);
        report.stream.as_mut().expect("is there").tail = Some(Tail {
            arrivals: vec![(212.0, 6144.0)],
            error: None,
        });
    });
    assert!(
        find(&timed, "stream-held-until-size").is_none(),
        "{timed:#?}"
    );
    // One hiccup is not a rule.
    let hiccup = judged(|report, _| {
        drip_of(report).arrivals = drip(|index| {
            if (10..16).contains(&index) {
                50.0 * (16 - index) as f64
            } else {
                0.0
            }
        });
    });
    assert!(
        find(&hiccup, "stream-held-until-size").is_none(),
        "{hiccup:#?}"
    );
}

#[test]
fn stream_whose_tail_is_held() {
    let tail = |arrivals: Vec<(f64, f64)>| {
        move |report: &mut Report, _: &mut Seen| {
            report.stream.as_mut().expect("is there").tail = Some(Tail {
                arrivals,
                error: None,
            });
        }
    };
    let finding = finds(
        "stream-tail-held",
        Severity::Problem,
        tail(vec![(12.0, 4096.0), (2013.0, 6144.0)]),
        tail(vec![(12.0, 4096.0), (14.0, 6144.0)]),
    );
    assert!(
        finding
            .what
            .contains("4 KiB of it arrived at once, and the last 2 KiB"),
        "{finding:#?}"
    );
    assert!(find(&judged(tail(vec![(2013.0, 6144.0)])), "stream-tail-held").is_none());
}

#[test]
fn stream_whose_messages_are_delayed() {
    let delayed = |by: f64| {
        move |report: &mut Report, _: &mut Seen| {
            for name in STREAMING {
                let tested = report
                    .transports
                    .iter_mut()
                    .find(|tested| tested.name == name);
                let tested = tested.expect("is there");
                tested
                    .paced_ms
                    .iter_mut()
                    .for_each(|arrived| *arrived += by);
                tested.echo_ms.iter_mut().for_each(|echo| *echo += by);
            }
            drip_of(report).arrivals = blocks(4);
        }
    };
    let finding = finds(
        "stream-delayed",
        Severity::Problem,
        delayed(205.0),
        delayed(60.0),
    );
    assert_eq!(finding.advice[0].place, "HAProxy");
    assert!(finding.advice[0].how.contains("option http-no-delay"));
    assert!(
        find(&judged(delayed(205.0)), "stream-held-until-size").is_none(),
        "is explained"
    );
}

#[test]
fn answers_that_are_compressed() {
    let with = |encoding: &'static str| {
        move |report: &mut Report, _: &mut Seen| {
            drip_of(report)
                .headers
                .insert("content-encoding".into(), encoding.into());
        }
    };
    let finding = finds("compressed", Severity::Note, with("gzip"), with("identity"));
    assert!(finding.evidence.contains("gzip"));
}

/// As Caddy's `encode` does: what says that it must stay as it is passes at once.
#[test]
fn compression_that_spares_sessions_is_a_note() {
    let gzipped = |report: &mut Report, _: &mut Seen| {
        let drip = drip_of(report);
        drip.headers
            .insert("content-encoding".into(), "gzip".into());
        drip.arrivals = vec![(1738.0, 32768.0)];
    };
    let verdict = judged(gzipped);
    assert!(
        find(&verdict, "stream-held-until-end").is_none(),
        "{verdict:#?}"
    );
    let note = find(&verdict, "compressed").expect("is found");
    assert!(note.what.contains("identity"), "{note:#?}");
    // Sessions that are held back as well.
    let verdict = judged(|report, seen| {
        gzipped(report, seen);
        STREAMING
            .iter()
            .for_each(|name| fail(report, name, Outcome::Timeout));
    });
    assert!(
        find(&verdict, "stream-held-until-end").is_some(),
        "{verdict:#?}"
    );
}

#[test]
fn streaming_that_fails_without_a_reason() {
    let fails = |report: &mut Report, _: &mut Seen| {
        for name in STREAMING {
            fail(report, name, Outcome::Stalls);
        }
    };
    finds(
        "streaming-fails",
        Severity::Problem,
        fails,
        |report, seen| {
            fails(report, seen);
            report.transports[2].outcome = Outcome::Works;
        },
    );
}

#[test]
fn silence_that_is_cut() {
    let cut = |after: f64| {
        move |report: &mut Report, _: &mut Seen| {
            report.idle = vec![lost("websocket", after, 0.0), idle("xhr-polling")];
        }
    };
    let finding = finds("idle-cut", Severity::Problem, cut(3.0), nothing);
    assert_eq!(finding.title, "Silent connections are cut after 3 s");
    assert!(finding.what.contains("only every 25 s"), "{finding:#?}");
    assert!(
        finding.what.contains("Not cut: xhr-polling."),
        "{finding:#?}"
    );
    assert!(
        finding.advice[0].how.contains("heartbeat_delay = \"1s\""),
        "{finding:#?}"
    );
    let haproxy = finding
        .advice
        .iter()
        .find(|advice| advice.place == "HAProxy")
        .expect("is advised");
    assert!(haproxy.how.contains("timeout tunnel 1h"), "{finding:#?}");
    assert!(
        !places(&finding).contains(&"Apache"),
        "its ProxyTimeout does not concern WebSocket"
    );
    let summary = judged(cut(3.0)).summary;
    assert!(
        summary.contains(
            "open over WebSocket, but they do not stay open. Silent connections are cut after 3 s."
        ),
        "{summary}"
    );
    // The heartbeat comes first: nothing to change.
    let verdict = judged(cut(55.0));
    assert_eq!(
        find(&verdict, "idle-cut").expect("is found").severity,
        Severity::Note
    );
    assert!(find(&verdict, "all-good").is_some(), "{verdict:#?}");
    // Noticed only by the echo after 30 s: somewhere between 10 and 30.
    let verdict = judged(|report, _| report.idle = vec![lost("websocket", 30.0, 10.0)]);
    let finding = find(&verdict, "idle-cut").expect("is found");
    assert_eq!(
        (finding.severity, finding.title.as_str()),
        (Severity::Problem, "Silent connections are cut within 30 s")
    );
    assert!(finding.advice[0].how.contains("\"6s\""), "{finding:#?}");
    let adaptive = judged(|report, seen| {
        cut(3.0)(report, seen);
        seen.service.as_mut().expect("is there").adaptive = true;
    });
    let finding = find(&adaptive, "idle-cut").expect("is found");
    assert!(finding.what.contains("sooner to browsers"), "{finding:#?}");
    // Without heartbeats any limit counts.
    let off = judged(|report, seen| {
        cut(55.0)(report, seen);
        seen.service.as_mut().expect("is there").heartbeat_s = None;
    });
    assert_eq!(
        find(&off, "idle-cut").expect("is found").severity,
        Severity::Problem
    );
}

#[test]
fn age_that_is_limited() {
    let aged = |report: &mut Report, _: &mut Seen| {
        report.busy = Some(Busy {
            lost_after_s: Some(6.0),
            ..Busy::default()
        });
        report.idle = vec![
            lost("websocket", 6.0, 0.0),
            lost("xhr-streaming", 6.1, 0.0),
            idle("xhr-polling"),
        ];
    };
    let finding = finds("age-cut", Severity::Problem, aged, |report, _| {
        report.idle = vec![lost("websocket", 6.0, 0.0)];
    });
    assert!(
        finding
            .advice
            .iter()
            .any(|advice| advice.how.contains("websocket = false"))
    );
    assert!(
        finding
            .evidence
            .ends_with("xhr-streaming: lost after 6.1 s"),
        "{finding:#?}"
    );
    assert!(find(&judged(aged), "idle-cut").is_none(), "is explained");
    // Long before that age, it is silence that ends the stream.
    let both = judged(|report, seen| {
        aged(report, seen);
        report.idle[1].lost_after_s = Some(3.0);
    });
    let finding = find(&both, "idle-cut").expect("is found");
    assert!(finding.evidence.contains("xhr-streaming lost after 3 s"));
}

#[test]
fn proxy_that_stops_waiting() {
    let gave_up = |after: f64, status: u16| {
        move |report: &mut Report, _: &mut Seen| {
            let mut entry = lost("xhr-polling", after, 0.0);
            entry.status = Some(status);
            report.idle = vec![entry];
        }
    };
    let finding = finds(
        "gateway-timeout",
        Severity::Problem,
        gave_up(6.0, 504),
        gave_up(6.0, 404),
    );
    assert_eq!(
        finding.title,
        "A proxy stops waiting for an answer after 6 s"
    );
    // One limit, one finding.
    let both = judged(|report, seen| {
        gave_up(6.0, 504)(report, seen);
        report.idle.push(lost("websocket", 6.0, 0.0));
    });
    assert!(find(&both, "gateway-timeout").is_none(), "{both:#?}");
    let cut = find(&both, "idle-cut").expect("is found");
    assert!(
        cut.evidence
            .contains("xhr-polling lost after 6 s of silence, status 504"),
        "{cut:#?}"
    );
    assert!(
        find(&judged(gave_up(6.0, 504)), "idle-cut").is_none(),
        "is explained"
    );
    let covered = judged(gave_up(58.0, 504));
    assert_eq!(
        find(&covered, "gateway-timeout")
            .expect("is found")
            .severity,
        Severity::Note
    );
}

#[test]
fn uploads_that_are_limited() {
    let limited = |report: &mut Report, _: &mut Seen| {
        report.upload[2].ok = false;
        report.upload[2].status = Some(413);
    };
    let finding = finds("upload-limited", Severity::Problem, limited, |report, _| {
        report.upload.truncate(1);
    });
    assert_eq!(finding.title, "Messages above 64 KiB cannot be sent");
    assert!(finding.advice[0].how.contains("client_max_body_size"));
    // Where the gateway itself refused, no proxy is blamed.
    let own = judged(|report, seen| {
        limited(report, seen);
        let mut send = handshake(413);
        (send.transport, send.kind) = (Some("xhr-polling".into()), Some("send".into()));
        seen.requests.push(send);
    });
    let own = find(&own, "upload-limited").expect("is found");
    assert_eq!(places(own), ["sockjs-gateway"]);
}

#[test]
fn downloads_that_fail() {
    finds(
        "download-limited",
        Severity::Problem,
        |report, _| report.download[1].ok = false,
        |report, _| report.download.clear(),
    );
}

#[test]
fn way_that_is_slow_or_unsteady() {
    let trips = |trip: f64| {
        move |report: &mut Report, _: &mut Seen| info(report).round_trips_ms = vec![trip; 5]
    };
    finds("slow", Severity::Note, trips(600.0), trips(300.0));
    finds("slow", Severity::Problem, trips(2500.0), nothing);
    let echoes = |echoes: Vec<f64>| {
        move |report: &mut Report, _: &mut Seen| report.transports[0].echo_ms = echoes
    };
    let uneven = vec![20.0, 25.0, 22.0, 900.0, 30.0];
    finds(
        "jitter",
        Severity::Note,
        echoes(uneven.clone()),
        echoes(vec![900.0, 950.0, 900.0, 1400.0]),
    );
    // In the background it is the browser, not the network.
    let hidden = judged(|report, seen| {
        echoes(uneven)(report, seen);
        report.background = true;
    });
    assert!(find(&hidden, "jitter").is_none());
}

#[test]
fn cookies_that_do_not_come_back() {
    let cookies = |first_party, iframe| {
        move |report: &mut Report, _: &mut Seen| {
            report.cookies = Some(Cookies {
                first_party,
                iframe,
            });
        }
    };
    let frames = finds(
        "cookies-blocked",
        Severity::Note,
        cookies(Some(true), Some(false)),
        cookies(Some(true), None),
    );
    assert!(frames.title.contains("frames"));
    let all = finds(
        "cookies-blocked",
        Severity::Note,
        cookies(Some(false), Some(false)),
        |report, _| report.cookies = None,
    );
    assert!(all.title.contains("no cookies for the site"));
}

#[test]
fn forwarding_that_is_not_believed() {
    let forwarded = |_: &mut Report, seen: &mut Seen| {
        let request = seen.request.as_mut().expect("is there");
        request
            .headers
            .insert("x-forwarded-for".into(), "192.0.2.1".into());
    };
    let finding = finds(
        "forwarding-untrusted",
        Severity::Note,
        forwarded,
        |report, seen| {
            forwarded(report, seen);
            seen.request.as_mut().expect("is there").trusted = true;
        },
    );
    assert!(
        finding.advice[0]
            .how
            .contains("trusted_proxies = [\"10.0.0.7\"]"),
        "{finding:#?}"
    );
    // A proxy of the user's must not be believed.
    let squid = judged(|report, seen| {
        forwarded(report, seen);
        let request = seen.request.as_mut().expect("is there");
        request
            .headers
            .insert("via".into(), "1.1 x (squid/5.7)".into());
    });
    assert!(find(&squid, "forwarding-untrusted").is_none());
}

#[test]
fn tls_that_ends_before_the_gateway() {
    let plain =
        |_: &mut Report, seen: &mut Seen| seen.request.as_mut().expect("is there").secure = false;
    finds("tls-terminated", Severity::Note, plain, |report, seen| {
        plain(report, seen);
        report.url = Some("http://app.example/echo/doctor".into());
    });
}

#[test]
fn http2_is_named() {
    let version = |version: &'static str| {
        move |report: &mut Report, _: &mut Seen| info(report).http_version = Some(version.into())
    };
    finds("http2", Severity::Good, version("h2"), version("http/1.1"));
}

#[test]
fn worse_transports_that_fail_are_a_note() {
    finds(
        "transports-failing",
        Severity::Note,
        |report, _| fail(report, "jsonp-polling", Outcome::Timeout),
        |report, _| fail(report, "jsonp-polling", Outcome::Unsupported),
    );
}

#[test]
fn what_could_not_be_tested_is_said() {
    finds(
        "untested",
        Severity::Note,
        |report, _| report.untested = vec!["messages".into()],
        nothing,
    );
}
