//! What must hold for a session: single rules, and a random walk.

mod rules;
mod slow;
mod traffic;
mod walk;

use std::time::Duration;

use super::*;

fn epoch() -> Moment {
    Moment::START + Duration::from_secs(3600)
}
