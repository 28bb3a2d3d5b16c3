//! A point in time that takes 8 bytes, and none more when it is optional. Sessions hold a dozen of them.

use std::fmt;
use std::num::NonZeroU64;
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

/// A point on the clock of sessions: nanoseconds since its start, of which 584 years fit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(NonZeroU64);

impl Moment {
    /// The first that there is.
    pub const START: Self = Self(NonZeroU64::MIN);
    /// The last that there is.
    pub const END: Self = Self(NonZeroU64::MAX);

    /// Time since [`Self::START`].
    pub fn since_start(self) -> Duration {
        self.saturating_duration_since(Self::START)
    }

    /// Time since `earlier`; zero when that is later.
    pub fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.get().saturating_sub(earlier.0.get()))
    }

    /// `self + duration`, unless there is no such moment.
    pub fn checked_add(self, duration: Duration) -> Option<Self> {
        let nanos = u64::try_from(duration.as_nanos()).ok()?;
        self.0.checked_add(nanos).map(Self)
    }
}

/// [`Moment::END`] when there is no such moment.
impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        self.checked_add(duration).unwrap_or(Self::END)
    }
}

impl AddAssign<Duration> for Moment {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

/// [`Moment::START`] when there is no such moment.
impl Sub<Duration> for Moment {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        NonZeroU64::new(self.0.get().saturating_sub(nanos)).map_or(Self::START, Self)
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} after the start", self.since_start())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn optional_moment_takes_no_more_room() {
        assert_eq!(size_of::<Option<Moment>>(), 8);
    }

    #[test]
    fn times_between_moments_are_exact() {
        let later = Moment::START + Duration::from_nanos(1_500_000_001);
        assert_eq!(later.since_start(), Duration::from_nanos(1_500_000_001));
        assert_eq!(
            Moment::START.saturating_duration_since(later),
            Duration::ZERO
        );
    }

    /// A limit that is configured as "never" must not wrap around to "long ago".
    #[test]
    fn what_is_too_far_away_is_the_end() {
        assert_eq!(Moment::START + Duration::MAX, Moment::END);
        assert_eq!(Moment::START.checked_add(Duration::MAX), None);
    }
}
