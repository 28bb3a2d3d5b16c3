//! Checked callback names for htmlfile and jsonp.

use std::fmt;
use std::str::FromStr;

/// A JavaScript function name as the client chose it: 1 to 64 of `a-z A-Z 0-9 - _ .`
///
/// It becomes code in the answer, so anything else would be script injection. (sockjs-protocol,
/// `HtmlFile.test_invalid_callback`; sockjs-client sends 11 characters such as `_jp.a1b2c3`)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback(Box<str>);

/// Longest accepted name. Long alphanumeric names have carried Flash files past content sniffing.
pub const MAX_CALLBACK: usize = 64;

/// Why a request's callback is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallbackError {
    /// Missing or empty. (sockjs-protocol, `HtmlFile.test_no_callback`)
    Missing,
    /// A character or a length that is not allowed, or more than one callback.
    Invalid,
}

impl CallbackError {
    /// Status and body the protocol suite expects.
    pub const fn response(self) -> (u16, &'static str) {
        match self {
            Self::Missing => (500, "\"callback\" parameter required"),
            Self::Invalid => (500, "invalid \"callback\" parameter"),
        }
    }
}

impl FromStr for Callback {
    type Err = CallbackError;

    fn from_str(name: &str) -> Result<Self, CallbackError> {
        if name.is_empty() {
            return Err(CallbackError::Missing);
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if name.len() > MAX_CALLBACK || !name.bytes().all(allowed) {
            return Err(CallbackError::Invalid);
        }
        Ok(Self(name.into()))
    }
}

impl Callback {
    /// Reads the callback from a query such as `c=_jp.a1b2c3&t=1`; `callback` is accepted for `c`.
    ///
    /// # Errors
    /// [`CallbackError::Missing`] without one, [`CallbackError::Invalid`] for a bad or repeated one.
    pub fn from_query(query: Option<&str>) -> Result<Self, CallbackError> {
        let mut found = form_urlencoded::parse(query.unwrap_or_default().as_bytes())
            .filter(|(key, _)| key == "c" || key == "callback")
            .map(|(_, value)| value);
        let name = found.next().ok_or(CallbackError::Missing)?;
        if found.next().is_some() {
            return Err(CallbackError::Invalid);
        }
        name.parse()
    }
}

impl fmt::Display for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(query: &str) -> Result<String, CallbackError> {
        Callback::from_query(Some(query)).map(|callback| callback.to_string())
    }

    /// sockjs-protocol, `HtmlFile.test_transport`: the name is percent-decoded first.
    #[test]
    fn callback_is_read_from_either_parameter() {
        assert_eq!(query("c=%63allback").as_deref(), Ok("callback"));
        assert_eq!(query("t=1&callback=_jp.a-1_").as_deref(), Ok("_jp.a-1_"));
    }

    /// sockjs-protocol, `HtmlFile.test_no_callback`
    #[test]
    fn missing_or_empty_callback_is_required() {
        assert_eq!(Callback::from_query(None), Err(CallbackError::Missing));
        assert_eq!(query("t=1"), Err(CallbackError::Missing));
        assert_eq!(query("c="), Err(CallbackError::Missing));
    }

    /// sockjs-protocol, `HtmlFile.test_invalid_callback`, and what it does not try.
    #[test]
    fn anything_that_could_be_script_is_invalid() {
        for bad in [
            "c=%20",
            "c=*",
            "c=abc(",
            "c=abc%28",
            "c=a%0d%0ab",
            "c=%3Cscript%3E",
            "c=%E2%80%A8",
            "c=a+b",
            "c=a&c=b",
        ] {
            assert_eq!(query(bad), Err(CallbackError::Invalid), "{bad}");
        }
        assert_eq!(
            query(&format!("c={}", "a".repeat(65))),
            Err(CallbackError::Invalid)
        );
    }
}
