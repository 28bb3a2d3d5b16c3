//! Whether something fails on a network: believed after bad experience, for a number of visits and a time, then tried again.

use std::time::Duration;

use crate::moment::Moment;

/// Visits for which a first failure is believed; twice as many after each further one.
const TRUST: u16 = 4;
const MOST_TRUST: u16 = 64;
/// Time for which a first failure is believed; twice as long after each further one.
const TIME: Duration = Duration::from_secs(10 * 60);
const MOST_TIME: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a success speaks against failures. Behind one address there may be clients that fail and clients that do not.
const GOOD_FOR: Duration = Duration::from_secs(60 * 60);

/// What is believed of one way through the network. The bounds make one wrong memory heal by itself: it is used a few
/// times, then the next visit tries again, and a success wipes it out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Belief {
    /// Failures since the last success.
    failures: u8,
    /// Visits for which the failure is still believed.
    trust: u16,
    until: Option<Moment>,
    worked: Option<Moment>,
}

impl Belief {
    /// It failed in a visit. `true` when that is believed from now on.
    pub(super) fn failed(&mut self, now: Moment) -> bool {
        self.failures = self.failures.saturating_add(1);
        let needed = if self.is_good(now) { 2 } else { 1 };
        let Some(agreeing) = self.failures.checked_sub(needed) else {
            return false;
        };
        let doubled = u32::from(agreeing.min(7));
        self.trust = (TRUST << doubled).min(MOST_TRUST);
        self.until = Some(now + (TIME * (1 << doubled)).min(MOST_TIME));
        true
    }

    /// It worked: failures before are forgotten.
    pub(super) fn worked(&mut self, now: Moment) {
        *self = Self {
            worked: Some(now),
            ..Self::default()
        };
    }

    /// Whether it is to be avoided in this visit. Counts the visit.
    pub(super) fn avoids(&mut self, now: Moment) -> bool {
        if !self.is_bad(now) {
            return false;
        }
        self.trust -= 1;
        true
    }

    /// Whether it is believed to fail.
    pub(super) fn is_bad(&self, now: Moment) -> bool {
        self.trust > 0 && self.until.is_some_and(|until| now < until)
    }

    /// Whether it failed since it last worked.
    pub(super) fn has_failed(&self) -> bool {
        self.failures > 0
    }

    /// Whether anything is known of it, from whenever.
    pub(super) fn was_tried(&self) -> bool {
        self.worked.is_some() || self.has_failed()
    }

    /// Whether it worked lately.
    pub(super) fn is_good(&self, now: Moment) -> bool {
        self.worked
            .is_some_and(|worked| now.saturating_duration_since(worked) < GOOD_FOR)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::now;
    use super::*;

    /// How many visits in a row avoid it.
    fn avoided(belief: &mut Belief, now: Moment) -> usize {
        (0..1000).take_while(|_| belief.avoids(now)).count()
    }

    #[test]
    fn failure_is_believed_for_a_few_visits_then_tried_again() {
        let now = now();
        let mut belief = Belief::default();
        assert!(!belief.avoids(now));
        assert!(belief.failed(now));
        assert_eq!(avoided(&mut belief, now), 4);
        belief.failed(now);
        assert_eq!(avoided(&mut belief, now), 8, "it failed again when tried");
        (0..20).for_each(|_| assert!(belief.failed(now)));
        assert_eq!(avoided(&mut belief, now), 64, "the bound");
    }

    #[test]
    fn failure_is_forgotten_after_a_time() {
        let now = now();
        let mut belief = Belief::default();
        belief.failed(now);
        assert!(!belief.avoids(now + TIME));
    }

    #[test]
    fn success_heals_at_once() {
        let now = now();
        let mut belief = Belief::default();
        (0..5).for_each(|_| {
            belief.failed(now);
        });
        belief.worked(now);
        assert!(!belief.avoids(now));
    }

    /// Two kinds of client on one address: while one succeeds between the other's failures, nobody is kept from trying.
    #[test]
    fn mixed_experience_changes_nothing() {
        let now = now();
        let mut belief = Belief::default();
        belief.worked(now);
        for _ in 0..10 {
            assert!(!belief.failed(now));
            assert!(!belief.avoids(now));
            belief.worked(now);
        }
        belief.failed(now);
        assert!(belief.failed(now), "it has stopped working for everybody");
        assert!(belief.avoids(now));
    }
}
