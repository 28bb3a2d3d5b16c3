//! TLS to the service.

use std::io;
use std::path::PathBuf;

use super::dial::Bidirectional;
#[cfg(feature = "tls")]
use super::dial::Explained;

#[cfg(feature = "tls")]
pub(super) use with_tls::secure;

/// Whose certificates are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// Those that the system's authorities vouch for.
    System,
    /// Those that the authorities in this file vouch for.
    File(PathBuf),
    /// All: they are not checked.
    Anything,
}

/// There is none in this program.
///
/// # Errors
/// Always.
#[cfg(not(feature = "tls"))]
pub(super) async fn secure(
    _: Box<dyn Bidirectional>,
    _: String,
    _: &Trust,
) -> io::Result<Box<dyn Bidirectional>> {
    Err(io::Error::other(
        "this program was built without feature \"tls\", so it cannot use https",
    ))
}

#[cfg(feature = "tls")]
mod with_tls {
    use std::path::Path;
    use std::sync::Arc;

    use tokio_rustls::TlsConnector;
    use tokio_rustls::rustls::client::danger::{
        HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
    };
    use tokio_rustls::rustls::crypto::{
        CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature,
    };
    use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

    use crate::backend::upstream::tls_connector;
    use crate::backend::upstream::tls_failure::TlsFailure;

    use crate::doctor::Cause;

    use super::{Bidirectional, Explained, Trust, io};

    /// TLS over `stream`, to whom `trust` lets be.
    pub(in super::super) async fn secure(
        stream: Box<dyn Bidirectional>,
        host: String,
        trust: &Trust,
    ) -> io::Result<Box<dyn Bidirectional>> {
        let checked = |file: Option<&Path>| {
            tls_connector(file).map_err(|error| io::Error::other(error.to_string()))
        };
        let connector = match trust {
            Trust::System => checked(None)?,
            Trust::File(path) => checked(Some(path))?,
            Trust::Anything => unchecked()?,
        };
        let name = ServerName::try_from(host).map_err(io::Error::other)?;
        let connecting = connector.connect(name, stream).await;
        let stream = connecting.map_err(|error| io::Error::new(error.kind(), explained(&error)))?;
        Ok(Box::new(stream))
    }

    /// Why the handshake failed: a certificate that is not accepted, or something else, with what it mostly is.
    fn explained(error: &io::Error) -> Explained {
        let mostly = match TlsFailure::of(error) {
            failure if failure.is_of_certificate() => {
                return Explained {
                    what: format!(
                        "the certificate is not accepted: {error}; --ca FILE trusts the authority in FILE, --insecure goes on without checking"
                    ),
                    cause: Some(Cause::Certificate),
                };
            }
            TlsFailure::NotTls => "what answers there does not speak TLS; is it http?",
            TlsFailure::Refused => "the other side takes neither TLS 1.2 nor 1.3, or not this name",
            TlsFailure::Cut => "cut off on the way, or not a TLS server",
            _ => "the other side does not keep to TLS",
        };
        Explained {
            what: format!("TLS handshake failed: {error} ({mostly})"),
            cause: Some(Cause::Tls),
        }
    }

    fn unchecked() -> io::Result<TlsConnector> {
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
            .with_no_client_auth();
        Ok(Arc::new(config).into())
    }

    /// Takes every certificate. Only what the tests send goes over such a connection.
    #[derive(Debug)]
    struct AnyCertificate(Arc<CryptoProvider>);

    impl ServerCertVerifier for AnyCertificate {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            let schemes = &self.0.signature_verification_algorithms;
            verify_tls12_signature(message, certificate, signature, schemes)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            let schemes = &self.0.signature_verification_algorithms;
            verify_tls13_signature(message, certificate, signature, schemes)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.0.signature_verification_algorithms.supported_schemes()
        }
    }
}

#[cfg(all(test, feature = "tls"))]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::crypto::ring;
    use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

    use crate::doctor::Cause;
    use crate::probe::http::Problem;

    use super::*;

    /// What comes of a handshake with `server`, a task at the other end.
    async fn failure<F: Future<Output = ()> + Send + 'static>(
        server: impl FnOnce(DuplexStream) -> F,
    ) -> Problem {
        let (near, far) = duplex(1 << 16);
        let server = tokio::spawn(server(far));
        let outcome = secure(Box::new(near), "localhost".to_owned(), &Trust::System).await;
        server.abort();
        match outcome {
            Ok(_) => panic!("nobody trusts this server"),
            Err(error) => Problem::of(&error),
        }
    }

    async fn self_signed(stream: DuplexStream) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
        let made = made.expect("a certificate can be made");
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions exist")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .expect("the key is the certificate's");
        let _ = TlsAcceptor::from(Arc::new(config)).accept(stream).await;
    }

    /// Only that is called so.
    #[tokio::test]
    async fn certificate_that_is_not_accepted_is_named() {
        let problem = failure(self_signed).await;
        assert_eq!(problem.cause, Some(Cause::Certificate), "{problem:?}");
        assert!(problem.what.contains("--insecure"), "{problem:?}");
    }

    /// Plain http, an end, an alert: the certificate has nothing to do with it.
    #[tokio::test]
    async fn other_failures_are_not_blamed_on_the_certificate() {
        let plain = failure(|mut stream| async move {
            let mut hello = [0; 64];
            let _ = stream.read(&mut hello).await;
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            std::future::pending().await
        });
        let cut = failure(|stream| async move { drop(stream) });
        let alert = failure(|mut stream| async move {
            let mut hello = [0; 64];
            let _ = stream.read(&mut hello).await;
            // Fatal: protocol_version. (RFC 8446 §6)
            let _ = stream.write_all(&[21, 3, 1, 0, 2, 2, 70]).await;
            std::future::pending().await
        });
        for (problem, expected) in [
            (plain.await, "is it http?"),
            (cut.await, "cut off"),
            (alert.await, "TLS 1.2"),
        ] {
            assert_eq!(problem.cause, Some(Cause::Tls), "{problem:?}");
            assert!(problem.what.contains(expected), "{problem:?}");
            assert!(
                problem.what.starts_with("TLS handshake failed: "),
                "{problem:?}"
            );
            assert!(!problem.what.contains("certificate"), "{problem:?}");
        }
    }
}
