//! How the gateway as a whole is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::metrics::Reading;
use crate::moment::Moment;
use crate::registry::{Backend, Registry, now};
use crate::service::{Gateway, Readiness};
use crate::session::{EndCause, Traffic};

use super::Admin;

/// What was measured a moment ago: all sessions are looked at for that.
#[derive(Debug, Default)]
pub(super) struct Measured(Mutex<Option<Held>>);

#[derive(Clone, Debug)]
struct Held {
    until: Moment,
    reading: Arc<Reading>,
}

impl Measured {
    /// For how long a reading holds at least.
    const FRESH: Duration = Duration::from_secs(1);
    /// How many times as long as it took it holds, so that it never keeps a processor busy.
    const REST: u32 = 20;

    /// One that is not older.
    pub(super) async fn of(&self, gateway: &Gateway) -> Arc<Reading> {
        let known = self.0.lock().clone();
        let begun = now();
        if let Some(Held { reading, .. }) = known.filter(|known| begun < known.until) {
            return reading;
        }
        let gateway = gateway.clone();
        // Milliseconds for many sessions: not on a thread that serves them.
        let reading = tokio::task::spawn_blocking(move || gateway.reading()).await;
        let reading = Arc::new(reading.unwrap_or_default());
        let took = now().saturating_duration_since(begun);
        *self.0.lock() = Some(Held {
            until: now() + Self::FRESH.max(took * Self::REST),
            reading: Arc::clone(&reading),
        });
        reading
    }
}

/// How many sessions each transport has now.
fn transports(reading: &Reading) -> BTreeMap<&'static str, u64> {
    let mut mix = BTreeMap::new();
    for one in reading
        .services
        .iter()
        .flat_map(|one| &one.census.transports)
    {
        let living = one.living.iter().sum::<u64>();
        if living > 0 {
            *mix.entry(one.transport).or_default() += living;
        }
    }
    mix
}

/// What all services together have counted since the start.
fn totals(reading: &Reading) -> Value {
    let (mut opened, mut traffic) = (0, Traffic::default());
    let mut ended = EndCause::ALL.map(|cause| (cause.name(), 0));
    let mut codes = BTreeMap::new();
    for census in reading.services.iter().map(|one| &one.census) {
        for one in &census.transports {
            opened += one.opened;
            traffic += one.traffic;
            for ((_, count), more) in ended.iter_mut().zip(one.closed) {
                *count += more;
            }
        }
        for (code, count) in census.codes.iter().filter(|(_, count)| *count > 0) {
            let code = code.map_or_else(|| "other".to_owned(), |code| code.to_string());
            *codes.entry(code).or_insert(0) += count;
        }
    }
    json!({
        "opened": opened,
        "ended": ended.into_iter().collect::<BTreeMap<_, _>>(),
        "codes": codes,
        "received": { "messages": traffic.messages_in, "bytes": traffic.bytes_in },
        "sent": { "messages": traffic.messages_out, "bytes": traffic.bytes_out },
    })
}

pub(super) async fn status(admin: &Arc<Admin>) -> Value {
    let gateway = &admin.gateway;
    let readiness = gateway.readiness().await;
    let services = gateway.services();
    let reading = admin.measured.of(gateway).await;
    let about = admin.process.services();
    let (max_sessions, memory, memory_limit) = gateway.limits();
    let uptime = now().saturating_duration_since(admin.began);
    let services = services.iter().map(|service| {
        let known = about.iter().find(|about| about.prefix == service.prefix);
        json!({
            "prefix": &*service.prefix,
            "name": known.map(|about| &about.name),
            "backend": known.map(|about| &about.backend),
            "leaving": service.leaving,
            "doctor": service.doctor,
            "sessions": service.registry.len(),
            "max_sessions": service.registry.budgets().sessions.limit(),
            "queue_memory": {
                "used": service.registry.queue_memory().used(),
                "limit": service.registry.queue_memory().limit(),
            },
            "limits_reached": limits_reached(&service.registry),
            "upstream": upstream(&*service.registry.backend()),
        })
    });
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "uptime_seconds": uptime.as_secs(),
        "ready": readiness == Readiness::Ready,
        "readiness": readiness.to_string(),
        "draining": gateway.is_draining(),
        "stopping": admin.process.is_stopping(),
        "tap_contents": admin.tap_contents,
        "sessions": gateway.sessions(),
        "max_sessions": max_sessions,
        "queue_memory": { "used": memory, "limit": memory_limit },
        "transports": transports(&reading),
        "totals": totals(&reading),
        "listeners": admin.process.listeners(),
        "services": services.collect::<Vec<_>>(),
    })
}

/// Those limits that were reached, and how often.
fn limits_reached(registry: &Registry) -> BTreeMap<&'static str, u64> {
    let limits = registry.counts().limits().into_iter();
    let reached = limits.filter(|limit| limit.hits > 0);
    reached.map(|limit| (limit.limit, limit.hits)).collect()
}

/// What is known of an upstream from the last dials; null where there is none.
fn upstream(backend: &dyn Backend) -> Option<Value> {
    let tries = backend.health()?.tries();
    Some(json!({
        "up": tries.is_up(),
        "refuses": tries.refused,
        "succeeded": tries.succeeded,
        "failed": tries.failed,
        "failed_in_a_row": tries.failed_in_a_row,
        "last_try_seconds": tries.age().map(|age| age.as_secs()),
        "problem": tries.problem.as_ref().filter(|_| tries.is_up() == Some(false)),
    }))
}
