//! What browsers and attackers put into messages, on every way in.

use std::time::Duration;

use crate::fixture::{echo_server, messages, opened, text};
use crate::raw_socket::{BINARY, FIN, RawSocket};
use crate::support::{CLOSE_DEADLINE, Request, Response, Server, Session, now};

const FORM: &str = "application/x-www-form-urlencoded";

/// Sends `body` and reads the messages that the backend got, echoed.
#[track_caller]
fn echoed(session: &Session<'_>, body: impl Into<Vec<u8>>) -> Vec<String> {
    session.post("/xhr_send", body).assert_is(204, "");
    messages(&text(&session.poll()))
}

#[track_caller]
fn send_jsonp(server: &Server, session: &Session<'_>, content_type: &str, body: &str) -> Response {
    let request = Request::post(session.url("/jsonp_send")).header("Content-Type", content_type);
    server.request(&request.body(body))
}

/// A lone surrogate is legal in JavaScript strings and so in JSON; Rust and UTF-8 have none, so U+FFFD stands for it. A pair
/// is one character. (sockjs-go does the same; a strict parser would call it broken JSON and kill the session)
#[test]
fn lone_surrogates_become_replacement_characters() {
    let cases = [
        (r#"["\ud800"]"#, "\u{fffd}"),
        (r#"["a\udc00b"]"#, "a\u{fffd}b"),
        (r#"["\udc00\ud800"]"#, "\u{fffd}\u{fffd}"),
        (r#"["\ud800\ud83d\ude00"]"#, "\u{fffd}😀"),
        (r#"["\ud800\n"]"#, "\u{fffd}\n"),
        (r#"["\ud83d\ude00"]"#, "😀"),
        (r#"["\uD83D\uDE00"]"#, "😀"),
    ];
    let server = echo_server("");
    let session = opened(&server, "/echo");
    let mut socket = RawSocket::open_sockjs(&server, "/echo");
    for (body, expected) in cases {
        assert_eq!(echoed(&session, body), [expected], "{body}");
        let form = format!("d={}", body.replace('\\', "%5C"));
        send_jsonp(&server, &session, FORM, &form).assert_is(200, "ok");
        assert_eq!(messages(&text(&session.poll())), [expected], "{form}");
        socket.send_text(body);
        let frame = String::from_utf8(socket.receive().payload).expect("text is UTF-8");
        assert_eq!(messages(&frame), [expected], "{body}");
    }
}

/// Bytes that are no UTF-8 are replaced, as sockjs-node does; the text goes on.
#[test]
fn invalid_utf8_becomes_replacement_characters() {
    let server = echo_server("");
    let session = opened(&server, "/echo");
    let cases: [(&[u8], &str); 4] = [
        (b"[\"a\xffb\"]", "a\u{fffd}b"),
        (b"[\"\xc3\"]", "\u{fffd}"),
        (b"[\"\xed\xa0\x80\"]", "\u{fffd}\u{fffd}\u{fffd}"),
        (b"[\"\xc0\x80\"]", "\u{fffd}\u{fffd}"),
    ];
    for (body, expected) in cases {
        assert_eq!(echoed(&session, body), [expected], "{body:?}");
    }
    let form = Request::post(session.url("/jsonp_send")).header("Content-Type", FORM);
    server
        .request(&form.body("d=%5B%22a%FFb%22%5D"))
        .assert_is(200, "ok");
    assert_eq!(messages(&text(&session.poll())), ["a\u{fffd}b"]);
}

/// Only an array of strings is a payload. Other JSON is told from no JSON; the session survives both. (sockjs-protocol,
/// `XhrPolling.test_invalid_json`; sockjs-node main dies of `[1]`)
#[test]
fn payloads_that_are_no_arrays_of_strings_are_refused() {
    let expected = "Payload expected.";
    let broken = "Broken JSON encoding.";
    let cases = [
        ("", expected),
        ("{}", expected),
        ("\"x\"", expected),
        ("null", expected),
        ("1", expected),
        ("true", expected),
        ("[1]", expected),
        ("[null]", expected),
        ("[\"a\",1]", expected),
        ("[[\"a\"]]", expected),
        ("[{\"a\":1}]", expected),
        ("{\"length\":1,\"0\":\"a\"}", expected),
        ("[\"x", broken),
        ("[\"x\"", broken),
        ("[\"x\",]", broken),
        ("[,\"x\"]", broken),
        ("[\"x\"\"y\"]", broken),
        ("[\"x\"]]", broken),
        ("[\"x\"]garbage", broken),
        ("[\"x\"][\"y\"]", broken),
        ("['x']", broken),
        ("[x]", broken),
        ("[\"\\x\"]", broken),
        ("[\"\\u12\"]", broken),
        ("[\"\\u12G4\"]", broken),
        ("[\"\n\"]", broken),
        ("[\"\u{1}\"]", broken),
        ("[\"x\" // y\n]", broken),
        ("[1e]", broken),
        ("\0", broken),
        ("]", broken),
    ];
    let server = echo_server("");
    let session = opened(&server, "/echo");
    for (body, refusal) in cases {
        let answer = session.post("/xhr_send", body);
        assert_eq!(
            (answer.head.status, text(&answer).as_str()),
            (500, refusal),
            "{body:?}"
        );
        if !body.is_empty() {
            let answer = send_jsonp(&server, &session, "text/plain", body);
            assert_eq!(
                (answer.head.status, text(&answer).as_str()),
                (500, refusal),
                "{body:?}"
            );
        }
    }
    assert_eq!(echoed(&session, "[\"alive\"]"), ["alive"]);
}

/// Of an array with a fault nothing is delivered, not even what stands before the fault.
#[test]
fn faulty_array_delivers_nothing() {
    let server = echo_server("");
    let session = opened(&server, "/echo");
    for body in ["[\"a\",1]", "[\"a\",\"b", "[\"a\"] x"] {
        assert_eq!(session.post("/xhr_send", body).head.status, 500, "{body}");
    }
    assert_eq!(echoed(&session, "[\"only\"]"), ["only"]);
}

/// Blanks around the array and a byte order mark mean nothing. (RFC 8259 §2, §8.1)
#[test]
fn blanks_and_byte_order_mark_are_ignored() {
    let server = echo_server("");
    let session = opened(&server, "/echo");
    for body in ["\u{feff}[\"x\"]", " \t\r\n[ \"x\" ]\n", "[\n\"x\"\n]"] {
        assert_eq!(echoed(&session, body), ["x"], "{body:?}");
    }
    session.post("/xhr_send", "[]").assert_is(204, "");
    session.post("/xhr_send", " [ ] ").assert_is(204, "");
}

/// The content type says nothing about an `xhr_send`. (sockjs-protocol, `XhrPolling.test_content_types`; sockjs-node takes
/// unknown types for empty bodies)
#[test]
fn every_content_type_is_accepted() {
    let server = echo_server("");
    let session = opened(&server, "/echo");
    let types = [
        "application/octet-stream",
        FORM,
        "multipart/form-data; boundary=x",
        "text/plain;charset=utf-16",
        "application/json; charset=\"utf-8\"",
        ";;;",
        "text/html",
    ];
    for content_type in types {
        let request = Request::post(session.url("/xhr_send"))
            .header("Content-Type", content_type)
            .body("[\"x\"]");
        server.request(&request).assert_is(204, "");
        assert_eq!(messages(&text(&session.poll())), ["x"], "{content_type}");
    }
}

/// Deep nesting is refused without a stack.
#[test]
fn deep_json_is_refused() {
    let server = echo_server("");
    let session = opened(&server, "/echo");
    let mut socket = RawSocket::open_sockjs(&server, "/echo");
    let open = "[".repeat(100_000);
    let balanced = format!("{open}{}", "]".repeat(100_000));
    let objects = format!("{}1{}", "[{\"a\":".repeat(50_000), "}]".repeat(50_000));
    for body in [&open, &balanced, &objects] {
        let start = now();
        assert_eq!(session.post("/xhr_send", body.as_str()).head.status, 500);
        assert!(start.elapsed() < Duration::from_secs(1));
    }
    socket.send_text(&balanced);
    socket.assert_close(3000);
    assert_eq!(echoed(&session, "[\"alive\"]"), ["alive"]);
}

/// Every message that JSON can write arrives as it was, control characters included.
#[test]
fn control_characters_survive() {
    let server = echo_server("");
    let session = opened(&server, "/echo");
    let all: String = (0..0x3000).filter_map(char::from_u32).collect();
    let body = serde_json::to_string(&[all.as_str()]).expect("strings are JSON");
    assert_eq!(echoed(&session, body), [all]);
}

/// Form: field `d`, percent-decoded, `+` for a space; other fields are ignored. (WHATWG URL, urlencoded parsing)
#[test]
fn forms_are_decoded() {
    let server = echo_server("");
    let session = opened(&server, "/echo");
    let cases = [
        ("d=%5B%22a%22%5D", "a"),
        ("d=[\"a+b\"]", "a b"),
        ("d=[\"a%2Bb\"]", "a+b"),
        ("d=[\"100%25\"]", "100%"),
        ("d=[\"a=b\"]", "a=b"),
        ("d=[\"a%26b\"]", "a&b"),
        ("x=1&d=[\"a\"]&y=[\"b\"]", "a"),
        ("%64=[\"a\"]", "a"),
        ("d=[\"%C3%A9\"]", "é"),
        ("d=[\"a%\"]", "a%"),
    ];
    for (form, expected) in cases {
        session.send_form(form).assert_is(200, "ok");
        assert_eq!(messages(&text(&session.poll())), [expected], "{form}");
    }
}

/// Which of several `d` was meant is unknown, and readers differ: none is taken.
#[test]
fn duplicate_form_fields_are_refused() {
    let server = echo_server("");
    let session = opened(&server, "/echo");
    for form in [
        "d=[\"a\"]&d=[\"b\"]",
        "d=&d=[\"b\"]",
        "d=[\"a\"]&d=",
        "",
        "d",
        "d=",
        "p=p",
        "D=[\"a\"]",
    ] {
        session.send_form(form).assert_is(500, "Payload expected.");
    }
    assert_eq!(echoed(&session, "[\"only\"]"), ["only"]);
}

/// The form's type may be written in any case, with parameters. (RFC 9110 §8.3.1)
#[test]
fn form_type_is_recognised_with_parameters() {
    let server = echo_server("");
    let session = opened(&server, "/echo");
    for content_type in [
        "application/x-www-form-urlencoded; charset=UTF-8",
        "application/x-www-form-urlencoded;charset=\"utf-8\"",
        "Application/X-WWW-Form-URLEncoded",
        "application/x-www-form-urlencoded ; x=y",
    ] {
        send_jsonp(&server, &session, content_type, "d=[\"%61\"]").assert_is(200, "ok");
        assert_eq!(messages(&text(&session.poll())), ["a"], "{content_type}");
    }
    for content_type in [
        "text/plain",
        "text/plain;charset=UTF-8",
        "application/x-www-form-urlencodedx",
    ] {
        send_jsonp(&server, &session, content_type, "[\"%61+\"]").assert_is(200, "ok");
        assert_eq!(messages(&text(&session.poll())), ["%61+"], "{content_type}");
    }
}

/// A WebSocket whose messages are no payload is closed with sockjs-node's code and text, and the process lives.
/// (sockjs-protocol, `Websocket.test_broken_json`; sockjs-node main dies of `[1]` and `{"a":1}`)
#[test]
fn broken_framing_closes_the_websocket() {
    let server = echo_server("");
    for message in [
        "[1]",
        "{\"a\":1}",
        "1",
        "null",
        "[\"a",
        "[null]",
        "[[]]",
        "x",
        "\"x",
        "[\"a\"]]",
        " ",
        "\0",
    ] {
        let mut socket = RawSocket::open_sockjs(&server, "/echo");
        socket.send_text(message);
        assert_eq!(socket.assert_close(3000), "Broken framing.", "{message:?}");
        socket.answer_close(3000);
    }
    server.assert_alive();
}

/// A bare string is one message, binary frames may carry the JSON, and nothing is nothing. (sockjs-node)
#[test]
fn websocket_takes_bare_strings_binary_and_empty_messages() {
    let server = echo_server("");
    let mut socket = RawSocket::open_sockjs(&server, "/echo");
    socket.send_text("");
    socket.send_text("[]");
    socket.send_text("\"bare\"");
    socket.assert_text("a[\"bare\"]");
    socket.send(FIN | BINARY, b"[\"binary\"]");
    socket.assert_text("a[\"binary\"]");
    socket.send(FIN | BINARY, b"[\"\xff\"]");
    socket.assert_text("a[\"\u{5c}ufffd\"]");
    socket.send_close(1000, "");
    socket.assert_close(1000);
    socket.assert_ended(CLOSE_DEADLINE);
}
