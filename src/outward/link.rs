//! The bytes to the server: TCP, or TLS over it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;

use super::address::Address;

pub(crate) use crate::backend::upstream::Link;

/// Time for name, TCP and TLS together, where nothing else limits it.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// Certificates to trust, read when they are first needed and shared by all clients of a builder.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tls(Arc<Inner>);

#[derive(Default)]
struct Inner {
    ca_file: Option<PathBuf>,
    #[cfg(feature = "tls")]
    connector: std::sync::OnceLock<tokio_rustls::TlsConnector>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Tls").field(&self.ca_file).finish()
    }
}

impl Tls {
    pub(crate) fn new(ca_file: Option<PathBuf>) -> Self {
        Self(Arc::new(Inner {
            ca_file,
            ..Inner::default()
        }))
    }

    /// Whether servers can be reached over TLS.
    ///
    /// # Errors
    /// Why not: the certificates cannot be read.
    #[cfg(feature = "tls")]
    pub(crate) fn check(&self) -> io::Result<()> {
        self.connector().map(drop)
    }

    #[cfg(not(feature = "tls"))]
    pub(crate) fn check(&self) -> io::Result<()> {
        let _ = &self.0.ca_file;
        Err(no_tls())
    }

    #[cfg(feature = "tls")]
    fn connector(&self) -> io::Result<&tokio_rustls::TlsConnector> {
        use crate::backend::upstream::tls_connector;

        if let Some(connector) = self.0.connector.get() {
            return Ok(connector);
        }
        let made = tls_connector(self.0.ca_file.as_deref());
        let made = made.map_err(|error| io::Error::other(error.to_string()))?;
        Ok(self.0.connector.get_or_init(|| made))
    }

    #[cfg(feature = "tls")]
    async fn secure(&self, host: &str, stream: TcpStream) -> io::Result<Link> {
        use crate::backend::upstream::tls_failure::TlsFailure;

        let connector = self.connector()?;
        let name = tokio_rustls::rustls::pki_types::ServerName::try_from(host.to_owned());
        let name = name.map_err(io::Error::other)?;
        let connecting = connector.connect(name, stream).await;
        let failed = |error: io::Error| {
            let obstacle = if TlsFailure::of(&error).is_of_certificate() {
                Obstacle::Certificate
            } else {
                Obstacle::Tls
            };
            let what = format!("TLS handshake failed: {error}");
            io::Error::other(Failure { obstacle, what })
        };
        let stream = connecting.map_err(failed)?;
        Ok(Link::Tls(Box::new(stream)))
    }

    /// There is none in this program; a builder does not take such a URL, but a `base_url` may name one.
    #[cfg(not(feature = "tls"))]
    #[allow(clippy::unused_async, reason = "like the other one")]
    async fn secure(&self, _: &str, _: TcpStream) -> io::Result<Link> {
        Err(no_tls())
    }
}

#[cfg(not(feature = "tls"))]
fn no_tls() -> io::Error {
    let what = "this program was built without feature \"tls\", so it cannot use https";
    io::Error::other(Failure {
        obstacle: Obstacle::Tls,
        what: what.to_owned(),
    })
}

/// Which kind of failure a connection met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// There is none, or it ended.
    Unreachable,
    /// The server's certificate is not accepted.
    #[cfg_attr(
        not(feature = "tls"),
        allow(dead_code, reason = "certificates are of TLS")
    )]
    Certificate,
    /// TLS could not be agreed on, for another reason.
    Tls,
}

/// Why there is no connection: the kind, and words.
#[derive(Debug)]
struct Failure {
    obstacle: Obstacle,
    what: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Failure {}

/// What stood in the way of a [`dial`] that ended with this error.
pub(crate) fn obstacle(error: &io::Error) -> Obstacle {
    let failure = error.get_ref().and_then(|inner| inner.downcast_ref());
    failure.map_or(Obstacle::Unreachable, |failure: &Failure| failure.obstacle)
}

/// Connects to the server at `address`.
///
/// # Errors
/// Why not, in words; [`obstacle`] tells the kind.
pub(crate) async fn dial(address: Arc<Address>, tls: Tls) -> io::Result<Link> {
    let dialling = async {
        let stream = TcpStream::connect((&*address.host, address.port)).await?;
        // Messages are small and must not wait for each other.
        stream.set_nodelay(true)?;
        if address.secure {
            tls.secure(&address.host, stream).await
        } else {
            Ok(Link::Plain(stream))
        }
    };
    let failure = match tokio::time::timeout(DIAL_TIMEOUT, dialling).await {
        Ok(Ok(link)) => return Ok(link),
        Ok(Err(error)) => match error.downcast::<Failure>() {
            Ok(failure) => failure,
            Err(error) => no_connection(error.to_string()),
        },
        Err(_) => no_connection(format!("no answer in {} s", DIAL_TIMEOUT.as_secs())),
    };
    let (host, port) = (&address.host, address.port);
    Err(io::Error::other(Failure {
        what: format!("cannot connect to {host}:{port}: {}", failure.what),
        ..failure
    }))
}

fn no_connection(what: String) -> Failure {
    Failure {
        obstacle: Obstacle::Unreachable,
        what,
    }
}
