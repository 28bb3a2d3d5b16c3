//! `/<server>/<session>/htmlfile`.

use crate::support::{Server, Session, Stream};

/// Start of the page; `CALLBACK` stands for the callback's name.
const HEAD: &str = r#"<!doctype html>
<html><head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
</head><body><h2>Don't panic!</h2>
  <script>
    document.domain = document.domain;
    var c = parent.CALLBACK;
    c.start();
    function p(d) {c.message(d);};
    window.onload = function() {c.stop();};
  </script>"#;

/// The page calls the decoded callback, is long enough for browsers to run it at once, and has one
/// script per frame and chunk. (sockjs-protocol, HtmlFile.test_transport)
#[test]
fn test_transport() {
    let server = Server::start();
    let session = Session::new(&server, "/echo");
    let mut stream = session.open_stream("/htmlfile?c=%63allback");
    stream.head.assert_content_type("text/html; charset=UTF-8");
    stream.head.assert_not_cached();
    assert_head(&mut stream);
    stream.assert_chunk("<script>\np(\"o\");\n</script>\r\n");
    session.send(r#"["x"]"#);
    stream.assert_chunk("<script>\np(\"a[\\\"x\\\"]\");\n</script>\r\n");
}

/// Without a callback the request is 500 and opens no session.
/// (sockjs-protocol, HtmlFile.test_no_callback)
#[test]
fn test_no_callback() {
    let server = Server::start();
    let session = Session::new(&server, "/echo");
    session
        .get("/htmlfile")
        .assert_refused_with("\"callback\" parameter required");
    session.post("/xhr_send", r#"["x"]"#).assert_not_found();
}

/// A callback with anything but letters, digits, `-`, `_` and `.` is 500 and opens no session.
/// (sockjs-protocol, HtmlFile.test_invalid_callback)
#[test]
fn test_invalid_callback() {
    let server = Server::start();
    for callback in ["%20", "*", "abc(", "abc%28"] {
        let session = Session::new(&server, "/echo");
        session
            .get(&format!("/htmlfile?c={callback}"))
            .assert_refused_with("invalid \"callback\" parameter");
        session.post("/xhr_send", r#"["x"]"#).assert_not_found();
    }
}

/// A message longer than the limit arrives whole, then the response ends and the session goes on in the
/// next one. (sockjs-protocol, HtmlFile.test_response_limit)
#[test]
fn test_response_limit() {
    let server = Server::start();
    let session = Session::new(&server, "/echo");
    let mut stream = session.open_stream("/htmlfile?c=callback");
    assert_head(&mut stream);
    stream.assert_chunk("<script>\np(\"o\");\n</script>\r\n");
    let message = "x".repeat(4096);
    session.send(&format!("[\"{message}\"]"));
    stream.assert_chunk(&format!(
        "<script>\np(\"a[\\\"{message}\\\"]\");\n</script>\r\n"
    ));
    stream.assert_ended();

    session.send(r#"["y"]"#);
    let mut next = session.open_stream("/htmlfile?c=callback");
    assert_head(&mut next);
    next.assert_chunk("<script>\np(\"a[\\\"y\\\"]\");\n</script>\r\n");
}

/// Takes the first chunk: the page head for `callback`, padded with white space beyond 1024 bytes.
#[track_caller]
fn assert_head(stream: &mut Stream) {
    let chunk = stream.read_chunk();
    let page = String::from_utf8(chunk).expect("the page is UTF-8");
    assert_eq!(page.trim_end(), HEAD.replace("CALLBACK", "callback"));
    assert!(page.len() > 1024, "{} bytes are too few", page.len());
}
