//! TLS towards the shipped binary, with a certificate that is made for this run.

use std::net::TcpStream;
use std::sync::{Arc, LazyLock};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::super::deadline::START_DEADLINE;
use super::super::server::TemporaryFile;

/// What the server shows, and what a client that trusts it alone needs.
struct Identity {
    certificate: String,
    key: String,
    client: Arc<ClientConfig>,
}

static IDENTITY: LazyLock<Identity> = LazyLock::new(|| {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate can be made");
    let mut roots = RootCertStore::empty();
    roots
        .add(cert.der().clone())
        .expect("a certificate can be trusted");
    let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring knows the versions of TLS")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Identity {
        certificate: cert.pem(),
        key: signing_key.serialize_pem(),
        client: Arc::new(client),
    }
});

/// The configuration of a listener with TLS on a free port of 127.0.0.1, and the files that it names.
#[track_caller]
pub(in super::super) fn listener() -> (String, [TemporaryFile; 2]) {
    let certificate = TemporaryFile::new(&IDENTITY.certificate);
    let key = TemporaryFile::new(&IDENTITY.key);
    let toml = format!(
        "[[listener]]\naddress = \"127.0.0.1:0\"\n\
         [[listener.tls]]\ncertificate = {:?}\nkey = {:?}\n",
        certificate.path, key.path
    );
    (toml, [certificate, key])
}

/// TLS over `stream` with the server that listens so.
#[track_caller]
pub(in super::super) fn shake_hands(
    stream: TcpStream,
    authority: &str,
) -> StreamOwned<ClientConnection, TcpStream> {
    let host = authority
        .rsplit_once(':')
        .map_or(authority, |(host, _)| host);
    let name = ServerName::try_from(host.to_owned()).expect("an address is a name of a server");
    let connection = ClientConnection::new(Arc::clone(&IDENTITY.client), name)
        .expect("the configuration of the client is right");
    stream
        .set_read_timeout(Some(START_DEADLINE))
        .expect("a socket takes a timeout");
    let mut stream = StreamOwned::new(connection, stream);
    while stream.conn.is_handshaking() {
        stream
            .conn
            .complete_io(&mut stream.sock)
            .expect("the server shakes hands");
    }
    stream
}
