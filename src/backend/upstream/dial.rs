//! Dialling an upstream: what is asked of it, and what can go wrong.

use std::fmt;
use std::sync::{Arc, OnceLock};

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, HeaderName, SEC_WEBSOCKET_PROTOCOL, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use tracing::field::display;
use uuid::Uuid;

use crate::backend::{BackendError, without_secrets};
use crate::protocol::browser_query;
use crate::registry::{DialOutcome, Dials, Handshake, Health, Throttles};
use crate::websocket::{LargeReads, small_buffers};

use super::link::Link;
use super::{UpstreamConfig, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO};

/// Knows where the upstream is and how to reach it.
pub(super) struct Dialler {
    uri: Uri,
    host: String,
    port: u16,
    config: UpstreamConfig,
    failures: Throttles,
    /// Where dials are counted: by the first service that has this upstream, once there is one.
    dials: OnceLock<Arc<Dials>>,
    health: Health,
    #[cfg(feature = "tls")]
    tls: Option<tokio_rustls::TlsConnector>,
}

pub(super) type UpstreamSocket = WebSocketStream<LargeReads<Link>>;

/// An upstream WebSocket, open.
pub(super) struct Dialled {
    pub(super) socket: UpstreamSocket,
    pub(super) protocol: Option<String>,
}

/// Why there is no upstream WebSocket.
#[derive(Debug)]
pub(super) enum DialFailure {
    /// Nobody listens there, or the way is blocked.
    Unreachable(std::io::Error),
    TimedOut,
    /// It answered, but not with 101.
    Refused(StatusCode),
    Broken(WsError),
    /// What answered to plain `ws://` cannot be read, or was the end: as of who waits for TLS.
    NotHttp(WsError),
}

impl DialFailure {
    /// What the browser is told: enough to act on, nothing about the inside of the operator's network.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Unreachable(_) => "Upstream refused the connection".to_owned(),
            Self::TimedOut => "Upstream did not answer in time".to_owned(),
            Self::Refused(status) => format!("Upstream answered {}", status.as_u16()),
            Self::Broken(_) | Self::NotHttp(_) => "Upstream is not a WebSocket server".to_owned(),
        }
    }
}

impl DialFailure {
    /// What kind of failure it is, in one word.
    pub(super) fn kind(&self) -> &'static str {
        DialOutcome::ALL[self.outcome() as usize].1
    }

    fn outcome(&self) -> DialOutcome {
        match self {
            Self::Unreachable(_) => DialOutcome::Unreachable,
            Self::TimedOut => DialOutcome::TimedOut,
            Self::Refused(_) => DialOutcome::Refused,
            Self::Broken(_) | Self::NotHttp(_) => DialOutcome::Broken,
        }
    }

    /// Told to whoever asks how the upstream is. A refusal below 500 may be of this browser only, and somebody gave it.
    fn tell(&self, health: &Health) {
        match self {
            Self::Refused(status) if !status.is_server_error() => {
                health.refused(status.as_u16(), self.to_string());
            }
            _ => health.failed(self.to_string()),
        }
    }
}

/// A dial under way, counted when dropped: also when its session was over first.
struct Counted<'a> {
    dials: Option<&'a Arc<Dials>>,
    begun: Instant,
    outcome: DialOutcome,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        if let Some(dials) = self.dials {
            dials.count(self.outcome, self.begun.elapsed());
        }
    }
}

impl fmt::Display for DialFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(error) => write!(f, "cannot connect: {error}"),
            Self::TimedOut => f.write_str("no answer within the dial timeout"),
            Self::Refused(status) => write!(f, "answered {status} to the WebSocket handshake"),
            Self::Broken(error) => write!(f, "handshake failed: {error}"),
            Self::NotHttp(error) => write!(
                f,
                "handshake failed: {error}; what answers does not speak plain HTTP: write wss:// in backend where it speaks TLS"
            ),
        }
    }
}

/// Fields that belong to one connection or that the handshake sets itself. (RFC 9110 §7.6.1, RFC 6455 §4.1)
pub(super) fn is_forbidden(name: &HeaderName) -> bool {
    let own = [
        CONNECTION,
        UPGRADE,
        HOST,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        CONTENT_LENGTH,
    ];
    own.contains(name)
        || name.as_str().starts_with("sec-websocket-")
        || ["keep-alive", "proxy-authorization", "proxy-connection"].contains(&name.as_str())
}

