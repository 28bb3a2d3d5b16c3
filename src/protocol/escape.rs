//! JSON strings as the carriers need them: which characters of a message are escaped, and how.
//!
//! Every carrier escapes what JSON demands (`"`, `\`, C0 controls) and the suite's escapable set: U+200C to 200F,
//! U+2028 to 202F, U+2060 to 206F, U+FFF0 to FFFF, as lower-case `\uXXXX`. (sockjs-protocol,
//! `JSONEncoding.test_xhr_server_encodes`)

use super::scan::find;

/// What carries the JSON string, and so what else must be escaped.
pub trait Carrier {
    /// Whether this byte may start something that needs escaping. Must be branch-free, so that it vectorises.
    fn is_special(byte: u8) -> bool;
    /// Appends `"`, which delimits strings on this carrier.
    fn quote(out: &mut String);
    /// Appends an ASCII character that [`Carrier::is_special`] reported.
    fn escape_ascii(out: &mut String, byte: u8);
    /// Appends a character of the escapable set, given as UTF-16 code unit.
    fn escape_unit(out: &mut String, unit: u16);
}

/// A line of xhr polling or streaming, or a WebSocket text message.
#[derive(Debug)]
pub struct Plain;
/// The `data:` line of eventsource: `%` is percent-encoded too, because sockjs-client decodes the line as a URI component
/// (CR, LF and NUL, which would break the line, are always `\r`, `\n`, `\u0000` inside a JSON string).
#[derive(Debug)]
pub struct EventSource;
/// A frame inside a JavaScript string literal (htmlfile, jsonp): encoded once more, and `<` as `\u003c`, so that a message
/// can never end the script element it is carried in.
#[derive(Debug)]
pub struct Script;

const fn is_json_special(byte: u8) -> bool {
    // 0xE2 leads U+2000 to U+2FFF, 0xEF leads U+F000 to U+FFFF.
    (byte < 0x20) | (byte == b'"') | (byte == b'\\') | (byte == 0xE2) | (byte == 0xEF)
}

/// The two-character escape of a control character, where JSON has one.
const fn short_escape(byte: u8) -> Option<&'static str> {
    Some(match byte {
        b'\n' => r"\n",
        b'\r' => r"\r",
        b'\t' => r"\t",
        0x08 => r"\b",
        0x0C => r"\f",
        b'"' => r#"\""#,
        b'\\' => r"\\",
        _ => return None,
    })
}

fn push_unit(out: &mut String, unit: u16) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push_str("\\u");
    for shift in [12, 8, 4, 0] {
        out.push(char::from(HEX[usize::from(unit >> shift) & 0xF]));
    }
}

impl Carrier for Plain {
    #[inline]
    fn is_special(byte: u8) -> bool {
        is_json_special(byte)
    }
    fn quote(out: &mut String) {
        out.push('"');
    }
    fn escape_ascii(out: &mut String, byte: u8) {
        match short_escape(byte) {
            Some(escape) => out.push_str(escape),
            None => push_unit(out, u16::from(byte)),
        }
    }
    fn escape_unit(out: &mut String, unit: u16) {
        push_unit(out, unit);
    }
}

impl Carrier for EventSource {
    #[inline]
    fn is_special(byte: u8) -> bool {
        is_json_special(byte) | (byte == b'%')
    }
    fn quote(out: &mut String) {
        out.push('"');
    }
    fn escape_ascii(out: &mut String, byte: u8) {
        if byte == b'%' {
            out.push_str("%25");
        } else {
            Plain::escape_ascii(out, byte);
        }
    }
    fn escape_unit(out: &mut String, unit: u16) {
        push_unit(out, unit);
    }
}

