//! Who somebody is, as another server says: it is asked with what a request has to show, and whoever it answers with 2xx is let in.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderName, HeaderValue,
    ORIGIN, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, StatusCode, Uri};
use ipnet::IpNet;
use ring::digest::{Context, SHA256};
use tracing::warn;

use crate::fields::FieldValue;
use crate::identity::{Authenticator, Decision, Identity, Inquiry, Preparing, Refusal};
use crate::outward::Asker;
use crate::protocol::browser_query;
use crate::registry::Throttle;

use super::cache::Cache;
use super::source::Source;
use super::terms::{Terms, alike};

/// What an operator can set about a server that is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ForwardConfig {
    /// Where it is asked, with GET: `http://…` or `https://…`.
    pub url: String,
    /// Certificates (PEM) that the server may be signed by, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Time for an answer. Default 5 s.
    pub timeout: Duration,
    /// What it is shown of a request. Default `Cookie` and `Authorization`, whole.
    pub sources: Vec<Source>,
    /// Field of its answer that has the subject. `None`, the default, tells people apart by what they show alone.
    pub subject_field: Option<HeaderName>,
    /// Whether it is asked for each request, and not only when a session opens or something else is shown than then. Default no.
    pub each_request: bool,
    /// How long it is not asked again about the same: what is shown, the host and the query, and also `Origin`, the address, the
    /// scheme, the method and the transport. Default not at all.
    pub cache: Option<Duration>,
    /// Whether backends see what it is shown. Default no.
    pub pass_token: bool,
    /// How it refuses, and what upstreams get: the claims are fields of the server's answer.
    pub terms: Terms,
    /// What the log calls it. Default nothing.
    pub name: Option<String>,
}

impl ForwardConfig {
    /// A server at `url`, and the defaults.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            ca_file: None,
            timeout: Duration::from_secs(5),
            sources: vec![Source::Header(COOKIE), Source::Header(AUTHORIZATION)],
            subject_field: None,
            each_request: false,
            cache: None,
            pass_token: false,
            terms: Terms::default(),
            name: None,
        }
    }

    /// # Errors
    /// What is wrong with what is to be shown.
    pub(crate) fn check_sources(&self) -> Result<(), String> {
        for source in &self.sources {
            match source {
                Source::Header(name) if is_own(name) => {
                    return Err(format!(
                        "{name} is set by the gateway itself, and cannot be shown; leave it out"
                    ));
                }
                Source::Message => {
                    return Err(
                        "messages cannot be shown to another server; leave \"message\" out"
                            .to_owned(),
                    );
                }
                Source::Header(_) | Source::Query(_) | Source::Cookie(_) => {}
            }
        }
        Ok(())
    }
}

/// Asks another server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ForwardAuth(Arc<Inner>);

struct Inner {
    config: ForwardConfig,
    asker: Asker,
    cache: Cache,
    failures: Throttle,
}

/// What is asked, and for whom.
struct Question {
    /// The client network that it is asked for.
    network: Option<IpNet>,
    fields: HeaderMap,
    /// By which the answer is kept.
    key: [u8; 32],
    /// By which who it lets in is known again.
    proof: [u8; 32],
}

/// Longest subject and fields of an identity, together, in bytes: sessions keep them, and upstreams get them with their handshake.
const LONGEST: usize = 8 * 1024;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");

impl ForwardAuth {
    /// As configured; nothing is asked yet.
    ///
    /// # Errors
    /// What is wrong with the URL, the certificates, or what is to be shown.
    pub fn new(config: ForwardConfig) -> Result<Self, String> {
        config.check_sources()?;
        let asker = Asker::new(&config.url, config.ca_file.clone(), config.timeout)?;
        Ok(Self(Arc::new(Inner {
            cache: Cache::new(config.cache),
            failures: Throttle::default(),
            config,
            asker,
        })))
    }
}

/// Fields of the question that are the gateway's to set.
fn is_own(name: &HeaderName) -> bool {
    let of_connection = [
        CONNECTION,
        CONTENT_LENGTH,
        EXPECT,
        HOST,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
    ];
    // Some servers take `x_forwarded_for` for `x-forwarded-for`.
    of_connection.contains(name) || alike(name).starts_with("x-forwarded-")
}

