//! The tests but for silence. Each gives its part of the report; what went wrong is in it. Every step has a limit.

use std::time::Duration;

use ::http::{HeaderMap, Method, header};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::time::{Instant, timeout};

use crate::doctor::{Download, Drip, Headers, Info, Outcome, Report, Seen, Tail, Tested, Upload};

use super::Subject;
use super::http::{Http, Problem};
use super::session::{Failure, Session};

const INFO_REQUESTS: usize = 5;
const INFO_LIMIT: Duration = Duration::from_secs(5);
/// The drip takes 1.6 s and the tail 2 s to send.
const STREAM_LIMIT: Duration = Duration::from_secs(12);
const MOST_ARRIVALS: usize = 200;
const MAX_HEADER: usize = 200;
const VERDICT_LIMIT: Duration = Duration::from_secs(15);

pub(super) const OPEN_LIMIT: Duration = Duration::from_secs(5);
const ECHO_LIMIT: Duration = Duration::from_secs(5);
const ECHOES: usize = 5;
const PACED: usize = 5;
const PACED_GAP: Duration = Duration::from_millis(300);
/// Time in which a session of a service that does not echo shows whether it stays.
const WATCH: Duration = Duration::from_millis(500);

const UPLOADS: [usize; 3] = [4 << 10, 64 << 10, 512 << 10];
const DOWNLOADS: [usize; 3] = [64 << 10, 512 << 10, 1 << 20];
const SIZE_LIMIT: Duration = Duration::from_secs(20);

/// Milliseconds with one decimal.
pub(super) fn rounded(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}

/// Whether a gateway's doctor answers at `url`.
///
/// # Errors
/// When nothing answers at all.
pub(super) async fn is_doctor(http: &Http, url: &str) -> Result<bool, Problem> {
    let answer = http
        .fetch(Method::GET, &format!("{url}/seen"), None, INFO_LIMIT)
        .await;
    match answer {
        Ok((_, body)) => {
            let seen = serde_json::from_slice::<Value>(&body);
            Ok(seen.is_ok_and(|seen| seen["requests"].is_array()))
        }
        Err(problem) if problem.status.is_none() => Err(problem),
        Err(_) => Ok(false),
    }
}

/// Several times /info.
pub(super) async fn info(subject: &Subject) -> Info {
    let url = format!("{}/info", subject.service);
    let mut info = Info {
        http_version: Some("http/1.1".to_owned()),
        ..Info::default()
    };
    let mut entropies: Vec<Value> = Vec::new();
    for request in 0..INFO_REQUESTS {
        let began = Instant::now();
        let answer = subject
            .http
            .fetch(Method::GET, &url, None, INFO_LIMIT)
            .await;
        let read = answer.and_then(|(_, body)| {
            let document = serde_json::from_slice::<Value>(&body).ok();
            document
                .filter(Value::is_object)
                .ok_or_else(|| Problem::not_sockjs("/info is not its JSON document"))
        });
        match read {
            Ok(document) => {
                info.round_trips_ms.push(rounded(began.elapsed()));
                info.status = Some(200);
                info.websocket = document["websocket"].as_bool();
                let entropy = document["entropy"].clone();
                info.cached |= !entropy.is_null() && entropies.contains(&entropy);
                entropies.push(entropy);
            }
            Err(problem) => {
                info.status = problem.status.or(info.status);
                info.error = Some(problem.what);
                (info.cause, info.location) = (problem.cause, problem.location);
                // Once may be an accident; what fails twice will fail five times.
                if request > 0 {
                    break;
                }
            }
        }
    }
    if !info.round_trips_ms.is_empty() {
        let foreign = subject.http.foreign();
        let answer = foreign.fetch(Method::GET, &url, None, INFO_LIMIT).await;
        info.cors = answer.ok().map(|(headers, _)| cors(&headers).to_owned());
    }
    info
}

/// Whether pages of other sites may read the answer.
fn cors(headers: &HeaderMap) -> &'static str {
    let lines: Vec<_> = headers
        .get_all(header::ACCESS_CONTROL_ALLOW_ORIGIN)
        .iter()
        .collect();
    match lines[..] {
        [] => "missing",
        [one] if !one.as_bytes().contains(&b',') => "ok",
        _ => "duplicate",
    }
}

/// 32 pieces over 1.6 s.
pub(super) async fn drip(subject: &Subject, doctor: &str) -> Drip {
    pieces(subject, doctor, "drip").await
}

/// One piece, and the end 2 s later.
pub(super) async fn tail(subject: &Subject, doctor: &str) -> Tail {
    let pieces = pieces(subject, doctor, "tail").await;
    Tail {
        arrivals: pieces.arrivals,
        error: pieces.error,
    }
}

