//! Where the service is: its URL, taken apart once, and the requests' targets made from it. Pure.

use http::Uri;

/// `http://host:port/path?query`, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) secure: bool,
    /// Without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// As in the `Host` field: `host`, `host:port`, `[::1]:port`.
    pub(crate) authority: String,
    /// Without a slash at the end.
    path: String,
    query: Option<String>,
}

impl Address {
    /// As it is told to people: the query may hold secrets.
    pub(crate) fn without_query(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}{}", self.authority, self.path)
    }

    /// Takes `http://`, `https://`, `ws://` and `wss://` URLs. Slashes at the end of the path are lost, the query is kept.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(url: &str) -> Result<Self, &'static str> {
        if url.contains('#') {
            return Err("it has a fragment; leave out # and what follows");
        }
        let uri: Uri = url
            .parse()
            .map_err(|_| "it is not a URL like http://host/prefix")?;
        let secure = match uri.scheme_str() {
            Some("http" | "ws") => false,
            Some("https" | "wss") => true,
            _ => return Err("it does not start with http:// or https://"),
        };
        let authority = uri.authority().ok_or("it names no host")?;
        if authority.as_str().contains('@') {
            return Err("it has a user name; pass the authorization header instead");
        }
        let host = authority.host().trim_matches(['[', ']']);
        if host.is_empty() {
            return Err("it names no host");
        }
        let given = authority.as_str().strip_prefix(authority.host());
        let port = match given.and_then(|rest| rest.strip_prefix(':')) {
            None => 80 + u16::from(secure) * 363,
            Some(port) => match port.parse() {
                Ok(port @ 1..) => port,
                _ => return Err("its port is not a number from 1 to 65535"),
            },
        };
        Ok(Self {
            secure,
            host: host.to_owned(),
            port,
            authority: authority.as_str().to_owned(),
            path: uri.path().trim_end_matches('/').to_owned(),
            query: uri.query().map(ToOwned::to_owned),
        })
    }

    /// The address that `base_url` of `/info` means, which may be relative to this one. The query stays.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub(crate) fn join(&self, base_url: &str) -> Result<Self, &'static str> {
        let scheme = if self.secure { "https" } else { "http" };
        let authority = &self.authority;
        let mut joined = if base_url.contains("://") {
            Self::parse(base_url)?
        } else if base_url.starts_with("//") {
            Self::parse(&format!("{scheme}:{base_url}"))?
        } else if base_url.starts_with('/') {
            Self::parse(&format!("{scheme}://{authority}{base_url}"))?
        } else {
            let folder = self.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            Self::parse(&format!("{scheme}://{authority}{folder}/{base_url}"))?
        };
        if self.secure && !joined.secure {
            return Err("it leads from https to http");
        }
        if joined.query.is_none() {
            joined.query.clone_from(&self.query);
        }
        Ok(joined)
    }

    /// Path and query of a request to `below`, e.g. `/echo/info?token=x`.
    pub(crate) fn target(&self, below: &str) -> String {
        let path = &self.path;
        match &self.query {
            Some(query) => format!("{path}/{below}?{query}"),
            None => format!("{path}/{below}"),
        }
    }

    /// The URL of a WebSocket at `target`.
    pub(crate) fn websocket_url(&self, target: &str) -> String {
        let scheme = if self.secure { "wss" } else { "ws" };
        format!("{scheme}://{}{target}", self.authority)
    }

    /// Whether both are the same server.
    pub(crate) fn same_server(&self, other: &Self) -> bool {
        (self.secure, self.port) == (other.secure, other.port)
            && self.host.eq_ignore_ascii_case(&other.host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(url: &str) -> Address {
        Address::parse(url).expect("a URL")
    }

    /// sockjs-client, `lib/main.js`: slashes at the end are lost, the query stays on every request.
    #[test]
    fn targets_keep_the_query() {
        for (url, target) in [
            ("http://a/echo", "/echo/info"),
            ("http://a/echo//", "/echo/info"),
            ("http://a", "/info"),
            ("http://a/echo/?token=x%20y", "/echo/info?token=x%20y"),
            ("http://a?x", "/info?x"),
        ] {
            assert_eq!(address(url).target("info"), target, "{url}");
        }
    }

    #[test]
    fn hosts_and_ports_are_understood() {
        for (url, secure, host, port, authority) in [
            ("http://a.example/x", false, "a.example", 80, "a.example"),
            ("https://a.example", true, "a.example", 443, "a.example"),
            ("ws://[::1]:9/x", false, "::1", 9, "[::1]:9"),
            ("wss://a:8443", true, "a", 8443, "a:8443"),
        ] {
            let address = address(url);
            let parts = (address.secure, &*address.host, address.port);
            assert_eq!(parts, (secure, host, port), "{url}");
            assert_eq!(address.authority, authority);
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (url, what) in [
            ("a/echo", "http://"),
            ("ftp://a", "http://"),
            ("http://a/#x", "fragment"),
            ("http://u:p@a/", "authorization"),
            ("http://a:0/", "port"),
            ("http://a:99999/", "port"),
            ("http:///x", "URL"),
        ] {
            let error = Address::parse(url).unwrap_err();
            assert!(error.contains(what), "{url}: {error}");
        }
    }

    /// `base_url` may be absolute, or relative to the service.
    #[test]
    fn base_url_is_joined() {
        let from = address("http://a:8/x/echo?q=1");
        for (base_url, url) in [
            ("http://b/other", "http://b/other?q=1"),
            ("//b:9/other/", "http://b:9/other?q=1"),
            ("/other", "http://a:8/other?q=1"),
            ("other?z=2", "http://a:8/x/other?z=2"),
        ] {
            assert_eq!(from.join(base_url), Ok(address(url)), "{base_url}");
        }
        assert!(address("https://a/x").join("http://a/x").is_err());
    }
}
