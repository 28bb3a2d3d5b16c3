//! So many a second, and so many at once: a token bucket that is kept as one point in time.

use std::time::Duration;

use crate::moment::Moment;

/// How much may come in a second, as an operator sets it. The default sets no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimit {
    /// The most in a second, in the long run; `None`, the default, sets no limit.
    pub per_second: Option<usize>,
    /// The most at once, after a pause. `None`, the default, is what may come in a second, but at least 10.
    pub burst: Option<usize>,
}

/// A limit that is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    per_second: u64,
    burst: u64,
}

impl RateLimit {
    /// What is allowed when nothing else is said about bursts: a browser falls back over several transports.
    const LEAST_BURST: usize = 10;

    /// So much a second.
    pub const fn per_second(per_second: usize, burst: usize) -> Self {
        Self {
            per_second: Some(per_second),
            burst: Some(burst),
        }
    }

    /// The limit, where there is one.
    pub fn rate(self) -> Option<Rate> {
        let per_second = self.per_second?.max(1);
        let usual = per_second.max(Self::LEAST_BURST);
        let burst = self.burst.unwrap_or(usual);
        Some(Rate {
            per_second: per_second as u64,
            burst: burst.max(1) as u64,
        })
    }
}

impl Rate {
    /// Time in which so much may come.
    fn time(self, amount: u64) -> Duration {
        let nanos = u128::from(amount) * 1_000_000_000 / u128::from(self.per_second);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// What is left of a rate. It begins full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// When it will be full again.
    full: Moment,
}

impl Default for Bucket {
    fn default() -> Self {
        Self {
            full: Moment::START,
        }
    }
}

impl Bucket {
    /// When `amount` may come, unless it may come now. More than a burst comes when the bucket is full, and is paid for afterwards:
    /// nothing has to wait for ever.
    pub fn ready(&self, now: Moment, rate: Rate, amount: usize) -> Option<Moment> {
        let missing = rate.burst - (amount as u64).min(rate.burst);
        let ready = self.full - rate.time(missing);
        (ready > now).then_some(ready)
    }

    /// Takes `amount` out, whether it may come or not.
    pub fn charge(&mut self, now: Moment, rate: Rate, amount: usize) {
        self.full = self.full.max(now) + rate.time(amount as u64);
    }

    /// Takes `amount` out, if it may come now.
    pub fn take(&mut self, now: Moment, rate: Rate, amount: usize) -> bool {
        let granted = self.ready(now, rate, amount).is_none();
        if granted {
            self.charge(now, rate, amount);
        }
        granted
    }

    /// Whether it is full, as one is of which nothing is known.
    pub fn is_full(&self, now: Moment) -> bool {
        self.full <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Moment = Moment::START;
    const SECOND: Duration = Duration::from_secs(1);

    fn rate(per_second: usize, burst: usize) -> Rate {
        let limit = RateLimit::per_second(per_second, burst);
        limit.rate().expect("a limit")
    }

    /// A burst comes at once, then one in each interval, and a pause of any length is worth one burst.
    #[test]
    fn burst_and_then_the_rate() {
        let (mut bucket, rate, now) = (Bucket::default(), rate(4, 3), START + SECOND);
        assert!((0..3).all(|_| bucket.take(now, rate, 1)));
        assert!(!bucket.take(now, rate, 1));
        assert_eq!(bucket.ready(now, rate, 1), Some(now + SECOND / 4));
        let later = now + SECOND / 4;
        assert!(bucket.take(later, rate, 1) && !bucket.take(later, rate, 1));
        let much_later = later + SECOND * 3600;
        assert!(bucket.is_full(much_later) && !bucket.is_full(later));
        assert!((0..3).all(|_| bucket.take(much_later, rate, 1)));
        assert!(!bucket.take(much_later, rate, 1));
    }

    /// What is larger than a burst comes once the bucket is full, and what follows waits until it is paid for.
    #[test]
    fn more_than_a_burst_comes_and_is_paid_for() {
        let (mut bucket, rate, now) = (Bucket::default(), rate(100, 100), START + SECOND);
        assert!(bucket.take(now, rate, 1));
        assert_eq!(bucket.ready(now, rate, 1000), Some(now + SECOND / 100));
        let full = now + SECOND / 100;
        assert!(bucket.take(full, rate, 1000));
        assert_eq!(bucket.ready(full, rate, 100), Some(full + SECOND * 10));
    }

    /// Without a burst of its own, a limit lets a second's worth through at once, and a fallback over all transports.
    #[test]
    fn burst_is_a_second_unless_said_otherwise() {
        let limit = |per_second| RateLimit {
            per_second: Some(per_second),
            burst: None,
        };
        let burst = |per_second| limit(per_second).rate().map(|rate| rate.burst);
        assert_eq!([burst(1), burst(50)], [Some(10), Some(50)]);
        assert_eq!(RateLimit::default().rate(), None);
    }
}
