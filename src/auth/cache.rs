//! Identities that were found out a short while ago, by a digest of what proved them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::identity::Identity;

/// Most identities that are kept.
const MOST: usize = 10_000;

type Known = HashMap<[u8; 32], (Arc<Identity>, Instant)>;

/// Keeps identities for a time, or none.
#[derive(Debug)]
pub(super) struct Cache {
    holds: Option<Duration>,
    known: Mutex<Known>,
}

impl Cache {
    /// For so long.
    pub(super) fn new(holds: Option<Duration>) -> Self {
        Self {
            holds,
            known: Mutex::default(),
        }
    }

    pub(super) fn find(&self, proof: &[u8; 32]) -> Option<Arc<Identity>> {
        self.holds?;
        let known = self.known.lock();
        let (identity, until) = known.get(proof)?;
        (Instant::now() < *until).then(|| Arc::clone(identity))
    }

    pub(super) fn keep(&self, proof: [u8; 32], identity: &Arc<Identity>) {
        let Some(holds) = self.holds else { return };
        let (mut known, now) = (self.known.lock(), Instant::now());
        if known.len() >= MOST {
            known.retain(|_, (_, until)| now < *until);
        }
        // To find out which is the oldest would cost more than to ask again.
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(proof, (Arc::clone(identity), now + holds));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Arc<Identity> {
        Arc::new(Identity {
            issuer: None,
            subject: "a".into(),
            fields: Vec::new(),
            expires: None,
            proof: None,
        })
    }

    /// What is kept is bounded in time and number.
    #[tokio::test(start_paused = true)]
    async fn identities_are_kept_for_a_time() {
        let cache = Cache::new(Some(Duration::from_secs(10)));
        cache.keep([1; 32], &identity());
        assert!(cache.find(&[1; 32]).is_some() && cache.find(&[2; 32]).is_none());
        tokio::time::advance(Duration::from_secs(11)).await;
        assert!(cache.find(&[1; 32]).is_none());
        for number in 0..3 * MOST {
            let mut proof = [0; 32];
            proof[..8].copy_from_slice(&number.to_be_bytes());
            cache.keep(proof, &identity());
            assert!(cache.known.lock().len() <= MOST);
        }
        let none = Cache::new(None);
        none.keep([1; 32], &identity());
        assert!(none.find(&[1; 32]).is_none());
    }
}
