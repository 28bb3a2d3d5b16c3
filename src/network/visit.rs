//! What the attempts of one page show about its network. sockjs-client tries one transport after the other, each with a
//! session id of its own, but all below one *server* segment: attempts with the same segment belong together.

use std::collections::VecDeque;
use std::time::Duration;

use crate::moment::Moment;

/// The `server` segment of a session's URL, hashed.
pub(super) type ServerKey = u64;

/// Visits remembered per network.
const REMEMBERED: usize = 16;
/// Attempts of one page follow each other within this time.
const TOGETHER: Duration = Duration::from_secs(30);
/// sockjs-client gives a transport at least twice 300 ms. Who comes later than this after `/info`, without a handshake in
/// between, may have waited for one in vain, or want none and have a long way.
const PATIENCE: Duration = Duration::from_millis(590);
/// An attempt given up earlier than this was refused, not held back.
const HELD: Duration = Duration::from_millis(250);

/// What became of a WebSocket attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handshake {
    /// None came.
    Unseen,
    /// None came, although the browser has waited for so long that there may have been one.
    Missing,
    /// It came, and either was not one any more or led to nothing.
    Failed,
    /// The browser has answered on it.
    Proven,
}

#[derive(Debug)]
struct Visit {
    server: ServerKey,
    begun: Moment,
    handshake: Handshake,
    /// When the last streaming attempt began, and whether the browser has shown that it got something.
    stream: Option<(Moment, bool)>,
}

/// The latest visits of one network.
#[derive(Debug, Default)]
pub(super) struct Visits {
    visits: VecDeque<Visit>,
    /// When `/info`, which offered WebSocket, was last asked, unless somebody has come since.
    asked: Option<Moment>,
}

/// What the first request of an HTTP session shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    /// What became of the WebSocket before.
    pub(super) handshake: Handshake,
    /// A stream was tried before and given up unused: its beginning never arrived.
    pub(super) stream_held: bool,
}

impl Visits {
    /// `/info` was asked, and WebSocket was `offered`.
    pub(super) fn asked(&mut self, now: Moment, offered: bool) {
        self.asked = offered.then_some(now);
    }

    /// What is known of the handshake of a visit changed.
    pub(super) fn handshake(&mut self, now: Moment, server: ServerKey, handshake: Handshake) {
        self.visit(now, server).handshake = handshake;
    }

    /// An HTTP session is opened.
    pub(super) fn opened(&mut self, now: Moment, server: ServerKey, streams: bool) -> Shown {
        let visit = self.visit(now, server);
        let stream_held = visit
            .stream
            .is_some_and(|(begun, used)| !used && now.saturating_duration_since(begun) >= HELD);
        // Told once.
        visit.stream = streams.then_some((now, false));
        Shown {
            handshake: std::mem::replace(&mut visit.handshake, Handshake::Unseen),
            stream_held,
        }
    }

    /// The browser has shown that it gets what streams carry.
    pub(super) fn stream_used(&mut self, now: Moment, server: ServerKey) {
        if let Some((_, used)) = &mut self.visit(now, server).stream {
            *used = true;
        }
    }

    fn visit(&mut self, now: Moment, server: ServerKey) -> &mut Visit {
        let found = self.visits.iter().position(|visit| visit.is(now, server));
        let at = found.unwrap_or_else(|| {
            if self.visits.len() == REMEMBERED {
                self.visits.pop_front();
            }
            // With several browsers behind one address the last to ask may be another one, who asked later: then this one
            // is taken for somebody who did not wait, and nothing is concluded.
            let asked = self.asked.take();
            let waited = asked.is_some_and(|asked| {
                (PATIENCE..TOGETHER).contains(&now.saturating_duration_since(asked))
            });
            self.visits.push_back(Visit {
                server,
                begun: now,
                handshake: if waited {
                    Handshake::Missing
                } else {
                    Handshake::Unseen
                },
                stream: None,
            });
            self.visits.len() - 1
        });
        &mut self.visits[at]
    }
}

impl Visit {
    fn is(&self, now: Moment, server: ServerKey) -> bool {
        self.server == server && now.saturating_duration_since(self.begun) < TOGETHER
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::now;
    use super::*;

    const NOTHING: Shown = Shown {
        handshake: Handshake::Unseen,
        stream_held: false,
    };

    fn after(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn handshake_that_never_came_is_concluded_from_the_wait() {
        let now = now();
        let mut visits = Visits::default();
        visits.asked(now, true);
        let shown = visits.opened(now + after(630), 1, true);
        assert_eq!(shown.handshake, Handshake::Missing);
    }

    /// A page that is told to poll does so at once.
    #[test]
    fn who_comes_at_once_has_not_waited_for_a_handshake() {
        let now = now();
        let mut visits = Visits::default();
        visits.asked(now, true);
        assert_eq!(visits.opened(now + after(40), 1, false), NOTHING);
        assert_eq!(
            visits.opened(now + after(1000), 2, false),
            NOTHING,
            "it was the other who asked"
        );
        visits.asked(now, false);
        assert_eq!(
            visits.opened(now + after(1000), 3, false),
            NOTHING,
            "there was no offer"
        );
    }

    #[test]
    fn handshake_that_led_to_nothing_has_failed() {
        let now = now();
        let mut visits = Visits::default();
        visits.asked(now, true);
        visits.handshake(now + after(20), 1, Handshake::Failed);
        let shown = visits.opened(now + after(30), 1, true);
        assert_eq!(shown.handshake, Handshake::Failed);
        assert_eq!(
            visits.opened(now + after(30), 2, true),
            NOTHING,
            "another page"
        );
    }

    #[test]
    fn stream_given_up_for_a_later_transport_was_held() {
        let now = now();
        let mut visits = Visits::default();
        visits.opened(now, 1, true);
        assert!(visits.opened(now + after(640), 1, true).stream_held);
        assert!(visits.opened(now + after(1280), 1, false).stream_held);
        assert!(
            !visits.opened(now + after(1300), 1, false).stream_held,
            "a poll was given up"
        );
    }

    #[test]
    fn stream_that_was_refused_or_used_was_not_held() {
        let now = now();
        let mut visits = Visits::default();
        visits.opened(now, 1, true);
        assert_eq!(visits.opened(now + after(40), 1, true), NOTHING);
        visits.stream_used(now + after(50), 1);
        assert_eq!(visits.opened(now + after(5000), 1, true), NOTHING);
    }

    #[test]
    fn visits_are_bounded() {
        let now = now();
        let mut visits = Visits::default();
        for server in 0..1000 {
            visits.opened(now, server, true);
        }
        assert_eq!(visits.visits.len(), REMEMBERED);
    }
}
