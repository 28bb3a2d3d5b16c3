//! Sessions that are bound to a cookie.

use sockjs_gateway::auth::Keys;
use sockjs_gateway::{ConfigError, Gateway, Origins, ServiceConfig, SessionBinding};

use super::support::{REFUSED, Running, SECRET, of, serve, serve_service};

/// Lets everybody in and binds sessions to cookies.
fn bound() -> Running {
    let mut service = ServiceConfig::new("/s");
    service.session_binding = Some(SessionBinding::Cookie);
    serve_service(service)
}

/// The cookie that a head sets, as a line of a request, and its attributes.
fn cookie_of(head: &str) -> Option<(String, &str)> {
    let mut lines = head.split("\r\n");
    let set = lines.find_map(|line| line.strip_prefix("set-cookie: sockjs-binding-"))?;
    let (pair, attributes) = set.split_once("; ").expect("attributes");
    Some((
        format!("Cookie: x=y; sockjs-binding-{pair}\r\n"),
        attributes,
    ))
}

/// The answer that opens a session sets the cookie, once; without it, or with another, the session is not there.
#[tokio::test]
async fn sessions_are_bound_to_the_cookie() {
    let mut running = bound();
    let opened = running.whole("POST", "/000/a/xhr", "", "").await;
    assert_eq!(opened.1, "o\n");
    let (cookie, attributes) = cookie_of(&opened.0).expect("a cookie");
    assert_eq!(attributes, "Path=/s; HttpOnly; SameSite=Lax");
    let (other, _) = cookie_of(&running.whole("POST", "/000/b/xhr", "", "").await.0).unwrap();
    for fields in ["", "Cookie: x=y\r\n", &other] {
        let sent = running.ask("POST", "/000/a/xhr_send", fields, "[\"a\"]");
        assert_eq!(sent.await.0, 404, "{fields}");
        let polled = running.ask("POST", "/000/a/xhr", fields, "").await;
        assert_eq!(polled.0, 404, "{fields}");
    }
    let sent = running.ask("POST", "/000/a/xhr_send", &cookie, "[\"a\"]");
    assert_eq!(sent.await.0, 204);
    let (head, body) = running.whole("POST", "/000/a/xhr", &cookie, "").await;
    assert_eq!(body, "a[\"a\"]\n");
    assert!(cookie_of(&head).is_none(), "{head}");
    let seen = running.seen.recv().await.unwrap();
    assert!(!seen.contains("sockjs-binding"), "{seen}");
}

/// A browser has one cookie for all its sessions. Two that it opens while it has none set two, of which neither replaces the other.
#[tokio::test]
async fn sessions_of_a_browser_do_not_take_each_others_cookie() {
    let mut running = bound();
    let (first, second) = tokio::join!(
        running.whole("POST", "/000/a/xhr", "", ""),
        running.whole("POST", "/000/b/xhr", "", ""),
    );
    let (first, _) = cookie_of(&first.0).expect("a cookie");
    let (second, _) = cookie_of(&second.0).expect("a cookie");
    let name = |line: &str| line.split(['=', ';']).nth(2).map(str::to_owned);
    assert_ne!(name(&first), name(&second));
    let both = format!("{first}{second}");
    for session in ["a", "b"] {
        let path = format!("/000/{session}/xhr_send");
        assert_eq!(running.ask("POST", &path, &both, "[\"a\"]").await.0, 204);
    }
    let third = running.whole("POST", "/000/c/xhr", &both, "").await;
    assert!(third.1 == "o\n" && cookie_of(&third.0).is_none());
    running.seen.recv().await.unwrap();
}

/// Behind TLS, here of a trusted proxy, the cookie goes along between sites.
#[tokio::test]
async fn cookie_goes_along_between_sites_over_https() {
    let running = bound();
    let fields = "X-Forwarded-Proto: https\r\n";
    let opened = running.whole("POST", "/000/a/xhr", fields, "").await;
    let (_, attributes) = cookie_of(&opened.0).unwrap();
    let expected = "Path=/s; HttpOnly; Secure; SameSite=None; Partitioned";
    assert_eq!(attributes, expected);
}

/// With tokens, only the request that opens a session needs one; another subject's is refused even with the cookie.
#[tokio::test]
async fn cookie_is_enough_once_a_token_has_opened_the_session() {
    let running = serve(Keys::secret(SECRET).unwrap(), |_, service| {
        service.session_binding = Some(SessionBinding::Cookie);
    });
    assert_eq!(running.poll("a", "").await.1, REFUSED);
    let bearer = |who| format!("Authorization: Bearer {}\r\n", of(who));
    let alice = bearer("alice");
    let opened = running.whole("POST", "/000/a/xhr", &alice, "").await;
    let (cookie, _) = cookie_of(&opened.0).unwrap();
    let sent = running.ask("POST", "/000/a/xhr_send", &cookie, "[\"a\"]");
    assert_eq!(sent.await.0, 204);
    let with_other = format!("{cookie}{}", bearer("bob"));
    let sent = running.ask("POST", "/000/a/xhr_send", &with_other, "[\"a\"]");
    assert_eq!(sent.await.0, 404);
    assert_eq!(running.send("a", &of("alice")).await, 404);
}

/// Browsers would add the cookie for every page; and transports that cannot have cookies are not offered to other origins.
#[tokio::test]
async fn what_cannot_work_is_refused_or_off() {
    let mut service = ServiceConfig::new("/s");
    service.session_binding = Some(SessionBinding::Cookie);
    service.origins = Origins::Any;
    let built = Gateway::builder().service(service.clone(), |_| async {});
    assert_eq!(built.build().err(), Some(ConfigError::CookieForEveryOrigin));
    service.origins = Origins::from_list(&["https://a.example"]).unwrap();
    let running = serve_service(service);
    let events = running.ask("GET", "/000/a/eventsource", "", "").await;
    assert_eq!(events.0, 404);
    let info = running.ask("GET", "/info", "", "").await.1;
    assert!(info.contains("\"cookie_needed\":true"), "{info}");
    assert_eq!(bound().ask("GET", "/info", "", "").await.0, 200);
}
