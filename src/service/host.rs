//! What a `Host` field may say. (RFC 9110 §7.2)

/// Whether it is `uri-host [ ":" port ]`, or empty, as it must be where there is no authority. Requests with anything else are refused
/// (RFC 9112 §3.2): what stands before or behind the gateway may read another host in it.
pub(super) fn is_valid(field: &[u8]) -> bool {
    let (host, port) = match field {
        [b'[', literal @ ..] => {
            let Some(end) = literal.iter().position(|&byte| byte == b']') else {
                return false;
            };
            let (address, rest) = literal.split_at(end);
            let rest = &rest[1..];
            if !(rest.is_empty() || rest[0] == b':') {
                return false;
            }
            return is_address(address) && rest.get(1..).is_none_or(is_port);
        }
        _ => match field.iter().position(|&byte| byte == b':') {
            Some(colon) => (&field[..colon], Some(&field[colon + 1..])),
            None => (field, None),
        },
    };
    // A port alone names nobody. (RFC 9110 §4.2.1)
    let names = !host.is_empty() || port.is_none();
    names && host.iter().copied().all(is_in_name) && port.is_none_or(is_port)
}

/// Of a registered name or an IPv4 address: unreserved, sub-delims and percent-encoded. (RFC 3986 §3.2.2)
const fn is_in_name(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'%'
        | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=')
}

/// Inside of brackets: an IPv6 address. Those of the future are not spoken here. (RFC 3986 §3.2.2)
fn is_address(literal: &[u8]) -> bool {
    let literal = std::str::from_utf8(literal).ok();
    literal.is_some_and(|literal| literal.parse::<std::net::Ipv6Addr>().is_ok())
}

/// Digits that make a port, or none.
fn is_port(digits: &[u8]) -> bool {
    digits.is_empty()
        || (digits.iter().all(u8::is_ascii_digit)
            && std::str::from_utf8(digits).is_ok_and(|digits| digits.parse::<u16>().is_ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_and_addresses_with_a_port_or_without() {
        for valid in [
            "",
            "a",
            "gw.example:8081",
            "gw.example:",
            "192.0.2.1:80",
            "[2001:db8::1]",
            "[::1]:8081",
            "xn--bcher-kva.example",
            "with_underscore",
        ] {
            assert!(is_valid(valid.as_bytes()), "{valid:?}");
        }
        for wrong in [
            "a b", "a/b?c", "a:99999", "u@h", "[::1", "a:b:c", "a:b", "a\tb", "[::1]x", "[x]",
            "::1", "a#b", "a\u{fc}", "\"a\"", "a,b c", "[::1]:x", ":80", ":",
        ] {
            assert!(!is_valid(wrong.as_bytes()), "{wrong:?}");
        }
    }
}
