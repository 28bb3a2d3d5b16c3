//! Certificates and keys from files.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::server::{
    ClientHello, ResolvesServerCert, WantsServerCert, WebPkiClientVerifier,
};
use tokio_rustls::rustls::sign::{CertifiedKey, SigningKey};
use tokio_rustls::rustls::{ConfigBuilder, Error, InconsistentKeys, RootCertStore, ServerConfig};
use webpki::{EndEntityCert, KeyUsage};

use super::{CertificateFiles, TlsConfig, TlsError, TlsPart, TlsRemark};

/// What the files of a [`TlsConfig`] held when they were read. Two are equal when they are of one reading.
#[derive(Clone, Debug)]
pub(crate) struct TlsFiles(Arc<Held>);

#[derive(Debug)]
struct Held {
    config: ServerConfig,
    chains: Vec<(PathBuf, Arc<CertifiedKey>)>,
}

impl PartialEq for TlsFiles {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for TlsFiles {}

impl TlsConfig {
    /// Reads the files.
    ///
    /// # Errors
    /// The first that cannot be used.
    pub(crate) fn read(&self) -> Result<TlsFiles, TlsError> {
        self.read_parts().map_err(|errors| {
            let first = errors.into_iter().next();
            first.map_or(TlsError::Empty, |(_, error)| error)
        })
    }

    /// Reads the files.
    ///
    /// # Errors
    /// All that cannot be used, at least one.
    pub(crate) fn read_parts(&self) -> Result<TlsFiles, Vec<(TlsPart, TlsError)>> {
        let provider = Arc::new(ring::default_provider());
        let (mut certificates, mut errors) =
            (Vec::with_capacity(self.certificates.len()), Vec::new());
        for (index, files) in self.certificates.iter().enumerate() {
            match files.load(index, &provider) {
                Ok(named) => certificates.push(named),
                Err(found) => errors.extend(found),
            }
        }
        if self.certificates.is_empty() {
            errors.push((TlsPart::Whole, TlsError::Empty));
        }
        let builder = self.authenticating(provider);
        let builder = match builder {
            Ok(builder) if errors.is_empty() => builder,
            builder => {
                errors.extend(builder.err());
                return Err(errors);
            }
        };
        let chains = self.certificates.iter().zip(&certificates);
        let chain = |(files, named): (&CertificateFiles, &Named)| {
            (files.certificate.clone(), Arc::clone(&named.certified))
        };
        let chains = chains.map(chain).collect();
        let mut config = builder.with_cert_resolver(Arc::new(ByName(certificates)));
        if let Ok(ticketer) = ring::Ticketer::new() {
            config.ticketer = ticketer;
        }
        Ok(TlsFiles(Arc::new(Held { config, chains })))
    }

    /// What begins a configuration, with whom clients' certificates are to be signed by.
    fn authenticating(
        &self,
        provider: Arc<CryptoProvider>,
    ) -> Result<ConfigBuilder<ServerConfig, WantsServerCert>, (TlsPart, TlsError)> {
        let unsupported = |error: &dyn fmt::Display| {
            let path = self.client_ca.clone().unwrap_or_default();
            (
                TlsPart::ClientCa,
                TlsError::Unsupported(path, error.to_string()),
            )
        };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| unsupported(&error))?;
        let Some(path) = &self.client_ca else {
            return Ok(builder.with_no_client_auth());
        };
        let certificates = read_certificates(path).map_err(|error| (TlsPart::ClientCa, error))?;
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates);
        if roots.is_empty() {
            return Err((TlsPart::ClientCa, TlsError::NoCertificate(path.clone())));
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let verifier = if self.client_optional {
            verifier.allow_unauthenticated()
        } else {
            verifier
        };
        let verifier = verifier.build().map_err(|error| unsupported(&error))?;
        Ok(builder.with_client_cert_verifier(verifier))
    }

    /// What will not work for browsers, now.
    ///
    /// # Errors
    /// As when the server starts.
    pub fn remarks(&self) -> Result<Vec<TlsRemark>, TlsError> {
        Ok(self.read()?.remarks())
    }
}

impl TlsFiles {
    /// What connections are accepted with. HTTP/2 is offered before HTTP/1.1 where `http2` says so. (RFC 7301, RFC 9113 §3.2)
    pub(super) fn offering(&self, http2: bool) -> Arc<ServerConfig> {
        let mut config = self.0.config.clone();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        if http2 {
            config.alpn_protocols.insert(0, b"h2".to_vec());
        }
        Arc::new(config)
    }

    /// What will not work for browsers, now.
    pub(crate) fn remarks(&self) -> Vec<TlsRemark> {
        let roots = rustls_native_certs::load_native_certs().certs;
        let chains = self.0.chains.iter();
        let remarks = chains.filter_map(|(path, chain)| remark(path, &chain.cert, &roots));
        remarks.collect()
    }
}

