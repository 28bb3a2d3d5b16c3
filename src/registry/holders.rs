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
