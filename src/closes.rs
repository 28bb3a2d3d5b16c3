//! PURE. What a close frame of the gateway's own means to whoever gets one, and what to look at or change. An upstream's own
//! codes come through as they are, so codes that applications use too are told apart by their reason.

use std::borrow::Cow;

use crate::protocol::CloseReason;

/// What a close means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Meaning {
    /// A short sentence without a full stop: `the upstream cannot be reached`.
    pub(crate) title: Cow<'static, str>,
    /// In plain words.
    pub(crate) what: &'static str,
    /// What to look at or change at the gateway. Words in backticks are to be typed as they are.
    pub(crate) how: &'static str,
}

impl Meaning {
    const fn new(title: &'static str, what: &'static str, how: &'static str) -> Self {
        Self {
            title: Cow::Borrowed(title),
            what,
            how,
        }
    }
}

/// What the gateway means by a close with this code and reason; `None` for one that is not its own, or that says nothing
/// about the service: the backend's, the application's, a broken connection's. Codes and reasons that `[[auth]]` and
/// `[drain]` were given in place of the usual ones are not known here.
pub(crate) fn meaning(code: u16, reason: &str) -> Option<Meaning> {
    let known = KNOWN
        .iter()
        .find(|(known, _)| known.code == code && *known.reason == *reason);
    if let Some((_, meaning)) = known {
        return Some(meaning.clone());
    }
    if reason.is_empty() {
        return None;
    }
    match code {
        1009 if reason == "Message from upstream is too big" => Some(Meaning::new(
            "a message of the upstream was too big",
            "The server behind the gateway sent a longer message than the service takes.",
            "Send less at once there, or raise `upstream.max_message_size` of the service.",
        )),
        1011 => Some(FAILED),
        1012 => Some(RESTART),
        1013 => Some(BUSY),
        1014 => Some(of_upstream(reason)),
        4401 => Some(UNAUTHORIZED),
        4402 => Some(EXPIRED),
        4503 => Some(UNAVAILABLE),
        _ => None,
    }
}

/// Whether it is the reason of one of them, where the code is not known.
pub(crate) fn is_reason(text: &str) -> bool {
    KNOWN.iter().any(|(known, _)| *known.reason == *text)
}

/// 1014, whose reason says what the upstream did.
fn of_upstream(reason: &str) -> Meaning {
    if let Some(status) = reason.strip_prefix("Upstream answered ") {
        let how = match status {
            "401" | "403" => REFUSES_USER,
            _ => {
                "Look whether host, port and path of `backend` are those of its WebSocket. `sockjs-gateway check --config FILE --deep` asks it the same without a browser."
            }
        };
        return Meaning {
            title: format!("the upstream refuses (status {status})").into(),
            what: "The gateway takes the session, but the server behind it (`backend`) answers its WebSocket handshake with a refusal.",
            how,
        };
    }
    match reason {
        "Upstream did not answer in time" => Meaning::new(
            "the upstream does not answer",
            "The gateway takes the session, but the server behind it (`backend`) does not answer within `upstream.dial_timeout`.",
            DEEP,
        ),
        "Upstream is not a WebSocket server" => Meaning::new(
            "the upstream is not a WebSocket server",
            "The gateway takes the session, but what answers at `backend` does not speak WebSocket.",
            "Look whether host, port and path of `backend` are right, and whether it is `ws://` or `wss://`. `sockjs-gateway check --config FILE --deep` says what it got.",
        ),
        "Upstream connection lost" | "Upstream does not answer" => Meaning::new(
            "the upstream was lost",
            "The gateway had a connection to the server behind it (`backend`), and that broke off or fell silent.",
            "Look into the log of that server, and into the gateway's (`upstream failed`). `sockjs-gateway status` has how its connections go.",
        ),
        _ => Meaning::new(
            "the upstream cannot be reached",
            "The gateway takes the session, but the server behind it (`backend`) does not take the gateway's connection.",
            DEEP,
        ),
    }
}

const DEEP: &str = "Look whether the server at `backend` runs, and whether host and port are right. `sockjs-gateway check --config FILE --deep` tries it and says why it fails; `sockjs-gateway status`, and `upstream failed` in the log, say it of the gateway that runs.";

