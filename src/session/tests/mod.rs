//! What must hold for a session: single rules, and a random walk.

mod rules;
mod walk;

use std::time::Duration;

use super::*;

#[allow(
    clippy::disallowed_methods,
    reason = "a starting point for test time; nothing depends on its value"
)]
fn epoch() -> Moment {
    Moment::START + Duration::from_secs(3600)
}
