//! What ties further requests to a session, and the cookie that can. (RFC 6265)

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::HeaderValue;

use crate::fields::Fields;
use crate::secret::is_same;

use super::cookies::{cookies, take_out};

/// What ties further requests to the session that they name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionBinding {
    /// The identity that opened it.
    Identity,
    /// A random cookie, set by the answer that opens it.
    Cookie,
    /// Nothing but the session's id.
    None,
}

/// With this the names of binding cookies begin. What follows differs, so that of two sessions that a browser opens at a time,
/// while it has no such cookie, neither takes the other's away.
const NAME: &str = "sockjs-binding-";
/// Most binding cookies of a request that are looked at.
const MOST: usize = 16;

/// The value of a binding cookie.
#[derive(Clone)]
pub(crate) struct Secret([u8; 16]);

impl Secret {
    fn is(&self, other: &Self) -> bool {
        is_same(&self.0, &other.0)
    }
}

/// Nothing of it.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// A binding cookie to be set.
#[derive(Clone, Debug)]
struct Fresh {
    tail: u16,
    secret: Secret,
}

/// The binding cookies of a request.
#[derive(Clone, Debug)]
pub(crate) struct BindingCookies {
    presented: Vec<Secret>,
    /// For a session that is opened, where none is presented.
    fresh: Option<Fresh>,
}

impl BindingCookies {
    /// Those of a request; `random` is called when there is none.
    pub(crate) fn of(fields: &Fields, random: impl FnOnce() -> ([u8; 16], u16)) -> Self {
        let secret = |(name, value): (&[u8], &[u8])| {
            name.strip_prefix(NAME.as_bytes())?;
            let mut secret = [0; 16];
            let length = URL_SAFE_NO_PAD.decode_slice(value, &mut secret).ok()?;
            (length == secret.len()).then_some(Secret(secret))
        };
        let presented: Vec<_> = cookies(fields).filter_map(secret).take(MOST).collect();
        let fresh = presented.is_empty().then(|| {
            let (secret, tail) = random();
            let secret = Secret(secret);
            Fresh { tail, secret }
        });
        Self { presented, fresh }
    }

    /// Takes them out of a request.
    pub(crate) fn strip(headers: &mut HeaderMap) {
        take_out(headers, |name| name.starts_with(NAME.as_bytes()));
    }

    /// What a session that is opened now is bound to.
    pub(super) fn chosen(&self) -> Option<Secret> {
        let fresh = self.fresh.as_ref().map(|fresh| &fresh.secret);
        self.presented.first().or(fresh).cloned()
    }

    /// Whether one of them is `secret`.
    pub(super) fn have(&self, secret: &Secret) -> bool {
        self.presented.iter().any(|presented| presented.is(secret))
    }

    /// `Set-Cookie` for a service under `prefix`, when the browser has none yet.
    ///
    /// Across sites browsers take and send only what says `SameSite=None`, and that only with `Secure`. With `Partitioned` those
    /// do too that keep third-party cookies out: each site that embeds the service has cookies of its own. (CHIPS)
    pub(super) fn set_cookie(&self, prefix: &str, secure: bool) -> Option<HeaderValue> {
        let Fresh { tail, secret } = self.fresh.as_ref()?;
        let value = URL_SAFE_NO_PAD.encode(secret.0);
        let path = match prefix {
            "" => "/",
            // It would end the attribute.
            prefix if prefix.contains(';') => "/",
            prefix => prefix,
        };
        let site = match secure {
            true => "Secure; SameSite=None; Partitioned",
            false => "SameSite=Lax",
        };
        let cookie = format!("{NAME}{tail:04x}={value}; Path={path}; HttpOnly; {site}");
        HeaderValue::from_str(&cookie).ok()
    }
}

#[cfg(test)]
mod tests {
    use http::header::COOKIE;

    use super::*;

    fn cookies_of(line: &str) -> BindingCookies {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, line.parse().expect("a value"));
        BindingCookies::of(&headers.into(), || ([7; 16], 0xabc))
    }

    /// Across sites a cookie needs `SameSite=None`, which needs `Secure`, which plain HTTP cannot have. (RFC 6265bis §5.7)
    #[test]
    fn cookie_is_as_the_scheme_allows() {
        let cookies = cookies_of("a=b");
        assert_eq!(
            cookies.set_cookie("/s", true).expect("it is fresh"),
            "sockjs-binding-0abc=BwcHBwcHBwcHBwcHBwcHBw; Path=/s; HttpOnly; Secure; SameSite=None; Partitioned"
        );
        assert_eq!(
            cookies.set_cookie("", false).expect("it is fresh"),
            "sockjs-binding-0abc=BwcHBwcHBwcHBwcHBwcHBw; Path=/; HttpOnly; SameSite=Lax"
        );
        let with_end = cookies.set_cookie("/a;b", false).expect("it is fresh");
        assert!(with_end.to_str().is_ok_and(|text| text.contains("Path=/;")));
    }

    /// Cookies beside it may have any bytes, and do not hide it.
    #[test]
    fn strange_cookies_hide_no_other() {
        for line in [
            "city=M\u{fc}nchen; sockjs-binding-1=AAAAAAAAAAAAAAAAAAAAAA",
            "sockjs-binding-1=AAAAAAAAAAAAAAAAAAAAAA; a\u{fc}=b;; =; c",
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(
                COOKIE,
                HeaderValue::from_bytes(line.as_bytes()).expect("a value"),
            );
            let cookies = BindingCookies::of(&headers.into(), || ([7; 16], 1));
            assert!(cookies.have(&Secret([0; 16])), "{line}");
        }
    }

    /// A browser that has a binding cookie gets no other, and any of several will do; what is none is not looked at.
    #[test]
    fn cookies_of_a_browser_are_used_again() {
        let own =
            "sockjs-binding-1=AAAAAAAAAAAAAAAAAAAAAA; sockjs-binding-2=AQEBAQEBAQEBAQEBAQEBAQ";
        let cookies = cookies_of(own);
        assert!(cookies.set_cookie("/s", true).is_none());
        assert!(cookies.have(&Secret([0; 16])) && cookies.have(&Secret([1; 16])));
        assert!(!cookies.have(&Secret([7; 16])));
        for none in [
            "sockjs-binding-1=AAAA",
            "sockjs-binding-1=",
            "x=AAAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert!(cookies_of(none).set_cookie("/s", true).is_some(), "{none}");
        }
        assert!(!format!("{cookies:?}").contains('0'));
    }
}
