//! The API: which path and method is answered by what.

use std::sync::Arc;
use std::time::Duration;

use http::header::ACCEPT;
use http::{Method, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tracing::field::display;
use tracing::{info, warn};

use crate::metrics::Format;
use crate::service::{ConnectionInfo, Dispatched};
use crate::transport::{Answer, Body, Request};

use super::answer::{Wrong, events, json_of, method_not_allowed, refused, scraped};
use super::guard::{self, Refusal};
use super::sessions::{self, Kick, Query, close_reason};
use super::{Admin, pages, status, tap};

/// Where the API is. Another one that is not the same for those who ask would be elsewhere.
const ROOT: &str = "/api/v1/";

/// What scrapers ask for.
const METRICS: &str = "/metrics";

/// Methods of what is only looked at.
const READ: &str = "GET, HEAD";

/// Longest body of a request, and time for it.
const MAX_BODY: usize = 64 * 1024;
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Whether the listener has something else than health at this path, or may have in a later version of the API.
pub(crate) fn has(path: &str) -> bool {
    path == METRICS || path.starts_with("/api/") || pages::at(path).is_some()
}

/// What is asked for.
enum Call {
    Status,
    Config,
    Sessions,
    Session(String),
    Tap(String),
    Kick,
    Drain,
    Undrain,
    Reload,
}

impl Call {
    /// By the path below [`ROOT`], and the method that it takes.
    fn at(path: &str) -> Option<(Self, Method)> {
        let (get, post) = (
            |call| Some((call, Method::GET)),
            |call| Some((call, Method::POST)),
        );
        let mut segments = path.split('/');
        match (
            segments.next()?,
            segments.next(),
            segments.next(),
            segments.next(),
        ) {
            ("status", None, ..) => get(Self::Status),
            ("config", None, ..) => get(Self::Config),
            ("sessions", None, ..) => get(Self::Sessions),
            ("sessions", Some(id), None, _) => get(Self::Session(id_in(id))),
            ("sessions", Some(id), Some("tap"), None) => get(Self::Tap(id_in(id))),
            ("kick", None, ..) => post(Self::Kick),
            ("drain", None, ..) => post(Self::Drain),
            ("undrain", None, ..) => post(Self::Undrain),
            ("reload", None, ..) => post(Self::Reload),
            _ => None,
        }
    }
}

/// An id as whoever asks wrote it, for what is told of it.
fn id_in(segment: &str) -> String {
    let whole = segment.replace('&', "%26").replace('=', "%3D");
    let mut parts = form_urlencoded::parse(whole.as_bytes());
    parts
        .next()
        .map_or_else(String::new, |(id, _)| id.into_owned())
}

/// Answers any request on the admin listener.
pub(super) fn answer(admin: &Arc<Admin>, request: Request, connection: &ConnectionInfo) -> Answer {
    if let Some(health) = admin.gateway.health(&request) {
        return Answer::later(Dispatched::finish(health));
    }
    let path = request.uri.path();
    if !guard::says_one_host(&request) {
        return refused(Refusal::Host).into();
    }
    let below = path.strip_prefix(ROOT);
    if below.is_none() && path != METRICS {
        return page(admin, &request).into();
    }
    if let Err(refusal) = admin.guard.admit(&request.method, &request.fields) {
        if let Some(held_back) = admin.refusals.admit() {
            let peer = connection.peer.map(display);
            let why = refusal.what();
            warn!(peer, why, path, held_back, "admin request refused");
        }
        return refused(refusal).into();
    }
    if let Some(wire) = &connection.wire {
        wire.vouch();
    }
    let Some(path) = below else {
        return metrics(admin, &request);
    };
    let Some((call, method)) = Call::at(path) else {
        let what = format!("there is nothing at {ROOT}{path}");
        return Wrong(StatusCode::NOT_FOUND, what).response().into();
    };
    if !is_for(&request, &method) {
        let reads = method == Method::GET;
        return method_not_allowed(if reads { READ } else { "POST" }).into();
    }
    let admin = Arc::clone(admin);
    Answer::later(async move {
        let answered = answer_call(&admin, call, request).await;
        answered.unwrap_or_else(|wrong| wrong.response())
    })
}

/// Whether a request has this method; HEAD is GET without the answer's body, which the server leaves out. (RFC 9110 §9.3.2)
fn is_for(request: &Request, method: &Method) -> bool {
    request.method == *method || (request.method == Method::HEAD && *method == Method::GET)
}

fn page(admin: &Admin, request: &Request) -> Response<Body> {
    if let Err(refusal) = admin.guard.admit_page(&request.fields) {
        return refused(refusal);
    }
    match pages::at(request.uri.path()) {
        Some(page) if is_for(request, &Method::GET) => page.answer(&request.fields),
        Some(_) => method_not_allowed(READ),
        None => Wrong(
            StatusCode::NOT_FOUND,
            format!("there is nothing here; the page is at /, the API below {ROOT}"),
        )
        .response(),
    }
}

/// All metrics, in the format that is wanted. (RFC 9110 §12.5.1)
fn metrics(admin: &Admin, request: &Request) -> Answer {
    if !is_for(request, &Method::GET) {
        return method_not_allowed(READ).into();
    }
    let accept: Vec<_> = request.fields.items(&ACCEPT).collect();
    let format = Format::wanted(Some(&accept.join(",")));
    let gateway = admin.gateway.clone();
    Answer::later(async move {
        let page = tokio::task::spawn_blocking(move || gateway.metrics(format)).await;
        scraped(format.content_type(), page.unwrap_or_default())
    })
}

async fn answer_call(
    admin: &Arc<Admin>,
    call: Call,
    request: Request,
) -> Result<Response<Body>, Wrong> {
    let query = request.uri.query().unwrap_or_default().to_owned();
    if !matches!(call, Call::Sessions | Call::Tap(_))
        && let Some((name, _)) = form_urlencoded::parse(query.as_bytes()).next()
    {
        let what = format!("there is no parameter {name:?}; there are none here");
        return Err(Wrong::request(what));
    }
    let value = match call {
        Call::Status => status::status(admin).await,
        Call::Config => json!({ "keys": admin.process.config() }),
        Call::Sessions => sessions::list(admin, &Query::parse(&query)?).await?,
        Call::Session(id) => sessions::show(admin, &id)?,
        Call::Tap(id) => {
            let contents = tap::contents(&query)?;
            if request.method == Method::HEAD {
                tap::allow(admin, contents)?;
                sessions::find(admin, &id)?;
                return Ok(events(Body::from("")));
            }
            return Ok(events(Body::chunks(tap::begin(admin, &id, contents)?)));
        }
        Call::Kick => {
            let kick: Kick = read(request).await?;
            let kicked = sessions::kick(admin, &kick).await?;
            kick.log(kicked);
            json!({ "kicked": kicked })
        }
        Call::Drain => drain(admin, &read(request).await?)?,
        Call::Undrain => {
            let Nothing {} = read(request).await?;
            undrain(admin)?
        }
        Call::Reload => {
            let Nothing {} = read(request).await?;
            return Ok(reload(admin).await);
        }
    };
    Ok(json_of(StatusCode::OK, &value))
}

/// `{}`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// How to drain; what is left out is as in `[drain]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Drain {
    window_seconds: Option<u32>,
    code: Option<u16>,
    reason: Option<String>,
}