const REFUSES_USER: &str = "It wants to know who asks: give it what a browser sends (cookies, or `--header` in a terminal), name the fields that it needs in `upstream.headers`, and look whether the path of `backend` is right. `upstream failed` in the log has each refusal.";

const FAILED: Meaning = Meaning::new(
    "the service's handler failed",
    "The service takes the session, and then its own code breaks down.",
    "Look into the log of the program that serves it.",
);

const RESTART: Meaning = Meaning::new(
    "the gateway takes no new sessions",
    "The gateway stops or is being drained, and sends new sessions away.",
    "Wait until it is back. After a drain that was only for a while: `sockjs-gateway undrain`; `sockjs-gateway status` says whether it drains.",
);

const FULL: &str = "The service is there, and takes no more sessions for now.";

const BUSY: Meaning = Meaning::new(
    "a limit of the service is reached",
    FULL,
    "Try again later. The log says which limit it is (`session refused`); docs/limits.md has them all.",
);

const UNAUTHORIZED: Meaning = Meaning::new(
    "the service does not know who asks",
    "The service has `auth`, and lets nobody in without a token, or a certificate, that is right.",
    "Give what a browser of a user has: a token or a cookie; in a terminal `--header 'Authorization: Bearer TOKEN'` or `--header 'Cookie: NAME=TOKEN'`. Why one is refused is in the log (`authentication refused`).",
);

const EXPIRED: Meaning = Meaning::new(
    "the token has expired",
    "The service has `auth`, and the token or certificate that came is no longer valid.",
    "Get a new one. Where clocks differ, `leeway` in `[[auth]]` says by how much they may.",
);

const UNAVAILABLE: Meaning = Meaning::new(
    "nobody can say who may come in",
    "The service has `auth`, and who has to be asked does not answer: `forward_url`, or `jwks_url` for the keys.",
    "`sockjs-gateway check --config FILE --deep` asks both and says why it fails.",
);

const fn limit(title: &'static str, how: &'static str) -> Meaning {
    Meaning::new(title, FULL, how)
}

const RATE: &str = "It comes from the service's own limit on what a browser may send.";

