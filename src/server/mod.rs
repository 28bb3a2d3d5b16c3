//! The gateway on TCP ports and Unix sockets: accept, serve, stop.

mod chunked;
mod config;
mod connection;
mod deadline;
mod encode;
mod gate;
mod head;
mod http2;
mod incoming;
mod listener;
mod output;
mod proxy_protocol;
mod socket;
mod stream;
mod tls;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{debug, info, warn};

use crate::metrics::ConnectionTimeout;
use crate::registry::Newcomers;
use crate::service::{ConnectionInfo, Gateway};

pub use config::ServerConfig;
pub use listener::{InvalidListenAddress, ListenAddress, ListenerConfig};
pub use tls::{CertificateFiles, TlsConfig, TlsError, TlsRemark};
#[cfg(feature = "cli")]
pub(crate) use tls::{TlsFiles, TlsPart};

use connection::Seat;
pub use gate::ConnectionCounts;
use gate::Gate;
use listener::{Inherited, Listener};
use stream::Stream;
use tls::Acceptor;

/// Open listeners, and the gateway that will be served on them.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<Listening>,
    gateway: Gateway,
    config: Arc<ServerConfig>,
    newcomers: Option<Arc<Newcomers>>,
}

/// A listener, and what is spoken on it below HTTP.
#[derive(Debug)]
struct Listening {
    /// As it was configured.
    address: ListenAddress,
    listener: Listener,
    below: Below,
}

/// What is spoken below HTTP.
#[derive(Clone, Debug)]
struct Below {
    tls: Option<Acceptor>,
    proxy_protocol: bool,
}

/// A listener cannot be opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum BindError {
    /// The system does not give the address.
    Socket(ListenAddress, io::Error),
    /// The certificates cannot be used.
    Tls(ListenAddress, TlsError),
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(address, error) => write!(f, "cannot listen on {address}: {error}"),
            Self::Tls(address, error) => write!(f, "no TLS on {address}: {error}"),
        }
    }
}

impl std::error::Error for BindError {}

/// Replaces the certificates of a running [`Server`].
#[derive(Clone, Debug)]
pub struct Certificates {
    acceptors: Vec<(ListenAddress, Option<Acceptor>)>,
}

impl Certificates {
    /// Reads the files of `listeners` and uses them for connections that come from now on; those that are open go on. Listeners
    /// are told apart by their address, and those of one address by their order; one that did not speak TLS before does not now.
    ///
    /// # Errors
    /// The first file that cannot be used; nothing has changed then.
    pub fn reload(&self, listeners: &[ListenerConfig]) -> Result<(), TlsError> {
        let mut changes = Vec::new();
        let mut left: Vec<_> = self.acceptors.iter().collect();
        for listener in listeners {
            let of_address = |(address, _): &&(_, _)| *address == listener.address;
            let Some(place) = left.iter().position(of_address) else {
                continue;
            };
            if let (_, Some(acceptor)) = left.remove(place)
                && let Some(files) = listener.read_tls()?
            {
                changes.push((acceptor, files));
            }
        }
        for (acceptor, files) in changes {
            acceptor.replace(&files);
        }
        Ok(())
    }
}

impl Server {
    /// Binds `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// Why the address cannot be bound.
    pub fn bind(address: SocketAddr, gateway: Gateway, config: ServerConfig) -> io::Result<Self> {
        let listener = ListenerConfig::new(ListenAddress::Tcp(address));
        Self::listen(&[listener], gateway, config).map_err(|error| match error {
            BindError::Socket(_, error) => error,
            error => io::Error::other(error.to_string()),
        })
    }

    /// Opens several listeners, of any kind.
    ///
    /// # Errors
    /// The first that cannot be opened; none is open then.
    pub fn listen(
        listeners: &[ListenerConfig],
        gateway: Gateway,
        config: ServerConfig,
    ) -> Result<Self, BindError> {
        let mut inherited = Inherited::from_environment();
        let open = |listener: &ListenerConfig| {
            let address = || listener.address.clone();
            let files = listener
                .read_tls()
                .map_err(|error| BindError::Tls(address(), error))?;
            Ok(Listening {
                address: address(),
                below: Below {
                    tls: files.map(|files| Acceptor::new(&files, config.http2)),
                    proxy_protocol: listener.proxy_protocol,
                },
                listener: Listener::bind(listener, &config, &mut inherited)
                    .map_err(|error| BindError::Socket(address(), error))?,
            })
        };
        let listeners = listeners.iter().map(open).collect::<Result<_, _>>()?;
        Ok(Self {
            listeners,
            gateway,
            config: Arc::new(config),
            newcomers: None,
        })
    }

    /// For those who show who they are, by a request for which whoever answers it vouches ([`Wire::vouch`](crate::registry::Wire)). Of the
    /// other connections each client network has `most` at a time, and when there is no place left the one that came first is ended.
    #[cfg(feature = "cli")]
    pub(crate) fn keeping_places_for_the_known(mut self, most: usize) -> Self {
        self.newcomers = Some(Newcomers::new(most));
        self
    }

