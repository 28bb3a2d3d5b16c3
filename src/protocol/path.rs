//! URLs below a service's prefix. The raw path is compared: nothing is decoded or normalised before routing.

/// What the path below the prefix asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// The prefix itself, with or without a slash. (sockjs-protocol, `BaseUrlGreeting.test_greeting`)
    Greeting,
    /// `/info`
    Info,
    /// `/iframe.html`, `/iframe-VERSION.html`. (sockjs-protocol, `IframePage`)
    Iframe,
    /// `/websocket`: no SockJS framing. (sockjs-protocol, `RawWebsocket`)
    RawWebsocket,
    /// `/{server}/{session}/{transport}`; the server part has no meaning here. (sockjs-protocol,
    /// `SessionURLs.test_ignoringServerId`)
    Session {
        /// First segment: the same for all sessions of one client object.
        server: &'a str,
        /// The session id as it stands in the URL, undecoded.
        session: &'a str,
        /// Last segment: `xhr`, `websocket`, …
        transport: &'a str,
    },
    /// Any other single segment, such as a static file of the service.
    File(&'a str),
}

impl<'a> Route<'a> {
    /// Parses what follows the prefix: `""`, `"/"`, `"/info"`, `"/000/abcd/xhr"`. `None` means 404.
    ///
    /// One trailing slash is accepted on every route, as in sockjs-node. Empty segments and dots in server or session
    /// are not. (sockjs-protocol, `SessionURLs.test_invalidPaths`)
    pub fn parse(path: &'a str) -> Option<Self> {
        if matches!(path, "" | "/") {
            return Some(Self::Greeting);
        }
        let path = path.strip_prefix('/')?;
        let path = path.strip_suffix('/').unwrap_or(path);
        let Some((server, rest)) = cut(path) else {
            return match path {
                "" => None,
                "info" => Some(Self::Info),
                "websocket" => Some(Self::RawWebsocket),
                _ if is_iframe(path) => Some(Self::Iframe),
                _ => Some(Self::File(path)),
            };
        };
        let (session, transport) = cut(rest)?;
        let valid =
            cut(transport).is_none() && is_id(server) && is_id(session) && !transport.is_empty();
        valid.then_some(Self::Session {
            server,
            session,
            transport,
        })
    }
}

/// What stands before and behind the first slash.
fn cut(path: &str) -> Option<(&str, &str)> {
    let slash = memchr::memchr(b'/', path.as_bytes())?;
    Some((&path[..slash], &path[slash + 1..]))
}

/// A server or session segment: not empty and without a dot.
fn is_id(segment: &str) -> bool {
    !segment.is_empty() && memchr::memchr(b'.', segment.as_bytes()).is_none()
}

/// `iframe[0-9-.a-z_]*.html`
fn is_iframe(name: &str) -> bool {
    let middle = name
        .strip_prefix("iframe")
        .and_then(|rest| rest.strip_suffix(".html"));
    middle.is_some_and(|middle| {
        middle
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'-' | b'.' | b'_'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// sockjs-protocol, `SessionURLs.test_anyValue`
    #[test]
    fn session_urls_accept_any_server_and_session_without_dots() {
        for path in [
            "/a/a/xhr",
            "/_/_/xhr",
            "/1/1/xhr",
            "/abcdefgh_i-j%20/abcdefg_i-j%20/xhr",
            "/a/a/xhr/",
        ] {
            assert!(
                matches!(
                    Route::parse(path),
                    Some(Route::Session {
                        transport: "xhr",
                        ..
                    })
                ),
                "{path}"
            );
        }
        assert_eq!(
            Route::parse("/000/__proto__/websocket"),
            Some(Route::Session {
                server: "000",
                session: "__proto__",
                transport: "websocket"
            })
        );
    }

    /// sockjs-protocol, `SessionURLs.test_invalidPaths`
    #[test]
    fn empty_or_dotted_segments_are_not_found() {
        for path in ["//", "/a./a", "/a/a.", "/./.", "/", "///"] {
            assert_eq!(Route::parse(&format!("{path}/xhr")), None, "{path}");
        }
        assert_eq!(Route::parse("/a/b/c/d"), None);
        assert_eq!(Route::parse("/a/a"), None);
        assert_eq!(Route::parse("//"), None);
        assert_eq!(Route::parse("///"), None);
    }

    /// sockjs-protocol, `IframePage`
    #[test]
    fn iframe_names_are_exact() {
        for name in [
            "iframe",
            "iframe-a",
            "iframe-",
            "iframe-0.1.2",
            "iframe-0.1.2abc-dirty.2144",
        ] {
            assert_eq!(
                Route::parse(&format!("/{name}.html")),
                Some(Route::Iframe),
                "{name}"
            );
        }
        for name in [
            "iframe.htm",
            "iframe",
            "IFRAME.HTML",
            "IFRAME",
            "iframe.HTML",
            "iframe.xml",
            "iframexhtml",
        ] {
            assert!(
                matches!(Route::parse(&format!("/{name}")), Some(Route::File(_))),
                "{name}"
            );
        }
        assert_eq!(Route::parse("/iframe-/.html"), None);
    }
}
