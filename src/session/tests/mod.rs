//! What must hold for a session: single rules, and a random walk.

mod rates;
mod rules;
mod slow;
mod traffic;
mod walk;

use std::time::Duration;

use super::*;
use crate::protocol::Message;

fn epoch() -> Moment {
    Moment::START + Duration::from_secs(3600)
}
