//! `wss://` upstreams: a real TLS handshake with a certificate made for the test.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _};
use sockjs_gateway::{Backend as _, Upstream, UpstreamConfig};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig as TlsConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::support::{Browser, gateway};

/// A certificate for `localhost` in a file of its own, and a server configuration with its key.
fn certificate(name: &str) -> (PathBuf, TlsConfig) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])
        .expect("a certificate can be made");
    let path =
        std::env::temp_dir().join(format!("sockjs-gateway-{name}-{}.pem", std::process::id()));
    std::fs::write(&path, made.cert.pem()).expect("the temporary folder can be written");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = TlsConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("default versions exist")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("the key is the certificate's");
    (path, config)
}

/// A WebSocket echo server behind TLS.
async fn tls_echo(config: TlsConfig) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                let mut socket = tokio_tungstenite::accept_async(stream)
                    .await
                    .expect("a WebSocket handshake");
                while let Some(Ok(message)) = socket.next().await {
                    if message.is_text() && socket.send(message).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}

/// Address of a gateway in front of `wss://localhost:PORT` that trusts the certificates in `ca_file`.
fn gateway_to(upstream: SocketAddr, ca_file: PathBuf) -> SocketAddr {
    let config = UpstreamConfig {
        ca_file: Some(ca_file),
        ..UpstreamConfig::default()
    };
    gateway(
        &format!("wss://localhost:{}/socket", upstream.port()),
        config,
    )
}

/// Sends one message and gives the next `count` frames.
async fn frames(address: SocketAddr, send: &str, count: usize) -> Vec<String> {
    let mut browser = Browser::connect(address).await;
    browser.send(send).await;
    let mut frames = Vec::new();
    while frames.len() < count {
        frames.push(browser.frame().await);
    }
    frames
}

/// The upstream's certificate is checked against `ca_file`, and messages pass.
#[tokio::test]
async fn messages_pass_through_a_tls_upstream() {
    let (ca_file, tls) = certificate("good");
    let upstream = tls_echo(tls).await;
    let gateway = gateway_to(upstream, ca_file.clone());
    assert_eq!(frames(gateway, "[\"hé\"]", 2).await, ["o", "a[\"hé\"]"]);
    let _ = std::fs::remove_file(ca_file);
}

/// A certificate that nobody vouches for is an unreachable upstream, not a silent one.
#[tokio::test]
async fn untrusted_certificate_ends_the_session_with_1014() {
    let (_, tls) = certificate("other");
    let (ca_file, _) = certificate("unrelated");
    let upstream = tls_echo(tls).await;
    let gateway = gateway_to(upstream, ca_file.clone());
    let texts = frames(gateway, "[\"x\"]", 2).await;
    assert_eq!(texts[0], "o");
    assert!(texts[1].starts_with("c[1014,"), "{texts:?}");
    let _ = std::fs::remove_file(ca_file);
}

/// What a dial of `url` fails with, as operators are told.
async fn failure(url: &str, ca_file: Option<PathBuf>) -> String {
    let config = UpstreamConfig {
        ca_file,
        dial_timeout: std::time::Duration::from_secs(5),
        ..UpstreamConfig::default()
    };
    let upstream = Upstream::new(url, config).expect("a valid URL");
    upstream.reach().await.expect_err("it cannot be reached")
}

/// The likely mistake is named, with the key to change.
#[tokio::test]
async fn failures_of_tls_name_the_key_to_change() {
    let (own, tls) = certificate("named");
    let (unrelated, _) = certificate("named-unrelated");
    let secure = tls_echo(tls).await.port();
    let plain = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let plain_port = plain.local_addr().expect("bound").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = plain.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    for (url, ca, expected) in [
        (
            format!("wss://localhost:{secure}/"),
            Some(unrelated.clone()),
            "upstream.ca_file",
        ),
        (
            format!("wss://127.0.0.1:{secure}/"),
            Some(own.clone()),
            "for other names",
        ),
        (
            format!("wss://localhost:{plain_port}/"),
            Some(own.clone()),
            "write ws:// in backend",
        ),
        (
            format!("ws://localhost:{secure}/"),
            None,
            "write wss:// in backend",
        ),
    ] {
        let told = failure(&url, ca).await;
        assert!(told.contains(expected), "{url}: {told}");
    }
    for file in [own, unrelated] {
        let _ = std::fs::remove_file(file);
    }
}
