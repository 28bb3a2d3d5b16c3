//! Which mistakes are told, and how.

use super::{SERVICE, error, load, parsed};

/// A variable or argument that does not exist is refused like a key of a file.
#[test]
fn wrong_variables_and_arguments_are_refused() {
    for (variable, value, expected) in [
        ("SOCKJS_GATEWAY_LISEN", "x", "did you mean listen?"),
        (
            "SOCKJS_GATEWAY_LISTEN",
            "x",
            "\"x\" is not an address to listen on",
        ),
        (
            "SOCKJS_GATEWAY_SERVER__BACKLOGS",
            "1",
            "did you mean backlog?",
        ),
        (
            "SOCKJS_GATEWAY_SERVER__BACKLOG",
            "x",
            "\"x\" is not a whole number from 1 to 65535",
        ),
        (
            "SOCKJS_GATEWAY_SERVERS__BACKLOG",
            "1",
            "did you mean server?",
        ),
        (
            "SOCKJS_GATEWAY_SERVICE__B__RESUME",
            "false",
            "there is no service \"b\"; there are a; to add one, give it a prefix and a backend",
        ),
        (
            "SOCKJS_GATEWAY_SERVICE__A__RESUME",
            "no",
            "\"no\" is not true or false",
        ),
        (
            "SOCKJS_GATEWAY_SERVICE__A__UPSTREAM__DIAL__X",
            "1",
            "no path of a key",
        ),
        (
            "SOCKJS_GATEWAY_SERVICE__A__NETWORK__PIN",
            "[",
            "is not a list as it would stand in a file",
        ),
        (
            "SOCKJS_GATEWAY_DEFAULTS__PREFIX",
            "/b",
            "there is no key \"prefix\"",
        ),
        ("SOCKJS_GATEWAY_SERVICE", "x", "there is no key \"service\""),
        ("SOCKJS_GATEWAY_DEFAULTS", "x", "no path of a key"),
        ("SOCKJS_GATEWAY_", "x", "there is no key"),
    ] {
        let error = load(SERVICE, &[(variable, value)], &[]).expect_err(variable);
        assert!(error.contains(expected), "{variable}: {error}");
        assert!(error.contains(variable), "{error}");
    }
    // Quotes are for files.
    for (path, value) in [
        ("service.a.heartbeat_delay", "10"),
        ("service.a.origins", "x"),
        ("service.a.resume", "no"),
        ("server.backlog", "x"),
        ("server.max_header_size", "x"),
        ("drain.window", "1"),
    ] {
        let error = load(SERVICE, &[], &[(path, value)]).expect_err(path);
        assert!(!error.contains("quotes"), "{error}");
    }
    let error = load(SERVICE, &[], &[("service.a.heartbeat", "1s")]).expect_err("no such key");
    assert!(error.starts_with("--set service.a.heartbeat: "), "{error}");
}

/// A mistake in a file is told though something else overrides it.
#[test]
fn overridden_mistakes_are_told() {
    let text = format!("listen = \"nonsense\"\n{SERVICE}resume = 1\n");
    let variables = [("SOCKJS_GATEWAY_SERVICE__A__RESUME", "true")];
    let error = load(&text, &variables, &[("listen", "127.0.0.1:0")]).expect_err("mistakes");
    assert!(
        error.contains("FILE:1:10: listen: \"nonsense\" is not"),
        "{error}"
    );
    assert!(
        error.contains("FILE:5:10: service a.resume: 1 is not"),
        "{error}"
    );
}

