//! Assertions on whole responses and on the header sets that many URLs share.

use super::http::{Head, Request, Response, has_token};
use super::server::Server;

impl Head {
    /// Spaces do not count, case does.
    #[track_caller]
    pub(crate) fn assert_content_type(&self, expected: &str) {
        let sent = self.header("Content-Type").unwrap_or_default();
        assert_eq!(
            sent.replace(' ', ""),
            expected.replace(' ', ""),
            "Content-Type"
        );
    }

    /// Never stored, never transformed by proxies; no validator or date that invites a cache.
    #[track_caller]
    pub(crate) fn assert_not_cached(&self) {
        let expected = "no-store, no-cache, no-transform, must-revalidate, max-age=0";
        assert_eq!(self.header("Cache-Control"), Some(expected));
        assert_eq!(self.header("Expires"), None, "Expires");
        assert_eq!(self.header("Last-Modified"), None, "Last-Modified");
    }

    /// `public`, `max-age` of at least seven digits, and a matching `Expires` in the future.
    #[track_caller]
    pub(crate) fn assert_cached_for_long(&self) {
        let control = self
            .header("Cache-Control")
            .expect("Cache-Control is there");
        assert!(has_token(control, "public"), "not public: {control}");
        let seconds = control
            .split(',')
            .find_map(|item| item.trim().strip_prefix("max-age="))
            .expect("Cache-Control has max-age");
        let is_long = seconds.len() >= 7
            && !seconds.starts_with('0')
            && seconds.bytes().all(|byte| byte.is_ascii_digit());
        assert!(is_long, "max-age is too short: {control}");
        let expires = http_date(self.header("Expires").expect("Expires is there"));
        if let Some(date) = self.header("Date") {
            assert!(expires > http_date(date), "Expires is in the past");
        }
    }

    /// With an origin, it is reflected and credentials are allowed; without one, anybody may read but
    /// nobody gets credentials.
    #[track_caller]
    pub(crate) fn assert_cors(&self, origin: Option<&str>) {
        assert_eq!(
            self.header("Access-Control-Allow-Origin"),
            Some(origin.unwrap_or("*"))
        );
        assert_eq!(
            self.header("Access-Control-Allow-Credentials"),
            origin.map(|_| "true"),
            "Access-Control-Allow-Credentials"
        );
    }

    #[track_caller]
    pub(crate) fn assert_no_cookie(&self) {
        assert_eq!(self.all("Set-Cookie"), [""; 0]);
    }

    /// Exactly one `Set-Cookie: JSESSIONID=<value>; path=/`, where further attributes may follow.
    #[track_caller]
    pub(crate) fn assert_session_cookie(&self, value: &str) {
        let cookies: Vec<_> = self
            .all("Set-Cookie")
            .into_iter()
            .filter(|cookie| cookie.starts_with("JSESSIONID="))
            .collect();
        assert_eq!(cookies.len(), 1, "one JSESSIONID cookie: {self:?}");
        let parts: Vec<_> = cookies[0].split(';').map(str::trim).collect();
        assert_eq!(parts[0], format!("JSESSIONID={value}"));
        let first_attribute = parts.get(1).map(|part| part.to_ascii_lowercase());
        assert_eq!(first_attribute.as_deref(), Some("path=/"));
    }
}

impl Response {
    #[track_caller]
    pub(crate) fn assert_is(&self, status: u16, body: &str) {
        self.assert_body(body);
        assert_eq!(self.head.status, status, "{self:?}");
    }

    #[track_caller]
    pub(crate) fn assert_body(&self, expected: &str) {
        assert_eq!(
            String::from_utf8_lossy(&self.body),
            expected,
            "status {}",
            self.head.status
        );
    }

    /// 500 whose body names the fault in one line, which the node build of sockjs-client cannot take
    /// for a frame: it looks for a line feed and for `o`, `h`, `a` or `c` at the start.
    #[track_caller]
    pub(crate) fn assert_refused_with(&self, text: &str) {
        let body = String::from_utf8_lossy(&self.body);
        assert_eq!(self.head.status, 500, "{body}");
        assert!(body.contains(text), "{body:?} lacks {text:?}");
        assert!(!body.contains('\n'), "more than one line: {body:?}");
        assert!(
            !body.starts_with(['o', 'h', 'a', 'c']),
            "looks like a frame: {body:?}"
        );
    }

    #[track_caller]
    pub(crate) fn assert_not_found(&self) {
        assert_eq!(self.head.status, 404, "{self:?}");
    }

    /// 405, no body and no type, and an `Allow` list with `allowed` but without `refused`.
    #[track_caller]
    pub(crate) fn assert_method_not_allowed(&self, allowed: &str, refused: &str) {
        self.assert_is(405, "");
        assert_eq!(self.head.header("Content-Type"), None, "Content-Type");
        let allow = self.head.header("Allow").expect("Allow is there");
        assert!(has_token(allow, allowed), "Allow lacks {allowed}: {allow}");
        assert!(!has_token(allow, refused), "Allow has {refused}: {allow}");
    }
}

/// Preflights of `path` for the origins `test` and `null`: empty, cacheable, allowing `methods`.
///
/// Like the official suite it asks for the whole list in `Access-Control-Request-Method`, which no
/// browser does and which must not be held against it.
#[track_caller]
pub(crate) fn assert_preflight(server: &Server, path: &str, methods: &[&str]) {
    for origin in ["test", "null"] {
        let request = Request::options(path)
            .header("Access-Control-Request-Method", methods.join(", "))
            .header("Origin", origin);
        let response = server.request(&request);
        let head = &response.head;
        assert!(matches!(head.status, 200 | 204), "{response:?}");
        response.assert_body("");
        head.assert_cached_for_long();
        head.assert_cors(Some(origin));
        let age = head
            .header("Access-Control-Max-Age")
            .expect("Access-Control-Max-Age is there");
        let age: u64 = age.parse().expect("Access-Control-Max-Age is a number");
        assert!(age > 1_000_000, "Access-Control-Max-Age is short: {age}");
        let allowed = head
            .header("Access-Control-Allow-Methods")
            .expect("Access-Control-Allow-Methods is there");
        for method in methods {
            assert!(has_token(allowed, method), "{method} not in {allowed}");
        }
    }
}

/// Year, month, day and time of `Sun, 06 Nov 1994 08:49:37 GMT`, in an order that compares.
#[track_caller]
fn http_date(date: &str) -> (u16, usize, u8, String) {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let parts: Vec<_> = date.split(' ').collect();
    let [weekday, day, month, year, time, "GMT"] = parts[..] else {
        panic!("not an HTTP date: {date:?}");
    };
    assert!(
        date.len() == 29 && weekday.ends_with(','),
        "not an HTTP date: {date:?}"
    );
    (
        year.parse().expect("the year is a number"),
        MONTHS
            .iter()
            .position(|name| *name == month)
            .expect("the month has an English name"),
        day.parse().expect("the day is a number"),
        time.to_owned(),
    )
}
