//! One SockJS session over one transport: open, ask and get answers, be silent. A task receives; what it gets is queued here.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ::http::Method;
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::client::frames::{FrameError, ServerFrame, Unwrapper, Wrapping};
use crate::closes::meaning;
use crate::doctor::{Cause, Close};
use crate::transport::{Address, Endpoint, TRANSPORTS};

use super::Subject;
use super::http::{Content, Http, Problem};
use super::{measure, websocket};

/// Events that may wait; a receiving task waits when they are not taken.
const QUEUE: usize = 64;
/// The longest answer to a message that is read; a SockJS server's is empty or a word.
const MAX_SENT_ANSWER: usize = 64 << 10;
/// The most that one frame may have in bytes.
pub(super) const MAX_FRAME: usize = 4 << 20;
/// Answers without a frame after which a session is given up, as in sockjs-client's place.
const MAX_EMPTY: usize = 5;

/// What the receiving task tells.
#[derive(Debug)]
pub(super) enum Event {
    Open(Instant),
    Message(String, Instant),
    Ended(Ended),
}

/// The session has ended, or never began.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    /// In words.
    pub(super) what: String,
    /// Status of the answer that ended it.
    pub(super) status: Option<u16>,
    /// Which kind of failure it is, where that is known.
    pub(super) cause: Option<Cause>,
    /// Close code and reason, of SockJS or of the WebSocket.
    pub(super) code: Option<(u16, String)>,
    /// The server ended it in order.
    pub(super) clean: bool,
    /// When.
    pub(super) at: Instant,
}

/// Why there is no answer.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// The session has ended.
    Ended(Ended),
    /// It lives, as far as is known, but nothing came in so long.
    Silent(Duration),
}

impl Failure {
    pub(super) fn what(&self) -> String {
        match self {
            Self::Ended(ended) => ended.what.clone(),
            Self::Silent(limit) => format!("no answer in {} s", limit.as_secs_f64()),
        }
    }

    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Self::Ended(ended) => ended.status,
            Self::Silent(_) => None,
        }
    }

    pub(super) fn cause(&self) -> Option<Cause> {
        match self {
            Self::Ended(ended) => ended.cause,
            Self::Silent(_) => None,
        }
    }
}

impl Ended {
    pub(super) fn new(problem: Problem) -> Self {
        Self {
            what: problem.what,
            status: problem.status,
            cause: problem.cause,
            code: None,
            clean: false,
            at: Instant::now(),
        }
    }

    /// Whether the gateway ended it for a reason of its own, and not the service by its own choice.
    pub(super) fn is_refusal(&self) -> bool {
        let code = self.code.as_ref();
        code.is_some_and(|(code, reason)| meaning(*code, reason).is_some())
    }

    /// As it is in a report.
    pub(super) fn close(&self, after_ms: Option<f64>) -> Close {
        let (code, reason) = self.code.clone().unzip();
        Close {
            code,
            reason: reason.unwrap_or_default(),
            clean: self.clean,
            after_ms,
        }
    }

    /// The server said so.
    fn closed(code: u16, reason: String) -> Self {
        Self {
            what: format!("closed by the server: {code} {reason}")
                .trim_end()
                .to_owned(),
            status: None,
            cause: None,
            // The gateway ends a session so when its connection broke.
            clean: code != 1002,
            code: Some((code, reason)),
            at: Instant::now(),
        }
    }
}

/// Where a receiving task puts what it gets. The end of the session is the last thing.
#[derive(Clone, Debug)]
pub(super) struct Inbox {
    events: mpsc::Sender<Event>,
    first_byte: Arc<OnceLock<Instant>>,
}

impl Inbox {
    /// Something has come.
    pub(super) fn received_bytes(&self) {
        self.first_byte.get_or_init(Instant::now);
    }

    pub(super) async fn end(&self, ended: Ended) {
        let _ = self.events.send(Event::Ended(ended)).await;
    }

    /// Takes a frame; `false` when it was the last one.
    pub(super) async fn take(&self, frame: ServerFrame) -> bool {
        let now = Instant::now();
        match frame {
            ServerFrame::Heartbeat => {}
            ServerFrame::Open => {
                let _ = self.events.send(Event::Open(now)).await;
            }
            ServerFrame::Messages(messages) => {
                for message in messages {
                    let text = message.as_text().unwrap_or_default().to_owned();
                    let _ = self.events.send(Event::Message(text, now)).await;
                }
            }
            ServerFrame::Close(reason) => {
                let ended = Ended::closed(reason.code, reason.reason.to_string());
                self.end(ended).await;
                return false;
            }
        }
        true
    }
}

/// How messages are sent.
#[derive(Debug)]
enum Outbox {
    Socket(mpsc::Sender<String>),
    /// A request for each; `form`: as an HTML form sends it.
    Requests {
        http: Box<Http>,
        url: String,
        form: bool,
    },
}

