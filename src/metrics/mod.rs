//! What is measured, and how it is written down: for Prometheus, and in OpenMetrics.
//!
//! `table.rs` has a row for each metric: the one place where one is added, and of which `docs/metrics.md` is made. A row reads a
//! [`Reading`], which is data and nothing else; who makes one is [`Gateway::reading`](crate::Gateway::reading). Labels are names of
//! services and words from closed lists: there are never more series than the configuration makes, whatever browsers send.

mod connections;
mod exposition;
mod format;
mod labels;
mod process;
mod reading;
mod reference;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use connections::Connections;
pub use connections::{ConnectionRefusal, ConnectionTimeout, HeadRefusal, TlsOutcome};
pub use exposition::render;
pub use format::Format;
pub use process::ProcessReading;
pub use reading::{ConnectionReading, Reading, ServiceReading};
pub use reference::reference;
