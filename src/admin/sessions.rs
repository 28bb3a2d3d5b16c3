//! Which sessions there are, one of them in detail, and their end by an operator's hand.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use ipnet::IpNet;
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::info;
use uuid::Uuid;

use crate::protocol::CloseReason;
use crate::registry::{IdStart, Look, Registry, SessionHandle, now};
use crate::service::ServiceLook;
use crate::session::Standing;
use crate::transport::TRANSPORTS;

use super::Admin;
use super::answer::Wrong;

/// What sessions a question is about, and which of them are told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    service: Option<String>,
    transport: Option<String>,
    user: Option<String>,
    state: Option<String>,
    address: Option<IpNet>,
    min_age: Option<Duration>,
    max_age: Option<Duration>,
    sort: Sort,
    limit: usize,
    offset: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sort {
    /// The youngest first.
    #[default]
    Newest,
    Oldest,
    /// The most bytes in queues first.
    Queued,
}

const LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;
/// Furthest that one can turn the pages: more are found by filters.
const MAX_OFFSET: usize = 10_000;
const PARAMETERS: &str =
    "service, transport, user, state, address, min_age, max_age, sort, limit, offset";

impl Query {
    /// From the query of a URL.
    pub(super) fn parse(query: &str) -> Result<Self, Wrong> {
        let mut parsed = Self {
            limit: LIMIT,
            ..Self::default()
        };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let number = |most: usize| {
                let number = value.parse().ok().filter(|number| *number <= most);
                number.ok_or_else(|| {
                    Wrong::request(format!("{name} is {value:?}; write a number up to {most}"))
                })
            };
            let seconds = || {
                let seconds = value.parse().ok().map(Duration::from_secs);
                seconds.ok_or_else(|| {
                    Wrong::request(format!("{name} is {value:?}; write whole seconds"))
                })
            };
            match &*name {
                "service" => parsed.service = Some(value.into_owned()),
                "transport" => {
                    // Its other name is that of the URL and of the suite.
                    let value = match &*value {
                        "raw-websocket" => "websocket-raw".into(),
                        _ => value,
                    };
                    let names = TRANSPORTS.iter().map(|transport| transport.name);
                    let names: Vec<_> = names.collect();
                    if !names.contains(&&*value) {
                        return Err(Wrong::request(format!(
                            "transport is {value:?}; write one of {}",
                            names.join(", ")
                        )));
                    }
                    parsed.transport = Some(value.into_owned());
                }
                "user" => parsed.user = Some(value.into_owned()),
                "state" => {
                    let names = Standing::LIVING.map(|(_, name, _)| name);
                    if !names.contains(&&*value) {
                        let names = names.join(", ");
                        return Err(Wrong::request(format!(
                            "state is {value:?}; write one of {names}"
                        )));
                    }
                    parsed.state = Some(value.into_owned());
                }
                "address" => {
                    let network = value.parse();
                    let network = network.or_else(|_| value.parse::<IpAddr>().map(IpNet::from));
                    parsed.address = Some(network.map_err(|_| {
                        Wrong::request(format!(
                            "address is {value:?}; write an address or a network like 10.0.0.0/8"
                        ))
                    })?);
                }
                "min_age" => parsed.min_age = Some(seconds()?),
                "max_age" => parsed.max_age = Some(seconds()?),
                "sort" => {
                    parsed.sort = match &*value {
                        "newest" => Sort::Newest,
                        "oldest" => Sort::Oldest,
                        "queued" => Sort::Queued,
                        _ => {
                            return Err(Wrong::request(format!(
                                "sort is {value:?}; write newest, oldest or queued"
                            )));
                        }
                    }
                }
                "limit" => parsed.limit = number(MAX_LIMIT)?,
                "offset" => parsed.offset = number(MAX_OFFSET)?,
                _ => {
                    return Err(Wrong::request(format!(
                        "there is no parameter {name:?}; there are {PARAMETERS}"
                    )));
                }
            }
        }
        Ok(parsed)
    }

    fn is_of(&self, service: &ServiceLook) -> bool {
        let wanted = self.service.as_deref();
        wanted.is_none_or(|wanted| *wanted == *service.prefix)
    }

    /// Whether there is a service that it may be about; else this status.
    fn is_of_one(&self, services: &[ServiceLook], otherwise: StatusCode) -> Result<(), Wrong> {
        let Some(wanted) = &self.service else {
            return Ok(());
        };
        if services.iter().any(|service| self.is_of(service)) {
            return Ok(());
        }
        let known = services.iter().map(|known| format!("{:?}", known.prefix));
        let known: Vec<_> = known.collect();
        let what = format!(
            "there is no service {wanted:?}; there are {}",
            known.join(", ")
        );
        Err(Wrong(otherwise, what))
    }

    /// What can be said without the session's lock.
    fn fits(&self, session: &SessionHandle) -> bool {
        let opening = session.opening();
        let age = now().saturating_duration_since(opening.at);
        let transport = self.transport.as_deref();
        let subject = session.identity().map(|owner| &*owner.subject);
        transport.is_none_or(|wanted| wanted == opening.transport)
            && self.min_age.is_none_or(|least| age >= least)
            && self.max_age.is_none_or(|most| age <= most)
            && self
                .user
                .as_deref()
                .is_none_or(|user| subject == Some(user))
            && self.address.is_none_or(|network| {
                opening
                    .address
                    .is_some_and(|address| network.contains(&address))
            })
    }
}

