//! `echo:` sends every message back.

use crate::registry::Connection;

pub(super) async fn serve(mut connection: Connection) {
    drop(connection.take_handshake());
    while let Some(message) = connection.recv().await {
        if connection.send(message).await.is_err() {
            break;
        }
    }
}
