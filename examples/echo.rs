//! A SockJS echo service in a few lines: `cargo run --example echo [ADDRESS]`.

#![allow(clippy::print_stderr, reason = "an example tells where it listens")]

use sockjs_gateway::{Connection, Gateway, Origins, Server, ServerConfig, ServiceConfig};

/// Sends every message back until the browser leaves.
async fn echo(mut connection: Connection) {
    while let Some(message) = connection.recv().await {
        if connection.send(message).await.is_err() {
            break;
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:8081".to_owned());
    let mut service = ServiceConfig::new("/echo");
    // For trying out. Without this line only pages of the same origin get in.
    service.origins = Origins::Any;
    let gateway = Gateway::builder().service(service, echo).build()?;
    let server = Server::bind(address.parse()?, gateway, ServerConfig::default())?;
    eprintln!("listening on http://{}/echo", server.local_address()?);
    server.serve(std::future::pending()).await;
    Ok(())
}
