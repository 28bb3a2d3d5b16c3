//! What a run has measured, for people and for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::Measured;
use super::plan::Scenario;
use super::process::Usage;
use super::tally::Summary;

/// Of one processor: above that a thread has no time to spare.
const BUSY: f64 = 0.85;
/// Microseconds that messages may be sent late before it is said.
const LATE: f64 = 1000.0;

/// Printed with `--json`.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    schema: u32,
    scenario: &'static str,
    url: String,
    transport: &'static str,
    threads: usize,
    /// Measured, without warm-up.
    seconds: f64,
    /// `end`, or `interrupt`.
    stopped_by: &'static str,
    sessions: Sessions,
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<Messages>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answers: Option<Answers>,
    /// Microseconds of each message, opening or answer.
    latency_us: Option<Summary>,
    server: Option<Process>,
    bench: Process,
    /// What went wrong, and how often.
    problems: BTreeMap<String, u64>,
    /// What makes the figures doubtful.
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Sessions {
    wanted: usize,
    opened: u64,
    failed: u64,
    ended: u64,
    /// Until the last was open.
    opening_ms: f64,
    /// Opened while it was measured, when that is what is measured.
    per_second: Option<f64>,
    heartbeats: u64,
    /// Of silent sessions: how many came in each second that was measured.
    heartbeats_by_second: Option<Vec<u64>>,
}

#[derive(Debug, Serialize)]
struct Messages {
    size: usize,
    /// `closed`: a session sends when a message has come back. `open`: when it is time.
    loop_kind: &'static str,
    in_flight: Option<usize>,
    rate: Option<f64>,
    sent: u64,
    received: u64,
    lost: u64,
    reordered: u64,
    duplicated: u64,
    foreign: u64,
    unsent: u64,
    /// Received while it was measured.
    counted: u64,
    per_second: f64,
    /// Microseconds from when messages were to be sent until they were.
    late_us: Option<Summary>,
}

/// To requests for `/info`.
#[derive(Debug, Serialize)]
struct Answers {
    rate: Option<f64>,
    asked: u64,
    received: u64,
    unsent: u64,
    /// Received while it was measured.
    counted: u64,
    per_second: f64,
    /// Microseconds from when requests were to be sent until they were.
    late_us: Option<Summary>,
}

#[derive(Debug, Serialize)]
struct Process {
    user_ms: f64,
    system_ms: f64,
    /// Processors' worth.
    cores: f64,
    /// Microseconds of user and system time for each message that was received, or session that was opened.
    us_per_unit: Option<f64>,
    resident_bytes: u64,
    /// What the memory has grown by since before the first session, for each session.
    bytes_per_session: Option<f64>,
}

fn process(usage: &Usage, time: Duration, counted: u64) -> Process {
    let processor = usage.processor().as_secs_f64();
    Process {
        user_ms: usage.user.as_secs_f64() * 1e3,
        system_ms: usage.system.as_secs_f64() * 1e3,
        cores: rounded(processor / time.as_secs_f64().max(1e-9)),
        us_per_unit: (counted > 0).then(|| rounded(processor * 1e6 / counted as f64)),
        resident_bytes: usage.resident,
        bytes_per_session: None,
    }
}

/// With zeros for the seconds at the end in which nothing came. A second that was begun counts as one.
fn by_second(beats: &[u64], time: Duration) -> Vec<u64> {
    let seconds = time.as_secs_f64().ceil() as usize;
    let mut beats = beats.to_vec();
    beats.resize(seconds.max(beats.len()), 0);
    beats
}

/// To three digits behind the point.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

