//! JSON Web Tokens in JWS compact serialization. (RFC 7519, RFC 7515 §7.1, RFC 8725)

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, Uri};

use crate::identity::{Authenticator, Decision, Identity, Inquiry, Preparing, Refusal};
use crate::registry::now;

use super::claims::Claims;
use super::clock::wall_clock;
use super::key::{Keys, Verdict};
use super::remote::{JwksConfig, RemoteKeys};
use super::source::Source;
use super::terms::Terms;

/// What an operator can set about tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JwtConfig {
    /// Where tokens are; the first place that has one counts. Default `Authorization: Bearer`.
    pub sources: Vec<Source>,
    /// One of these must be in `aud`. Empty, the default, asks for none.
    pub audience: Vec<String>,
    /// One of these must be `iss`. Empty, the default, asks for none.
    pub issuer: Vec<String>,
    /// How far clocks may be apart. Default 30 s.
    pub leeway: Duration,
    /// Whether a token without `exp` is refused. Default yes.
    pub require_expiry: bool,
    /// Whether backends see the token. Default no.
    pub pass_token: bool,
    /// The time that the first message of a session has to come, where it is a source. Default 10 s.
    pub message_timeout: Duration,
    /// What `typ` must be, like `at+jwt`, without regard to case. Default anything. (RFC 8725 §3.11)
    pub token_type: Option<String>,
    /// How it refuses, and what upstreams get.
    pub terms: Terms,
}

impl Default for JwtConfig {
    fn default() -> Self {
        Self {
            sources: vec![Source::Header(http::header::AUTHORIZATION)],
            audience: Vec::new(),
            issuer: Vec::new(),
            leeway: Duration::from_secs(30),
            require_expiry: true,
            pass_token: false,
            message_timeout: Duration::from_secs(10),
            token_type: None,
            terms: Terms::default(),
        }
    }
}

/// Verifies tokens. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Jwt(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    keys: KeySource,
    config: JwtConfig,
}

/// Where keys come from.
#[derive(Debug)]
enum KeySource {
    Fixed(Keys),
    Remote(RemoteKeys),
}

/// Longest token that is looked at, in bytes.
const LONGEST: usize = 16 * 1024;

/// Why a token does not hold.
enum Wrong {
    /// For good.
    Token(&'static str),
    /// But for its time: it was right, until it expired.
    Expired(Arc<Identity>),
    /// There is no such key.
    UnknownKey,
}

impl From<&'static str> for Wrong {
    fn from(why: &'static str) -> Self {
        Self::Token(why)
    }
}

impl Jwt {
    /// With these keys.
    pub fn new(keys: Keys, config: JwtConfig) -> Self {
        let keys = KeySource::Fixed(keys);
        Self(Arc::new(Inner { keys, config }))
    }

    /// With the keys at a URL. They are read by [`Authenticator::prepare`], or else when the first token comes.
    ///
    /// # Errors
    /// What is wrong with the URL, the certificates or the times.
    pub fn with_url(keys: JwksConfig, config: JwtConfig) -> Result<Self, String> {
        let keys = KeySource::Remote(RemoteKeys::new(keys)?);
        Ok(Self(Arc::new(Inner { keys, config })))
    }

    /// Who the bearer of `token` is.
    fn decide(&self, token: &str) -> Decision {
        let inner = &self.0;
        let remote = match &inner.keys {
            KeySource::Fixed(keys) => {
                let verified = inner.verify(keys, token, wall_clock());
                return Decision::Now(verified.map_err(|wrong| inner.refusal(wrong)));
            }
            KeySource::Remote(remote) => remote,
        };
        remote.start();
        let refusal = match inner.verify_with_current(remote, token) {
            Err(refusal) if refusal.is_of_keys => refusal,
            decided => return Decision::Now(decided.map_err(|refusal| refusal.refusal)),
        };
        let (jwt, token) = (self.clone(), token.to_owned());
        // Keys are read once this is polled: it may yet be found that nothing can come of it.
        Decision::Later(Box::pin(async move {
            let KeySource::Remote(remote) = &jwt.0.keys else {
                return Err(refusal.refusal);
            };
            remote.renew().await;
            let decided = jwt.0.verify_with_current(remote, &token);
            decided.map_err(|refusal| refusal.refusal)
        }))
    }
}

