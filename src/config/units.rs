//! Durations such as `"25s"` and sizes such as `"64KiB"`.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

/// A duration: `"500ms"`, `"25s"`, `"5m"`, `"1h"`. Never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span(pub(super) Duration);

/// A duration, or `"off"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SpanOrOff(pub(super) Option<Duration>);

/// A number of bytes: `4096`, `"64KiB"`, `"1MiB"`, `"1GiB"`. Never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size(pub(super) usize);

fn duration(text: &str) -> Option<Duration> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let milliseconds = match &text[digits..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    let duration = Duration::from_millis(number.checked_mul(milliseconds)?);
    (!duration.is_zero() && duration <= Duration::from_secs(366 * 86_400)).then_some(duration)
}

fn size(text: &str) -> Option<usize> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let number: usize = text[..digits].parse().ok()?;
    let unit = match &text[digits..] {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(unit).filter(|size| *size > 0)
}

/// Reads a text, and says what it should have been when it is anything else.
struct DurationVisitor {
    or_off: bool,
}

impl Visitor<'_> for DurationVisitor {
    type Value = Option<Duration>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration: a text with a number and ms, s, m or h, like \"25s\"")?;
        if self.or_off {
            f.write_str(", or \"off\"")
        } else {
            Ok(())
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Option<Duration>, E> {
        if self.or_off && text == "off" {
            return Ok(None);
        }
        duration(text)
            .map(Some)
            .ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let duration = deserializer.deserialize_any(DurationVisitor { or_off: false })?;
        duration
            .map(Self)
            .ok_or_else(|| D::Error::custom("a duration is needed here"))
    }
}

impl<'de> Deserialize<'de> for SpanOrOff {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_any(DurationVisitor { or_off: true })
            .map(Self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SizeVisitor;
        impl Visitor<'_> for SizeVisitor {
            type Value = Size;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of bytes, or a size like \"64KiB\", \"1MiB\" or \"1GiB\"")
            }
            fn visit_i64<E: Error>(self, bytes: i64) -> Result<Size, E> {
                let size = usize::try_from(bytes).ok().filter(|size| *size > 0);
                size.map(Size)
                    .ok_or_else(|| E::custom("a size must be at least 1 byte"))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Size, E> {
                let wrong = || {
                    E::custom(format_args!(
                        "{text:?} is not a size; write bytes, or a size like \"64KiB\""
                    ))
                };
                size(text).map(Size).ok_or_else(wrong)
            }
        }
        deserializer.deserialize_any(SizeVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number and a unit, nothing else, and never nothing.
    #[test]
    fn durations_and_sizes_have_units() {
        assert_eq!(duration("25s"), Some(Duration::from_secs(25)));
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(duration("2h"), Some(Duration::from_secs(7200)));
        for wrong in [
            "",
            "25",
            "0s",
            "1.5s",
            "-1s",
            "s",
            "25 s",
            "1d",
            "99999999999999999999s",
            "9999999h",
        ] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
        assert_eq!(size("64KiB"), Some(65_536));
        assert_eq!(size("1GiB"), Some(1 << 30));
        for wrong in [
            "",
            "64",
            "0KiB",
            "64KB",
            "1.5MiB",
            "KiB",
            "99999999999999999999GiB",
        ] {
            assert_eq!(size(wrong), None, "{wrong}");
        }
    }
}
