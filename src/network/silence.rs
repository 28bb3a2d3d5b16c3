//! How long a network lets a connection be silent: found step by step, and learnt from connections that died.

use std::time::Duration;

use crate::moment::Moment;

use super::cuts::{Cuts, agree, below};

/// Bounds of the search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Steps {
    /// Silence that a new network is trusted with.
    pub(super) first: Duration,
    /// Shortest silence ever asked for.
    pub(super) floor: Duration,
    /// Longest: the configured heartbeat.
    pub(super) target: Duration,
    /// How long a learnt limit holds.
    pub(super) remember: Duration,
}

/// Who lets a longer silence happen; one session of the network at a time, so that a step too far costs one connection.
pub(super) type Scout = u64;

/// Silences of the first length that must be survived before a longer one is tried.
const FIRST_ROUNDS: u16 = 30;
/// The same for each step after.
const ROUNDS: u16 = 10;
/// Wait after a step that went too far, before it is tried again; doubled each time.
const HOLD: Duration = Duration::from_secs(10 * 60);
/// A scout that was not heard of for so long, beyond its silence, is gone.
const SCOUT_LOST: Duration = Duration::from_secs(60);

/// What is known about silence on one network.
#[derive(Debug)]
pub(super) struct Silence {
    /// Longest silence that is safe, or the first step.
    safe: Duration,
    /// The step being tried by the scout.
    trying: Duration,
    rounds: u16,
    scout: Option<(Scout, Moment)>,
    hold_until: Option<Moment>,
    holds: u32,
    /// A silence in which a scout was lost, perhaps because its page went.
    too_far: Option<Duration>,
    /// Silences at whose end a connection died, since the last longer one was survived.
    cuts: Cuts,
    limit: Option<Limit>,
}

/// What was learnt from cuts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Limit {
    heartbeat: Duration,
    /// The shortest of the silences that ended a connection.
    cut: Duration,
    until: Moment,
    /// When a scout lets a longer silence happen, to see whether it is still true.
    probe_at: Moment,
    probes: u32,
}

impl Limit {
    /// A silence that contradicts the limit when it is survived.
    fn beyond(&self) -> Duration {
        self.cut * 5 / 4 + Duration::from_millis(500)
    }
}

impl Silence {
    pub(super) fn new(steps: Steps) -> Self {
        let first = steps.first.min(steps.target);
        Self {
            safe: first,
            trying: first,
            rounds: 0,
            scout: None,
            hold_until: None,
            holds: 0,
            too_far: None,
            cuts: Cuts::default(),
            limit: None,
        }
    }

    /// The silence after which `session` is to send a heartbeat.
    pub(super) fn delay(&mut self, now: Moment, steps: Steps, session: Scout) -> Duration {
        match &self.limit {
            Some(limit) if now >= limit.until => *self = Self::new(steps),
            Some(limit) => {
                let heartbeat = limit.heartbeat;
                let beyond = limit.beyond();
                if now >= limit.probe_at
                    && beyond <= steps.target
                    && self.scouts(now, session, beyond)
                {
                    return beyond;
                }
                return heartbeat;
            }
            None => {}
        }
        if self.hold_until.is_some_and(|until| now < until) || self.safe >= steps.target {
            return self.safe.min(steps.target);
        }
        if self.scouts(now, session, self.trying) {
            self.trying.min(steps.target)
        } else {
            self.safe.min(steps.target)
        }
    }

    /// Whether `session` is the one that lets a silence as long as `trying` happen.
    fn scouts(&mut self, now: Moment, session: Scout, trying: Duration) -> bool {
        let gone = |heard: Moment| now.saturating_duration_since(heard) > trying + SCOUT_LOST;
        match &mut self.scout {
            Some((scout, heard)) if *scout == session => *heard = now,
            Some((_, heard)) if !gone(*heard) => return false,
            scout => *scout = Some((session, now)),
        }
        true
    }

    /// A connection of `session` was silent for `gap` and still lives.
    pub(super) fn survived(&mut self, steps: Steps, session: Scout, gap: Duration) {
        self.cuts.survived(gap);
        if self.limit.is_some_and(|limit| gap > limit.cut) {
            self.limit = None;
        }
        let is_scout = self.scout.is_some_and(|(scout, _)| scout == session);
        // A timer is never early, but the instants around it may be.
        if !is_scout || gap + Duration::from_millis(100) < self.trying {
            return;
        }
        self.rounds += 1;
        let needed = if self.trying == steps.first {
            FIRST_ROUNDS
        } else {
            ROUNDS
        };
        if self.rounds >= needed {
            self.rounds = 0;
            self.holds = 0;
            self.too_far = None;
            self.safe = self.trying;
            self.trying = (self.trying * 8 / 5).min(steps.target);
        }
    }

