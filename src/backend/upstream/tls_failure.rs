//! Why a TLS handshake failed, as far as its error tells.

use std::io;

use tokio_rustls::rustls::{CertificateError, Error};

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TlsFailure {
    /// Nobody who is trusted vouches for the certificate.
    Untrusted,
    /// The certificate is for other names.
    OtherName,
    /// The certificate is out of its time.
    OutOfTime,
    /// The certificate is of X.509 version 1, which has no names.
    VersionOne,
    /// The certificate is not accepted for another reason.
    Certificate,
    /// What answered does not speak TLS.
    NotTls,
    /// The other side takes neither TLS 1.2 nor 1.3, or wants something else that is not had.
    Refused,
    /// The other side does not keep to TLS.
    Broken,
    /// The connection ended, or another failure of the transport below.
    Cut,
}

impl TlsFailure {
    /// What `error`, which a handshake ended with, was.
    pub(crate) fn of(error: &io::Error) -> Self {
        let inner = error.get_ref();
        match inner.and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(Error::InvalidCertificate(why)) => Self::of_certificate(why),
            Some(Error::InvalidMessage(_)) => Self::NotTls,
            Some(Error::AlertReceived(_) | Error::PeerIncompatible(_)) => Self::Refused,
            Some(_) => Self::Broken,
            None => Self::Cut,
        }
    }

    fn of_certificate(why: &CertificateError) -> Self {
        match why {
            // A new authority mostly has the name of the old one, and then only its signature differs.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::Untrusted,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::OtherName
            }
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Self::OutOfTime,
            CertificateError::Other(other) => {
                let webpki = other.0.downcast_ref::<webpki::Error>();
                match webpki {
                    Some(webpki::Error::UnsupportedCertVersion) => Self::VersionOne,
                    _ => Self::Certificate,
                }
            }
            _ => Self::Certificate,
        }
    }

    /// Whether the handshake failed for the certificate's sake.
    pub(crate) const fn is_of_certificate(self) -> bool {
        matches!(
            self,
            Self::Untrusted
                | Self::OtherName
                | Self::OutOfTime
                | Self::VersionOne
                | Self::Certificate
        )
    }
}

/// The error of a handshake with an upstream, in words: what is mostly wrong, and which key to change.
pub(super) fn explained(error: &io::Error) -> io::Error {
    let failure = TlsFailure::of(error);
    let repair = match failure {
        TlsFailure::Untrusted => {
            "nobody who is trusted vouches for it: name the certificate of its authority in upstream.ca_file"
        }
        TlsFailure::OtherName => {
            "it is for other names than the host in backend: write one of those there"
        }
        TlsFailure::OutOfTime => "it is out of its time: renew it, or set this machine's clock",
        TlsFailure::VersionOne => {
            "it is of X.509 version 1: make one with a subjectAltName for the host in backend"
        }
        TlsFailure::Certificate => "the upstream needs another one",
        TlsFailure::NotTls => {
            "what answers does not speak TLS: write ws:// in backend, or the port that is for TLS"
        }
        TlsFailure::Refused => {
            "it takes neither TLS 1.2 nor 1.3, or not this host's name, or wants a certificate from the gateway"
        }
        TlsFailure::Broken => "the upstream does not keep to TLS",
        TlsFailure::Cut => "it was cut off: look whether there is TLS at this port",
    };
    let what = if failure.is_of_certificate() {
        // Says itself that it is about the certificate.
        format!("{error}; {repair}")
    } else {
        format!("TLS handshake failed: {error}; {repair}")
    };
    io::Error::new(error.kind(), what)
}
