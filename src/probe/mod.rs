//! The doctor's tests from a terminal: the same ones in the same order as its page, over a real HTTP and WebSocket client,
//! against a gateway's doctor or, without that, against any SockJS service.

mod address;
pub(crate) mod command;
mod dial;
mod http;
mod idle;
mod measure;
mod session;
mod show;
mod tls;
mod websocket;

use std::time::Duration;

use ::http::HeaderMap;
use tokio::time::Instant;

use crate::doctor::verdict::{TRANSPORTS, judge};
use crate::doctor::{Cause, Info, Outcome, Report, Seen, Stream, Verdict};

use address::Address;
use dial::Way;
use http::Http;
use show::Progress;

/// What is tested, and how.
#[derive(Debug)]
struct Target {
    address: Address,
    /// Fields that go with every request.
    fields: HeaderMap,
    way: Way,
    /// Silences, one after the other; none skips that test.
    silences: Vec<Duration>,
}

/// Everything that came of it.
#[derive(Debug, serde::Serialize)]
struct Examination {
    report: Report,
    seen: Option<Seen>,
    verdict: Verdict,
    code: Option<String>,
}

/// Where the tested service is, and what it can do.
#[derive(Clone, Debug)]
struct Subject {
    http: Http,
    /// URL of the SockJS service that is tested, without a slash at the end.
    service: String,
    /// URL of the doctor, when there is one.
    doctor: Option<String>,
    run: String,
}

/// Runs every test. Never fails for what the network does: that is in the report.
async fn examine(target: &Target, progress: &Progress) -> Examination {
    let began = Instant::now();
    let mut subject = Subject {
        http: Http::new(&target.address, &target.way, &target.fields),
        service: target.address.url.clone(),
        doctor: None,
        run: format!("{:016x}", rand::random::<u64>()),
    };
    progress.step("looking for the doctor");
    let doctor = format!("{}/doctor", target.address.url);
    let found = measure::is_doctor(&subject.http, &doctor).await;
    if let Ok(true) = found {
        subject.service = format!("{doctor}/sockjs");
        subject.doctor = Some(doctor);
    }
    let mut report = Report {
        schema: 1,
        run: subject.run.clone(),
        agent: "terminal".to_owned(),
        user_agent: Some(http::USER_AGENT.to_owned()),
        url: Some(target.address.url.clone()),
        origin: target.address.foreign_origin().map(str::to_owned),
        proxy: target.way.shown_proxy(&target.address.url),
        ..Report::default()
    };
    match found {
        // Nothing else can work, and each attempt would take its time limit.
        Err(problem) => {
            report.info = Some(Info {
                error: Some(problem.what),
                cause: problem.cause,
                ..Info::default()
            });
        }
        Ok(_) => run_tests(&subject, target, &mut report, progress).await,
    }
    if let Some(info) = &mut report.info {
        find_https(&target.way, &target.address, info).await;
    }
    report.took_ms = Some(measure::rounded(began.elapsed()));
    progress.step("asking for the verdict");
    let (seen, code) = match &subject.doctor {
        Some(doctor) => (
            measure::seen(&subject, doctor).await,
            measure::keep(&subject, doctor, &report).await,
        ),
        None => (None, None),
    };
    let nothing = Seen::default();
    let verdict = judge(&report, seen.as_ref().unwrap_or(&nothing));
    progress.done();
    Examination {
        report,
        seen,
        verdict,
        code,
    }
}

/// Whether plain http met a port for TLS, which answers it with what cannot be read, with 400, or not at all.
async fn find_https(way: &Way, address: &Address, info: &mut Info) {
    let unanswered = info.round_trips_ms.is_empty() && info.cause.is_none();
    let may_be = unanswered && matches!(info.status, None | Some(400));
    if may_be && way.speaks_tls(&address.url).await {
        info.cause = Some(Cause::Https);
    }
}

async fn run_tests(subject: &Subject, target: &Target, report: &mut Report, progress: &Progress) {
    progress.step("asking for /info");
    let info = measure::info(subject).await;
    let answered = !info.round_trips_ms.is_empty();
    let offers_websocket = info.websocket != Some(false);
    report.info = Some(info);
    if !answered {
        return;
    }
    if let Some(doctor) = &subject.doctor {
        progress.step("watching an answer that comes in pieces");
        report.stream = Some(Stream {
            drip: Some(measure::drip(subject, doctor).await),
            tail: Some(measure::tail(subject, doctor).await),
        });
    }
    // A gateway's doctor sends back what it gets; of another service that is found out once.
    let mut echoes = subject.doctor.as_ref().map(|_| true);
    for name in TRANSPORTS {
        if name == "websocket" && !offers_websocket {
            continue;
        }
        progress.step(&format!("trying {name}"));
        if echoes.is_none() {
            echoes = measure::echoes(subject, name).await;
        }
        let tested = measure::transport(subject, name, echoes == Some(true)).await;
        report.transports.push(tested);
    }
    let echoes = echoes == Some(true);
    let tested = &report.transports;
    let works = |name: &str| {
        let works = |tested: &crate::doctor::Tested| tested.outcome == Outcome::Works;
        tested
            .iter()
            .any(|tested| tested.name == name && works(tested))
    };
    let working: Vec<_> = TRANSPORTS.into_iter().filter(|name| works(name)).collect();
    if !echoes && !working.is_empty() {
        report.untested = ["messages", "large messages"].map(str::to_owned).into();
    }
    let over_http = working.iter().find(|name| **name != "websocket");
    if let (true, Some(name)) = (echoes, over_http) {
        progress.step("sending large messages");
        report.upload = measure::uploads(subject, name).await;
    }
    if let (Some(_), Some(best)) = (&subject.doctor, working.first()) {
        progress.step("asking for large messages");
        report.download = measure::downloads(subject, best).await;
    }
    if target.silences.is_empty() {
        report.skipped.push("idle".to_owned());
    } else {
        let silences = &target.silences;
        (report.idle, report.busy) =
            idle::measure(subject, &working, echoes, silences, progress).await;
    }
}
