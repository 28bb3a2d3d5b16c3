//! What the receiving HTTP transports share: attaching to the session, and answering with one frame or with many.

use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, FORWARDED, HeaderName, SET_COOKIE, USER_AGENT, VIA};
use http::{HeaderValue, Response, StatusCode, Version};
use http_body::Body as _;

use crate::fields::{FieldValue, Fixed};
use crate::protocol::{CloseReason, Frame, Framing};
use crate::registry::{Found, Opener, Receiver, SessionHandle, Wire};
use crate::session::{Liveness, Manner};

use super::body::Body;
use super::request::{Request, RequestBody, discard, limit_of_body};
use super::response::typed;
use super::{Answer, Chunks, Exchange, text};

/// What becomes of a session whose receiver is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// It ends. (sockjs-protocol, `HandlingClose.test_abort_xhr_streaming`) A cut htmlfile is not even noticed by the browser.
    Ends,
    /// It goes on when the browser comes back, which it does by itself, after this time.
    ResumesAfter(Duration),
}

/// nginx's response buffer is 4 KiB; chunks of up to 2 KiB pass it at once, whatever was in it before.
const SMALL_CHUNK: usize = 1024;

/// Answers with one frame: the next one, or the reason why there is none. (sockjs-protocol, `XhrPolling`, `JsonPolling`)
pub(super) fn poll(
    exchange: Exchange,
    content_type: &'static Fixed,
    framing: impl Framing + Send + Sync + 'static,
    cut: Cut,
) -> Answer {
    let respond = async move |mut target: Target| {
        let cookie = target.take_cookie();
        let body = match target.attach().await {
            Err(reason) => Body::from(framing.wrap(&Frame::Close(&reason))),
            Ok(mut receiver) => {
                receiver.settle().await;
                let frame = std::future::poll_fn(|context| {
                    receiver.poll_frame(context, |frame| framing.encode(&frame))
                })
                .await;
                Body::once(frame, receiver)
            }
        };
        let mut response = typed(StatusCode::OK, content_type, body);
        set(cookie, &mut response);
        response
    };
    begin(exchange, false, cut, respond)
}

/// Answers with the framing's prelude, then every frame as a chunk of its own, until the response limit.
/// (sockjs-protocol, `XhrStreaming`, `EventSource`, `HtmlFile`)
pub(super) fn stream(
    exchange: Exchange,
    content_type: &'static Fixed,
    framing: impl Framing + Send + 'static,
    cut: Cut,
) -> Answer {
    let config = &exchange.service.config;
    let limit = config.response_limit;
    let close_delimited = config.close_delimited;
    let small = match config.chunks {
        Chunks::Auto => is_proxied(&exchange.request),
        Chunks::Small => true,
        Chunks::Whole => false,
    };
    let chunk = if small { SMALL_CHUNK } else { usize::MAX };
    begin(exchange, true, cut, async move |mut target| {
        let cookie = target.take_cookie();
        let body = Body::stream(framing, target.attach().await, limit, chunk);
        let mut response = typed(StatusCode::OK, content_type, body);
        set(cookie, &mut response);
        if close_delimited {
            // HTTP/1.0 has no chunks. (RFC 9112 §6.3, 8)
            *response.version_mut() = Version::HTTP_10;
        }
        response
    })
}

/// The session that a receiving request is for; the request's own memory is not kept while the receiver waits.
enum Target {
    Session {
        handle: Arc<SessionHandle>,
        manner: Manner,
        wire: Option<Arc<Wire>>,
        /// What binds it to the browser, when it is new.
        cookie: Option<Box<HeaderValue>>,
    },
    /// There is none, because of this; told after a while where that is not the first time.
    Refused(CloseReason, Option<Duration>),
}

impl Target {
    /// Errors are the close frame to answer with.
    async fn attach(self) -> Result<Receiver, CloseReason> {
        match self {
            Self::Session {
                handle,
                manner,
                wire,
                ..
            } => Receiver::attach(handle, manner, wire).await,
            Self::Refused(reason, held) => {
                if let Some(held) = held {
                    tokio::time::sleep(held).await;
                }
                Err(reason)
            }
        }
    }

    const fn take_cookie(&mut self) -> Option<Box<HeaderValue>> {
        match self {
            Self::Session { cookie, .. } => cookie.take(),
            Self::Refused(..) => None,
        }
    }
}

fn set(cookie: Option<Box<HeaderValue>>, response: &mut Response<Body>) {
    if let Some(cookie) = cookie {
        response.headers_mut().append(SET_COOKIE, *cookie);
    }
}

/// Finds the session, after the request's body if it has one, and lets `respond` answer.
fn begin<F: Future<Output = Response<Body>> + Send + 'static>(
    mut exchange: Exchange,
    streams: bool,
    cut: Cut,
    respond: impl FnOnce(Target) -> F + Send + 'static,
) -> Answer {
    if exchange.request.body.is_end_stream() {
        return match target(exchange, streams, cut) {
            Ok(target) => Answer::later(respond(target)),
            Err(refusal) => refusal.into(),
        };
    }
    Answer::later(async move {
        let body = std::mem::replace(&mut exchange.request.body, RequestBody::empty());
        let fields = &exchange.request.fields;
        match discard(fields, body, &exchange.service.config).await {
            Ok(()) => match target(exchange, streams, cut) {
                Ok(target) => respond(target).await,
                Err(refusal) => refusal,
            },
            Err(refusal) => {
                exchange.tell(limit_of_body(&refusal));
                refusal
            }
        }
    })
}

