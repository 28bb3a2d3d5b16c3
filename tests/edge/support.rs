//! Servers with listeners of every kind, certificates made for a test, and requests in plain bytes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair};
use sockjs_gateway::metrics::Format;
use sockjs_gateway::{
    Backend, CertificateFiles, Certificates, Connection, ConnectionCounts, Gateway, Handshake,
    ListenAddress, ListenerConfig, Negotiated, Negotiation, Served, Server, ServerConfig,
    ServiceConfig, TlsConfig, TrustedProxies,
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName,
};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Long enough for a slow machine.
const PATIENCE: Duration = Duration::from_secs(20);

const TRANSPORTS: [&str; 7] = [
    "websocket",
    "websocket-raw",
    "xhr-polling",
    "xhr-streaming",
    "eventsource",
    "htmlfile",
    "jsonp-polling",
];

/// Waits for `future`, or fails.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(outcome) => outcome,
        Err(_) => panic!("{what} did not happen"),
    }
}

/// A folder that is removed when dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let name = format!("sockjs-gateway-edge-{}", uuid::Uuid::new_v4());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.file(name);
        fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// An authority that signs certificates.
pub(crate) struct Authority {
    pub(crate) certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate, its key, and the authority's behind it.
pub(crate) struct Signed {
    pub(crate) certificate: Certificate,
    pub(crate) key: KeyPair,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Self {
            certificate,
            issuer: Issuer::new(params, key),
        }
    }

    pub(crate) fn sign(&self, names: &[&str]) -> Signed {
        self.sign_with(names, |_| {})
    }

    pub(crate) fn sign_with(
        &self,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Signed {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Signed { certificate, key }
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.certificate.der().clone()
    }
}

impl Signed {
    /// Writes both files.
    pub(crate) fn write(&self, folder: &Folder, name: &str) -> CertificateFiles {
        CertificateFiles {
            certificate: folder.write(&format!("{name}.pem"), &self.certificate.pem()),
            key: folder.write(&format!("{name}.key"), &self.key.serialize_pem()),
        }
    }
}

/// TLS with these certificates.
pub(crate) fn tls(certificates: Vec<CertificateFiles>) -> TlsConfig {
    TlsConfig {
        certificates,
        ..TlsConfig::default()
    }
}

/// A running server, and what its sessions tell.
pub(crate) struct Running {
    pub(crate) port: u16,
    pub(crate) gateway: Gateway,
    pub(crate) certificates: Certificates,
    pub(crate) counts: ConnectionCounts,
    /// Of each session, the peer of its handshake, and then `None` when it is over.
    pub(crate) sessions: mpsc::Receiver<Option<String>>,
}

/// A listener on a free port.
pub(crate) fn free_port() -> ListenerConfig {
    ListenerConfig::new(ListenAddress::Tcp("127.0.0.1:0".parse().unwrap()))
}

/// Serves an echo at `/s` on these listeners.
pub(crate) fn serve(listener: ListenerConfig, trusted: &[&str]) -> Running {
    serve_with(listener, trusted, ServerConfig::default())
}

pub(crate) fn serve_with(
    listener: ListenerConfig,
    trusted: &[&str],
    config: ServerConfig,
) -> Running {
    serve_until(listener, trusted, config, std::future::pending()).0
}

/// The same, until `stop`; and what is done when the server is.
pub(crate) fn serve_until(
    listener: ListenerConfig,
    trusted: &[&str],
    config: ServerConfig,
    stop: impl Future<Output = ()> + Send + 'static,
) -> (Running, tokio::task::JoinHandle<()>) {
    let service = ServiceConfig::new("/s");
    serve_service(service, listener, trusted, config, stop)
}

/// The same, of this service.
pub(crate) fn serve_service(
    mut service: ServiceConfig,
    listener: ListenerConfig,
    trusted: &[&str],
    config: ServerConfig,
    stop: impl Future<Output = ()> + Send + 'static,
) -> (Running, tokio::task::JoinHandle<()>) {
    let (told, sessions) = mpsc::channel(5000);
    // Those for elements too, though not all origins are let in.
    service.transports = Some(TRANSPORTS.map(str::to_owned).to_vec());
    let gateway = Gateway::builder()
        .trusted_proxies(TrustedProxies::from_list(trusted).unwrap())
        .service(service, Telling(told))
        .build()
        .unwrap();
    let server = Server::listen(&[listener], gateway.clone(), config).unwrap();
    let port = server.local_address().map_or(0, |address| address.port());
    let certificates = server.certificates();
    let counts = server.counts();
    let serving = tokio::spawn(server.serve(stop));
    let running = Running {
        port,
        gateway,
        certificates,
        counts,
        sessions,
    };
    (running, serving)
}

/// Echoes, tells of its sessions, and chooses the last sub-protocol that is offered.
struct Telling(mpsc::Sender<Option<String>>);

impl Backend for Telling {
    fn serve(&self, mut connection: Connection) -> Served {
        let told = self.0.clone();
        Box::pin(async move {
            let peer = connection.handshake().map(|handshake| {
                let peer = &handshake.peer;
                let identity = handshake.identity.as_ref();
                let who = identity.map(|who| format!(" {} {:?}", who.subject, who.fields));
                let who = who.unwrap_or_default();
                format!(
                    "{:?} {:?} {:?}{who}",
                    peer.address, peer.scheme, peer.trusted
                )
            });
            told.send(peer).await.unwrap();
            while let Some(message) = connection.recv().await {
                if connection.send(message).await.is_err() {
                    break;
                }
            }
            told.send(None).await.unwrap();
        })
    }

