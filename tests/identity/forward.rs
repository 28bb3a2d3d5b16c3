//! A server that says who is let in.

use std::time::Duration;

use sockjs_gateway::auth::{ForwardAuth, ForwardConfig, Source};
use sockjs_gateway::{Authentication, ServiceConfig, SessionBinding};

use super::asked::Asked;
use super::support::{REFUSED, Running, serve_service};

const UNAVAILABLE: &str = "c[4503,\"Authentication unavailable\"]\n";
const ALICE: &str = "Remote-User: alice\r\nX-Groups: a\r\nX-Groups: b\r\n";

fn serve(url: String, change: impl FnOnce(&mut ForwardConfig, &mut ServiceConfig)) -> Running {
    let mut config = ForwardConfig::new(url);
    config.subject_field = Some("remote-user".parse().unwrap());
    let fields = [("x-user", "remote-user"), ("x-roles", "x-groups")];
    let fields = fields.map(|(name, from)| (name.parse().unwrap(), from.to_owned()));
    config.terms.upstream_fields = fields.to_vec();
    let mut service = ServiceConfig::new("/s");
    change(&mut config, &mut service);
    service.auth = Some(Authentication::new(ForwardAuth::new(config).unwrap()));
    serve_service(service)
}

impl Running {
    async fn with(&self, path: &str, fields: &str, body: &str) -> (u16, String) {
        self.ask("POST", &format!("/000/{path}"), fields, body)
            .await
    }
}

/// It is shown the cookies, the authorization and where somebody wants to get; its answer says who that is, and the upstream is told.
#[tokio::test]
async fn server_says_who_it_is() {
    let mut server = Asked::new("200 OK", ALICE, "hello").await;
    let mut running = serve(server.url("/verify?for=chat"), |_, _| {});
    let fields = "Cookie: sid=1; x=y\r\nAuthorization: Basic eA==\r\nX-Secret: z\r\nX-User: root\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\n";
    let opened = running.with("a/xhr?q=1&t=1732330000000", fields, "").await;
    assert_eq!(opened.1, "o\n");
    let head = server.head().await.to_lowercase();
    for line in [
        "get /verify?for=chat http/1.1",
        "cookie: sid=1; x=y",
        "authorization: basic ea==",
        "x-forwarded-uri: /s/000/a/xhr?q=1&t=1732330000000",
        "x-forwarded-method: post",
        "x-forwarded-host: localhost",
        "x-forwarded-proto: https",
        "x-forwarded-for: 1.2.3.4",
    ] {
        assert!(head.contains(&format!("{line}\r\n")), "{line}: {head}");
    }
    assert!(
        !head.contains("x-secret") && !head.contains("root"),
        "{head}"
    );
    let seen = running.seen.recv().await.unwrap();
    assert!(seen.starts_with("Some(\"alice\")"), "{seen}");
    for part in ["\"x-user\": \"root\"", "sid=1", "Basic"] {
        assert!(!seen.contains(part), "{part}: {seen}");
    }
}

/// It is asked when a session opens, and when something else is shown than then; not for every request.
#[tokio::test]
async fn it_is_asked_once_for_a_session() {
    let mut server = Asked::new("200 OK", ALICE, "").await;
    let running = serve(server.url("/"), |_, _| {});
    let own = "Cookie: sid=1\r\n";
    assert_eq!(running.with("a/xhr", own, "").await.1, "o\n");
    for number in 0..5 {
        let path = format!("a/xhr_send?t=173233000000{number}");
        assert_eq!(running.with(&path, own, "[\"a\"]").await.0, 204);
    }
    assert_eq!(server.times(), 1);
    // Somebody else, as the server says, or the same with a newer cookie.
    assert_eq!(
        running
            .with("a/xhr_send", "Cookie: sid=2\r\n", "[\"a\"]")
            .await
            .0,
        204
    );
    server.answers("200 OK", "Remote-User: bob\r\n", "");
    assert_eq!(
        running
            .with("a/xhr_send", "Cookie: sid=3\r\n", "[\"a\"]")
            .await
            .0,
        404
    );
    server.answers("401 Unauthorized", "", "");
    assert_eq!(running.with("a/xhr_send", "", "[\"a\"]").await.0, 404);
    assert_eq!(server.times(), 3);
}

