//! What whoever asks has to know, on a listener that asks for it.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::secret::is_same;

use super::config::{AdminConfig, NotSafe};

/// The token in force. Another one takes its place while the listener is open; whether there is one at all stays as it was at the start.
#[derive(Clone)]
pub(crate) struct Token(Arc<ArcSwap<Box<[u8]>>>);

impl Token {
    /// That of `config`, when it has one.
    ///
    /// # Errors
    /// Its file has none that would do.
    pub(super) fn of(config: &AdminConfig) -> Result<Option<Self>, NotSafe> {
        let token = config.token()?;
        Ok(token.map(|token| Self(Arc::new(ArcSwap::from_pointee(token)))))
    }

    /// Reads that of `config`; what is returned lets it take the place of the one before, and tells whether it is another. Where `config`
    /// has none, the one before stays.
    ///
    /// # Errors
    /// Its file has none that would do; nothing has changed then.
    pub(crate) fn prepare(
        &self,
        config: &AdminConfig,
    ) -> Result<impl FnOnce() -> bool + use<>, NotSafe> {
        let (held, token) = (Arc::clone(&self.0), config.token()?);
        Ok(move || {
            token.is_some_and(|token| {
                let is_another = !is_same(&token, &held.load());
                held.store(Arc::new(token));
                is_another
            })
        })
    }

    /// Whether it is what somebody shows.
    pub(super) fn is(&self, given: &[u8]) -> bool {
        is_same(given, &self.0.load())
    }
}

/// Nothing of it.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

#[cfg(test)]
impl From<&str> for Token {
    fn from(token: &str) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(token.as_bytes().into())))
    }
}
