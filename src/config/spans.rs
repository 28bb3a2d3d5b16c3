//! The kinds of values that are durations.

use std::time::Duration;

use super::key::{Kind, Shape};
use super::kinds::{parsed, refused};
use super::mistake::Mistake;
use super::units;
use super::value::Value;

/// A duration, never zero.
pub(super) struct Span;

/// A duration, or `"off"`.
pub(super) struct SpanOrOff;

/// A silence after which a heartbeat is sent.
pub(super) struct Beat;

/// The same, or `"off"`.
pub(super) struct BeatOrOff;

/// The pause between two looks at something, which is not to be looked at without end; or `"off"`.
pub(super) struct PauseOrOff;

/// A duration of 1 s to so many seconds, which is what the system takes, or `"off"`.
pub(super) struct SpanUpTo<const SECONDS: u64>;

const DURATION: &str = "a duration; write a number and ms, s, m or h in quotes, from \"1ms\" to \"8784h\", like \"25s\"";

impl Kind for Span {
    type Held = Duration;
    const SHAPE: Shape = Shape::Duration { off: false };

    fn read(value: &Value) -> Result<Duration, Vec<Mistake>> {
        parsed(value, DURATION, units::duration)
    }

    fn write(held: &Duration) -> Option<Value> {
        Some(Value::text(units::write_duration(*held)))
    }
}

impl Kind for SpanOrOff {
    type Held = Option<Duration>;
    const SHAPE: Shape = Shape::Duration { off: true };

    fn read(value: &Value) -> Result<Self::Held, Vec<Mistake>> {
        parsed(value, &format!("{DURATION}, or \"off\""), |text| {
            if text == "off" {
                return Some(None);
            }
            units::duration(text).map(Some)
        })
    }

    fn write(held: &Self::Held) -> Option<Value> {
        held.as_ref()
            .map_or_else(|| Some(Value::text("off")), Span::write)
    }
}

/// A time after which something is done again, and again; `does` says what, if it were shorter.
fn slow_enough(value: &Value, time: Duration, does: &str) -> Result<Duration, Vec<Mistake>> {
    const SHORTEST: Duration = Duration::from_millis(100);
    if time < SHORTEST {
        let what = format!("{value} would {does} without end; write \"100ms\" or more");
        return refused(value, what);
    }
    Ok(time)
}

const BEATS: &str = "send heartbeats";

impl Kind for Beat {
    type Held = Duration;
    const SHAPE: Shape = Shape::Duration { off: false };

    fn read(value: &Value) -> Result<Duration, Vec<Mistake>> {
        slow_enough(value, Span::read(value)?, BEATS)
    }

    fn write(held: &Duration) -> Option<Value> {
        Span::write(held)
    }
}

impl Kind for BeatOrOff {
    type Held = Option<Duration>;
    const SHAPE: Shape = Shape::Duration { off: true };

    fn read(value: &Value) -> Result<Self::Held, Vec<Mistake>> {
        let beat = SpanOrOff::read(value)?;
        beat.map(|beat| slow_enough(value, beat, BEATS)).transpose()
    }

    fn write(held: &Self::Held) -> Option<Value> {
        SpanOrOff::write(held)
    }
}

impl Kind for PauseOrOff {
    type Held = Option<Duration>;
    const SHAPE: Shape = Shape::Duration { off: true };

    fn read(value: &Value) -> Result<Self::Held, Vec<Mistake>> {
        let pause = SpanOrOff::read(value)?;
        let slow_enough = |pause| slow_enough(value, pause, "look at files");
        pause.map(slow_enough).transpose()
    }

    fn write(held: &Self::Held) -> Option<Value> {
        SpanOrOff::write(held)
    }
}

impl<const SECONDS: u64> Kind for SpanUpTo<SECONDS> {
    type Held = Option<Duration>;
    const SHAPE: Shape = Shape::Duration { off: true };

    fn read(value: &Value) -> Result<Self::Held, Vec<Mistake>> {
        let span = SpanOrOff::read(value)?;
        let bounds = Duration::from_secs(1)..=Duration::from_secs(SECONDS);
        if span.is_some_and(|span| !bounds.contains(&span)) {
            let what = format!(
                "{value} is more or less than the system takes; write \"1s\" to \"{}h\", or \"off\"",
                SECONDS / 3600
            );
            return refused(value, what);
        }
        Ok(span)
    }

    fn write(held: &Self::Held) -> Option<Value> {
        SpanOrOff::write(held)
    }
}
