//! The `/info` document. (sockjs-protocol, `InfoTest`)

use serde_json::json;

/// What a service says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info<'a> {
    /// Whether WebSocket is worth trying; sockjs-client skips it only on `false`.
    pub websocket: bool,
    /// Whether a load balancer needs the JSESSIONID cookie.
    pub cookie_needed: bool,
    /// Where the session's URLs start, when not at the URL the client was given.
    pub base_url: Option<&'a str>,
    /// A random number for clients without a good source of their own.
    pub entropy: u32,
}

impl Info<'_> {
    /// `{"cookie_needed":false,"entropy":1,"origins":["*:*"],"websocket":true}`
    ///
    /// `origins` is fixed by the protocol; no client reads it.
    pub fn to_json(&self) -> String {
        let mut document = json!({
            "websocket": self.websocket,
            "cookie_needed": self.cookie_needed,
            "origins": ["*:*"],
            "entropy": self.entropy,
        });
        if let Some(base_url) = self.base_url {
            document["base_url"] = base_url.into();
        }
        document.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// sockjs-protocol, `InfoTest.test_basic`
    #[test]
    fn info_names_the_four_fields_of_the_protocol() {
        let mut info = Info {
            websocket: true,
            cookie_needed: false,
            base_url: None,
            entropy: u32::MAX,
        };
        assert_eq!(
            info.to_json(),
            r#"{"cookie_needed":false,"entropy":4294967295,"origins":["*:*"],"websocket":true}"#
        );
        info.base_url = Some("https://a.example/x\"");
        assert!(
            info.to_json()
                .contains(r#""base_url":"https://a.example/x\"""#)
        );
    }
}
