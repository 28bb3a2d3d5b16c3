//! PURE. What a report means: a summary, findings, and what to change where. One file per theme; each has functions that
//! look at a `Case` and give a [`Finding`] or none.

mod advice;
mod case;
mod health;
mod lifetime;
mod proxies;
mod reachability;
mod refusals;
mod sizes;
mod streaming;
mod websocket;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::report::Report;
use super::seen::Seen;

use case::{Case, ms};

pub use case::{STREAMING, TRANSPORTS};

/// What a run means.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// One or two plain sentences.
    pub summary: String,
    /// Whether messages go both ways at all.
    pub works: bool,
    /// The transport an application should end up with, if any works.
    pub best: Option<Best>,
    /// What was found, the worst first.
    pub findings: Vec<Finding>,
}

/// The best transport that works.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Its name.
    pub transport: String,
    /// Milliseconds until it was open.
    pub open_ms: Option<f64>,
    /// Milliseconds for a message to the server and back.
    pub message_ms: Option<f64>,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something should be changed.
    Problem,
    /// Worth knowing.
    Note,
    /// As it should be.
    Good,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Name, for programs: `websocket-stripped`.
    pub id: String,
    /// How much it matters.
    pub severity: Severity,
    /// A short sentence.
    pub title: String,
    /// In plain words, with the figures.
    pub what: String,
    /// The measured facts in one line.
    pub evidence: String,
    /// What to change, and where. Words in backticks are to be typed as they are.
    pub advice: Vec<Advice>,
}

/// What to change, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advice {
    /// A product, a person, or `sockjs-gateway`.
    #[serde(rename = "where")]
    pub place: String,
    /// What to change there.
    pub how: String,
}

impl Finding {
    fn new(id: &str, severity: Severity, title: impl Into<String>) -> Self {
        Self {
            id: id.to_owned(),
            severity,
            title: title.into(),
            what: String::new(),
            evidence: String::new(),
            advice: Vec::new(),
        }
    }

    fn problem(id: &str, title: impl Into<String>) -> Self {
        Self::new(id, Severity::Problem, title)
    }

    fn note(id: &str, title: impl Into<String>) -> Self {
        Self::new(id, Severity::Note, title)
    }

    fn good(id: &str, title: impl Into<String>) -> Self {
        Self::new(id, Severity::Good, title)
    }

    fn what(mut self, what: impl Into<String>) -> Self {
        self.what = what.into();
        self
    }

    fn evidence(mut self, evidence: impl Into<String>) -> Self {
        self.evidence = evidence.into();
        self
    }

    fn advice(mut self, advice: Vec<Advice>) -> Self {
        self.advice = advice;
        self
    }

    fn advise(mut self, place: impl Into<String>, how: impl Into<String>) -> Self {
        self.advice.push(Advice {
            place: place.into(),
            how: how.into(),
        });
        self
    }

    fn with(mut self, line: Advice) -> Self {
        self.advice.push(line);
        self
    }

    /// Adds lines for places that are not advised yet.
    fn advice_from(mut self, lines: Vec<Advice>) -> Self {
        for line in lines {
            if !self.advice.iter().any(|known| known.place == line.place) {
                self.advice.push(line);
            }
        }
        self
    }
}

/// What looks at a case.
type Look = fn(&Case<'_>) -> Option<Finding>;

/// Every look, in the order in which findings of one severity are shown: what stops everything first.
const LOOKS: &[Look] = &[
    refusals::finding,
    reachability::nothing_works,
    reachability::origin_refused,
    reachability::two_servers,
    websocket::finding,
    lifetime::age_cut,
    lifetime::gateway_timeout,
    lifetime::idle_cut,
    streaming::held,
    streaming::delayed,
    streaming::tail_held,
    streaming::fails,
    sizes::upload_limited,
    sizes::download_limited,
    reachability::info_cached,
    reachability::cors,
    health::slow,
    health::jitter,
    streaming::compressed,
    websocket::off,
    health::forwarding_untrusted,
    health::tls_terminated,
    health::cookies_blocked,
    health::other_transports,
    health::untested,
    lifetime::idle_survived,
    streaming::flows,
    health::http2,
];

/// Judges a report by what was measured, and by what the server saw.
pub fn judge(report: &Report, seen: &Seen) -> Verdict {
    let case = Case::new(report, seen);
    let best = case.best();
    let works = best.is_some() && !refusals::all_refused(&case);
    let mut findings: Vec<_> = LOOKS.iter().filter_map(|look| look(&case)).collect();
    findings.sort_by_key(|finding| finding.severity);
    let all_good = works
        && case.all_tested_work()
        && findings
            .iter()
            .all(|finding| finding.severity != Severity::Problem);
    if all_good {
        findings.insert(0, all_good_finding(&case));
        findings.sort_by_key(|finding| finding.severity);
    }
    Verdict {
        summary: summary(&case, best.as_ref(), &findings),
        works,
        best,
        findings,
    }
}

fn all_good_finding(case: &Case<'_>) -> Finding {
    let count = case.report.transports.len();
    let names: Vec<_> = case
        .report
        .transports
        .iter()
        .filter_map(|tested| Some(format!("{} {}", tested.name, ms(tested.opened_ms?))))
        .collect();
    Finding::good("all-good", "Every way to connect works")
        .what(match count {
            1 => "The way to connect that was tried works from your network.".to_owned(),
            _ => format!("All {count} ways to connect that were tried work from your network. Nothing has to be changed."),
        })
        .evidence(format!("opened after: {}", names.join(", ")))
}

/// Whether it works, how, and the one thing that matters most.
fn summary(case: &Case<'_>, best: Option<&Best>, findings: &[Finding]) -> String {
    let problem = |ids: &[&str]| {
        findings.iter().find(|finding| {
            finding.severity == Severity::Problem
                && (ids.is_empty() || ids.contains(&finding.id.as_str()))
        })
    };
    if let Some(refused) = problem(&["session-refused"])
        && refusals::all_refused(case)
    {
        return format!(
            "Live connections do not work. Your network is not the reason. {}.",
            refused.title
        );
    }
    let Some(best) = best else {
        let cause = problem(&["origin-refused", "two-servers", "nothing-works"]);
        return match cause {
            Some(cause) => format!(
                "Live connections do not work from your network. {}.",
                cause.title
            ),
            None => "Live connections do not work from your network.".to_owned(),
        };
    };
    let transport = match best.transport.as_str() {
        "websocket" => "WebSocket",
        name => name,
    };
    let runs = match best.message_ms {
        Some(message) => format!(
            "Over {transport} a message takes {} there and back",
            ms(message)
        ),
        None => format!("They run over {transport}"),
    };
    // What breaks connections comes before what makes them slower.
    let cut = problem(&["age-cut", "idle-cut", "gateway-timeout"]);
    let rest = cut.or_else(|| problem(&[]));
    match rest {
        None if best.transport == "websocket" => {
            format!("Everything works from your network. {runs}.")
        }
        None => format!("Live connections work from your network. {runs}."),
        Some(cut) if ["age-cut", "idle-cut", "gateway-timeout"].contains(&cut.id.as_str()) => {
            format!(
                "Live connections open over {transport}, but they do not stay open. {}.",
                cut.title
            )
        }
        Some(other) if !case.is_usable() => format!(
            "Live connections open, but they are hardly usable. {}. {runs}.",
            other.title
        ),
        Some(other) if best.transport == "websocket" => format!(
            "Live connections work from your network, but not everything is as it should be. {}. {runs}.",
            other.title
        ),
        Some(other) => format!(
            "Live connections work from your network, but not in the best way. {}. {runs}.",
            other.title
        ),
    }
}