/// A refusal, and whether other keys might change it.
struct KeyedRefusal {
    refusal: Refusal,
    is_of_keys: bool,
}

impl Inner {
    fn refusal(&self, wrong: Wrong) -> Refusal {
        let terms = &self.config.terms;
        match wrong {
            Wrong::Token(why) => terms.refuse(why),
            Wrong::UnknownKey => terms.refuse("no key fits its algorithm and kid"),
            Wrong::Expired(identity) => Refusal {
                reason: terms.expired.clone(),
                why: "it has expired",
                expired: Some(identity),
            },
        }
    }

    fn verify_with_current(
        &self,
        remote: &RemoteKeys,
        token: &str,
    ) -> Result<Arc<Identity>, KeyedRefusal> {
        let Some(keys) = remote.current() else {
            return Err(KeyedRefusal {
                refusal: self.config.terms.unavailable("the keys have not been read"),
                is_of_keys: true,
            });
        };
        let verified = self.verify(&keys, token, wall_clock());
        verified.map_err(|wrong| {
            let is_of_keys = matches!(wrong, Wrong::UnknownKey);
            let refusal = match is_of_keys && remote.fails() {
                // It may be among those that could not be read.
                true => self.config.terms.unavailable(
                    "no key fits its algorithm and kid, and keys could not be read the last time",
                ),
                false => self.refusal(wrong),
            };
            KeyedRefusal {
                refusal,
                is_of_keys,
            }
        })
    }

    fn verify(&self, keys: &Keys, token: &str, seconds: f64) -> Result<Arc<Identity>, Wrong> {
        if token.len() > LONGEST {
            return Err(Wrong::Token("the token is too long"));
        }
        let mut parts = token.split('.');
        let (Some(head), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Wrong::Token("not a signed token"));
        };
        let header = decode(head).ok_or("its header is not JSON with unique names")?;
        // Extensions that must be understood: none is. (RFC 7515 §4.1.11)
        if header.0.contains_key("crit") {
            return Err(Wrong::Token("it has a critical extension"));
        }
        let id = match header.0.get("kid") {
            None => None,
            Some(id) => Some(id.as_str().ok_or("its kid is not a text")?),
        };
        if let Some(wanted) = &self.config.token_type
            && !header.text("typ").is_some_and(|own| is_type(own, wanted))
        {
            return Err(Wrong::Token("it is of another type"));
        }
        let algorithm = header.text("alg").ok_or("it has no algorithm")?;
        let signed = &token.as_bytes()[..head.len() + 1 + payload.len()];
        let signature = URL_SAFE_NO_PAD.decode(signature);
        let signature = signature.map_err(|_| "its signature is not base64url")?;
        match keys.verify(algorithm, id, signed, &signature) {
            Verdict::Right => {}
            Verdict::Wrong => return Err(Wrong::Token("its signature is wrong")),
            Verdict::UnknownKey => return Err(Wrong::UnknownKey),
            Verdict::SeveralKeys => {
                return Err(Wrong::Token(
                    "several keys fit, and it has no kid that tells which",
                ));
            }
        }
        let claims = decode(payload).ok_or("its claims are not JSON with unique names")?;
        let proof = keys.are_public().then(|| digest(token));
        self.judge(&claims, proof, seconds)
    }

    fn judge(
        &self,
        claims: &Claims,
        proof: Option<[u8; 32]>,
        seconds: f64,
    ) -> Result<Arc<Identity>, Wrong> {
        let config = &self.config;
        if !config.audience.is_empty() && !claims.has_one_of("aud", &config.audience) {
            return Err(Wrong::Token("it is for another audience"));
        }
        let issuer = claims.text("iss");
        let is_known = |issuer: &str| config.issuer.iter().any(|known| known == issuer);
        if !config.issuer.is_empty() && !issuer.is_some_and(is_known) {
            return Err(Wrong::Token("it is of another issuer"));
        }
        let subject = claims.text("sub").filter(|subject| !subject.is_empty());
        let subject = subject.ok_or("it has no subject")?;
        let leeway = config.leeway.as_secs_f64();
        let begins = claims.date("nbf").map_err(|()| "its nbf is not a number")?;
        if begins.is_some_and(|begins| begins - leeway > seconds) {
            return Err(Wrong::Token("it is not valid yet"));
        }
        let ends = claims.date("exp").map_err(|()| "its exp is not a number")?;
        if ends.is_none() && config.require_expiry {
            return Err(Wrong::Token("it has no exp"));
        }
        let left = ends.map(|ends| ends + leeway - seconds);
        let expires = left.map(|left| {
            // What is centuries away is as good as never.
            let left = Duration::try_from_secs_f64(left.clamp(0.0, 1e10)).unwrap_or_default();
            (now() + left, config.terms.expired.clone())
        });
        let identity = Arc::new(Identity {
            issuer: issuer.map(Into::into),
            subject: subject.into(),
            fields: config.terms.fields(claims)?,
            expires,
            proof,
        });
        match left {
            Some(left) if left <= 0.0 => Err(Wrong::Expired(identity)),
            _ => Ok(identity),
        }
    }

    /// The owner of a session who comes with the token that opened it: what a signature costs need not be paid again.
    fn known_again(&self, owner: &Arc<Identity>, token: &str) -> Option<Decision> {
        if owner.proof? != digest(token) {
            return None;
        }
        let expires = owner.expires.as_ref();
        let expired = expires.is_some_and(|(moment, _)| *moment <= now());
        Some(Decision::Now(match expired {
            true => Err(self.refusal(Wrong::Expired(Arc::clone(owner)))),
            false => Ok(Arc::clone(owner)),
        }))
    }
}

