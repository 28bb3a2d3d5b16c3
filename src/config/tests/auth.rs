//! What is wrong with authenticators, and with services that name them.

use super::{SERVICE, load};

/// An authenticator that could not work is refused at load, and so is a service that names none that there is.
#[test]
fn authenticators_that_cannot_work_are_refused() {
    let missing = "secret_file = \"/no/such/file\"";
    let both = "secret_file = \"/a\"\njwks_file = \"/b\"";
    for (auth, service, expected) in [
        (
            "name = \"a\"",
            "",
            "says nothing of how somebody proves who it is",
        ),
        (missing, "", "auth.name: is missing"),
        (
            &format!("name = \"none\"\n{missing}"),
            "",
            "write another name",
        ),
        (
            &format!("name = \"a\"\n{both}"),
            "",
            "two ways to prove who somebody is cannot be mixed",
        ),
        (
            &format!("name = \"a\"\n{missing}"),
            "",
            "auth \"a\": secret_file: cannot read /no/such/file",
        ),
        (
            &format!("name = \"users\"\n{missing}"),
            "auth = \"user\"",
            "there is no authenticator \"user\"; did you mean users?",
        ),
        (
            &format!("name = \"a\"\n{missing}\nfrom = [\"form:x\"]"),
            "",
            "is no place of a token",
        ),
        (
            &format!("name = \"a\"\n{missing}\nupstream_fields = [\"host=sub\"]"),
            "",
            "cannot be passed on",
        ),
        (
            &format!("name = \"a\"\n{missing}\nrefused_code = 1000"),
            "",
            "a whole number from 3000 to 4999",
        ),
        (
            &format!("name = \"a\"\n{missing}"),
            "session_binding = \"identity\"",
            "there is no identity without authentication",
        ),
        (
            "name = \"a\"\nforward_url = \"http://a/\"\naudience = \"x\"",
            "",
            "auth \"a\": audience: means nothing beside forward_url",
        ),
        (
            "name = \"a\"\nforward_url = \"http://a/\"\nfrom = [\"message\"]",
            "",
            "auth \"a\": from: messages cannot be shown",
        ),
        (
            "name = \"a\"\nforward_url = \"http://a/\"\nfrom = [\"header:host\"]",
            "",
            ":4:8: auth \"a\": from: host is set by the gateway itself",
        ),
        (
            "name = \"a\"\nforward_url = \"http://u:p@a/\"",
            "",
            "auth \"a\": forward_url: it has a user name, and none can be sent; leave it out",
        ),
        (
            "name = \"a\"\njwks_url = \"https://a/\"\njwks_keep = \"5m\"",
            "",
            "auth \"a\": jwks_keep: 5m is shorter than jwks_refresh (15m)",
        ),
        (
            "name = \"a\"\njwks_url = \"https://a/\"\njwks_refresh = \"48h\"",
            "",
            "write a longer jwks_keep or a shorter jwks_refresh",
        ),
        (
            "name = \"a\"\njwks_url = \"ftp://a/\"",
            "",
            "auth \"a\": jwks_url: it does not start with http:// or https://",
        ),
        (
            "name = \"a\"\njwks_url = \"https://a/\"\nca_file = \"/no/such/file\"",
            "",
            ":4:11: auth \"a\": ca_file: ",
        ),
        (
            &format!("name = \"a\"\n{missing}\ncache = \"10s\""),
            "",
            "auth \"a\": cache: means nothing beside secret_file",
        ),
        (
            &format!("name = \"a\"\n{missing}\nmessage_timeout = \"1s\""),
            "",
            "is for tokens in messages",
        ),
        (
            "name = \"a\"\nclient_certificate = \"cn\"",
            "",
            "no listener asks clients for certificates",
        ),
        (
            "name = \"a\"\njwks_url = \"https://a/\"\nfrom = [\"message\"]",
            "auth = \"a\"\nsession_binding = \"identity\"",
            "further requests have no token",
        ),
        (
            &format!("name = \"a\"\n{missing}"),
            "session_binding = \"cookie\"\norigins = \"*\"",
            "do not go together",
        ),
    ] {
        let file = format!("[[auth]]\n{auth}\n{SERVICE}\n{service}\n");
        let error = load(&file, &[], &[]).expect_err(expected);
        assert!(error.contains(expected), "{expected}: {error}");
    }
}

/// Who is on the way to a server that is asked can say anything, but for TLS, and on the same host.
#[test]
fn servers_that_can_be_played_are_warnings() {
    let count = |key: &str, url: &str| {
        let auth = format!("[[auth]]\nname = \"a\"\n{key} = \"{url}\"\n");
        let config = load(&format!("{auth}{SERVICE}\n"), &[], &[]).expect("it is allowed");
        let warnings = config.warnings();
        let mut keys = warnings.iter().map(|warning| &warning.key);
        assert!(keys.all(|own| *own == format!("auth \"a\": {key}")));
        warnings.len()
    };
    for key in ["jwks_url", "forward_url"] {
        for url in [
            "http://a/",
            "http://192.0.2.1/",
            "http://[2001:db8::1]/",
            "http://localhost.a/",
        ] {
            assert_eq!(count(key, url), 1, "{url}");
        }
        for url in ["http://127.0.0.1:9/", "http://localhost/", "http://[::1]/"] {
            assert_eq!(count(key, url), 0, "{url}");
        }
    }
}

/// A mistake in an authenticator is told where it is, and not also for each service that names it.
#[test]
fn mistake_of_an_authenticator_is_told_once() {
    let file = format!("[[auth]]\nname = \"a\"\nleeway = 3\n{SERVICE}\nauth = \"a\"\n");
    let error = load(&file, &[], &[]).expect_err("leeway has no unit");
    assert!(error.contains("auth \"a\": leeway"), "{error}");
    assert!(!error.contains("no authenticator"), "{error}");
}
