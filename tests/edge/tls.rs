//! TLS on listeners: certificates by name, of clients, replaced while they are used; and what is wrong with files.

use futures_util::StreamExt as _;
use sockjs_gateway::client::{Builder, Event, Transport};
use sockjs_gateway::metrics::TlsOutcome;
use sockjs_gateway::{
    BindError, CertificateFiles, Gateway, ListenAddress, ListenerConfig, Server, ServerConfig,
    TlsError, TlsRemark,
};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::support::{
    Authority, Folder, Running, ask, connector, free_port, info, poll, serve, serve_with,
    shake_hands, tls, within,
};

/// A listener with one certificate, for `localhost`.
fn secured(folder: &Folder, authority: &Authority) -> ListenerConfig {
    let files = authority.sign(&["localhost"]).write(folder, "own");
    let mut listener = free_port();
    listener.tls = Some(tls(vec![files]));
    listener
}

/// A session of the Rust client.
async fn open(
    running: &Running,
    authority: &Authority,
    folder: &Folder,
    transport: Transport,
) -> sockjs_gateway::client::Client {
    let ca = folder.write("ca.pem", &authority.certificate.pem());
    let builder = Builder::new(&format!("https://localhost:{}/s", running.port)).unwrap();
    let builder = builder
        .ca_file(ca)
        .timeout(Duration::from_secs(20))
        .transports([transport])
        .unwrap();
    within("a session", builder.connect()).await.unwrap()
}

async fn echoes(client: &mut sockjs_gateway::client::Client, message: &str) {
    client.send(message).await.unwrap();
    match within("an echo", client.recv()).await {
        Some(Event::Message(echo)) => {
            assert!(echo.as_text() == Some(message), "another message came")
        }
        other => panic!("{other:?} instead of an echo"),
    }
}

/// A WebSocket that is closed in order ends in TLS as well, so that nobody takes it for cut off. (RFC 8446 §6.1)
#[tokio::test]
async fn closed_websockets_end_in_tls() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let running = serve(secured(&folder, &authority), &[]);
    let connector = connector(authority.der(), None);
    for path in ["/s/000/ends/websocket", "/s/websocket"] {
        let stream = running.connect().await;
        let stream = shake_hands(stream, &connector, "localhost").await.unwrap();
        let url = format!("ws://localhost:{}{path}", running.port);
        let handshake = tokio_tungstenite::client_async(url, stream);
        let (mut socket, _) = within("a handshake", handshake).await.unwrap();
        socket.close(None).await.unwrap();
        while let Some(message) = within("the end", socket.next()).await {
            message.unwrap();
        }
    }
}

/// All transports work as without TLS, for short messages and for those that the socket does not take at once.
#[tokio::test]
async fn every_transport_works_over_tls() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let running = serve(secured(&folder, &authority), &[]);
    for transport in Transport::ALL {
        let mut client = open(&running, &authority, &folder, transport).await;
        for length in [1, 100, 70_000, 1_500_000] {
            echoes(&mut client, &"x".repeat(length)).await;
        }
        client.close(1000, "").await.unwrap();
    }
}

/// The scheme of a request is https, for the origin as for the backend.
#[tokio::test]
async fn requests_over_tls_are_https() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let mut running = serve(secured(&folder, &authority), &[]);
    let connector = connector(authority.der(), None);
    let mut stream = shake_hands(running.connect().await, &connector, "localhost")
        .await
        .unwrap();
    for (origin, status) in [("https://localhost", 200), ("http://localhost", 403)] {
        let answer = ask(&mut stream, &info(&format!("Origin: {origin}\r\n")))
            .await
            .unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{origin}: {answer}"
        );
    }
    let answer = ask(&mut stream, &poll("https", "")).await.unwrap();
    assert!(answer.ends_with("o\n"), "{answer}");
    assert_eq!(
        running.told().await.as_deref(),
        Some("Some(127.0.0.1) Some(\"https\") false")
    );
}

