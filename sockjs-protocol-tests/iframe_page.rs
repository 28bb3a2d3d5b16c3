//! `/iframe*.html`: the page that lets transports without CORS cross domains.

use crate::support::{Request, Server};

const BEFORE_SCRIPT_URL: &str = r#"<!DOCTYPE html>
<html>
<head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
  <script src=""#;

const AFTER_SCRIPT_URL: &str = r#""></script>
  <script>
    document.domain = document.domain;
    SockJS.bootstrap_iframe();
  </script>
</head>
<body>
  <h2>Don't panic!</h2>
  <p>This is a SockJS hidden iframe. It's used for cross domain magic.</p>
</body>
</html>"#;

/// The page is served, cacheable, with the exact text around the script's URL.
/// (sockjs-protocol, IframePage.test_simpleUrl)
#[test]
fn test_simpleUrl() {
    assert_page(&Server::start(), "/echo/iframe.html");
}

/// A version after `iframe-` in the name does not matter.
/// (sockjs-protocol, IframePage.test_versionedUrl)
#[test]
fn test_versionedUrl() {
    let server = Server::start();
    for name in [
        "iframe-a.html",
        "iframe-.html",
        "iframe-0.1.2.html",
        "iframe-0.1.2abc-dirty.2144.html",
    ] {
        assert_page(&server, &format!("/echo/{name}"));
    }
}

/// A query, which browsers use against their cache, does not matter.
/// (sockjs-protocol, IframePage.test_queriedUrl)
#[test]
fn test_queriedUrl() {
    let server = Server::start();
    for name in [
        "iframe-a.html?t=1234",
        "iframe-0.1.2.html?t=123414",
        "iframe-0.1.2abc-dirty.2144.html?t=qweqweq123",
    ] {
        assert_page(&server, &format!("/echo/{name}"));
    }
}

/// Near misses of the name are 404. (sockjs-protocol, IframePage.test_invalidUrl)
#[test]
fn test_invalidUrl() {
    let server = Server::start();
    for name in [
        "iframe.htm",
        "iframe",
        "IFRAME.HTML",
        "IFRAME",
        "iframe.HTML",
        "iframe.xml",
        "iframe-/.html",
    ] {
        server.get(&format!("/echo/{name}")).assert_not_found();
    }
}

/// The ETag is stable, and asking with it gives a bare 304.
/// (sockjs-protocol, IframePage.test_cacheability)
#[test]
fn test_cacheability() {
    let server = Server::start();
    let first = server.get("/echo/iframe.html");
    let second = server.get("/echo/iframe.html");
    let tag = first.head.header("ETag").expect("ETag is there");
    assert_eq!(second.head.header("ETag"), Some(tag));

    let again = server.request(&Request::get("/echo/iframe.html").header("If-None-Match", tag));
    again.assert_is(304, "");
    assert_eq!(again.head.header("Content-Type"), None);
}

#[track_caller]
fn assert_page(server: &Server, path: &str) {
    let response = server.get(path);
    let head = &response.head;
    assert_eq!(head.status, 200, "{path}");
    head.assert_content_type("text/html; charset=UTF-8");
    head.assert_cached_for_long();
    assert_eq!(head.header("Last-Modified"), None);
    head.assert_no_cookie();
    let tag = head.header("ETag").expect("ETag is there");
    let opaque = tag.strip_prefix("W/").unwrap_or(tag);
    assert!(
        opaque.len() > 2 && opaque.starts_with('"') && opaque.ends_with('"'),
        "not an entity tag (RFC 9110 §8.8.3): {tag}"
    );

    let page = String::from_utf8(response.body).expect("the page is UTF-8");
    let script_url = page
        .trim()
        .strip_prefix(BEFORE_SCRIPT_URL)
        .and_then(|rest| rest.strip_suffix(AFTER_SCRIPT_URL))
        .unwrap_or_else(|| panic!("not the iframe page: {page}"));
    assert!(
        (script_url.starts_with('/') || script_url.starts_with("http"))
            && !script_url.contains(['"', '<', '>']),
        "not a script URL: {script_url:?}"
    );
}
