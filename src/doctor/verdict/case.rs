//! A report and what the server saw of it, with the questions that several findings ask.

use crate::doctor::report::{Drip, Idle, Outcome, Report, Tail, Tested};
use crate::doctor::seen::{Seen, SeenRequest, ServiceFacts};

use super::Best;
use super::proxies::{self, Proxy};
use super::refusals;

/// The transports, the best first: the order in which sockjs-client tries them.
pub const TRANSPORTS: [&str; 6] = [
    "websocket",
    "xhr-streaming",
    "eventsource",
    "htmlfile",
    "xhr-polling",
    "jsonp-polling",
];

/// Those that receive in one long answer.
pub const STREAMING: [&str; 3] = ["xhr-streaming", "eventsource", "htmlfile"];

/// sockjs-node's, and that of nearly every service.
const USUAL_HEARTBEAT: f64 = 25.0;

/// What is judged.
pub(super) struct Case<'a> {
    pub(super) report: &'a Report,
    pub(super) seen: &'a Seen,
    pub(super) proxies: Vec<Proxy>,
}

impl<'a> Case<'a> {
    pub(super) fn new(report: &'a Report, seen: &'a Seen) -> Self {
        Self {
            report,
            seen,
            proxies: proxies::identify(report, seen),
        }
    }

    /// Whether the server told what it saw of this run: of HTTP transports that work something must have come. Otherwise
    /// another gateway got it, or it was forgotten.
    pub(super) fn is_seen(&self) -> bool {
        let is_http = |name: &str| name != "websocket";
        let worked = self.working().any(|tested| is_http(&tested.name));
        let mut came = self.seen.requests.iter();
        let came = came.any(|request| request.transport.as_deref().is_some_and(is_http));
        self.seen.request.is_some() && (came || !worked)
    }

    pub(super) fn is_https(&self) -> bool {
        let url = self.report.url.as_deref().unwrap_or_default();
        url.starts_with("https://")
    }

    pub(super) fn is_page(&self) -> bool {
        self.report.agent != "terminal"
    }

