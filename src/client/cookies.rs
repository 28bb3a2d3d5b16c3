//! Cookies that servers set, as far as keeping a session with one server needs them: one jar per client. Pure: time is an
//! argument. Source: RFC 6265 §5. Not kept: `Domain`, so a cookie goes back to the host that set it and to no other.

use std::time::{Duration, Instant, SystemTime};

use crate::outward::{AnswerFields, Kept};

/// Cookies in a jar; the oldest goes.
const MAX_COOKIES: usize = 50;
/// Bytes of a name and value. (RFC 6265 §6.1: at least 4096)
const MAX_SIZE: usize = 4096;

#[derive(Debug)]
struct Cookie {
    host: String,
    name: String,
    value: String,
    path: String,
    secure: bool,
    /// `None`: as long as the client lives.
    expires: Option<Instant>,
}

/// The `Set-Cookie` fields of an answer, and its `Date`.
#[derive(Debug)]
pub(super) struct SetCookies {
    pub(super) fields: Vec<String>,
    pub(super) date: Option<String>,
}

impl SetCookies {
    /// `None` without cookies. Fields that are not UTF-8 are none.
    pub(super) fn new<'a>(
        fields: impl Iterator<Item = &'a [u8]>,
        mut dates: impl Iterator<Item = &'a [u8]>,
    ) -> Option<Box<Self>> {
        let text = |value: &[u8]| str::from_utf8(value).ok().map(ToOwned::to_owned);
        let fields: Vec<_> = fields.filter_map(text).collect();
        (!fields.is_empty()).then(|| {
            Box::new(Self {
                fields,
                date: dates.next().and_then(text),
            })
        })
    }
}

impl Kept for Option<Box<SetCookies>> {
    fn of(fields: AnswerFields<'_>) -> Self {
        SetCookies::new(fields.values("set-cookie"), fields.values("date"))
    }
}

/// What servers have set.
#[derive(Debug, Default)]
pub(super) struct Jar {
    cookies: Vec<Cookie>,
}

/// What a request is about, or was.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope<'a> {
    pub(super) host: &'a str,
    pub(super) secure: bool,
    /// Path and query.
    pub(super) target: &'a str,
}

impl Scope<'_> {
    fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

impl Jar {
    /// Takes one `Set-Cookie` field of the answer to `scope`, whose `Date` field says what the server takes for now.
    pub(super) fn set(&mut self, now: Instant, scope: Scope<'_>, field: &str, date: Option<&str>) {
        let mut parts = field.split(';');
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
            return;
        };
        let (name, value) = (name.trim(), value.trim());
        let printable = |text: &str| text.bytes().all(|byte| (0x20..0x7F).contains(&byte));
        let fits = name.len() + value.len() <= MAX_SIZE;
        if name.is_empty() || !fits || !printable(name) || !printable(value) {
            return;
        }
        let mut cookie = Cookie {
            host: scope.host.to_ascii_lowercase(),
            name: name.to_owned(),
            value: value.to_owned(),
            path: default_path(scope.path()).to_owned(),
            secure: false,
            expires: None,
        };
        let (mut max_age, mut expires) = (None, None);
        for part in parts {
            let (attribute, value) = part.split_once('=').unwrap_or((part, ""));
            let value = value.trim();
            match attribute.trim().to_ascii_lowercase().as_str() {
                "path" if value.starts_with('/') && value.len() <= MAX_SIZE => {
                    value.clone_into(&mut cookie.path);
                }
                "secure" => cookie.secure = true,
                "max-age" => max_age = value.parse::<i64>().ok().or(max_age),
                "expires" => expires = lifetime(value, date).or(expires),
                _ => {}
            }
        }
        // Max-Age goes before Expires. (RFC 6265 §5.3)
        let lifetime = match max_age {
            Some(seconds) => Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0))),
            None => expires,
        };
        let same = |known: &Cookie| {
            (&known.host, &known.name, &known.path) == (&cookie.host, &cookie.name, &cookie.path)
        };
        let known = self.cookies.iter().position(same);
        if lifetime == Some(Duration::ZERO) {
            known.map(|known| self.cookies.remove(known));
            return;
        }
        cookie.expires = lifetime.and_then(|lifetime| now.checked_add(lifetime));
        match known.and_then(|known| self.cookies.get_mut(known)) {
            Some(known) => *known = cookie,
            None => {
                if self.cookies.len() == MAX_COOKIES {
                    self.cookies.remove(0);
                }
                self.cookies.push(cookie);
            }
        }
    }

    /// The `Cookie` field of a request to `scope`: `a=1; b=2`, longer paths first. `None` without cookies.
    pub(super) fn field(&mut self, now: Instant, scope: Scope<'_>) -> Option<String> {
        self.cookies
            .retain(|cookie| cookie.expires.is_none_or(|expires| now < expires));
        let goes = |cookie: &&Cookie| {
            cookie.host.eq_ignore_ascii_case(scope.host)
                && (scope.secure || !cookie.secure)
                && path_matches(scope.path(), &cookie.path)
        };
        let mut going: Vec<_> = self.cookies.iter().filter(goes).collect();
        if going.is_empty() {
            return None;
        }
        going.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let pairs: Vec<_> = going
            .iter()
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        Some(pairs.join("; "))
    }
}

