//! How long connections live: in silence, when busy, and what a gateway on the way says about it.

use crate::doctor::report::Idle;

use super::Finding;
use super::advice::{Topic, about, administrator, gateway};
use super::case::{Case, list, seconds};

/// Silences that were tested; a loss found at exactly one of these may have happened at any time in it.
const SILENCES: [f64; 3] = [10.0, 30.0, 60.0];

/// Statuses by which a proxy says that it has waited long enough.
const TIMEOUTS: [u16; 4] = [408, 504, 522, 524];

/// Connections are cut although they are in use.
pub(super) fn age_cut(case: &Case<'_>) -> Option<Finding> {
    let limit = case.report.busy.as_ref()?.lost_after_s?;
    let after = seconds(limit);
    let others: String = case
        .lost()
        .filter(|(idle, lost)| {
            idle.transport != "websocket" && is_age(case, &idle.transport, *lost)
        })
        .map(|(idle, lost)| format!("; {}: lost after {}", idle.transport, seconds(lost)))
        .collect();
    let mut finding = Finding::problem("age-cut", format!("Connections are cut after {after}, even while they are in use"))
        .what(format!(
            "A WebSocket on which a message went back and forth every second was cut after {after} all the same. So it is not silence that ends connections here, but their age: something on the way allows each connection or answer only so much time. Heartbeats cannot help against that."
        ))
        .evidence(format!("WebSocket with one message a second: lost after {after}{others}"))
        .advice(about(Topic::Age, case));
    if limit < 60.0 {
        finding = finding.with(gateway(
            "If that cannot be changed: `websocket = false` makes browsers stream or poll instead, and those ways go on by themselves with the next request.",
        ));
    }
    Some(finding.with(administrator(
        "Ask for a longer limit on the duration of connections to this site.",
    )))
}

/// Whether the loss is explained by the limit on age. That of a WebSocket is known; that of an answer is another one, unless
/// it is as long.
fn is_age(case: &Case<'_>, transport: &str, lost: f64) -> bool {
    let busy = case.report.busy.as_ref().and_then(|busy| busy.lost_after_s);
    busy.is_some_and(|busy| lost >= busy * 0.7 && (transport == "websocket" || lost <= busy * 1.3))
}

fn is_timeout(status: Option<u16>) -> bool {
    status.is_some_and(|status| TIMEOUTS.contains(&status))
}

/// Silent sessions that silence ended, and after how many seconds.
fn cut_by_silence<'a>(case: &Case<'a>) -> Vec<(&'a Idle, f64)> {
    case.lost()
        .filter(|(idle, lost)| !is_age(case, &idle.transport, *lost))
        .collect()
}

/// A proxy answers in the server's place, and nothing else is cut: else that is told with the rest.
pub(super) fn gateway_timeout(case: &Case<'_>) -> Option<Finding> {
    let cut = cut_by_silence(case);
    if cut.iter().any(|(idle, _)| !is_timeout(idle.status)) {
        return None;
    }
    let (transport, status) = case
        .statuses()
        .find(|(_, status)| TIMEOUTS.contains(status))?;
    let after = cut.iter().map(|(_, after)| *after).reduce(f64::min);
    let when = after.map_or_else(String::new, |after| {
        format!(" after {}", about_seconds(after))
    });
    let covered = covered(case, after);
    let title = format!("A proxy stops waiting for an answer{when}");
    let finding = if covered {
        Finding::note("gateway-timeout", title)
    } else {
        Finding::problem("gateway-timeout", title)
    };
    let what = format!(
        "While the server had nothing to say, a proxy lost patience and answered in its place with status {status}{when}. For an application that is a lost connection."
    );
    let finding = finding
        .what(if covered {
            format!("{what} The service's heartbeat comes before that, so applications should not notice.")
        } else {
            what
        })
        .evidence(format!("{transport}: status {status}{when}"));
    Some(with_idle_advice(case, finding, after, false, true))
}

/// To whole seconds, where tenths would only pretend to be exact.
fn about_seconds(value: f64) -> String {
    seconds(if value >= 2.0 { value.round() } else { value })
}

/// Whether the service's heartbeat ends each silence before the limit.
fn covered(case: &Case<'_>, limit: Option<f64>) -> bool {
    limit
        .zip(case.heartbeat_s())
        .is_some_and(|(limit, heartbeat)| heartbeat + 1.0 < limit)
}

