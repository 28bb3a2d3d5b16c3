//! What `/info` says, as far as a client obeys it. Pure. Source: sockjs-client 1.6.1, `_receiveInfo`.

/// The fields that count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Info {
    /// Only `false` itself forbids WebSockets.
    pub(super) websocket: bool,
    /// Takes the place of the URL for everything but `/info`.
    pub(super) base_url: Option<String>,
}

impl Info {
    /// Reads an answer of status 200; one that is not a JSON object says nothing, as to sockjs-client.
    pub(super) fn parse(body: &[u8]) -> Self {
        let json: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let base_url = json.get("base_url").and_then(serde_json::Value::as_str);
        Self {
            websocket: json.get("websocket") != Some(&serde_json::Value::Bool(false)),
            base_url: base_url
                .filter(|url| !url.is_empty())
                .map(ToOwned::to_owned),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_false_forbids_websockets() {
        for (body, websocket) in [
            (r#"{"websocket":false,"cookie_needed":true}"#, false),
            (r#"{"websocket":true}"#, true),
            (r#"{"websocket":null,"entropy":-5}"#, true),
            ("{}", true),
            ("[1]", true),
            ("not json", true),
            ("", true),
        ] {
            assert_eq!(Info::parse(body.as_bytes()).websocket, websocket, "{body}");
        }
    }

    #[test]
    fn base_url_is_taken_when_it_is_text() {
        let base = |body: &str| Info::parse(body.as_bytes()).base_url;
        assert_eq!(base(r#"{"base_url":"/other"}"#), Some("/other".to_owned()));
        assert_eq!(base(r#"{"base_url":5}"#), None);
        assert_eq!(base(r#"{"base_url":""}"#), None);
    }
}
