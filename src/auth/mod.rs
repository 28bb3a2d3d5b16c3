//! How identities are proven: JSON Web Tokens.
//!
//! Signatures are verified by `ring`, which TLS uses already.

mod claims;
mod jwt;
mod key;
mod source;

pub use jwt::{Jwt, JwtConfig};
pub use key::{KeyError, Keys};
pub use source::Source;