/// A session that may be told; the greatest is told last.
struct Candidate {
    place: (u64, Uuid),
    session: Arc<SessionHandle>,
    look: Look,
    prefix: Arc<str>,
}

impl Candidate {
    fn new(sort: Sort, session: Arc<SessionHandle>, look: Look, prefix: &Arc<str>) -> Self {
        let opened = session.opening().at.since_start().as_micros();
        let opened = u64::try_from(opened).unwrap_or(u64::MAX);
        let first = match sort {
            Sort::Newest => u64::MAX - opened,
            Sort::Oldest => opened,
            Sort::Queued => u64::MAX - (look.queued.bytes_in + look.queued.bytes_out),
        };
        Self {
            place: (first, session.id()),
            session,
            look,
            prefix: Arc::clone(prefix),
        }
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place
    }
}

impl Eq for Candidate {}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place.cmp(&other.place)
    }
}

/// The sessions that fit, one page of them, and how many there are. All are looked at, a part of a service at a time; what is kept
/// is no more than the pages up to this one.
pub(super) async fn list(admin: &Admin, query: &Query) -> Result<Value, Wrong> {
    let mut found: BinaryHeap<Candidate> = BinaryHeap::new();
    let (kept, mut total) = (query.offset + query.limit, 0);
    let services = admin.gateway.services();
    query.is_of_one(&services, StatusCode::BAD_REQUEST)?;
    for service in services.iter().filter(|service| query.is_of(service)) {
        for part in 0..Registry::PARTS {
            for session in service.registry.living_in(part) {
                if !query.fits(&session) {
                    continue;
                }
                let look = session.look();
                let wanted = query.state.as_deref();
                if wanted.is_some_and(|state| state != name(look.standing))
                    || look.standing == Standing::Closed
                {
                    continue;
                }
                total += 1;
                found.push(Candidate::new(query.sort, session, look, &service.prefix));
                if found.len() > kept {
                    found.pop();
                }
            }
            tokio::task::yield_now().await;
        }
    }
    let page = found.into_sorted_vec().into_iter().skip(query.offset);
    let sessions = page.map(|one| told(&one.session, &one.look, &one.prefix));
    Ok(json!({
        "total": total,
        "offset": query.offset,
        "limit": query.limit,
        "sessions": sessions.collect::<Vec<_>>(),
    }))
}

