//! What a client is to do.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TE, TRANSFER_ENCODING,
    UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::error::Error;
use super::shared::Lines;
use super::transport::Transport;
use super::{Client, connect};
use crate::outward::Address;
use crate::outward::Tls;

/// How a lost session is followed by a new one: after a random time between nothing and `initial`, then up to twice that,
/// and so on up to `max` ("full jitter", so that the clients of a server that restarts do not come back at once).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Longest wait before the first attempt. Default 500 ms.
    pub initial: Duration,
    /// Longest wait before any attempt. Default 30 s.
    pub max: Duration,
    /// Attempts that may fail in a row before the client gives up. A session that was lost again before the longest wait that
    /// would follow it counts as one. Default `None`: it never does.
    pub attempts: Option<u32>,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            initial: Duration::from_millis(500),
            max: Duration::from_secs(30),
            attempts: None,
        }
    }
}

impl Backoff {
    /// The longest wait before attempt `attempt`, which counts from 0.
    pub(super) fn ceiling(&self, attempt: u32) -> Duration {
        let factor = 1_u32.checked_shl(attempt).unwrap_or(u32::MAX);
        self.initial.saturating_mul(factor).min(self.max)
    }
}

/// Settings of a client. They can be used for any number of connections, which share them.
///
/// ```
/// use std::time::Duration;
/// use sockjs_gateway::client::{Backoff, Builder, Transport};
///
/// let builder = Builder::new("https://example.com/echo?token=x")?
///     .transports([Transport::Websocket, Transport::XhrPolling])?
///     .header("authorization", "Bearer secret")?
///     .timeout(Duration::from_secs(5))
///     .silence(Duration::from_secs(60))
///     .reconnect(Backoff::default());
/// # Ok::<(), sockjs_gateway::client::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Builder {
    pub(super) config: Arc<Config>,
}

#[derive(Clone, Debug)]
pub(super) struct Config {
    /// As it was given.
    pub(super) url: String,
    pub(super) address: Arc<Address>,
    pub(super) transports: Vec<Transport>,
    pub(super) headers: HeaderMap,
    /// Made of them when they are first used.
    lines: OnceLock<Lines>,
    pub(super) timeout: Duration,
    pub(super) info: bool,
    pub(super) session: Option<(String, String)>,
    pub(super) silence: Option<Duration>,
    pub(super) reconnect: Option<Backoff>,
    pub(super) max_frame_size: usize,
    pub(super) tls: Tls,
}

/// Fields that belong to one connection, or that requests set, or leave out, by themselves. (RFC 9110 §7.6.1, RFC 6455 §4.1)
fn is_own(name: &HeaderName) -> bool {
    let own = [
        ACCEPT,
        // Nothing here decompresses.
        ACCEPT_ENCODING,
        CONNECTION,
        CONTENT_LENGTH,
        CONTENT_TYPE,
        HOST,
        TE,
        TRANSFER_ENCODING,
        UPGRADE,
    ];
    own.contains(name) || name.as_str().starts_with("sec-websocket-")
}

impl Builder {
    /// For the SockJS service at `url`, e.g. `http://127.0.0.1:8081/echo`; also `https://`, with feature `tls`. A query is kept
    /// and sent with every request; slashes at the end are not.
    ///
    /// # Errors
    /// [`Error::is_setting`] for what is no such URL.
    pub fn new(url: &str) -> Result<Self, Error> {
        let address = Address::parse(url)
            .map_err(|why| Error::setting(format!("the URL {:?}", without_user(url)), why))?;
        if address.secure && !cfg!(feature = "tls") {
            let why = "this program was built without feature \"tls\"";
            return Err(Error::setting(format!("the URL {url:?}"), why));
        }
        Ok(Self {
            config: Arc::new(Config {
                url: url.to_owned(),
                address: Arc::new(address),
                transports: Transport::DEFAULT.to_vec(),
                headers: HeaderMap::new(),
                lines: OnceLock::new(),
                timeout: Duration::ZERO,
                info: true,
                session: None,
                silence: None,
                reconnect: None,
                max_frame_size: 16 << 20,
                tls: Tls::default(),
            }),
        })
    }

    /// The transports that may be used, in the order in which they are tried. Default [`Transport::DEFAULT`].
    ///
    /// One alone forces it. Without SockJS, that is with [`Transport::RawWebsocket`] alone, `/info` is not asked.
    ///
    /// # Errors
    /// [`Error::is_setting`] for none.
    pub fn transports(
        mut self,
        transports: impl IntoIterator<Item = Transport>,
    ) -> Result<Self, Error> {
        self.settings().transports = transports.into_iter().collect();
        if self.config.transports.is_empty() {
            return Err(Error::setting(
                "an empty list of transports",
                "name at least one",
            ));
        }
        Ok(self)
    }

