//! Whether requests reach the service at all, the same one each time, and whether browsers may read the answers.

use crate::doctor::report::{Cause, Outcome};
use crate::doctor::seen::SeenRequest;

use super::Finding;
use super::advice::{Topic, about, administrator, gateway, site};
use super::case::{Case, list, quote};

/// No transport works.
pub(super) fn nothing_works(case: &Case<'_>) -> Option<Finding> {
    if case.working().next().is_some() {
        return None;
    }
    let explained = super::refusals::finding(case).is_some()
        || origin_refused(case).is_some()
        || two_servers(case).is_some();
    if explained {
        return None;
    }
    let info = case.report.info.as_ref();
    let status = info.and_then(|info| info.status);
    let error = info.and_then(|info| info.error.as_deref()).map(quote);
    let cause = info.and_then(|info| info.cause);
    let answered = info.is_some_and(|info| !info.round_trips_ms.is_empty());
    let finding = match status {
        _ if answered => Finding::problem("nothing-works", "Requests reach the server, but no connection can be made")
            .what("Short questions are answered, but every way to make a live connection fails. Something on the way lets only plain page requests through, or the service is misconfigured.")
            .advice(about(Topic::Buffering, case))
            .with(administrator("Ask whether requests with the method `POST`, and answers that stay open, to this site are blocked.")),
        _ if cause == Some(Cause::Certificate) => Finding::problem("nothing-works", "The server's certificate is not trusted")
            .what("The connection is encrypted, but whoever answers cannot prove that it is this site. Either the site's certificate is wrong, or something on the way, such as a web filter or a virus scanner, opens the encryption and shows a certificate of its own.")
            .with(site("The certificate must be valid for this name, and be sent with its intermediate certificates."))
            .with(administrator("If the organisation inspects encrypted traffic, its certificate must be installed on this computer (or take this site out of the inspection).")),
        _ if cause == Some(Cause::Tls) => Finding::problem("nothing-works", "The encrypted connection cannot be made")
            .what("Something takes the connection, but no encryption (TLS) is agreed on. Either there is plain http at this address and port, or the TLS there is too old, or something on the way cuts encrypted connections off.")
            .with(site("Look whether the address is right, `http://` or `https://` and the port, and whether TLS 1.2 or 1.3 is allowed there."))
            .with(administrator("Ask whether encrypted connections to this site are cut off or inspected.")),
        _ if cause == Some(Cause::Https) => for_https(case),
        _ if cause == Some(Cause::NotSockjs) => Finding::problem("nothing-works", "Something answers, but it is not SockJS")
            .what("There is an answer from this address, but not that of a SockJS service: a page, for example. The address is wrong, or a proxy passes it to another server, or the network wants a login first and shows its own page instead.")
            .with(site("Look whether the address is right, and whether the proxy passes this path to the gateway: what a browser shows at `PREFIX/info` must be one line that begins with `{`."))
            .with(administrator("Ask whether this network wants a login or a consent before it lets anything through.")),
        Some(300..=399) => redirected(info.and_then(|info| info.location.as_deref())),
        Some(404 | 410) => Finding::problem("nothing-works", "There is no such service at this address")
            .what("Something answers at this address, but it is not a SockJS service: it says that there is nothing here. The address is wrong, or the proxy in front of the server does not pass the whole path on.")
            .with(site("The gateway needs the whole path, its prefix included. nginx: `proxy_pass http://GATEWAY:PORT;` without a path behind the port.")),
        Some(401 | 403) => Finding::problem("nothing-works", "Access to the service is refused")
            .what("Something on the way, or the server, refuses access to this address.")
            .with(site("Look which proxy or firewall answers so; the gateway itself refuses only origins that are not in `origins`."))
            .with(administrator("Ask whether this site is blocked.")),
        Some(407) => Finding::problem("nothing-works", "Your network's proxy wants a password")
            .what("The proxy of your network wants a name and a password before it lets anything through.")
            .with(administrator("Ask for access; in a terminal: `--proxy http://NAME:PASSWORD@PROXY:PORT`.")),
        Some(status @ 500..=599) => Finding::problem("nothing-works", format!("A proxy cannot reach the server (status {status})"))
            .what("The proxy in front of the server answers, but says that it cannot reach the service behind it, or that the service is broken.")
            .with(site("Look whether the gateway runs, and whether the proxy's address for it is right (`proxy_pass`, `server`, `ProxyPass`, `reverse_proxy`).")),
        _ => Finding::problem("nothing-works", "The server cannot be reached")
            .what(format!("{} got no usable answer from this address. The network is down, the address is wrong, or something on the way blocks it.", super::websocket::upper_first(case.asker())))
            .with(administrator("Ask whether this site is blocked.")),
    };
    let mut facts: Vec<_> = case
        .report
        .transports
        .iter()
        .filter(|tested| tested.outcome != Outcome::Skipped)
        .map(|tested| {
            let outcome = match tested.outcome {
                Outcome::Refused => "refused",
                Outcome::Timeout => "no answer in time",
                Outcome::Dies => "cut",
                Outcome::Stalls => "stuck",
                _ => "not possible",
            };
            let status = tested
                .status
                .map(|status| format!(" ({status})"))
                .unwrap_or_default();
            format!("{} {outcome}{status}", tested.name)
        })
        .collect();
    if let Some(status) = status
        && error.is_none()
    {
        facts.insert(0, format!("/info: status {status}"));
    }
    if let Some(error) = error {
        facts.insert(0, format!("/info: {error}"));
    }
    Some(finding.evidence(facts.join("; ")))
}