/// A browser gets the certificate for the name it asks for; the first one when there is none. (RFC 6066 §3, RFC 9525 §6.3)
#[tokio::test]
async fn certificates_are_chosen_by_name() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let certificates = [&["a.test"][..], &["*.b.test", "b.test"], &["x.c.test"]];
    let signed = certificates.map(|names| authority.sign(names));
    let files = signed
        .iter()
        .enumerate()
        .map(|(index, signed)| signed.write(&folder, &index.to_string()));
    let mut listener = free_port();
    listener.tls = Some(tls(files.collect()));
    let running = serve(listener, &[]);
    let connector = connector(authority.der(), None);
    for (name, expected) in [
        ("a.test", 0),
        ("A.Test", 0),
        ("b.test", 1),
        ("www.b.test", 1),
        ("x.c.test", 2),
    ] {
        let stream = shake_hands(running.connect().await, &connector, name)
            .await
            .unwrap();
        let shown = stream.get_ref().1.peer_certificates().unwrap();
        assert_eq!(&shown[0], signed[expected].certificate.der(), "{name}");
    }
    for name in ["other.test", "x.y.b.test", "c.test"] {
        let error = shake_hands(running.connect().await, &connector, name)
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains("a.test"),
            "{name} gets the first: {error}"
        );
    }
}

/// Where clients must show certificates, only those of the right authority get in.
#[tokio::test]
async fn clients_are_asked_for_certificates() {
    let (folder, authority, people) = (Folder::new(), Authority::new(), Authority::new());
    let (friend, stranger) = (people.sign(&["friend"]), Authority::new().sign(&["friend"]));
    let client_ca = folder.write("people.pem", &people.certificate.pem());
    for optional in [false, true] {
        let mut listener = secured(&folder, &authority);
        let tls = listener.tls.as_mut().unwrap();
        tls.client_ca = Some(client_ca.clone());
        tls.client_optional = optional;
        let running = serve(listener, &[]);
        for (own, gets_in) in [
            (Some(&friend), true),
            (Some(&stranger), false),
            (None, optional),
        ] {
            let connector = connector(authority.der(), own);
            // In TLS 1.3 a client learns with the first answer that it was refused.
            let answer = match shake_hands(running.connect().await, &connector, "localhost").await {
                Ok(mut stream) => ask(&mut stream, &info("")).await.unwrap_or_default(),
                Err(_) => String::new(),
            };
            assert_eq!(
                answer.starts_with("HTTP/1.1 200"),
                gets_in,
                "optional: {optional}, {answer:?}"
            );
        }
    }
}

/// New connections get a new certificate, open ones go on; files that are wrong change nothing.
#[tokio::test]
async fn certificates_are_replaced_without_a_break() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let listener = secured(&folder, &authority);
    let running = serve(listener.clone(), &[]);
    let mut session = open(&running, &authority, &folder, Transport::Websocket).await;

    let next = authority.sign(&["localhost"]);
    next.write(&folder, "own");
    running
        .certificates
        .reload(std::slice::from_ref(&listener))
        .unwrap();
    let connector = connector(authority.der(), None);
    let shown = async || {
        let stream = shake_hands(running.connect().await, &connector, "localhost")
            .await
            .unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].clone()
    };
    assert_eq!(&shown().await, next.certificate.der());
    echoes(&mut session, "still here").await;

    folder.write("own.pem", "nonsense");
    let error = running.certificates.reload(&[listener]).unwrap_err();
    assert!(matches!(error, TlsError::NoCertificate(_)), "{error}");
    assert_eq!(&shown().await, next.certificate.der());
    echoes(&mut session, "still here").await;
}

/// Listeners of one address are told apart by their order: each gets the next certificate of its own.
#[tokio::test]
async fn listeners_of_one_address_keep_their_certificates() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let names = ["one", "two"];
    let sign = |name: &str| {
        let signed = authority.sign(&["localhost"]);
        let mut listener = free_port();
        listener.tls = Some(tls(vec![signed.write(&folder, name)]));
        (listener, signed)
    };
    let listeners = names.map(|name| sign(name).0);
    let listeners = [free_port(), listeners[0].clone(), listeners[1].clone()];
    let gateway = Gateway::builder().build().unwrap();
    let server = Server::listen(&listeners, gateway, ServerConfig::default()).unwrap();
    let ports: Vec<_> = server
        .local_addresses()
        .unwrap()
        .into_iter()
        .filter_map(|(address, tls)| match address {
            ListenAddress::Tcp(address) if tls => Some(address.port()),
            _ => None,
        })
        .collect();
    let certificates = server.certificates();
    tokio::spawn(server.serve(std::future::pending()));
    let next = names.map(|name| sign(name).1);
    certificates.reload(&listeners).unwrap();
    let connector = connector(authority.der(), None);
    for (port, next) in ports.into_iter().zip(next) {
        let stream = tokio::net::TcpStream::connect(("127.0.0.1", port))
            .await
            .unwrap();
        let stream = shake_hands(stream, &connector, "localhost").await.unwrap();
        let shown = &stream.get_ref().1.peer_certificates().unwrap()[0];
        assert_eq!(shown, next.certificate.der());
    }
}