    /// A connection of `session` ended after `gap` of silence: `certainly` cut off, or perhaps because its page went. The
    /// limit, when this is what makes it one.
    pub(super) fn cut(
        &mut self,
        now: Moment,
        steps: Steps,
        session: Scout,
        gap: Duration,
        certainly: bool,
    ) -> Option<Duration> {
        if self.scout.is_some_and(|(scout, _)| scout == session) {
            self.scout = None;
            if let Some(limit) = &mut self.limit {
                if gap > limit.heartbeat {
                    limit.probe_at = now + HOLD * (1 << limit.probes.min(6));
                    limit.probes += 1;
                }
            } else if self.trying > self.safe && gap > self.safe {
                let again = self.too_far.is_some_and(|before| agree(before, gap));
                self.too_far = Some(gap);
                if certainly || again {
                    self.trying = self.safe;
                    self.rounds = 0;
                    self.too_far = None;
                    self.hold_until = Some(now + HOLD * (1 << self.holds.min(6)));
                    self.holds += 1;
                }
            }
        }
        if !certainly {
            return None;
        }
        let shortest = self.cuts.cut(now, gap)?;
        let heartbeat = below(shortest).max(steps.floor).min(steps.target);
        let known = self.limit.filter(|known| agree(known.heartbeat, heartbeat));
        self.limit = Some(Limit {
            heartbeat,
            cut: shortest,
            until: now + steps.remember,
            probe_at: known.map_or(now + HOLD, |known| known.probe_at),
            probes: known.map_or(0, |known| known.probes),
        });
        known.is_none().then_some(heartbeat)
    }

    /// A session of the network ended.
    pub(super) fn left(&mut self, session: Scout) {
        if self.scout.is_some_and(|(scout, _)| scout == session) {
            self.scout = None;
        }
    }

