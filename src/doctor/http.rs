//! The answers below `/doctor`, but for its page and its SockJS service.

use std::sync::Arc;
use std::time::Duration;

use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, LOCATION, REFERER, SET_COOKIE,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Method, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use parking_lot::Mutex;
use serde::Serialize;
use tokio::time::Instant;
use tracing::info;

use crate::fields::FieldValue;
use crate::registry::Throttle;
use crate::transport::{Address, Answer, Body, Request, empty, endpoint_at, text};

use super::report::{Report, is_run};
use super::results::{KeptResult, Results, TooLarge, now_as_text};
use super::runs::{Noted, Runs};
use super::seen::{Seen, SeenRequest, ServiceFacts};
use super::stream::{Kind, parameter};
use super::verdict::{Verdict, judge};

/// Longest report in bytes, and time for it to arrive.
const MAX_REPORT: usize = 64 * 1024;
const REPORT_TIMEOUT: Duration = Duration::from_secs(10);

const COOKIE: &str = "doctor";
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NO_SNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=UTF-8");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=UTF-8");

/// The doctor of one service: what it saw of runs, and the results it keeps.
#[derive(Debug)]
pub struct Doctor {
    prefix: Arc<str>,
    service: ServiceFacts,
    runs: Mutex<Runs>,
    results: Mutex<Results>,
    log: Throttle,
}

#[derive(Serialize)]
struct Judged {
    verdict: Verdict,
    code: Option<String>,
}

#[derive(Serialize)]
struct CookiesThatCame<'a> {
    cookies: &'a [&'a str],
}

impl Doctor {
    /// The doctor of the service at `prefix`, which keeps at most `results` results.
    pub fn new(prefix: Arc<str>, service: ServiceFacts, results: usize) -> Self {
        Self {
            prefix,
            service,
            runs: Mutex::new(Runs::default()),
            results: Mutex::new(Results::new(results)),
            log: Throttle::default(),
        }
    }

    /// Notes a request to `path` below the doctor's SockJS service, when it belongs to a run: `/RUN/SESSION/TRANSPORT`.
    pub fn note(&self, path: &str, method: &Method, mut seen: SeenRequest) -> Option<Noted> {
        let mut segments = path.strip_prefix('/')?.split('/');
        let (run, session, segment) = (segments.next()?, segments.next()?, segments.next()?);
        if !is_run(run) || session.len() > 64 {
            return None;
        }
        let (transport, endpoint) = endpoint_at(Address::Session(segment))?;
        let receives = endpoint.hints.receives || endpoint.hints.websocket;
        let kind = match (method, receives) {
            (&Method::OPTIONS, _) => "preflight",
            (_, true) => "receive",
            (_, false) => "send",
        };
        seen.transport = Some(transport.name.to_owned());
        seen.kind = Some(kind.to_owned());
        self.runs.lock().note(Instant::now(), run, session, seen)
    }

    /// Adds what a noted request was answered with.
    pub fn answered(&self, noted: &Noted, status: StatusCode) {
        self.runs.lock().answered(noted, status.as_u16());
    }

    /// Answers a request to `path` below `/doctor`, or gives it back when there is nothing at that path.
    pub fn answer(
        self: &Arc<Self>,
        path: &str,
        request: Request,
        seen: SeenRequest,
    ) -> Result<Answer, Request> {
        let posts = path == "/verdict";
        let known = posts
            || ["/", "/seen", "/stream", "/cookie"].contains(&path)
            || path.starts_with("/results/");
        if !known {
            return Err(request);
        }
        let method = if posts { Method::POST } else { Method::GET };
        let response = if request.method != method {
            let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
            let allow = HeaderValue::from_static(if posts { "POST" } else { "GET" });
            response.headers_mut().insert(ALLOW, allow);
            response
        } else if posts {
            let doctor = Arc::clone(self);
            return Ok(Answer::later(
                async move { doctor.judge(request, seen).await },
            ));
        } else {
            self.get(path, &request, seen)
        };
        Ok(response.into())
    }

    fn get(&self, path: &str, request: &Request, seen: SeenRequest) -> Response<Body> {
        let query = request.uri.query();
        match path {
            "/" => {
                // The page's links are relative to a path without the slash.
                let mut response = empty(StatusCode::PERMANENT_REDIRECT);
                let page = HeaderValue::from_static("../doctor");
                response.headers_mut().insert(LOCATION, page);
                response
            }
            "/seen" => {
                let run = parameter(query, "run").unwrap_or_default();
                json(&self.seen(&run, seen))
            }
            "/stream" => match Kind::from_query(query) {
                Some(kind) => streamed(kind),
                None => text(StatusCode::BAD_REQUEST, "kind is drip or tail."),
            },
            "/cookie" => cookie(request, &seen),
            _ => {
                let code = path.strip_prefix("/results/").unwrap_or_default();
                let kept = self.results.lock().get(Instant::now(), code);
                kept.map_or_else(
                    || text(StatusCode::NOT_FOUND, "No result is kept under this code."),
                    json_text,
                )
            }
        }
    }

