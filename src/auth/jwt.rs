//! JSON Web Tokens in JWS compact serialization. (RFC 7519, RFC 7515 §7.1, RFC 8725)

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Uri};

use crate::fields::Fields;
use crate::identity::{Authenticator, Identity, Refusal};
use crate::protocol::CloseReason;
use crate::registry::now;

use super::claims::Claims;
use super::key::Keys;
use super::source::Source;

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
    /// Fields that upstreams get, and the claims that are their values. Default none.
    pub upstream_fields: Vec<(HeaderName, String)>,
    /// Whether backends see the token. Default no.
    pub pass_token: bool,
    /// What a browser without a token that is right gets. Default 4401 `Unauthorized`.
    pub refused: CloseReason,
    /// What a session ends with when its token expires, and what one gets who comes with an expired one. Default 4402
    /// `Token expired`.
    pub expired: CloseReason,
}

impl Default for JwtConfig {
    fn default() -> Self {
        Self {
            sources: vec![Source::Header(http::header::AUTHORIZATION)],
            audience: Vec::new(),
            issuer: Vec::new(),
            leeway: Duration::from_secs(30),
            require_expiry: true,
            upstream_fields: Vec::new(),
            pass_token: false,
            refused: CloseReason::new(4401, "Unauthorized"),
            expired: CloseReason::new(4402, "Token expired"),
        }
    }
}

/// Verifies tokens.
#[derive(Debug)]
pub struct Jwt {
    keys: Keys,
    config: JwtConfig,
}

/// Longest token that is looked at, in bytes.
const LONGEST: usize = 16 * 1024;

/// A token that is right, but for its time.
struct Verified {
    identity: Identity,
    is_over: bool,
}

impl Jwt {
    /// With these keys.
    pub fn new(keys: Keys, config: JwtConfig) -> Self {
        Self { keys, config }
    }

    fn verify(&self, token: &str, seconds: f64) -> Result<Verified, &'static str> {
        if token.len() > LONGEST {
            return Err("the token is too long");
        }
        let mut parts = token.split('.');
        let (Some(head), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err("not a signed token");
        };
        let header = decode(head).ok_or("its header is not JSON with unique names")?;
        // Extensions that must be understood: none is. (RFC 7515 §4.1.11)
        if header.0.contains_key("crit") {
            return Err("it has a critical extension");
        }
        let id = match header.0.get("kid") {
            None => None,
            Some(id) => Some(id.as_str().ok_or("its kid is not a text")?),
        };
        let algorithm = header.text("alg").ok_or("it has no algorithm")?;
        let signed = &token.as_bytes()[..head.len() + 1 + payload.len()];
        let signature = URL_SAFE_NO_PAD.decode(signature);
        let signature = signature.map_err(|_| "its signature is not base64url")?;
        if !self.keys.verify(algorithm, id, signed, &signature) {
            return Err("no key verifies its signature with its algorithm");
        }
        let claims = decode(payload).ok_or("its claims are not JSON with unique names")?;
        self.judge(&claims, seconds)
    }

    fn judge(&self, claims: &Claims, seconds: f64) -> Result<Verified, &'static str> {
        let config = &self.config;
        if !config.audience.is_empty() && !claims.has_one_of("aud", &config.audience) {
            return Err("it is for another audience");
        }
        let issuer = claims.text("iss");
        let is_known = |issuer: &str| config.issuer.iter().any(|known| known == issuer);
        if !config.issuer.is_empty() && !issuer.is_some_and(is_known) {
            return Err("it is of another issuer");
        }
        let subject = claims.text("sub").filter(|subject| !subject.is_empty());
        let subject = subject.ok_or("it has no subject")?;
        let leeway = config.leeway.as_secs_f64();
        let begins = claims.date("nbf").map_err(|()| "its nbf is not a number")?;
        if begins.is_some_and(|begins| begins - leeway > seconds) {
            return Err("it is not valid yet");
        }
        let ends = claims.date("exp").map_err(|()| "its exp is not a number")?;
        if ends.is_none() && config.require_expiry {
            return Err("it has no exp");
        }
        let mut fields = Vec::with_capacity(config.upstream_fields.len());
        for (name, claim) in &config.upstream_fields {
            if let Some(text) = claims.field(claim) {
                let value = HeaderValue::from_bytes(text.as_bytes());
                fields.push((name.clone(), value.map_err(|_| "a claim is no field")?));
            }
        }
        let left = ends.map(|ends| ends + leeway - seconds);
        let expires = left.map(|left| {
            // What is centuries away is as good as never.
            let left = Duration::try_from_secs_f64(left.clamp(0.0, 1e10)).unwrap_or_default();
            (now() + left, config.expired.clone())
        });
        Ok(Verified {
            is_over: left.is_some_and(|left| left <= 0.0),
            identity: Identity {
                issuer: issuer.map(Into::into),
                subject: subject.into(),
                fields,
                expires,
            },
        })
    }
}

impl Authenticator for Jwt {
    fn authenticate(&self, uri: &Uri, fields: &Fields) -> Result<Arc<Identity>, Refusal> {
        let refusal = |why| Refusal {
            reason: self.config.refused.clone(),
            why,
            expired: None,
        };
        let mut sources = self.config.sources.iter();
        let token = sources.find_map(|source| source.find(uri, fields));
        let token = token.ok_or_else(|| refusal("there is no token"))?;
        let verified = self.verify(&token, wall_clock()).map_err(refusal)?;
        let identity = Arc::new(verified.identity);
        if verified.is_over {
            return Err(Refusal {
                reason: self.config.expired.clone(),
                why: "it has expired",
                expired: Some(identity),
            });
        }
        Ok(identity)
    }

    fn strip(&self, uri: &mut Uri, headers: &mut HeaderMap) {
        if !self.config.pass_token {
            for source in &self.config.sources {
                source.strip(uri, headers);
            }
        }
        // Some servers take `x_user` for `x-user`.
        let plain = |name: &HeaderName| name.as_str().replace('_', "-");
        let own = self.config.upstream_fields.iter();
        let own: Vec<_> = own.map(|(name, _)| plain(name)).collect();
        let forged = headers.keys().filter(|name| own.contains(&plain(name)));
        for name in forged.cloned().collect::<Vec<_>>() {
            headers.remove(name);
        }
    }
}

fn decode(part: &str) -> Option<Claims> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// Seconds since 1970.
#[allow(
    clippy::disallowed_methods,
    reason = "tokens say calendar time, and nothing else does"
)]
fn wall_clock() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}
