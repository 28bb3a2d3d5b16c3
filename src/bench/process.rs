//! What processes use of processor and memory: Linux's `/proc`. Source: proc(5).

use std::collections::HashMap;
use std::fs;
use std::io;
use std::time::Duration;

/// Length of a tick: `USER_HZ` is 100 on every architecture in use.
const TICK: Duration = Duration::from_millis(10);

/// What a process has used since it began, with its threads and its children.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) user: Duration,
    pub(super) system: Duration,
    /// Bytes in memory now. What processes share counts for each of them.
    pub(super) resident: u64,
}

impl Usage {
    /// What was used between `before` and this.
    pub(super) fn since(&self, before: &Self) -> Self {
        Self {
            user: self.user.saturating_sub(before.user),
            system: self.system.saturating_sub(before.system),
            resident: self.resident,
        }
    }

    pub(super) fn processor(&self) -> Duration {
        self.user + self.system
    }
}

/// What process `id` has used.
///
/// # Errors
/// When there is no such process, or no `/proc`.
pub(super) fn usage(id: u32) -> io::Result<Usage> {
    let own = stat(id)?;
    let mut usage = Usage::default();
    add(&mut usage, id, &own);
    for (id, stat) in descendants(id)? {
        add(&mut usage, id, &stat);
    }
    Ok(usage)
}

fn add(usage: &mut Usage, id: u32, stat: &Stat) {
    usage.user += TICK * stat.user;
    usage.system += TICK * stat.system;
    let status = fs::read_to_string(format!("/proc/{id}/status"));
    usage.resident += status.map_or(0, |status| resident(&status).unwrap_or(0));
}

fn stat(id: u32) -> io::Result<Stat> {
    let text = fs::read_to_string(format!("/proc/{id}/stat"))?;
    parse_stat(&text).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Children of process `id`, and theirs, that live.
fn descendants(id: u32) -> io::Result<Vec<(u32, Stat)>> {
    let mut children: HashMap<u32, Vec<(u32, Stat)>> = HashMap::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(child) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // It may have ended since.
        if let Ok(stat) = stat(child) {
            children.entry(stat.parent).or_default().push((child, stat));
        }
    }
    let mut found = Vec::new();
    let mut parents = vec![id];
    while let Some(parent) = parents.pop() {
        for (child, stat) in children.remove(&parent).unwrap_or_default() {
            parents.push(child);
            found.push((child, stat));
        }
    }
    Ok(found)
}

/// Of `/proc/PID/stat`. The times are in ticks, with those of children that have ended and were waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    user: u32,
    system: u32,
}

fn parse_stat(text: &str) -> Option<Stat> {
    // The name in parentheses may hold anything.
    let (_, fields) = text.rsplit_once(')')?;
    let fields: Vec<_> = fields.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u32>().ok();
    Some(Stat {
        parent: number(1)?,
        user: number(11)? + number(13)?,
        system: number(12)? + number(14)?,
    })
}

/// `VmRSS` of `/proc/PID/status`, in bytes.
fn resident(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_whatever_the_name_is() {
        let text = "7 (a) b (c) S 5 7 7 0 -1 4194560 100 0 0 0 12 34 1 2 20 0 3 0 99 1000 200";
        let stat = Stat {
            parent: 5,
            user: 13,
            system: 36,
        };
        assert_eq!(parse_stat(text), Some(stat));
        for wrong in [
            "",
            "7 (a",
            "7 (a) S 5",
            "7 (a) S x 7 7 0 -1 1 1 0 0 0 1 1 1 1",
        ] {
            assert_eq!(parse_stat(wrong), None);
        }
    }

    #[test]
    fn resident_memory_is_in_bytes() {
        assert_eq!(resident("Name:\tx\nVmRSS:\t    12 kB\n"), Some(12_288));
        assert_eq!(resident("Name:\tx\n"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_is_there_and_no_other_number() {
        let usage = usage(std::process::id()).expect("this process");
        assert!(usage.resident > 0);
        assert!(super::usage(u32::MAX).is_err());
    }
}
