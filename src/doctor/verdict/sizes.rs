//! How large messages may be.

use super::Finding;
use super::advice::{Topic, about, administrator, gateway};
use super::case::{Case, bytes, quote};

/// Largest test message up, and what the gateway takes unless it is told otherwise.
const USUAL_LIMIT: &str = "4 MiB";

/// Requests above a size fail.
pub(super) fn upload_limited(case: &Case<'_>) -> Option<Finding> {
    let failed = case.report.upload.iter().find(|upload| !upload.ok)?;
    // What a size has nothing to do with.
    if failed.status == Some(404)
        || failed
            .error
            .as_deref()
            .is_some_and(super::refusals::is_told)
    {
        return None;
    }
    let passed = case
        .report
        .upload
        .iter()
        .filter(|upload| upload.ok)
        .map(|upload| upload.bytes)
        .reduce(f64::max);
    let size = bytes(failed.bytes);
    let above = passed.map_or_else(
        || format!("Messages of {size} cannot be sent"),
        |passed| format!("Messages above {} cannot be sent", bytes(passed)),
    );
    let reason = match failed.status {
        Some(413) => "was refused as too large (status 413)".to_owned(),
        Some(status) => format!("was answered with status {status}"),
        None => "did not arrive".to_owned(),
    };
    let limit = passed.map_or_else(String::new, |passed| {
        format!(
            " One of {} arrived, so the limit is between the two.",
            bytes(passed)
        )
    });
    let seen = case
        .seen
        .requests
        .iter()
        .any(|request| request.kind.as_deref() == Some("send") && request.status == Some(413));
    let (cause, mut advice) = if seen {
        (
            " The gateway itself refused it.",
            vec![gateway(format!(
                "`max_body_size` and `max_message_size` of the service are below the test's size; the default of the first is {USUAL_LIMIT}."
            ))],
        )
    } else {
        (
            " The gateway takes more than that, so it is something before it.",
            about(Topic::Upload(failed.bytes), case),
        )
    };
    if !seen {
        advice.push(administrator(
            "If the site's own proxies are in order: ask for the limit on uploads of the network's proxy or web filter.",
        ));
    }
    let answer = match (failed.status, failed.error.as_deref()) {
        (Some(status), _) => format!("status {status}"),
        (None, Some(error)) => quote(error),
        (None, None) => "no answer".to_owned(),
    };
    Some(
        Finding::problem("upload-limited", above)
            .what(format!("A message of {size} from you to the server {reason}.{limit}{cause} Short messages are not affected."))
            .evidence(format!("{size}: {answer}"))
            .advice(advice),
    )
}

/// Large messages from the server fail.
pub(super) fn download_limited(case: &Case<'_>) -> Option<Finding> {
    // A held tail explains it.
    if super::streaming::tail_held(case).is_some() {
        return None;
    }
    let failed = case.report.download.iter().find(|download| !download.ok)?;
    let size = bytes(failed.bytes);
    let error = failed.error.as_deref().map(quote).unwrap_or_default();
    Some(
        Finding::problem("download-limited", format!("Messages of {size} from the server do not arrive"))
            .what(format!("A message of {size} from the server did not arrive whole and in time. Short messages are not affected."))
            .evidence(format!("{size}: {error}"))
            .advice(about(Topic::Buffering, case))
            .with(administrator("Ask whether answers are limited in size or scanned on the way.")),
    )
}
