//! Nothing in a message can break out of the frame that carries it.

use crate::carriers::{CARRIERS, Carrier, EVENTSOURCE, HTMLFILE, JSONP, XHR_STREAMING};
use crate::fixture::{echo_server, messages};
use crate::support::{Server, Session};

/// Messages that have broken peers out of their frames.
const NASTY: [&str; 20] = [
    "</script><b>",
    "</SCRIPT >",
    "<!--<script>",
    "-->",
    "]]>",
    "\u{2028}",
    "\u{2029}",
    "100%41",
    "%",
    "%25%00%0a",
    "\n",
    "\r\n\r\ndata: c[3000,\"x\"]\r\n\r\n",
    "\nc[3000,\"Go away!\"]\n",
    "a[\"x\"]",
    "\0",
    "\"",
    "\\",
    "\\u003c\\\"",
    "\");alert(1);//",
    "é😀\u{fffd}\u{ffff}\u{feff}\u{7f}",
];

/// The wrapped frame that carries `message` over `carrier`, fetched as a browser would.
#[track_caller]
fn carried(carrier: Carrier, server: &Server, message: &str) -> String {
    let session = Session::new(server, "/echo");
    let mut reader = carrier.reader(server, &session);
    assert_eq!(reader.next_frame(), carrier.wrap("o"));
    session.send(&serde_json::to_string(&[message]).expect("strings are JSON"));
    reader.next_frame()
}

/// The frame as the browser's side of the transport reads it.
#[track_caller]
fn decoded(carrier: Carrier, wrapped: &str) -> String {
    let payload = carrier.payload(wrapped);
    if carrier.script {
        serde_json::from_str(&format!("\"{payload}\"")).expect("a JavaScript string")
    } else if carrier == EVENTSOURCE {
        percent_decoded(payload)
    } else {
        payload.to_owned()
    }
}

/// As `decodeURI` does to what our server encodes.
fn percent_decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8()
        .expect("is UTF-8")
        .into_owned()
}

/// Whatever the message, one frame carries it over every transport, and the browser reads what was sent.
#[test]
fn every_message_arrives_as_it_was_over_every_transport() {
    let server = echo_server("");
    for carrier in CARRIERS {
        for message in NASTY {
            let wrapped = carried(carrier, &server, message);
            let frame = decoded(carrier, &wrapped);
            assert_eq!(
                messages(&frame),
                [message],
                "{} {wrapped:?}",
                carrier.suffix
            );
        }
    }
}

/// In scripts no `<` of a message is left, so no element ends or begins; no line end either. (CVE-2020-8823 and the peers'
/// `</script>`; ECMAScript takes U+2028 for one)
#[test]
fn scripts_hold_no_markup_and_no_line_end_of_a_message() {
    let server = echo_server("");
    for carrier in [HTMLFILE, JSONP] {
        for message in NASTY {
            let wrapped = carried(carrier, &server, message);
            let payload = carrier.payload(&wrapped);
            let forbidden = ['<', '\n', '\r', '\u{2028}', '\u{2029}', '\0'];
            assert!(!payload.contains(forbidden), "{message:?}: {wrapped:?}");
        }
    }
}

/// An event is one line: a CR or LF would start another field. (HTML, server-sent events; CVE-2026-22735)
#[test]
fn events_are_single_lines() {
    let server = echo_server("");
    for message in NASTY {
        let wrapped = carried(EVENTSOURCE, &server, message);
        let payload = EVENTSOURCE.payload(&wrapped);
        assert!(!payload.contains(['\n', '\r', '\0']), "{wrapped:?}");
    }
}

/// sockjs-client runs `decodeURI` on events, which would turn `%41` into `A` and fail at a lone `%`. (sockjs-node)
#[test]
fn percent_signs_are_encoded_in_events() {
    let server = echo_server("");
    let wrapped = carried(EVENTSOURCE, &server, "100%41 %");
    assert_eq!(wrapped, "data: a[\"100%2541 %25\"]\r\n\r\n");
}

/// sockjs-client cuts streams at line feeds: there is one, at the end.
#[test]
fn line_framed_messages_are_single_lines() {
    let server = echo_server("");
    for message in NASTY {
        let wrapped = carried(XHR_STREAMING, &server, message);
        assert_eq!(wrapped.matches('\n').count(), 1, "{wrapped:?}");
        assert!(!wrapped.contains('\r'), "{wrapped:?}");
    }
}

/// What the suite compares as exact text holds inside scripts too, encoded once more.
/// (sockjs-protocol, `JSONEncoding.test_xhr_server_encodes`)
#[test]
fn escapes_are_doubled_in_scripts() {
    let server = echo_server("");
    for carrier in [HTMLFILE, JSONP] {
        let wrapped = carried(carrier, &server, "\u{2028}\"\\<");
        assert_eq!(carrier.payload(&wrapped), r#"a[\"\\u2028\\\"\\\\\u003c\"]"#);
    }
}
