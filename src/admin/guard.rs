//! Who may ask. A listener without a token trusts whoever reaches it, which pages in the operator's own browser do too: such
//! requests are told by what browsers add to them.

use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, ORIGIN};
use http::uri::Authority;
use http::{Method, StatusCode};

use crate::fields::{FieldValue, Fields};
use crate::transport::Request;

use super::token::Token;

/// What is asked of requests.
pub(super) struct Guard {
    /// Without one, browsers reach the listener without knowing anything: a Unix socket too, where it is forwarded to a port of the
    /// operator's machine.
    token: Option<Token>,
}

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The token is missing or wrong.
    Token,
    /// It came under a name that is not this machine's.
    Host,
    /// A page of another site made it.
    Origin,
    /// It would change something, and any page could have sent it.
    NotJson,
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

impl Refusal {
    pub(super) const fn status(self) -> StatusCode {
        match self {
            Self::Token => StatusCode::UNAUTHORIZED,
            Self::Host | Self::Origin => StatusCode::FORBIDDEN,
            Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
    }

    pub(super) const fn what(self) -> &'static str {
        match self {
            Self::Token => {
                "a token is required: Authorization: Bearer, with what the file of admin.token_file has"
            }
            Self::Host => {
                "the admin listener is asked under a name that is not this machine's; use 127.0.0.1, [::1] or localhost, or set admin.token_file"
            }
            Self::Origin => "a page of another site may not ask the admin listener",
            Self::NotJson => "a POST needs Content-Type: application/json",
        }
    }
}

impl Guard {
    pub(super) fn new(token: Option<Token>) -> Self {
        Self { token }
    }

    /// Whether a request for the page or its files may be answered.
    pub(super) fn admit_page(&self, fields: &Fields) -> Result<(), Refusal> {
        // A name that a stranger's server gave for 127.0.0.1 would make this page one of the stranger's site. (DNS rebinding)
        if self.token.is_none() && !is_local(fields.get(&HOST)) {
            return Err(Refusal::Host);
        }
        Ok(())
    }

    /// Whether a request to the API may be answered.
    pub(super) fn admit(&self, method: &Method, fields: &Fields) -> Result<(), Refusal> {
        if let Some(token) = &self.token {
            let given = fields.get(&AUTHORIZATION).and_then(bearer);
            if !given.is_some_and(|given| token.is(given)) {
                return Err(Refusal::Token);
            }
        }
        self.admit_page(fields)?;
        if !is_of_own_page(fields) {
            return Err(Refusal::Origin);
        }
        // Forms and simple requests of other sites cannot say so. (Fetch, CORS-safelisted request-header)
        if method == Method::POST && !is_json(fields.get(&CONTENT_TYPE)) {
            return Err(Refusal::NotJson);
        }
        Ok(())
    }
}

/// Whether an absolute target and `Host` name one host: the target's would count (RFC 9112 §3.2.2), and clients must send the same in both
/// (§3.2).
pub(super) fn says_one_host(request: &Request) -> bool {
    let field = || request.fields.get(&HOST).map(FieldValue::as_bytes);
    let target = request.uri.authority().map(Authority::as_str);
    target.is_none_or(|target| {
        field().is_some_and(|field| field.eq_ignore_ascii_case(target.as_bytes()))
    })
}

fn bearer(value: FieldValue<'_>) -> Option<&[u8]> {
    let bytes = value.as_bytes();
    let (scheme, token) = bytes.split_at_checked(b"Bearer ".len())?;
    let token = token.trim_ascii();
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
}

fn is_local(host: Option<FieldValue<'_>>) -> bool {
    // HTTP/1.0 knows no names, and browsers do not speak it.
    let Some(host) = host else { return true };
    let authority = host.text().and_then(|host| host.parse::<Authority>().ok());
    authority.is_some_and(|authority| {
        let host = authority.host();
        let address = host.trim_start_matches('[').trim_end_matches(']');
        let address = address.parse::<std::net::IpAddr>();
        host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|it| it.is_loopback())
    })
}

/// Whether a request comes from a page that was served here, or from no page.
fn is_of_own_page(fields: &Fields) -> bool {
    let site = fields.get(&SEC_FETCH_SITE).map(FieldValue::as_bytes);
    if site.is_some_and(|site| ![&b"same-origin"[..], b"none"].contains(&site)) {
        return false;
    }
    let Some(origin) = fields.get(&ORIGIN) else {
        return true;
    };
    let host = fields.get(&HOST).and_then(FieldValue::text);
    // A proxy with TLS in front changes the scheme.
    let authority = origin.text().and_then(|origin| {
        let scheme = ["http://", "https://"].iter();
        scheme
            .filter_map(|scheme| origin.strip_prefix(scheme))
            .next()
    });
    authority.is_some_and(|authority| host.is_some_and(|host| host.eq_ignore_ascii_case(authority)))
}

