//! Linux's `/proc`: what processes use. Source: proc(5).

use std::fmt::Display;
use std::fs;
use std::io;
use std::time::Duration;

/// Length of a tick in milliseconds: `USER_HZ` is 100 on every architecture in use.
const TICK: u64 = 10;

/// Of `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(
    dead_code,
    reason = "who looks at the own process does not ask for relatives"
)]
pub(crate) struct Stat {
    /// Number of the process that started it.
    pub(crate) parent: u32,
    /// Processor time of the program.
    pub(crate) user: Duration,
    /// Processor time of the system for it.
    pub(crate) system: Duration,
    /// Both of children that have ended and were waited for.
    pub(crate) of_children: (Duration, Duration),
    /// When it began, since the system did.
    pub(crate) started: Duration,
}

impl Stat {
    /// Of process `id`, which is a number or `self`.
    ///
    /// # Errors
    /// When there is no such process, or no `/proc`.
    pub(crate) fn read(id: impl Display) -> io::Result<Self> {
        let text = fs::read_to_string(format!("/proc/{id}/stat"))?;
        Self::parse(&text).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    fn parse(text: &str) -> Option<Self> {
        // The name in parentheses may hold anything.
        let (_, fields) = text.rsplit_once(')')?;
        let fields: Vec<_> = fields.split_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        let time = |index| Some(Duration::from_millis(number(index)?.saturating_mul(TICK)));
        Some(Self {
            parent: number(1)?.try_into().ok()?,
            user: time(11)?,
            system: time(12)?,
            of_children: (time(13)?, time(14)?),
            started: time(19)?,
        })
    }
}

/// `/proc/PID/status` of process `id`; empty where there is none.
pub(crate) fn status(id: impl Display) -> String {
    fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default()
}

/// The number behind `name` at the beginning of a line.
pub(crate) fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The same in bytes, where it is told in KiB.
pub(crate) fn kib(text: &str, name: &str) -> Option<u64> {
    field(text, name)?.checked_mul(1024)
}

/// Bytes in memory, of a status.
pub(crate) fn resident(status: &str) -> Option<u64> {
    kib(status, "VmRSS:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_whatever_the_name_is() {
        let text = "7 (a) b (c) S 5 7 7 0 -1 4194560 100 0 0 0 12 34 1 2 20 0 3 0 99 1000 200";
        let ticks = |ticks| Duration::from_millis(ticks * TICK);
        let stat = Stat {
            parent: 5,
            user: ticks(12),
            system: ticks(34),
            of_children: (ticks(1), ticks(2)),
            started: ticks(99),
        };
        assert_eq!(Stat::parse(text), Some(stat));
        for wrong in [
            "",
            "7 (a",
            "7 (a) S 5",
            "7 (a) S 1 7 7 0 -1 1 1 0 0 0 x 1 1 1 20 0 3 0 99",
            "7 (a) S x 7 7 0 -1 1 1 0 0 0 1 1 1 1 20 0 3 0 99",
        ] {
            assert_eq!(Stat::parse(wrong), None);
        }
    }

    #[test]
    fn numbers_are_found_by_their_names() {
        let status = "Name:\tx\nVmRSS:\t    12 kB\nThreads:\t3\n";
        assert_eq!(resident(status), Some(12_288));
        assert_eq!(field(status, "Threads:"), Some(3));
        assert_eq!(field(status, "VmSize:"), None);
        let unlimited = "Max open files            unlimited            unlimited            files";
        assert_eq!(field(unlimited, "Max open files"), None);
    }
}
