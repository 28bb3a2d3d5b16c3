//! The URL to examine, checked.

use ::http::Uri;

/// A SockJS service's URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// Without a slash at its end, e.g. `https://app.example.com/echo`.
    pub(super) url: String,
    /// As a browser sends it for a page of the same site.
    pub(super) origin: String,
}

impl Address {
    /// Reads `http://host/prefix` or `https://…`; the address of the doctor's own page is taken as well.
    ///
    /// # Errors
    /// What is wrong with it, and what it must look like.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| {
            Err(format!(
                "{text:?} {why}; give the address of a SockJS service, like https://app.example.com/echo"
            ))
        };
        if text.contains('#') {
            return wrong("has a fragment");
        }
        let Ok(uri) = text.parse::<Uri>() else {
            return wrong("is not a URL");
        };
        let scheme = match uri.scheme_str() {
            Some(scheme @ ("http" | "https")) => scheme,
            Some("ws" | "wss") => {
                return wrong("starts with ws:// or wss://, and SockJS with http:// or https://");
            }
            _ => return wrong("does not start with http:// or https://"),
        };
        let authority = uri
            .authority()
            .filter(|authority| !authority.host().is_empty());
        let Some(authority) = authority else {
            return wrong("names no host");
        };
        if authority.as_str().contains('@') {
            return wrong("has a user name, which browsers do not send");
        }
        let has_port = authority.as_str().len() > authority.host().len();
        if has_port && !matches!(authority.port_u16(), Some(1..)) {
            return wrong("has a port that is not a number from 1 to 65535");
        }
        if uri.query().is_some() {
            return wrong("has a query");
        }
        let path = uri.path().trim_end_matches('/');
        let path = path.strip_suffix("/doctor").unwrap_or(path);
        Ok(Self {
            url: format!("{scheme}://{authority}{path}"),
            origin: format!("{scheme}://{authority}"),
        })
    }
}

impl Address {
    /// The site of the page, when that is not the service's own.
    pub(super) fn foreign_origin(&self) -> Option<&str> {
        let own = format!("{}/", self.url).starts_with(&format!("{}/", self.origin));
        (!own).then_some(self.origin.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However the address was copied, the service is found.
    #[test]
    fn addresses_are_read() {
        for (text, url, origin) in [
            (
                "http://a.example/echo",
                "http://a.example/echo",
                "http://a.example",
            ),
            (
                "https://a.example:8443/echo/",
                "https://a.example:8443/echo",
                "https://a.example:8443",
            ),
            (
                "http://a.example/echo/doctor",
                "http://a.example/echo",
                "http://a.example",
            ),
            (
                "http://[::1]:81/x/doctor/",
                "http://[::1]:81/x",
                "http://[::1]:81",
            ),
            ("http://a.example", "http://a.example", "http://a.example"),
        ] {
            let address = Address::parse(text).expect("a valid address");
            assert_eq!(
                (address.url.as_str(), address.origin.as_str()),
                (url, origin)
            );
        }
    }

    /// What cannot be an address is refused, with what it should look like.
    #[test]
    fn other_texts_are_refused() {
        for (text, why) in [
            ("", "is not a URL"),
            ("a.example/echo", "is not a URL"),
            ("/echo", "does not start with http://"),
            ("ftp://a.example/", "does not start with http://"),
            ("ws://a.example/echo", "ws://"),
            ("http://u:p@a.example/", "user name"),
            ("http://a.example/echo?x=1", "query"),
            ("http://a.example/echo#x", "fragment"),
            ("http://a.example:99999/", "port"),
            ("http://a.example:0/", "port"),
        ] {
            let error = Address::parse(text).expect_err("must be refused");
            assert!(
                error.contains(why) && error.contains("https://app.example.com/echo"),
                "{text}: {error}"
            );
        }
    }
}
