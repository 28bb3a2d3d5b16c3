//! Life of a session, shown on xhr-polling.

use crate::support::{Request, Server, Session, wait_until_receiver_is_attached};

/// A session opens with `o`, takes messages, returns them in `a`, and has one receiver at a time.
/// (sockjs-protocol, Protocol.test_simpleSession)
#[test]
fn test_simpleSession() {
    let server = Server::start();
    let session = Session::new(&server, "/echo");
    session.poll().assert_is(200, "o\n");
    session.send(r#"["a"]"#);
    session.poll().assert_is(200, "a[\"a\"]\n");

    let unknown = Session::new(&server, "/echo");
    unknown.post("/xhr_send", r#"["a"]"#).assert_not_found();

    let poll = Request::post(session.url("/xhr"));
    let mut first = server.connect();
    first.send(&poll);
    wait_until_receiver_is_attached();
    session
        .poll()
        .assert_is(200, "c[2010,\"Another connection still open\"]\n");

    // The refused poll must not have disturbed the first one.
    session.send(r#"["b"]"#);
    first.read_response(&poll).assert_is(200, "a[\"b\"]\n");
}

/// After the application closed the session, every poll gets its code and reason.
/// (sockjs-protocol, Protocol.test_closeSession)
#[test]
fn test_closeSession() {
    let server = Server::start();
    let session = Session::new(&server, "/close");
    session.poll().assert_is(200, "o\n");
    session.poll().assert_is(200, "c[3000,\"Go away!\"]\n");
    session.poll().assert_is(200, "c[3000,\"Go away!\"]\n");
}