fn told(session: &SessionHandle, look: &Look, prefix: &str) -> Value {
    let opening = session.opening();
    let age = now().saturating_duration_since(opening.at);
    let (traffic, queued) = (look.traffic, look.queued);
    json!({
        "id": session.id().to_string(),
        "service": prefix,
        "transport": opening.transport,
        "address": opening.address,
        "user": session.identity().map(|owner| &owner.subject),
        "state": name(look.standing),
        "age_seconds": age.as_secs(),
        "received": { "messages": traffic.messages_in, "bytes": traffic.bytes_in },
        "sent": { "messages": traffic.messages_out, "bytes": traffic.bytes_out },
        "queued": {
            "to_browser": { "messages": queued.messages_out, "bytes": queued.bytes_out },
            "to_backend": { "messages": queued.messages_in, "bytes": queued.bytes_in },
        },
    })
}

/// A standing in one word.
fn name(standing: Standing) -> &'static str {
    let mut living = Standing::LIVING.iter();
    let known = living.find(|(known, ..)| *known == standing);
    known.map_or("closed", |(_, name, _)| *name)
}

/// The one session whose id begins like this, and the prefix of its service.
pub(super) fn find(admin: &Admin, id: &str) -> Result<(Arc<SessionHandle>, Arc<str>), Wrong> {
    let start = IdStart::parse(id).ok_or_else(|| {
        Wrong::request(format!(
            "{id:?} is no session's id; write at least its first four digits, as in the list of sessions"
        ))
    })?;
    let mut found = Vec::new();
    for service in admin.gateway.services() {
        let sessions = service.registry.find(start).into_iter();
        found.extend(sessions.map(|session| (session, Arc::clone(&service.prefix))));
    }
    match (found.pop(), found.is_empty()) {
        (Some(found), true) => Ok(found),
        (None, _) => Err(Wrong(
            StatusCode::NOT_FOUND,
            format!("there is no session {id}; it may have ended"),
        )),
        _ => Err(Wrong(
            StatusCode::CONFLICT,
            format!("several sessions begin with {id}; write more digits"),
        )),
    }
}

/// One session in detail.
pub(super) fn show(admin: &Admin, id: &str) -> Result<Value, Wrong> {
    let (session, prefix) = find(admin, id)?;
    let look = session.look();
    let mut value = told(&session, &look, &prefix);
    let end = look.end.map(|end| {
        json!({
            "cause": end.cause.name(),
            "code": end.reason.code,
            "reason": &*end.reason.reason,
        })
    });
    let owner = session.identity();
    let expires = owner.and_then(|owner| owner.expires.as_ref());
    let expires = expires.map(|(at, _)| at.saturating_duration_since(now()).as_secs());
    value["issuer"] = json!(owner.and_then(|owner| owner.issuer.as_ref()));
    value["expires_in_seconds"] = json!(expires);
    value["receivers"] = json!(look.receivers);
    value["end"] = json!(end);
    Ok(value)
}

/// Whom to end, and what they are told.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kick {
    id: Option<String>,
    user: Option<String>,
    service: Option<String>,
    #[serde(default = "Kick::code")]
    code: u16,
    #[serde(default = "Kick::reason")]
    reason: String,
}

impl Kick {
    /// From 3000 on, so that sockjs-client does not try the next transport.
    const fn code() -> u16 {
        4000
    }

    fn reason() -> String {
        "Ended by the operator".to_owned()
    }

    fn close_reason(&self) -> Result<CloseReason, Wrong> {
        close_reason(self.code, &self.reason)
    }
}

