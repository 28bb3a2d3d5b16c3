//! Who opened a session, and whether a further request comes from the same: what an authenticator says of a request. How tokens are
//! verified is in [`crate::auth`].

use std::fmt;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Uri};

use crate::fields::Fields;
use crate::moment::Moment;
use crate::protocol::CloseReason;

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

/// What ties further requests to the session that they name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionBinding {
    /// The identity that opened it.
    Identity,
    /// Nothing but the session's id.
    None,
}

/// Who makes a request, as far as it matters for sessions. By default anybody, who may do anything.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    identity: Option<Arc<Identity>>,
    refusal: Option<CloseReason>,
    bound: bool,
    address: Option<IpAddr>,
    transport: &'static str,
}

impl Caller {
    /// As an authenticator answered; further requests are tied to the session by `binding`.
    pub fn new(answer: Result<Arc<Identity>, Refusal>, binding: SessionBinding) -> Self {
        let (identity, refusal) = match answer {
            Ok(identity) => (Some(identity), None),
            Err(refusal) => (refusal.expired, Some(refusal.reason)),
        };
        Self {
            identity,
            refusal,
            bound: binding == SessionBinding::Identity,
            address: None,
            transport: "",
        }
    }

    /// Who asks from `address`, after trusted proxies: sessions are counted by it, but never bound to it.
    pub fn at(self, address: Option<IpAddr>) -> Self {
        Self { address, ..self }
    }

    /// Where the request came from.
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// Who asks on the transport of that name: sessions are counted by the one that opened them.
    pub fn on(self, transport: &'static str) -> Self {
        Self { transport, ..self }
    }

    /// The name of the transport; empty when nobody said.
    pub fn transport(&self) -> &'static str {
        self.transport
    }

    /// Whom a session that is opened now belongs to.
    ///
    /// # Errors
    /// The close frame to answer with: none may be opened.
    pub fn opens(&self) -> Result<Option<Arc<Identity>>, CloseReason> {
        match &self.refusal {
            Some(reason) => Err(reason.clone()),
            None => Ok(self.identity.clone()),
        }
    }

    /// Whether a session of `owner` is there for this caller. Once it `ended`, also for one whose token has expired since.
    pub fn reaches(&self, owner: Option<&Arc<Identity>>, ended: bool) -> bool {
        if !self.bound {
            return true;
        }
        let is_owner = match (owner, &self.identity) {
            (Some(owner), Some(own)) => owner.is_same(own),
            _ => false,
        };
        is_owner && (ended || self.refusal.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(issuer: &str, subject: &str) -> Arc<Identity> {
        Arc::new(Identity {
            issuer: Some(issuer.into()),
            subject: subject.into(),
            fields: Vec::new(),
            expires: None,
        })
    }

    /// Only the owner reaches a session: not another subject, nor the same subject of another issuer, nor nobody.
    #[test]
    fn sessions_are_there_for_their_owner_only() {
        let owner = identity("i", "a");
        let caller = |identity| Caller::new(Ok(identity), SessionBinding::Identity);
        assert!(caller(identity("i", "a")).reaches(Some(&owner), false));
        assert!(!caller(identity("i", "b")).reaches(Some(&owner), false));
        assert!(!caller(identity("j", "a")).reaches(Some(&owner), false));
        assert!(!caller(identity("i", "a")).reaches(None, false));
        let free = Caller::new(Ok(identity("i", "b")), SessionBinding::None);
        assert!(free.reaches(Some(&owner), false));
    }

    /// An expired token opens nothing and uses nothing, but its owner is told how the session ended.
    #[test]
    fn expired_token_is_told_of_the_end_only() {
        let owner = identity("i", "a");
        let refusal = Refusal {
            reason: CloseReason::new(4402, "expired"),
            why: "expired",
            expired: Some(Arc::clone(&owner)),
        };
        let caller = Caller::new(Err(refusal), SessionBinding::Identity);
        assert!(caller.opens().is_err());
        assert!(!caller.reaches(Some(&owner), false));
        assert!(caller.reaches(Some(&owner), true));
    }
}
