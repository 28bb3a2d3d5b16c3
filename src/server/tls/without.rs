//! In place of TLS, in a program that was built without it.

use std::convert::Infallible;
use std::io;

use crate::metrics::TlsOutcome;

use super::super::stream::Stream;
use super::{TlsConfig, TlsError, TlsRemark};

/// There is none.
#[derive(Clone, Debug)]
pub(in super::super) struct Acceptor(Infallible);

impl Acceptor {
    pub(in super::super) fn new(_: &TlsConfig, _: bool) -> Result<Self, TlsError> {
        Err(TlsError::NotBuilt)
    }

    pub(in super::super) fn prepare(
        &self,
        _: &TlsConfig,
    ) -> Result<impl FnOnce() + use<>, TlsError> {
        let never = self.0;
        Ok(move || match never {})
    }

    pub(in super::super) async fn accept(
        &self,
        _: Stream,
    ) -> (
        io::Result<(Stream, Option<std::sync::Arc<[u8]>>)>,
        TlsOutcome,
    ) {
        match self.0 {}
    }
}

impl TlsConfig {
    /// What will not work for browsers, now.
    ///
    /// # Errors
    /// TLS cannot be offered by this program.
    pub fn remarks(&self) -> Result<Vec<TlsRemark>, TlsError> {
        Err(TlsError::NotBuilt)
    }
}
