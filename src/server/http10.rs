//! WebSocket handshakes in HTTP/1.0. nginx with the Upgrade fields set but without `proxy_http_version 1.1` sends them; it
//! tunnels all the same once it gets its 101. hyper would not look at the Upgrade of such a request, so that it is given
//! as HTTP/1.1.

const OLD: &[u8] = b"HTTP/1.0";
const NEW: &[u8] = b"HTTP/1.1";

/// Collects a request's head for as long as it may be such a handshake.
#[derive(Debug, Default)]
pub(super) enum Suspect {
    /// Nothing of a head has come.
    #[default]
    Nothing,
    /// It may be one; this is what came.
    Head(Vec<u8>),
    /// It is an ordinary head, or was dealt with.
    Cleared,
}

/// What the bytes that were seen are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// To be kept until more is known.
    Kept,
    /// To be passed on as they are.
    Ordinary,
}

impl Suspect {
    /// Looks at the next `piece` of a head. What is kept is in `self` afterwards.
    pub(super) fn look(&mut self, piece: &[u8]) -> Seen {
        match self {
            Self::Cleared => Seen::Ordinary,
            Self::Head(head) => {
                head.extend_from_slice(piece);
                Seen::Kept
            }
            Self::Nothing if may_be_old(piece) => {
                *self = Self::Head(piece.to_vec());
                Seen::Kept
            }
            Self::Nothing => {
                *self = Self::Cleared;
                Seen::Ordinary
            }
        }
    }

    /// What was kept, when nothing more is to be waited for: its request line is an ordinary one, its head is complete, or
    /// it is longer than `limit`.
    pub(super) fn clear(&mut self, complete: bool, limit: usize) -> Option<Vec<u8>> {
        let Self::Head(head) = self else { return None };
        if !complete && head.len() <= limit && may_be_old(head) {
            return None;
        }
        let head = std::mem::take(head);
        *self = Self::Cleared;
        Some(head)
    }
}

/// Whether this is the beginning of a GET of HTTP/1.0, as far as it can be said.
fn may_be_old(head: &[u8]) -> bool {
    const GET: &[u8] = b"GET ";
    let begins = head
        .iter()
        .zip(GET)
        .all(|(byte, expected)| byte == expected);
    begins && request_line(head).is_none_or(|line| line.ends_with(OLD))
}

/// The request line without its end, once it is complete.
fn request_line(head: &[u8]) -> Option<&[u8]> {
    let end = memchr::memchr(b'\n', head)?;
    let line = &head[..end];
    Some(line.strip_suffix(b"\r").unwrap_or(line))
}

/// Makes HTTP/1.1 of a complete `head` in HTTP/1.0 that asks for a WebSocket. `true` when it was one. Only of a head that
/// says nothing about a body: the two versions disagree about what would follow it. (RFC 9112 §6.1)
pub(super) fn modernise(head: &mut [u8]) -> bool {
    let fields: Vec<(&[u8], &[u8])> = head
        .split(|byte| *byte == b'\n')
        .skip(1)
        .filter_map(|line| {
            let colon = memchr::memchr(b':', line)?;
            Some((&line[..colon], line[colon + 1..].trim_ascii()))
        })
        .collect();
    let values = |wanted: &'static str| {
        let fields = fields.iter();
        let named = fields.filter(move |(name, _)| name.eq_ignore_ascii_case(wanted.as_bytes()));
        named.map(|(_, value)| *value)
    };
    let upgrades = values("upgrade").any(|value| value.eq_ignore_ascii_case(b"websocket"));
    let connects = values("connection")
        .flat_map(|value| value.split(|byte| *byte == b','))
        .any(|token| token.trim_ascii().eq_ignore_ascii_case(b"upgrade"));
    let has = |name| values(name).next().is_some();
    let has_body = has("transfer-encoding") || has("content-length");
    let has_key = has("sec-websocket-key") || has("sec-websocket-key1");
    let asks = upgrades && connects && has_key && !has_body;
    let Some(end) = request_line(head)
        .filter(|line| line.ends_with(OLD))
        .map(<[u8]>::len)
    else {
        return false;
    };
    if asks {
        head[end - NEW.len()..end].copy_from_slice(NEW);
    }
    asks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handshake_in_http_1_0_becomes_one_in_http_1_1() {
        let mut head = *b"GET /a HTTP/1.0\r\nHost: a\r\nUPGRADE:  WebSocket \r\nConnection: x, upgrade\r\nSec-WebSocket-Key: k\r\n\r\n";
        assert!(modernise(&mut head));
        assert!(head.starts_with(b"GET /a HTTP/1.1\r\nHost: a\r\n"));
    }

    #[test]
    fn other_requests_stay_as_they_are() {
        for head in [
            "GET /a HTTP/1.0\r\nHost: a\r\n\r\n",
            "GET /a HTTP/1.0\r\nX-Upgrade: websocket\r\n\r\n",
            "GET /a HTTP/1.0\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n",
            "GET /a HTTP/1.0\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
            "GET /a HTTP/1.0\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Key: k\r\nTransfer-Encoding: chunked\r\n\r\n",
            "GET /a HTTP/1.0\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Key: k\r\nContent-Length: 1\r\n\r\n",
            "GET /a HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
            "GET /upgrade:websocket HTTP/1.0\r\n\r\n",
        ] {
            let mut bytes = head.as_bytes().to_vec();
            assert!(!modernise(&mut bytes), "{head}");
            assert_eq!(bytes, head.as_bytes());
        }
    }

    /// Only what may be such a handshake waits for its end.
    #[test]
    fn only_gets_of_http_1_0_are_kept() {
        for (piece, kept) in [
            ("GET / HTTP/1.0\r\n", true),
            ("GE", true),
            ("GET /long", true),
            ("GET / HTTP/1.1\r\n", false),
            ("POST / HTTP/1.0\r\n", false),
            ("\r\n", false),
        ] {
            let mut suspect = Suspect::default();
            let seen = suspect.look(piece.as_bytes());
            assert_eq!(seen == Seen::Kept, kept, "{piece:?}");
        }
    }

    #[test]
    fn request_line_that_turns_out_ordinary_is_given_back_at_once() {
        let mut suspect = Suspect::default();
        suspect.look(b"GET / HT");
        assert_eq!(suspect.clear(false, 1000), None);
        suspect.look(b"TP/1.1\r\nHo");
        assert_eq!(
            suspect.clear(false, 1000).as_deref(),
            Some(&b"GET / HTTP/1.1\r\nHo"[..])
        );
        assert_eq!(suspect.look(b"st"), Seen::Ordinary);
    }

    #[test]
    fn heads_without_end_are_bounded() {
        let mut suspect = Suspect::default();
        suspect.look(b"GET / HTTP/1.0\r\n");
        suspect.look(&[b'a'; 100]);
        assert!(suspect.clear(false, 50).is_some());
    }
}