fn drain(admin: &Admin, drain: &Drain) -> Result<Value, Wrong> {
    let (reason, window) = admin.process.drain();
    let code = drain.code.unwrap_or(reason.code);
    let text = drain.reason.as_deref().unwrap_or(&reason.reason);
    let reason = close_reason(code, text)?;
    let window = drain
        .window_seconds
        .map_or(window, |seconds| Duration::from_secs(seconds.into()));
    if admin.process.is_stopping() {
        return Err(Wrong(
            StatusCode::CONFLICT,
            "the program stops, and drains already".to_owned(),
        ));
    }
    let sessions = admin.gateway.sessions();
    info!(
        window = %humantime::format_duration(window),
        code = reason.code,
        reason = &*reason.reason,
        sessions,
        "drained by an operator"
    );
    admin.draining.begin(&admin.gateway, reason, window);
    Ok(json!({ "draining": true, "sessions": sessions }))
}

fn undrain(admin: &Admin) -> Result<Value, Wrong> {
    if admin.process.is_stopping() {
        let what = "the program stops; that cannot be taken back";
        return Err(Wrong(StatusCode::CONFLICT, what.to_owned()));
    }
    admin.draining.undo(&admin.gateway);
    info!("undrained by an operator");
    Ok(json!({ "draining": false, "sessions": admin.gateway.sessions() }))
}

async fn reload(admin: &Admin) -> Response<Body> {
    match admin.process.reload().await {
        None => {
            let what = "the configuration is not reloaded, the program stops";
            Wrong(StatusCode::CONFLICT, what.to_owned()).response()
        }
        Some(Ok(outcome)) => json_of(StatusCode::OK, &json!(outcome)),
        Some(Err(mistakes)) => {
            let error = "the configuration was not reloaded; what was in force stays";
            let value = json!({ "error": error, "mistakes": mistakes });
            json_of(StatusCode::UNPROCESSABLE_ENTITY, &value)
        }
    }
}

/// The body of a request.
async fn read<T: DeserializeOwned>(request: Request) -> Result<T, Wrong> {
    let body = Limited::new(request.body, MAX_BODY).collect();
    let body = tokio::time::timeout(BODY_TIMEOUT, body).await;
    let body = body.map_err(|_| {
        Wrong(
            StatusCode::REQUEST_TIMEOUT,
            "the body did not arrive in time".to_owned(),
        )
    })?;
    let body = body.map_err(|error| {
        let what = format!("the body cannot be read, or is over {MAX_BODY} bytes: {error}");
        Wrong(StatusCode::PAYLOAD_TOO_LARGE, what)
    })?;
    serde_json::from_slice(&body.to_bytes())
        .map_err(|error| Wrong::request(format!("the body is not what this takes: {error}")))
}
