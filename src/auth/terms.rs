//! What all authenticators share: how they refuse, and the fields of upstreams that are theirs to set.

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

use crate::identity::Refusal;
use crate::protocol::CloseReason;

use super::claims::Claims;

/// What all authenticators can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Terms {
    /// Fields that upstreams get, and the claims that are their values. Default none.
    pub upstream_fields: Vec<(HeaderName, String)>,
    /// What a browser gets that is not let in. Default 4401 `Unauthorized`.
    pub refused: CloseReason,
    /// What a session ends with when what opened it expires, and what one gets who comes with something expired. Default 4402
    /// `Token expired`.
    pub expired: CloseReason,
    /// What a browser gets while others that have to be asked cannot be. Default 4503 `Authentication unavailable`.
    pub unavailable: CloseReason,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            upstream_fields: Vec::new(),
            refused: CloseReason::new(4401, "Unauthorized"),
            expired: CloseReason::new(4402, "Token expired"),
            unavailable: CloseReason::new(4503, "Authentication unavailable"),
        }
    }
}

impl Terms {
    pub(super) fn refuse(&self, why: &'static str) -> Refusal {
        Refusal {
            reason: self.refused.clone(),
            why,
            expired: None,
        }
    }

    pub(super) fn unavailable(&self, why: &'static str) -> Refusal {
        Refusal {
            reason: self.unavailable.clone(),
            why,
            expired: None,
        }
    }

    /// The fields of upstreams.
    pub(super) fn fields(
        &self,
        claims: &Claims,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, &'static str> {
        let mut fields = Vec::with_capacity(self.upstream_fields.len());
        for (name, claim) in &self.upstream_fields {
            if let Some(text) = claims.field(claim)? {
                let value = HeaderValue::from_bytes(text.as_bytes());
                fields.push((name.clone(), value.map_err(|_| "a claim is no field")?));
            }
        }
        Ok(fields)
    }

    /// Takes out fields that only an identity may set.
    pub(super) fn strip(&self, headers: &mut HeaderMap) {
        let own = self.upstream_fields.iter();
        let own: Vec<_> = own.map(|(name, _)| alike(name)).collect();
        let forged = headers.keys().filter(|name| own.contains(&alike(name)));
        for name in forged.cloned().collect::<Vec<_>>() {
            headers.remove(name);
        }
    }
}

/// What a name has in common with those that some servers take for it, as `x_user` and `x.user` for `x-user`: of what is no letter or
/// digit, CGI leaves only that there is something. (RFC 3875 §4.1.18)
pub(super) fn alike(name: &HeaderName) -> String {
    let alike = |letter: char| {
        if letter.is_ascii_alphanumeric() {
            letter
        } else {
            '-'
        }
    };
    name.as_str().chars().map(alike).collect()
}
