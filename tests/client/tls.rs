//! `https` and `wss`: a real TLS handshake with a certificate made for the test.

use std::path::PathBuf;
use std::sync::Arc;

use sockjs_gateway::Connection;
use sockjs_gateway::client::Transport;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig as TlsConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::support::{builder, message, serve, within};

/// TLS in front of the server of `url`. Gives its URL, and the certificate to trust.
async fn secured(url: &str, name: &str) -> (String, PathBuf) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let folder = std::env::temp_dir();
    let path = folder.join(format!("sockjs-client-{name}-{}.pem", std::process::id()));
    std::fs::write(&path, made.cert.pem()).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = TlsConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = url.split('/').nth(2).unwrap().to_owned();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, server) = (acceptor.clone(), server.clone());
            tokio::spawn(async move {
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    let mut server = TcpStream::connect(server).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut stream, &mut server).await;
                }
            });
        }
    });
    (format!("https://localhost:{port}/s"), path)
}

#[tokio::test]
async fn every_transport_works_over_tls() {
    let url = serve(|mut connection: Connection| async move {
        while let Some(message) = connection.recv().await {
            let _ = connection.send(message).await;
        }
    });
    let (url, certificate) = secured(&url, "works").await;
    for transport in Transport::ALL {
        let builder = builder(&url)
            .ca_file(&certificate)
            .transports([transport])
            .unwrap();
        let mut client = within("a session", builder.connect()).await.unwrap();
        client.send("secret").await.unwrap();
        assert_eq!(message(&mut client).await, "secret", "{transport}");
        client.close(1000, "").await.unwrap();
    }
}

#[tokio::test]
async fn unknown_certificates_are_refused() {
    let (url, _) = secured("http://127.0.0.1:9/s", "server").await;
    let (_, other) = secured("http://127.0.0.1:9/s", "other").await;
    let builder = builder(&url).ca_file(other);
    let error = within("the refusal", builder.connect()).await.unwrap_err();
    assert!(
        error.is_connect() && error.to_string().contains("--ca FILE"),
        "{error}"
    );
    assert!(!error.to_string().contains("no SockJS service"), "{error}");
}
