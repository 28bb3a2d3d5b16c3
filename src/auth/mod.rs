//! How identities are proven: JSON Web Tokens, and certificates of clients.
//!
//! Signatures are verified by `ring`, which TLS uses already.

mod certificate;
mod claims;
mod clock;
mod jwt;
mod key;
mod mtls;
mod source;
mod terms;

pub use certificate::SubjectFrom;
pub use jwt::{Jwt, JwtConfig};
pub use key::{KeyError, Keys};
pub use mtls::{Mtls, MtlsConfig};
pub use source::Source;
pub use terms::Terms;
