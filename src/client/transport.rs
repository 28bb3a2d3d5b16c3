//! Which transports there are, in which order they are tried, for how long, and after which closes the next one is.
//! Pure. Source: sockjs-client 1.6.1, `lib/main.js` (`_receiveInfo`, `countRTO`, `_connect`, `_transportClose`).

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::frames::Wrapping;

/// How messages travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// SockJS frames in a WebSocket.
    Websocket,
    /// Frames as lines of one long answer; messages are sent in requests of their own.
    XhrStreaming,
    /// Frames as server-sent events of one long answer; messages are sent in requests of their own.
    EventSource,
    /// One answer per frame.
    XhrPolling,
    /// A plain WebSocket at `BASE/websocket`: no frames, no session, no fallback; the only one that carries binary. Never
    /// tried unless it is asked for.
    RawWebsocket,
}

impl Transport {
    /// What is tried unless [`Builder::transports`](super::Builder::transports) says otherwise, in this order: as
    /// sockjs-client does, as far as the transports exist outside browsers.
    pub const DEFAULT: [Self; 4] = [
        Self::Websocket,
        Self::XhrStreaming,
        Self::EventSource,
        Self::XhrPolling,
    ];

    /// Every transport.
    pub const ALL: [Self; 5] = [
        Self::Websocket,
        Self::XhrStreaming,
        Self::EventSource,
        Self::XhrPolling,
        Self::RawWebsocket,
    ];

    /// sockjs-client's name: `websocket`, `xhr-streaming`, `eventsource`, `xhr-polling`; and `websocket-raw`, as the gateway calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Websocket => "websocket",
            Self::XhrStreaming => "xhr-streaming",
            Self::EventSource => "eventsource",
            Self::XhrPolling => "xhr-polling",
            Self::RawWebsocket => "websocket-raw",
        }
    }

    /// Whether it is a WebSocket.
    pub const fn is_websocket(self) -> bool {
        matches!(self, Self::Websocket | Self::RawWebsocket)
    }

    /// Last segment of the URL that receives.
    pub(super) const fn segment(self) -> &'static str {
        match self {
            Self::Websocket | Self::RawWebsocket => "websocket",
            Self::XhrStreaming => "xhr_streaming",
            Self::EventSource => "eventsource",
            Self::XhrPolling => "xhr",
        }
    }

    /// Method of the request that receives.
    pub(super) const fn method(self) -> &'static str {
        match self {
            Self::XhrStreaming | Self::XhrPolling => "POST",
            _ => "GET",
        }
    }

    /// Fields of the request that receives.
    pub(super) const fn fields(self) -> &'static [(&'static str, &'static str)] {
        match self {
            // HTML, "The EventSource interface": what browsers send.
            Self::EventSource => &[
                ("Accept", "text/event-stream"),
                ("Cache-Control", "no-store"),
            ],
            _ => &[],
        }
    }

    /// How frames stand in an answer.
    pub(super) const fn wrapping(self) -> Wrapping {
        match self {
            Self::EventSource => Wrapping::Event,
            _ => Wrapping::Line,
        }
    }

    /// Round trips until `o` can be there: one to connect, one to ask. (`roundTrips` of every transport here)
    const fn round_trips(self) -> u32 {
        2
    }
}

/// Last segment of the URL that messages are sent to, by every HTTP transport.
pub(super) const SEND_SEGMENT: &str = "xhr_send";

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// There is no transport of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownTransport(String);

impl fmt::Display for UnknownTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no transport {:?}; there are", self.0)?;
        for (index, transport) in Transport::ALL.iter().enumerate() {
            write!(f, "{} {transport}", if index > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}

impl std::error::Error for UnknownTransport {}

impl FromStr for Transport {
    type Err = UnknownTransport;

    /// By its [name](Transport::name); `raw-websocket` is `websocket-raw` too.
    fn from_str(name: &str) -> Result<Self, UnknownTransport> {
        if name == "raw-websocket" {
            return Ok(Self::RawWebsocket);
        }
        let found = Self::ALL.into_iter().find(|known| known.name() == name);
        found.ok_or_else(|| UnknownTransport(name.to_owned()))
    }
}

/// How long an answer may take when `/info` took `round_trip`. (`countRTO`)
pub(super) fn retransmission_timeout(round_trip: Duration) -> Duration {
    if round_trip > Duration::from_millis(100) {
        round_trip * 4
    } else {
        round_trip + Duration::from_millis(300)
    }
}

/// How long an attempt may take until `o`. Without a measured round trip only `configured` counts. (`_connect`)
pub(super) fn attempt_timeout(
    transport: Transport,
    configured: Duration,
    round_trip: Option<Duration>,
) -> Duration {
    let estimated = round_trip.map_or(Duration::ZERO, |round_trip| {
        retransmission_timeout(round_trip) * transport.round_trips()
    });
    configured.max(estimated)
}

/// Whether the next transport is tried when one ended with `code` before it was open. (`_transportClose`: not after a close
/// that somebody meant.)
pub(super) const fn falls_back(code: u16) -> bool {
    !matches!(code, 1000 | 2000 | 3000..=4999)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// sockjs-client, `countRTO`: generous to slow networks, at least 300 ms on fast ones.
    #[test]
    fn retransmission_timeout_follows_the_round_trip() {
        for (round_trip, timeout) in [
            (0, 300),
            (1, 301),
            (100, 400),
            (101, 404),
            (250, 1000),
            (8000, 32_000),
        ] {
            assert_eq!(
                retransmission_timeout(ms(round_trip)),
                ms(timeout),
                "{round_trip}"
            );
        }
    }

    /// sockjs-client, `_connect`: the larger of the option and two timeouts.
    #[test]
    fn attempts_last_two_round_trips_or_as_configured() {
        let timeout = |configured, round_trip: Option<u64>| {
            attempt_timeout(Transport::Websocket, ms(configured), round_trip.map(ms))
        };
        assert_eq!(timeout(0, Some(1)), ms(602));
        assert_eq!(timeout(0, Some(200)), ms(1600));
        assert_eq!(timeout(5000, Some(200)), ms(5000));
        assert_eq!(timeout(1000, Some(200)), ms(1600));
        assert_eq!(timeout(5000, None), ms(5000));
    }

    /// sockjs-client, `_transportClose`
    #[test]
    fn only_closes_that_nobody_meant_fall_back() {
        for code in [1000, 2000, 3000, 4000, 4999] {
            assert!(!falls_back(code), "{code}");
        }
        for code in [1001, 1002, 1006, 1011, 1012, 2007, 2010, 2999, 5000] {
            assert!(falls_back(code), "{code}");
        }
    }

    #[test]
    fn names_are_read_back() {
        for transport in Transport::ALL {
            assert_eq!(transport.name().parse(), Ok(transport));
        }
        assert_eq!("raw-websocket".parse(), Ok(Transport::RawWebsocket));
        let unknown = "jsonp".parse::<Transport>().unwrap_err().to_string();
        assert!(unknown.ends_with(
            "there are websocket, xhr-streaming, eventsource, xhr-polling, websocket-raw"
        ));
    }
}
