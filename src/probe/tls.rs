//! TLS to the service.

use std::io;

use super::dial::Bidirectional;

#[cfg(feature = "tls")]
pub(super) use with_tls::secure;

/// There is none in this program.
///
/// # Errors
/// Always.
#[cfg(not(feature = "tls"))]
pub(super) async fn secure(
    _: Box<dyn Bidirectional>,
    _: String,
    _: bool,
) -> io::Result<Box<dyn Bidirectional>> {
    Err(io::Error::other(
        "this program was built without feature \"tls\", so it cannot use https",
    ))
}

#[cfg(feature = "tls")]
mod with_tls {
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

    use super::{Bidirectional, io};

    /// TLS over `stream`. `insecure`: whatever certificate is shown is taken.
    pub(in super::super) async fn secure(
        stream: Box<dyn Bidirectional>,
        host: String,
        insecure: bool,
    ) -> io::Result<Box<dyn Bidirectional>> {
        let connector = if insecure {
            unchecked()?
        } else {
            tls_connector(None).map_err(|error| io::Error::other(error.to_string()))?
        };
        let name = ServerName::try_from(host).map_err(io::Error::other)?;
        let failed = |error: io::Error| {
            let what =
                format!("TLS failed: {error}; --insecure goes on without checking the certificate");
            io::Error::new(error.kind(), what)
        };
        let stream = connector.connect(name, stream).await.map_err(failed)?;
        Ok(Box::new(stream))
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