/// With a binding cookie nothing but opening is asked about.
#[tokio::test]
async fn binding_cookie_saves_questions() {
    let mut server = Asked::new("200 OK", ALICE, "").await;
    let running = serve(server.url("/"), |_, service| {
        service.session_binding = Some(SessionBinding::Cookie);
    });
    let (head, body) = running
        .whole("POST", "/000/a/xhr", "Cookie: sid=1\r\n", "")
        .await;
    assert_eq!(body, "o\n");
    let mut lines = head.lines();
    let set = lines
        .find_map(|line| line.strip_prefix("set-cookie: "))
        .unwrap();
    let cookie = format!("Cookie: {}\r\n", set.split(';').next().unwrap());
    assert_eq!(running.with("a/xhr_send", &cookie, "[\"a\"]").await.0, 204);
    assert_eq!(running.with("a/xhr_send", "", "[\"a\"]").await.0, 404);
    assert_eq!(server.times(), 1);
}

/// A service can have it asked for each request, and answers kept for a while.
#[tokio::test]
async fn each_request_can_be_asked_about() {
    let mut server = Asked::new("200 OK", ALICE, "").await;
    let each = serve(server.url("/"), |config, _| config.each_request = true);
    let own = "Cookie: sid=1\r\n";
    assert_eq!(each.with("a/xhr", own, "").await.1, "o\n");
    assert_eq!(each.with("a/xhr_send", own, "[\"a\"]").await.0, 204);
    assert_eq!(server.times(), 2);
    server.answers("403 Forbidden", "", "");
    assert_eq!(each.with("a/xhr_send", own, "[\"a\"]").await.0, 404);

    server.answers("200 OK", ALICE, "");
    let cached = serve(server.url("/"), |config, _| {
        config.each_request = true;
        config.cache = Some(Duration::from_secs(600));
    });
    server.times();
    for session in ["a", "b", "c"] {
        assert_eq!(
            cached.with(&format!("{session}/xhr"), own, "").await.1,
            "o\n"
        );
    }
    assert_eq!(server.times(), 1);
}

/// An answer is kept for questions like it alone: what is told from another page, address, scheme, method or transport is asked about.
#[tokio::test]
async fn answers_are_kept_for_like_questions() {
    let mut server = Asked::new("200 OK", ALICE, "").await;
    let running = serve(server.url("/"), |config, service| {
        service.session_binding = Some(SessionBinding::Identity);
        config.each_request = true;
        config.cache = Some(Duration::from_secs(600));
    });
    let own = "Cookie: sid=1\r\n";
    assert_eq!(running.with("a/xhr", own, "").await.1, "o\n");
    assert_eq!(running.with("b/xhr", own, "").await.1, "o\n");
    assert_eq!(server.times(), 1);
    server.answers("403 Forbidden", "", "");
    for fields in [
        "Origin: http://localhost\r\n",
        "X-Forwarded-For: 1.2.3.4\r\n",
        "X-Forwarded-Proto: https\r\n",
    ] {
        let fields = format!("{own}{fields}");
        assert_eq!(running.with("c/xhr", &fields, "").await.1, REFUSED);
    }
    assert_eq!(running.with("a/xhr_send", own, "[\"a\"]").await.0, 404);
    assert_eq!(server.times(), 4);
    assert_eq!(running.with("d/xhr", own, "").await.1, "o\n");
}

