//! HTTP/1.0 and HTTP/1.1 messages as the tests see them: headers in order, with their duplicates.

use super::server::Address;

/// A request. The target is relative to the URL of the server under test: `/echo/info`.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    path: String,
    version: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Option<Vec<u8>>,
}

impl Request {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new("GET", path.into(), None)
    }

    /// A POST with an empty body and `Content-Length: 0`.
    pub(crate) fn post(path: impl Into<String>) -> Self {
        Self::new("POST", path.into(), Some(Vec::new()))
    }

    pub(crate) fn options(path: impl Into<String>) -> Self {
        Self::new("OPTIONS", path.into(), None)
    }

    pub(crate) fn new(method: &'static str, path: String, body: Option<Vec<u8>>) -> Self {
        Self {
            method,
            path,
            version: "HTTP/1.1",
            headers: Vec::new(),
            body,
        }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Neither body nor `Content-Length`.
    pub(crate) fn without_content_length(mut self) -> Self {
        self.body = None;
        self
    }

    /// `HTTP/1.0` in the request line.
    pub(crate) fn http10(mut self) -> Self {
        self.version = "HTTP/1.0";
        self
    }

    /// The bytes on the wire.
    pub(crate) fn encode(&self, address: &Address) -> Vec<u8> {
        let mut text = format!(
            "{} {}{} {}\r\nHost: {}\r\n",
            self.method, address.base_path, self.path, self.version, address.authority
        );
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = &self.body {
            text.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        bytes
    }
}

/// Status line and headers of a response.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    /// `HTTP/1.0` or `HTTP/1.1`.
    pub(crate) version: String,
    pub(crate) status: u16,
    /// In the order of the wire, names as sent, values without surrounding blanks.
    pub(crate) headers: Vec<(String, String)>,
}

impl Head {
    /// All values of a header, in order. `name` matches in any case.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// The value of a header that may appear at most once.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let values = self.all(name);
        assert!(values.len() <= 1, "{name} is sent more than once: {self:?}");
        values.first().copied()
    }

    /// Whether the body comes in chunks.
    #[track_caller]
    pub(crate) fn is_chunked(&self) -> bool {
        let Some(coding) = self.header("Transfer-Encoding") else {
            return false;
        };
        assert_eq!(coding.to_ascii_lowercase(), "chunked", "{self:?}");
        assert_eq!(
            self.header("Content-Length"),
            None,
            "RFC 9112 §6.2 forbids both"
        );
        true
    }

    #[track_caller]
    pub(crate) fn content_length(&self) -> Option<usize> {
        let value = self.header("Content-Length")?;
        Some(value.parse().expect("Content-Length is a number"))
    }

    /// Whether `Connection` announces the end of the connection.
    #[track_caller]
    pub(crate) fn closes(&self) -> bool {
        self.header("Connection")
            .is_some_and(|value| has_token(value, "close"))
    }
}

/// Whether a comma-separated header value contains `token`, in any case.
pub(crate) fn has_token(value: &str, token: &str) -> bool {
    value
        .split(',')
        .any(|item| item.trim().eq_ignore_ascii_case(token))
}

/// A complete response.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
}
