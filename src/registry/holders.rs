//! The sessions that hold queue memory: whoever looks for the slowest looks at these, and not at all there are.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::handle::SessionHandle;

/// Those of a service, in the order in which they began to hold. Locked while a session may be, and never the other way round.
#[derive(Debug, Default)]
pub(super) struct Holders(Mutex<List>);

#[derive(Debug, Default)]
struct List {
    sessions: BTreeMap<u64, Weak<SessionHandle>>,
    next: u64,
}

/// A session's place among them, free again when dropped.
#[derive(Debug)]
pub(super) struct Listed {
    holders: Arc<Holders>,
    number: u64,
}

impl Holders {
    /// One more.
    pub(super) fn list(self: &Arc<Self>, session: Weak<SessionHandle>) -> Listed {
        let mut list = self.0.lock();
        let number = list.next;
        list.next += 1;
        list.sessions.insert(number, session);
        Listed {
            holders: Arc::clone(self),
            number,
        }
    }

    /// At most `count` of them, the first of which is `from` or later; and where to go on, if there are more.
    pub(super) fn some(&self, from: u64, count: usize) -> (Vec<Arc<SessionHandle>>, Option<u64>) {
        let list = self.0.lock();
        let mut rest = list.sessions.range(from..);
        let some = rest.by_ref().take(count);
        let some = some.filter_map(|(_, session)| session.upgrade()).collect();
        (some, rest.next().map(|(number, _)| *number))
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.holders.0.lock().sessions.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::{open, registry};
    use super::super::{Budgets, Connection};
    use crate::protocol::{CloseReason, Message};

    /// Whoever looks for the slowest looks at the sessions that hold memory, however many others there are, and at few before others have
    /// their turn on the thread.
    #[tokio::test(start_paused = true)]
    async fn only_sessions_that_hold_memory_are_looked_at() {
        const HOLDING: usize = 300;
        let quiet = |connection: Connection| async move {
            connection.closed().await;
        };
        let registry = registry(quiet, Budgets::new(10_000, 1 << 30));
        let holders = &registry.totals.holders;
        let all = || {
            let (mut all, mut from) = (Vec::new(), Some(0));
            while let Some(first) = from {
                let (some, next) = holders.some(first, 64);
                assert!(some.len() <= 64);
                all.extend(some.iter().map(|session| session.id()));
                from = next;
            }
            all
        };
        let mut holding = Vec::new();
        for number in 0..1000 {
            let handle = open(&registry, &format!("s{number}"));
            let holds = number % 3 == 0 && holding.len() < HOLDING;
            let size = if holds { 20 * 1024 } else { 1024 };
            handle
                .try_send(Message::from("x".repeat(size)))
                .expect("room");
            if holds {
                holding.push(handle);
            }
        }
        let ids = holding.iter().map(|handle| handle.id());
        assert_eq!(
            all(),
            ids.collect::<Vec<_>>(),
            "in the order in which they began"
        );
        // What they held goes with them.
        holding.iter().for_each(|handle| handle.give_up());
        drop(holding);
        registry.stop(&CloseReason::SERVICE_RESTART);
        tokio::time::timeout(Duration::from_secs(60), registry.emptied())
            .await
            .expect("all end");
        assert!(all().is_empty());
        assert_eq!(registry.budgets().queue_memory.used(), 0);
    }
}
