//! A SockJS service inside an axum application: `cargo run --example axum --features tower [ADDRESS]`.
//!
//! The gateway must see the whole path, prefix included, so it is mounted with routes rather than nested.

#![allow(clippy::print_stderr, reason = "an example tells where it listens")]

use axum::Router;
use axum::routing::get;
use sockjs_gateway::{Connection, Gateway, Origins, ServiceConfig};

async fn shout(mut connection: Connection) {
    while let Some(message) = connection.recv().await {
        let text = message.as_text().unwrap_or_default().to_uppercase();
        if connection.send(text).await.is_err() {
            break;
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:8081".to_owned());
    let mut service = ServiceConfig::new("/shout");
    service.origins = Origins::Any;
    let gateway = Gateway::builder().service(service, shout).build()?;
    let application = Router::new()
        .route("/", get(|| async { "the application's own page" }))
        .route_service("/shout", gateway.clone())
        .route_service("/shout/{*path}", gateway);
    let listener = tokio::net::TcpListener::bind(address).await?;
    eprintln!("listening on http://{}/shout", listener.local_addr()?);
    axum::serve(listener, application).await?;
    Ok(())
}
