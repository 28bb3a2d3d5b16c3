//! Files that are looked at from time to time, and whether they have changed.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Files, as they were when they were read, and at the last look.
#[derive(Debug, Default)]
pub(super) struct Watched {
    files: Vec<File>,
    /// At the last look they were not as they were read.
    unsettled: bool,
}

#[derive(Debug)]
struct File {
    path: PathBuf,
    read: Look,
    last: Look,
}

/// What differs when a file was written or another took its place; `None` when there is no such file.
type Look = Option<Seen>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    /// Of the content, in seconds and nanoseconds. Who writes may set it back.
    modified: (i64, i64),
    /// Of anything about the file; nobody sets it.
    changed: (i64, i64),
    length: u64,
    /// Device and inode.
    identity: (u64, u64),
}

impl Watched {
    /// These files, as they are now.
    pub(super) fn new(files: Vec<PathBuf>) -> Self {
        let file = |path: PathBuf| {
            let now = look(&path);
            File {
                path,
                read: now,
                last: now,
            }
        };
        Self {
            files: files.into_iter().map(file).collect(),
            unsettled: false,
        }
    }

    /// The pause until the next look: shorter while something is being written.
    pub(super) fn pause(&self, usual: Duration) -> Duration {
        /// Who writes a file takes no longer from one piece to the next, most likely.
        const SETTLING: Duration = Duration::from_secs(1);
        if self.unsettled {
            usual.min(SETTLING)
        } else {
            usual
        }
    }

    /// Looks. Whether they are not what was read, and are as they were at the look before: whoever writes one has not been seen
    /// half way. They count as read then.
    pub(super) fn has_changed(&mut self) -> bool {
        let (mut differs, mut settled) = (false, true);
        for file in &mut self.files {
            let now = look(&file.path);
            differs |= now != file.read;
            settled &= now == file.last;
            file.last = now;
        }
        self.unsettled = differs && !settled;
        if differs && settled {
            self.are_read();
        }
        differs && settled
    }

    /// They are read now, whatever state they are in.
    pub(super) fn read_now(&mut self) {
        for file in &mut self.files {
            file.last = look(&file.path);
        }
        self.are_read();
    }

    fn are_read(&mut self) {
        self.unsettled = false;
        self.files.iter_mut().for_each(|file| file.read = file.last);
    }

    /// From now on these files. Those that were looked at before are as they were then.
    pub(super) fn replace(&mut self, files: Vec<PathBuf>) {
        let known = std::mem::take(&mut self.files);
        *self = Self::new(files);
        for file in &mut self.files {
            if let Some(before) = known.iter().find(|known| known.path == file.path) {
                (file.read, file.last) = (before.read, before.last);
            }
        }
    }
}

fn look(path: &Path) -> Look {
    let metadata = fs::metadata(path).ok()?;
    Some(Seen {
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
        length: metadata.len(),
        identity: (metadata.dev(), metadata.ino()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file in a folder that goes with it, and what watches it.
    struct Written {
        folder: PathBuf,
        file: PathBuf,
        watched: Watched,
    }

    impl Written {
        fn new() -> Self {
            let name = format!("sockjs-gateway-watch-{}", uuid::Uuid::new_v4());
            let folder = std::env::temp_dir().join(name);
            fs::create_dir(&folder).expect("a folder");
            let file = folder.join("gateway.toml");
            fs::write(&file, "one").expect("a file");
            let watched = Watched::new(vec![file.clone()]);
            Self {
                folder,
                file,
                watched,
            }
        }

        fn write(&self, text: &str) {
            fs::write(&self.file, text).expect("a file");
        }
    }

    impl Drop for Written {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }

    /// While a file is being written it is not read: two looks in a row must find it the same. Then it is, once.
    #[test]
    fn files_are_read_once_they_have_settled() {
        let mut written = Written::new();
        let usual = Duration::from_secs(10);
        assert!(!written.watched.has_changed());
        for text in ["two!", "three", "fourth"] {
            written.write(text);
            assert!(!written.watched.has_changed(), "{text}");
            assert!(written.watched.pause(usual) < usual);
        }
        assert!(written.watched.has_changed());
        assert!(!written.watched.has_changed());
        assert_eq!(written.watched.pause(usual), usual);
    }

    /// What was written and taken back before it was read is no change.
    #[test]
    fn files_that_are_back_have_not_changed() {
        let mut written = Written::new();
        let aside = written.folder.join("aside");
        written.watched = Watched::new(vec![written.file.clone(), aside.clone()]);
        fs::write(&aside, "for a moment").expect("a file");
        assert!(!written.watched.has_changed());
        fs::remove_file(&aside).expect("it is there");
        assert!(!written.watched.has_changed());
        assert!(!written.watched.has_changed());
    }

    /// A text of the same length whose time was set back is another text.
    #[test]
    fn times_that_were_set_back_hide_nothing() {
        let mut written = Written::new();
        let modified = fs::metadata(&written.file).and_then(|metadata| metadata.modified());
        let modified = modified.expect("a time");
        // What is written within one tick of the clock of files cannot be told apart.
        while look(&written.file).map(|seen| seen.changed)
            == written.watched.files[0].read.map(|seen| seen.changed)
        {
            written.write("two");
            let file = fs::File::options().write(true).open(&written.file);
            let set = file.and_then(|file| file.set_modified(modified));
            set.expect("a time can be set");
        }
        assert!(!written.watched.has_changed());
        assert!(written.watched.has_changed());
    }

    /// What is read because somebody asked for it, in whatever state it is, needs no second reading.
    #[test]
    fn what_was_read_meanwhile_has_not_changed() {
        let mut written = Written::new();
        written.write("another");
        assert!(!written.watched.has_changed());
        written.watched.read_now();
        assert!(!written.watched.has_changed());
        assert!(!written.watched.has_changed());
    }
}
