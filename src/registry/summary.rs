//! The end of a session as it is counted and told: one line with what the session came to.

use tracing::info;

use crate::session::End;

use super::clock::now;
use super::handle::SessionHandle;

/// Longest reason that a line has, in characters: what fits into the close frame of a WebSocket. (RFC 6455 §5.5)
const LONGEST_REASON: usize = 123;

/// Counts and tells the end of a session, once, when it is closed.
pub(super) fn tell(handle: &SessionHandle, end: &End) {
    let tally = handle.tally();
    tally.closed(end);
    let traffic = handle.glance().traffic;
    let duration = now().saturating_duration_since(handle.opened());
    let millis = duration.as_secs_f64().mul_add(1000.0, 0.5).floor();
    info!(
        target: super::LOG,
        session = %handle.id(),
        service = &*tally.of_service.service,
        transport = tally.transport,
        duration = millis / 1000.0,
        messages_in = traffic.messages_in,
        messages_out = traffic.messages_out,
        bytes_in = traffic.bytes_in,
        bytes_out = traffic.bytes_out,
        code = end.reason.code,
        reason = shown(&end.reason.reason),
        cause = end.cause.name(),
        closed_by = end.cause.closed_by(),
        "session ended"
    );
}

/// A reason as a line may have it: browsers and backends choose it, also with line breaks in it.
fn shown(reason: &str) -> String {
    let cut = reason.chars().take(LONGEST_REASON);
    cut.map(|character| {
        if character.is_control() {
            ' '
        } else {
            character
        }
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A browser cannot write lines of its own into the log.
    #[test]
    fn reasons_are_one_short_line() {
        assert_eq!(shown("Go away!"), "Go away!");
        assert_eq!(shown("a\n\u{1b}[31mb\r"), "a  [31mb ");
        assert_eq!(shown(&"ä".repeat(1000)).chars().count(), LONGEST_REASON);
    }
}