/// Refusals and redirections to where people log in are 4401. Where it fails nobody is let in, and is told that it is not their fault.
#[tokio::test]
async fn refusals_and_outages_let_nobody_in() {
    let server = Asked::new("401 Unauthorized", "", "").await;
    let mut running = serve(server.url("/"), |config, _| {
        config.timeout = Duration::from_millis(500);
    });
    for (status, fields, expected) in [
        ("401 Unauthorized", "", REFUSED),
        ("403 Forbidden", ALICE, REFUSED),
        ("302 Found", "Location: /login\r\n", REFUSED),
        ("500 Internal Server Error", ALICE, UNAVAILABLE),
        ("429 Too Many Requests", ALICE, UNAVAILABLE),
        // Nobody.
        ("200 OK", "", UNAVAILABLE),
        // It does not end.
        ("100 Continue", "", UNAVAILABLE),
    ] {
        server.answers(status, fields, "");
        assert_eq!(running.with("a/xhr", "", "").await.1, expected, "{status}");
    }
    let nobody = serve("http://127.0.0.1:1/".to_owned(), |_, _| {});
    assert_eq!(nobody.with("a/xhr", "", "").await.1, UNAVAILABLE);
    assert!(running.saw_nobody());
}

/// Nobody gets into an upstream, or into the memory of a session, what is no answer, or too much of one: fields that are long, many, or have
/// control characters in them, and a subject that is there twice. Then nobody is let in.
#[tokio::test]
async fn answers_are_bounded() {
    let server = Asked::new("200 OK", ALICE, "").await;
    let mut running = serve(server.url("/"), |config, _| {
        config.timeout = Duration::from_secs(5);
    });
    let long = |name: &str, length| format!("{ALICE}{name}: {}\r\n", "x".repeat(length));
    for fields in [
        format!("Remote-User: {}\r\n", "x".repeat(9000)),
        long("X-Groups", 9000),
        long("X-Other", 40_000),
        long("X-Other", 400_000),
        format!("{ALICE}{}", "X-Groups: admins-of-everything\r\n".repeat(60))
            .replace("admins", &"a".repeat(200)),
        format!("{ALICE}{}", "X-Other: a\r\n".repeat(1000)),
        "Remote-User: alice\r\nRemote-User: bob\r\n".to_owned(),
        "Remote-User: al\u{1}ice\r\n".to_owned(),
        "Remote-User: al\0ice\r\n".to_owned(),
        "Remote-User: al\u{7f}ice\r\n".to_owned(),
        "Remote-User: alice\rX-Groups: admins\r\n".to_owned(),
        "Remote-User: alice\r\n X-Groups: admins\r\n".to_owned(),
        "Remote-User: alice\r\nX-Groups : admins\r\n".to_owned(),
    ] {
        server.answers("200 OK", &fields, "");
        let answer = running.with("a/xhr", "", "").await.1;
        let start = &fields[..fields.len().min(60)];
        assert_eq!(answer, UNAVAILABLE, "{start:?}");
    }
    assert!(running.saw_nobody());
    server.answers("200 OK", &long("X-Groups", 4000), "");
    assert_eq!(running.with("a/xhr", "", "").await.1, "o\n");
}

/// A refusal with a long page is a refusal, and nothing is asked again because of it.
#[tokio::test]
async fn pages_of_answers_are_not_looked_at() {
    let mut server = Asked::new("200 OK", ALICE, "").await;
    let running = serve(server.url("/"), |_, _| {});
    assert_eq!(running.with("a/xhr", "", "").await.1, "o\n");
    server.answers("401 Unauthorized", "", &"log in ".repeat(50_000));
    assert_eq!(running.with("b/xhr", "", "").await.1, REFUSED);
    server.answers("200 OK", ALICE, &"hello ".repeat(50_000));
    assert_eq!(running.with("b/xhr", "", "").await.1, "o\n");
    assert_eq!(server.times(), 3);
}

/// The server is shown the whole target, whatever bytes are in it: nobody can hide where he wants to get.
#[tokio::test]
async fn no_target_is_hidden() {
    let mut server = Asked::new("200 OK", ALICE, "").await;
    let running = serve(server.url("/"), |_, _| {});
    assert_eq!(
        running.with("a/xhr?name=M\u{fc}ller", "", "").await.1,
        "o\n"
    );
    let head = server.head().await;
    let line = "x-forwarded-uri: /s/000/a/xhr?name=M\u{fc}ller\r\n";
    assert!(head.contains(line), "{head}");
}