/// Closes with a reason that only the gateway gives.
static KNOWN: [(CloseReason, Meaning); 13] = [
    (
        CloseReason::SERVICE_REMOVED,
        Meaning::new(
            "the service was taken away",
            "The gateway runs, but this service is no longer in its configuration.",
            "Look whether the `[[service]]` with this `prefix` is still in the file: `sockjs-gateway config show --config FILE`.",
        ),
    ),
    (
        CloseReason::TEXT_ONLY,
        Meaning::new(
            "the upstream sends binary",
            "The server behind the gateway sent a binary message, and SockJS carries text only.",
            "`upstream.binary = \"base64\"` for the service passes it on as text; or let the upstream send text.",
        ),
    ),
    (
        CloseReason::NO_FIRST_MESSAGE,
        Meaning::new(
            "no first message came in time",
            "Whoever opens a session has to send something within `first_message_timeout`.",
            "Send what the service expects first, or raise `first_message_timeout` of the service.",
        ),
    ),
    (
        CloseReason::TOO_MANY_MESSAGES,
        Meaning::new(
            "too many messages a second were sent",
            RATE,
            "Send less, or raise `messages_per_second` of the service (`rate_exceeded` says what happens above it).",
        ),
    ),
    (
        CloseReason::TOO_MANY_BYTES,
        Meaning::new(
            "too many bytes a second were sent",
            RATE,
            "Send less, or raise `bytes_per_second` of the service (`rate_exceeded` says what happens above it).",
        ),
    ),
    (
        CloseReason::TOO_BIG,
        Meaning::new(
            "a message was too big",
            "A message is longer than the service takes.",
            "Send less at once, or raise `max_message_size` of the service.",
        ),
    ),
    (
        CloseReason::TOO_MANY_SESSIONS,
        limit(
            "the service has as many sessions as it may",
            "Raise `max_sessions`, of the service or at the top of the file; `sockjs-gateway status` has how many there are.",
        ),
    ),
    (
        CloseReason::TOO_MANY_OF_CLIENT,
        limit(
            "this network has as many sessions as it may",
            "Raise `max_sessions_per_client`. Behind a proxy that is not in `trusted_proxies`, all users count as one network.",
        ),
    ),
    (
        CloseReason::TOO_MANY_OF_USER,
        limit(
            "this user has as many sessions as one may",
            "Close some, or raise `max_sessions_per_user`; `sockjs-gateway sessions list` shows them.",
        ),
    ),
    (
        CloseReason::TOO_FAST,
        limit(
            "sessions are opened faster than the service allows",
            "Wait a moment, or raise `sessions_per_second` and `sessions_burst`.",
        ),
    ),
    (
        CloseReason::TOO_FAST_OF_CLIENT,
        limit(
            "this network opens sessions faster than it may",
            "Wait a moment, or raise `sessions_per_second_per_client`. Behind a proxy that is not in `trusted_proxies`, all users count as one network.",
        ),
    ),
    (
        CloseReason::OUT_OF_BUDGET,
        limit(
            "the gateway is out of queue memory",
            "Raise `queue_memory`, of the service or at the top of the file. `sockjs-gateway sessions list` shows who reads too slowly.",
        ),
    ),
    (
        CloseReason::SLOW_CONSUMER,
        Meaning::new(
            "it was read too slowly",
            "More was waiting for this session than the service keeps.",
            "Read faster, or raise `outbound_bytes` and `outbound_messages` of the service (`slow_consumer` says what happens above them).",
        ),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn title(code: u16, reason: &str) -> String {
        let meaning = meaning(code, reason);
        meaning.map_or_else(String::new, |meaning| meaning.title.into_owned())
    }

    /// Each reason of the gateway's own has a meaning that fits it.
    #[test]
    fn own_reasons_are_understood() {
        for (code, reason, expected) in [
            (1001, "Service removed", "the service was taken away"),
            (1003, "Only text messages are supported", "binary"),
            (1008, "Too many bytes a second", "bytes"),
            (1009, "Message too big", "too big"),
            (1012, "Service restart", "no new sessions"),
            (1013, "Too many sessions", "as many sessions"),
            (1013, "Too many sessions from this network", "this network"),
            (1013, "another bound", "a limit"),
            (1014, "Upstream refused the connection", "cannot be reached"),
            (1014, "Upstream answered 403", "status 403"),
            (1014, "Upstream did not answer in time", "does not answer"),
            (
                1014,
                "Upstream is not a WebSocket server",
                "not a WebSocket",
            ),
            (1014, "Upstream connection lost", "was lost"),
            (4401, "Unauthorized", "who asks"),
            (4402, "Token expired", "expired"),
            (4503, "Authentication unavailable", "nobody can say"),
        ] {
            let title = title(code, reason);
            assert!(title.contains(expected), "{code} {reason}: {title:?}");
        }
    }

    /// What an application or a network says is not taken for the gateway's.
    #[test]
    fn closes_of_others_have_no_meaning_here() {
        for (code, reason) in [
            (1000, "Normal closure"),
            (1001, "going away"),
            (1002, "Connection interrupted"),
            (1006, ""),
            (1008, "policy of the application"),
            (1009, "too long"),
            (1013, ""),
            (2010, "Another connection still open"),
            (3000, "Go away!"),
            (4000, "kicked"),
        ] {
            assert_eq!(meaning(code, reason), None, "{code} {reason}");
        }
    }

    /// They are put into sentences, after a colon and before a full stop.
    #[test]
    fn texts_have_one_shape() {
        let codes = [(1011, "x"), (1012, "x"), (1013, "x"), (1014, "x")];
        let more = [(4401, "x"), (4402, "x"), (4503, "x")];
        let others = codes.into_iter().chain(more);
        let others = others.filter_map(|(code, reason)| meaning(code, reason));
        let known = KNOWN.iter().map(|(_, meaning)| meaning.clone());
        for meaning in known.chain(others) {
            let lower = meaning.title.starts_with(char::is_lowercase);
            assert!(lower && !meaning.title.ends_with('.'), "{meaning:?}");
            for text in [meaning.what, meaning.how] {
                assert!(text.ends_with('.') && !text.contains("  "), "{meaning:?}");
                assert_eq!(text.matches('`').count() % 2, 0, "{meaning:?}");
            }
        }
    }
}
