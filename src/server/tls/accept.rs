//! The TLS handshake of a connection, with the certificates that are in force.

use std::io;
use std::sync::Arc;

use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{Error, ServerConfig};
use tokio_rustls::server::TlsStream;

use crate::metrics::TlsOutcome;

use super::super::stream::{Secured, Stream};
use super::TlsFiles;

/// Speaks TLS on the connections of a listener; cheap to clone.
#[derive(Clone, Debug)]
pub(in super::super) struct Acceptor {
    in_force: Arc<watch::Sender<Arc<ServerConfig>>>,
    http2: bool,
}

impl Acceptor {
    /// With what is in these files, and with HTTP/2 among what is offered.
    pub(in super::super) fn new(files: &TlsFiles, http2: bool) -> Self {
        let in_force = watch::Sender::new(files.offering(http2));
        Self {
            in_force: Arc::new(in_force),
            http2,
        }
    }

    /// Takes the place of what is in force. Connections that are open keep what they began with.
    pub(in super::super) fn replace(&self, files: &TlsFiles) {
        self.in_force.send_replace(files.offering(self.http2));
    }

    /// Shakes hands, and names what came of it. Gives the certificate (DER) that the client showed too, if it did; it is verified.
    ///
    /// # Errors
    /// What the peer did wrong, or that it went away.
    pub(in super::super) async fn accept(
        &self,
        stream: Stream,
    ) -> (io::Result<(Stream, Option<Arc<[u8]>>)>, TlsOutcome) {
        let config = Arc::clone(&self.in_force.borrow());
        match TlsAcceptor::from(config).accept(stream).await {
            Ok(stream) => {
                let chain = stream.get_ref().1.peer_certificates();
                let own = chain.and_then(|chain| chain.first());
                let certificate = own.map(|certificate| Arc::from(&**certificate));
                let stream = Stream::Secured(Box::new(stream));
                (Ok((stream, certificate)), TlsOutcome::Completed)
            }
            Err(error) => {
                let outcome = outcome(&error);
                (Err(error), outcome)
            }
        }
    }
}

/// What a failure of the handshake is counted as.
fn outcome(error: &io::Error) -> TlsOutcome {
    let tls = error.get_ref().and_then(|error| error.downcast_ref());
    match tls {
        Some(Error::AlertReceived(_)) => TlsOutcome::RefusedByPeer,
        Some(Error::InvalidMessage(_)) => TlsOutcome::NotTls,
        Some(Error::PeerIncompatible(_) | Error::NoApplicationProtocol) => TlsOutcome::Incompatible,
        Some(Error::NoCertificatesPresented | Error::InvalidCertificate(_)) => {
            TlsOutcome::ClientCertificate
        }
        Some(_) => TlsOutcome::Other,
        None => match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => TlsOutcome::Gone,
            _ => TlsOutcome::Other,
        },
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
