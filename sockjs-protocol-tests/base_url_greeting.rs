//! The service's own URL: greeting, and 404 around it.

use crate::support::Server;

/// The base URL, with and without a slash, answers a fixed greeting and sets no cookie.
/// (sockjs-protocol, BaseUrlGreeting.test_greeting)
#[test]
fn test_greeting() {
    let server = Server::start();
    for path in ["/echo", "/echo/"] {
        let response = server.get(path);
        response.assert_is(200, "Welcome to SockJS!\n");
        response
            .head
            .assert_content_type("text/plain; charset=UTF-8");
        response.head.assert_no_cookie();
    }
}

/// Anything else below the base URL that is not a SockJS URL is 404.
/// (sockjs-protocol, BaseUrlGreeting.test_notFound)
#[test]
fn test_notFound() {
    let server = Server::start();
    for suffix in ["/a", "/a.html", "//", "///", "/a/a", "/a/a/", "/a/"] {
        server.get(&format!("/echo{suffix}")).assert_not_found();
    }
}