    /// Whether a connection that was silent for `gap` is not expected to die of it.
    pub(super) fn is_safe(&self, gap: Duration) -> bool {
        gap <= self.safe + Duration::from_millis(200)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::now;
    use super::*;

    const STEPS: Steps = Steps {
        first: Duration::from_secs(2),
        floor: Duration::from_secs(1),
        target: Duration::from_secs(25),
        remember: Duration::from_secs(24 * 60 * 60),
    };

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    /// One session that only ever beats, on a network that cuts after `limit`: beats sent, and seconds until it is cut.
    fn live(
        silence: &mut Silence,
        from: Moment,
        session: Scout,
        limit: Duration,
    ) -> (usize, Option<f64>) {
        let mut now = from;
        let mut beats = 0;
        while now.saturating_duration_since(from) < Duration::from_secs(3600) {
            let delay = silence.delay(now, STEPS, session);
            if delay >= limit {
                now += limit;
                silence.cut(now, STEPS, session, limit, true);
                return (
                    beats,
                    Some(now.saturating_duration_since(from).as_secs_f64()),
                );
            }
            now += delay;
            beats += 1;
            silence.survived(STEPS, session, delay);
        }
        (beats, None)
    }

    /// What a first session costs: a bounded number of beats more than the 144 of an hour with 25 s.
    #[test]
    fn lengthening_costs_a_bounded_number_of_heartbeats() {
        let mut silence = Silence::new(STEPS);
        let now = now();
        let (beats, cut) = live(&mut silence, now, 1, Duration::MAX);
        assert_eq!(cut, None);
        assert!(
            (144..=225).contains(&beats),
            "{beats} beats in the first hour"
        );
        assert_eq!(
            silence.delay(now, STEPS, 2),
            STEPS.target,
            "found for every session"
        );
    }

    /// A first session gets through the first minute of any cut above the first step.
    #[test]
    fn first_session_survives_a_short_idle_cut_for_a_minute() {
        for limit in [3.0, 5.0, 6.0, 10.0] {
            let mut silence = Silence::new(STEPS);
            let (_, cut) = live(&mut silence, now(), 1, seconds(limit));
            assert!(
                cut.is_some_and(|cut| cut > 60.0),
                "{limit} s: cut after {cut:?}"
            );
        }
    }

    /// After one step too far, nobody goes there for a while, and nothing is concluded yet.
    #[test]
    fn step_too_far_is_not_repeated_at_once() {
        let mut silence = Silence::new(STEPS);
        let now = now();
        live(&mut silence, now, 1, seconds(3.0));
        let later = now + Duration::from_secs(120);
        assert_eq!(silence.delay(later, STEPS, 2), seconds(2.0));
        assert_eq!(silence.limit, None, "one cut is no limit");
    }

    /// A page that goes looks like a cut. Two that agree do not.
    #[test]
    fn scouts_whose_pages_went_hold_nothing_up() {
        let mut silence = Silence::new(STEPS);
        let now = now();
        for _ in 0..FIRST_ROUNDS {
            let delay = silence.delay(now, STEPS, 1);
            silence.survived(STEPS, 1, delay);
        }
        silence.delay(now, STEPS, 1);
        assert_eq!(silence.cut(now, STEPS, 1, seconds(2.3), false), None);
        assert_eq!(
            silence.delay(now, STEPS, 2),
            seconds(3.2),
            "another goes on"
        );
        assert_eq!(silence.cut(now, STEPS, 2, seconds(3.0), false), None);
        assert_eq!(
            silence.delay(now, STEPS, 3),
            seconds(3.2),
            "they do not agree"
        );
        assert_eq!(silence.cut(now, STEPS, 3, seconds(3.0), false), None);
        assert_eq!(silence.delay(now, STEPS, 4), seconds(2.0), "they do");
    }

    /// What a network lets through is found out by many short visits as by one long one.
    #[test]
    fn short_visits_lengthen_the_silence_together() {
        let mut silence = Silence::new(STEPS);
        let now = now();
        let mut beats = 0;
        for session in 0..200 {
            let mut left = seconds(26.0);
            while silence.delay(now, STEPS, session) <= left {
                let delay = silence.delay(now, STEPS, session);
                left -= delay;
                beats += 1;
                silence.survived(STEPS, session, delay);
            }
            silence.left(session);
        }
        assert_eq!(silence.delay(now, STEPS, 1000), STEPS.target);
        assert!(beats < 300, "{beats} beats");
    }

    /// Only one session at a time lets a longer silence happen.
    #[test]
    fn one_session_scouts() {
        let mut silence = Silence::new(STEPS);
        let now = now();
        for _ in 0..=FIRST_ROUNDS {
            let delay = silence.delay(now, STEPS, 1);
            silence.survived(STEPS, 1, delay);
        }
        assert_eq!(silence.delay(now, STEPS, 1), seconds(3.2));
        assert_eq!(silence.delay(now, STEPS, 2), seconds(2.0));
        silence.left(1);
        assert_eq!(
            silence.delay(now, STEPS, 2),
            seconds(3.2),
            "another goes on"
        );
    }

    /// Half a minute later.
    fn later(now: &mut Moment) -> Moment {
        *now += Duration::from_secs(30);
        *now
    }

    #[test]
    fn several_agreeing_cuts_are_a_limit_and_one_is_not() {
        let mut silence = Silence::new(STEPS);
        silence.safe = STEPS.target;
        let mut now = now();
        assert_eq!(
            silence.cut(later(&mut now), STEPS, 1, seconds(10.0), true),
            None
        );
        assert_eq!(
            silence.cut(later(&mut now), STEPS, 2, seconds(4.0), true),
            None,
            "a tab that was closed"
        );
        assert_eq!(
            silence.cut(later(&mut now), STEPS, 3, seconds(10.1), true),
            None
        );
        assert_eq!(silence.delay(now, STEPS, 4), STEPS.target);
        let limit = silence.cut(later(&mut now), STEPS, 4, seconds(10.0), true);
        assert_eq!(limit, Some(seconds(6.0)), "0.6 times");
        assert_eq!(silence.delay(now, STEPS, 5), seconds(6.0));
        assert_eq!(
            silence.cut(later(&mut now), STEPS, 4, seconds(10.0), true),
            None,
            "told once"
        );
        let next_day = now + STEPS.remember;
        assert_eq!(
            silence.delay(next_day, STEPS, 5),
            STEPS.first,
            "searched anew"
        );
    }

    /// A silence that is cut after 10 s, as three sessions have found out.
    fn limited(now: &mut Moment) -> Silence {
        let mut silence = Silence::new(STEPS);
        silence.safe = STEPS.target;
        for session in 0..3 {
            silence.cut(later(now), STEPS, session, seconds(10.0), true);
        }
        assert_eq!(silence.delay(*now, STEPS, 4), seconds(6.0));
        silence
    }

    /// While heartbeats come before the limit, nothing would show that it was wrong, or is gone.
    #[test]
    fn wrong_limit_is_found_out_by_one_session() {
        let mut now = now();
        let mut silence = limited(&mut now);
        now += HOLD;
        assert_eq!(silence.delay(now, STEPS, 5), seconds(13.0));
        assert_eq!(silence.delay(now, STEPS, 6), seconds(6.0), "one at a time");
        silence.survived(STEPS, 5, seconds(13.0));
        assert_eq!(silence.delay(now, STEPS, 6), STEPS.target);
    }

    /// A limit that is true costs a connection after 10, 20, 40, … minutes.
    #[test]
    fn true_limit_is_tried_less_and_less() {
        let start = now();
        let mut now = start;
        let mut silence = limited(&mut now);
        let mut cuts = 0;
        while now.saturating_duration_since(start) < Duration::from_secs(20 * 3600) {
            let delay = silence.delay(now, STEPS, 5);
            now += delay.min(seconds(10.0));
            if delay > seconds(10.0) {
                cuts += 1;
                silence.cut(now, STEPS, 5, seconds(10.0), true);
            } else {
                silence.survived(STEPS, 5, delay);
            }
        }
        assert!((6..=8).contains(&cuts), "{cuts}");
    }

    #[test]
    fn limit_has_a_floor() {
        let mut silence = Silence::new(STEPS);
        let mut now = now();
        let limits: Vec<_> = (0..3)
            .map(|session| silence.cut(later(&mut now), STEPS, session, seconds(1.2), true))
            .collect();
        assert_eq!(limits, [None, None, Some(seconds(1.0))]);
    }
}
