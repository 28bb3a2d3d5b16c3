//! Connections to the service: straight, or through a forward proxy as browsers use it: absolute URLs for plain http, a
//! tunnel for https and for every WebSocket.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use ::http::header::{HOST, HeaderValue, PROXY_AUTHORIZATION};
use ::http::{Request, Uri};
use bytes::Bytes;
use http_body_util::Empty;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::doctor::Cause;

use super::tls::{self, Trust};

/// Time for name, TCP, tunnel and TLS together.
const LIMIT: Duration = Duration::from_secs(5);
/// Time to find out whether TLS is spoken where plain http got no answer.
const TLS_LIMIT: Duration = Duration::from_secs(2);

/// Any stream of bytes.
pub(super) trait Bidirectional: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bidirectional for T {}

/// How the service is reached.
#[derive(Clone, Debug)]
pub(super) struct Way {
    proxies: Arc<Matcher>,
    trust: Trust,
}

impl Way {
    /// Through `proxy`, or as the environment says: `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`.
    ///
    /// # Errors
    /// What is wrong with `proxy`.
    pub(super) fn new(proxy: Option<&str>, trust: Trust) -> Result<Self, String> {
        let proxies = match proxy {
            Some(proxy) => Matcher::builder().all(proxy.to_owned()).build(),
            None => Matcher::from_env(),
        };
        let way = Self {
            proxies: Arc::new(proxies),
            trust,
        };
        let Some(proxy) = proxy else {
            return Ok(way);
        };
        let found = way.proxy(&Uri::from_static("http://a.example/"));
        match found.as_ref().map(Intercept::uri) {
            Some(uri) if uri.scheme_str() == Some("http") && proxy_port(uri).is_some() => Ok(way),
            _ => Err(format!(
                "{:?} is not a proxy's address, like http://proxy.example:3128",
                without_user(proxy)
            )),
        }
    }

    /// The proxy for this URL.
    pub(super) fn proxy(&self, uri: &Uri) -> Option<Intercept> {
        self.proxies.intercept(uri)
    }

    /// The proxy for this URL, as it may be shown.
    pub(super) fn shown_proxy(&self, url: &str) -> Option<String> {
        let proxy = self.proxy(&url.parse().ok()?)?;
        let shown = without_user(&proxy.uri().to_string());
        Some(shown.trim_end_matches('/').to_owned())
    }

    /// What the proxy wants to see with requests that it reads.
    pub(super) fn credentials(&self, uri: &Uri) -> Option<HeaderValue> {
        self.proxy(uri)?.basic_auth().cloned()
    }

    /// Connects to the host of `uri`, which is http or https. `tunnelled`: a proxy must not read what follows.
    ///
    /// # Errors
    /// What failed, in words.
    pub(super) async fn connect(&self, uri: &Uri, tunnelled: bool) -> io::Result<Link> {
        let connecting = self.connect_unlimited(uri, tunnelled);
        match tokio::time::timeout(LIMIT, connecting).await {
            Ok(outcome) => outcome,
            Err(_) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("no connection in {} s", LIMIT.as_secs()),
            )),
        }
    }

    /// Whether what is at `url`, which is http, takes a TLS handshake.
    pub(super) async fn speaks_tls(&self, url: &str) -> bool {
        let https = url.strip_prefix("http://");
        let Some(Ok(uri)) = https.map(|rest| format!("https://{rest}").parse::<Uri>()) else {
            return false;
        };
        let port = uri.port_u16().unwrap_or(80);
        let Some(Ok(uri)) = uri
            .host()
            .map(|host| format!("https://{host}:{port}/").parse::<Uri>())
        else {
            return false;
        };
        let way = Self {
            trust: Trust::Anything,
            ..self.clone()
        };
        let connecting = way.connect(&uri, true);
        matches!(tokio::time::timeout(TLS_LIMIT, connecting).await, Ok(Ok(_)))
    }

    async fn connect_unlimited(&self, uri: &Uri, tunnelled: bool) -> io::Result<Link> {
        let secure = uri.scheme_str() == Some("https");
        let bracketed = uri.host().unwrap_or_default();
        let host = bracketed.trim_matches(['[', ']']);
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let proxy = self.proxy(uri);
        let stream: Box<dyn Bidirectional> = match &proxy {
            None => Box::new(tcp(host, port).await?),
            Some(proxy) => {
                let stream = to_proxy(proxy).await?;
                if secure || tunnelled {
                    let authority = format!("{bracketed}:{port}");
                    tunnel(stream, &authority, proxy.basic_auth()).await?
                } else {
                    Box::new(stream)
                }
            }
        };
        let stream = if secure {
            tls::secure(stream, host.to_owned(), &self.trust).await?
        } else {
            stream
        };
        Ok(Link {
            stream,
            proxied: proxy.is_some() && !secure && !tunnelled,
        })
    }
}

