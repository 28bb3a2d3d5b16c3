//! `amplify:` answers the number n, 1 to 19, with 2^n characters. (sockjs-client's own tests use such a service)

use crate::registry::Connection;

pub(super) async fn serve(mut connection: Connection) {
    drop(connection.take_handshake());
    while let Some(message) = connection.recv().await {
        let power = message
            .as_text()
            .and_then(|text| text.trim().parse().ok())
            .filter(|n| (1..=19).contains(n));
        let answer = "x".repeat(1 << power.unwrap_or(1u32));
        if connection.send(answer).await.is_err() {
            break;
        }
    }
}
