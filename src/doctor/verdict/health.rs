//! What does not stop connections but is worth knowing: speed, who the gateway thinks asks, cookies, versions.

use crate::doctor::report::Outcome;

use super::Finding;
use super::advice::{Topic, about, administrator, gateway, site};
use super::case::{Case, list, median, ms, quote};
use super::proxies::Proxy;

/// Round trips in milliseconds.
const SLOW: f64 = 500.0;
const VERY_SLOW: f64 = 2000.0;
const JITTER: f64 = 400.0;

/// The way to the server is long.
pub(super) fn slow(case: &Case<'_>) -> Option<Finding> {
    let trips = &case.report.info.as_ref()?.round_trips_ms;
    let middle = median(trips).filter(|middle| *middle >= SLOW)?;
    let finding = if middle >= VERY_SLOW {
        Finding::problem(
            "slow",
            format!(
                "The way to the server is very slow: {} there and back",
                ms(middle)
            ),
        )
    } else {
        Finding::note(
            "slow",
            format!(
                "The way to the server is slow: {} there and back",
                ms(middle)
            ),
        )
    };
    Some(
        finding
            .what(format!(
                "A short question to the server takes {} there and back. Each message takes as long, and the search for a way to connect takes a multiple of it.{}",
                ms(middle),
                background(case)
            ))
            .evidence(format!("/info: {}", trips.iter().map(|trip| ms(*trip)).collect::<Vec<_>>().join(", ")))
            .with(administrator("Ask whether the line is busy, or whether a web filter delays each request.")),
    )
}

/// The times vary much.
pub(super) fn jitter(case: &Case<'_>) -> Option<Finding> {
    if case.report.background {
        return None;
    }
    let best = case.working().next()?;
    let middle = median(&best.echo_ms)?;
    let worst = best.echo_ms.iter().copied().fold(0.0, f64::max);
    if best.echo_ms.len() < 4 || worst - middle < JITTER || worst < 3.0 * middle {
        return None;
    }
    let fastest = best.echo_ms.iter().copied().fold(f64::INFINITY, f64::min);
    Some(
        Finding::note("jitter", "The delay varies much")
            .what(format!(
                "Some messages took {} there and back, others {}. That is typical of busy or weak wireless connections. Nothing is lost, but it does not feel steady.",
                ms(fastest),
                ms(worst)
            ))
            .evidence(format!("{}: {}", best.name, best.echo_ms.iter().map(|echo| ms(*echo)).collect::<Vec<_>>().join(", "))),
    )
}

