//! Sessions that the gateway ended itself, with a code of its own: then its configuration, its upstream or whoever asks is the
//! reason, and not the network.

use crate::closes::{Meaning, is_reason, meaning};
use crate::doctor::report::{Close, Idle, Tested};

use super::Finding;
use super::advice::gateway;
use super::case::{Case, list, quote};

/// What the gateway meant, when this is a close of its own.
fn of(close: Option<&Close>) -> Option<Meaning> {
    let close = close?;
    meaning(close.code?, &close.reason)
}

/// Whether the gateway ended this test.
pub(super) fn is_refused(tested: &Tested) -> bool {
    of(tested.close.as_ref()).is_some()
}

/// Whether what went wrong is that the gateway ended the session.
pub(super) fn is_told(error: &str) -> bool {
    // The terminal tells the code too, the page the reason alone.
    let close = error.strip_prefix("closed by the server: ");
    match close.and_then(|close| close.split_once(' ')) {
        Some((code, reason)) => code
            .parse()
            .is_ok_and(|code| meaning(code, reason).is_some()),
        None => is_reason(error),
    }
}

/// Whether the gateway ended this session while it was silent.
pub(super) fn is_ended(idle: &Idle) -> bool {
    of(idle.close.as_ref()).is_some()
}

/// Whether no session came through: some were ended by the gateway, and none stayed.
pub(super) fn all_refused(case: &Case<'_>) -> bool {
    let idle = &case.report.idle;
    let none_works = case.working().next().is_none();
    (none_works && case.report.transports.iter().any(is_refused))
        || (!idle.is_empty() && idle.iter().all(is_ended))
}

/// The gateway said why a session ends.
pub(super) fn finding(case: &Case<'_>) -> Option<Finding> {
    let tested = case.report.transports.iter();
    let tested = tested.map(|tested| (&tested.name, tested.close.as_ref()));
    let idle = case.report.idle.iter();
    let idle = idle.map(|idle| (&idle.transport, idle.close.as_ref()));
    let mut refused = tested.chain(idle).filter(|(_, close)| of(*close).is_some());
    let (first, close) = refused.next()?;
    let (close, meaning) = (close?, of(close)?);
    let code = close.code?;
    let mut names = vec![quote(first)];
    for (name, other) in refused {
        if other.is_some_and(|other| other.code == close.code) && !names.contains(&quote(name)) {
            names.push(quote(name));
        }
    }
    let which = if all_refused(case) {
        "each session"
    } else {
        "some sessions"
    };
    let title = format!("The gateway ends {which} with {code}: {}", meaning.title);
    Some(
        Finding::problem("session-refused", title)
            .what(format!(
                "{} The gateway said so itself, so nothing on the way has to do with it.",
                meaning.what
            ))
            .evidence(format!(
                "{}: closed with {code} {}",
                list(&names),
                quote(&close.reason)
            ))
            .with(gateway(meaning.how)),
    )
}