impl Dialler {
    pub(super) fn new(url: &str, config: UpstreamConfig) -> Result<Self, BackendError> {
        let invalid = |why: &str| BackendError::InvalidUrl {
            url: without_secrets(url),
            why: why.to_owned(),
        };
        if url.contains('#') {
            return Err(invalid("it has a fragment"));
        }
        let uri: Uri = url.parse().map_err(|_| invalid("it is not a URL"))?;
        let secure = match uri.scheme_str() {
            Some("ws") => false,
            Some("wss") => true,
            _ => return Err(invalid("it does not start with ws:// or wss://")),
        };
        let authority = uri
            .authority()
            .filter(|authority| !authority.host().is_empty());
        let authority = authority.ok_or_else(|| invalid("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(invalid(
                "it has a user name; pass the authorization header instead",
            ));
        }
        config.check()?;
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let port_text = authority
            .as_str()
            .rsplit_once(']')
            .map_or(authority.as_str(), |(_, rest)| rest);
        let given = port_text.rsplit_once(':').map(|(_, port)| port);
        if given.is_some_and(|port| !matches!(port.parse::<u16>(), Ok(1..))) {
            return Err(invalid("its port is not a number from 1 to 65535"));
        }
        let port = authority
            .port_u16()
            .unwrap_or(if secure { 443 } else { 80 });
        #[cfg(not(feature = "tls"))]
        if secure {
            return Err(BackendError::Tls(
                "this program was built without feature \"tls\"".to_owned(),
            ));
        }
        #[cfg(feature = "tls")]
        let tls = if secure {
            Some(connector(config.ca_file.as_deref())?)
        } else {
            None
        };
        Ok(Self {
            uri,
            host,
            port,
            config,
            failures: Throttles::default(),
            dials: OnceLock::new(),
            health: Health::default(),
            #[cfg(feature = "tls")]
            tls,
        })
    }

    /// Tells the operator of a failure, of a session if it has begun, without a line for each of a flood of this kind.
    pub(super) fn tell(
        &self,
        service: &str,
        session: Option<Uuid>,
        kind: &'static str,
        failure: &dyn fmt::Display,
    ) {
        if let Some(held_back) = self.failures.admit(kind) {
            let session = session.map(display);
            tracing::warn!(service, session, upstream = %self, %failure, held_back, "upstream failed");
        }
    }

    /// Dials are counted there from now on, unless they are elsewhere already.
    pub(super) fn count_in(&self, dials: &Arc<Dials>) {
        let _ = self.dials.set(Arc::clone(dials));
    }

    pub(super) fn config(&self) -> &UpstreamConfig {
        &self.config
    }

    /// How its dials went.
    pub(super) fn health(&self) -> &Health {
        &self.health
    }

    /// Opens a WebSocket in the name of the browser that sent `handshake`, and counts what comes of it.
    pub(super) async fn dial(
        &self,
        handshake: Option<&Handshake>,
        offered: &[String],
    ) -> Result<Dialled, DialFailure> {
        let mut counted = Counted {
            dials: self.dials.get(),
            begun: Instant::now(),
            outcome: DialOutcome::Abandoned,
        };
        let dialled = self.open(handshake, offered).await;
        counted.outcome = match &dialled {
            Ok(_) => DialOutcome::Opened,
            Err(failure) => failure.outcome(),
        };
        match &dialled {
            Ok(_) => self.health.succeeded(),
            Err(failure) => failure.tell(&self.health),
        }
        dialled
    }

    async fn open(
        &self,
        handshake: Option<&Handshake>,
        offered: &[String],
    ) -> Result<Dialled, DialFailure> {
        let request = self
            .request(handshake, offered)
            .map_err(DialFailure::Broken)?;
        let websocket = small_buffers()
            .max_write_buffer_size(usize::MAX)
            .max_message_size(Some(self.config.max_message_size))
            .max_frame_size(Some(self.config.max_message_size));
        let dialling = async {
            let link = self.connect().await?;
            client_async_with_config(request, LargeReads::new(link), Some(websocket))
                .await
                .map_err(|error| match error {
                    WsError::Http(response) => DialFailure::Refused(response.status()),
                    WsError::Io(error) => DialFailure::Unreachable(error),
                    error if self.may_want_tls(&error) => DialFailure::NotHttp(error),
                    error => DialFailure::Broken(error),
                })
        };
        let dialled = tokio::time::timeout(self.config.dial_timeout, dialling).await;
        let (socket, response) = dialled.map_err(|_| DialFailure::TimedOut)??;
        let protocol = response
            .headers()
            .get(SEC_WEBSOCKET_PROTOCOL)
            .and_then(|value| value.to_str().ok());
        Ok(Dialled {
            socket,
            protocol: protocol.map(str::to_owned),
        })
    }

    /// Whether plain HTTP met what cannot be read as HTTP, or ends the connection, as servers do that wait for TLS.
    fn may_want_tls(&self, error: &WsError) -> bool {
        let unread = matches!(
            error,
            WsError::Protocol(ProtocolError::HandshakeIncomplete | ProtocolError::HttparseError(_))
        );
        unread && self.uri.scheme_str() == Some("ws")
    }

    async fn connect(&self) -> Result<Link, DialFailure> {
        let stream = TcpStream::connect((&*self.host, self.port))
            .await
            .map_err(DialFailure::Unreachable)?;
        // Messages are small and must not wait for each other.
        stream.set_nodelay(true).map_err(DialFailure::Unreachable)?;
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            let name = tokio_rustls::rustls::pki_types::ServerName::try_from(self.host.clone());
            let name =
                name.map_err(|error| DialFailure::Unreachable(std::io::Error::other(error)))?;
            let connecting = tls.connect(name, stream).await;
            let failed = |error| DialFailure::Unreachable(super::tls_failure::explained(&error));
            let stream = connecting.map_err(failed)?;
            return Ok(Link::Tls(Box::new(stream)));
        }
        Ok(Link::Plain(stream))
    }

    /// The handshake: the configured URL, the browser's query behind its own, and the fields that are passed on.
    fn request(
        &self,
        handshake: Option<&Handshake>,
        offered: &[String],
    ) -> Result<Request<()>, WsError> {
        let query = handshake
            .and_then(|handshake| handshake.uri.query())
            .map(|query| {
                let transport = handshake.map_or("", |handshake| handshake.transport);
                browser_query(query, !transport.starts_with("websocket"))
            })
            .unwrap_or_default();
        let mut request = with_query(&self.uri, &query).into_client_request()?;
        if let Some(handshake) = handshake {
            self.pass_fields(handshake, request.headers_mut());
        }
        if let Ok(offer) = HeaderValue::from_str(&offered.join(", "))
            && !offered.is_empty()
        {
            request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, offer);
        }
        Ok(request)
    }

    fn pass_fields(&self, handshake: &Handshake, headers: &mut HeaderMap) {
        let peer = &handshake.peer;
        for name in &self.config.headers {
            let made = match name {
                name if *name == X_FORWARDED_FOR => {
                    Some(peer.address.map(|address| address.to_string()))
                }
                name if *name == X_FORWARDED_PROTO => {
                    Some(Some(peer.scheme.unwrap_or("http").to_owned()))
                }
                name if *name == X_FORWARDED_HOST => Some(peer.host.clone()),
                _ => None,
            };
            match made {
                Some(value) => {
                    if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok())
                    {
                        headers.insert(name, value);
                    }
                }
                None => {
                    for value in handshake.headers.get_all(name) {
                        let mut value = value.clone();
                        value.set_sensitive(*name == AUTHORIZATION);
                        headers.append(name, value);
                    }
                }
            }
        }
        for (name, value) in handshake.identity.iter().flat_map(|known| &known.fields) {
            headers.insert(name, value.clone());
        }
    }
}

