//! What operators and metrics see of a session.

use std::sync::Arc;
use std::task::{Context, Poll};

use super::super::census::Glance;
use super::super::look::{Look, Opening};
use super::super::tap::{Tap, Tapped, Taps};
use super::SessionHandle;

impl SessionHandle {
    /// What is to be counted of it now.
    pub(in super::super) fn glance(&self) -> Glance {
        let state = self.state.lock();
        Glance {
            standing: state.session.standing(),
            traffic: state.session.traffic(),
            queued: state.session.queued(),
        }
    }

    /// How it began.
    pub fn opening(&self) -> Opening {
        Opening {
            at: self.opened(),
            address: self.address.as_deref().copied(),
            transport: self.tally.transport,
        }
    }

    /// What it is doing.
    pub fn look(&self) -> Look {
        let state = self.state.lock();
        let session = &state.session;
        Look {
            standing: session.standing(),
            receivers: session.attachment(),
            traffic: session.traffic(),
            queued: session.queued(),
            end: session.end().cloned(),
        }
    }

    /// Watches what it sends and receives from now on, with `contents` or sizes alone. `None` when it is closed, or too many
    /// watch it.
    pub fn tap(self: &Arc<Self>, contents: bool) -> Option<Tap> {
        let number = self.locked(|state| {
            if state.session.is_closed() {
                return None;
            }
            let opened = state.session.opened();
            let taps = state
                .taps
                .get_or_insert_with(|| Box::new(Taps::new(opened)));
            taps.add(contents)
        });
        number.map(|number| Tap::new(Arc::clone(self), number))
    }

    pub(in super::super) fn untap(self: &Arc<Self>, number: u32) {
        self.locked(|state| {
            state.taps.take_if(|taps| taps.remove(number));
        });
    }

    pub(in super::super) fn poll_tapped(
        &self,
        number: u32,
        context: &Context<'_>,
    ) -> Poll<Option<Vec<Tapped>>> {
        let mut state = self.state.lock();
        let closed = state.session.is_closed();
        match &mut state.taps {
            Some(taps) => taps.poll(number, context, closed),
            None => Poll::Ready(None),
        }
    }
}
