//! Server-sent events as they come. (HTML, server-sent events)

use bytes::BytesMut;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

/// A stream of events.
pub(crate) struct Events {
    body: Incoming,
    lines: Lines,
}

/// One event: its name, empty for an ordinary one, and its data.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) data: String,
}

/// Longest event that is read.
const LONGEST: usize = 16 << 20;

/// What has come and is not an event yet.
#[derive(Debug, Default)]
struct Lines(BytesMut);

impl Events {
    pub(super) fn new(body: Incoming) -> Self {
        Self {
            body,
            lines: Lines::default(),
        }
    }

    /// The next one; `None` at the end.
    ///
    /// # Errors
    /// The connection broke, or an event is too long.
    pub(crate) async fn next(&mut self) -> Result<Option<Event>, String> {
        loop {
            if let Some(event) = self.lines.take() {
                return Ok(Some(event));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(error.to_string()),
                Some(Ok(frame)) => {
                    let data = frame.into_data().unwrap_or_default();
                    if self.lines.0.len() + data.len() > LONGEST {
                        return Err("an event is too long".to_owned());
                    }
                    self.lines.0.extend_from_slice(&data);
                }
            }
        }
    }
}

impl Lines {
    /// The first event that is there whole; comments are none.
    fn take(&mut self) -> Option<Event> {
        loop {
            let end = self.0.windows(2).position(|pair| pair == b"\n\n")?;
            let block = self.0.split_to(end + 2);
            let text = String::from_utf8_lossy(&block);
            let field = |name: &str| {
                let mut lines = text.lines().filter_map(|line| line.strip_prefix(name));
                lines.next().map(|value| value.trim_start().to_owned())
            };
            if let Some(data) = field("data:") {
                let name = field("event:").unwrap_or_default();
                return Some(Event { name, data });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wherever the stream is cut, the same events come out of it; comments are left out.
    #[test]
    fn events_come_out_of_pieces() {
        let text = ": tapped\n\ndata: {\"a\":1}\n\n: alive\n\nevent: end\ndata: {}\n\n";
        for cut in 0..text.len() {
            let (mut lines, mut events) = (Lines::default(), Vec::new());
            for piece in [&text[..cut], &text[cut..]] {
                lines.0.extend_from_slice(piece.as_bytes());
                events.extend(std::iter::from_fn(|| lines.take()));
            }
            let event = |name: &str, data: &str| Event {
                name: name.to_owned(),
                data: data.to_owned(),
            };
            assert_eq!(events, [event("", "{\"a\":1}"), event("end", "{}")]);
        }
    }
}