/// Every mistake names file, line, column, key and value, and what to write instead.
#[test]
fn mistakes_are_named_with_their_place() {
    let cases = [
        (
            "lisen = \"x\"\n".to_owned() + SERVICE,
            "FILE:1:1: there is no key \"lisen\"; did you mean listen?",
        ),
        (
            format!("{SERVICE}hartbeat_delay = \"25s\"\n"),
            "FILE:4:1: service \"/a\": there is no key \"hartbeat_delay\"; did you mean heartbeat_delay?",
        ),
        (
            format!("{SERVICE}message_size = \"25s\"\n"),
            "FILE:4:1: service \"/a\": there is no key \"message_size\"; did you mean max_message_size?",
        ),
        (
            format!("{SERVICE}heartbeat_delay = 25\n"),
            "FILE:4:19: service \"/a\": heartbeat_delay: 25 is not a duration; write a number and ms, s, m or h in quotes, from \"1ms\" to \"8784h\", like \"25s\", or \"off\"",
        ),
        (
            format!("{SERVICE}heartbeat_delay = \"25\"\n"),
            "heartbeat_delay: \"25\" is not a duration",
        ),
        (
            format!("{SERVICE}disconnect_delay = \"off\"\n"),
            "disconnect_delay: \"off\" is not a duration",
        ),
        (
            format!("{SERVICE}disconnect_delay = \"9999999h\"\n"),
            "is not a duration",
        ),
        (
            format!("{SERVICE}response_limit = \"big\"\n"),
            "response_limit: \"big\" is not a size; write",
        ),
        (
            format!("{SERVICE}response_limit = 0\n"),
            "response_limit: 0 is not a size",
        ),
        (
            format!("{SERVICE}response_limit = 1.5\n"),
            "response_limit: 1.5 is not a size",
        ),
        (
            format!("{SERVICE}response_limit = 99999999999999999999\n"),
            "99999999999999999999",
        ),
        (
            format!("{SERVICE}resume = \"yes\"\n"),
            "resume: \"yes\" is not true or false",
        ),
        (
            format!("{SERVICE}chunks = \"tiny\"\n"),
            "chunks: \"tiny\" is not one of \"auto\", \"small\", \"whole\"",
        ),
        (
            format!("{SERVICE}max_sessions = 0\n"),
            "max_sessions: 0 is not a whole number of at least 1",
        ),
        (
            format!("{SERVICE}max_sessions = [1]\n"),
            "max_sessions: [1] is not",
        ),
        (
            format!("{SERVICE}origins = \"app.example.com\"\n"),
            "FILE:4:11: service \"/a\": origins: \"app.example.com\" is not an origin",
        ),
        (
            format!("{SERVICE}origins = [\"https://a.example\", \"x\"]\n"),
            "FILE:4:33: service \"/a\": origins: \"x\" is not an origin",
        ),
        (
            format!("{SERVICE}origins = []\n"),
            "origins: the list is empty",
        ),
        (
            format!("{SERVICE}origins = true\n"),
            "origins: true is not \"same\", \"*\"",
        ),
        (
            format!("{SERVICE}transports = [\"xhr-poling\"]\n"),
            "there is no transport \"xhr-poling\"; did you mean xhr-polling?",
        ),
        (
            format!("{SERVICE}transports = \"websocket\"\n"),
            "is not a list of names of transports",
        ),
        (
            format!("{SERVICE}transports = []\n"),
            "transports: the list is empty",
        ),
        (
            format!("{SERVICE}sockjs_url = \"ftp://x\"\n"),
            "sockjs_url \"ftp://x\" must start with",
        ),
        (
            format!("{SERVICE}name = \"a b\"\n"),
            "name: \"a b\" is not a name",
        ),
        (
            format!("{SERVICE}listen = \"127.0.0.1:1\"\n"),
            "there is no key \"listen\" here; it belongs into the top of the file",
        ),
        (
            format!("{SERVICE}backlog = 5\n"),
            "it belongs into [server]",
        ),
        (
            format!("{SERVICE}dial_timeout = \"5s\"\n"),
            "it belongs into [service.upstream]",
        ),
        (
            format!("heartbeat_delay = \"5s\"\n{SERVICE}"),
            "it belongs into [[service]] or [defaults]",
        ),
        (
            format!("{SERVICE}{SERVICE}"),
            "FILE:5:10: service \"/a\": prefix: two services have the prefix \"/a\"; each needs one of its own; the other one is at FILE:2:10",
        ),
        (
            format!("{SERVICE}[[service]]\nprefix = \"/a/\"\nbackend = \"echo:\"\n"),
            "must start with /",
        ),
        (
            format!("{SERVICE}[[service]]\nprefix = \"/b\"\nname = \"a\"\nbackend = \"echo:\"\n"),
            "a service before is called \"a\"",
        ),
        (
            "[[service]]\nprefix = \"a\"\nbackend = \"echo:\"".to_owned(),
            "FILE:2:10: service \"a\": prefix: \"a\" is not a prefix: it must start with /",
        ),
        (
            "[[service]]\nprefix = 1\nbackend = \"echo:\"".to_owned(),
            "prefix: 1 is not a text",
        ),
        (
            "[[service]]\nbackend = \"echo:\"".to_owned(),
            "FILE:1:1: service number 1: prefix: is missing; write prefix = \"/chat\"",
        ),
        (
            "[[service]]\nprefix = \"/a\"".to_owned(),
            "service \"/a\": backend: is missing; write backend = \"ws://127.0.0.1:9000/socket\"",
        ),
        (
            "[[service]]\nprefix = \"/a\"\nbackend = \"http://x\"".to_owned(),
            "FILE:3:11: service \"/a\": backend: \"http://x\" is not a backend: write one of",
        ),
        (
            "[[service]]\nprefix = \"/a\"\nbackend = \"ws://\"".to_owned(),
            "FILE:3:11: service \"/a\": backend: \"ws://\" is not a backend",
        ),
        (
            "[service]\nprefix = \"/a\"\nbackend = \"echo:\"".to_owned(),
            "write [[service]], with two brackets",
        ),
        ("service = [1]\n".to_owned(), "service: 1 is not a table"),
        (
            format!("{SERVICE}[service.upstream]\nheaders = [\"host\"]\n"),
            "FILE:5:12: service \"/a\": upstream.headers: header field \"host\" cannot be passed on",
        ),
        (
            format!("{SERVICE}[service.upstream]\nheaders = [\"a b\"]\n"),
            "\"a b\" is not the name of a header field",
        ),
        (
            format!("{SERVICE}[service.upstream]\nheaders = [1]\n"),
            "1 is not a text",
        ),
        (
            format!("{SERVICE}[service.upstraem]\n"),
            "there is no key \"upstraem\"; did you mean upstream?",
        ),
        (
            format!("{SERVICE}upstream = 1\n"),
            "upstream: 1 is not a table; write [service.upstream], and its keys below",
        ),
        (
            format!("{SERVICE}[service.network]\nfirst_heartbeat = \"1ms\"\n"),
            "would send heartbeats without end",
        ),
        (
            format!("{SERVICE}[[service.network.pin]]\nwebsocket = true\n"),
            "network.pin.clients: is missing",
        ),
        (
            format!("{SERVICE}[[service.network.pin]]\nclients = [\"10.0.0.0/8\"]\n"),
            "network.pin: says nothing",
        ),
        (
            format!("{SERVICE}[[service.network.pin]]\nclients = [\"x\"]\nwebsocket = true\n"),
            "network.pin.clients: \"x\" is neither an address nor a network",
        ),
        (
            format!("{SERVICE}[[service.network.pin]]\nclient = [\"10.0.0.0/8\"]\n"),
            "did you mean clients?",
        ),
        (
            format!("listen = \"8081\"\n{SERVICE}"),
            "FILE:1:10: listen: \"8081\" is not an address to listen on; write an address and a port, like \"127.0.0.1:8081\"",
        ),
        (
            format!("trusted_proxies = [\"x\"]\n{SERVICE}"),
            "10.0.0.0/8",
        ),
        (
            format!("[server]\nmax_headers = 5000\n{SERVICE}"),
            "FILE:2:15: server.max_headers: 5000 is not a whole number from 1 to 4096",
        ),
        (
            format!("[defaults]\nprefix = \"/x\"\n{SERVICE}"),
            "FILE:2:1: defaults.prefix: every service has its own",
        ),
        (
            format!("[defaults]\nresume = 1\n{SERVICE}"),
            "FILE:2:10: defaults.resume: 1 is not true or false",
        ),
        (
            format!("[defaults.upstream]\nbinary = 1\n{SERVICE}"),
            "defaults.upstream.binary: 1 is not one of",
        ),
        (
            format!("defaults = 1\n{SERVICE}"),
            "defaults: 1 is not a table",
        ),
        (
            String::new(),
            "FILE: there is no service; add a table [[service]]",
        ),
        ("nonsense".to_owned(), "FILE:1:"),
        (
            format!("{SERVICE}prefix = \"/b\"\n"),
            "FILE:4:1: not TOML: duplicate key prefix: it stands there already; leave one of them out",
        ),
    ];
    let mut failures = Vec::new();
    for (text, expected) in &cases {
        let message = error(text);
        if !message.contains(expected) || !message.starts_with("FILE:") {
            failures.push(format!("{message:?} does not contain {expected:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// All mistakes are told at once, in the order in which they stand in the file.
#[test]
fn all_mistakes_are_told() {
    let message = error(
        "listen = 1\n[server]\nbacklog = \"x\"\n[[service]]\nprefix = \"/a\"\nbackend = \"echo:\"\nresume = 1\nnonsense = 1\n",
    );
    let places: Vec<_> = message
        .lines()
        .map(|line| line.split(' ').next().unwrap_or_default())
        .collect();
    assert_eq!(
        places,
        ["FILE:1:10:", "FILE:3:11:", "FILE:7:10:", "FILE:8:1:"],
        "{message}"
    );
}

/// Listeners are checked as far as their files, before anything is bound.
#[test]
fn mistakes_of_listeners_are_named() {
    let listener = "[[listener]]\naddress = \"127.0.0.1:443\"\n";
    let tls = "[[listener.tls]]\ncertificate = \"/nowhere/a.pem\"\n";
    for (text, expected) in [
        (
            "listen = []\n".to_owned(),
            "FILE:1:10: listen: the list is empty",
        ),
        (
            "listen = [\"unix:relative\"]\n".to_owned(),
            "FILE:1:11: listen: \"unix:relative\" is not an address to listen on",
        ),
        (
            "listen = \"example.com:80\"\n".to_owned(),
            "names are not looked up",
        ),
        (
            "listener = 1\n".to_owned(),
            "FILE:1:12: listener: 1 is not a list of tables; write the name of each in two brackets",
        ),
        (
            "[listener]\naddress = \"127.0.0.1:1\"\n".to_owned(),
            "is not a list of tables",
        ),
        (
            "[[listener]]\nproxy_protocol = true\n".to_owned(),
            "FILE:1:1: listener.address: is missing",
        ),
        (
            format!("{listener}adress = 1\n"),
            "FILE:3:1: listener 127.0.0.1:443: there is no key \"adress\"; did you mean address?",
        ),
        (
            format!("{listener}mode = \"0600\"\n"),
            "FILE:3:8: listener 127.0.0.1:443: mode: is for Unix sockets only",
        ),
        (
            format!("{listener}client_ca = \"/nowhere/ca.pem\"\n"),
            "FILE:3:13: listener 127.0.0.1:443: client_ca: clients show certificates over TLS only",
        ),
        (
            format!("{listener}client_optional = true\n"),
            "FILE:3:19: listener 127.0.0.1:443: client_optional: clients are not asked",
        ),
        (
            format!("{listener}tls = []\n"),
            "FILE:3:7: listener 127.0.0.1:443: tls: the list is empty",
        ),
        (
            format!("{listener}{tls}"),
            "FILE:3:1: listener 127.0.0.1:443: tls.key: is missing",
        ),
        (
            format!("{listener}[[listener.tls]]\nkey = \"/nowhere/a.key\"\n"),
            "FILE:3:1: listener 127.0.0.1:443: tls.certificate: is missing; a key is of no use",
        ),
        (
            format!("{listener}{tls}key = \"/nowhere/a.key\"\n"),
            "FILE:4:15: listener 127.0.0.1:443: tls.certificate: cannot read /nowhere/a.pem",
        ),
        (
            format!("{listener}{listener}"),
            "FILE:4:11: listener.address: two listeners are at 127.0.0.1:443",
        ),
        (
            format!("listen = \"127.0.0.1:443\"\n{listener}"),
            "two listeners are at 127.0.0.1:443",
        ),
        (
            "[[listener]]\naddress = \"unix:/run/x.sock\"\nmode = \"rw\"\n".to_owned(),
            "listener unix:/run/x.sock: mode: \"rw\" is not the permissions of a file",
        ),
    ] {
        let message = error(&format!("{text}{SERVICE}"));
        assert!(
            message.contains(expected),
            "{message:?} does not contain {expected:?}"
        );
    }
}

/// A Unix socket's path that the system would not take is refused before anything is opened, for every listener. (unix(7), `sun_path`)
#[cfg(target_os = "linux")]
#[test]
fn paths_of_sockets_fit_into_an_address() {
    let longest = format!("/{}", "x".repeat(106));
    let config = parsed(&format!("listen = \"unix:{longest}\"\n{SERVICE}"));
    assert_eq!(config.listen[0].to_string(), format!("unix:{longest}"));
    let address = format!("unix:{longest}x");
    for (text, place) in [
        (format!("listen = [\"{address}\"]\n"), "FILE:1:11: listen: "),
        (
            format!("[[listener]]\naddress = \"{address}\"\n"),
            "FILE:2:11: listener.address: ",
        ),
        (
            format!("[admin]\nlisten = \"{address}\"\n"),
            "FILE:2:10: admin.listen: ",
        ),
    ] {
        let message = error(&format!("{text}{SERVICE}"));
        let expected = format!(
            "{place}\"{address}\" is too long: its path has 108 bytes, and that of a Unix socket at most 107"
        );
        assert!(message.contains(&expected), "{message}");
    }
}

/// More of what was accepted, or told badly, once.
#[test]
fn further_mistakes_are_named() {
    for (text, expected) in [
        (format!("{SERVICE}heartbeat_delay = \"50ms\"\n"), "heartbeat_delay: \"50ms\" would send heartbeats without end"),
        (format!("watch = \"99ms\"\n{SERVICE}"), "FILE:1:9: watch: \"99ms\" would look at files without end; write \"100ms\" or more"),
        (format!("[server]\ntcp_user_timeout = \"600h\"\n{SERVICE}"), "server.tcp_user_timeout: \"600h\" is more or less than the system takes; write \"1s\" to \"596h\""),
        (format!("[server]\ntcp_keepalive = \"10ms\"\n{SERVICE}"), "server.tcp_keepalive: \"10ms\" is more or less"),
        (format!("[server]\nmax_header_size = 1\n{SERVICE}"), "1 is not a size; write a number of bytes, at least 8192"),
        (format!("{SERVICE}resume = \"true\"\n"), "\"true\" is not true or false, without quotes"),
        (format!("{SERVICE}origins = [\"*\", \"https://a.example\"]\n"), "\"*\" stands alone"),
        (format!("{SERVICE}origins = [\"x\", \"y\"]\n"), "origins: \"y\" is not an origin"),
        (format!("{SERVICE}[[service]]\nprefix = \"/A\"\nbackend = \"echo:\"\n"), "a service before is called \"a\", which is the same in variables"),
        (format!("{SERVICE}[[service]]\nprefix = \"/a/info\"\nbackend = \"echo:\"\n"), "prefix: it lies where the service \"/a\" answers something itself"),
        (format!("{SERVICE}[[service]]\nprefix = \"/b\"\nname = \"x--y\"\nbackend = \"echo:\"\n"), "\"x--y\" is not a name"),
        ("[[service]]\nprefix = \"/a/../b\"\nbackend = \"echo:\"\n".to_owned(), "\"/a/../b\" is not a prefix"),
        ("[[service]]\nprefix = \"/a%zz\"\nbackend = \"echo:\"\n".to_owned(), "\"/a%zz\" is not a prefix"),
        ("[[service]]\nprefix = \"/a\"\nbackend = \"echo:x\"\n".to_owned(), "\"echo:x\" is not a backend"),
        (format!("{SERVICE}[service.upstream]\nca_file = \"/nowhere\"\n"), "FILE:5:11: service \"/a\": upstream.ca_file: is for wss:// backends only"),
        ("[[service]]\nprefix = \"/a\"\nbackend = \"wss://x/\"\n[service.upstream]\nca_file = \"/nowhere\"\n".to_owned(), "FILE:5:11: service \"/a\": upstream.ca_file: wss:// cannot be used: cannot read certificates from /nowhere"),
        (format!("[defaults]\ndial_timeout = \"1s\"\n{SERVICE}"), "it belongs into [defaults.upstream]"),
        (format!("[defaults]\nupstream = 1\n{SERVICE}"), "write [defaults.upstream], and its keys below"),
        (format!("[drain]\ncode = 1006\n{SERVICE}"), "FILE:2:8: drain.code: 1006 may not stand in a close frame; write"),
        (format!("[drain]\nreason = \"{}\"\n{SERVICE}", "x".repeat(124)), "drain.reason: "),
        ("listen = 5\n".to_owned(), "there is no service"),
        ("\u{feff}lisen = 1\n".to_owned(), "FILE:1:1:"),
    ] {
        let message = error(&text);
        assert!(message.contains(expected), "{message:?} does not contain {expected:?}");
    }
    // Everything at once, from all layers.
    let text = "listen = 5\n[[service]]\nprefix = \"/a\"\nbackend = \"ws://\"\n";
    let variables = [
        ("SOCKJS_GATEWAY_LISTN", "x"),
        ("SOCKJS_GATEWAY_SERVER_BACKLOG", "x"),
        ("SOCKJS_GATEWAY_SERVICE__AA__RESUME", "true"),
    ];
    let message = load(text, &variables, &[("server", "5")]).expect_err("mistakes");
    for expected in [
        "FILE:1:10: listen: 5",
        "FILE:4:11: service \"/a\": backend:",
        "SOCKJS_GATEWAY_LISTN: there is no key",
        "SOCKJS_GATEWAY_SERVER_BACKLOG: there is no key \"server_backlog\"; between the parts of a path stand two underscores",
        "there is no service \"aa\"; did you mean a?",
        "--set server: server is a table",
    ] {
        assert!(
            message.contains(expected),
            "{message:?} does not contain {expected:?}"
        );
    }
    // Something else in the place of a table is told once, as what it is.
    for text in [
        "service = 5\n".to_owned(),
        format!("defaults = 5\n{SERVICE}"),
        format!("server = 5\n{SERVICE}"),
    ] {
        let variables = [
            ("SOCKJS_GATEWAY_SERVICE__B__PREFIX", "/b"),
            ("SOCKJS_GATEWAY_DEFAULTS__RESUME", "true"),
            ("SOCKJS_GATEWAY_SERVER__BACKLOG", "5"),
        ];
        let message = load(&text, &variables, &[]).expect_err("a mistake");
        assert!(message.contains("FILE:1:"), "{message}");
    }
}

/// Nothing that may be secret is shown, wherever it was written by mistake; and nothing that a terminal would obey.
#[test]
fn secrets_in_the_wrong_place_are_hidden() {
    let url = "ws://user:s3c/r?et@host/?token=s3cret";
    for text in [
        format!("[[service]]\nprefix = \"{url}\"\nbackend = \"/a\"\n"),
        format!("[[service]]\nprefix = \"/a\"\nbackend = [\"{url}\"]\n"),
        format!("[[service]]\nprefix = \"/a\"\nbackend = {{ url = \"{url}\" }}\n"),
        format!("[[defaults]]\nbackend = \"{url}\"\n{SERVICE}"),
        format!("service = [\"{url}\"]\n"),
        format!("{SERVICE}upstream = \"{url}\"\n"),
        format!("{SERVICE}sockjs_url = \"{url}\"\n"),
        format!("{SERVICE}origins = \"{url}\"\n"),
        format!("\"{url}\" = 1\n{SERVICE}"),
    ] {
        let message = error(&text);
        for secret in ["s3c", "et@"] {
            assert!(!message.contains(secret), "{message} of {text}");
        }
    }
    let message = load(SERVICE, &[], &[(url, "1"), ("server.backlog", url)]).expect_err("mistakes");
    assert!(
        !message.contains("s3c") && !message.contains("et@"),
        "{message}"
    );

    let message = error(&format!(
        "{SERVICE}\"\\u001b[2J\\u202e{}\" = 1\n",
        "x".repeat(100_000)
    ));
    assert!(
        !message.contains(['\u{1b}', '\u{202e}']) && message.len() < 5_000,
        "{}",
        message.len()
    );
}
