//! What the two halves of a client share: settings, cookies, and how the session stands.

use std::sync::Arc;

use futures_util::task::AtomicWaker;
use http::HeaderMap;
use http::header::{COOKIE, DATE, HeaderValue, SET_COOKIE, USER_AGENT};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::protocol::CloseReason;

use super::Opened;
use super::address::Address;
use super::builder::Config;
use super::cookies::{Jar, Scope};
use super::outbox::Outbox;

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

    /// Takes the cookies of an answer to `target`.
    pub(super) fn take_cookies(&self, address: &Address, target: &str, fields: &HeaderMap) {
        if !fields.contains_key(SET_COOKIE) {
            return;
        }
        let date = fields.get(DATE).and_then(|date| date.to_str().ok());
        let now = Instant::now().into_std();
        let mut jar = self.jar.lock();
        for field in fields.get_all(SET_COOKIE) {
            if let Ok(field) = field.to_str() {
                jar.set(now, scope(address, target), field, date);
            }
        }
    }

    /// Fields of a request to `target`: those that were set, cookies, and who asks.
    pub(super) fn fields(&self, address: &Address, target: &str) -> HeaderMap {
        let mut fields = self.config.headers.clone();
        let now = Instant::now().into_std();
        if let Some(kept) = self.jar.lock().field(now, scope(address, target)) {
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
        let fields = self.fields(address, target);
        let mut request = Vec::with_capacity(256 + target.len() + body.len());
        let mut line = |parts: &[&[u8]]| {
            for part in parts {
                request.extend_from_slice(part);
            }
            request.extend_from_slice(b"\r\n");
        };
        line(&[method.as_bytes(), b" ", target.as_bytes(), b" HTTP/1.1"]);
        line(&[b"Host: ", address.authority.as_bytes()]);
        for (name, value) in &fields {
            line(&[name.as_str().as_bytes(), b": ", value.as_bytes()]);
        }
        for (name, value) in own {
            line(&[name.as_bytes(), b": ", value.as_bytes()]);
        }
        if method == "POST" {
            line(&[b"Content-Length: ", body.len().to_string().as_bytes()]);
        }
        line(&[]);
        request.extend_from_slice(body.as_bytes());
        request
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