async fn pieces(subject: &Subject, doctor: &str, kind: &str) -> Drip {
    let url = format!("{doctor}/stream?kind={kind}&run={}", subject.run);
    let mut drip = Drip::default();
    let began = Instant::now();
    let reading = async {
        let response = subject.http.send(Method::GET, &url, None).await?;
        drip.status = Some(response.status().as_u16());
        drip.headers = telling(response.headers());
        if !response.status().is_success() {
            return Err(Problem::status(response.status().as_u16()));
        }
        let mut body = response.into_body();
        let mut total = 0.0;
        while let Some(piece) = body.frame().await {
            let piece = piece.map_err(|error| Problem::of(&error))?;
            if let Some(bytes) = piece.data_ref() {
                total += bytes.len() as f64;
                if drip.arrivals.len() < MOST_ARRIVALS {
                    drip.arrivals.push((rounded(began.elapsed()), total));
                }
            }
        }
        Ok(())
    };
    let error = match timeout(STREAM_LIMIT, reading).await {
        Ok(Ok(())) => None,
        Ok(Err(problem)) => Some(problem.what),
        Err(_) => Some(format!("not complete in {} s", STREAM_LIMIT.as_secs())),
    };
    drip.error = error;
    // Of compressed pieces only their share of the whole is known.
    if drip.headers.contains_key("content-encoding")
        && let Some((_, total)) = drip.arrivals.last().copied()
    {
        if kind == "drip" {
            for (_, so_far) in &mut drip.arrivals {
                *so_far = (*so_far / total * 32_768.0).round();
            }
        } else {
            // The last bytes of a compressed answer come at its end in any case.
            drip.arrivals.truncate(1);
            drip.arrivals
                .iter_mut()
                .for_each(|(_, so_far)| *so_far = 6144.0);
        }
    }
    drip
}

/// Fields by which things on the way make themselves known.
fn telling(headers: &HeaderMap) -> Headers {
    let names = [
        "age",
        "alt-svc",
        "cache-control",
        "cf-cache-status",
        "cf-ray",
        "content-encoding",
        "content-length",
        "content-type",
        "server",
        "transfer-encoding",
        "via",
        "x-amz-cf-id",
        "x-cache",
        "x-powered-by",
        "x-served-by",
        "x-varnish",
    ];
    let value = |name: &str| {
        let value = String::from_utf8_lossy(headers.get(name)?.as_bytes()).into_owned();
        Some(value.chars().take(MAX_HEADER).collect())
    };
    names
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), value(name)?)))
        .collect()
}

/// Whether the service sends back what it gets; `None` when the session does not open.
pub(super) async fn echoes(subject: &Subject, name: &str) -> Option<bool> {
    let mut session = Session::begin(subject, name);
    session.opened(OPEN_LIMIT).await.ok()?;
    let echo = session.echo("sockjs-gateway doctor", Duration::from_secs(2));
    Some(echo.await.is_ok())
}

/// One transport: open, five echoes, five paced messages.
pub(super) async fn transport(subject: &Subject, name: &str, echoes: bool) -> Tested {
    let mut tested = Tested {
        name: name.to_owned(),
        outcome: Outcome::Works,
        ..Tested::default()
    };
    let mut session = Session::begin(subject, name);
    if let Err(failure) = converse(subject, &mut session, &mut tested, echoes).await {
        tested.outcome = match (&failure, tested.opened_ms) {
            (Failure::Silent(_), None) => Outcome::Timeout,
            (Failure::Silent(_), Some(_)) => Outcome::Stalls,
            (Failure::Ended(_), None) => Outcome::Refused,
            (Failure::Ended(_), Some(_)) => Outcome::Dies,
        };
        tested.error = Some(failure.what());
        (tested.status, tested.cause) = (failure.status(), failure.cause());
        if let Failure::Ended(ended) = failure {
            tested.close = Some(ended.close(Some(session.since_began(ended.at))));
        }
    }
    tested.first_byte_ms = session.first_byte_ms();
    tested
}

