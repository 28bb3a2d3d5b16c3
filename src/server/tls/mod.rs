//! TLS of listeners: which files, and what can be wrong with them. What rustls is asked is in `files.rs` and `accept.rs`.

#[cfg(feature = "tls")]
mod accept;
#[cfg(feature = "tls")]
mod files;
#[cfg(not(feature = "tls"))]
mod without;

use std::fmt;
use std::path::PathBuf;

#[cfg(feature = "tls")]
pub(super) use accept::Acceptor;
#[cfg(feature = "tls")]
pub(crate) use files::TlsFiles;
#[cfg(not(feature = "tls"))]
pub(super) use without::Acceptor;
#[cfg(not(feature = "tls"))]
pub(crate) use without::TlsFiles;

/// TLS of a listener.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsConfig {
    /// Certificates and their keys. A browser gets the first that is for the name it asks for, or else the first of all.
    pub certificates: Vec<CertificateFiles>,
    /// Certificates (PEM) of authorities that sign clients' certificates. `None` asks clients for none.
    pub client_ca: Option<PathBuf>,
    /// Whether a client without a certificate is let in too. Default no.
    pub client_optional: bool,
}

/// A certificate and its key, in files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate and those between it and the authority's (PEM), in this order.
    pub certificate: PathBuf,
    /// Its private key (PEM).
    pub key: PathBuf,
}

/// What of a [`TlsConfig`] is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(all(feature = "cli", feature = "tls")),
    allow(dead_code, reason = "only a configuration tells the parts apart")
)]
pub(crate) enum TlsPart {
    /// The certificate in this place.
    Certificate(usize),
    /// The key in this place.
    Key(usize),
    /// `client_ca`
    ClientCa,
    /// All of it.
    Whole,
}

/// TLS cannot be offered with these files. `Display` says which, why, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read, or is not PEM.
    Unreadable(PathBuf, String),
    /// No certificate is in the file.
    NoCertificate(PathBuf),
    /// No private key is in the file.
    NoKey(PathBuf),
    /// The key is of another certificate.
    WrongKey(CertificateFiles),
    /// A certificate or key of a kind that is not supported.
    Unsupported(PathBuf, String),
    /// There is no certificate at all.
    Empty,
    /// The program has no TLS: feature `tls` is off.
    NotBuilt,
}

/// What is allowed, but will not work for browsers. `Display` says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsRemark {
    /// The time of the certificate is over.
    Expired(PathBuf),
    /// It has not begun.
    NotYetValid(PathBuf),
    /// Only the certificate itself is in the file, and no authority of this system has signed it.
    ChainMissing(PathBuf),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(path, why) => write!(f, "cannot read {}: {why}", path.display()),
            Self::NoCertificate(path) => write!(
                f,
                "{} holds no certificate; it must have a part that begins with -----BEGIN CERTIFICATE-----",
                path.display()
            ),
            Self::NoKey(path) => write!(
                f,
                "{} holds no private key; it must have a part that begins with -----BEGIN PRIVATE KEY-----, without a password",
                path.display()
            ),
            Self::WrongKey(files) => write!(
                f,
                "the key in {} does not belong to the certificate in {}; the file must begin with the certificate that was made for this key",
                files.key.display(),
                files.certificate.display()
            ),
            Self::Unsupported(path, why) => write!(f, "{} cannot be used: {why}", path.display()),
            Self::Empty => f.write_str("there is no certificate"),
            Self::NotBuilt => f.write_str("this program was built without feature \"tls\""),
        }
    }
}

impl std::error::Error for TlsError {}

impl fmt::Display for TlsRemark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired(path) => write!(
                f,
                "the certificate in {} has expired; browsers refuse it until there is a new one",
                path.display()
            ),
            Self::NotYetValid(path) => write!(
                f,
                "the certificate in {} is not valid yet; is the clock of this machine right?",
                path.display()
            ),
            Self::ChainMissing(path) => write!(
                f,
                "{} has only the certificate itself, and no authority that this system knows has signed it; append the certificates between it and the authority's (often called fullchain), unless it is of an authority of your own",
                path.display()
            ),
        }
    }
}