/// What is wrong with files is said before anything listens, with what to do.
#[tokio::test]
async fn wrong_files_are_named() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let good = authority.sign(&["localhost"]).write(&folder, "good");
    let other = authority.sign(&["localhost"]).write(&folder, "other");
    let files = |certificate: &std::path::Path, key: &std::path::Path| CertificateFiles {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
    };
    let broken = folder.write(
        "broken.pem",
        "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n",
    );
    let no_certificate = folder.write(
        "der.pem",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    let missing = folder.file("missing.pem");
    for (files, expected) in [
        (files(&missing, &good.key), "cannot read "),
        (files(&good.certificate, &missing), "cannot read "),
        (files(&good.key, &good.key), "holds no certificate"),
        (
            files(&good.certificate, &good.certificate),
            "holds no private key",
        ),
        (
            files(&good.certificate, &other.key),
            "does not belong to the certificate",
        ),
        (files(&broken, &good.key), "cannot read "),
        (files(&no_certificate, &good.key), "cannot be used"),
    ] {
        let mut listener = free_port();
        listener.tls = Some(tls(vec![files.clone()]));
        let gateway = Gateway::builder().build().unwrap();
        let error = Server::listen(&[listener], gateway, ServerConfig::default()).unwrap_err();
        assert!(matches!(error, BindError::Tls(..)));
        assert!(error.to_string().contains(expected), "{error}");
        assert!(
            error.to_string().contains(".pem") || error.to_string().contains(".key"),
            "{error}"
        );
    }
}

/// What browsers will refuse is remarked.
#[test]
fn certificates_that_browsers_refuse_are_remarked() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let expired = authority.sign_with(&["localhost"], |params| {
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    });
    let early = authority.sign_with(&["localhost"], |params| {
        params.not_before = rcgen::date_time_ymd(2999, 1, 1);
    });
    let bare = authority.sign(&["localhost"]);
    let remark = |files: CertificateFiles| tls(vec![files]).remarks().unwrap().pop();
    let files = expired.write(&folder, "expired");
    assert_eq!(
        remark(files.clone()),
        Some(TlsRemark::Expired(files.certificate))
    );
    let files = early.write(&folder, "early");
    assert_eq!(
        remark(files.clone()),
        Some(TlsRemark::NotYetValid(files.certificate))
    );
    let files = bare.write(&folder, "bare");
    assert_eq!(
        remark(files.clone()),
        Some(TlsRemark::ChainMissing(files.certificate.clone()))
    );
    // With what comes between, it is of an authority of one's own.
    let chain = format!("{}{}", bare.certificate.pem(), authority.certificate.pem());
    std::fs::write(&files.certificate, chain).unwrap();
    assert_eq!(remark(files), None);
    let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let files = CertificateFiles {
        certificate: folder.write("self.pem", &own.cert.pem()),
        key: folder.write("self.key", &own.signing_key.serialize_pem()),
    };
    assert_eq!(remark(files), None);
}

/// A self-signed certificate as `openssl x509 -req` makes it without `-extfile`: version 1. And its key.
const VERSION_ONE: [&str; 2] = [
    "-----BEGIN CERTIFICATE-----
MIIBIjCByQIUD/7zX20YNOMyEcSuXcsymbV9tzcwCgYIKoZIzj0EAwIwFDESMBAG
A1UEAwwJbG9jYWxob3N0MB4XDTI2MTEyOTEyNDYyNVoXDTM2MTEyNjEyNDYyNVow
FDESMBAGA1UEAwwJbG9jYWxob3N0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE
PdUWRPSXLEEUFGF02RN2QxtvWqKrgZUgU13vSV0g1ww2jZq+Mix+V6Iln8THIvOG
Brci0j2lP+VlwZXY6emZFDAKBggqhkjOPQQDAgNIADBFAiACvyTPhoaa3U06dssx
lfqdfJbn9eIxjC3oxrrHPvYqzgIhAInapOoXwsb62lcfPdnVOcHFvN4+SiJkalL+
tzaHjesQ
-----END CERTIFICATE-----
",
    "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgFgN5HdectfB0sUaP
6iaA37qiL1BfPeb+KJ9w1R/WIjqhRANCAAQ91RZE9JcsQRQUYXTZE3ZDG29aoquB
lSBTXe9JXSDXDDaNmr4yLH5XoiWfxMci84YGtyLSPaU/5WXBldjp6ZkU
-----END PRIVATE KEY-----
",
];