async fn converse(
    subject: &Subject,
    session: &mut Session,
    tested: &mut Tested,
    echoes: bool,
) -> Result<(), Failure> {
    tested.opened_ms = Some(session.opened(OPEN_LIMIT).await?);
    if !echoes {
        return match session.watch(WATCH).await {
            // What a service ends in order has nothing to do with the network; what the gateway ends in its place is told.
            Some(ended) if !ended.clean || ended.is_refusal() => Err(Failure::Ended(ended)),
            _ => Ok(()),
        };
    }
    for echo in 0..ECHOES {
        let mark = format!("{} {echo}", tested.name);
        tested.echo_ms.push(session.echo(&mark, ECHO_LIMIT).await?);
    }
    if subject.doctor.is_some() {
        let mut answers = Vec::new();
        let wish = format!("p:{PACED}:{}", PACED_GAP.as_millis());
        let limit = ECHO_LIMIT + PACED_GAP * PACED as u32;
        let is_paced = |message: &str| message.starts_with("p:");
        let asked = session
            .ask(&wish, PACED, limit, is_paced, &mut answers)
            .await;
        tested.paced_ms = answers.into_iter().map(|(_, after)| after).collect();
        asked?;
    }
    Ok(())
}

/// Large messages to the service, over an HTTP transport.
pub(super) async fn uploads(subject: &Subject, name: &str) -> Vec<Upload> {
    let mut uploads: Vec<Upload> = Vec::new();
    for size in UPLOADS {
        let text = format!("u:{}", "x".repeat(size - 2));
        // A doctor tells the length; another service sends everything back.
        let length = format!("u:{size}");
        let expected = if subject.doctor.is_some() {
            &length
        } else {
            &text
        };
        let (ms, outcome) = size_test(subject, name, &text, |answer| answer == expected).await;
        let failure = outcome.err();
        uploads.push(Upload {
            bytes: size as f64,
            ok: failure.is_none(),
            ms: Some(ms),
            status: failure.as_ref().map_or(Some(204), Failure::status),
            error: failure.as_ref().map(Failure::what),
        });
        if failure.is_some() {
            break;
        }
    }
    uploads
}

/// Large messages from the doctor.
pub(super) async fn downloads(subject: &Subject, name: &str) -> Vec<Download> {
    let mut downloads: Vec<Download> = Vec::new();
    for size in DOWNLOADS {
        let wish = format!("d:{size}");
        let (ms, outcome) = size_test(subject, name, &wish, |answer| answer.len() == size).await;
        let failure = outcome.err();
        downloads.push(Download {
            bytes: size as f64,
            ok: failure.is_none(),
            ms: Some(ms),
            error: failure.as_ref().map(Failure::what),
        });
        if failure.is_some() {
            break;
        }
    }
    downloads
}

/// One question in a session of its own.
async fn size_test(
    subject: &Subject,
    name: &str,
    text: &str,
    matches: impl Fn(&str) -> bool,
) -> (f64, Result<(), Failure>) {
    let mut session = Session::begin(subject, name);
    let mut began = Instant::now();
    let asking = async {
        session.opened(OPEN_LIMIT).await?;
        began = Instant::now();
        let mut answers = Vec::new();
        session
            .ask(text, 1, SIZE_LIMIT, matches, &mut answers)
            .await
    };
    let outcome = asking.await;
    (rounded(began.elapsed()), outcome)
}

/// What the server saw of the run.
pub(super) async fn seen(subject: &Subject, doctor: &str) -> Option<Seen> {
    let url = format!("{doctor}/seen?run={}", subject.run);
    let answer = subject
        .http
        .fetch(Method::GET, &url, None, VERDICT_LIMIT)
        .await;
    serde_json::from_slice(&answer.ok()?.1).ok()
}

/// Gives the report to the server, and gets the code under which it is kept, if it is.
pub(super) async fn keep(subject: &Subject, doctor: &str, report: &Report) -> Option<String> {
    let content = (
        "application/json",
        Bytes::from(serde_json::to_vec(report).ok()?),
    );
    let url = format!("{doctor}/verdict");
    let answer = subject
        .http
        .fetch(Method::POST, &url, Some(content), VERDICT_LIMIT)
        .await;
    let answer: Value = serde_json::from_slice(&answer.ok()?.1).ok()?;
    let code = answer["code"].as_str().filter(|code| is_code(code));
    code.map(str::to_owned)
}

/// Whether it can be a code, like `K7QM-29XF`: something to be read aloud.
fn is_code(code: &str) -> bool {
    let spoken = |byte: u8| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'-');
    (1..=9).contains(&code.len()) && code.bytes().all(spoken)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a server gives as a code is printed with instructions to pass it on.
    #[test]
    fn codes_are_letters_and_digits() {
        for good in ["K7QM-29XF", "A"] {
            assert!(is_code(good), "{good}");
        }
        for bad in [
            "",
            "K7QM-29XFX",
            "k7qm-29xf",
            "A\u{1b}[2J",
            "A\nB",
            "A B",
            "\u{c4}",
        ] {
            assert!(!is_code(bad), "{bad:?}");
        }
    }
}
