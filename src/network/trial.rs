//! The trial of a network's streams: the first one is ended early, so that what a proxy holds back arrives all the same, and
//! how the browser takes that shows whether it was held back.

use std::time::Duration;

use crate::moment::Moment;

/// How long the first trial of a network lasts. With its end `o` arrives, before sockjs-client gives up after twice 300 ms.
pub(super) const FIRST: Duration = Duration::from_millis(300);
/// How long one lasts where streams may be held back: the browser waits for no more. (A longer one is decided on longer ways.)
pub(super) const FURTHER: Duration = Duration::from_millis(150);
/// A browser that had read the stream before its end was sent would have written this much earlier than it came back.
const AHEAD: Duration = Duration::from_millis(150);
/// What a page and its client take to write, beside round trips.
const THOUGHT: Duration = Duration::from_millis(100);

/// When what happened. The browser had not written before the end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trial {
    pub(super) begun: Moment,
    pub(super) ended: Moment,
    /// The browser came back for the next response.
    pub(super) returned: Moment,
}

/// What a trial has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Streams flow.
    Flowing,
    /// They are held back until they end.
    Held,
    /// It may be one or the other.
    Undecided,
}

impl Trial {
    /// Judges by when the browser wrote `first`. Pages that have something to say mostly do so when they open. Where the
    /// stream was held back that is when the browser comes back; where it flowed, it was before the end, less what a message
    /// takes on its way.
    pub(super) fn judge(&self, first: Moment) -> Outcome {
        let lasted = self.ended.saturating_duration_since(self.begun);
        let way = self.returned.saturating_duration_since(self.ended);
        if first + AHEAD <= self.returned {
            return Outcome::Flowing;
        }
        // On a way so long a message that was written at once comes as late.
        let is_short = way * 3 <= lasted * 2;
        let soon = first <= self.returned + way + THOUGHT;
        let ahead = self.returned.saturating_duration_since(first);
        if is_short && soon && ahead * 2 <= lasted.saturating_sub(way) {
            Outcome::Held
        } else {
            Outcome::Undecided
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::now;
    use super::*;

    fn judge(lasted: Duration, way: u64, first: u64) -> Outcome {
        let begun = now();
        let ended = begun + lasted;
        let returned = ended + Duration::from_millis(way);
        let trial = Trial {
            begun,
            ended,
            returned,
        };
        trial.judge(ended + Duration::from_millis(first))
    }

    #[test]
    fn browser_that_writes_when_it_comes_back_was_waiting_for_the_end() {
        for (way, first) in [(5, 3), (5, 40), (60, 20), (60, 200), (150, 110), (190, 300)] {
            assert_eq!(judge(FIRST, way, first), Outcome::Held, "{way} {first}");
        }
        for (way, first) in [(5, 3), (5, 40), (60, 40), (90, 150)] {
            assert_eq!(judge(FURTHER, way, first), Outcome::Held, "{way} {first}");
        }
    }

    #[test]
    fn browser_that_wrote_long_before_it_came_back_had_read_the_stream() {
        for (way, first) in [(160, 5), (300, 150), (1000, 100)] {
            assert_eq!(judge(FIRST, way, first), Outcome::Flowing, "{way} {first}");
        }
    }

    /// A message that was written when the stream began comes after a new connection was made, and a round trip.
    #[test]
    fn message_that_took_long_on_its_way_is_not_taken_for_an_answer_to_the_end() {
        for way in [200, 250, 300, 400, 600] {
            let first = 2 * way + 20 - FIRST.as_millis() as u64;
            assert_ne!(judge(FIRST, way, first), Outcome::Held, "{way}");
        }
    }

    #[test]
    fn page_that_writes_later_shows_nothing() {
        for first in [250, 1000, 60_000] {
            assert_eq!(judge(FIRST, 20, first), Outcome::Undecided, "{first}");
        }
    }
}
