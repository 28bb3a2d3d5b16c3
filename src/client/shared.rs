//! What the two halves of a client share: settings, cookies, and how the session stands.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::task::AtomicWaker;
use http::HeaderMap;
use http::header::{COOKIE, DATE, HeaderName, HeaderValue, SET_COOKIE, USER_AGENT};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::protocol::CloseReason;

use super::Opened;
use super::builder::Config;
use super::cookies::{Jar, Scope, SetCookies};
use super::outbox::Outbox;
use crate::outward::Address;

/// Sent unless another `user-agent` is set.
const AGENT: &str = concat!("sockjs-gateway/", env!("CARGO_PKG_VERSION"));

/// How the session stands.
#[derive(Debug)]
pub(super) struct State {
    /// The end, for good.
    pub(super) ended: Option<CloseReason>,
    /// We have sent a close frame.
    pub(super) closing: Option<CloseReason>,
    /// A send failed: the receiver is to end the session, or open a new one.
    pub(super) failed: Option<CloseReason>,
    /// A session is open. Otherwise one is being opened.
    pub(super) is_open: bool,
    /// Counts sessions.
    pub(super) session: u32,
    /// The way out of a new session, until the sender takes it.
    pub(super) outbox: Option<Outbox>,
    pub(super) opened: Opened,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: Arc<Config>,
    jar: Mutex<Jar>,
    /// Something is in the jar, or was.
    has_cookies: AtomicBool,
    pub(super) state: Mutex<State>,
    /// Whoever waits in `recv`, for what the sender does to the session.
    pub(super) receiver: AtomicWaker,
}

impl Shared {
    pub(super) fn new(config: Arc<Config>) -> Self {
        let first = config.transports.first().copied();
        Self {
            config,
            jar: Mutex::default(),
            has_cookies: AtomicBool::new(false),
            state: Mutex::new(State {
                ended: None,
                closing: None,
                failed: None,
                is_open: false,
                session: 0,
                outbox: None,
                opened: Opened::none(first.unwrap_or(super::Transport::Websocket)),
            }),
            receiver: AtomicWaker::new(),
        }
    }

    /// Ends the session for good, unless it has ended.
    pub(super) fn end(&self, reason: CloseReason) {
        let dropped = {
            let mut state = self.state.lock();
            state.is_open = false;
            state.ended.get_or_insert(reason);
            state.outbox.take()
        };
        drop(dropped);
        self.receiver.wake();
    }

    /// A send of session `session` failed.
    pub(super) fn fail(&self, session: u32, reason: CloseReason) {
        if self.config.reconnect.is_none() {
            return self.end(reason);
        }
        {
            let mut state = self.state.lock();
            if state.session == session && state.is_open {
                state.is_open = false;
                state.failed = Some(reason);
            }
        }
        self.receiver.wake();
    }

    /// Takes the cookies of an answer to `target`, if it has any.
    pub(super) fn take_cookies(
        &self,
        address: &Address,
        target: &str,
        cookies: Option<Box<SetCookies>>,
    ) {
        let Some(cookies) = cookies else {
            return;
        };
        let now = Instant::now().into_std();
        let mut jar = self.jar.lock();
        for field in &cookies.fields {
            jar.set(now, scope(address, target), field, cookies.date.as_deref());
        }
        self.has_cookies.store(true, Ordering::Release);
    }

    /// As [`Self::take_cookies`], of the answer to a handshake.
    pub(super) fn take_handshake_cookies(
        &self,
        address: &Address,
        target: &str,
        fields: &HeaderMap,
    ) {
        let values = |name: HeaderName| {
            let values = fields.get_all(name).into_iter();
            values.map(HeaderValue::as_bytes).collect::<Vec<_>>()
        };
        let (cookies, dates) = (values(SET_COOKIE), values(DATE));
        let cookies = SetCookies::new(cookies.into_iter(), dates.into_iter());
        self.take_cookies(address, target, cookies);
    }

    /// The cookies that go to `target`, of those that servers have set.
    fn kept(&self, address: &Address, target: &str) -> Option<String> {
        if !self.has_cookies.load(Ordering::Acquire) {
            return None;
        }
        let now = Instant::now().into_std();
        self.jar.lock().field(now, scope(address, target))
    }

    /// Fields of a handshake at `target`: those that were set, cookies, and who asks.
    pub(super) fn fields(&self, address: &Address, target: &str) -> HeaderMap {
        let mut fields = self.config.headers.clone();
        if let Some(kept) = self.kept(address, target) {
            let given = fields.get(COOKIE).map(HeaderValue::as_bytes);
            let cookie = match given {
                Some(given) => [given, b"; ", kept.as_bytes()].concat(),
                None => kept.into_bytes(),
            };
            if let Ok(mut cookie) = HeaderValue::from_bytes(&cookie) {
                cookie.set_sensitive(true);
                fields.insert(COOKIE, cookie);
            }
        }
        fields
            .entry(USER_AGENT)
            .or_insert(HeaderValue::from_static(AGENT));
        fields
    }

