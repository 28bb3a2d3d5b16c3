//! Who makes a request, as far as it matters for sessions: whether it opens one, and which ones are there for it.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use http::header::HeaderValue;

use crate::protocol::CloseReason;

use super::binding::{BindingCookies, Secret};
use super::{Identity, Refusal};

/// Whom a session belongs to. By default nobody, which takes no memory.
#[derive(Clone, Debug, Default)]
pub struct Owner(Option<Box<Known>>);

#[derive(Clone, Debug, Default)]
struct Known {
    identity: OnceLock<Arc<Identity>>,
    cookie: Option<Secret>,
}

impl Owner {
    /// Who opened it, where services ask.
    pub fn identity(&self) -> Option<&Arc<Identity>> {
        self.0.as_ref()?.identity.get()
    }

    /// It is known now, where the caller who [`opens`](Caller::opens) was to say it later; the first time counts.
    pub(crate) fn identify(&self, identity: &Arc<Identity>) {
        debug_assert!(self.0.is_some(), "it was to be said later");
        if let Some(known) = &self.0 {
            known.identity.get_or_init(|| Arc::clone(identity));
        }
    }

    fn cookie(&self) -> Option<&Secret> {
        self.0.as_ref()?.cookie.as_ref()
    }
}

/// What ties a request to sessions.
#[derive(Clone, Debug, Default)]
pub(crate) enum Tie {
    /// Who makes it.
    Identity,
    /// Its cookies.
    Cookies(Box<BindingCookies>),
    /// Nothing but the id of the session.
    #[default]
    None,
}

/// Who makes a request. By default anybody, who may do anything.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    identity: Option<Arc<Identity>>,
    refusal: Option<CloseReason>,
    /// The session's first message says who it is.
    says_later: bool,
    tie: Tie,
    address: Option<IpAddr>,
    transport: &'static str,
}

impl Caller {
    /// As an authenticator answered, where there is one.
    pub(crate) fn new(answer: Option<Result<Arc<Identity>, Refusal>>, tie: Tie) -> Self {
        let (identity, refusal) = match answer {
            None => (None, None),
            Some(Ok(identity)) => (Some(identity), None),
            Some(Err(refusal)) => (refusal.expired, Some(refusal.reason)),
        };
        Self {
            identity,
            refusal,
            tie,
            ..Self::default()
        }
    }

    /// Who says it in the first message of the session that it opens.
    pub(crate) fn unsaid(tie: Tie) -> Self {
        Self {
            says_later: true,
            tie,
            ..Self::default()
        }
    }

    /// Of a request that is for a session which lives, and nobody has to know who makes it: it opens none.
    pub(crate) fn unasked(tie: Tie) -> Self {
        Self::refused(CloseReason::INTERRUPTED, tie)
    }

    /// Who may open none, whoever it is: that was not asked.
    pub(crate) fn refused(reason: CloseReason, tie: Tie) -> Self {
        Self {
            refusal: Some(reason),
            tie,
            ..Self::default()
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

    /// Who it is, if that is known and still holds.
    pub(crate) fn identity(&self) -> Option<&Arc<Identity>> {
        self.identity.as_ref().filter(|_| self.refusal.is_none())
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
    pub fn opens(&self) -> Result<Owner, CloseReason> {
        if let Some(reason) = &self.refusal {
            return Err(reason.clone());
        }
        let identity = self.identity.clone();
        let cookie = match &self.tie {
            Tie::Cookies(cookies) => cookies.chosen(),
            Tie::Identity | Tie::None => None,
        };
        let is_known = identity.is_some() || cookie.is_some() || self.says_later;
        let known = || Known {
            identity: identity.map_or_else(OnceLock::new, OnceLock::from),
            cookie,
        };
        Ok(Owner(is_known.then(known).map(Box::new)))
    }

    /// `Set-Cookie` for the answer that opens a session under `prefix`, when that is bound to a cookie that the browser has not.
    pub(crate) fn set_cookie(&self, prefix: &str, secure: bool) -> Option<HeaderValue> {
        match &self.tie {
            Tie::Cookies(cookies) => cookies.set_cookie(prefix, secure),
            Tie::Identity | Tie::None => None,
        }
    }

    /// Whether sessions are bound to cookies.
    pub(crate) const fn is_tied_by_cookies(&self) -> bool {
        matches!(self.tie, Tie::Cookies(_))
    }

    /// Whether a session of `owner` is there for this caller. Once it `ended`, also for one whose token has expired since.
    pub fn reaches(&self, owner: &Owner, ended: bool) -> bool {
        // Unknown where one of the two is.
        let is_owner = || {
            let both = owner.identity().zip(self.identity.as_ref());
            both.map(|(owned, own)| owned.is_same(own))
        };
        match &self.tie {
            Tie::None => true,
            Tie::Identity => is_owner() == Some(true) && (ended || self.refusal.is_none()),
            // No token is needed then, but somebody else's is one too many.
            Tie::Cookies(cookies) => {
                let is_there = owner.cookie().is_some_and(|secret| cookies.have(secret));
                is_there && is_owner() != Some(false)
            }
        }
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
            proof: None,
        })
    }

    /// Only the owner reaches a session: not another subject, nor the same subject of another issuer, nor nobody.
    #[test]
    fn sessions_are_there_for_their_owner_only() {
        let owner = identity("i", "a");
        let caller = |identity| Caller::new(Some(Ok(identity)), Tie::Identity);
        let owner = caller(owner).opens().expect("it is let in");
        assert!(caller(identity("i", "a")).reaches(&owner, false));
        assert!(!caller(identity("i", "b")).reaches(&owner, false));
        assert!(!caller(identity("j", "a")).reaches(&owner, false));
        assert!(!caller(identity("i", "a")).reaches(&Owner::default(), false));
        let free = Caller::new(Some(Ok(identity("i", "b"))), Tie::None);
        assert!(free.reaches(&owner, false));
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
        let opener = Caller::new(Some(Ok(owner)), Tie::Identity);
        let owner = opener.opens().expect("it is let in");
        let caller = Caller::new(Some(Err(refusal)), Tie::Identity);
        assert!(caller.opens().is_err());
        assert!(!caller.reaches(&owner, false));
        assert!(caller.reaches(&owner, true));
    }

    /// The cookie alone counts, with a token or without, but for a token of somebody else.
    #[test]
    fn sessions_are_there_for_their_cookie_only() {
        let caller = |who: Option<&str>, cookie: Option<HeaderValue>| {
            let mut headers = http::HeaderMap::new();
            headers.extend(cookie.map(|cookie| (http::header::COOKIE, cookie)));
            let cookies = BindingCookies::of(&headers.into(), || ([1; 16], 1));
            let answer = who.map(|who| Ok(identity("i", who)));
            Caller::new(answer, Tie::Cookies(Box::new(cookies)))
        };
        let opener = caller(Some("a"), None);
        let owner = opener.opens().expect("it is let in");
        let cookie = || opener.set_cookie("/s", true);
        assert!(caller(Some("a"), cookie()).reaches(&owner, false));
        assert!(caller(None, cookie()).reaches(&owner, false));
        assert!(!caller(Some("b"), cookie()).reaches(&owner, false));
        assert!(!caller(Some("a"), None).reaches(&owner, false));
        assert!(!caller(None, cookie()).reaches(&Owner::default(), false));
    }
}
