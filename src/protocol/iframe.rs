//! The iframe page. (sockjs-protocol, `IframePage`)

use md5::{Digest as _, Md5};

/// The page that loads `script_url` (which must start with `/` or `http`) and starts the iframe's side of sockjs-client.
/// The suite compares it literally; only the URL varies.
pub fn page(script_url: &str) -> String {
    // Encoding, not rejecting, keeps a configured URL from leaving its attribute.
    let url = script_url
        .replace('&', "&amp;")
        .replace('"', "%22")
        .replace('<', "%3C")
        .replace('>', "%3E");
    format!(
        r#"<!DOCTYPE html>
<html>
<head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
  <script src="{url}"></script>
  <script>
    document.domain = document.domain;
    SockJS.bootstrap_iframe();
  </script>
</head>
<body>
  <h2>Don't panic!</h2>
  <p>This is a SockJS hidden iframe. It's used for cross domain magic.</p>
</body>
</html>
"#
    )
}

/// A strong entity tag made from nothing but the content: `"0123…"`. (RFC 9110 §8.8.3)
pub fn etag(content: &[u8]) -> String {
    format!("\"{}\"", fingerprint(content))
}

/// The content's MD5 in lower-case hexadecimal: names a version, proves nothing.
pub fn fingerprint(content: &[u8]) -> String {
    Md5::digest(content)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Whether an `If-None-Match` field matches `etag`: `*`, one tag, a list, weak or strong. (RFC 9110 §13.1.2)
pub fn matches_etag(if_none_match: &str, etag: &str) -> bool {
    if_none_match.split(',').map(str::trim).any(|candidate| {
        candidate == "*" || candidate.strip_prefix("W/").unwrap_or(candidate) == etag
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// sockjs-protocol, `IframePage.test_simpleUrl`: the URL stays inside its attribute.
    #[test]
    fn script_url_cannot_leave_its_attribute() {
        assert!(page("/a.js").contains("<script src=\"/a.js\"></script>"));
        assert!(!page("/a.js\"><b>").contains("\"><b>"));
    }

    /// RFC 9110 §13.1.2
    #[test]
    fn entity_tags_match_in_lists_and_weakly() {
        let tag = etag(b"x");
        assert!(matches_etag(&tag, &tag));
        assert!(matches_etag(&format!("\"other\", W/{tag}"), &tag));
        assert!(matches_etag("*", &tag));
        assert!(!matches_etag("\"other\"", &tag));
    }
}
