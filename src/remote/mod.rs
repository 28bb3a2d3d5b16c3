//! A gateway that runs, asked over its admin listener.

mod events;
pub(crate) mod show;

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::server::ListenAddress;

pub(crate) use events::Events;

/// Where the admin listener is, and what it wants to know.
#[derive(Clone)]
pub(crate) struct Remote {
    address: ListenAddress,
    token: Option<HeaderValue>,
}

/// There is no answer, or none that helps.
#[derive(Debug)]
pub(crate) enum RemoteError {
    /// Nobody listens there, or the way is blocked.
    Unreachable(ListenAddress, io::Error),
    /// It answered that it will not: its answer, with `error`, and the lines of a configuration's `mistakes`.
    Refused(Value),
    /// The connection ended before the whole answer had come.
    Broken(ListenAddress, String),
    /// It is something else than an admin listener.
    Strange(ListenAddress, String),
}

/// What an answer of a gateway has: a field, and whether its value may be one.
#[derive(Clone, Copy)]
pub(crate) struct Field(pub(crate) &'static str, pub(crate) fn(&Value) -> bool);

/// Time to connect, and for an answer to begin: a reload reads files, and tries no network.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest answer that is read.
const LONGEST: usize = 64 << 20;

trait Way: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Way for T {}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(address, error) => write!(
                f,
                "no gateway answers at {address}: {error}; does it run, with admin.listen set to this?"
            ),
            Self::Refused(answer) => {
                let text = |value: &Value| show::plain(value.as_str().unwrap_or_default());
                f.write_str(&text(&answer["error"]))?;
                let mut mistakes = answer["mistakes"].as_array().into_iter().flatten();
                mistakes.try_for_each(|mistake| write!(f, "\n  {}", text(mistake)))
            }
            Self::Broken(address, what) => {
                write!(f, "the connection to {address} broke: {what}")
            }
            Self::Strange(address, what) => write!(
                f,
                "what answers at {address} is not the admin listener of a gateway: {what}"
            ),
        }
    }
}

impl Remote {
    /// The gateway whose admin listener is configured to be at `listen`.
    ///
    /// # Errors
    /// That does not say where it is, or the token cannot stand in a request.
    pub(crate) fn new(listen: ListenAddress, token: Option<&[u8]>) -> Result<Self, String> {
        let address = match listen {
            ListenAddress::Systemd(_) => {
                return Err(
                    "systemd opens the admin listener; say where with --admin ADDRESS".to_owned(),
                );
            }
            ListenAddress::Tcp(address) if address.port() == 0 => {
                return Err(
                    "admin.listen takes any free port; say which with --admin ADDRESS, the log of the gateway has it".to_owned(),
                );
            }
            ListenAddress::Tcp(address) => {
                let host = match address.ip() {
                    IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
                    IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
                    ip => ip,
                };
                ListenAddress::Tcp(SocketAddr::new(host, address.port()))
            }
            unix => unix,
        };
        let bearer = |token: &[u8]| {
            let value = [b"Bearer ", token].concat();
            let mut value = HeaderValue::from_bytes(&value)
                .map_err(|_| "the token cannot stand in a request".to_owned())?;
            value.set_sensitive(true);
            Ok::<_, String>(value)
        };
        Ok(Self {
            address,
            token: token.map(bearer).transpose()?,
        })
    }

    /// `GET` of a path below `/api/v1/`. The answer has this field.
    pub(crate) async fn get(&self, path: &str, has: Field) -> Result<Value, RemoteError> {
        let response = self.ask(Method::GET, path, Bytes::new()).await?;
        self.checked(self.read(response).await?, has)
    }

    /// `POST` of a value there.
    pub(crate) async fn post(
        &self,
        path: &str,
        body: &Value,
        has: Field,
    ) -> Result<Value, RemoteError> {
        let response = self
            .ask(Method::POST, path, body.to_string().into())
            .await?;
        self.checked(self.read(response).await?, has)
    }