/// A session. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Session {
    began: Instant,
    events: mpsc::Receiver<Event>,
    outbox: Outbox,
    first_byte: Arc<OnceLock<Instant>>,
    ended: Option<Ended>,
    receiving: Option<JoinHandle<()>>,
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(receiving) = &self.receiving {
            receiving.abort();
        }
    }
}

/// Last segment of the transport's URL that receives, or sends.
fn segment(transport: &str, receives: bool) -> Option<&'static str> {
    let of = |name: &str| TRANSPORTS.iter().find(|known| known.name == name);
    let matches = |endpoint: &&Endpoint| endpoint.hints.receives == receives;
    // Only polling transports have a URL of their own for sending; the others use that of xhr.
    let own = of(transport)?.endpoints.iter().find(matches);
    let found = own.or_else(|| of("xhr-polling")?.endpoints.iter().find(matches))?;
    match found.address {
        Address::Session(segment) => Some(segment),
        Address::RawWebsocket => None,
    }
}

impl Session {
    /// Begins a session of `subject` over `transport`, which is one of the names in a report.
    pub(super) fn begin(subject: &Subject, transport: &str) -> Self {
        let (sender, events) = mpsc::channel(QUEUE);
        let first_byte = Arc::new(OnceLock::new());
        let inbox = Inbox {
            events: sender,
            first_byte: Arc::clone(&first_byte),
        };
        let id = format!("{:016x}", rand::random::<u64>());
        let base = format!("{}/{}/{id}", subject.service, subject.run);
        let http = subject.http.clone();
        let began = Instant::now();
        let (outbox, receiving) = if transport == "websocket" {
            let (sender, outgoing) = mpsc::channel(QUEUE);
            let url = format!("{base}/{transport}");
            // It ends by itself, in order, when nothing more can be sent.
            tokio::spawn(websocket::run(http, url, inbox, outgoing));
            (Outbox::Socket(sender), None)
        } else {
            let receive = segment(transport, true).unwrap_or_default();
            let wrapping = match transport {
                name if name.starts_with("xhr") => Wrapping::Line,
                name if name.starts_with("event") => Wrapping::Event,
                _ => Wrapping::Script,
            };
            let (method, url) = match wrapping {
                Wrapping::Line => (Method::POST, format!("{base}/{receive}")),
                Wrapping::Event => (Method::GET, format!("{base}/{receive}")),
                Wrapping::Script => (Method::GET, format!("{base}/{receive}?c=_jp.doctor")),
            };
            let send = segment(transport, false).unwrap_or_default();
            let outbox = Outbox::Requests {
                http: Box::new(http.clone()),
                url: format!("{base}/{send}"),
                form: transport.starts_with("jsonp-"),
            };
            let task = tokio::spawn(async move {
                let ended = receive_all(&http, &method, &url, wrapping, &inbox).await;
                if let Some(ended) = ended {
                    inbox.end(ended).await;
                }
            });
            (outbox, Some(task))
        };
        Self {
            began,
            events,
            outbox,
            first_byte,
            ended: None,
            receiving,
        }
    }

    /// When the first byte was there, from the beginning.
    pub(super) fn first_byte_ms(&self) -> Option<f64> {
        self.first_byte
            .get()
            .map(|at| measure::rounded(*at - self.began))
    }

    /// Milliseconds from the beginning to `at`.
    pub(super) fn since_began(&self, at: Instant) -> f64 {
        measure::rounded(at.saturating_duration_since(self.began))
    }

    /// Waits for the open frame. Gives the milliseconds that it took.
    ///
    /// # Errors
    /// When it does not come within `limit`.
    pub(super) async fn opened(&mut self, limit: Duration) -> Result<f64, Failure> {
        let deadline = Instant::now() + limit;
        loop {
            if let Event::Open(at) = self.event(deadline, limit).await? {
                return Ok(self.since_began(at));
            }
        }
    }

    /// Sends `text` and waits for `count` messages that `matches`. Gives each with the milliseconds after the sending.
    ///
    /// # Errors
    /// When they have not come within `limit`; `partly` has then got those that came.
    pub(super) async fn ask(
        &mut self,
        text: &str,
        count: usize,
        limit: Duration,
        matches: impl Fn(&str) -> bool,
        partly: &mut Vec<(String, f64)>,
    ) -> Result<(), Failure> {
        let sent = Instant::now();
        let deadline = sent + limit;
        match timeout_at(deadline, self.send(text)).await {
            Ok(outcome) => outcome.map_err(Failure::Ended)?,
            Err(_) => return Err(Failure::Silent(limit)),
        }
        while partly.len() < count {
            if let Event::Message(message, at) = self.event(deadline, limit).await?
                && matches(&message)
            {
                let after = measure::rounded(at.saturating_duration_since(sent));
                partly.push((message, after));
            }
        }
        Ok(())
    }