/// The same text in another place is something else: who shows it is asked about.
#[tokio::test]
async fn places_of_what_is_shown_are_told_apart() {
    let mut server = Asked::new("200 OK", ALICE, "").await;
    let running = serve(server.url("/"), |config, _| {
        let sources = ["header:x-a", "header:x-b", "header:x-c"];
        config.sources = sources.map(|source| source.parse().unwrap()).to_vec();
    });
    let fields = "X-A:\r\nX-B: key\r\n";
    assert_eq!(running.with("a/xhr", fields, "").await.1, "o\n");
    assert_eq!(server.times(), 1);
    server.answers("401 Unauthorized", "", "");
    for fields in [
        "X-C: key\r\nX-C:\r\n",
        "X-B:\r\nX-B: key\r\n",
        "X-B: key\r\n",
    ] {
        let sent = running.with("a/xhr_send", fields, "[\"a\"]").await;
        assert_eq!((sent.0, server.times()), (404, 1), "{fields}");
    }
    assert_eq!(running.with("a/xhr_send", fields, "[\"a\"]").await.0, 204);
    assert_eq!(server.times(), 0);
}

/// Fields of an identity cannot be made up, however their names are written: what is no letter or digit is the same to some servers.
#[tokio::test]
async fn fields_of_an_identity_are_not_made_up() {
    // An answer without groups: nothing overwrites what the browser says.
    let server = Asked::new("200 OK", "Remote-User: alice\r\n", "").await;
    let mut running = serve(server.url("/"), |_, _| {});
    let names = [
        "X-User", "x-user", "X_User", "X.User", "X-Roles", "X_ROLES", "X!Roles", "X~roles",
    ];
    let fields: String = names.map(|name| format!("{name}: root\r\n")).concat();
    assert_eq!(running.with("a/xhr", &fields, "").await.1, "o\n");
    let seen = running.seen.recv().await.unwrap();
    assert!(!seen.contains("root"), "{seen}");
}

/// What it is shown can be chosen; then that alone is kept from the upstream.
#[tokio::test]
async fn what_it_is_shown_can_be_chosen() {
    let mut server = Asked::new("200 OK", ALICE, "").await;
    let mut running = serve(server.url("/"), |config, _| {
        let sources = ["cookie:sid", "query:token", "header:x-key"];
        config.sources = sources.map(|source| source.parse().unwrap()).to_vec();
    });
    let fields = "Cookie: a=b; sid=1\r\nX-Key: k\r\nAuthorization: Bearer x\r\n";
    assert_eq!(running.with("a/xhr?token=t&q=1", fields, "").await.1, "o\n");
    let head = server.head().await;
    for line in [
        "cookie: sid=1",
        "x-key: k",
        "x-forwarded-uri: /s/000/a/xhr?token=t&q=1",
    ] {
        assert!(head.contains(&format!("{line}\r\n")), "{line}: {head}");
    }
    assert!(!head.contains("authorization"), "{head}");
    let seen = running.seen.recv().await.unwrap();
    assert!(
        seen.contains("/s/000/a/xhr?q=1 ") && seen.contains("\"a=b\""),
        "{seen}"
    );
    // Cookies that are not shown tell nobody apart.
    let changed = fields.replace("a=b", "a=c");
    let sent = running.with("a/xhr_send?token=t&q=1", &changed, "[\"a\"]");
    assert_eq!(sent.await.0, 204);
    assert_eq!(server.times(), 0);

    let mut config = ForwardConfig::new("http://127.0.0.1:1/");
    config.sources = vec![Source::Header(http::header::CONTENT_LENGTH)];
    assert!(ForwardAuth::new(config).is_err());
}