/// Silent connections are cut.
pub(super) fn idle_cut(case: &Case<'_>) -> Option<Finding> {
    let lost = cut_by_silence(case);
    if lost.iter().all(|(idle, _)| is_timeout(idle.status)) {
        return None;
    }
    let first = lost.iter().map(|(_, lost)| *lost).reduce(f64::min)?;
    let names: Vec<_> = lost
        .iter()
        .map(|(idle, _)| idle.transport.as_str())
        .collect();
    let survivors: Vec<_> = case
        .report
        .idle
        .iter()
        .filter(|idle| idle.lost_after_s.is_none())
        .map(|idle| idle.transport.as_str())
        .collect();
    let within = if SILENCES.contains(&first) {
        "within"
    } else {
        "after"
    };
    let after = about_seconds(first);
    let covered = covered(case, Some(survived(case, first)));
    let title = format!("Silent connections are cut {within} {after}");
    let finding = if covered {
        Finding::note("idle-cut", title)
    } else {
        Finding::problem("idle-cut", title)
    };
    let heartbeat = match case.heartbeat_s() {
        Some(heartbeat) if covered => format!(
            " The service sends a sign of life every {}, which is often enough, so applications should not notice.",
            seconds(heartbeat)
        ),
        Some(heartbeat) if case.service().is_some_and(|service| service.adaptive) => format!(
            " The service sends a sign of life every {}, and sooner to browsers whose network it has learnt about. Until it has, users who read without writing may be thrown out.",
            seconds(heartbeat)
        ),
        Some(heartbeat) if case.service().is_some() => format!(
            " The service sends a sign of life only every {}: users who read without writing are thrown out before that.",
            seconds(heartbeat)
        ),
        Some(heartbeat) => format!(
            " Most services send a sign of life every {}: that would be too late.",
            seconds(heartbeat)
        ),
        None => {
            " The service sends no signs of life: users who read without writing are thrown out."
                .to_owned()
        }
    };
    let others = if survivors.is_empty() {
        String::new()
    } else {
        format!(" Not cut: {}.", list(&survivors))
    };
    let finding = finding
        .what(format!(
            "When nothing is said, something on the way ends the connection {within} {after}: this happened to {}.{others}{heartbeat}",
            list(&names)
        ))
        .evidence(
            lost.iter()
                .map(|(idle, lost)| {
                    let status = idle.status.map(|status| format!(", status {status}"));
                    format!(
                        "{} lost after {} of silence{}",
                        idle.transport,
                        seconds(*lost),
                        status.unwrap_or_default()
                    )
                })
                .collect::<Vec<_>>()
                .join("; "),
        );
    let websocket = names.contains(&"websocket");
    let http = names.iter().any(|name| *name != "websocket");
    Some(with_idle_advice(
        case,
        finding,
        Some(first),
        websocket,
        http,
    ))
}

/// A silence that is certainly allowed, when one of `lost` seconds is not.
fn survived(case: &Case<'_>, lost: f64) -> f64 {
    if !SILENCES.contains(&lost) {
        return lost;
    }
    let survived = case
        .report
        .idle
        .iter()
        .filter(|idle| idle.lost_after_s == Some(lost));
    let survived = survived.filter_map(|idle| idle.survived_s).reduce(f64::min);
    survived
        .filter(|survived| *survived > 0.0)
        .unwrap_or(lost / 3.0)
}

fn with_idle_advice(
    case: &Case<'_>,
    finding: Finding,
    limit: Option<f64>,
    websocket: bool,
    http: bool,
) -> Finding {
    let heartbeat = limit.map(|limit| (survived(case, limit) * 0.6).floor().max(1.0));
    let finding = match heartbeat {
        Some(heartbeat) if case.service().is_some() => finding.with(gateway(format!(
            "`heartbeat_delay = \"{heartbeat:.0}s\"` for the service: a sign of life before the limit keeps connections open, whatever stands on the way."
        ))),
        Some(heartbeat) => finding.advise(
            "the SockJS server",
            format!("A heartbeat every {} (`heartbeat_delay`, in sockjs-gateway as in sockjs-node): a sign of life before the limit keeps connections open, whatever stands on the way.", seconds(heartbeat)),
        ),
        None => finding,
    };
    finding
        .advice_from(about(Topic::Idle { websocket, http }, case))
        .with(administrator("Ask for a longer limit on silence (idle timeout) in the proxy or firewall, a minute at least."))
}

/// Silence is allowed.
pub(super) fn idle_survived(case: &Case<'_>) -> Option<Finding> {
    if case.report.idle.is_empty() || case.lost().next().is_some() {
        return None;
    }
    let longest = case
        .report
        .idle
        .iter()
        .filter_map(|idle| idle.survived_s)
        .reduce(f64::min)
        .filter(|longest| *longest > 0.0)?;
    let names: Vec<_> = case
        .report
        .idle
        .iter()
        .map(|idle| idle.transport.as_str())
        .collect();
    Some(
        Finding::good("idle-survived", "Silent connections stay open")
            .what(format!(
                "Connections on which nothing was said for {} were still alive.{}",
                seconds(longest),
                match case.heartbeat_s() {
                    Some(heartbeat) if longest < heartbeat => format!(
                        " Longer silences were not tested; a sign of life comes every {}.",
                        seconds(heartbeat)
                    ),
                    _ => String::new(),
                }
            ))
            .evidence(format!(
                "{}: alive after {} of silence",
                list(&names),
                seconds(longest)
            )),
    )
}
