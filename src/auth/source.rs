//! Where a token is in a request, and how it is taken out.

use std::fmt;
use std::str::FromStr;

use http::header::{AUTHORIZATION, HeaderName};
use http::{HeaderMap, Uri};

use crate::fields::Fields;
use crate::identity::{cookies, take_out};

/// Where a token is looked for: `header`, `header:NAME`, `query:NAME`, `cookie:NAME`, `message`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The field; in `Authorization` behind `Bearer`. (RFC 6750 §2.1)
    Header(HeaderName),
    /// The parameter of the query.
    Query(String),
    /// The cookie.
    Cookie(String),
    /// The first message of the session.
    Message,
}

/// Behind which a token stands in `Authorization`.
const BEARER: &str = "bearer ";

impl Source {
    /// The token, if the request has one here; an empty one is none.
    pub(super) fn find(&self, uri: &Uri, fields: &Fields) -> Option<String> {
        self.first(uri, fields).filter(|token| !token.is_empty())
    }

    fn first(&self, uri: &Uri, fields: &Fields) -> Option<String> {
        match self {
            Self::Header(name) => {
                let value = fields.get(name)?.text()?;
                if *name != AUTHORIZATION {
                    return Some(value.trim().to_owned());
                }
                let scheme = value.get(..BEARER.len())?;
                scheme
                    .eq_ignore_ascii_case(BEARER)
                    .then(|| value[BEARER.len()..].trim().to_owned())
            }
            Self::Query(wanted) => {
                let mut pairs = form_urlencoded::parse(uri.query()?.as_bytes());
                pairs
                    .find(|(name, value)| name == wanted && !value.is_empty())
                    .map(|(_, value)| value.into_owned())
            }
            Self::Cookie(wanted) => cookies(fields)
                .find(|(name, value)| *name == wanted.as_bytes() && !value.is_empty())
                .and_then(|(_, value)| str::from_utf8(value).ok())
                .map(str::to_owned),
            Self::Message => None,
        }
    }

    /// Takes it out, whatever it is; the other cookies and parameters stay.
    pub(super) fn strip(&self, uri: &mut Uri, headers: &mut HeaderMap) {
        match self {
            Self::Header(name) => drop(headers.remove(name)),
            Self::Query(wanted) => strip_query(uri, wanted),
            Self::Cookie(wanted) => take_out(headers, |name| name == wanted.as_bytes()),
            Self::Message => {}
        }
    }
}

fn strip_query(uri: &mut Uri, wanted: &str) {
    let Some(query) = uri.query() else { return };
    let is_other = |pair: &&str| {
        let name = form_urlencoded::parse(pair.as_bytes()).next();
        name.is_none_or(|(name, _)| name != wanted)
    };
    let others: Vec<_> = query.split('&').filter(is_other).collect();
    let target = match others.is_empty() {
        true => uri.path().to_owned(),
        false => format!("{}?{}", uri.path(), others.join("&")),
    };
    let mut parts = std::mem::take(uri).into_parts();
    parts.path_and_query = target.parse().ok();
    *uri = Uri::from_parts(parts).unwrap_or_default();
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, name) = text.split_once(':').unwrap_or((text, ""));
        let is_token = HeaderName::from_str(name).is_ok();
        match kind {
            "header" if !text.contains(':') => Ok(Self::Header(AUTHORIZATION)),
            "header" if is_token => Ok(Self::Header(
                HeaderName::from_str(name).map_err(|error| error.to_string())?,
            )),
            "query" if !name.is_empty() => Ok(Self::Query(name.to_owned())),
            "cookie" if is_token => Ok(Self::Cookie(name.to_owned())),
            "message" if !text.contains(':') => Ok(Self::Message),
            _ => Err(format!(
                "{text:?} is no place of a token; write \"header\", \"header:NAME\", \"query:NAME\", \"cookie:NAME\" or \"message\""
            )),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) if *name == AUTHORIZATION => f.write_str("header"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Query(name) => write!(f, "query:{name}"),
            Self::Cookie(name) => write!(f, "cookie:{name}"),
            Self::Message => f.write_str("message"),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::header::{COOKIE, HeaderValue};

    use super::*;

    fn find(source: &str, target: &str, name: HeaderName, line: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.append(name, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        let source: Source = source.parse().unwrap();
        source.find(&target.parse().unwrap(), &headers.into())
    }

    /// Other cookies may have any bytes.
    #[test]
    fn strange_cookies_hide_no_token() {
        for line in [
            "city=M\u{fc}nchen; session=x",
            "session=x; city=M\u{fc}nchen",
        ] {
            let found = find("cookie:session", "/", COOKIE, line);
            assert_eq!(found.as_deref(), Some("x"), "{line}");
        }
    }

    /// What is empty is not there, so that what comes later is looked at.
    #[test]
    fn empty_is_missing() {
        assert_eq!(find("cookie:session", "/", COOKIE, "session=; a=b"), None);
        assert_eq!(find("query:t", "/?t=&a=b", COOKIE, ""), None);
        assert_eq!(find("header", "/", AUTHORIZATION, "Bearer "), None);
        assert_eq!(
            find(
                "header:x-token",
                "/",
                HeaderName::from_static("x-token"),
                ""
            ),
            None
        );
        let later = find("cookie:session", "/", COOKIE, "session=; session=x");
        assert_eq!(later.as_deref(), Some("x"));
        assert_eq!(
            find("query:t", "/?t=&t=x", COOKIE, "").as_deref(),
            Some("x")
        );
    }

    /// Only the token goes; what stands beside it stays, in its order.
    #[test]
    fn token_alone_is_taken_out() {
        let mut uri: Uri = "/s/0/a/xhr?a=1&to%6ben=x&b=2&token=y".parse().unwrap();
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("a=1; token=x;b=2"));
        headers.append(COOKIE, HeaderValue::from_static("token=x"));
        headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer x"));
        for source in ["header", "query:token", "cookie:token"] {
            let source: Source = source.parse().unwrap();
            source.strip(&mut uri, &mut headers);
        }
        assert_eq!(uri, "/s/0/a/xhr?a=1&b=2");
        let cookies: Vec<_> = headers.get_all(COOKIE).iter().collect();
        assert_eq!(cookies, ["a=1; b=2"]);
        assert!(!headers.contains_key(AUTHORIZATION));
    }
}