/// The subject that an answer names.
///
/// # Errors
/// What is wrong with the field.
fn subject(answer: &HeaderMap, name: &HeaderName) -> Result<String, &'static str> {
    let mut lines = answer.get_all(name).iter();
    let line = lines.next().filter(|line| !line.is_empty());
    let line = line.ok_or("its answer has no")?;
    if lines.next().is_some() {
        return Err("its answer has more than one");
    }
    let text = str::from_utf8(line.as_bytes());
    text.map(str::to_owned)
        .map_err(|_| "its answer has no UTF-8 in")
}

/// A field of an answer, its lines as one; one that is empty is none.
fn joined(answer: &HeaderMap, name: &str) -> Option<HeaderValue> {
    let lines = answer.get_all(name).iter();
    let lines: Vec<_> = lines.map(HeaderValue::as_bytes).collect();
    let value = HeaderValue::from_bytes(&lines.join(&b", "[..])).ok();
    value.filter(|value| !value.is_empty())
}

/// A digest of several parts, told apart by their lengths.
struct Parts(Context);

impl Default for Parts {
    fn default() -> Self {
        Self(Context::new(&SHA256))
    }
}

impl Parts {
    fn add(&mut self, part: &[u8]) {
        self.0.update(&(part.len() as u64).to_be_bytes());
        self.0.update(part);
    }

    fn finish(self) -> [u8; 32] {
        let digest = self.0.finish();
        digest.as_ref().try_into().unwrap_or_default()
    }
}

impl Inner {
    /// What tells people apart: where they want to get, and what they show. Not where they come from, which changes while they stay
    /// the same.
    fn proof(&self, inquiry: &Inquiry<'_>) -> [u8; 32] {
        let mut digest = Parts::default();
        digest.add(inquiry.prefix.as_bytes());
        digest.add(inquiry.host.unwrap_or_default().as_bytes());
        digest.add(browser_query(inquiry.uri.query().unwrap_or_default(), true).as_bytes());
        for source in &self.config.sources {
            match source {
                Source::Header(name) => {
                    // Their number first: the same lines in the next field would be the same parts.
                    let lines = || inquiry.fields.get_all(name);
                    digest.add(&(lines().count() as u64).to_be_bytes());
                    lines().for_each(|line| digest.add(line.as_bytes()));
                }
                source => digest.add(
                    source
                        .find(inquiry.uri, inquiry.fields)
                        .unwrap_or_default()
                        .as_bytes(),
                ),
            }
        }
        digest.finish()
    }

    /// What tells questions apart: also where they come from, and how. Of the path only the last part counts, the name of a
    /// transport: browsers choose the ids before it.
    fn question_key(proof: &[u8; 32], inquiry: &Inquiry<'_>) -> [u8; 32] {
        let mut digest = Parts::default();
        digest.add(proof);
        let origin = inquiry.fields.get(&ORIGIN);
        digest.add(&[u8::from(origin.is_some())]);
        digest.add(origin.map_or(&[][..], FieldValue::as_bytes));
        let address = inquiry.address.map(|address| address.to_string());
        digest.add(address.unwrap_or_default().as_bytes());
        digest.add(inquiry.scheme.unwrap_or_default().as_bytes());
        digest.add(inquiry.method.as_str().as_bytes());
        let transport = inquiry.uri.path().rsplit('/').next();
        digest.add(transport.unwrap_or_default().as_bytes());
        digest.finish()
    }

