//! stub
pub mod protocol;
pub mod session;
pub mod registry;
pub use registry::{Backend, Connection};
