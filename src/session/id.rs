//! The session id of the URL.

use std::fmt;
use std::str::FromStr;

/// A session id as the browser chose it: 1 to 128 bytes of the URL's third-last segment, undecoded, without `.` and `/`.
///
/// Whoever knows the id owns the session, so `Debug` shows only its first four characters.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SessionId(Box<str>);

/// Longest accepted id in bytes; sockjs-client sends 8, the protocol suite 36.
pub const MAX_SESSION_ID: usize = 128;

/// The id is empty, too long, or holds `.` or `/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidSessionId;

impl FromStr for SessionId {
    type Err = InvalidSessionId;

    fn from_str(id: &str) -> Result<Self, InvalidSessionId> {
        let valid = (1..=MAX_SESSION_ID).contains(&id.len())
            && memchr::memchr2(b'.', b'/', id.as_bytes()).is_none();
        if valid {
            Ok(Self(id.into()))
        } else {
            Err(InvalidSessionId)
        }
    }
}

impl SessionId {
    /// Its bytes.
    pub fn bytes(&self) -> impl Iterator<Item = u8> {
        self.0.bytes()
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self.0.chars().take(4).collect();
        write!(f, "{shown:?}…")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An id is a bearer token: logs must not hold it.
    #[test]
    fn debug_output_hides_most_of_the_id() {
        let id: SessionId = "abcdefgh".parse().expect("valid");
        assert_eq!(format!("{id:?}"), "\"abcd\"…");
    }

    /// Ids that another language would treat as special are ordinary here; long ones are refused.
    #[test]
    fn any_short_segment_is_an_id() {
        for id in ["__proto__", "constructor", "a%20b", "é"] {
            assert!(id.parse::<SessionId>().is_ok(), "{id}");
        }
        for id in ["", "a.b", "a/b", &"x".repeat(129)] {
            assert!(id.parse::<SessionId>().is_err(), "{id}");
        }
    }
}
