//! `/<server>/<session>`: which session URLs exist, and which part names the session.

use crate::support::{Server, Session, random_id};

/// Server and session take any value without `/` and `.`, also percent escapes.
/// (sockjs-protocol, SessionURLs.test_anyValue)
#[test]
fn test_anyValue() {
    let server = Server::start();
    let id = random_id();
    for path in [
        format!("/a/a{id}"),
        format!("/_/_{id}"),
        format!("/1/{id}"),
        format!("/abcdefgh_i-j%20/abcdefg_i-j%20{id}"),
    ] {
        server
            .post(&format!("/echo{path}/xhr"))
            .assert_is(200, "o\n");
    }
}

/// Empty segments, dots, too few and too many segments are 404, and no path is normalised.
/// (sockjs-protocol, SessionURLs.test_invalidPaths)
#[test]
fn test_invalidPaths() {
    let server = Server::start();
    for path in ["//", "/a./a", "/a/a.", "/./.", "/", "///"] {
        let path = format!("/echo{path}/xhr");
        server.get(&path).assert_not_found();
        server.post(&path).assert_not_found();
    }
}

/// The session id alone names the session; the server part is for load balancers.
/// (sockjs-protocol, SessionURLs.test_ignoringServerId)
#[test]
fn test_ignoringServerId() {
    let server = Server::start();
    let session = Session::new(&server, "/echo");
    session.poll().assert_is(200, "o\n");
    session.send(r#"["a"]"#);

    let elsewhere = session.url("/xhr").replace("/000/", "/999/");
    server.post(&elsewhere).assert_is(200, "a[\"a\"]\n");
}
