//! What the gateway has measured.

use std::sync::Arc;

use crate::metrics::{Connections, Format, ProcessReading, Reading, ServiceReading, render};
use crate::registry::Level;

use super::{Gateway, Service};

impl Gateway {
    /// All metrics as a page for a scraper, documented in `docs/metrics.md`.
    ///
    /// Looks at each living session, which takes up to a tenth of a second for a hundred thousand, and at `/proc`: an application with many calls it
    /// where blocking is allowed.
    ///
    /// ```
    /// use sockjs_gateway::metrics::Format;
    /// use sockjs_gateway::{Connection, Gateway, ServiceConfig};
    ///
    /// async fn quiet(_: Connection) {}
    ///
    /// let gateway = Gateway::builder().service(ServiceConfig::new("/quiet"), quiet).build()?;
    /// // Of the request for /metrics.
    /// let accept = Some("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5");
    /// let format = Format::wanted(accept);
    /// let page = gateway.metrics(format);
    /// assert!(page.contains("sockjs_session_places{service=\"/quiet\"} 0\n"));
    /// assert_eq!(format.content_type(), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    /// # Ok::<(), sockjs_gateway::ConfigError>(())
    /// ```
    pub fn metrics(&self, format: Format) -> String {
        render(&self.reading(), format)
    }

    /// What was measured, as numbers. As expensive as [`Self::metrics`].
    pub fn reading(&self) -> Reading {
        let mut reading = Reading::default();
        let routes = self.0.routes.load();
        for service in routes.services.iter().chain(&routes.leaving) {
            reading.add(service.reading());
        }
        reading
            .services
            .sort_by(|one, other| one.service.cmp(&other.service));
        reading.sessions = Level::of(&self.0.budgets.sessions);
        reading.queue_memory = Level::of(&self.0.budgets.queue_memory);
        reading.draining = self.is_draining();
        let connections = self.connections();
        reading.connections = connections.have_server().then(|| connections.read());
        reading.process = ProcessReading::now();
        reading.log_lines_dropped = self.0.log_lines_dropped.get().map(|lost| lost());
        reading
    }

    /// What `lost` counts are the lines of the log that were lost. Only the first that says so is heard.
    #[cfg(feature = "cli")]
    pub(crate) fn counts_log_lines(&self, lost: impl Fn() -> u64 + Send + Sync + 'static) {
        let _ = self.0.log_lines_dropped.set(Box::new(lost));
    }

    /// Where servers count their connections.
    pub(crate) fn connections(&self) -> &Arc<Connections> {
        &self.0.connections
    }
}

impl Service {
    fn reading(&self) -> ServiceReading {
        let registry = &self.context.registry;
        ServiceReading::new(
            Arc::clone(&self.config.prefix),
            registry.census(),
            registry.counts(),
            self.context.networks.findings(),
        )
    }
}
