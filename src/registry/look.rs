//! What operators see of sessions: how they began, what they are doing, and which there are.

use std::net::IpAddr;
use std::sync::Arc;

use uuid::Uuid;

use crate::moment::Moment;
use crate::session::{End, Queued, Standing, Traffic};

use super::{Registry, SHARDS, SessionHandle};

/// How a session began.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    /// When.
    pub at: Moment,
    /// The browser's address, after trusted proxies.
    pub address: Option<IpAddr>,
    /// Name of the transport.
    pub transport: &'static str,
}

/// What a session is doing.
#[derive(Clone, Debug)]
pub struct Look {
    /// How it stands.
    pub standing: Standing,
    /// How many responses or sockets have taken frames out of it.
    pub receivers: u32,
    /// What came and went.
    pub traffic: Traffic,
    /// What waits.
    pub queued: Queued,
    /// Its end, from the moment it is decided.
    pub end: Option<End>,
}

impl Registry {
    /// Parts that its sessions are in; each is looked at on its own.
    pub const PARTS: usize = SHARDS;

    /// The living sessions of one part, as they are now.
    pub fn living_in(&self, part: usize) -> Vec<Arc<SessionHandle>> {
        self.shards[part].lock().living().cloned().collect()
    }

    /// The sessions whose own id, as [`SessionHandle::id`] gives it, begins with `start`: of more than two, two.
    pub fn find(&self, start: IdStart) -> Vec<Arc<SessionHandle>> {
        let mut found = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock();
            let fitting = shard.living().filter(|session| start.fits(session.id()));
            found.extend(fitting.take(2 - found.len()).cloned());
            if found.len() == 2 {
                break;
            }
        }
        found
    }
}

/// The first digits of an id, at least four of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdStart {
    bits: u128,
    unknown: u32,
}

impl IdStart {
    /// `3f2a9c1d`, `3f2a9c1d-8b7e-4c55-9d0a-6f1e2b3c4d5e`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        const DIGITS: usize = 32;
        const LEAST: usize = 4;
        let (mut bits, mut digits) = (0_u128, 0);
        for character in text.chars().filter(|character| *character != '-') {
            if digits == DIGITS {
                return None;
            }
            bits = (bits << 4) | u128::from(character.to_digit(16)?);
            digits += 1;
        }
        if digits < LEAST {
            return None;
        }
        let unknown = u32::try_from((DIGITS - digits) * 4).ok()?;
        Some(Self { bits, unknown })
    }

    fn fits(self, id: Uuid) -> bool {
        id.as_u128() >> self.unknown == self.bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_by_their_first_digits() {
        let id = Uuid::from_u128(0x3f2a_9c1d_8b7e_4c55_9d0a_6f1e_2b3c_4d5e);
        for start in ["3f2a", "3F2A9C1D", "3f2a9c1d-8b", &id.to_string()] {
            assert!(IdStart::parse(start).unwrap().fits(id), "{start}");
        }
        assert!(!IdStart::parse("3f2b").unwrap().fits(id));
        for wrong in ["", "3f2", "3f2g", "----", &format!("{id}0")] {
            assert_eq!(IdStart::parse(wrong), None, "{wrong}");
        }
    }
}
