//! A session's frames as they pass, as server-sent events.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{Stream, unfold};
use http::StatusCode;
use serde_json::{Value, json};
use tracing::info;

use crate::protocol::Message;
use crate::registry::{Load, MOST_TAPS, Passage, Reservation, Tap, Tapped};
use crate::session::Standing;

use super::answer::Wrong;
use super::{Admin, MAX_TAPS, sessions};

/// Silence after which a comment is sent, so that a watcher who has gone is noticed.
const ALIVE: Duration = Duration::from_secs(10);
/// Bytes of one message that are shown.
const SHOWN: usize = 4096;

struct Watching {
    tap: Tap,
    _place: Reservation,
}

/// Whether a query asks for what messages say.
pub(super) fn contents(query: &str) -> Result<bool, Wrong> {
    let mut contents = false;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        contents = match (&*name, &*value) {
            ("contents", "true") => true,
            ("contents", "false") => false,
            ("contents", _) => {
                let what = format!("contents is {value:?}; write true or false");
                return Err(Wrong::request(what));
            }
            _ => {
                let what = format!("there is no parameter {name:?}; there is contents");
                return Err(Wrong::request(what));
            }
        };
    }
    Ok(contents)
}

/// Whether what is asked for may be shown.
pub(super) fn allow(admin: &Admin, contents: bool) -> Result<(), Wrong> {
    if contents && !admin.tap_contents {
        let what = "contents of messages are not shown; admin.tap_contents = true allows it";
        return Err(Wrong(StatusCode::FORBIDDEN, what.to_owned()));
    }
    Ok(())
}

/// Begins to watch a session.
pub(super) fn begin(
    admin: &Arc<Admin>,
    id: &str,
    contents: bool,
) -> Result<impl Stream<Item = Bytes> + Send + 'static, Wrong> {
    allow(admin, contents)?;
    let (session, _) = sessions::find(admin, id)?;
    let busy = |what: String| Wrong(StatusCode::SERVICE_UNAVAILABLE, what);
    let place = admin.taps.reserve(1).ok_or_else(|| {
        busy(format!(
            "{MAX_TAPS} taps are open, and more are not allowed; close another one"
        ))
    })?;
    let tap = session.tap(contents).ok_or_else(|| {
        if session.look().standing == Standing::Closed {
            let what = format!("the session {} has ended", session.id());
            return Wrong(StatusCode::NOT_FOUND, what);
        }
        busy(format!(
            "{MOST_TAPS} taps of this session are open, and more are not allowed; close another one"
        ))
    })?;
    info!(session = %session.id(), contents, "tapped by an operator");
    let watching = Watching { tap, _place: place };
    let stream = unfold(Some((watching, true)), |state| async move {
        let (mut watching, first) = state?;
        if first {
            // The answer begins at once, also where nothing passes.
            return Some((Bytes::from_static(b": tapped\n\n"), Some((watching, false))));
        }
        match tokio::time::timeout(ALIVE, watching.tap.next()).await {
            Err(_) => Some((Bytes::from_static(b": alive\n\n"), Some((watching, false)))),
            Ok(Some(events)) => Some((told(&events), Some((watching, false)))),
            Ok(None) => Some((over(&watching.tap), None)),
        }
    });
    Ok(stream)
}

fn told(events: &[Tapped]) -> Bytes {
    let mut text = String::new();
    for event in events {
        let _ = write!(text, "data: {}\n\n", json_of(event));
    }
    text.into()
}

fn json_of(event: &Tapped) -> Value {
    let mut value = match &event.passage {
        Passage::Open => json!({ "direction": "out", "frame": "open" }),
        Passage::Heartbeat => json!({ "direction": "out", "frame": "heartbeat" }),
        Passage::Close(reason) => json!({
            "direction": "out",
            "frame": "close",
            "code": reason.code,
            "reason": &*reason.reason,
        }),
        Passage::Sent(load) => messages("out", load),
        Passage::Received(load) => messages("in", load),
    };
    value["age_ms"] = json!(event.age.as_millis());
    if event.missed > 0 {
        value["missed"] = json!(event.missed);
    }
    value
}

fn messages(direction: &str, load: &Load) -> Value {
    let mut value = json!({
        "direction": direction,
        "frame": "messages",
        "messages": load.messages,
        "bytes": load.bytes,
    });
    if let Some(contents) = &load.contents {
        value["contents"] = contents.iter().map(content).collect();
    }
    value
}

fn content(message: &Message) -> Value {
    match message.as_text() {
        None => json!({ "binary": message.len() }),
        Some(text) if text.len() <= SHOWN => json!({ "text": text }),
        Some(text) => {
            let mut end = SHOWN;
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            json!({ "text": text[..end], "bytes": text.len() })
        }
    }
}

/// The end of the session, and of the stream.
fn over(tap: &Tap) -> Bytes {
    let end = tap.session().look().end;
    let end = end.map(|end| {
        json!({
            "cause": end.cause.name(),
            "code": end.reason.code,
            "reason": &*end.reason.reason,
        })
    });
    format!("event: end\ndata: {}\n\n", json!(end)).into()
}