/// The port is one for TLS.
fn for_https(case: &Case<'_>) -> Finding {
    let finding = Finding::problem(
        "nothing-works",
        "There is https at this port, and the address says http",
    )
    .what("What answers at this address and port speaks TLS, and was asked in plain http.");
    let url = case.report.url.as_deref().map(quote).unwrap_or_default();
    match url.strip_prefix("http://") {
        Some(rest) => finding.with(site(format!(
            "Use the address `https://{rest}`, or the port that is for plain http."
        ))),
        None => finding.with(site(
            "Use `https://` in the address, or the port that is for plain http.",
        )),
    }
}

/// Something answers that the service is elsewhere. A location is that of `/info`.
fn redirected(location: Option<&str>) -> Finding {
    let finding = Finding::problem("nothing-works", "The address leads to another one");
    let location = location.map(quote).unwrap_or_default();
    let service = location.split(['?', '#']).next().unwrap_or_default();
    let service = service.strip_suffix("/info").unwrap_or(service);
    let finding = if service.is_empty() {
        finding.what("Something answers that the service is at another address, and does not say where. Live connections do not follow such answers.")
    } else {
        finding
            .what(format!("Something answers that the service is at another address: {location}. Live connections do not follow such answers."))
            .with(site(format!("Use that address: `{service}`.")))
    };
    finding.with(administrator(
        "If it is the address of a login page, log in to the network first.",
    ))
}

/// The gateway takes the page for one of another site.
pub(super) fn origin_refused(case: &Case<'_>) -> Option<Finding> {
    let mut requests = case.seen.requests.iter();
    match requests.find(|request| request.status == Some(403)) {
        Some(refused) => origin_refused_as_seen(case, refused),
        None => origin_refused_as_told(case),
    }
}

/// Nothing is known of how the request arrived, but the gateway's answer names itself.
fn origin_refused_as_told(case: &Case<'_>) -> Option<Finding> {
    let origin = Some(Cause::Origin);
    let info = case.report.info.as_ref();
    let told = info.is_some_and(|info| info.cause == origin)
        || case
            .report
            .transports
            .iter()
            .any(|tested| tested.cause == origin);
    if !told {
        return None;
    }
    let finding = Finding::problem(
        "origin-refused",
        "The gateway refuses the page as one of another site",
    )
    .evidence("answered 403: Forbidden origin.");
    let url = case.report.url.as_deref().map(quote).unwrap_or_default();
    Some(match case.report.origin.as_deref().map(quote) {
        Some(origin) => finding
            .what(format!("A page at {origin} asks for a service at {url}, and the service's `origins` do not let it in."))
            .with(gateway(format!("If pages at {origin} may use the service: `origins = [\"{origin}\"]` for it, beside those that are there."))),
        None => finding
            .what("The page is the service's own, but the gateway takes it for one of another site: mostly because the proxy in front of it changes the name that was asked for (`Host`).")
            .advice(about(Topic::Host, case))
            .with(gateway("Or let the page in by name, in `origins` of the service.")),
    })
}

