//! A chat room: every message goes to everybody. `cargo run --example chat [ADDRESS]`.
//!
//! Shows a backend with state, sending from elsewhere through [`Sender`], and what to do about members who do not read.

#![allow(clippy::print_stderr, reason = "an example tells where it listens")]

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use sockjs_gateway::{
    Connection, EndCause, Gateway, Origins, SendError, Sender, Server, ServerConfig, ServiceConfig,
};
use uuid::Uuid;

#[derive(Clone, Default)]
struct Room {
    members: Arc<Mutex<HashMap<Uuid, Sender>>>,
}

impl Room {
    fn say(&self, text: &str) {
        let members: Vec<Sender> = self.members.lock().values().cloned().collect();
        for member in members {
            // `send` would wait for the slowest; here those who do not read are shown the door.
            if let Err(SendError::Full(_)) = member.try_send(text) {
                member.close(4008, "You do not read");
            }
        }
    }

    async fn join(self, mut connection: Connection) {
        let name = format!("guest-{}", &connection.id().simple().to_string()[..4]);
        self.members
            .lock()
            .insert(connection.id(), connection.sender());
        self.say(&format!("{name} joined"));
        while let Some(message) = connection.recv().await {
            self.say(&format!(
                "{name}: {}",
                message.as_text().unwrap_or_default()
            ));
        }
        self.members.lock().remove(&connection.id());
        // On HTTP transports a page that leaves looks like a connection that is cut off.
        let left = matches!(
            connection.end().map(|end| end.cause),
            Some(EndCause::Browser | EndCause::Interrupted)
        );
        self.say(&format!(
            "{name} {}",
            if left { "left" } else { "was disconnected" }
        ));
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:8081".to_owned());
    let room = Room::default();
    let mut service = ServiceConfig::new("/chat");
    service.origins = Origins::Any;
    let gateway = Gateway::builder()
        .service(service, move |connection| room.clone().join(connection))
        .build()?;
    let server = Server::bind(address.parse()?, gateway, ServerConfig::default())?;
    eprintln!("listening on http://{}/chat", server.local_address()?);
    server.serve(std::future::pending()).await;
    Ok(())
}
