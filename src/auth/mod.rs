//! How identities are proven: JSON Web Tokens, and certificates of clients.
//!
//! Signatures are verified by `ring`, which TLS uses already.

mod cache;
mod certificate;
mod claims;
mod clock;
mod forward;
mod jwt;
mod key;
mod mtls;
mod remote;
mod source;
mod terms;

pub use certificate::SubjectFrom;
pub use forward::{ForwardAuth, ForwardConfig};
pub use jwt::{Jwt, JwtConfig};
pub use key::{KeyError, Keys};
pub use mtls::{Mtls, MtlsConfig};
pub use remote::JwksConfig;
pub use source::Source;
pub use terms::Terms;
