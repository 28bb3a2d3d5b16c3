//! The JSESSIONID cookie, by which some load balancers keep a browser to a server.

use http::HeaderValue;
use http::header::COOKIE;

use crate::fields::Fields;

const NAME: &[u8] = b"JSESSIONID=";

/// `Set-Cookie` for a session URL: the browser's own value back, or `dummy`. (sockjs-protocol, `JsessionidCookie`)
///
/// The value is everything behind the first `=`. One with characters that no cookie value has (RFC 6265 §4.1.1) is not
/// copied back: it could smuggle attributes.
pub(super) fn set_cookie(fields: &Fields) -> HeaderValue {
    let pairs = fields
        .get_all(&COOKIE)
        .flat_map(|line| line.as_bytes().split(|&byte| byte == b';'));
    let value = pairs
        .map(<[u8]>::trim_ascii)
        .find_map(|pair| pair.strip_prefix(NAME));
    let value =
        value.filter(|value| !value.is_empty() && value.iter().all(|&byte| is_cookie_octet(byte)));
    let cookie = [NAME, value.unwrap_or(b"dummy"), b"; path=/"].concat();
    HeaderValue::from_bytes(&cookie).expect("cookie octets are valid in a field")
}

const fn is_cookie_octet(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x2B | 0x2D..=0x3A | 0x3C..=0x5B | 0x5D..=0x7E)
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn answer(cookie: &'static str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_static(cookie));
        set_cookie(&headers.into())
            .to_str()
            .expect("text")
            .to_owned()
    }

    /// sockjs-protocol, `JsessionidCookie.test_xhr`
    #[test]
    fn known_value_is_copied_back_whole() {
        assert_eq!(
            set_cookie(&HeaderMap::new().into()),
            "JSESSIONID=dummy; path=/"
        );
        assert_eq!(
            answer("a=b; JSESSIONID=abcdef"),
            "JSESSIONID=abcdef; path=/"
        );
        assert_eq!(
            answer("JSESSIONID=abc=def=="),
            "JSESSIONID=abc=def==; path=/"
        );
    }

    /// Nothing that could end the value or the line comes back.
    #[test]
    fn values_outside_the_cookie_alphabet_are_not_copied() {
        for bad in [
            "JSESSIONID=",
            "JSESSIONID=a b",
            "JSESSIONID=a\"b",
            "JSESSIONID=a,b",
            "XJSESSIONID=a",
        ] {
            assert_eq!(answer(bad), "JSESSIONID=dummy; path=/", "{bad}");
        }
        assert_eq!(answer("JSESSIONID=a;path=/evil"), "JSESSIONID=a; path=/");
    }
}
