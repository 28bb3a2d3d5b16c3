//! Questions to one server, with GET, over connections that are kept for the next.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use parking_lot::Mutex;
use tokio::time::{Instant, timeout_at};

use super::answer::{AnswerFields, Head, Kept};
use super::places::{Network, Places};
use super::{Address, Connection, Tls, dial};

/// Questions at a time; more wait, and client networks take turns.
const AT_ONCE: usize = 64;
/// Connections that are kept while nothing is asked.
const KEPT: usize = 8;
/// Bytes of a body that nobody wants that are read, so that its connection can be kept.
const SKIPPED: usize = 64 * 1024;

/// Asks one server.
pub(crate) struct Asker {
    address: Arc<Address>,
    /// Path and query.
    target: String,
    tls: Tls,
    timeout: Duration,
    idle: Mutex<Vec<Connection>>,
    places: Places,
}

/// What the server said.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) body: Vec<u8>,
}

impl Kept for HeaderMap {
    fn of(fields: AnswerFields<'_>) -> Self {
        let field = |(name, value): (&str, &[u8])| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            Some((name, HeaderValue::from_bytes(value).ok()?))
        };
        // What is there twice stays so.
        let mut map = Self::new();
        for (name, value) in fields.all().filter_map(field) {
            map.append(name, value);
        }
        map
    }
}

impl Asker {
    /// For `http://` and `https://` URLs; a question and its answer take `timeout` at most.
    ///
    /// # Errors
    /// What is wrong with the URL, or with the certificates of `ca_file`.
    pub(crate) fn new(
        url: &str,
        ca_file: Option<PathBuf>,
        timeout: Duration,
    ) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|_| "it is not a URL")?;
        if uri
            .authority()
            .is_some_and(|authority| authority.as_str().contains('@'))
        {
            return Err("it has a user name, and none can be sent; leave it out".to_owned());
        }
        let address = Address::parse(url)?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err("it does not start with http:// or https://".to_owned());
        }
        let tls = Tls::new(ca_file);
        if address.secure {
            tls.check().map_err(|error| error.to_string())?;
        }
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        Ok(Self {
            target: target.to_owned(),
            address: Arc::new(address),
            tls,
            timeout,
            idle: Mutex::default(),
            places: Places::new(AT_ONCE),
        })
    }

    /// Asks for somebody of that network, with these fields, for a body of up to `limit` bytes.
    ///
    /// # Errors
    /// Why there is no answer, for people; nothing of the fields is in it.
    pub(crate) async fn ask(
        &self,
        network: Network,
        fields: &HeaderMap,
        limit: usize,
    ) -> Result<Answered, String> {
        let asking = async {
            let (head, mut connection) = self.head(fields).await?;
            let body = body(&mut connection, limit).await?;
            self.keep(connection);
            Ok(Answered {
                status: head.status,
                body,
            })
        };
        self.in_turn(network, asking).await
    }

    /// As [`Self::ask`], for nothing but the head. What comes behind it is read for the sake of the next question, and may be anything.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub(crate) async fn ask_head(
        &self,
        network: Network,
        fields: &HeaderMap,
    ) -> Result<(StatusCode, HeaderMap), String> {
        let asking = async {
            let (head, mut connection) = self.head(fields).await?;
            if body(&mut connection, SKIPPED).await.is_ok() {
                self.keep(connection);
            }
            Ok((head.status, head.kept))
        };
        self.in_turn(network, asking).await
    }

    /// What comes of `asking`, once there is a place for it.
    async fn in_turn<T>(
        &self,
        network: Network,
        asking: impl Future<Output = io::Result<T>>,
    ) -> Result<T, String> {
        let timeout = self.timeout;
        let deadline = Instant::now() + timeout;
        let place = timeout_at(deadline, self.places.take(network)).await;
        let _place = place.map_err(|_| {
            format!("{AT_ONCE} questions at a time, and this was not asked in {timeout:?}")
        })?;
        match timeout_at(deadline, asking).await {
            Ok(answered) => answered.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer in {timeout:?}")),
        }
    }

    /// The head of the answer, and the connection on which its body comes.
    async fn head(&self, fields: &HeaderMap) -> io::Result<(Head<HeaderMap>, Connection)> {
        let request = self.request(fields);
        if let Some(mut kept) = self.take_idle() {
            kept.start(request.clone());
            match poll_fn(|context| kept.poll_head(context)).await {
                Ok(head) => return Ok((head, kept)),
                // It was asked, and there is no sense in what it said.
                Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(error),
                // The server may end a connection while it idles.
                Err(_) => {}
            }
        }
        let link = dial(Arc::clone(&self.address), self.tls.clone()).await?;
        let mut connection = Connection::new(link);
        connection.start(request);
        let head = poll_fn(|context| connection.poll_head(context)).await?;
        Ok((head, connection))
    }

    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle.lock();
        loop {
            let mut connection = idle.pop()?;
            if connection.is_ready() {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection for the next question, if it can carry one.
    fn keep(&self, mut connection: Connection) {
        let mut idle = self.idle.lock();
        if connection.is_ready() && idle.len() < KEPT {
            idle.push(connection);
        }
    }

    fn request(&self, fields: &HeaderMap) -> Vec<u8> {
        let (target, authority) = (&self.target, &self.address.authority);
        let mut request = format!("GET {target} HTTP/1.1\r\nHost: {authority}\r\n").into_bytes();
        for (name, value) in fields {
            request.extend_from_slice(name.as_str().as_bytes());
            request.extend_from_slice(b": ");
            request.extend_from_slice(value.as_bytes());
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        request
    }
}

/// What comes of a body of up to `limit` bytes.
async fn body(connection: &mut Connection, limit: usize) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    while poll_fn(|context| connection.poll_body(context, &mut body)).await? {
        if body.len() > limit {
            let what = format!("the answer is longer than {limit} bytes");
            return Err(io::Error::other(what));
        }
    }
    Ok(body)
}

/// The URL that is asked, without its query, in which there may be a secret.
impl fmt::Display for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address.without_query())
    }
}

impl fmt::Debug for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Asker")
            .field(&self.address.authority)
            .finish()
    }
}
