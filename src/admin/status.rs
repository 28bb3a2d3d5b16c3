//! How the gateway as a whole is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::moment::Moment;
use crate::registry::{Backend, Registry, now};
use crate::service::{Readiness, ServiceLook};

use super::Admin;

/// How many sessions each transport has, as counted a moment ago: all sessions are looked at for that.
#[derive(Debug, Default)]
pub(super) struct Mix(Mutex<Option<(Moment, BTreeMap<&'static str, usize>)>>);

impl Mix {
    /// For how long a count holds.
    const FRESH: Duration = Duration::from_secs(1);

    async fn of(&self, services: &[ServiceLook]) -> BTreeMap<&'static str, usize> {
        let known = self.0.lock().clone();
        if let Some((counted, mix)) = known
            && now().saturating_duration_since(counted) < Self::FRESH
        {
            return mix;
        }
        let mut mix = BTreeMap::new();
        for service in services {
            for part in 0..Registry::PARTS {
                for session in service.registry.living_in(part) {
                    *mix.entry(session.opening().transport).or_default() += 1;
                }
                // So many sessions at a time; others on this thread have their turn between.
                tokio::task::yield_now().await;
            }
        }
        *self.0.lock() = Some((now(), mix.clone()));
        mix
    }
}

pub(super) async fn status(admin: &Arc<Admin>) -> Value {
    let gateway = &admin.gateway;
    let readiness = gateway.readiness().await;
    let services = gateway.services();
    let mix = admin.mix.of(&services).await;
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
        "transports": mix,
        "listeners": admin.process.listeners(),
        "services": services.collect::<Vec<_>>(),
    })
}

fn limits_reached(registry: &Registry) -> Value {
    let counts = registry.counts();
    json!({
        "too_many_sessions": counts.too_many_sessions.load(Ordering::Relaxed),
        "too_many_of_client": counts.too_many_of_client.load(Ordering::Relaxed),
        "out_of_queue_memory": counts.out_of_queue_memory.load(Ordering::Relaxed),
        "blocked": counts.blocked.load(Ordering::Relaxed),
        "slow_consumers_closed": counts.slow_consumers_closed.load(Ordering::Relaxed),
        "messages_dropped": counts.messages_dropped.load(Ordering::Relaxed),
    })
}

/// What is known of an upstream from the last dials; null where there is none.
fn upstream(backend: &dyn Backend) -> Option<Value> {
    let tries = backend.health()?.tries();
    Some(json!({
        "up": tries.is_up(),
        "succeeded": tries.succeeded,
        "failed": tries.failed,
        "failed_in_a_row": tries.failed_in_a_row,
        "last_try_seconds": tries.age().map(|age| age.as_secs()),
        "problem": tries.problem.as_ref().filter(|_| tries.is_up() == Some(false)),
    }))
}
