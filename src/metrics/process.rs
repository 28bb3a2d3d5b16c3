//! What the process uses.

use std::fs;
use std::time::Duration;

use crate::procfs::{Stat, field, kib, resident, status};

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
        const OWN: &str = "self";
        let stat = Stat::read(OWN).ok()?;
        let status = status(OWN);
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let system = fs::read_to_string("/proc/stat").unwrap_or_default();
        let begun = field(&system, "btime ").map(Duration::from_secs);
        Some(Self {
            processor: Some(stat.user + stat.system),
            resident: resident(&status),
            virtual_memory: kib(&status, "VmSize:"),
            threads: field(&status, "Threads:"),
            started: begun.map(|begun| begun + stat.started),
            open_files: open_files(),
            max_open_files: field(&limits, "Max open files"),
        })
    }
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