impl Report {
    pub(super) fn new(measured: &Measured, url: &str) -> Self {
        let Measured { plan, tally, .. } = measured;
        let seconds = measured.time.as_secs_f64();
        let per_second = rounded(tally.counted as f64 / seconds.max(1e-9));
        let messages = plan.scenario.sends().then(|| Messages {
            size: plan.size,
            loop_kind: if plan.rate.is_some() {
                "open"
            } else {
                "closed"
            },
            in_flight: plan.rate.is_none().then_some(plan.in_flight),
            rate: plan.rate,
            sent: tally.sent,
            received: tally.received,
            lost: tally.lost,
            reordered: tally.reordered,
            duplicated: tally.duplicated,
            foreign: tally.foreign,
            unsent: tally.unsent,
            counted: tally.counted,
            per_second,
            late_us: tally.lateness.summary(),
        });
        let answers = (plan.scenario == Scenario::Info).then(|| Answers {
            rate: plan.rate,
            asked: tally.sent,
            received: tally.received,
            unsent: tally.unsent,
            counted: tally.counted,
            per_second,
            late_us: plan.rate.and_then(|_| tally.lateness.summary()),
        });
        let server = measured.server.map(|(usage, resident_before)| {
            let grown = usage.resident.saturating_sub(resident_before);
            let held =
                !matches!(plan.scenario, Scenario::Connect | Scenario::Info) && tally.opened > 0;
            Process {
                bytes_per_session: held.then(|| rounded(grown as f64 / tally.opened as f64)),
                ..process(&usage, measured.time, tally.counted)
            }
        });
        let mut report = Self {
            schema: 1,
            scenario: plan.scenario.name(),
            url: url.to_owned(),
            transport: plan.transport.name(),
            threads: plan.threads,
            seconds: rounded(seconds),
            stopped_by: if measured.interrupted {
                "interrupt"
            } else {
                "end"
            },
            sessions: Sessions {
                wanted: plan.seats(),
                opened: tally.opened,
                failed: tally.failed,
                ended: tally.ended,
                opening_ms: rounded(measured.opening.as_secs_f64() * 1e3),
                per_second: (plan.scenario == Scenario::Connect).then_some(per_second),
                heartbeats: tally.heartbeats,
                heartbeats_by_second: (plan.scenario == Scenario::Idle)
                    .then(|| by_second(&tally.beats, measured.time)),
            },
            messages,
            answers,
            latency_us: tally.latency.summary(),
            server,
            bench: process(&measured.own, measured.time, tally.counted),
            problems: tally.problems.clone(),
            warnings: Vec::new(),
        };
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        report.warnings = report.doubts(processors);
        report
    }

    /// Whether everything arrived, once and in order, and every session lived as long as it should.
    pub(super) fn is_good(&self) -> bool {
        let lost = self
            .messages
            .as_ref()
            .is_some_and(|messages| messages.lost + messages.reordered + messages.duplicated > 0);
        let Sessions {
            opened,
            failed,
            ended,
            ..
        } = self.sessions;
        opened > 0 && failed + ended == 0 && !lost
    }

    fn doubts(&self, processors: usize) -> Vec<String> {
        let mut doubts = Vec::new();
        let own = self.bench.cores;
        if own > BUSY * self.threads as f64 {
            doubts.push(format!(
                "the bench itself was busy all the time ({own:.2} of {} threads): what is measured is the bench; give it more --threads, or less to do",
                self.threads
            ));
        }
        let all = own + self.server.as_ref().map_or(0.0, |server| server.cores);
        if all > BUSY * processors as f64 {
            doubts.push(format!(
                "bench and server used {all:.2} of {processors} processors: latencies are those of a machine that is full"
            ));
        }
        let paced = self
            .messages
            .as_ref()
            .map(|messages| (&messages.late_us, messages.unsent));
        let asked = self
            .answers
            .as_ref()
            .map(|answers| (&answers.late_us, answers.unsent));
        if let Some((late, unsent)) = paced.or(asked) {
            if let Some(late) = late.as_ref().filter(|late| late.p99 > LATE) {
                doubts.push(format!(
                    "1 of 100 messages was sent more than {:.1} ms late, because sessions or the bench could not keep up with --rate; latencies contain that",
                    late.p99 / 1e3
                ));
            }
            if unsent > 0 {
                doubts.push(format!(
                    "{unsent} messages were not sent in time: the service, or this machine, cannot keep up with --rate"
                ));
            }
        }
        doubts
    }