impl Authenticator for Jwt {
    fn authenticate(&self, inquiry: &Inquiry<'_>) -> Decision {
        let config = &self.0.config;
        let mut sources = config.sources.iter();
        let token = sources.find_map(|source| source.find(inquiry.uri, inquiry.fields));
        let Some(token) = token else {
            return match config.sources.contains(&Source::Message) {
                true => Decision::ByMessage,
                false => Decision::Now(Err(config.terms.refuse("there is no token"))),
            };
        };
        let known = inquiry
            .owner
            .and_then(|owner| self.0.known_again(owner, &token));
        known.unwrap_or_else(|| self.decide(&token))
    }

    fn strip(&self, uri: &mut Uri, headers: &mut HeaderMap) {
        if !self.0.config.pass_token {
            for source in &self.0.config.sources {
                source.strip(uri, headers);
            }
        }
        self.0.config.terms.strip(headers);
    }

    /// Signatures of shared secrets cost no more than to find out whether it is the same token.
    fn knows_again(&self) -> bool {
        match &self.0.keys {
            KeySource::Fixed(keys) => keys.are_public(),
            KeySource::Remote(_) => true,
        }
    }

    fn prepare(&self) -> Preparing<'_> {
        match &self.0.keys {
            KeySource::Fixed(_) => Box::pin(std::future::ready(Ok(()))),
            KeySource::Remote(remote) => Box::pin(remote.prepare()),
        }
    }

    fn message_timeout(&self) -> Option<Duration> {
        let config = &self.0.config;
        config
            .sources
            .contains(&Source::Message)
            .then_some(config.message_timeout)
    }

    fn authenticate_message(&self, text: Option<&str>) -> Decision {
        match text {
            Some(token) => self.decide(token.trim()),
            None => Decision::Now(Err(self
                .0
                .config
                .terms
                .refuse("no token came as the first message"))),
        }
    }
}

/// Whether both are the same media type; `application/` may be left out. (RFC 7515 §4.1.9)
fn is_type(own: &str, wanted: &str) -> bool {
    let short = |name: &str| {
        name.to_ascii_lowercase()
            .trim_start_matches("application/")
            .to_owned()
    };
    short(own) == short(wanted)
}

fn digest(token: &str) -> [u8; 32] {
    let digest = ring::digest::digest(&ring::digest::SHA256, token.as_bytes());
    digest.as_ref().try_into().unwrap_or_default()
}

fn decode(part: &str) -> Option<Claims> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}
