//! A SockJS client for an echo service: `cargo run --example client URL [TRANSPORT] [MESSAGE…]`.
//!
//! Sends each message and prints what comes back, as many messages as it sent; then how the session was opened and how it
//! ended, as lines of JSON. Without messages it prints what comes until the server ends the session.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example shows what it got"
)]

use std::process::ExitCode;

use serde_json::json;
use sockjs_gateway::client::{Builder, Event};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments
        .next()
        .ok_or("usage: client URL [TRANSPORT] [MESSAGE…]")?;
    let mut builder = Builder::new(&url)?;
    if let Some(transport) = arguments.next()
        && transport != "auto"
    {
        builder = builder.transports([transport.parse()?])?;
    }
    let messages: Vec<String> = arguments.collect();

    let mut client = builder.connect().await?;
    let opened = client.opened();
    println!(
        "{}",
        json!({ "transport": opened.transport.name(), "took_ms": opened.total.as_millis() })
    );
    for message in &messages {
        client.send(message.as_str()).await?;
    }
    let mut left = messages.len();
    while messages.is_empty() || left > 0 {
        match client.recv().await {
            Some(Event::Message(message)) => {
                println!("{}", json!({ "message": message.as_text() }));
                left = left.saturating_sub(1);
            }
            Some(other) => println!("{}", json!({ "event": format!("{other:?}") })),
            None => break,
        }
    }
    client.close(1000, "done").await?;
    if let Some(reason) = client.closed() {
        println!(
            "{}",
            json!({ "code": reason.code, "reason": &*reason.reason })
        );
    }
    Ok(())
}
