//! Keys that say nothing without another one: who writes them expects something that will not happen.

use crate::session::{InboundRate, SessionConfig, SlowConsumer};

use super::ServiceSettings;
use super::mistake::Mistake;
use super::value::Table;

/// A key, whether it means something beside the others, and what to write as well. Defaults may be written without it: they are printed.
struct Condition {
    key: &'static str,
    /// The keys that give it an effect.
    needs: &'static [&'static str],
    holds: fn(&ServiceSettings) -> bool,
    lacks: &'static str,
}

const CONDITIONS: &[Condition] = &[
    Condition {
        key: "max_sessions_per_user",
        needs: &["auth"],
        holds: |settings| settings.auth.is_some(),
        lacks: "auth = \"NAME\", which says who users are",
    },
    Condition {
        key: "sessions_burst",
        needs: &["sessions_per_second"],
        holds: |settings| settings.config.openings.per_second.is_some(),
        lacks: "sessions_per_second",
    },
    Condition {
        key: "sessions_burst_per_client",
        needs: &["sessions_per_second_per_client"],
        holds: |settings| settings.config.clients.openings.per_second.is_some(),
        lacks: "sessions_per_second_per_client",
    },
    Condition {
        key: "messages_burst",
        needs: &["messages_per_second"],
        holds: |settings| rate(settings).messages.per_second.is_some(),
        lacks: "messages_per_second",
    },
    Condition {
        key: "bytes_burst",
        needs: &["bytes_per_second"],
        holds: |settings| rate(settings).bytes.per_second.is_some(),
        lacks: "bytes_per_second",
    },
    Condition {
        key: "rate_exceeded",
        needs: &["messages_per_second", "bytes_per_second"],
        holds: |settings| {
            let rate = rate(settings);
            rate.is_limited() || rate.exceeded == InboundRate::default().exceeded
        },
        lacks: "messages_per_second or bytes_per_second",
    },
    Condition {
        key: "slow_consumer_timeout",
        needs: &["slow_consumer"],
        holds: |settings| {
            let (session, usual) = (&settings.config.session, SessionConfig::default());
            session.slow_consumer == SlowConsumer::Close
                || session.slow_consumer_timeout == usual.slow_consumer_timeout
        },
        lacks: "slow_consumer = \"close\"",
    },
];

fn rate(settings: &ServiceSettings) -> &InboundRate {
    &settings.config.session.inbound_rate
}

/// Without what a key of a service has no effect.
pub(super) fn needed(key: &str) -> Option<&'static str> {
    let found = CONDITIONS.iter().find(|condition| condition.key == key);
    found.map(|condition| condition.lacks)
}

/// Keys that have no effect in a service, whether they are set or not.
pub(super) fn idle(settings: &ServiceSettings) -> impl Iterator<Item = &'static str> {
    let idle = CONDITIONS
        .iter()
        .filter(|condition| !(condition.holds)(settings));
    idle.map(|condition| condition.key)
}

/// What in the service's own table has no effect. In `[defaults]` a key may wait for the service that gives it one. Nothing is said
/// where one of the keys is `unknown`.
pub(super) fn unmet<'a>(
    settings: &'a ServiceSettings,
    table: &'a Table,
    unknown: impl Fn(&str) -> bool + 'a,
) -> impl Iterator<Item = Mistake> + 'a {
    CONDITIONS.iter().filter_map(move |condition| {
        let value = table.get(condition.key)?;
        let mut keys = condition.needs.iter().chain([&condition.key]);
        let unmet = !(condition.holds)(settings) && !keys.any(|key| unknown(key));
        unmet.then(|| {
            let what = format!(
                "has no effect without {}; write that too, or leave this out",
                condition.lacks
            );
            Mistake::new(&value.origin, condition.key, what)
        })
    })
}
