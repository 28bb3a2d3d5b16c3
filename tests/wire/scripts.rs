//! Answers that browsers run as code hold none of the browser's own choosing.

use crate::carriers::CARRIERS;
use crate::fixture::{OPEN, echo_server};
use crate::support::{Request, Session};

/// A callback that could be anything but a name is refused, is not reflected, and opens no session. (CVE-2020-8823)
#[test]
fn callbacks_that_are_no_names_are_refused_and_not_reflected() {
    let server = echo_server("");
    for transport in ["htmlfile", "jsonp"] {
        for callback in [
            "%3Cscript%3Ealert(1)%3C%2Fscript%3E",
            "alert(1)",
            "a;b",
            "a%0d%0ab",
            "a%00",
            "a'b",
            "a%22b",
            "a%5Cb",
            "a/b",
            "a[0]",
            "a=b",
            "%E2%80%A8",
            "%C3%A9",
            "a+b",
            "a&c=b",
            "a&callback=b",
            "a,b",
            "a%",
            "$",
        ] {
            let session = Session::new(&server, "/echo");
            let response = session.get(&format!("/{transport}?c={callback}"));
            response.assert_refused_with("invalid \"callback\" parameter");
            response.assert_body("invalid \"callback\" parameter");
            let content_type = response.head.header("Content-Type");
            assert_eq!(content_type, Some("text/plain; charset=UTF-8"));
            session.poll().assert_is(200, OPEN);
        }
        for query in ["", "?", "?c", "?c=", "?x=y", "?callback="] {
            Session::new(&server, "/echo")
                .get(&format!("/{transport}{query}"))
                .assert_refused_with("\"callback\" parameter required");
        }
    }
}

/// Browsers must not guess another type: neither of answers that hold messages nor of refusals.
#[test]
fn answers_forbid_content_sniffing() {
    let server = echo_server("");
    for carrier in CARRIERS {
        let session = Session::new(&server, "/echo");
        let head = server.connect().request(&carrier.request(&session));
        let nosniff = head.header("X-Content-Type-Options");
        assert_eq!(nosniff, Some("nosniff"), "{}", carrier.suffix);
    }
    for path in ["/jsonp", "/htmlfile?c=*"] {
        let head = Session::new(&server, "/echo").get(path).head;
        assert_eq!(
            head.header("X-Content-Type-Options"),
            Some("nosniff"),
            "{path}"
        );
    }
    let iframe = server.get("/echo/iframe.html").head;
    assert_eq!(iframe.header("X-Content-Type-Options"), Some("nosniff"));
}

/// jsonp answers begin with a comment, not with what the browser chose. ("Rosetta Flash")
#[test]
fn jsonp_answer_begins_with_a_comment() {
    let server = echo_server("");
    let session = Session::new(&server, "/echo");
    let response = session.get("/jsonp?c=CWSMIKI0hCD0Up0");
    response.assert_is(200, "/**/CWSMIKI0hCD0Up0(\"o\");\r\n");
    response
        .head
        .assert_content_type("application/javascript; charset=UTF-8");
    response.head.assert_not_cached();
}

/// The iframe page and its tag depend on nothing in the request, so a cache cannot be poisoned.
#[test]
fn iframe_page_depends_on_nothing_in_the_request() {
    let server = echo_server("");
    let plain = server.get("/echo/iframe.html");
    let request = Request::get("/echo/iframe-1.2.3.html?x=%3Cscript%3E")
        .header("X-Forwarded-Host", "evil.example")
        .header("X-Forwarded-Prefix", "/evil")
        .header("X-Original-URL", "/evil")
        .header("Origin", "https://evil.example");
    let other = server.request(&request);
    assert_eq!(plain.body, other.body);
    assert_eq!(plain.head.header("ETag"), other.head.header("ETag"));
}

/// `/info` is never stored, and differs by `Origin`.
#[test]
fn info_is_not_cached() {
    let server = echo_server("");
    let head = server.get("/echo/info").head;
    head.assert_not_cached();
    assert_eq!(head.header("Vary"), Some("Origin"));
}
