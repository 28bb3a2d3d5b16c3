//! Who opened a session, and whether a further request comes from the same: what an authenticator says of a request. How tokens are
//! verified is in [`crate::auth`].

mod binding;
mod caller;
mod cookies;

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Uri};

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

/// Finds out who makes a request, from its target and fields alone.
pub trait Authenticator: fmt::Debug + Send + Sync {
    /// Who makes it. Called for each request of a session, so it must be quick.
    ///
    /// # Errors
    /// Why nobody is let in.
    fn authenticate(&self, uri: &Uri, fields: &Fields) -> Result<Arc<Identity>, Refusal>;

    /// Takes out of a request what proves the identity, and every field that only an identity may set, before backends see it.
    fn strip(&self, uri: &mut Uri, headers: &mut HeaderMap);
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
