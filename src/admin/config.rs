//! What an operator can set about the admin listener, and when it is safe.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::server::ListenAddress;

/// The admin listener.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct AdminConfig {
    /// Where it is. Default nowhere.
    pub(crate) listen: Option<ListenAddress>,
    /// Permissions of a Unix socket. Default 0o600.
    pub(crate) mode: u32,
    /// File with what whoever asks has to know.
    pub(crate) token_file: Option<PathBuf>,
    /// Whether taps may show what messages say. Default no.
    pub(crate) tap_contents: bool,
}

/// A listener that would let strangers in: the key, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotSafe {
    pub(crate) key: &'static str,
    pub(crate) what: String,
}

impl fmt::Display for NotSafe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "admin.{}: {}", self.key, self.what)
    }
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self {
            listen: None,
            mode: 0o600,
            token_file: None,
            tap_contents: false,
        }
    }
}

impl fmt::Debug for AdminConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminConfig")
            .field("listen", &self.listen)
            .finish_non_exhaustive()
    }
}

impl AdminConfig {
    /// Least length of a token in bytes: what cannot be guessed.
    const SHORTEST: usize = 16;
    const LONGEST: usize = 4096;
    /// The token and blanks around it.
    const LONGEST_FILE: usize = 2 * Self::LONGEST;

    /// Whether it may be opened.
    ///
    /// # Errors
    /// Whom it would let in, and what to write instead.
    pub(crate) fn check(&self) -> Result<(), NotSafe> {
        self.token()?;
        let Some(listen) = self.listen.as_ref().filter(|_| self.token_file.is_none()) else {
            return Ok(());
        };
        let what = match listen {
            ListenAddress::Unix(_) if self.mode & 0o007 == 0 => return Ok(()),
            ListenAddress::Tcp(address) if address.ip().is_loopback() => return Ok(()),
            ListenAddress::Unix(_) => format!(
                "with the permissions {:04o} everybody on this machine could end sessions; write mode = \"0600\" or \"0660\", or token_file",
                self.mode
            ),
            ListenAddress::Tcp(address) => format!(
                "{address} can be reached from other machines, and whoever does could end sessions and read of users; write token_file = \"FILE\" with a file that has a secret of at least {} bytes, or listen on 127.0.0.1 or a Unix socket",
                Self::SHORTEST
            ),
            ListenAddress::Systemd(_) => format!(
                "who reaches a socket of systemd is not known here; write token_file = \"FILE\" with a file that has a secret of at least {} bytes",
                Self::SHORTEST
            ),
        };
        Err(NotSafe {
            key: "listen",
            what,
        })
    }

    /// What whoever asks has to know.
    ///
    /// # Errors
    /// The file cannot be read, or has no token that would do.
    pub(crate) fn token(&self) -> Result<Option<Box<[u8]>>, NotSafe> {
        let Some(path) = &self.token_file else {
            return Ok(None);
        };
        let wrong = |what: String| NotSafe {
            key: "token_file",
            what: format!("{}: {what}", path.display()),
        };
        let content = read_start(path, Self::LONGEST_FILE);
        let content = content.map_err(|error| wrong(format!("cannot be read: {error}")))?;
        if content.len() > Self::LONGEST_FILE {
            return Err(wrong(format!(
                "it has more than {} bytes; write the token alone, as `openssl rand -hex 32` makes one",
                Self::LONGEST_FILE
            )));
        }
        // Editors end files with a newline.
        let token = content.trim_ascii();
        if !(Self::SHORTEST..=Self::LONGEST).contains(&token.len()) {
            let (shortest, longest) = (Self::SHORTEST, Self::LONGEST);
            return Err(wrong(format!(
                "the token has {} bytes; write {shortest} to {longest}, as `openssl rand -hex 32` makes them",
                token.len()
            )));
        }
        // It stands in a field of a request. (RFC 6750 §2.1)
        if !token.iter().all(u8::is_ascii_graphic) {
            return Err(wrong(
                "the token has blanks or other than ASCII letters in it; `openssl rand -hex 32` makes one".to_owned(),
            ));
        }
        Ok(Some(token.into()))
    }

    /// What is allowed but seldom meant.
    pub(crate) fn warning(&self) -> Option<NotSafe> {
        match &self.listen {
            Some(ListenAddress::Tcp(address)) if !address.ip().is_loopback() => Some(NotSafe {
                key: "listen",
                what: format!(
                    "{address} can be reached from other machines, and the token goes there without TLS; a loopback address behind an SSH tunnel or a proxy with TLS keeps it to yourself"
                ),
            }),
            _ => None,
        }
    }
}

/// What a file begins with: all of it, or one byte more than `most`.
fn read_start(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let most = u64::try_from(most).unwrap_or(u64::MAX);
    let file = File::open(path)?;
    file.take(most.saturating_add(1))
        .read_to_end(&mut content)?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> AdminConfig {
        AdminConfig {
            listen: Some(address.parse().unwrap()),
            ..AdminConfig::default()
        }
    }

    /// Open only to whoever is on this machine, and for a Unix socket to owner and group.
    #[test]
    fn without_a_token_only_this_machine_gets_in() {
        for safe in ["127.0.0.1:1", "127.8.8.8:1", "[::1]:1", "unix:/run/a.sock"] {
            assert_eq!(at(safe).check(), Ok(()), "{safe}");
        }
        for open in [
            "0.0.0.0:1",
            "[::]:1",
            "10.0.0.1:1",
            "[2001:db8::1]:1",
            "systemd",
        ] {
            let error = at(open).check().unwrap_err();
            assert!(error.what.contains("token_file"), "{open}: {}", error.what);
        }
        let mut shared = at("unix:/run/a.sock");
        shared.mode = 0o666;
        assert!(shared.check().is_err());
        assert_eq!(AdminConfig::default().check(), Ok(()));
    }

    /// A token that could be guessed, or sent by nobody, is refused, and never shown.
    #[test]
    fn tokens_must_be_worth_the_name() {
        let folder = std::env::temp_dir().join(format!("sockjs-admin-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&folder).unwrap();
        let mut config = at("0.0.0.0:1");
        config.token_file = Some(folder.join("token"));
        assert!(config.check().unwrap_err().what.contains("cannot be read"));
        for (content, fine) in [
            ("0123456789abcdef\n", true),
            ("0123456789abcde\n", false),
            ("0123456789 abcdef", false),
            ("", false),
        ] {
            std::fs::write(folder.join("token"), content).unwrap();
            let checked = config.check();
            assert_eq!(checked.is_ok(), fine, "{content:?}");
            if let Err(error) = checked {
                assert!(!error.what.contains("0123"), "{}", error.what);
            }
        }
        std::fs::remove_dir_all(folder).unwrap();
    }

    /// A file without an end is not read for ever.
    #[test]
    fn token_files_are_read_up_to_a_bound() {
        let mut config = at("0.0.0.0:1");
        config.token_file = Some("/dev/zero".into());
        let what = config.check().unwrap_err().what;
        assert!(what.contains("more than 8192 bytes"), "{what}");
    }
}
