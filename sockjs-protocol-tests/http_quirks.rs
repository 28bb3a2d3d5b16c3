//! Requests that bend HTTP, which browsers and libraries send nevertheless.

use crate::support::{Request, Server, Session};

/// A POST without `Content-Length` has no body and opens a session like any other.
/// (sockjs-protocol, http-quirks HttpQuirks.test_emptyContentLengthForPost)
#[test]
fn test_emptyContentLengthForPost() {
    let server = Server::start();
    let request = Request::post(Session::new(&server, "/echo").url("/xhr"));
    server
        .request(&request.without_content_length())
        .assert_is(200, "o\n");
}
