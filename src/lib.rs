//! SockJS gateway and library.

pub mod protocol;
pub mod session;
