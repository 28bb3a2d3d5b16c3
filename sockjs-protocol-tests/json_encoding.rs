//! Escapes in messages, both ways.

use crate::support::{Server, Session};

/// Characters that browsers mangle leave the server as lower-case escapes, and only the message's
/// quotes are added. (sockjs-protocol, JSONEncoding.test_xhr_server_encodes)
#[test]
fn test_xhr_server_encodes() {
    let mangled: Vec<char> = ['\u{200c}'..='\u{200f}', '\u{2028}'..='\u{202f}']
        .into_iter()
        .chain(['\u{2060}'..='\u{206f}', '\u{fff0}'..='\u{ffff}'])
        .flatten()
        .collect();
    assert_eq!(mangled.len(), 44);
    let raw: String = mangled.iter().collect();

    let server = Server::start();
    let session = Session::new(&server, "/echo");
    session.poll().assert_is(200, "o\n");
    session.send(&format!("[\"{raw}\"]"));
    session
        .poll()
        .assert_is(200, &format!("a[\"{}\"]\n", escaped(&mangled)));
}

/// Every escape a browser may send decodes. The official suite sends 1093 code points; here all of the
/// basic plane but the surrogates go out, which includes them.
/// (sockjs-protocol, JSONEncoding.test_xhr_server_decodes)
#[test]
fn test_xhr_server_decodes() {
    // A range of `char` skips the surrogates.
    let plane: Vec<char> = ('\0'..='\u{ffff}').collect();
    assert_eq!(plane.len(), 0x1_0000 - 0x800);

    let server = Server::start();
    let session = Session::new(&server, "/echo");
    session.poll().assert_is(200, "o\n");
    for part in plane.chunks(2048) {
        session.send(&format!("[\"{}\"]", escaped(part)));
        let response = session.poll();
        assert_eq!(response.head.status, 200);
        let json = response
            .body
            .strip_prefix(b"a")
            .and_then(|rest| rest.strip_suffix(b"\n"))
            .expect("the answer is one message frame");
        let messages: Vec<String> = serde_json::from_slice(json).expect("the frame is JSON");
        assert_eq!(messages, [part.iter().collect::<String>()]);
    }
}

/// `\uXXXX` for each character of the basic plane.
fn escaped(characters: &[char]) -> String {
    characters
        .iter()
        .map(|character| format!("\\u{:04x}", u32::from(*character)))
        .collect()
}