    /// The TCP address that was bound; of several, the first.
    ///
    /// # Errors
    /// When the system does not tell, or there is none.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        for listening in &self.listeners {
            if let ListenAddress::Tcp(address) = listening.listener.local_address()? {
                return Ok(address);
            }
        }
        Err(io::ErrorKind::AddrNotAvailable.into())
    }

    /// Where it listens, with ports that were free, and whether TLS is spoken there.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn local_addresses(&self) -> io::Result<Vec<(ListenAddress, bool)>> {
        let address = |listening: &Listening| {
            let address = listening.listener.local_address()?;
            Ok((address, listening.below.tls.is_some()))
        };
        self.listeners.iter().map(address).collect()
    }

    /// What is counted of its connections, and of those of others that serve its gateway; goes on counting while it runs.
    pub fn counts(&self) -> ConnectionCounts {
        ConnectionCounts::of(&self.gateway)
    }

    /// What replaces the certificates while the server runs.
    pub fn certificates(&self) -> Certificates {
        let acceptors = self
            .listeners
            .iter()
            .map(|listening| (listening.address.clone(), listening.below.tls.clone()));
        Certificates {
            acceptors: acceptors.collect(),
        }
    }

    /// Serves until `stop` is done. Then new sessions are refused, and the living ones ended with `drain_reason`, after what is
    /// queued, in random order over `drain_window`; meanwhile connections are accepted, because polls may need new ones to take
    /// what is theirs. Returns when all sessions are gone, or `shutdown_grace` has passed after the window.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let Self {
            listeners,
            gateway,
            config,
            newcomers,
        } = self;
        let (closing, watch_closing) = watch::channel(false);
        let accepting = Accepting {
            gate: Arc::new(Gate::new(&config, newcomers, &gateway)),
            gateway: gateway.clone(),
            config: Arc::clone(&config),
            closing: watch_closing,
        };
        let ending = async {
            stop.await;
            info!(
                sessions = gateway.sessions(),
                window = %humantime::format_duration(config.drain_window),
                "stopping"
            );
            gateway
                .drain(&config.drain_reason, config.drain_window)
                .await;
            if timeout(config.shutdown_grace, gateway.emptied())
                .await
                .is_err()
            {
                warn!(
                    sessions = gateway.sessions(),
                    "sessions left when the grace period ended"
                );
            }
        };
        tokio::select! {
            _ = join_all(listeners.iter().map(|listening| accepting.run(listening))) => {}
            () = ending => {}
        }
        drop((listeners, accepting));
        // What was answered last is still being written.
        let _ = closing.send(true);
        let _ = timeout(config.close_grace, closing.closed()).await;
        info!("stopped");
    }
}

/// What all listeners share.
struct Accepting {
    gate: Arc<Gate>,
    gateway: Gateway,
    config: Arc<ServerConfig>,
    closing: watch::Receiver<bool>,
}

impl Accepting {
    /// Accepts for ever.
    async fn run(&self, listening: &Listening) {
        loop {
            let (stream, peer) = listening.listener.accept().await;
            // Who is refused is dropped: the browser sees a closed connection and tries again later.
            let Some(mut place) = self.gate.place() else {
                continue;
            };
            self.gateway.connections().accepted();
            let mut info = ConnectionInfo {
                peer,
                unix: matches!(stream, Stream::Unix(_)),
                ..ConnectionInfo::default()
            };
            let below = &listening.below;
            if !below.proxy_protocol && !self.gate.counts_client(&mut place, &info, &self.gateway) {
                continue;
            }
            self.gate.is_new(&mut place, &mut info);
            let mut seat = Seat {
                place,
                gateway: self.gateway.clone(),
                config: Arc::clone(&self.config),
                closing: self.closing.clone(),
            };
            if below.tls.is_none() && !below.proxy_protocol {
                tokio::spawn(seat.serve(stream, info));
                continue;
            }
            let (below, gate) = (below.clone(), Arc::clone(&self.gate));
            tokio::spawn(async move {
                // Boxed: what it needs is not kept for the life of the connection.
                let patience = seat.config.header_timeout;
                let begun = below.begin(stream, info, &mut seat, &gate);
                let begun = Box::pin(timeout(patience, begun));
                match begun.await {
                    Ok(Ok((stream, info))) if stream.speaks_http2() => {
                        tokio::spawn(http2::serve(seat.http2(stream, info)));
                    }
                    Ok(Ok((stream, info))) => seat.serve(stream, info).await,
                    Ok(Err(error)) => {
                        debug!(peer = peer.map(display), %error, "connection ended before it began")
                    }
                    Err(_) => {
                        let connections = seat.gateway.connections();
                        connections.timed_out(ConnectionTimeout::Head);
                        debug!(
                            peer = peer.map(display),
                            "connection timed out before it began"
                        );
                    }
                }
            });
        }
    }
}

impl Below {
    /// Reads the PROXY header and shakes hands, as far as they are spoken.
    async fn begin(
        &self,
        mut stream: Stream,
        mut info: ConnectionInfo,
        seat: &mut Seat,
        gate: &Gate,
    ) -> io::Result<(Stream, ConnectionInfo)> {
        if self.proxy_protocol {
            if !gate.believes_proxy(&info, &seat.gateway) {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            let told = proxy_protocol::read(&mut stream).await?;
            // Where it tells nobody, nobody is known: what is forwarded by who stands behind is not the proxy's word.
            info.peer = told.source;
            info.unix = false;
            info.secure = told.secure;
            if !gate.counts_client(&mut seat.place, &info, &seat.gateway) {
                return Err(io::ErrorKind::QuotaExceeded.into());
            }
        }
        if let Some(tls) = &self.tls {
            let handshake = seat.gateway.connections().handshake();
            let (accepted, outcome) = tls.accept(stream).await;
            handshake.ended(outcome);
            (stream, info.certificate) = accepted?;
            info.secure = true;
        }
        Ok((stream, info))
    }
}