    /// A request as it goes on the wire. `own`: the fields that this kind of request has.
    pub(super) fn request(
        &self,
        address: &Address,
        method: &str,
        target: &str,
        own: &[(&str, &str)],
        body: &str,
    ) -> Vec<u8> {
        let lines = self.config.lines();
        let kept = self.kept(address, target);
        let length = lines.others.len() + address.authority.len() + target.len() + body.len();
        let mut request = Vec::with_capacity(length + 160);
        let mut put = |parts: &[&[u8]]| {
            for part in parts {
                request.extend_from_slice(part);
            }
        };
        put(&[method.as_bytes(), b" ", target.as_bytes()]);
        put(&[b" HTTP/1.1\r\nHost: ", address.authority.as_bytes()]);
        put(&[b"\r\n", &lines.others]);
        let cookies = [lines.cookie.as_deref(), kept.as_deref().map(str::as_bytes)];
        let mut cookies = cookies.into_iter().flatten();
        if let Some(first) = cookies.next() {
            put(&[b"cookie: ", first]);
            cookies.for_each(|cookie| put(&[b"; ", cookie]));
            put(&[b"\r\n"]);
        }
        for (name, value) in own {
            put(&[name.as_bytes(), b": ", value.as_bytes(), b"\r\n"]);
        }
        if method == "POST" {
            let _ = write!(request, "Content-Length: {}\r\n", body.len());
        }
        request.extend_from_slice(b"\r\n");
        request.extend_from_slice(body.as_bytes());
        request
    }
}

/// The fields of a builder as they go on the wire: the same in every request, so made once.
#[derive(Clone)]
pub(super) struct Lines {
    /// With line ends; all but cookies.
    others: Vec<u8>,
    /// The value of the cookies that were given.
    cookie: Option<Vec<u8>>,
}

impl Lines {
    pub(super) fn new(fields: &HeaderMap) -> Self {
        let mut others = Vec::new();
        let mut cookies = Vec::new();
        let agent = (USER_AGENT, HeaderValue::from_static(AGENT));
        let agent = (!fields.contains_key(USER_AGENT)).then_some((&agent.0, &agent.1));
        for (name, value) in fields.iter().chain(agent) {
            if name == COOKIE {
                cookies.push(value.as_bytes());
            } else {
                let line = [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"];
                others.extend_from_slice(&line.concat());
            }
        }
        Self {
            others,
            cookie: (!cookies.is_empty()).then(|| cookies.join(&b"; "[..])),
        }
    }
}

impl std::fmt::Debug for Lines {
    /// They may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").finish_non_exhaustive()
    }
}

fn scope<'a>(address: &'a Address, target: &'a str) -> Scope<'a> {
    Scope {
        host: &address.host,
        secure: address.secure,
        target,
    }
}

/// Where a session's requests go.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) address: Arc<Address>,
    /// `{server}/{session}`.
    pub(super) session: String,
}

impl Place {
    /// Path and query of the URL that ends in `segment`.
    pub(super) fn target(&self, segment: &str) -> String {
        self.address.target(&format!("{}/{segment}", self.session))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Builder;

    /// What was set goes along once; cookies, given and kept, in one field. (RFC 6265 §5.4)
    #[test]
    fn requests_have_the_fields_that_were_set() {
        let mut builder = Builder::new("http://a:8/echo").expect("a URL");
        for (name, value) in [("cookie", "a=1"), ("x-y", "z"), ("cookie", "b=2")] {
            builder = builder.header(name, value).expect("a header");
        }
        let shared = Shared::new(Arc::clone(&builder.config));
        let address = Arc::clone(&shared.config.address);
        let request = |method, own: &[(&str, &str)], body| {
            let request = shared.request(&address, method, "/echo/x", own, body);
            String::from_utf8(request).expect("text")
        };
        assert_eq!(
            request("GET", &[], ""),
            format!(
                "GET /echo/x HTTP/1.1\r\nHost: a:8\r\nx-y: z\r\nuser-agent: {AGENT}\r\ncookie: a=1; b=2\r\n\r\n"
            )
        );
        let fields = [&b"c=3; Path=/"[..], b"d=4; Path=/other"];
        let cookies = SetCookies::new(fields.into_iter(), std::iter::empty());
        shared.take_cookies(&address, "/echo/x", cookies);
        let post = request("POST", &[("Content-Type", "text/plain")], "[\"x\"]");
        assert!(
            post.ends_with(
                "cookie: a=1; b=2; c=3\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n[\"x\"]"
            ),
            "{post}"
        );
    }

    /// A header that is set after a session was opened is sent by the next.
    #[test]
    fn fields_are_those_of_the_builder_as_it_is() {
        let builder = Builder::new("http://a/echo").expect("a URL");
        let _ = builder.config.lines();
        let builder = builder.header("user-agent", "me").expect("a header");
        assert_eq!(builder.config.lines().others, b"user-agent: me\r\n");
    }
}