    fn seen(&self, run: &str, request: SeenRequest) -> Seen {
        Seen {
            request: Some(request),
            requests: self.runs.lock().requests(Instant::now(), run),
            service: Some(self.service.clone()),
        }
    }

    async fn judge(&self, request: Request, seen: SeenRequest) -> Response<Body> {
        // Pages of other sites cannot send this type without asking first, and are not answered then.
        let is_json = request.fields.get(&CONTENT_TYPE).is_some_and(|value| {
            let essence = value.as_bytes().split(|&byte| byte == b';').next();
            essence.is_some_and(|essence| {
                essence
                    .trim_ascii()
                    .eq_ignore_ascii_case(b"application/json")
            })
        });
        if !is_json {
            return text(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "A report is sent as application/json.",
            );
        }
        let reading = Limited::new(request.body, MAX_REPORT).collect();
        let body = match tokio::time::timeout(REPORT_TIMEOUT, reading).await {
            Err(_) => return text(StatusCode::REQUEST_TIMEOUT, "The report took too long."),
            Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
                return text(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "A report has at most 64 KiB.",
                );
            }
            Ok(Err(_)) => return text(StatusCode::BAD_REQUEST, "The report broke off."),
            Ok(Ok(body)) => body.to_bytes(),
        };
        let report = match Report::parse(&body) {
            Ok(report) => report,
            Err(error) => {
                let mut response = Response::new(Body::from(error.to_string()));
                *response.status_mut() = StatusCode::BAD_REQUEST;
                response.headers_mut().insert(CONTENT_TYPE, TEXT);
                response
                    .headers_mut()
                    .insert(X_CONTENT_TYPE_OPTIONS, NO_SNIFF);
                return response;
            }
        };
        let seen = self.seen(&report.run, seen);
        let verdict = judge(&report, &seen);
        match self.keep(report, seen, verdict) {
            Ok(judged) => json(&judged),
            Err(TooLarge) => text(
                StatusCode::PAYLOAD_TOO_LARGE,
                "The result takes more than 200 KiB.",
            ),
        }
    }

    fn keep(&self, report: Report, seen: Seen, verdict: Verdict) -> Result<Judged, TooLarge> {
        let result = KeptResult {
            report,
            seen,
            verdict,
            at: now_as_text(),
        };
        let code = self.results.lock().keep(Instant::now(), &result)?;
        if let Some(code) = &code
            && let Some(held_back) = self.log.admit()
        {
            info!(service = %self.prefix, %code, summary = %result.verdict.summary, held_back, "doctor: result kept");
        }
        Ok(Judged {
            verdict: result.verdict,
            code,
        })
    }
}

fn json(value: &impl Serialize) -> Response<Body> {
    match serde_json::to_string(value) {
        Ok(text) => json_text(text),
        Err(error) => {
            tracing::error!(%error, "doctor: an answer cannot be written as JSON");
            empty(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

fn json_text(text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(X_CONTENT_TYPE_OPTIONS, NO_SNIFF);
    headers.insert(CACHE_CONTROL, NO_STORE);
    response
}

/// With the fields of a streaming transport's answer, so that proxies treat it as one.
fn streamed(kind: Kind) -> Response<Body> {
    let mut response = Response::new(Body::chunks(kind.chunks()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, TEXT);
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static("no-store, no-cache, no-transform, must-revalidate, max-age=0"),
    );
    headers.insert(
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    headers.insert(X_CONTENT_TYPE_OPTIONS, NO_SNIFF);
    response
}

/// Tells whether the test cookie came, and sets it. In a frame of another site only `SameSite=None` comes back, and
/// browsers take that over https only.
fn cookie(request: &Request, seen: &SeenRequest) -> Response<Body> {
    let secure = seen.secure
        || request
            .fields
            .get(&REFERER)
            .map(FieldValue::as_bytes)
            .is_some_and(|referer| referer.starts_with(b"https://"));
    let came = seen.cookie_names.iter().any(|name| name == COOKIE);
    let mut response = json(&CookiesThatCame {
        cookies: if came { &[COOKIE] } else { &[] },
    });
    let cookie = if secure {
        "doctor=1; Path=/; Max-Age=120; HttpOnly; Secure; SameSite=None"
    } else {
        "doctor=1; Path=/; Max-Age=120; HttpOnly; SameSite=Lax"
    };
    response
        .headers_mut()
        .insert(SET_COOKIE, HeaderValue::from_static(cookie));
    response
}