/// The session of the URL, which is opened if there is none.
///
/// # Errors
/// The request itself is at fault; the answer is ready.
fn target(mut exchange: Exchange, streams: bool, cut: Cut) -> Result<Target, Response<Body>> {
    if let Some(wire) = &exchange.wire {
        wire.resets_are_usual(resets_are_usual(&exchange.request));
    }
    let ticket = exchange.ticket.take();
    let Some(id) = &exchange.session else {
        return Err(text(StatusCode::NOT_FOUND, "Not found."));
    };
    let registry = &exchange.service.registry;
    let refused = |reason, again| {
        // Both are asked: proxies have connections of their own, and ids that open nothing are not remembered.
        let again = exchange.wire.as_ref().is_some_and(|wire| wire.tell()) || again;
        let held = again.then(|| registry.holds_back()).flatten();
        Ok(Target::Refused(reason, held))
    };
    let mut cookie = None;
    let handle = match registry.get_or_open(
        id,
        Opener::new(&exchange.caller, ticket),
        || exchange.http_path(streams),
        || exchange.handshake(),
    ) {
        Found::Foreign => return Err(text(StatusCode::NOT_FOUND, "Session not found.")),
        Found::Ended { reason, again } => return refused(reason, again),
        Found::Refused(reason) => return refused(reason, false),
        Found::Living(handle) => handle,
        Found::Opened(handle, driver) => {
            exchange.log_opened(&handle);
            cookie = exchange.binding_cookie();
            tokio::spawn(driver);
            handle
        }
    };
    let config = &exchange.service.config;
    let manner = Manner {
        streams,
        max_age: config.response_max_age.filter(|_| streams),
        resumes: config.resume && cut != Cut::Ends,
        pause: match cut {
            Cut::Ends => Duration::ZERO,
            Cut::ResumesAfter(pause) => pause,
        },
        ..Manner::new(Liveness::Connection)
    };
    Ok(Target::Session {
        handle,
        manner,
        wire: exchange.wire.take(),
        cookie,
    })
}

/// Whether a reset after the answer says nothing about the answer. Proxies end connections like that once they have read it,
/// and some add nothing to a request that would show them, such as HAProxy without `option forwardfor`. A browser itself
/// does it only for a page that has given its session up: so only other programs are taken at their word.
fn resets_are_usual(request: &Request) -> bool {
    is_browser(request) || is_proxied(request) || closes(request)
}

/// Whether the peer ends the connection after this request.
fn closes(request: &Request) -> bool {
    let asked = request.fields.get(&CONNECTION);
    request.version < Version::HTTP_11
        || asked.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"))
}

fn is_browser(request: &Request) -> bool {
    starts_with(request, &USER_AGENT, b"mozilla/")
}

fn starts_with(request: &Request, name: &HeaderName, start: &[u8]) -> bool {
    let value = request.fields.get(name).map(FieldValue::as_bytes);
    value
        .and_then(|value| value.get(..start.len()))
        .is_some_and(|value| value.eq_ignore_ascii_case(start))
}

/// Whether the request shows signs of a proxy: what proxies add; HTTP/1.0, which many speak to what is behind them; or a
/// browser's request without the `Connection: keep-alive` that all browsers send, but none hands on. (RFC 9110 §7.6.1)
fn is_proxied(request: &Request) -> bool {
    static SIGNS: [HeaderName; 4] = [
        VIA,
        FORWARDED,
        HeaderName::from_static("x-forwarded-for"),
        HeaderName::from_static("x-real-ip"),
    ];
    request.version < Version::HTTP_11
        || SIGNS.iter().any(|name| request.fields.contains(name))
        || (request.version == Version::HTTP_11
            && is_browser(request)
            && !starts_with(request, &CONNECTION, b"keep-alive"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxied(version: Version, fields: &[(&str, &str)]) -> bool {
        let mut request = http::Request::builder().version(version);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(RequestBody::empty());
        is_proxied(&request.expect("a valid request").into())
    }

    #[test]
    fn direct_requests_show_no_signs_of_a_proxy() {
        let browser = [("user-agent", "Mozilla/5.0"), ("connection", "keep-alive")];
        assert!(!proxied(Version::HTTP_11, &browser));
        assert!(!proxied(Version::HTTP_11, &[("user-agent", "curl/8")]));
        assert!(!proxied(Version::HTTP_2, &[("user-agent", "Mozilla/5.0")]));
    }

    #[test]
    fn what_proxies_add_and_take_away_are_signs() {
        for (name, value) in [
            ("via", "1.1 a"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-real-ip", "10.0.0.1"),
            ("forwarded", "for=10.0.0.1"),
        ] {
            assert!(proxied(Version::HTTP_11, &[(name, value)]), "{name}");
        }
        assert!(proxied(Version::HTTP_10, &[]));
        assert!(proxied(Version::HTTP_11, &[("user-agent", "Mozilla/5.0")]));
        let closing = [("user-agent", "Mozilla/5.0"), ("connection", "close")];
        assert!(proxied(Version::HTTP_11, &closing));
    }
}
