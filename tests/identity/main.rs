//! Who may open a session, and use it, against a gateway in this process.

#![allow(clippy::unwrap_used, reason = "test code")]

mod asked;
mod binding;
mod forward;
mod jwks;
mod keys;
mod messages;
mod questions;
mod support;
mod tokens;
