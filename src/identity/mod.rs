//! Who opened a session, and whether a further request comes from the same: what an authenticator says of a request. How tokens are
//! verified is in [`crate::auth`].

mod binding;
mod caller;
mod cookies;

use std::fmt;
use std::net::IpAddr;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Method, Uri};
use ipnet::IpNet;

use crate::fields::Fields;
use crate::moment::Moment;
use crate::protocol::CloseReason;

pub(crate) use binding::BindingCookies;
pub use binding::SessionBinding;
pub(crate) use caller::Tie;
pub use caller::{Caller, Owner};
#[cfg(feature = "auth")]
pub(crate) use cookies::{cookies, take_out};

/// Who somebody is, as an authenticator says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who says so: a token's `iss`. Subjects of different issuers are different.
    pub issuer: Option<Box<str>>,
    /// Who it is: a token's `sub`.
    pub subject: Box<str>,
    /// Header fields that upstreams get.
    pub fields: Vec<(HeaderName, HeaderValue)>,
    /// When it ceases to hold, and the close frame that a session of it ends with then. `None` is never.
    pub expires: Option<(Moment, CloseReason)>,
    /// A digest of what proved it, by which the authenticator knows it again.
    pub proof: Option<[u8; 32]>,
}

impl Identity {
    /// Whether both are the same: issuer and subject count, nothing else.
    pub fn is_same(&self, other: &Self) -> bool {
        self.issuer == other.issuer && self.subject == other.subject
    }
}

/// Nobody was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The close frame that the browser gets. A code from 3000 on keeps sockjs-client from trying the next transport.
    pub reason: CloseReason,
    /// For the log: what is wrong, without anything of the token.
    pub why: &'static str,
    /// Whose token has expired, when it is otherwise right. It opens nothing, but is still told how its session ended.
    pub expired: Option<Arc<Identity>>,
}

/// A request, as far as authenticators look at it.
#[derive(Clone, Copy)]
pub struct Inquiry<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its target.
    pub uri: &'a Uri,
    /// Its fields.
    pub fields: &'a Fields,
    /// Path prefix of the service.
    pub prefix: &'a str,
    /// Address of the browser, after trusted proxies.
    pub address: Option<IpAddr>,
    /// The client network that it is of, by `client_ipv4_prefix` and `client_ipv6_prefix` of the service.
    pub network: Option<IpNet>,
    /// `http` or `https`, when known.
    pub scheme: Option<&'static str>,
    /// Host and port that the browser asked for.
    pub host: Option<&'a str>,
    /// The certificate (DER) that the client showed on this connection, verified. `None` for a trusted proxy's.
    pub certificate: Option<&'a [u8]>,
    /// Who opened the session that it names, while that lives, and where [`Authenticator::knows_again`].
    pub owner: Option<&'a Arc<Identity>>,
}

/// An answer that takes its time.
pub type Deciding = Pin<Box<dyn Future<Output = Result<Arc<Identity>, Refusal>> + Send>>;

/// What an authenticator says of a request.
pub enum Decision {
    /// At once: who makes it, or why nobody is let in.
    Now(Result<Arc<Identity>, Refusal>),
    /// Somebody else has to be asked. The future must end, in a time of its own.
    Later(Deciding),
    /// The first message of the session will tell: [`Authenticator::authenticate_message`].
    ByMessage,
}

/// Finds out who makes a request.
pub trait Authenticator: fmt::Debug + Send + Sync {
    /// Who makes it. Called for each request of a session, unless [`Self::asks_others`].
    fn authenticate(&self, inquiry: &Inquiry<'_>) -> Decision;

    /// Takes out of a request what proves the identity, and every field that only an identity may set, before backends see it.
    fn strip(&self, uri: &mut Uri, headers: &mut HeaderMap);

    /// Whether [`Inquiry::owner`] is looked up, by which the owner of a session can be known again for less. By default not.
    fn knows_again(&self) -> bool {
        false
    }

    /// Whether answers cost others work: then requests of a session that is bound to something else than the identity are not asked
    /// about. By default not.
    fn asks_others(&self) -> bool {
        false
    }

    /// The time that a session has to show who it is with its first message, where [`Decision::ByMessage`] may be said. By default it
    /// is never said.
    fn message_timeout(&self) -> Option<Duration> {
        None
    }

    /// Who sent this as the first message of a session; `None` is who sent none in time, or no text.
    fn authenticate_message(&self, text: Option<&str>) -> Decision {
        let _ = text;
        Decision::Now(Err(Refusal {
            reason: CloseReason::new(4401, "Unauthorized"),
            why: "messages prove nothing here",
            expired: None,
        }))
    }

    /// Gets what it needs from others. Called when the program starts, and to see whether the configuration works; what fails is
    /// tried again later.
    ///
    /// # Errors
    /// What is wrong, for people.
    fn prepare(&self) -> Preparing<'_> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// What comes of [`Authenticator::prepare`].
pub type Preparing<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

/// Without what proves an identity.
impl fmt::Debug for Inquiry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inquiry")
            .field("path", &self.uri.path())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now(answer) => f.debug_tuple("Now").field(answer).finish(),
            Self::Later(_) => f.write_str("Later"),
            Self::ByMessage => f.write_str("ByMessage"),
        }
    }
}

/// An authenticator that services share. Two are equal when they are the same one.
#[derive(Clone, Debug)]
pub struct Authentication(Arc<dyn Authenticator>);

impl Authentication {
    /// By this authenticator.
    pub fn new(authenticator: impl Authenticator + 'static) -> Self {
        Self(Arc::new(authenticator))
    }
}

impl Deref for Authentication {
    type Target = dyn Authenticator;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl PartialEq for Authentication {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Authentication {}
