//! The TLS handshake of a connection, with the certificates that are in force.

use std::io;
use std::sync::Arc;

use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

use super::super::stream::{Secured, Stream};
use super::{TlsConfig, TlsError};

/// Speaks TLS on the connections of a listener; cheap to clone.
#[derive(Clone, Debug)]
pub(in super::super) struct Acceptor {
    in_force: Arc<watch::Sender<Arc<ServerConfig>>>,
    http2: bool,
}

impl Acceptor {
    /// With these files, and with HTTP/2 among what is offered.
    ///
    /// # Errors
    /// The first that cannot be used.
    pub(in super::super) fn new(config: &TlsConfig, http2: bool) -> Result<Self, TlsError> {
        let in_force = watch::Sender::new(config.load(http2)?);
        Ok(Self {
            in_force: Arc::new(in_force),
            http2,
        })
    }

    /// What takes the place of what is in force, when it is right.
    ///
    /// # Errors
    /// As [`Self::new`]; nothing has changed then.
    pub(in super::super) fn prepare(
        &self,
        config: &TlsConfig,
    ) -> Result<impl FnOnce() + use<>, TlsError> {
        let next = config.load(self.http2)?;
        let in_force = Arc::clone(&self.in_force);
        // Connections that are open keep what they began with.
        Ok(move || {
            in_force.send_replace(next);
        })
    }

    /// Shakes hands.
    ///
    /// # Errors
    /// What the peer did wrong, or that it went away.
    pub(in super::super) async fn accept(&self, stream: Stream) -> io::Result<Stream> {
        let config = Arc::clone(&self.in_force.borrow());
        let stream = TlsAcceptor::from(config).accept(stream).await?;
        Ok(Stream::Secured(Box::new(stream)))
    }
}

impl Secured for TlsStream<Stream> {
    fn below(&self) -> &Stream {
        self.get_ref().0
    }

    fn speaks_http2(&self) -> bool {
        self.get_ref().1.alpn_protocol() == Some(b"h2")
    }
}
