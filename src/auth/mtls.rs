//! Certificates that clients show to TLS listeners, which verify them. (RFC 8446 §4.4.2.4)

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Uri};

use crate::identity::{Authenticator, Decision, Identity, Inquiry, Refusal};
use crate::registry::now;

use super::certificate::{Certificate, SubjectFrom};
use super::clock::wall_clock;
use super::terms::Terms;

/// What an operator can set about certificates of clients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MtlsConfig {
    /// What of the certificate says who it is. Default its common name.
    pub subject_from: SubjectFrom,
    /// How it refuses, and what upstreams get. The claims are `sub`, `cn`, `dns`, `email`, `uri` and `fingerprint`, which is the
    /// SHA-256 of the certificate in hexadecimal digits.
    pub terms: Terms,
}

/// Takes the certificate of the client for its identity. The listener has verified it; one of a trusted proxy counts for nobody.
#[derive(Debug)]
pub struct Mtls(MtlsConfig);

impl Mtls {
    /// As configured.
    pub const fn new(config: MtlsConfig) -> Self {
        Self(config)
    }

    fn identify(&self, certificate: &[u8]) -> Result<Arc<Identity>, Refusal> {
        let terms = &self.0.terms;
        let read = Certificate::read(certificate);
        let read = read.ok_or_else(|| terms.refuse("the certificate cannot be read"))?;
        let subject = read.subject(self.0.subject_from);
        let subject = subject.map_err(|why| terms.refuse(why))?;
        let claims = read.claims(&subject, certificate);
        // The listener looked at it when the connection began.
        let left = read.expires - wall_clock();
        let lives = Duration::try_from_secs_f64(left.clamp(0.0, 1e10)).unwrap_or_default();
        let identity = Arc::new(Identity {
            issuer: Some(read.issuer.into()),
            subject: subject.into(),
            fields: terms.fields(&claims).map_err(|why| terms.refuse(why))?,
            expires: Some((now() + lives, terms.expired.clone())),
            proof: None,
        });
        if left > 0.0 {
            return Ok(identity);
        }
        Err(Refusal {
            reason: terms.expired.clone(),
            why: "the certificate has expired",
            expired: Some(identity),
        })
    }
}

impl Authenticator for Mtls {
    fn authenticate(&self, inquiry: &Inquiry<'_>) -> Decision {
        Decision::Now(match inquiry.certificate {
            Some(certificate) => self.identify(certificate),
            None => Err(self.0.terms.refuse(
                "the connection has no certificate of a client; it needs a listener with client_ca, and no trusted proxy before it",
            )),
        })
    }

    fn strip(&self, _: &mut Uri, headers: &mut HeaderMap) {
        self.0.terms.strip(headers);
    }
}