impl Carrier for Script {
    #[inline]
    fn is_special(byte: u8) -> bool {
        is_json_special(byte) | (byte == b'<')
    }
    fn quote(out: &mut String) {
        out.push_str(r#"\""#);
    }
    fn escape_ascii(out: &mut String, byte: u8) {
        match byte {
            b'<' => out.push_str(r"\u003c"),
            b'"' => out.push_str(r#"\\\""#),
            b'\\' => out.push_str(r"\\\\"),
            _ => {
                out.push('\\');
                Plain::escape_ascii(out, byte);
            }
        }
    }
    fn escape_unit(out: &mut String, unit: u16) {
        out.push('\\');
        push_unit(out, unit);
    }
}

/// The code unit, if the three bytes of `rest` encode a character of the escapable set.
fn escapable_unit(rest: &[u8]) -> Option<u16> {
    match *rest {
        [0xE2, 0x80, last @ (0x8C..=0x8F | 0xA8..=0xAF), ..] => {
            Some(0x2000 | u16::from(last & 0x3F))
        }
        [0xE2, 0x81, last @ 0xA0..=0xAF, ..] => Some(0x2040 | u16::from(last & 0x3F)),
        [0xEF, 0xBF, last @ 0xB0..=0xBF, ..] => Some(0xFFC0 | u16::from(last & 0x3F)),
        _ => None,
    }
}

/// Appends `text` escaped for carrier `C`, without the quotes around it.
pub fn push_escaped<C: Carrier>(out: &mut String, text: &str) {
    let bytes = text.as_bytes();
    let mut copied = 0;
    let mut at = 0;
    loop {
        at = find(bytes, at, C::is_special);
        let Some(&byte) = bytes.get(at) else { break };
        let width = if byte.is_ascii() {
            out.push_str(&text[copied..at]);
            C::escape_ascii(out, byte);
            1
        } else if let Some(unit) = escapable_unit(&bytes[at..]) {
            out.push_str(&text[copied..at]);
            C::escape_unit(out, unit);
            3
        } else {
            // Another character of the same block: it stays as it is.
            at += 3;
            continue;
        };
        at += width;
        copied = at;
    }
    out.push_str(&text[copied..]);
}

/// Appends `text` as a quoted JSON string for carrier `C`: `a"b` becomes `"a\"b"` on [`Plain`].
pub fn push_quoted<C: Carrier>(out: &mut String, text: &str) {
    C::quote(out);
    push_escaped::<C>(out, text);
    C::quote(out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted<C: Carrier>(text: &str) -> String {
        let mut out = String::new();
        push_quoted::<C>(&mut out, text);
        out
    }

    /// The 44 characters the suite compares as exact text. (sockjs-protocol, `JSONEncoding.test_xhr_server_encodes`)
    #[test]
    fn escapable_set_goes_out_as_lower_case_escapes() {
        let ranges = [
            (0x200C, 0x200F),
            (0x2028, 0x202F),
            (0x2060, 0x206F),
            (0xFFF0, 0xFFFF),
        ];
        for unit in ranges.into_iter().flat_map(|(from, to)| from..=to) {
            let character = char::from_u32(unit).expect("no surrogate in these ranges");
            assert_eq!(
                quoted::<Plain>(&character.to_string()),
                format!("\"\\u{unit:04x}\"")
            );
        }
        for neighbour in [
            "\u{200b}", "\u{2010}", "\u{2027}", "\u{2030}", "\u{205f}", "\u{2070}", "\u{ffef}",
            "\u{feff}",
        ] {
            assert_eq!(quoted::<Plain>(neighbour), format!("\"{neighbour}\""));
        }
    }

    /// What is written is JSON, for every character of the BMP and one beyond, at every offset in a vector block.
    #[test]
    fn every_character_survives_a_json_parser() {
        let all: String = (0..=0xFFFF)
            .chain([0x1F600, 0x10FFFF])
            .filter_map(char::from_u32)
            .collect();
        for offset in 0..33 {
            let text = format!("{}{all}", "x".repeat(offset));
            let parsed: String = serde_json::from_str(&quoted::<Plain>(&text)).expect("valid JSON");
            assert_eq!(parsed, text);
        }
    }

    /// A frame in a JavaScript string is encoded once more; `<` can never open a tag.
    #[test]
    fn script_strings_decode_to_the_plain_frame_and_hold_no_angle_bracket() {
        let nasty = "</script><!-- \" \\ \n \u{0} \u{2028} \u{1f} % é 😀";
        let script = quoted::<Script>(nasty);
        assert!(!script.contains('<'));
        let frame: String =
            serde_json::from_str(&format!("\"{script}\"")).expect("a string literal");
        assert_eq!(frame, quoted::<Plain>(nasty));
    }

    /// sockjs-client runs `decodeURI` over the line, so `%41` must not arrive as `A`.
    #[test]
    fn eventsource_percent_encodes_percent_signs() {
        assert_eq!(
            quoted::<EventSource>("100%41\r\n\0"),
            r#""100%2541\r\n\u0000""#
        );
    }
}
