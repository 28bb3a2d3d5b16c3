//! Whether connections stay open while nothing is said, and whether one that is busy stays open all the same.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::doctor::verdict::STREAMING;
use crate::doctor::{Busy, Idle};

use super::Subject;
use super::measure::OPEN_LIMIT;
use super::session::{Ended, Failure, Session};
use super::show::Progress;

const ECHO_LIMIT: Duration = Duration::from_secs(10);
const BUSY_GAP: Duration = Duration::from_secs(1);
/// Seconds of silence that no limit is as short as.
const AT_ONCE: f64 = 0.5;

fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10.0).round() / 10.0
}

/// `3 s`, `2.5 s`
pub(super) fn seconds_text(seconds: f64) -> String {
    format!("{} s", (seconds * 10.0).round() / 10.0)
}

/// Leaves a WebSocket, a streaming and a polling session silent at the same time, as far as they work, and keeps another
/// WebSocket busy meanwhile.
pub(super) async fn measure(
    subject: &Subject,
    working: &[&str],
    echoes: bool,
    silences: &[Duration],
    progress: &Progress,
) -> (Vec<Idle>, Option<Busy>) {
    let streaming = STREAMING.iter().find(|name| working.contains(name));
    let names = [Some(&"websocket"), streaming, Some(&"xhr-polling")];
    let names: Vec<&str> = names
        .into_iter()
        .flatten()
        .copied()
        .filter(|name| working.contains(name))
        .collect();
    if names.is_empty() {
        return (Vec::new(), None);
    }
    let (done, over) = watch::channel(false);
    let silent = async {
        let sessions = names
            .iter()
            .map(|name| stay_silent_twice(subject, name, echoes, silences));
        let idle = join_all(sessions).await;
        let _ = done.send(true);
        idle.into_iter().flatten().collect()
    };
    let busy = async {
        if echoes && working.contains(&"websocket") {
            Some(stay_busy(subject, over.clone()).await)
        } else {
            None
        }
    };
    let whole: Duration = silences.iter().sum();
    let mut still = over.clone();
    let counting = async {
        let until = Instant::now() + whole;
        while !*still.borrow() {
            let left = until.saturating_duration_since(Instant::now());
            let names = names.join(", ");
            progress.step(&format!(
                "leaving {names} silent: {} s to go",
                left.as_secs()
            ));
            let _ = tokio::time::timeout(Duration::from_secs(1), still.changed()).await;
        }
    };
    let (idle, busy, ()) = tokio::join!(silent, busy, counting);
    (idle, busy)
}

/// What ends at once, silence has not ended: then once more.
async fn stay_silent_twice(
    subject: &Subject,
    name: &str,
    echoes: bool,
    silences: &[Duration],
) -> Option<Idle> {
    let first = stay_silent(subject, name, echoes, silences).await?;
    match first.lost_after_s {
        Some(lost) if lost < AT_ONCE => stay_silent(subject, name, echoes, silences).await,
        _ => Some(first),
    }
}

/// `None` when the service itself ended the session.
async fn stay_silent(
    subject: &Subject,
    name: &str,
    echoes: bool,
    silences: &[Duration],
) -> Option<Idle> {
    let mut idle = Idle {
        transport: name.to_owned(),
        survived_s: Some(0.0),
        ..Idle::default()
    };
    let mut session = Session::begin(subject, name);
    if let Err(failure) = session.opened(OPEN_LIMIT).await {
        // It has worked before, and now does not open.
        lose(&mut idle, Duration::ZERO, &failure);
        return Some(idle);
    }
    for (index, silence) in silences.iter().enumerate() {
        let began = Instant::now();
        let ended = session.watch(*silence).await;
        let silent = began.elapsed().min(*silence);
        let by_service = |ended: &Ended| ended.clean && ended.code.is_some() && !ended.is_refusal();
        if subject.doctor.is_none() && ended.as_ref().is_some_and(by_service) {
            return None;
        }
        let proof = match ended {
            Some(ended) => Err(Failure::Ended(ended)),
            None if echoes => session.echo(&format!("silence {index}"), ECHO_LIMIT).await,
            None => Ok(0.0),
        };
        if let Err(failure) = proof {
            lose(&mut idle, silent, &failure);
            return Some(idle);
        }
        idle.survived_s = Some(seconds(*silence));
    }
    Some(idle)
}

fn lose(idle: &mut Idle, after: Duration, failure: &Failure) {
    idle.lost_after_s = Some(seconds(after));
    let how = match failure {
        Failure::Ended(ended) if ended.clean => "clean",
        Failure::Ended(_) => "abrupt",
        Failure::Silent(_) => "unnoticed",
    };
    idle.how = Some(how.to_owned());
    if let Failure::Ended(ended) = failure {
        idle.close = ended.code.is_some().then(|| ended.close(None));
    }
    idle.error = Some(failure.what());
    idle.status = failure.status();
}

/// An echo every second until `over`.
async fn stay_busy(subject: &Subject, mut over: watch::Receiver<bool>) -> Busy {
    let mut session = Session::begin(subject, "websocket");
    let began = Instant::now();
    let lost = |failure: &Failure| {
        let at = match failure {
            Failure::Ended(ended) => ended.at,
            Failure::Silent(_) => Instant::now(),
        };
        Busy {
            lost_after_s: Some(seconds(at.saturating_duration_since(began))),
            error: Some(failure.what()),
            status: failure.status(),
            ..Busy::default()
        }
    };
    if let Err(failure) = session.opened(OPEN_LIMIT).await {
        return lost(&failure);
    }
    let mut echo = 0_u32;
    while !*over.borrow() {
        if let Err(failure) = session.echo(&format!("busy {echo}"), ECHO_LIMIT).await {
            return lost(&failure);
        }
        echo += 1;
        let _ = tokio::time::timeout(BUSY_GAP, over.changed()).await;
    }
    Busy {
        survived_s: Some(seconds(began.elapsed())),
        ..Busy::default()
    }
}
