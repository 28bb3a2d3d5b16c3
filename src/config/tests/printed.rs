//! What is printed: what is in force, the documentation, a file to start from.

use std::collections::BTreeSet;

use super::super::*;
use super::{SERVICE, error, parsed};
use crate::server::CertificateFiles;

/// A password or token in a backend's URL is shown to nobody.
#[test]
fn secrets_of_a_backend_url_are_hidden() {
    let service = |url: &str| format!("[[service]]\nprefix = \"/a\"\nbackend = \"{url}\"\n");
    for url in [
        "ws://user:s3cret@host/",
        "wsx://user:s3cret@host/",
        "x://host/?token=s3cret",
    ] {
        let message = error(&service(url));
        assert!(!message.contains("s3cret"), "{message}");
    }
    let config = parsed(&service("ws://127.0.0.1:9/socket?token=s3cret"));
    for shown in [config.show(false), config.show_json(false).to_string()] {
        assert!(!shown.contains("s3cret"), "{shown}");
        assert!(shown.contains("ws://127.0.0.1:9/socket?…"), "{shown}");
    }
    // As a file it must not pass for the whole.
    assert!(error(&config.show(false)).contains("backend: is missing"));
}

/// What is shown is a file that gives the same configuration.
#[test]
fn what_is_shown_can_be_read_again() {
    let text = format!(
        "trusted_proxies = [\"::1\"]\n[defaults]\norigins = [\"https://*.example.org:8443\"]\n{SERVICE}[[service.network.pin]]\nclients = [\"10.0.0.0/8\"]\nwebsocket = false\n[[service]]\nprefix = \"/it\\\"s\"\nbackend = \"close:\"\n"
    );
    let text = text.replace("/it\\\"s", "/its");
    let config = parsed(&text);
    for changed in [false, true] {
        let again = parsed(&config.show(changed));
        assert_eq!(
            format!("{:?}", again.services),
            format!("{:?}", config.services)
        );
        assert_eq!(
            (&again.listen, &again.server, &again.gateway),
            (&config.listen, &config.server, &config.gateway)
        );
    }
    assert!(
        config
            .show(true)
            .lines()
            .all(|line| !line.ends_with("# default"))
    );
}

/// The page, the file of all keys and the schema name every key, once per table.
#[test]
fn every_key_is_documented() {
    let shown: BTreeSet<_> = parsed(SERVICE)
        .show_json(false)
        .as_array()
        .expect("a list")
        .iter()
        .map(|shown| {
            shown["key"]
                .as_str()
                .expect("a text")
                .rsplit('.')
                .next()
                .expect("a name")
                .to_owned()
        })
        .collect();
    let (page, file, schema) = (reference(), default_file(), schema().to_string());
    for key in shown {
        assert!(page.contains(&format!("| `{key}` |")), "{key} in the page");
        assert!(
            file.contains(&format!("{key} = ")) || file.contains(&format!("{key}]]\n")),
            "{key} in the file"
        );
        assert!(
            schema.contains(&format!("\"{key}\":")),
            "{key} in the schema"
        );
    }
}

/// Listeners have keys and tables of their own; `listen` has its default only where there are none.
#[test]
fn listeners_are_read() {
    let listeners = |text: &str| {
        let listeners = parsed(&format!("{text}{SERVICE}")).all_listeners();
        let addresses = listeners
            .iter()
            .map(|listener| listener.address.to_string());
        addresses.collect::<Vec<_>>()
    };
    assert_eq!(listeners(""), ["127.0.0.1:8081"]);
    assert_eq!(
        listeners("listen = [\"[::]:80\", \"systemd:web\"]\n"),
        ["[::]:80", "systemd:web"]
    );
    let text = "trusted_proxies = [\"unix\"]\n[[listener]]\naddress = \"unix:/run/gateway.sock\"\nmode = \"0600\"\nproxy_protocol = true\n";
    assert_eq!(listeners(text), ["unix:/run/gateway.sock"]);
    let config = parsed(&format!("listen = \"127.0.0.1:1\"\n{text}{SERVICE}"));
    let all = config.all_listeners();
    assert_eq!(all.len(), 2);
    assert_eq!(
        (all[1].mode, all[1].proxy_protocol, &all[1].tls),
        (0o600, true, &None)
    );
    assert_eq!(parsed(&config.show(false)).all_listeners(), all);
}

/// Comments and descriptions have no links of a page.
#[test]
fn links_are_plain_outside_of_the_page() {
    assert_eq!(
        key::plain("see [a.md](a.md); [\"x\"] and [b](b.md)."),
        "see docs/a.md; [\"x\"] and docs/b.md."
    );
    for text in [default_file(), schema().to_string()] {
        assert!(!text.contains("]("), "{text}");
    }
}

/// A program that runs keeps the listeners that it has opened, with the certificates that were read last.
#[test]
fn open_listeners_are_told_with_their_certificates() {
    let listener = |address: &str, certificate: &str| {
        let mut table = ListenerTable {
            address: address.parse().expect("an address"),
            ..ListenerTable::default()
        };
        table.tls.certificates = vec![CertificateFiles {
            certificate: certificate.into(),
            key: "/key".into(),
        }];
        table
    };
    let with = |listeners: Vec<ListenerTable>| Config {
        listeners,
        ..Config::empty()
    };
    let running = with(vec![
        listener("127.0.0.1:1", "/first"),
        listener("127.0.0.1:2", "/second"),
    ]);
    let read = with(vec![
        listener("127.0.0.1:3", "/third"),
        listener("127.0.0.1:1", "/renewed"),
    ]);
    let told = read.show_beside(&running);
    let keys = told.as_array().expect("a list");
    let told = keys.iter().find(|told| told["key"] == "listener");
    let told = told.expect("the listeners");
    let certificates = |listeners: &serde_json::Value| {
        let certificate = |index: usize| listeners[index]["tls"][0]["certificate"].clone();
        [certificate(0), certificate(1)]
    };
    assert_eq!(certificates(&told["value"]), ["/renewed", "/second"]);
    let next = &told["after_restart"]["value"];
    assert_eq!(certificates(next), ["/third", "/renewed"]);
}
