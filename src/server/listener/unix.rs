//! Unix sockets: their files, which outlive the process that made them, and belong to one at a time.

use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::UnixListener;

use super::super::ServerConfig;
use super::LONGEST_PATH;

pub(super) fn bind(
    path: &Path,
    mode: u32,
    config: &ServerConfig,
) -> io::Result<(UnixListener, SocketFile)> {
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
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    socket.listen(i32::from(config.backlog))?;
    Ok((UnixListener::from_std(socket.into())?, file))
}

/// Removes the socket of a process that is gone; one that somebody listens on, or another kind of file, stays.
fn remove_left_over(path: &Path) -> io::Result<()> {
    let kind = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !kind.is_socket() {
        let what = "there is a file that is not a socket";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
    }
    match StdUnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path)
        }
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "another process listens there",
        )),
        Err(error) => Err(error),
    }
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
        let metadata = std::fs::symlink_metadata(path)?;
        Ok((metadata.dev(), metadata.ino()))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if Self::identity(&self.path).is_ok_and(|there| there == self.identity) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