/// A close frame's code and reason, when they may stand in one.
pub(super) fn close_reason(code: u16, reason: &str) -> Result<CloseReason, Wrong> {
    /// Bytes of a close frame's reason. (RFC 6455 §5.5)
    const LONGEST: usize = 123;
    let close = CloseReason::new(code, reason.to_owned());
    if !close.is_sendable() {
        return Err(Wrong::request(format!(
            "code {code} may not stand in a close frame; write 1000 to 1003, 1007 to 1014, or 3000 to 4999"
        )));
    }
    if reason.len() > LONGEST {
        let what = format!(
            "the reason has {} bytes; write at most {LONGEST}",
            reason.len()
        );
        return Err(Wrong::request(what));
    }
    Ok(close)
}

/// Ends sessions after what is queued for them; how many.
pub(super) async fn kick(admin: &Admin, kick: &Kick) -> Result<usize, Wrong> {
    let reason = kick.close_reason()?;
    if let Some(id) = &kick.id {
        let (session, prefix) = find(admin, id)?;
        let fits = kick
            .service
            .as_deref()
            .is_none_or(|service| *service == *prefix);
        let query = kick.query();
        return Ok(usize::from(
            fits && query.fits(&session) && session.kick(&reason),
        ));
    }
    if kick.user.is_none() && kick.service.is_none() {
        let what = "whom? write \"id\", \"user\" or \"service\"; to end all sessions, drain";
        return Err(Wrong::request(what));
    }
    let query = kick.query();
    let services = admin.gateway.services();
    query.is_of_one(&services, StatusCode::NOT_FOUND)?;
    let mut kicked = 0;
    for service in services.iter().filter(|service| query.is_of(service)) {
        for part in 0..Registry::PARTS {
            let living = service.registry.living_in(part).into_iter();
            let fitting = living.filter(|session| query.fits(session));
            kicked += fitting.filter(|session| session.kick(&reason)).count();
            tokio::task::yield_now().await;
        }
    }
    Ok(kicked)
}

impl Kick {
    /// Who was meant, what they were told, and how many there were.
    pub(super) fn log(&self, kicked: usize) {
        info!(
            id = self.id,
            user = self.user,
            service = self.service,
            code = self.code,
            reason = self.reason,
            kicked,
            "sessions ended by an operator"
        );
    }

    fn query(&self) -> Query {
        Query {
            service: self.service.clone(),
            user: self.user.clone(),
            ..Query::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever is wrong is named, with what may stand there.
    #[test]
    fn queries_are_checked() {
        let query =
            Query::parse("service=%2Fecho&address=10.0.0.0/8&min_age=5&sort=oldest&limit=7");
        let query = query.unwrap();
        assert_eq!(query.service.as_deref(), Some("/echo"));
        assert_eq!(query.address, Some("10.0.0.0/8".parse().unwrap()));
        assert_eq!((query.limit, query.offset), (7, 0));
        assert_eq!(query.sort, Sort::Oldest);
        assert_eq!(Query::parse("").unwrap().limit, LIMIT);
        assert!(Query::parse("address=::1").is_ok());
        for name in ["websocket-raw", "raw-websocket"] {
            let query = Query::parse(&format!("transport={name}")).unwrap();
            assert_eq!(query.transport.as_deref(), Some("websocket-raw"));
        }
        for (wrong, names) in [
            ("limit=1001", "1000"),
            ("limit=-1", "limit"),
            ("offset=10001", "10000"),
            ("state=closed", "waiting"),
            ("sort=size", "newest"),
            ("min_age=5s", "seconds"),
            ("address=example.com", "10.0.0.0/8"),
            ("users=7", "max_age"),
        ] {
            let Wrong(status, what) = Query::parse(wrong).unwrap_err();
            assert_eq!(status, StatusCode::BAD_REQUEST);
            assert!(what.contains(names), "{wrong}: {what}");
        }
    }

    #[test]
    fn close_frames_hold_only_what_they_may() {
        assert!(close_reason(4000, "x").is_ok());
        for (code, reason) in [(1005, ""), (0, ""), (5000, ""), (4000, &*"x".repeat(124))] {
            assert!(close_reason(code, reason).is_err(), "{code}");
        }
    }
}
