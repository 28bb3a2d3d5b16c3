//! What processes use of processor and memory, with their children.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::time::Duration;

use crate::procfs::{Stat, resident, status};

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
    let own = Stat::read(id)?;
    let mut usage = Usage::default();
    add(&mut usage, id, &own);
    for (id, stat) in descendants(id)? {
        add(&mut usage, id, &stat);
    }
    Ok(usage)
}

fn add(usage: &mut Usage, id: u32, stat: &Stat) {
    let (user, system) = stat.of_children;
    usage.user += stat.user + user;
    usage.system += stat.system + system;
    usage.resident += resident(&status(id)).unwrap_or_default();
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
        if let Ok(stat) = Stat::read(child) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_is_there_and_no_other_number() {
        let usage = usage(std::process::id()).expect("this process");
        assert!(usage.resident > 0);
        assert!(super::usage(u32::MAX).is_err());
    }
}
