//! `broadcast:` sends every message to all sessions of the service.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use uuid::Uuid;

use crate::protocol::Message;
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
                listener.close(1013, "Reads too slowly");
            }
        }
    }
}

impl Backend for Broadcast {
    fn serve(&self, mut connection: Connection) -> Served {
        let broadcast = self.clone();
        Box::pin(async move {
            broadcast
                .listeners
                .lock()
                .insert(connection.id(), connection.sender());
            while let Some(message) = connection.recv().await {
                broadcast.publish(&message);
            }
            broadcast.listeners.lock().remove(&connection.id());
        })
    }

    fn wants_handshake(&self) -> bool {
        false
    }
}