    /// An echo. Gives its round trip in milliseconds.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub(super) async fn echo(&mut self, mark: &str, limit: Duration) -> Result<f64, Failure> {
        let text = format!("e:{mark}");
        let mut answers = Vec::new();
        self.ask(&text, 1, limit, |message| message == text, &mut answers)
            .await?;
        Ok(answers.first().map_or(0.0, |(_, after)| *after))
    }

    /// Waits until the session ends, at most so long.
    pub(super) async fn watch(&mut self, silence: Duration) -> Option<Ended> {
        let deadline = Instant::now() + silence;
        loop {
            match self.event(deadline, silence).await {
                Ok(_) => {}
                Err(Failure::Ended(ended)) => return Some(ended),
                Err(Failure::Silent(_)) => return None,
            }
        }
    }

    async fn event(&mut self, deadline: Instant, limit: Duration) -> Result<Event, Failure> {
        if let Some(ended) = &self.ended {
            return Err(Failure::Ended(ended.clone()));
        }
        match timeout_at(deadline, self.events.recv()).await {
            Err(_) => Err(Failure::Silent(limit)),
            Ok(Some(Event::Ended(ended))) => {
                self.ended = Some(ended.clone());
                Err(Failure::Ended(ended))
            }
            Ok(Some(event)) => Ok(event),
            Ok(None) => Err(Failure::Ended(Ended::new(Problem::new(
                "the session is over",
            )))),
        }
    }

    async fn send(&self, text: &str) -> Result<(), Ended> {
        let array = serde_json::json!([text]).to_string();
        match &self.outbox {
            Outbox::Socket(outgoing) => {
                // When the socket is gone, the next event says why.
                let _ = outgoing.send(array).await;
                Ok(())
            }
            Outbox::Requests { http, url, form } => {
                let content: Content = if *form {
                    let form = form_urlencoded::Serializer::new(String::new())
                        .append_pair("d", &array)
                        .finish();
                    ("application/x-www-form-urlencoded", Bytes::from(form))
                } else {
                    ("text/plain", Bytes::from(array))
                };
                let sent = http.send(Method::POST, url, Some(content)).await;
                let response = sent.map_err(Ended::new)?;
                if !response.status().is_success() {
                    return Err(Ended::new(Problem::refused(response).await));
                }
                // The connection can be used again once this is read.
                let rest = Limited::new(response.into_body(), MAX_SENT_ANSWER).collect();
                if let Err(error) = rest.await
                    && error.is::<LengthLimitError>()
                {
                    let what = "what answers is not SockJS: its answer to a message has no end";
                    return Err(Ended::new(Problem::new(what)));
                }
                Ok(())
            }
        }
    }
}

/// Asks again and again, and passes every frame on. Gives the end, unless a frame was it.
async fn receive_all(
    http: &Http,
    method: &Method,
    url: &str,
    wrapping: Wrapping,
    inbox: &Inbox,
) -> Option<Ended> {
    let mut empty = 0;
    while empty < MAX_EMPTY {
        match receive_one(http, method, url, wrapping, inbox).await {
            Ok(Some(0)) => empty += 1,
            Ok(Some(_)) => empty = 0,
            Ok(None) => return None,
            Err(problem) => return Some(Ended::new(problem)),
        }
    }
    Some(Ended::new(Problem::new(
        "answers came without anything in them",
    )))
}

/// One receiving request. Gives the number of frames, `None` after the last one.
async fn receive_one(
    http: &Http,
    method: &Method,
    url: &str,
    wrapping: Wrapping,
    inbox: &Inbox,
) -> Result<Option<usize>, Problem> {
    let response = http.send(method.clone(), url, None).await?;
    if !response.status().is_success() {
        return Err(Problem::refused(response).await);
    }
    let mut body = response.into_body();
    let mut unwrapper = Unwrapper::new(wrapping, MAX_FRAME);
    let broken = |error: FrameError| Problem::new(error.text());
    let mut count = 0;
    while let Some(piece) = body.frame().await {
        let piece = piece.map_err(|error| Problem::of(&error))?;
        let Ok(bytes) = piece.into_data() else {
            continue;
        };
        if !bytes.is_empty() {
            inbox.received_bytes();
        }
        unwrapper.buffer().extend_from_slice(&bytes);
        while let Some(frame) = unwrapper.next_frame().map_err(broken)? {
            count += 1;
            if !inbox.take(frame).await {
                return Ok(None);
            }
        }
    }
    if let Some(frame) = unwrapper.finish().map_err(broken)? {
        count += 1;
        if !inbox.take(frame).await {
            return Ok(None);
        }
    }
    Ok(Some(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of transports says where to receive and where to send.
    #[test]
    fn segments_are_found_in_the_table() {
        for (name, receive, send) in [
            ("xhr-polling", "xhr", "xhr_send"),
            ("xhr-streaming", "xhr_streaming", "xhr_send"),
            ("eventsource", "eventsource", "xhr_send"),
            ("htmlfile", "htmlfile", "xhr_send"),
            ("jsonp-polling", "jsonp", "jsonp_send"),
        ] {
            assert_eq!(segment(name, true), Some(receive), "{name}");
            assert_eq!(segment(name, false), Some(send), "{name}");
        }
    }
}
