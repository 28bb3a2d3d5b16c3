//! `broadcast:` sends every message to all sessions of the service.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use uuid::Uuid;

use crate::protocol::{CloseReason, Message};
use crate::registry::{Backend, Connection, SendError, Sender, Served};

/// Everybody who listens.
#[derive(Clone, Debug, Default)]
pub(super) struct Broadcast {
    listeners: Arc<Mutex<HashMap<Uuid, Sender>>>,
}

impl Broadcast {
    fn publish(&self, message: &Message) {
        let listeners: Vec<_> = self.listeners.lock().values().cloned().collect();
        for listener in listeners {
            if let Err(SendError::Full(_)) = listener.try_send(message.clone()) {
                // One who does not read must not hold up the others.
                let CloseReason { code, reason } = CloseReason::SLOW_CONSUMER;
                listener.close(code, reason);
            }
        }
    }
}

/// A session's place among the listeners.
struct Member {
    broadcast: Broadcast,
    connection: Connection,
}

impl Drop for Member {
    fn drop(&mut self) {
        self.broadcast
            .listeners
            .lock()
            .remove(&self.connection.id());
    }
}

impl Backend for Broadcast {
    fn serve(&self, connection: Connection) -> Served {
        // Before the browser gets its `o`: it hears everything that is sent after that.
        self.listeners
            .lock()
            .insert(connection.id(), connection.sender());
        let mut member = Member {
            broadcast: self.clone(),
            connection,
        };
        Box::pin(async move {
            while let Some(message) = member.connection.recv().await {
                member.broadcast.publish(&message);
            }
        })
    }

    fn wants_handshake(&self) -> bool {
        false
    }
}