/// How long a cookie lives that is to expire at `expires`. Without a date of the server's, only one long ago is understood.
fn lifetime(expires: &str, date: Option<&str>) -> Option<Duration> {
    // Some servers write 01-Jan-1970, which RFC 6265 §5.1.1 reads and HTTP dates are not.
    let expires = httpdate::parse_http_date(&expires.replace('-', " ")).ok()?;
    let date = date.and_then(|date| httpdate::parse_http_date(date).ok());
    let now = match date {
        Some(now) => now,
        None if expires < SystemTime::UNIX_EPOCH + Duration::from_secs(86_400) => expires,
        None => return None,
    };
    Some(expires.duration_since(now).unwrap_or_default())
}

/// RFC 6265 §5.1.4
fn default_path(path: &str) -> &str {
    match path.rfind('/') {
        Some(at @ 1..) => &path[..at],
        _ => "/",
    }
}

/// RFC 6265 §5.1.4
fn path_matches(path: &str, cookie: &str) -> bool {
    path.strip_prefix(cookie)
        .is_some_and(|rest| rest.is_empty() || cookie.ends_with('/') || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCOPE: Scope<'static> = Scope {
        host: "a.example",
        secure: false,
        target: "/echo/0/abc/xhr?t=1",
    };

    fn epoch() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn after(fields: &[&str]) -> Option<String> {
        let now = epoch();
        let mut jar = Jar::default();
        for field in fields {
            jar.set(now, SCOPE, field, Some("Tue, 24 Nov 2026 12:00:00 GMT"));
        }
        jar.field(now, SCOPE)
    }

    /// sockjs-protocol, `JsessionidCookie`: what balancers need.
    #[test]
    fn cookies_come_back_with_their_value_unchanged() {
        assert_eq!(
            after(&["JSESSIONID=abc=def==; path=/"]).as_deref(),
            Some("JSESSIONID=abc=def==")
        );
        assert_eq!(after(&["a=1", "b=2", "a=3"]).as_deref(), Some("a=3; b=2"));
        assert_eq!(
            after(&["a=1; Path=/", "b=2; path=/echo"]).as_deref(),
            Some("b=2; a=1")
        );
    }

    /// RFC 6265 §5.1.4, §5.4
    #[test]
    fn cookies_stay_in_their_scope() {
        let now = epoch();
        let mut jar = Jar::default();
        jar.set(now, SCOPE, "narrow=1", None);
        jar.set(now, SCOPE, "wide=1; path=/echo", None);
        jar.set(now, SCOPE, "other=1; path=/ech", None);
        jar.set(now, SCOPE, "secret=1; path=/; Secure", None);
        let mut field = |scope: Scope<'_>| jar.field(now, scope);
        let at = |target| Scope { target, ..SCOPE };
        assert_eq!(
            field(at("/echo/0/abc/xhr_send")).as_deref(),
            Some("narrow=1; wide=1")
        );
        assert_eq!(field(at("/echo/info")).as_deref(), Some("wide=1"));
        assert_eq!(field(at("/echoes")), None);
        assert_eq!(
            field(Scope {
                host: "b.example",
                ..SCOPE
            }),
            None
        );
        let secure = Scope {
            secure: true,
            ..at("/")
        };
        assert_eq!(field(secure).as_deref(), Some("secret=1"));
    }

    /// RFC 6265 §5.3
    #[test]
    fn cookies_expire() {
        for removal in [
            "a=; Max-Age=0",
            "a=; max-age=-1",
            "a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            "a=; Expires=Thu, 01-Jan-1970 00:00:00 GMT",
            "a=; expires=Tue, 24 Nov 2026 11:59:59 GMT",
        ] {
            assert_eq!(after(&["a=1", removal]), None, "{removal}");
        }
        let now = epoch();
        let mut jar = Jar::default();
        let date = Some("Tue, 24 Nov 2026 12:00:00 GMT");
        let expires = "b=1; Expires=Tue, 24 Nov 2026 12:01:00 GMT";
        jar.set(now, SCOPE, "a=1; Max-Age=10", None);
        jar.set(now, SCOPE, expires, date);
        let mut at = |seconds| jar.field(now + Duration::from_secs(seconds), SCOPE);
        assert_eq!(at(9).as_deref(), Some("a=1; b=1"));
        assert_eq!(at(10).as_deref(), Some("b=1"));
        assert_eq!(at(60), None);
    }

    /// Nothing that a server sets can grow without end or break a request.
    #[test]
    fn garbage_is_not_kept() {
        let long = format!("a={}", "x".repeat(MAX_SIZE));
        for garbage in [
            "",
            "=",
            "=x",
            "a",
            ";;;",
            "a\u{1}=x",
            "a=x\r\nEvil: y",
            "a=\u{e4}",
            &long,
        ] {
            assert_eq!(after(&[garbage]), None, "{garbage}");
        }
        assert_eq!(
            after(&["a=1; max-age=x; expires=y; path"]).as_deref(),
            Some("a=1")
        );
        let now = epoch();
        let mut jar = Jar::default();
        for number in 0..1000 {
            jar.set(now, SCOPE, &format!("c{number}=1"), None);
        }
        assert_eq!(jar.cookies.len(), MAX_COOKIES);
    }
}
