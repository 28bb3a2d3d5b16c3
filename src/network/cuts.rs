//! Times after which connections died: those that agree are somebody's timer.

use std::time::Duration;

/// Samples that must agree before they mean anything: tabs are closed and trains drive into tunnels at any time.
const AGREEING: usize = 3;
/// Samples remembered.
const REMEMBERED: usize = 8;

/// The latest samples that nothing contradicts.
#[derive(Debug, Default)]
pub(super) struct Cuts(Vec<Duration>);

impl Cuts {
    /// A connection died after `time`. The shortest of the samples that agree with it, once there are several.
    pub(super) fn cut(&mut self, time: Duration) -> Option<Duration> {
        if self.0.len() == REMEMBERED {
            self.0.remove(0);
        }
        self.0.push(time);
        let agreeing = || self.0.iter().copied().filter(|cut| agree(*cut, time));
        if agreeing().count() < AGREEING {
            return None;
        }
        agreeing().min()
    }

    /// A connection got beyond `time`: no timer had ended it before.
    pub(super) fn survived(&mut self, time: Duration) {
        self.0.retain(|cut| *cut > time);
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
    use super::*;

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn several_agreeing_cuts_mean_something_and_one_does_not() {
        let mut cuts = Cuts::default();
        let found = [10.0, 4.0, 10.1, 17.0, 9.9].map(|cut| cuts.cut(seconds(cut)));
        assert_eq!(found, [None, None, None, None, Some(seconds(9.9))]);
    }

    /// Whoever lived longer shows that there is no timer.
    #[test]
    fn surviving_longer_contradicts() {
        let mut cuts = Cuts::default();
        for _ in 0..20 {
            assert_eq!(cuts.cut(seconds(10.0)), None);
            assert_eq!(cuts.cut(seconds(10.0)), None);
            cuts.survived(seconds(25.0));
        }
    }

    #[test]
    fn samples_are_bounded() {
        let mut cuts = Cuts::default();
        (0..1000).for_each(|cut| {
            cuts.cut(Duration::from_secs(cut * 10));
        });
        assert_eq!(cuts.0.len(), REMEMBERED);
    }
}
