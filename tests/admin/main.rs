//! The operators' side of the shipped binary: health, who may ask, the API as docs/admin.md has it, and the commands.

#![allow(
    clippy::unwrap_used,
    reason = "test code: a panic is the report of a failure"
)]

mod access;
mod api;
mod commands;
mod documentation;
mod health;
mod log;
mod support;
