//! Files that are looked at from time to time, and whether they have changed.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Files as they were at the last look.
#[derive(Debug, Default)]
pub(super) struct Watched(Vec<(PathBuf, Look)>);

/// Modification, length, and device and inode, which differ where another file took its place; `None` when there is no such file.
type Look = Option<(SystemTime, u64, u64, u64)>;

impl Watched {
    /// These files, as they are now.
    pub(super) fn new(files: Vec<PathBuf>) -> Self {
        let look = |path: PathBuf| {
            let look = look(&path);
            (path, look)
        };
        Self(files.into_iter().map(look).collect())
    }

    /// Whether one is not what it was at the last look.
    pub(super) fn has_changed(&mut self) -> bool {
        let mut changed = false;
        for (path, before) in &mut self.0 {
            let now = look(path);
            changed |= *before != now;
            *before = now;
        }
        changed
    }

    /// From now on these files. Those that were looked at before are as they were then.
    pub(super) fn replace(&mut self, files: Vec<PathBuf>) {
        let known = std::mem::take(&mut self.0);
        let mut next = Self::new(files);
        for (path, look) in &mut next.0 {
            if let Some((_, before)) = known.iter().find(|(known, _)| known == path) {
                *look = *before;
            }
        }
        *self = next;
    }
}

fn look(path: &Path) -> Look {
    let metadata = fs::metadata(path).ok()?;
    let modified = metadata.modified().ok()?;
    Some((modified, metadata.len(), metadata.dev(), metadata.ino()))
}