    /// The answer, when it is that of a gateway.
    fn checked(&self, answer: Value, Field(name, is): Field) -> Result<Value, RemoteError> {
        if answer.get(name).is_some_and(is) {
            return Ok(answer);
        }
        Err(self.strange(format_args!(
            "its answer has no {name:?} as a gateway's has"
        )))
    }

    /// The server-sent events there.
    pub(crate) async fn events(&self, path: &str) -> Result<Events, RemoteError> {
        let response = self.ask(Method::GET, path, Bytes::new()).await?;
        let kind = response.headers().get(CONTENT_TYPE);
        let is_stream = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        if response.status().is_success() && is_stream {
            return Ok(Events::new(response.into_body()));
        }
        match self.read(response).await {
            Ok(_) => Err(self.strange("no stream")),
            Err(error) => Err(error),
        }
    }

    fn strange(&self, what: impl fmt::Display) -> RemoteError {
        RemoteError::Strange(self.address.clone(), what.to_string())
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>, RemoteError> {
        let mut request = Request::new(Full::new(body));
        let uri = format!("/api/v1/{path}").parse();
        *request.uri_mut() = uri.map_err(|error| self.strange(error))?;
        *request.method_mut() = method;
        let headers = request.headers_mut();
        let host = match &self.address {
            ListenAddress::Tcp(address) => address.to_string(),
            _ => "localhost".to_owned(),
        };
        if let Ok(host) = HeaderValue::from_str(&host) {
            headers.insert(HOST, host);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(token) = &self.token {
            headers.insert(AUTHORIZATION, token.clone());
        }
        let unreachable = |error| RemoteError::Unreachable(self.address.clone(), error);
        let late = || io::Error::from(io::ErrorKind::TimedOut);
        let way = timeout(PATIENCE, self.connect()).await;
        let way = way.map_err(|_| unreachable(late()))?.map_err(unreachable)?;
        let shaken = hyper::client::conn::http1::handshake(TokioIo::new(way)).await;
        let (mut sender, connection) = shaken.map_err(|error| self.strange(error))?;
        // It ends with the answer's body.
        tokio::spawn(connection);
        let response = timeout(PATIENCE, sender.send_request(request)).await;
        let response = response.map_err(|_| unreachable(late()))?;
        response.map_err(|error| self.failed(&error))
    }

    /// Without a whole answer: the connection broke, or there is no HTTP.
    fn failed(&self, error: &hyper::Error) -> RemoteError {
        use std::error::Error as _;
        let is_io = error
            .source()
            .is_some_and(|source| source.is::<io::Error>());
        if is_io || error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
            return RemoteError::Broken(self.address.clone(), error.to_string());
        }
        self.strange(error)
    }

    async fn connect(&self) -> io::Result<Box<dyn Way>> {
        Ok(match &self.address {
            ListenAddress::Unix(path) => Box::new(UnixStream::connect(path).await?),
            ListenAddress::Tcp(address) => Box::new(TcpStream::connect(address).await?),
            ListenAddress::Systemd(_) => return Err(io::ErrorKind::Unsupported.into()),
        })
    }

    async fn read(&self, response: Response<Incoming>) -> Result<Value, RemoteError> {
        let status = response.status();
        let body = Limited::new(response.into_body(), LONGEST).collect();
        let body = timeout(PATIENCE, body).await;
        let body = body.map_err(|_| self.strange("the answer does not end"))?;
        let body = body.map_err(|error| match error.downcast::<hyper::Error>() {
            Ok(error) => self.failed(&error),
            Err(error) => self.strange(error),
        });
        let body = body?.to_bytes();
        let value: Value = serde_json::from_slice(&body)
            .map_err(|_| self.strange(format_args!("it answered {status} without JSON")))?;
        if status.is_success() {
            return Ok(value);
        }
        if !value["error"].is_string() {
            return Err(self.strange(format_args!("it answered {status}")));
        }
        Err(RemoteError::Refused(value))
    }
}