    fn negotiate<'a>(&'a self, _: &'a Handshake, offered: &'a [String]) -> Negotiation<'a> {
        let negotiated = Negotiated {
            protocol: offered.last().cloned(),
            ..Negotiated::default()
        };
        Box::pin(std::future::ready(Ok(negotiated)))
    }
}

impl Running {
    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).await.unwrap()
    }

    /// The sample of that name, and with that value of its label if there is one.
    #[track_caller]
    pub(crate) fn counted(&self, name: &str, value: &str) -> u64 {
        let page = self.gateway.metrics(Format::Prometheus);
        let mut samples = page.lines().filter_map(|line| line.strip_prefix(name));
        let sample = samples.find_map(|rest| {
            let (labels, number) = rest.rsplit_once(' ')?;
            let named = if value.is_empty() {
                labels.is_empty()
            } else {
                labels.contains(&format!("=\"{value}\""))
            };
            named.then(|| number.parse().unwrap())
        });
        sample.unwrap_or_else(|| panic!("no {name} with {value:?} in\n{page}"))
    }

    /// Waits until so many are counted: what a client sees may come first.
    pub(crate) async fn counts(&self, name: &str, value: &str, expected: u64) {
        let counted = async {
            while self.counted(name, value) != expected {
                tokio::task::yield_now().await;
            }
        };
        within(&format!("{expected} {name} with {value:?}"), counted).await;
    }

    /// What the next session tells.
    pub(crate) async fn told(&mut self) -> Option<String> {
        within("a session", self.sessions.recv()).await.unwrap()
    }
}

/// What a client trusts, and who it is.
pub(crate) fn connector(root: CertificateDer<'static>, own: Option<&Signed>) -> TlsConnector {
    connector_for(root, own, &[])
}

/// The same, and what it wants to speak.
pub(crate) fn connector_for(
    root: CertificateDer<'static>,
    own: Option<&Signed>,
    protocols: &[&str],
) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(root).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match own {
        None => builder.with_no_client_auth(),
        Some(own) => {
            let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(own.key.serialize_der()));
            let chain = vec![own.certificate.der().clone()];
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    let protocols = protocols
        .iter()
        .map(|protocol| protocol.as_bytes().to_vec());
    config.alpn_protocols = protocols.collect();
    Arc::new(config).into()
}

/// Shakes hands with the server under this name.
pub(crate) async fn shake_hands(
    stream: TcpStream,
    connector: &TlsConnector,
    name: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    within("a handshake", connector.connect(name, stream)).await
}

/// Sends a request and gives everything up to the end of the answer's body, which is of the length that it says.
pub(crate) async fn ask(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    request: &str,
) -> std::io::Result<String> {
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let mut answer = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&answer);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.parse::<usize>().unwrap())
            });
            if length.is_none_or(|length| body.len() >= length) {
                return Ok(text.into_owned());
            }
        }
        if within("an answer", stream.read_buf(&mut answer)).await? == 0 {
            return Ok(String::from_utf8_lossy(&answer).into_owned());
        }
    }
}

/// `GET /s/info`, and further lines.
pub(crate) fn info(fields: &str) -> String {
    format!("GET /s/info HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n")
}

/// A poll of a session, and further lines.
pub(crate) fn poll(session: &str, fields: &str) -> String {
    format!(
        "POST /s/000/{session}/xhr HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n{fields}\r\n"
    )
}

pub(crate) fn mode_of(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// The first line of an answer.
pub(crate) async fn status(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let answer = ask(
        &mut stream,
        &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    )
    .await
    .unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}
