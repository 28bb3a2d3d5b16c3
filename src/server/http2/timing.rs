//! When a connection in HTTP/2 is asked whether it is alive, when it has idled too long, and when it ends at last.

use std::time::Duration;

use tokio::time::Instant;

use crate::registry::present;

use super::super::ServerConfig;

/// Time for the answer to a PING.
const ANSWER: Duration = Duration::from_secs(20);
/// Time for a peer to close the connection after it was told that it ends.
const LINGER: Duration = Duration::from_secs(1);

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    /// To send a PING.
    Ping,
    /// To end a connection that is not used.
    Idle,
    /// To give up a peer that does not answer.
    Silent,
    /// To end what was to end by itself.
    Over,
}

/// The deadlines of a connection.
#[derive(Debug)]
pub(super) struct Timing {
    interval: Option<Duration>,
    idle: Duration,
    ping_at: Option<Instant>,
    answer_by: Option<Instant>,
    /// While no stream is open.
    idle_at: Option<Instant>,
    /// It was told to end.
    end_at: Option<Instant>,
    /// Whatever is still open ends with it.
    closes: bool,
}

impl Timing {
    /// A PING is sent at once; its answer has the time that a head has.
    pub(super) fn new(config: &ServerConfig) -> Self {
        let now = present();
        Self {
            interval: config.tcp_keepalive,
            idle: config.idle_timeout,
            ping_at: None,
            answer_by: Some(now + config.header_timeout),
            idle_at: Some(now + config.idle_timeout),
            end_at: None,
            closes: false,
        }
    }

    /// The first of the deadlines.
    pub(super) fn next(&self) -> Instant {
        /// Where there is none.
        const FAR: Duration = Duration::from_secs(24 * 60 * 60);
        [self.ping_at, self.answer_by, self.idle_at, self.end_at]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or_else(|| present() + FAR)
    }

    /// The PING was answered.
    pub(super) fn answered(&mut self, now: Instant) {
        self.answer_by = None;
        self.ping_at = self.interval.map(|interval| now + interval);
    }

    /// Streams were opened, or the last one has ended.
    pub(super) fn streams_changed(&mut self, now: Instant, open: usize) {
        self.idle_at = (open == 0 && self.end_at.is_none()).then(|| now + self.idle);
    }

    /// The connection was told to end, and does within `grace`.
    pub(super) fn end_within(&mut self, grace: Duration) {
        self.idle_at = None;
        self.end_at = Some(present() + grace);
        self.closes = true;
    }

    /// What is due at `now`, while so many streams are open.
    pub(super) fn reached(&mut self, now: Instant, open: usize) -> Due {
        let reached = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if reached(self.end_at) {
            if open == 0 || self.closes {
                return Due::Over;
            }
            self.end_at = Some(now + LINGER);
        }
        if reached(self.answer_by) {
            return Due::Silent;
        }
        if reached(self.idle_at) {
            self.idle_at = None;
            if open == 0 {
                self.end_at = Some(now + LINGER);
                return Due::Idle;
            }
        }
        if reached(self.ping_at) {
            self.ping_at = None;
            self.answer_by = Some(now + ANSWER);
            return Due::Ping;
        }
        Due::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Duration = Duration::from_secs(10);
    const SECOND: Duration = Duration::from_secs(1);

    fn config() -> ServerConfig {
        ServerConfig {
            header_timeout: HEAD,
            idle_timeout: 75 * SECOND,
            tcp_keepalive: Some(60 * SECOND),
            ..ServerConfig::default()
        }
    }

    /// What is due next, and after how long.
    fn next(timing: &mut Timing, open: usize, since: Instant) -> (Due, Duration) {
        let at = timing.next();
        (timing.reached(at, open), at - since)
    }

    /// A peer that does not answer the first PING in the time of a head, or a later one in time, is given up.
    #[tokio::test(start_paused = true)]
    async fn silent_peers_are_given_up() {
        let begin = present();
        let mut timing = Timing::new(&config());
        assert_eq!(next(&mut timing, 1, begin), (Due::Silent, HEAD));
        let mut timing = Timing::new(&config());
        timing.answered(begin);
        assert_eq!(next(&mut timing, 1, begin), (Due::Ping, 60 * SECOND));
        assert_eq!(next(&mut timing, 1, begin), (Due::Nothing, 75 * SECOND));
        assert_eq!(next(&mut timing, 1, begin), (Due::Silent, 80 * SECOND));
    }

    /// The time runs from the end of the last stream, and not while there is one.
    #[tokio::test(start_paused = true)]
    async fn connections_without_streams_end() {
        let begin = present();
        let mut timing = Timing::new(&ServerConfig {
            tcp_keepalive: None,
            ..config()
        });
        timing.answered(begin);
        timing.streams_changed(begin, 1);
        assert!(timing.next() > begin + 100 * 75 * SECOND);
        timing.streams_changed(begin + HEAD, 0);
        assert_eq!(next(&mut timing, 0, begin), (Due::Idle, HEAD + 75 * SECOND));
        assert_eq!(
            next(&mut timing, 1, begin),
            (Due::Nothing, HEAD + 76 * SECOND)
        );
        assert_eq!(next(&mut timing, 0, begin), (Due::Over, HEAD + 77 * SECOND));
    }

    /// When the server closes, what is open has its grace and no more.
    #[tokio::test(start_paused = true)]
    async fn closing_takes_no_longer_than_its_grace() {
        let begin = present();
        let mut timing = Timing::new(&config());
        timing.answered(begin);
        timing.end_within(SECOND);
        assert_eq!(next(&mut timing, 1, begin), (Due::Over, SECOND));
    }
}