    /// The fields of the question.
    fn question(&self, inquiry: &Inquiry<'_>) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for source in &self.config.sources {
            match source {
                Source::Header(name) => {
                    let lines = inquiry.fields.get_all(name);
                    fields.extend(lines.map(|line| (name.clone(), line.to_header_value())));
                }
                Source::Cookie(name) => {
                    let value = source.find(inquiry.uri, inquiry.fields);
                    let cookie = value.and_then(|value| {
                        HeaderValue::from_bytes(format!("{name}={value}").as_bytes()).ok()
                    });
                    fields.extend(cookie.map(|cookie| (COOKIE, cookie)));
                }
                Source::Query(_) | Source::Message => {}
            }
        }
        if let Some(origin) = inquiry.fields.get(&ORIGIN) {
            fields.insert(ORIGIN, origin.to_header_value());
        }
        let target = inquiry.uri.path_and_query().map(ToString::to_string);
        for (name, value) in [
            (
                X_FORWARDED_FOR,
                inquiry.address.map(|address| address.to_string()),
            ),
            (X_FORWARDED_HOST, inquiry.host.map(str::to_owned)),
            (X_FORWARDED_METHOD, Some(inquiry.method.to_string())),
            (
                X_FORWARDED_PROTO,
                Some(inquiry.scheme.unwrap_or("http").to_owned()),
            ),
            (X_FORWARDED_URI, target),
        ] {
            // As bytes: a target may have any but those that no field can have.
            if let Some(value) =
                value.and_then(|value| HeaderValue::from_bytes(value.as_bytes()).ok())
            {
                fields.insert(name, value);
            }
        }
        fields
    }

    async fn ask(&self, question: Question) -> Result<Arc<Identity>, Refusal> {
        let Question {
            network,
            fields,
            key,
            proof,
        } = question;
        let terms = &self.config.terms;
        let (status, answered) = match self.asker.ask_head(network, &fields).await {
            Ok(answered) => answered,
            Err(problem) => return Err(self.outage(&problem)),
        };
        match status {
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
                return Err(self.outage(&format!("it answered {status}")));
            }
            status if status.is_success() => {}
            // A redirection is to a page where people log in.
            status if status.is_redirection() || status.is_client_error() => {
                return Err(terms.refuse("the server that is asked refused"));
            }
            status => return Err(self.outage(&format!("it answered {status}"))),
        }
        let subject = match &self.config.subject_field {
            None => URL_SAFE_NO_PAD.encode(proof),
            Some(name) => {
                subject(&answered, name).map_err(|what| self.outage(&format!("{what} {name}")))?
            }
        };
        let fields = terms.upstream_fields.iter();
        let fields =
            fields.filter_map(|(name, from)| Some((name.clone(), joined(&answered, from)?)));
        let fields: Vec<_> = fields.collect();
        let lengths = fields.iter().map(|(_, value)| value.len());
        if subject.len() + lengths.sum::<usize>() > LONGEST {
            let what = format!("subject_field and upstream_fields have more than {LONGEST} bytes");
            return Err(self.outage(&what));
        }
        let identity = Arc::new(Identity {
            issuer: None,
            subject: subject.into(),
            fields,
            expires: None,
            proof: Some(proof),
        });
        self.cache.keep(key, &identity);
        Ok(identity)
    }

    fn outage(&self, problem: &str) -> Refusal {
        if let Some(held_back) = self.failures.admit() {
            let auth = self.config.name.as_deref();
            warn!(auth, url = %self.asker, problem, held_back, "the server that says who is let in fails: nobody is");
        }
        let why = "the server that is asked does not answer as it should";
        self.config.terms.unavailable(why)
    }
}

impl Authenticator for ForwardAuth {
    fn authenticate(&self, inquiry: &Inquiry<'_>) -> Decision {
        let inner = &self.0;
        let proof = inner.proof(inquiry);
        let known = inquiry.owner.filter(|owner| owner.proof == Some(proof));
        let known = known.filter(|_| !inner.config.each_request).cloned();
        if let Some(identity) = known {
            return Decision::Now(Ok(identity));
        }
        let key = Inner::question_key(&proof, inquiry);
        if let Some(identity) = inner.cache.find(&key) {
            return Decision::Now(Ok(identity));
        }
        let question = Question {
            network: inquiry.network,
            fields: inner.question(inquiry),
            key,
            proof,
        };
        let inner = Arc::clone(inner);
        Decision::Later(Box::pin(async move { inner.ask(question).await }))
    }

    fn strip(&self, uri: &mut Uri, headers: &mut HeaderMap) {
        if !self.0.config.pass_token {
            for source in &self.0.config.sources {
                source.strip(uri, headers);
            }
        }
        self.0.config.terms.strip(headers);
    }

    fn knows_again(&self) -> bool {
        !self.0.config.each_request
    }

    fn asks_others(&self) -> bool {
        !self.0.config.each_request
    }

    /// Asks for somebody who shows nothing: any answer will do but that of a server which fails.
    fn prepare(&self) -> Preparing<'_> {
        Box::pin(async {
            let (status, _) = self.0.asker.ask_head(None, &HeaderMap::new()).await?;
            match status.is_server_error() {
                true => Err(format!("the server answered {status}")),
                false => Ok(()),
            }
        })
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ForwardAuth").field(&self.asker).finish()
    }
}
