//! What the process uses: Linux's `/proc`. Source: proc(5).

use std::fs;
use std::time::Duration;

/// Length of a tick: `USER_HZ` is 100 on every architecture in use.
const TICK: Duration = Duration::from_millis(10);

/// What this process uses. `None` where it could not be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessReading {
    /// Processor time, of the user and of the system for it.
    pub processor: Option<Duration>,
    /// Bytes in memory.
    pub resident: Option<u64>,
    /// Bytes of address space.
    pub virtual_memory: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
    /// When it began, since 1970.
    pub started: Option<Duration>,
    /// Files, sockets among them.
    pub open_files: Option<u64>,
    /// The most that it may have; `None` also without a limit.
    pub max_open_files: Option<u64>,
}

impl ProcessReading {
    /// What this process uses now. `None` without `/proc`.
    pub fn now() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let stat = parse_stat(&stat);
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let system = fs::read_to_string("/proc/stat").unwrap_or_default();
        let begun = field(&system, "btime ").map(Duration::from_secs);
        Some(Self {
            processor: stat.map(|stat| stat.processor),
            resident: kib(&status, "VmRSS:"),
            virtual_memory: kib(&status, "VmSize:"),
            threads: field(&status, "Threads:"),
            started: stat.zip(begun).map(|(stat, begun)| begun + stat.started),
            open_files: open_files(),
            max_open_files: field(&limits, "Max open files"),
        })
    }
}

/// Of `/proc/self/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    processor: Duration,
    /// Since the system began.
    started: Duration,
}

fn parse_stat(text: &str) -> Option<Stat> {
    // The name in parentheses may hold anything.
    let (_, fields) = text.rsplit_once(')')?;
    let fields: Vec<_> = fields.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<u64>().ok();
    let time = |ticks: u64| Duration::from_secs_f64(ticks as f64 * TICK.as_secs_f64());
    Some(Stat {
        processor: time(ticks(11)?.saturating_add(ticks(12)?)),
        started: time(ticks(19)?),
    })
}

/// The number behind `name` at the beginning of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

fn kib(text: &str, name: &str) -> Option<u64> {
    field(text, name)?.checked_mul(1024)
}

fn open_files() -> Option<u64> {
    const FILES: &str = "/proc/self/fd";
    // Since Linux 6.2 the folder's size is their number; to list a hundred thousand takes tens of milliseconds.
    match fs::metadata(FILES).ok()?.len() {
        0 => Some((fs::read_dir(FILES).ok()?.count() as u64).saturating_sub(1)),
        files => Some(files),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_whatever_the_name_is() {
        let text = "7 (a) b (c) S 5 7 7 0 -1 4194560 100 0 0 0 12 34 1 2 20 0 3 0 99 1000 200";
        let stat = Stat {
            processor: Duration::from_millis(460),
            started: Duration::from_millis(990),
        };
        assert_eq!(parse_stat(text), Some(stat));
        for wrong in [
            "",
            "7 (a",
            "7 (a) S 5",
            "7 (a) S 1 7 7 0 -1 1 1 0 0 0 x 1 1 1",
        ] {
            assert_eq!(parse_stat(wrong), None);
        }
    }

    #[test]
    fn numbers_are_found_by_their_names() {
        let status = "Name:\tx\nVmRSS:\t    12 kB\nThreads:\t3\n";
        assert_eq!(kib(status, "VmRSS:"), Some(12_288));
        assert_eq!(field(status, "Threads:"), Some(3));
        assert_eq!(field(status, "VmSize:"), None);
        let unlimited = "Max open files            unlimited            unlimited            files";
        assert_eq!(field(unlimited, "Max open files"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_is_told_completely() {
        let now = ProcessReading::now().expect("there is a /proc");
        assert!(now.processor.is_some() && now.started.is_some_and(|time| !time.is_zero()));
        for figure in [
            now.resident,
            now.virtual_memory,
            now.threads,
            now.open_files,
        ] {
            assert!(figure.is_some_and(|figure| figure > 0), "{now:?}");
        }
    }
}