    /// A header field that goes with every request and handshake; may be given several times. A `cookie` field goes before the
    /// cookies that the server set.
    ///
    /// # Errors
    /// [`Error::is_setting`] for what is no field, and for fields that requests set themselves, such as `host`.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, Error> {
        let (name, value) = Self::field(name, value)?;
        self.settings().headers.append(name, value);
        Ok(self)
    }

    /// The least time that one transport may take to open. Default 0: what the round trip of `/info` suggests, which is twice
    /// `4 × round trip`, or twice `300 ms + round trip` below 100 ms, as in sockjs-client; and 10 s where `/info` is not asked.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings().timeout = timeout;
        self
    }

    /// Whether `/info` is asked first. Default `true`. Without it, the server cannot forbid WebSockets or name a `base_url`, and
    /// nothing is known of the round trip.
    #[must_use]
    pub fn info(mut self, info: bool) -> Self {
        self.settings().info = info;
        self
    }

    /// The server and session ids in the URL: `BASE/{server}/{session}/websocket`. Default: three random digits, and 16 random
    /// characters for every attempt. The ids are for the first session; those after a reconnect have random ones.
    ///
    /// # Errors
    /// [`Error::is_setting`] unless both are made of letters, digits, `-`, `_` and `~`, 1 to 128 of them.
    pub fn session(mut self, server: &str, session: &str) -> Result<Self, Error> {
        for id in [server, session] {
            let fits = (1..=128).contains(&id.len());
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_~".contains(&byte);
            if !fits || !id.bytes().all(plain) {
                let why = "use 1 to 128 letters, digits, '-', '_' or '~'";
                return Err(Error::setting("a server or session id", why));
            }
        }
        self.settings().session = Some((server.to_owned(), session.to_owned()));
        Ok(self)
    }

    /// Silence after which the connection is taken for dead, and the session ends with code 1006. Messages, `h` frames and
    /// Pings end a silence. Default: none; SockJS servers send a heartbeat every 25 s unless they are told otherwise, so 60 s is
    /// a good choice.
    #[must_use]
    pub fn silence(mut self, silence: Duration) -> Self {
        self.settings().silence = Some(silence);
        self
    }

    /// Opens a new session when one is lost: one that ended with a code that nobody chose (neither 1000 nor 3000 to 4999).
    /// Default: off. Messages on their way are lost with a session, in both directions; none is sent again.
    #[must_use]
    pub fn reconnect(mut self, backoff: Backoff) -> Self {
        self.settings().reconnect = Some(backoff);
        self
    }

    /// The most bytes that a frame, or a message of a raw WebSocket, may have; a longer one ends the session with code 1009.
    /// Default 16 MiB. This bounds the memory of a client: it holds one frame, and reads the next when that is taken.
    #[must_use]
    pub fn max_frame_size(mut self, bytes: usize) -> Self {
        self.settings().max_frame_size = bytes;
        self
    }

    /// A file of PEM certificates to trust instead of the system's, for `https://`.
    #[must_use]
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.settings().tls = Tls::new(Some(path.into()));
        self
    }

    /// Opens a session: asks for `/info`, and tries one transport after the other until a session is open.
    ///
    /// # Errors
    /// [`Error::is_connect`], with what happened to every transport.
    ///
    /// # Cancel safety
    /// Dropping the future gives the attempt up; a session that was just opened ends by its server's `disconnect_delay`.
    ///
    /// Source: sockjs-client 1.6.1, `lib/main.js`: the order, the time limits, and that only a close which nobody meant (not 1000,
    /// 2000, 3000 to 4999) lets the next transport try.
    pub async fn connect(&self) -> Result<Client, Error> {
        connect::connect(Arc::clone(&self.config)).await
    }

    /// A header field that may go with every request. Its value is not shown.
    ///
    /// # Errors
    /// [`Error::is_setting`] for what is no field, and for fields that requests set themselves.
    pub(crate) fn field(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), Error> {
        let what = || format!("the header {name:?}");
        let parsed: HeaderName = name
            .parse()
            .map_err(|_| Error::setting(what(), "that is not a field's name"))?;
        if is_own(&parsed) {
            return Err(Error::setting(what(), "every request sets it itself"));
        }
        let mut value: HeaderValue = value
            .parse()
            .map_err(|_| Error::setting(what(), "its value has characters that a field cannot"))?;
        value.set_sensitive(true);
        Ok((parsed, value))
    }

    /// To change them: copied when sessions use them.
    fn settings(&mut self) -> &mut Config {
        let config = Arc::make_mut(&mut self.config);
        config.lines = OnceLock::new();
        config
    }
}

impl Config {
    /// The fields that go with every request.
    pub(super) fn lines(&self) -> &Lines {
        self.lines.get_or_init(|| Lines::new(&self.headers))
    }
}

/// The URL without a user name and password, which must not reach a log.
fn without_user(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => format!("{}://…{}", &url[..scheme], &url[at..]),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let backoff = Backoff::default();
        let ceilings =
            [0, 1, 2, 5, 6, 31, 32, 1000].map(|attempt| backoff.ceiling(attempt).as_millis());
        assert_eq!(
            ceilings,
            [500, 1000, 2000, 16_000, 30_000, 30_000, 30_000, 30_000]
        );
    }

    #[test]
    fn wrong_settings_are_named_with_what_to_do() {
        let builder = || Builder::new("http://a/echo").expect("a URL");
        let told = |outcome: Result<Builder, Error>| {
            let error = outcome.expect_err("a mistake");
            assert!(error.is_setting());
            error.to_string()
        };
        assert_eq!(
            told(Builder::new("http://user:secret@a/")),
            r#"the URL "http://…@a/" cannot be used: it has a user name; pass the authorization header instead"#
        );
        assert!(told(builder().transports([])).contains("at least one"));
        assert!(told(builder().header("host", "b")).contains("itself"));
        assert!(told(builder().header("a b", "c")).contains("name"));
        assert!(told(builder().header("a", "b\r\nc: d")).contains("value"));
        assert!(told(builder().session("0", "a/b")).contains("letters"));
    }

    #[test]
    fn secrets_are_not_shown() {
        let builder = Builder::new("http://a/echo").expect("a URL");
        let builder = builder
            .header("authorization", "Bearer secret")
            .expect("a header");
        assert!(!format!("{builder:?}").contains("secret"));
    }
}
