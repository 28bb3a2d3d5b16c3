//! The query of a request, and what sockjs-client adds to it.

/// The query without what sockjs-client adds on its own: on HTTP transports (`http`) the time in milliseconds as `t`, against
/// caches, and its callbacks, which are named `_jp.…`. (sockjs-client, `lib/transport/browser/abstract-xhr.js`)
pub(crate) fn browser_query(query: &str, http: bool) -> String {
    let is_time =
        |value: &str| value.len() >= 12 && value.bytes().all(|byte| byte.is_ascii_digit());
    let own = |pair: &&str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let added = (http && name == "t" && is_time(value))
            || (matches!(name, "c" | "callback") && value.starts_with("_jp."));
        !added
    };
    query.split('&').filter(own).collect::<Vec<_>>().join("&")
}