fn background(case: &Case<'_>) -> &'static str {
    if case.report.background {
        " The page was in the background for a while, where browsers are slow; run the check again with the page in front to be sure."
    } else {
        ""
    }
}

/// A proxy tells who asks, and is not believed.
pub(super) fn forwarding_untrusted(case: &Case<'_>) -> Option<Finding> {
    let request = case.seen.request.as_ref()?;
    let fields: Vec<_> = [
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-host",
    ]
    .into_iter()
    .filter(|name| request.header(name).is_some())
    .collect();
    // What proxies on the user's side add must not be believed.
    let forward_proxy =
        !case.proxies.is_empty() && case.proxies.iter().all(|proxy| proxy.is_the_users());
    if fields.is_empty() || request.trusted || forward_proxy {
        return None;
    }
    let peer = request.peer.as_deref().map(quote).unwrap_or_default();
    Some(
        Finding::note("forwarding-untrusted", "The gateway does not know who its users are")
            .what(format!(
                "A proxy at {peer} tells the gateway for whom it asks, but the gateway is not told to believe it: to the gateway, everybody comes from {peer}. For you nothing changes; logs and limits by address are wrong."
            ))
            .evidence(format!("{} from {peer}, which is not in trusted_proxies", list(&fields)))
            .with(gateway(format!("If the proxy at {peer} is yours: `trusted_proxies = [\"{peer}\"]`, at the top of the file."))),
    )
}

/// The page is on https, and the gateway does not know.
pub(super) fn tls_terminated(case: &Case<'_>) -> Option<Finding> {
    let request = case.seen.request.as_ref()?;
    if !case.is_https() || request.secure || forwarding_untrusted(case).is_some() {
        return None;
    }
    Some(
        Finding::note("tls-terminated", "Encryption ends before the gateway, and nobody tells it")
            .what("You are on https, but the gateway sees plain http: a proxy in front of it takes the encryption, which is usual. It should tell the gateway, so that cookies and links are made for https.")
            .evidence("page on https; the gateway saw http, and no proxy it trusts said otherwise")
            .advice(about(Topic::Forward, case))
            .with(gateway("Then list the proxy in `trusted_proxies`.")),
    )
}

/// Cookies do not come back.
pub(super) fn cookies_blocked(case: &Case<'_>) -> Option<Finding> {
    let cookies = case.report.cookies.as_ref()?;
    if cookies.first_party == Some(false) {
        return Some(
            Finding::note("cookies-blocked", "This browser keeps no cookies for the site")
                .what("A cookie that the site set did not come back. Logins by cookie will not work, and load balancers that tell browsers apart by a cookie send the requests of one connection to different servers.")
                .evidence("test cookie not sent back from the page")
                .with(site("Do not rely on cookies alone: pass a token in the URL's query, and let the load balancer go by the session in the path.")),
        );
    }
    if cookies.iframe == Some(false) {
        return Some(
            Finding::note("cookies-blocked", "This browser keeps no cookies inside frames")
                .what("A cookie came back from the page itself, but not from a frame in it. That matters only where the service is used inside a frame of another site.")
                .evidence("test cookie sent back from the page, not from the frame")
                .with(site("For use in frames of other sites: cookies with `SameSite=None; Secure; Partitioned`, over https.")),
        );
    }
    None
}

/// Some transports fail, though better ones work.
pub(super) fn other_transports(case: &Case<'_>) -> Option<Finding> {
    case.best()?;
    let explained = super::streaming::held(case).is_some()
        || super::streaming::fails(case).is_some()
        || super::reachability::two_servers(case).is_some();
    let failed: Vec<_> = case
        .report
        .transports
        .iter()
        .filter(|tested| {
            matches!(
                tested.outcome,
                Outcome::Refused | Outcome::Timeout | Outcome::Dies | Outcome::Stalls
            )
        })
        .filter(|tested| tested.name != "websocket" && !super::refusals::is_refused(tested))
        .filter(|tested| !explained || !super::case::STREAMING.contains(&tested.name.as_str()))
        .collect();
    if failed.is_empty() || super::reachability::two_servers(case).is_some() {
        return None;
    }
    let names: Vec<_> = failed.iter().map(|tested| tested.name.as_str()).collect();
    let evidence: Vec<_> = failed
        .iter()
        .map(|tested| {
            let error = tested.error.as_deref().map(quote).unwrap_or_default();
            format!("{}: {error}", tested.name)
        })
        .collect();
    Some(
        Finding::note("transports-failing", format!("{} did not work", list(&names)))
            .what("They are used only where nothing better works, and something better works here. Nothing has to be done.")
            .evidence(evidence.join("; ")),
    )
}

/// Not everything could be tested.
pub(super) fn untested(case: &Case<'_>) -> Option<Finding> {
    if case.report.untested.is_empty() {
        return None;
    }
    let names: Vec<_> = case
        .report
        .untested
        .iter()
        .map(|name| quote(name))
        .collect();
    Some(
        Finding::note("untested", "Some things could not be tested")
            .what("This service does not send back what it gets, so only the opening of connections and silence could be tested, not messages.")
            .evidence(format!("not tested: {}", list(&names)))
            .with(gateway("With `doctor = true` for a service, everything can be tested.")),
    )
}

/// Which HTTP.
pub(super) fn http2(case: &Case<'_>) -> Option<Finding> {
    let version = case.report.info.as_ref()?.http_version.as_deref()?;
    let name = match version {
        "h2" => "HTTP/2",
        "h3" => "HTTP/3",
        _ => return None,
    };
    let proxied = case
        .proxies
        .iter()
        .find(|proxy| !matches!(proxy, Proxy::Squid | Proxy::Tinyproxy))
        .map(|proxy| format!(" ({})", proxy.name()))
        .unwrap_or_default();
    Some(
        Finding::good("http2", format!("{name} to the nearest server"))
            .what(format!("{} speaks {name} with whatever is nearest to it{proxied}: many requests share one connection, and several tabs do not get into each other's way.", super::websocket::upper_first(case.asker())))
            .evidence(format!("next hop: {}", quote(version))),
    )
}
