//! `/info` alone, asked again and again over one connection.

use std::sync::Arc;

use super::builder::Builder;
use super::connect::ask_info;
use super::error::{Error, Kind};
use super::shared::Shared;
use crate::outward::Connection;

/// Asks a service for its `/info`.
pub(crate) struct Inquiry {
    shared: Arc<Shared>,
    connection: Option<Connection>,
}

impl Inquiry {
    pub(crate) fn new(builder: &Builder) -> Self {
        Self {
            shared: Arc::new(Shared::new(Arc::clone(&builder.config))),
            connection: None,
        }
    }

    /// Asks once, over the connection of the time before if it can be used again.
    ///
    /// # Errors
    /// Why there is no answer, or that it was not of status 200; the next time asks over a new connection.
    pub(crate) async fn ask(&mut self) -> Result<(), Error> {
        let asked = ask_info(&self.shared, self.connection.take()).await;
        let (_, connection) = asked.map_err(|refusal| Kind::Info {
            url: self.shared.config.url.clone(),
            refusal,
        })?;
        self.connection = connection;
        Ok(())
    }
}