/// A certificate that has no names is refused in plain words, with what to do.
#[test]
fn certificate_of_version_one_is_refused_in_plain_words() {
    let folder = Folder::new();
    let [certificate, key] = VERSION_ONE;
    let files = CertificateFiles {
        certificate: folder.write("one.pem", certificate),
        key: folder.write("one.key", key),
    };
    let told = tls(vec![files]).remarks().unwrap_err().to_string();
    assert!(
        told.contains("one.pem") && told.contains("version 1") && told.contains("subjectAltName"),
        "{told}"
    );
}

/// Who says nothing, or something else than TLS, does not keep its place.
#[tokio::test]
async fn connections_that_do_not_shake_hands_are_ended() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let config = ServerConfig {
        header_timeout: Duration::from_millis(200),
        max_connections: 1,
        ..ServerConfig::default()
    };
    let running = serve_with(secured(&folder, &authority), &[], config);
    for says in [
        &b""[..],
        b"\x16\x03\x01",
        b"GET /s/info HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ] {
        let mut stream = running.connect().await;
        stream.write_all(says).await.unwrap();
        let mut answer = Vec::new();
        // A reset is an end too.
        let _ = within("the end", stream.read_to_end(&mut answer)).await;
        assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    }
    let connector = connector(authority.der(), None);
    let connect = async || {
        // The place of the one before is given back a moment after its end is seen.
        loop {
            if let Ok(stream) = shake_hands(running.connect().await, &connector, "localhost").await
            {
                return stream;
            }
        }
    };
    let mut stream = within("a place", connect()).await;
    assert!(
        ask(&mut stream, &info(""))
            .await
            .unwrap()
            .starts_with("HTTP/1.1 200")
    );
}

/// A browser that goes while its poll waits ends its session at once, however it ends TLS.
#[tokio::test]
async fn browser_that_leaves_a_poll_ends_its_session() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let mut running = serve(secured(&folder, &authority), &[]);
    let connector = connector(authority.der(), None);
    for says_so in [true, false] {
        let session = format!("leaves-{says_so}");
        let mut stream = shake_hands(running.connect().await, &connector, "localhost")
            .await
            .unwrap();
        assert!(
            ask(&mut stream, &poll(&session, ""))
                .await
                .unwrap()
                .ends_with("o\n")
        );
        assert!(running.told().await.is_some());
        stream
            .write_all(poll(&session, "").as_bytes())
            .await
            .unwrap();
        stream.flush().await.unwrap();
        // Parked for certain: another poll is refused while it is there.
        let mut other = shake_hands(running.connect().await, &connector, "localhost")
            .await
            .unwrap();
        let refused = async {
            loop {
                let answer = ask(&mut other, &poll(&session, "")).await.unwrap();
                if answer.contains("2010") {
                    return;
                }
            }
        };
        within("the poll to be parked", refused).await;
        if says_so {
            stream.shutdown().await.unwrap();
        }
        drop(stream);
        assert_eq!(running.told().await, None, "says so: {says_so}");
    }
}

/// Each handshake is counted, by what came of it: the names tell a wrong certificate from a wrong port.
#[tokio::test]
async fn handshakes_are_counted_by_what_came_of_them() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let config = ServerConfig {
        header_timeout: Duration::from_millis(300),
        ..ServerConfig::default()
    };
    let running = serve_with(secured(&folder, &authority), &[], config);
    let trusting = connector(authority.der(), None);
    let good = shake_hands(running.connect().await, &trusting, "localhost").await;
    assert!(good.is_ok());
    let strange = connector(Authority::new().der(), None);
    let refused = shake_hands(running.connect().await, &strange, "localhost").await;
    assert!(refused.is_err());
    let mut plain = running.connect().await;
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    drop(running.connect().await);
    let silent = running.connect().await;
    let counted = async {
        let expected = [
            (TlsOutcome::Completed, 1),
            (TlsOutcome::RefusedByPeer, 1),
            (TlsOutcome::NotTls, 1),
            (TlsOutcome::Gone, 1),
            (TlsOutcome::TimedOut, 1),
        ];
        loop {
            let tls = running.gateway.reading().connections.unwrap().tls;
            let done = |(outcome, count): &(TlsOutcome, u64)| tls[*outcome as usize] == *count;
            if expected.iter().all(done) && tls.iter().sum::<u64>() == 5 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within("the count of five handshakes", counted).await;
    drop((silent, plain));
}
