//! What can go wrong for who uses the client.

use std::fmt;

use crate::protocol::CloseReason;

use super::transport::Transport;
use crate::outward::{Obstacle, obstacle};

/// Why a client cannot be made, connect or send. `Display` says what was wrong and what to do.
#[derive(Debug)]
pub struct Error(Box<Kind>);

#[derive(Debug)]
pub(super) enum Kind {
    /// The URL, a header or another setting, and what is wrong with it.
    Setting { what: String, why: String },
    /// `/info` was not answered with status 200.
    Info { url: String, refusal: Unanswered },
    /// No transport could be opened.
    Transports {
        reason: CloseReason,
        failed: Vec<(Transport, CloseReason)>,
    },
    /// The session is over.
    Closed(CloseReason),
    /// The session is lost, and no new one is there yet.
    Reconnecting,
    /// Binary on a SockJS transport.
    Binary(Transport),
}

/// Why `/info` has no answer that can be used.
#[derive(Debug)]
pub(super) struct Unanswered {
    pub(super) kind: Unusable,
    pub(super) why: String,
}

/// What stands between a client and `/info`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// The connection.
    Connection(Obstacle),
    /// The page's origin is not one that the service lets in.
    Origin,
    /// An answer of another kind.
    Answer,
}

impl Unanswered {
    /// There is no connection.
    pub(super) fn connection(error: &std::io::Error) -> Self {
        Self {
            kind: Unusable::Connection(obstacle(error)),
            why: error.to_string(),
        }
    }

    /// The connection is there, and what comes on it is of no use.
    pub(super) fn answer(why: impl fmt::Display) -> Self {
        Self {
            kind: Unusable::Answer,
            why: why.to_string(),
        }
    }
}

impl fmt::Display for Unusable {
    /// What to look at.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connection(Obstacle::Unreachable) => {
                "check host and port, and whether the server runs"
            }
            Self::Connection(Obstacle::Certificate) => {
                "trust the authority of its certificate (`--ca FILE`, `Builder::ca_file`), or ask for a host that the certificate is for"
            }
            Self::Connection(Obstacle::Tls) => {
                "check whether it is http:// or https:// at this port"
            }
            Self::Origin => {
                "ask as a page that the service lets in (`--origin`, the header `origin`), or add this one to its `origins`"
            }
            Self::Answer => "check host, port and prefix",
        })
    }
}

impl Error {
    pub(super) fn setting(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::from(Kind::Setting {
            what: what.into(),
            why: why.into(),
        })
    }

    /// A setting is wrong: URL, header, list of transports, session id, close code. Trying again changes nothing.
    pub fn is_setting(&self) -> bool {
        matches!(*self.0, Kind::Setting { .. })
    }

    /// There was no connection: `/info` failed, or every transport did.
    pub fn is_connect(&self) -> bool {
        matches!(*self.0, Kind::Info { .. } | Kind::Transports { .. })
    }

    /// The session is over; [`Self::close_reason`] says why.
    pub fn is_closed(&self) -> bool {
        matches!(*self.0, Kind::Closed(_))
    }

    /// The session was lost and a new one is being opened: nothing was sent. Send again, if that still makes sense, after
    /// [`Event::Reconnected`](super::Event::Reconnected).
    pub fn is_reconnecting(&self) -> bool {
        matches!(*self.0, Kind::Reconnecting)
    }

    /// Binary was to be sent on a transport that carries text only. Nothing was sent, the session lives.
    pub fn is_binary(&self) -> bool {
        matches!(*self.0, Kind::Binary(_))
    }

    /// The close code and reason that sockjs-client would report: 1002 when `/info` failed, 2000 when every transport did,
    /// the session's own when it is over.
    pub fn close_reason(&self) -> Option<CloseReason> {
        match &*self.0 {
            Kind::Info { .. } => Some(CloseReason::new(1002, "Cannot connect to server")),
            Kind::Transports { reason, .. } | Kind::Closed(reason) => Some(reason.clone()),
            _ => None,
        }
    }

    /// The transports that were tried, in order, and how each ended.
    pub fn failed_transports(&self) -> &[(Transport, CloseReason)] {
        match &*self.0 {
            Kind::Transports { failed, .. } => failed,
            _ => &[],
        }
    }
}

impl From<Kind> for Error {
    fn from(kind: Kind) -> Self {
        Self(Box::new(kind))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Kind::Setting { what, why } => write!(f, "{what} cannot be used: {why}"),
            Kind::Info { url, refusal } => {
                let Unanswered { kind, why } = refusal;
                match kind {
                    Unusable::Connection(Obstacle::Unreachable) => {
                        write!(f, "{url} cannot be reached")
                    }
                    Unusable::Connection(Obstacle::Certificate) => {
                        write!(f, "the certificate of {url} is not accepted")
                    }
                    Unusable::Connection(Obstacle::Tls) => {
                        write!(f, "there is no encrypted connection to {url}")
                    }
                    Unusable::Origin => {
                        write!(f, "{url} refuses the page as one of another site")
                    }
                    Unusable::Answer => write!(f, "there is no SockJS service at {url}"),
                }?;
                write!(f, ": {why}; {kind}")?;
                if *kind == Unusable::Answer {
                    write!(f, ", and open {url}/info")?;
                }
                Ok(())
            }
            Kind::Transports { reason, failed } => {
                f.write_str(if reason.code == 2000 {
                    "no transport could be opened"
                } else {
                    "the server ended the session before it was open"
                })?;
                for (index, (transport, reason)) in failed.iter().enumerate() {
                    let separator = if index == 0 { ": " } else { ", then " };
                    write!(
                        f,
                        "{separator}{transport} ({} {})",
                        reason.code, reason.reason
                    )?;
                }
                Ok(())
            }
            Kind::Closed(reason) => write!(
                f,
                "the session is over ({} {}); connect again for a new one",
                reason.code, reason.reason
            ),
            Kind::Reconnecting => f.write_str(
                "the session is lost and a new one is being opened; send again once it is there",
            ),
            Kind::Binary(transport) => write!(
                f,
                "{transport} carries text only; encode the bytes, or use websocket-raw"
            ),
        }
    }
}

impl std::error::Error for Error {}
