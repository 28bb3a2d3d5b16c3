//! SockJS gateway and library.

pub mod protocol;