fn with_query(uri: &Uri, more: &str) -> Uri {
    if more.is_empty() {
        return uri.clone();
    }
    let target = match uri.query() {
        Some(query) if !query.is_empty() => format!("{}?{query}&{more}", uri.path()),
        _ => format!("{}?{more}", uri.path()),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = target.parse().ok();
    Uri::from_parts(parts).unwrap_or_else(|_| uri.clone())
}

#[cfg(feature = "tls")]
pub(crate) fn connector(
    ca_file: Option<&std::path::Path>,
) -> Result<tokio_rustls::TlsConnector, BackendError> {
    use tokio_rustls::rustls::pki_types::CertificateDer;
    use tokio_rustls::rustls::pki_types::pem::PemObject as _;
    use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

    let certificates = match ca_file {
        Some(path) => {
            let failed = |error| {
                BackendError::Tls(format!(
                    "cannot read certificates from {}: {error}",
                    path.display()
                ))
            };
            CertificateDer::pem_file_iter(path)
                .map_err(failed)?
                .collect::<Result<Vec<_>, _>>()
                .map_err(failed)?
        }
        None => rustls_native_certs::load_native_certs().certs,
    };
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(certificates);
    if usable == 0 {
        let place = ca_file.map_or_else(
            || "the system's store".to_owned(),
            |path| path.display().to_string(),
        );
        return Err(BackendError::Tls(format!(
            "there is no certificate in {place}"
        )));
    }
    let provider = Arc::new(crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| BackendError::Tls(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config).into())
}

impl fmt::Display for Dialler {
    /// Scheme, host and port: the path and the query may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}://{}:{}",
            self.uri.scheme_str().unwrap_or_default(),
            self.host,
            self.port
        )
    }
}

