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
    pub(crate) fields: HeaderMap,
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
        let timeout = self.timeout;
        let deadline = Instant::now() + timeout;
        let place = timeout_at(deadline, self.places.take(network)).await;
        let _place = place.map_err(|_| {
            format!("{AT_ONCE} questions at a time, and this was not asked in {timeout:?}")
        })?;
        let asking = async {
            let request = self.request(fields);
            let kept = self.take_idle();
            if let Some(connection) = kept
                && let Ok(answered) = self.exchange(connection, request.clone(), limit).await
            {
                return Ok(answered);
            }
            // The server may end a connection while it idles.
            let link = dial(Arc::clone(&self.address), self.tls.clone()).await?;
            self.exchange(Connection::new(link), request, limit).await
        };
        match timeout_at(deadline, asking).await {
            Ok(answered) => answered.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer in {timeout:?}")),
        }
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

    async fn exchange(
        &self,
        mut connection: Connection,
        request: Vec<u8>,
        limit: usize,
    ) -> io::Result<Answered> {
        connection.start(request);
        let head: Head<HeaderMap> = poll_fn(|context| connection.poll_head(context)).await?;
        let mut body = Vec::new();
        while poll_fn(|context| connection.poll_body(context, &mut body)).await? {
            if body.len() > limit {
                let what = format!("the answer is longer than {limit} bytes");
                return Err(io::Error::other(what));
            }
        }
        let mut idle = self.idle.lock();
        if connection.is_ready() && idle.len() < KEPT {
            idle.push(connection);
        }
        Ok(Answered {
            status: head.status,
            fields: head.kept,
            body,
        })
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

/// Without the URL's query, in which there may be a secret.
/// The server that is asked.
impl fmt::Display for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.authority.fmt(f)
    }
}

impl fmt::Debug for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Asker")
            .field(&self.address.authority)
            .finish()
    }
}
