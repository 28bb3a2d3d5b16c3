//! Several mistakes: each is told, once, at its place.

use super::{SERVICE, error};

/// A mistake of a key hides none that is between keys, listeners or files, and each is told at its own key.
#[test]
fn mistakes_do_not_hide_each_other() {
    let text = "\
listen = [\"127.0.0.1:1\", \"127.0.0.1:1\"]
[[listener]]
address = \"127.0.0.1:2\"
proxy_protocol = 1
client_ca = \"/nowhere/ca.pem\"
[[listener.tls]]
certificate = \"/nowhere/a.pem\"
key = \"/nowhere/a.key\"
[[listener.tls]]
certificate = \"/nowhere/b.pem\"
key = \"/nowhere/b.key\"
[[listener]]
address = \"127.0.0.1:2\"
mode = \"0600\"
client_optional = true
[[auth]]
name = \"users\"
secret_file = \"/nowhere/secret\"
cache = \"1s\"
each_request = true
leeway = 5
[[auth]]
name = \"more\"
unavailable_code = 7
jwks_url = \"https://a.example/\"
ca_file = \"/nowhere/login.pem\"
[health]
public = true
live_path = \"/a/x\"
[admin]
listen = \"0.0.0.0:3\"
[drain]
code = 5
[[service]]
prefix = \"/a\"
backend = \"ws://\"
resume = 1
sessions_burst = 5
messages_per_second = \"x\"
messages_burst = 5
";
    let message = error(text);
    let expected = [
        "FILE:1:26: listen: two listeners are at 127.0.0.1:1",
        "FILE:4:18: listener 127.0.0.1:2: proxy_protocol: 1 is not",
        "FILE:5:13: listener 127.0.0.1:2: client_ca: cannot read /nowhere/ca.pem",
        "FILE:7:15: listener 127.0.0.1:2: tls.certificate: cannot read /nowhere/a.pem",
        "FILE:8:7: listener 127.0.0.1:2: tls.key: cannot read /nowhere/a.key",
        "FILE:10:15: listener 127.0.0.1:2: tls.certificate: cannot read /nowhere/b.pem",
        "FILE:11:7: listener 127.0.0.1:2: tls.key: cannot read /nowhere/b.key",
        "FILE:13:11: listener.address: two listeners are at 127.0.0.1:2",
        "FILE:14:8: listener 127.0.0.1:2: mode: is for Unix sockets only",
        "FILE:15:19: listener 127.0.0.1:2: client_optional: clients are not asked",
        "FILE:18:15: auth \"users\": secret_file: cannot read /nowhere/secret",
        "FILE:19:9: auth \"users\": cache: means nothing beside secret_file",
        "FILE:20:16: auth \"users\": each_request: means nothing beside secret_file",
        "FILE:21:10: auth \"users\": leeway: 5 is not a duration",
        "FILE:24:20: auth \"more\": unavailable_code: 7 is not",
        "FILE:26:11: auth \"more\": ca_file: ",
        "FILE:29:13: health.live_path: \"/a/x\" is of the service \"/a\"",
        "FILE:31:10: admin.listen: 0.0.0.0:3 can be reached from other machines",
        "FILE:33:8: drain.code: 5 is not",
        "FILE:36:11: service \"/a\": backend: ",
        "FILE:37:10: service \"/a\": resume: 1 is not",
        "FILE:38:18: service \"/a\": sessions_burst: has no effect without",
        "FILE:39:23: service \"/a\": messages_per_second: \"x\" is not",
    ];
    let told: Vec<_> = message.lines().collect();
    for (told, expected) in told.iter().zip(expected) {
        assert!(
            told.starts_with(expected),
            "{told} is not {expected}; all: {message}"
        );
    }
    assert_eq!(told.len(), expected.len(), "{message}");
}

/// What follows from a mistake is not told too.
#[test]
fn nothing_follows_from_a_mistake() {
    for text in [
        "listen = 1\n[[listener]]\naddress = \"127.0.0.1:8081\"\n",
        "[admin]\nlisten = \"0.0.0.0:1\"\ntoken_file = 1\n",
        "[[listener]]\naddress = \"127.0.0.1:1\"\nclient_ca = \"/nowhere\"\ntls = 1\n",
        "[[auth]]\nname = \"a\"\njwks_url = \"https://a/\"\njwks_keep = \"5m\"\njwks_refresh = 1\n",
        "[defaults]\nsessions_per_second = \"x\"\n",
    ] {
        let service = if text.contains("defaults") {
            "sessions_burst = 1\n"
        } else {
            ""
        };
        let message = error(&format!("{text}{SERVICE}{service}"));
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}

/// A file that is no text is told where it ceases to be.
#[test]
fn text_in_another_encoding_is_told_with_its_place() {
    let file = super::File::new("");
    std::fs::write(&file.0, b"listen = \"127.0.0.1:1\"\n# f\xfcr\n")
        .expect("the file can be written");
    let sources = super::Sources {
        file: Some((file.0.clone(), super::Origin::Default)),
        ..super::Sources::default()
    };
    let message = super::Config::load(&sources)
        .expect_err("it is not UTF-8")
        .to_string();
    assert!(
        message.contains(":2:4: not TOML: here is something that is not text in UTF-8"),
        "{message}"
    );
}
