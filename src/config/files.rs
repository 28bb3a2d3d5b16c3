//! The kinds of values that are files, and their permissions.

use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::path::PathBuf;

use super::key::{Kind, Shape};
use super::kinds::{parsed, refused};
use super::mistake::Mistake;
use super::value::Value;

/// A file, or none.
pub(super) struct File;

/// A file that there must be.
pub(super) struct Path;

/// Permissions of a file.
pub(super) struct Mode;

/// What is at a path instead of a file. Nothing else is read: a FIFO may have nothing to say for ever.
pub(super) fn what_else(path: &std::path::Path) -> Option<&'static str> {
    let kind = fs::metadata(path).ok()?.file_type();
    if kind.is_file() {
        None
    } else if kind.is_dir() {
        Some("a folder")
    } else if kind.is_fifo() {
        Some("a FIFO")
    } else if kind.is_socket() {
        Some("a socket")
    } else {
        Some("a device")
    }
}

impl Kind for File {
    type Held = Option<PathBuf>;
    const SHAPE: Shape = Shape::Text("/etc/ssl/upstream-ca.pem");

    fn read(value: &Value) -> Result<Self::Held, Vec<Mistake>> {
        let path = parsed(value, "a text; write a path in quotes", |text| {
            (!text.is_empty()).then(|| value.origin.path(text))
        })?;
        match what_else(&path) {
            None => Ok(Some(path)),
            Some(what) => refused(
                value,
                format!("{value} is {what}; write the path of a file"),
            ),
        }
    }

    fn write(held: &Self::Held) -> Option<Value> {
        held.as_ref()
            .map(|path| Value::text(path.to_string_lossy()))
    }
}

impl Kind for Path {
    type Held = PathBuf;
    const SHAPE: Shape = Shape::Text("/etc/ssl/gateway/fullchain.pem");

    fn read(value: &Value) -> Result<PathBuf, Vec<Mistake>> {
        File::read(value).map(Option::unwrap_or_default)
    }

    fn write(held: &PathBuf) -> Option<Value> {
        let is_set = !held.as_os_str().is_empty();
        is_set.then(|| Value::text(held.to_string_lossy()))
    }
}

impl Kind for Mode {
    type Held = u32;
    const SHAPE: Shape = Shape::Text("0660");

    fn read(value: &Value) -> Result<u32, Vec<Mistake>> {
        let expected = "the permissions of a file; write them in octal, in quotes, like \"0660\"";
        parsed(value, expected, |text| {
            let mode = u32::from_str_radix(text, 8).ok()?;
            (mode <= 0o777).then_some(mode)
        })
    }

    fn write(held: &u32) -> Option<Value> {
        Some(Value::text(format!("{held:04o}")))
    }
}
