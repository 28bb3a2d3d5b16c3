//! Labels and the values that they have.

use crate::network::Findings;
use crate::registry::{Counts, DialOutcome};
use crate::session::{EndCause, Standing};

use super::connections::{ConnectionRefusal, ConnectionTimeout, HeadRefusal, TlsOutcome};

/// A label.
pub(super) struct Label {
    pub(super) name: &'static str,
    /// What it says, in one line.
    pub(super) about: &'static str,
    /// Its values with what they mean; empty where the configuration or the table of transports has them.
    pub(super) values: fn() -> Vec<(&'static str, &'static str)>,
}

/// All labels. Where one name stands for two lists, the metric's own is said in `about`.
pub(super) static LABELS: &[Label] = &[
    Label {
        name: "service",
        about: "the service's `prefix`",
        values: Vec::new,
    },
    Label {
        name: "transport",
        about: "the transport that opened the session, by its name in `transports`; one appears with its first session",
        values: Vec::new,
    },
    Label {
        name: "state",
        about: "how a session stands",
        values: || {
            let living = Standing::LIVING.iter();
            living.map(|(_, name, about)| (*name, *about)).collect()
        },
    },
    Label {
        name: "cause",
        about: "what ended a session",
        values: || {
            let causes = EndCause::ALL.iter();
            causes.map(|cause| (cause.name(), cause.about())).collect()
        },
    },
    Label {
        name: "code",
        about: "the close code: those that the gateway itself sends and the common ones of WebSocket (RFC 6455 §7.4.1); any other that a backend or browser chooses is `other`",
        values: Vec::new,
    },
    Label {
        name: "direction",
        about: "which way messages go",
        values: || {
            vec![
                ("in", "from the browser to the backend"),
                ("out", "from the backend to the browser"),
            ]
        },
    },
    Label {
        name: "limit",
        about: "the limit, and what is counted of it",
        values: || {
            let limits = Counts::default().limits().into_iter();
            limits.map(|hits| (hits.limit, hits.about)).collect()
        },
    },
    Label {
        name: "reason",
        about: "of `sockjs_requests_refused_total`",
        values: || {
            let refusals = Counts::default().refusals().into_iter();
            refusals.map(|(name, about, _)| (name, about)).collect()
        },
    },
    Label {
        name: "reason",
        about: "of `sockjs_connections_refused_total`",
        values: || {
            let refusals = ConnectionRefusal::ALL.iter();
            refusals.map(|(_, name, about)| (*name, *about)).collect()
        },
    },
    Label {
        name: "reason",
        about: "of `sockjs_connections_timed_out_total`",
        values: || {
            let timeouts = ConnectionTimeout::ALL.iter();
            timeouts.map(|(_, name, about)| (*name, *about)).collect()
        },
    },
    Label {
        name: "reason",
        about: "of `sockjs_heads_refused_total`",
        values: || {
            let refusals = HeadRefusal::ALL.iter();
            refusals.map(|(_, name, about)| (*name, *about)).collect()
        },
    },
    Label {
        name: "finding",
        about: "what was found out",
        values: || {
            let findings = Findings::default().all().into_iter();
            findings.map(|(name, about, _)| (name, about)).collect()
        },
    },
    Label {
        name: "outcome",
        about: "of `sockjs_upstream_dials_total`",
        values: || {
            let outcomes = DialOutcome::ALL.iter();
            outcomes.map(|(_, name, about)| (*name, *about)).collect()
        },
    },
    Label {
        name: "outcome",
        about: "of `sockjs_tls_handshakes_total`",
        values: || {
            let outcomes = TlsOutcome::ALL.iter();
            outcomes.map(|(_, name, about)| (*name, *about)).collect()
        },
    },
    Label {
        name: "version",
        about: "of the gateway",
        values: Vec::new,
    },
    Label {
        name: "le",
        about: "upper bound of a histogram's bucket, in seconds",
        values: Vec::new,
    },
];

/// The value of label `code`.
pub(super) fn code(code: Option<u16>) -> String {
    code.map_or_else(|| "other".to_owned(), |code| code.to_string())
}