impl fmt::Debug for Dialler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dialler({self})")
    }
}

#[cfg(test)]
mod tests {
    use crate::registry::Peer;

    use super::*;

    fn dialler(url: &str) -> Dialler {
        Dialler::new(url, UpstreamConfig::default()).expect("a valid URL")
    }

    fn handshake(target: &str) -> Handshake {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("cookie", "a=b"),
            ("authorization", "Bearer t"),
            ("x-api-key", "secret"),
            ("x-forwarded-for", "6.6.6.6"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let peer = Peer {
            address: Some([1, 2, 3, 4].into()),
            scheme: Some("https"),
            host: Some("a.example".into()),
            trusted: false,
        };
        Handshake {
            uri: target.parse().expect("a valid target"),
            prefix: "/p".into(),
            headers,
            peer,
            transport: "xhr-polling",
            identity: None,
        }
    }

    /// The browser contributes a query, never scheme, host or path.
    #[test]
    fn browsers_query_is_added_to_the_configured_url() {
        let request = |url: &str, target: &str| {
            dialler(url)
                .request(Some(&handshake(target)), &[])
                .expect("a request")
                .uri()
                .to_string()
        };
        assert_eq!(
            request("ws://up:9/s", "/p/0/a/xhr?token=x%20y&t=1732330000000"),
            "ws://up:9/s?token=x%20y"
        );
        assert_eq!(
            request("ws://up:9/s?r=1", "/p/0/a/jsonp?c=_jp.a&a=1&t=token"),
            "ws://up:9/s?r=1&a=1&t=token"
        );
        assert_eq!(
            request("ws://up:9/s", "http://evil/p/websocket"),
            "ws://up:9/s"
        );
        assert_eq!(request("ws://up:9", "/p/websocket?x"), "ws://up:9/?x");
    }

    /// Only listed fields are passed on; the forwarding fields are made from what is known, not copied.
    #[test]
    fn only_listed_fields_are_passed_on() {
        let request = dialler("ws://up:9/s")
            .request(Some(&handshake("/p/websocket")), &["a".into(), "b".into()])
            .expect("a request");
        let field = |name: &str| {
            request
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        assert_eq!(field("cookie"), Some("a=b"));
        assert_eq!(field("authorization"), Some("Bearer t"));
        assert_eq!(field("x-api-key"), None);
        assert_eq!(field("x-forwarded-for"), Some("1.2.3.4"));
        assert_eq!(field("x-forwarded-proto"), Some("https"));
        assert_eq!(field("x-forwarded-host"), Some("a.example"));
        assert_eq!(field("sec-websocket-protocol"), Some("a, b"));
        assert_eq!(field("host"), Some("up:9"));
    }

    /// What the identity says is passed on without being listed, in place of what the browser says.
    #[test]
    fn fields_of_the_identity_are_passed_on() {
        let config = UpstreamConfig {
            headers: vec!["x-api-key".parse().expect("a name")],
            ..UpstreamConfig::default()
        };
        let mut handshake = handshake("/p/websocket");
        let field = |name: &'static str, value| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        };
        handshake.identity = Some(Arc::new(crate::identity::Identity {
            issuer: None,
            subject: "a".into(),
            fields: vec![field("x-user", "a"), field("x-api-key", "own")],
            expires: None,
            proof: None,
        }));
        let dialler = Dialler::new("ws://up:9/s", config).expect("a valid URL");
        let request = dialler.request(Some(&handshake), &[]).expect("a request");
        let all = |name| request.headers().get_all(name).iter().collect::<Vec<_>>();
        assert_eq!(all("x-user"), ["a"]);
        assert_eq!(all("x-api-key"), ["own"]);
    }

    /// Fields of a connection, or of the handshake, cannot be configured.
    #[test]
    fn connection_fields_are_forbidden() {
        for name in ["connection", "host", "sec-websocket-key", "keep-alive"] {
            let config = UpstreamConfig {
                headers: vec![name.parse().expect("a name")],
                ..UpstreamConfig::default()
            };
            assert!(
                matches!(
                    Dialler::new("ws://a", config),
                    Err(BackendError::ForbiddenHeader(_))
                ),
                "{name}"
            );
        }
    }
}