    /// As a table.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let Sessions {
            wanted,
            opened,
            failed,
            ended,
            ..
        } = self.sessions;
        let stopped = if self.stopped_by == "end" {
            ""
        } else {
            ", interrupted"
        };
        let _ = writeln!(
            text,
            "{} over {} at {}, {:.1} s measured{stopped}\n",
            self.scenario, self.transport, self.url, self.seconds
        );
        let mut row = |name: &str, what: &str| {
            let _ = writeln!(text, "{name:<10}{what}");
        };
        let per_second = self.sessions.per_second;
        row(
            "sessions",
            &match per_second {
                Some(per_second) => format!(
                    "{opened} opened, {per_second:.0} per second, by {wanted} at a time; {failed} failed, {ended} ended badly"
                ),
                None => format!(
                    "{opened} of {wanted} opened in {:.0} ms; {failed} failed, {ended} ended early; {} heartbeats",
                    self.sessions.opening_ms, self.sessions.heartbeats
                ),
            },
        );
        if let Some(messages) = &self.messages {
            row("messages", &messages.counts());
            row("load", &messages.load());
        }
        if let Some(answers) = &self.answers {
            let Answers {
                asked,
                received,
                per_second,
                ..
            } = answers;
            row(
                "answers",
                &format!("{asked} asked for, {received} received; {per_second:.0} per second"),
            );
        }
        if let Some(latency) = &self.latency_us {
            row("latency", &times(latency));
        }
        let unit = match self.scenario {
            name if name == Scenario::Connect.name() => "session",
            name if name == Scenario::Info.name() => "answer",
            _ => "message",
        };
        if let Some(server) = &self.server {
            row("server", &server.text(unit));
        }
        row("bench", &self.bench.text(unit));
        for (what, count) in &self.problems {
            row("problem", &format!("{count} × {what}"));
        }
        for warning in &self.warnings {
            row("warning", warning);
        }
        text
    }
}

impl Messages {
    fn counts(&self) -> String {
        let mut text = format!(
            "{} sent, {} received, {} lost, {} reordered, {} duplicated; {:.0} per second",
            self.sent, self.received, self.lost, self.reordered, self.duplicated, self.per_second
        );
        if self.foreign > 0 {
            let _ = write!(text, "; {} of somebody else", self.foreign);
        }
        text
    }

    fn load(&self) -> String {
        let size = self.size;
        match (self.rate, &self.late_us) {
            (Some(rate), late) => {
                let late = late.as_ref().map(|late| {
                    format!(
                        " (p50 {:.3} ms, p99 {:.3} ms late)",
                        late.p50 / 1e3,
                        late.p99 / 1e3
                    )
                });
                format!(
                    "{size} bytes, {rate} per second and session{}; latency counts from when a message was to be sent",
                    late.unwrap_or_default()
                )
            }
            (None, _) => format!(
                "{size} bytes, {} in flight per session: the next is sent when one has come back, so a pause counts once",
                self.in_flight.unwrap_or_default()
            ),
        }
    }
}

fn times(times: &Summary) -> String {
    let milliseconds = |microseconds: f64| microseconds / 1e3;
    format!(
        "p50 {:.3}  p90 {:.3}  p99 {:.3}  p99.9 {:.3}  max {:.3}  mean {:.3} ms",
        milliseconds(times.p50),
        milliseconds(times.p90),
        milliseconds(times.p99),
        milliseconds(times.p999),
        milliseconds(times.max),
        milliseconds(times.mean)
    )
}

impl Process {
    fn text(&self, unit: &str) -> String {
        let mut text = String::new();
        if let Some(each) = self.us_per_unit {
            let _ = write!(text, "{each:.1} µs of processor per {unit}, ");
        }
        let mib = self.resident_bytes as f64 / f64::from(1 << 20);
        let _ = write!(
            text,
            "{:.2} processors (user {:.0} ms, system {:.0} ms), {mib:.1} MiB",
            self.cores, self.user_ms, self.system_ms
        );
        if let Some(bytes) = self.bytes_per_session {
            let _ = write!(text, ", grown by {:.1} KiB per session", bytes / 1024.0);
        }
        text
    }
}
