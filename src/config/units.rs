//! Durations such as `"25s"` and sizes such as `"64KiB"`.

use std::time::Duration;

use super::value::Value;

const DURATIONS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
const SIZES: [(&str, usize); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

/// Longest duration, so that no point in time is out of reach.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// The number at the start, and what comes behind it.
fn number(text: &str) -> Option<(u64, &str)> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    Some((text[..digits].parse().ok()?, &text[digits..]))
}

/// `"500ms"`, `"25s"`, `"5m"`, `"1h"`; never zero, at most 366 days.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = number(text)?;
    let (_, milliseconds) = DURATIONS.into_iter().find(|(name, _)| *name == unit)?;
    let duration = Duration::from_millis(number.checked_mul(milliseconds)?);
    (!duration.is_zero() && duration <= LONGEST).then_some(duration)
}

/// `"64KiB"`, `"1MiB"`, `"1GiB"`, `"512B"`; never zero.
pub(super) fn size(text: &str) -> Option<usize> {
    let (number, unit) = number(text)?;
    let known = SIZES.into_iter().chain([("B", 1)]);
    let (_, bytes) = known.into_iter().find(|(name, _)| *name == unit)?;
    let size = usize::try_from(number).ok()?.checked_mul(bytes)?;
    (size > 0).then_some(size)
}

/// With the largest unit that leaves a whole number.
pub(super) fn write_duration(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    let (unit, count) = DURATIONS
        .into_iter()
        .find(|(_, count)| milliseconds.is_multiple_of(u128::from(*count)))
        .unwrap_or(("ms", 1));
    format!("{}{unit}", milliseconds / u128::from(count))
}

/// With the largest unit that leaves a whole number; without one it is a number.
pub(super) fn write_size(size: usize) -> Value {
    match SIZES
        .into_iter()
        .find(|(_, bytes)| size.is_multiple_of(*bytes))
    {
        Some((unit, bytes)) => Value::text(format!("{}{unit}", size / bytes)),
        None => size.into(),
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

    /// What is written is read as the same.
    #[test]
    fn durations_and_sizes_are_read_as_they_were_written() {
        for milliseconds in [
            1, 250, 1_000, 1_500, 25_000, 60_000, 90_000, 3_600_000, 86_400_000,
        ] {
            let span = Duration::from_millis(milliseconds);
            assert_eq!(duration(&write_duration(span)), Some(span));
        }
        assert_eq!(write_duration(Duration::from_secs(86_400)), "24h");
        assert_eq!(write_duration(Duration::from_millis(1_500)), "1500ms");
        assert_eq!(write_size(65_536).to_string(), "\"64KiB\"");
        assert_eq!(write_size(1_000).to_string(), "1000");
    }
}