fn origin_refused_as_seen(case: &Case<'_>, refused: &SeenRequest) -> Option<Finding> {
    let origin = refused.header("origin").map(quote)?;
    let host = refused.host.as_deref().map(quote).unwrap_or_default();
    let came = refused.header("host").map(quote).unwrap_or_default();
    let site_of = origin.split("://").nth(1).unwrap_or_default();
    let changed = site_of != host;
    let what = if changed {
        format!(
            "The page is at {origin}, but the request reached the gateway as one for {host}. So the gateway takes the page for one of another site, and refuses it. The proxy in front of it changes the name on the way."
        )
    } else {
        format!(
            "The page is at {origin}; the gateway believes that it was asked for over another scheme, and refuses it as one of another site."
        )
    };
    let mut finding = Finding::problem(
        "origin-refused",
        "The gateway refuses the page as one of another site",
    )
    .what(what)
    .evidence(format!(
        "origin: {origin}, host: {came}, taken for: {host}; answered 403"
    ))
    .advice(about(Topic::Host, case))
    .with(gateway(format!(
        "Or let it in by name: `origins = [\"{origin}\"]` for the service."
    )));
    if refused.header("x-forwarded-host").is_some() && !refused.trusted {
        finding = finding.with(gateway(format!(
            "Or believe what the proxy forwards: `trusted_proxies = [\"{}\"]`.",
            refused.peer.as_deref().map(quote).unwrap_or_default()
        )));
    }
    Some(finding)
}

/// Whether the server that opened the session also answered that there is none: it knew it, and ended it.
fn ended_by_the_server(case: &Case<'_>, transport: &str) -> bool {
    let requests = &case.seen.requests;
    let mut refused = requests
        .iter()
        .filter(|request| request.status == Some(404) && request.session.is_some());
    refused.any(|refused| {
        requests.iter().any(|request| {
            request.session == refused.session
                && request.transport.as_deref() == Some(transport)
                && request.kind.as_deref() == Some("receive")
                && request.status == Some(200)
        })
    })
}

/// Requests of one session reach different servers.
pub(super) fn two_servers(case: &Case<'_>) -> Option<Finding> {
    let info_answered = case
        .report
        .info
        .as_ref()
        .is_some_and(|info| !info.round_trips_ms.is_empty());
    let lost: Vec<_> = case
        .report
        .transports
        .iter()
        .filter(|tested| tested.status == Some(404) && tested.name != "websocket")
        .filter(|tested| !ended_by_the_server(case, &tested.name))
        .map(|tested| tested.name.as_str())
        .collect();
    if !info_answered || lost.is_empty() {
        return None;
    }
    let opened = case
        .report
        .transports
        .iter()
        .any(|tested| lost.contains(&tested.name.as_str()) && tested.opened_ms.is_some());
    // A send that comes to a server that has never seen the session's beginning.
    let orphan = case.seen.requests.iter().any(|request| {
        request.kind.as_deref() == Some("send")
            && request.status == Some(404)
            && !case.seen.requests.iter().any(|other| {
                other.session == request.session && other.kind.as_deref() == Some("receive")
            })
    });
    if !opened && !orphan {
        return None;
    }
    Some(
        Finding::problem("two-servers", "Requests of one connection reach different servers")
            .what(format!(
                "A connection without WebSocket consists of many requests, and all of them must reach the same server. Here they do not: one server opened the connection, and another one that knows nothing of it got the next request and answered \"not found\". So these fail: {}.{}",
                list(&lost),
                if case.works("websocket") { " WebSocket is not affected: it is a single connection." } else { "" }
            ))
            .evidence(format!("status 404 in living sessions: {}", list(&lost)))
            .advice(about(Topic::Sticky, case)),
    )
}

/// Answers are kept somewhere that must not be.
pub(super) fn info_cached(case: &Case<'_>) -> Option<Finding> {
    if !case.report.info.as_ref()?.cached {
        return None;
    }
    Some(
        Finding::problem("info-cached", "Something keeps old answers")
            .what("The server's answer has a new random number each time, and the same number came twice. So a cache on the way answers in the server's place, although each answer says that it must not be kept. Live connections need every answer to be fresh.")
            .evidence("/info: the same entropy twice")
            .advice(about(Topic::Cache, case))
            .with(administrator("Ask that answers of this site are not kept in a cache.")),
    )
}

/// The fields that let pages of other sites in.
pub(super) fn cors(case: &Case<'_>) -> Option<Finding> {
    match case.report.info.as_ref()?.cors.as_deref()? {
        "duplicate" => Some(
            Finding::problem("cors-duplicate", "A proxy adds a permission that is already there")
                .what("Pages of other sites may use the service only when the answer has the field `Access-Control-Allow-Origin` once. A proxy adds a second one, and browsers then refuse both. Pages of the same site are not affected.")
                .evidence("Access-Control-Allow-Origin more than once in an answer")
                .advice(about(Topic::Cors, case)),
        ),
        "missing" => Some(
            Finding::note("cors-missing", "The permission for pages of other sites is missing")
                .what("Answers reach you without the field `Access-Control-Allow-Origin`. The gateway sends it, so something on the way takes it out. That matters only when pages of another site use the service; they could not read the answers.")
                .evidence("no Access-Control-Allow-Origin in the answers")
                .advice(about(Topic::Cors, case)),
        ),
        _ => None,
    }
}
