//! The gateway on a TCP port: accept, serve, stop.

mod chunked;
mod config;
mod connection;
mod deadline;
mod encode;
mod head;
mod incoming;
mod listener;
mod output;
mod socket;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::protocol::CloseReason;
use crate::registry::{Budget, Throttle};
use crate::service::Gateway;

pub use config::ServerConfig;
use listener::Listener;

/// A bound port and the gateway that will be served on it.
#[derive(Debug)]
pub struct Server {
    listener: Listener,
    gateway: Gateway,
    config: Arc<ServerConfig>,
}

impl Server {
    /// Binds `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// Why the address cannot be bound.
    pub fn bind(address: SocketAddr, gateway: Gateway, config: ServerConfig) -> io::Result<Self> {
        let listener = Listener::bind(address, &config)?;
        Ok(Self {
            listener,
            gateway,
            config: Arc::new(config),
        })
    }

    /// The address that was bound.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.listener.local_address()
    }

    /// Serves until `stop` is done; then accepts no more, ends all sessions with 1012 after what is queued, and returns
    /// when they are gone or `shutdown_grace` has passed.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let Self {
            listener,
            gateway,
            config,
        } = self;
        let connections = Budget::new(config.max_connections);
        let refusals = Throttle::default();
        let (closing, watch_closing) = watch::channel(false);
        let accepting = async {
            loop {
                let (stream, peer) = listener.accept().await;
                let Some(place) = connections.reserve(1) else {
                    // Dropped: the browser sees a closed connection and tries again later.
                    if let Some(held_back) = refusals.admit() {
                        warn!(
                            limit = connections.limit(),
                            held_back, "connections refused: too many"
                        );
                    }
                    continue;
                };
                tokio::spawn(connection::serve(
                    stream,
                    peer,
                    place,
                    gateway.clone(),
                    Arc::clone(&config),
                    watch_closing.clone(),
                ));
            }
        };
        tokio::select! {
            () = accepting => {}
            () = stop => {}
        }
        drop(listener);
        info!(sessions = gateway.sessions(), "stopping");
        gateway.stop(&CloseReason::SERVICE_RESTART);
        if timeout(config.shutdown_grace, gateway.emptied())
            .await
            .is_err()
        {
            warn!(
                sessions = gateway.sessions(),
                "sessions left when the grace period ended"
            );
        }
        // What was answered last is still being written.
        let _ = closing.send(true);
        drop(watch_closing);
        let _ = timeout(config.close_grace, closing.closed()).await;
        info!("stopped");
    }
}