fn is_json(content_type: Option<FieldValue<'_>>) -> bool {
    let content_type = content_type.and_then(FieldValue::text).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn fields(list: &[(&'static str, &str)]) -> Fields {
        let mut map = HeaderMap::new();
        for (name, value) in list {
            map.append(*name, value.parse().unwrap());
        }
        map.into()
    }

    fn guard(token: Option<&str>) -> Guard {
        Guard::new(token.map(Token::from))
    }

    const JSON: (&str, &str) = ("content-type", "application/json");

    /// Another name for 127.0.0.1 is a stranger's: the page that asks is one of its site. (DNS rebinding)
    #[test]
    fn names_that_are_not_this_machines_are_refused() {
        let open = guard(None);
        for host in ["127.0.0.1:8082", "localhost", "LOCALHOST:1", "[::1]:8082"] {
            let fields = fields(&[("host", host)]);
            assert_eq!(open.admit(&Method::GET, &fields), Ok(()), "{host}");
        }
        for host in [
            "evil.example:8082",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "10.0.0.1",
            "user@evil.example",
        ] {
            let fields = fields(&[("host", host)]);
            assert_eq!(
                open.admit(&Method::GET, &fields),
                Err(Refusal::Host),
                "{host}"
            );
            assert_eq!(open.admit_page(&fields), Err(Refusal::Host), "{host}");
        }
    }

    /// Pages of other sites are kept out, also those of another port, and of sandboxed frames.
    #[test]
    fn pages_of_other_sites_are_refused() {
        let open = guard(None);
        let host = ("host", "127.0.0.1:8082");
        let ask = |more: (&'static str, &str)| open.admit(&Method::GET, &fields(&[host, more]));
        for origin in ["http://127.0.0.1:8082", "https://127.0.0.1:8082"] {
            assert_eq!(ask(("origin", origin)), Ok(()), "{origin}");
        }
        for origin in [
            "null",
            "http://127.0.0.1:8081",
            "http://127.0.0.1",
            "https://evil.example",
            "file://",
        ] {
            assert_eq!(ask(("origin", origin)), Err(Refusal::Origin), "{origin}");
        }
        assert_eq!(ask(("sec-fetch-site", "same-origin")), Ok(()));
        assert_eq!(ask(("sec-fetch-site", "none")), Ok(()));
        assert_eq!(ask(("sec-fetch-site", "cross-site")), Err(Refusal::Origin));
        assert_eq!(ask(("sec-fetch-site", "same-site")), Err(Refusal::Origin));
    }

    /// What a form can send changes nothing.
    #[test]
    fn changes_need_what_forms_cannot_say() {
        let open = guard(None);
        let host = ("host", "127.0.0.1:8082");
        let post = |kind: &str| open.admit(&Method::POST, &fields(&[host, ("content-type", kind)]));
        assert_eq!(post("application/json"), Ok(()));
        assert_eq!(post("application/json; charset=utf-8"), Ok(()));
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "text/plain; application/json",
            "",
        ] {
            assert_eq!(post(kind), Err(Refusal::NotJson), "{kind}");
        }
        assert_eq!(
            open.admit(&Method::POST, &fields(&[host])),
            Err(Refusal::NotJson)
        );
    }

    /// With a token nothing is answered without, whatever the name; the page's files are, so that it can ask for it.
    #[test]
    fn tokens_are_compared_whole() {
        let guard = guard(Some("0123456789abcdef"));
        let ask = |token: &str| {
            let fields = fields(&[
                ("host", "admin.example.com"),
                ("authorization", token),
                JSON,
            ]);
            guard.admit(&Method::POST, &fields)
        };
        assert_eq!(ask("Bearer 0123456789abcdef"), Ok(()));
        assert_eq!(ask("bearer 0123456789abcdef"), Ok(()));
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer 0123456789abcde",
            "Bearer 0123456789abcdef0",
            "Bearer 0123456789abcdeF",
            "Basic 0123456789abcdef",
            "0123456789abcdef",
        ] {
            assert_eq!(ask(wrong), Err(Refusal::Token), "{wrong:?}");
        }
        assert_eq!(
            guard.admit_page(&fields(&[("host", "admin.example.com")])),
            Ok(())
        );
    }
}
