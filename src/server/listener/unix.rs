//! Unix sockets: their files, which outlive the process that made them, and belong to one at a time.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::UnixListener;

use super::super::ServerConfig;
use super::LONGEST_PATH;

/// How often a folder's lock is tried, and the pause in between: two seconds in all.
const TRIES: u32 = 200;
const PAUSE: Duration = Duration::from_millis(10);

pub(super) fn bind(
    path: &Path,
    mode: u32,
    config: &ServerConfig,
) -> io::Result<(UnixListener, SocketFile)> {
    // Until it listens: before, to others it looks as if nobody did.
    let _lock = lock_folder(path);
    remove_left_over(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    let address = SockAddr::unix(path).map_err(|_| {
        let what =
            format!("the path is too long; a Unix socket's has at most {LONGEST_PATH} bytes");
        io::Error::new(io::ErrorKind::InvalidInput, what)
    })?;
    socket.bind(&address).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            let what =
                "the folder does not exist; RuntimeDirectory= in a unit of systemd makes one";
            io::Error::new(io::ErrorKind::NotFound, what)
        }
        _ => error,
    })?;
    let file = SocketFile::of(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    socket.listen(i32::from(config.backlog))?;
    Ok((UnixListener::from_std(socket.into())?, file))
}

/// Keeps other gateways from opening a socket in the same folder meanwhile. Without, where the folder cannot be locked, or somebody
/// else has its lock for long, who is no gateway: that must not keep this one from starting.
fn lock_folder(path: &Path) -> Option<File> {
    let folder = File::open(path.parent()?).ok()?;
    for _ in 0..TRIES {
        match folder.try_lock() {
            Ok(()) => return Some(folder),
            Err(TryLockError::WouldBlock) => thread::sleep(PAUSE),
            Err(TryLockError::Error(_)) => break,
        }
    }
    None
}

/// Removes the socket of a process that is gone; one that somebody listens on, or another kind of file, stays.
fn remove_left_over(path: &Path) -> io::Result<()> {
    let kind = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !kind.is_socket() {
        let what = "there is a file that is not a socket";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
    }
    match knock(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        // No room for one more: those who connected wait to be accepted.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(in_use()),
        Err(error) => Err(error),
        Ok(()) => Err(in_use()),
    }
}

fn in_use() -> io::Error {
    io::Error::new(io::ErrorKind::AddrInUse, "another process listens there")
}

/// Connects, without waiting for whoever listens to have room. (connect(2))
fn knock(path: &Path) -> io::Result<()> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)
}

/// The file of a Unix socket, which goes when the listener goes, unless another socket took its place.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            identity: Self::identity(path)?,
        })
    }

    /// Device and inode.
    fn identity(path: &Path) -> io::Result<(u64, u64)> {
        let metadata = fs::symlink_metadata(path)?;
        Ok((metadata.dev(), metadata.ino()))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if Self::identity(&self.path).is_ok_and(|there| there == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}