impl CertificateFiles {
    /// Errors are of both files, each if it is wrong.
    fn load(
        &self,
        index: usize,
        provider: &CryptoProvider,
    ) -> Result<Named, Vec<(TlsPart, TlsError)>> {
        let (certificate, key) = (TlsPart::Certificate(index), TlsPart::Key(index));
        let chain = read_certificates(&self.certificate).map_err(|error| (certificate, error));
        let private = self.load_key(provider).map_err(|error| (key, error));
        let (chain, private) = match (chain, private) {
            (Ok(chain), Ok(private)) => (chain, private),
            (chain, private) => return Err(chain.err().into_iter().chain(private.err()).collect()),
        };
        let unsupported = |error: &dyn fmt::Display| {
            let error = TlsError::Unsupported(self.certificate.clone(), error.to_string());
            vec![(certificate, error)]
        };
        let names = names_of(&chain[0]).map_err(|why| unsupported(&why))?;
        let certified = CertifiedKey::new(chain, private);
        match certified.keys_match() {
            // Some keys do not tell.
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(Error::InconsistentKeys(_)) => {
                return Err(vec![(key, TlsError::WrongKey(self.clone()))]);
            }
            Err(error) => return Err(unsupported(&error)),
        }
        Ok(Named {
            names,
            certified: Arc::new(certified),
        })
    }

    fn load_key(&self, provider: &CryptoProvider) -> Result<Arc<dyn SigningKey>, TlsError> {
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| match error {
            pem::Error::NoItemsFound => TlsError::NoKey(self.key.clone()),
            error => unreadable(&self.key, &error),
        })?;
        let key = provider.key_provider.load_private_key(key);
        key.map_err(|error| TlsError::Unsupported(self.key.clone(), error.to_string()))
    }
}

/// The host names that a certificate is for, in lower case.
///
/// # Errors
/// Why it cannot be used, and what to do.
fn names_of(certificate: &CertificateDer<'_>) -> Result<Vec<String>, String> {
    let certificate = EndEntityCert::try_from(certificate).map_err(|error| match error {
        // Names are in an extension, which only version 3 has. (RFC 5280 §4.1.2.1)
        webpki::Error::UnsupportedCertVersion => {
            "the certificate is of X.509 version 1, which browsers do not take; make it anew with a subjectAltName (openssl x509 -req … -extfile FILE, with subjectAltName=DNS:HOST in the file)".to_owned()
        }
        error => error.to_string(),
    })?;
    let names = certificate.valid_dns_names();
    Ok(names.map(str::to_ascii_lowercase).collect())
}

fn unreadable(path: &Path, error: &dyn fmt::Display) -> TlsError {
    TlsError::Unreadable(path.to_owned(), error.to_string())
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| unreadable(path, &error))?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate(path.to_owned()));
    }
    Ok(certificates)
}

/// What is remarkable about a chain, today.
fn remark(
    path: &Path,
    chain: &[CertificateDer<'_>],
    roots: &[CertificateDer<'_>],
) -> Option<TlsRemark> {
    let (own, between) = chain.split_first()?;
    let certificate = EndEntityCert::try_from(own).ok()?;
    let anchors = roots.iter().chain([own]);
    let anchors: Vec<_> = anchors
        .filter_map(|root| webpki::anchor_from_trusted_cert(root).ok())
        .collect();
    let verified = certificate.verify_for_usage(
        ring::default_provider()
            .signature_verification_algorithms
            .all,
        &anchors,
        between,
        UnixTime::now(),
        KeyUsage::server_auth(),
        None,
        None,
    );
    match verified.err()? {
        webpki::Error::CertExpired { .. } => Some(TlsRemark::Expired(path.to_owned())),
        webpki::Error::CertNotValidYet { .. } => Some(TlsRemark::NotYetValid(path.to_owned())),
        webpki::Error::UnknownIssuer | webpki::Error::InvalidSignatureForPublicKey
            if between.is_empty() =>
        {
            Some(TlsRemark::ChainMissing(path.to_owned()))
        }
        // Of an authority of the operator's own, most likely.
        _ => None,
    }
}

/// A certificate and the names it is for.
#[derive(Debug)]
struct Named {
    names: Vec<String>,
    certified: Arc<CertifiedKey>,
}

impl Named {
    /// Whether it is for `host`, in lower case; a `*` stands for one label. (RFC 9525 §6.3)
    fn is_for(&self, host: &str) -> bool {
        let parent = host.split_once('.').map(|(_, parent)| parent);
        self.names.iter().any(|name| match name.strip_prefix("*.") {
            Some(below) => parent == Some(below),
            None => name == host,
        })
    }
}

/// Certificates by the name that a browser asks for. (RFC 6066 §3)
#[derive(Debug)]
struct ByName(Vec<Named>);

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let host = hello.server_name().map(str::to_ascii_lowercase);
        let named = host.and_then(|host| self.0.iter().find(|named| named.is_for(&host)));
        let named = named.or_else(|| self.0.first())?;
        Some(Arc::clone(&named.certified))
    }
}