    /// Who asks, in a sentence.
    pub(super) fn asker(&self) -> &'static str {
        if self.is_page() {
            "your browser"
        } else {
            "this computer"
        }
    }

    pub(super) fn works(&self, name: &str) -> bool {
        self.report
            .transport(name)
            .is_some_and(|tested| tested.outcome == Outcome::Works)
    }

    pub(super) fn working(&self) -> impl Iterator<Item = &'a Tested> {
        let report = self.report;
        TRANSPORTS
            .iter()
            .filter_map(|name| report.transport(name))
            .filter(|tested| tested.outcome == Outcome::Works)
    }

    /// Every transport that was tested, and that this browser can do, works.
    pub(super) fn all_tested_work(&self) -> bool {
        let tried =
            |tested: &&Tested| !matches!(tested.outcome, Outcome::Unsupported | Outcome::Skipped);
        let mut tested = self.report.transports.iter().filter(tried);
        tested.all(|tested| tested.outcome == Outcome::Works)
    }

    /// Streaming transports that work.
    pub(super) fn streams(&self) -> impl Iterator<Item = &'a Tested> {
        self.working()
            .filter(|tested| STREAMING.contains(&tested.name.as_str()))
    }

    /// The options of the service that the doctor belongs to.
    pub(super) fn service(&self) -> Option<&'a ServiceFacts> {
        self.seen.service.as_ref()
    }

    /// Whether the service itself offers the transport, as far as is known.
    fn is_offered(&self, name: &str) -> bool {
        self.service().is_none_or(|service| {
            let listed = service
                .transports
                .as_ref()
                .is_none_or(|list| list.iter().any(|listed| listed == name));
            listed && (name != "websocket" || service.websocket)
        })
    }

    /// The transport an application ends up with: the first that works, of those that the service offers.
    pub(super) fn best(&self) -> Option<Best> {
        let offered = self.working().find(|tested| self.is_offered(&tested.name));
        let tested = offered.or_else(|| self.working().next())?;
        Some(Best {
            transport: tested.name.clone(),
            open_ms: tested.opened_ms,
            message_ms: median(&tested.echo_ms),
        })
    }

    /// Whether an application can live with the best transport.
    pub(super) fn is_usable(&self) -> bool {
        self.best()
            .is_some_and(|best| best.message_ms.is_none_or(|message| message < 5000.0))
    }

    /// The service's heartbeat in seconds; `None` when it is off.
    pub(super) fn heartbeat_s(&self) -> Option<f64> {
        self.service()
            .map_or(Some(USUAL_HEARTBEAT), |service| service.heartbeat_s)
    }

    pub(super) fn drip(&self) -> Option<&'a Drip> {
        self.report.stream.as_ref()?.drip.as_ref()
    }

    pub(super) fn tail(&self) -> Option<&'a Tail> {
        self.report.stream.as_ref()?.tail.as_ref()
    }

    /// Silent sessions that were lost, and after how many seconds.
    pub(super) fn lost(&self) -> impl Iterator<Item = (&'a Idle, f64)> {
        // What ends at once is not ended by silence.
        let idle = self.report.idle.iter();
        let idle = idle.filter(|idle| !refusals::is_ended(idle));
        idle.filter_map(|idle| Some((idle, idle.lost_after_s.filter(|lost| *lost >= 0.5)?)))
    }

    /// The WebSocket handshakes that reached the server.
    pub(super) fn handshakes(&self) -> impl Iterator<Item = &'a SeenRequest> {
        self.seen.requests.iter().filter(|request| {
            request.transport.as_deref() == Some("websocket")
                && request.kind.as_deref() == Some("receive")
        })
    }

    /// Statuses that requests of the sessions were answered with, as the browser saw them.
    pub(super) fn statuses(&self) -> impl Iterator<Item = (&'a str, u16)> {
        let tested = self
            .report
            .transports
            .iter()
            .filter_map(|tested| Some((tested.name.as_str(), tested.status?)));
        let idle = self.report.idle.iter();
        tested.chain(idle.filter_map(|idle| Some((idle.transport.as_str(), idle.status?))))
    }
}

/// The middle value.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted: Vec<_> = values
        .iter()
        .copied()
        .filter(|value| value.is_finite())
        .collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().checked_sub(1)? / 2).copied()
}

/// `40 ms`, `1.9 s`
pub(super) fn ms(milliseconds: f64) -> String {
    if milliseconds < 10.0 {
        let text = format!("{milliseconds:.1}");
        format!("{} ms", text.trim_end_matches(".0"))
    } else if milliseconds < 1000.0 {
        format!("{milliseconds:.0} ms")
    } else {
        seconds(milliseconds / 1000.0)
    }
}

/// `3 s`, `2.5 s`, `2 minutes`
pub(super) fn seconds(seconds: f64) -> String {
    if seconds >= 120.0 && seconds % 60.0 == 0.0 {
        return format!("{:.0} minutes", seconds / 60.0);
    }
    let text = format!("{seconds:.1}");
    format!("{} s", text.trim_end_matches(".0"))
}

/// `64 KiB`, `1 MiB`
pub(super) fn bytes(bytes: f64) -> String {
    let number = |value: f64| format!("{value:.1}").trim_end_matches(".0").to_owned();
    if bytes >= 1_048_576.0 {
        format!("{} MiB", number(bytes / 1_048_576.0))
    } else if bytes >= 1024.0 {
        format!("{} KiB", number(bytes / 1024.0))
    } else {
        format!("{bytes:.0} bytes")
    }
}

/// `one`, `one and two`, `one, two and three`
pub(super) fn list<S: AsRef<str>>(names: &[S]) -> String {
    match names {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<_> = first.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", first.join(", "), last.as_ref())
        }
    }
}

/// Text from outside, as it may be shown: short, on one line, without control characters and backticks.
pub(super) fn quote(text: &str) -> String {
    let clean: String = text
        .chars()
        .filter(|character| !character.is_control() && *character != '`')
        .take(160)
        .collect();
    clean.trim().to_owned()
}