async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let failed = |error: io::Error| {
        let what = format!("cannot connect to {host}:{port}: {error}");
        io::Error::new(error.kind(), what)
    };
    let stream = TcpStream::connect((host, port)).await.map_err(failed)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn to_proxy(proxy: &Intercept) -> io::Result<TcpStream> {
    let uri = proxy.uri();
    if uri.scheme_str() != Some("http") {
        return Err(io::Error::other(format!(
            "the proxy {} cannot be used: only http:// proxies can; NO_PROXY goes around it",
            without_user(&uri.to_string())
        )));
    }
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let Some(port) = proxy_port(uri) else {
        return Err(io::Error::other(format!(
            "the proxy {} cannot be used: its port is not a number from 1 to 65535",
            without_user(&uri.to_string())
        )));
    };
    tcp(host, port).await
}

/// Its port, 80 when it names none; `None` when what it names is no port.
fn proxy_port(uri: &Uri) -> Option<u16> {
    let authority = uri.authority()?.as_str();
    let (_, named) = authority.rsplit_once('@').unwrap_or(("", authority));
    let has_port = named.len() > uri.host()?.len();
    if has_port {
        uri.port_u16().filter(|port| *port > 0)
    } else {
        Some(80)
    }
}

/// Asks the proxy for a tunnel. (RFC 9110 §9.3.6)
async fn tunnel(
    stream: TcpStream,
    authority: &str,
    credentials: Option<&HeaderValue>,
) -> io::Result<Box<dyn Bidirectional>> {
    let (mut proxy, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    tokio::spawn(connection.with_upgrades());
    let mut request = Request::connect(authority).header(HOST, authority);
    if let Some(credentials) = credentials {
        request = request.header(PROXY_AUTHORIZATION, credentials);
    }
    let request = request
        .body(Empty::<Bytes>::new())
        .map_err(io::Error::other)?;
    let response = proxy.send_request(request).await.map_err(|error| {
        io::Error::other(format!(
            "the proxy broke off when asked for a tunnel: {error}"
        ))
    })?;
    if !response.status().is_success() {
        return Err(io::Error::other(ProxyRefused(response.status().as_u16())));
    }
    let upgraded = hyper::upgrade::on(response)
        .await
        .map_err(io::Error::other)?;
    Ok(Box::new(TokioIo::new(upgraded)))
}

/// The proxy does not allow a tunnel to that host and port.
#[derive(Debug)]
pub(super) struct ProxyRefused(pub(super) u16);

impl fmt::Display for ProxyRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the proxy refused a tunnel with status {}", self.0)
    }
}

impl std::error::Error for ProxyRefused {}

/// A failure that says all there is to say.
#[derive(Debug)]
pub(super) struct Explained {
    pub(super) what: String,
    pub(super) cause: Option<Cause>,
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Explained {}

/// A connection, and whether a proxy reads what is sent on it.
pub(super) struct Link {
    stream: Box<dyn Bidirectional>,
    proxied: bool,
}

impl AsyncRead for Link {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Link {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Connection for Link {
    fn connected(&self) -> Connected {
        Connected::new().proxy(self.proxied)
    }
}

/// Makes connections for hyper's client.
#[derive(Clone, Debug)]
pub(super) struct Connector(pub(super) Way);

impl tower_service::Service<Uri> for Connector {
    type Response = TokioIo<Link>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<Link>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let way = self.0.clone();
        Box::pin(async move { way.connect(&uri, false).await.map(TokioIo::new) })
    }
}

/// Without a user's name and password, which must not reach a screen or a log.
pub(super) fn without_user(url: &str) -> String {
    let start = url.find("://").map_or(0, |at| at + 3);
    match url[start..].rfind('@') {
        Some(at) => format!("{}{}", &url[..start], &url[start + at + 1..]),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A proxy is an http URL; what is not is refused before anything is sent.
    #[test]
    fn proxies_are_checked() {
        let uri = Uri::from_static("https://a.example/");
        for good in [
            "http://127.0.0.1:3128",
            "http://u:p@proxy.example:3128",
            "proxy.example:3128",
            "http://u:p@proxy.example",
            "http://[::1]:3128",
        ] {
            let way = Way::new(Some(good), Trust::System).expect(good);
            assert!(way.proxy(&uri).is_some(), "{good}");
        }
        for bad in [
            "",
            "socks5://127.0.0.1:1080",
            "https://u:s3cret@127.0.0.1:3128",
            "http://",
            "http://127.0.0.1:99999",
            "http://u:s3cret@127.0.0.1:0",
            "http://127.0.0.1:x",
        ] {
            let error = Way::new(Some(bad), Trust::System).expect_err(bad);
            assert!(error.contains("http://proxy.example:3128"), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
