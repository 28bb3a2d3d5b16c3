//! Times after which connections died: those that agree are somebody's timer.

use std::time::Duration;

use crate::moment::Moment;

/// Samples that must agree before they mean anything: tabs are closed and trains drive into tunnels at any time.
const AGREEING: usize = 3;
/// Connections that die together, as when a browser is killed, are one sample.
const TOGETHER: Duration = Duration::from_secs(10);
/// Samples remembered.
const REMEMBERED: usize = 8;

/// The latest samples that nothing contradicts.
#[derive(Debug, Default)]
pub(super) struct Cuts {
    times: Vec<Duration>,
    last: Option<Moment>,
}

impl Cuts {
    /// A connection died after `time`. The shortest of the samples that agree with it, once there are several.
    pub(super) fn cut(&mut self, now: Moment, time: Duration) -> Option<Duration> {
        let together = |last: Moment| now.saturating_duration_since(last) < TOGETHER;
        if self.last.is_some_and(together)
            && self.times.last().is_some_and(|last| agree(*last, time))
        {
            return None;
        }
        self.last = Some(now);
        if self.times.len() == REMEMBERED {
            self.times.remove(0);
        }
        self.times.push(time);
        let agreeing = || self.times.iter().copied().filter(|cut| agree(*cut, time));
        if agreeing().count() < AGREEING {
            return None;
        }
        agreeing().min()
    }

    /// A connection got beyond `time`: no timer had ended it before.
    pub(super) fn survived(&mut self, time: Duration) {
        self.times.retain(|cut| *cut > time);
    }
}

/// What is asked for when connections die after `cut`: safely less.
pub(super) fn below(cut: Duration) -> Duration {
    cut * 3 / 5
}

/// Whether two times are the same timer's.
pub(super) fn agree(one: Duration, other: Duration) -> bool {
    one.abs_diff(other) <= one.max(other) / 20 + Duration::from_millis(200)
}

#[cfg(test)]
mod tests {
    use super::super::tests::now;
    use super::*;

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    /// Samples of that many seconds, half a minute apart.
    fn cut_all<const N: usize>(cuts: &mut Cuts, times: [f64; N]) -> [Option<Duration>; N] {
        let mut now = now();
        times.map(|time| {
            now += seconds(30.0);
            cuts.cut(now, seconds(time))
        })
    }

    #[test]
    fn several_agreeing_cuts_mean_something_and_one_does_not() {
        let found = cut_all(&mut Cuts::default(), [10.0, 4.0, 10.1, 17.0, 9.9]);
        assert_eq!(found, [None, None, None, None, Some(seconds(9.9))]);
    }

    /// A browser that is killed takes all its connections with it.
    #[test]
    fn connections_that_die_together_are_one_sample() {
        let now = now();
        let mut cuts = Cuts::default();
        for connection in 0..100 {
            let now = now + Duration::from_millis(connection * 20);
            assert_eq!(cuts.cut(now, seconds(10.0)), None);
        }
    }

    /// Whoever lived longer shows that there is no timer.
    #[test]
    fn surviving_longer_contradicts() {
        let mut cuts = Cuts::default();
        for _ in 0..20 {
            assert_eq!(cut_all(&mut cuts, [10.0, 10.0]), [None, None]);
            cuts.survived(seconds(25.0));
        }
    }

    #[test]
    fn samples_are_bounded() {
        let mut cuts = Cuts::default();
        (0..1000).for_each(|cut| {
            cuts.cut(now(), Duration::from_secs(cut * 10));
        });
        assert_eq!(cuts.times.len(), REMEMBERED);
    }
}
