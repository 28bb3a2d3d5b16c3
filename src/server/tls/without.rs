//! In place of TLS, in a program that was built without it.

use std::convert::Infallible;
use std::io;

use crate::metrics::TlsOutcome;

use super::super::stream::Stream;
use super::{TlsConfig, TlsError, TlsPart, TlsRemark};

/// There is none.
#[derive(Clone, Debug)]
pub(in super::super) struct Acceptor(Infallible);

/// There are none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsFiles(Infallible);

impl TlsFiles {
    pub(crate) fn remarks(&self) -> Vec<TlsRemark> {
        match self.0 {}
    }
}

impl Acceptor {
    pub(in super::super) fn new(files: &TlsFiles, _: bool) -> Self {
        match files.0 {}
    }

    pub(in super::super) fn replace(&self, _: &TlsFiles) {
        match self.0 {}
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
    pub(crate) fn read(&self) -> Result<TlsFiles, TlsError> {
        self.read_parts().map_err(|_| TlsError::NotBuilt)
    }

    pub(crate) fn read_parts(&self) -> Result<TlsFiles, Vec<(TlsPart, TlsError)>> {
        Err(vec![(TlsPart::Whole, TlsError::NotBuilt)])
    }

    /// What will not work for browsers, now.
    ///
    /// # Errors
    /// TLS cannot be offered by this program.
    pub fn remarks(&self) -> Result<Vec<TlsRemark>, TlsError> {
        Ok(self.read()?.remarks())
    }
}
