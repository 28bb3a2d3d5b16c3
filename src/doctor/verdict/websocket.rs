//! Whether WebSocket gets through, and if not, where the handshake was lost.

use crate::doctor::report::{Cause, Outcome, Tested};
use crate::doctor::seen::SeenRequest;

use super::Finding;
use super::advice::{Topic, about, administrator, gateway, site};
use super::case::{Case, median, ms, quote};
use super::proxies::Proxy;

const NAME: &str = "websocket";

const HTTPS: &str = "Offer the site over https: unless the network opens encrypted connections, nothing on the way can then look into them, and most things that break WebSocket let it pass.";

const HTTP11: &str =
    "In the `location` that already sets `Upgrade`, add: `proxy_http_version 1.1;`";

/// What became of the WebSocket.
pub(super) fn finding(case: &Case<'_>) -> Option<Finding> {
    let tested = case.report.transport(NAME)?;
    let finding = match tested.outcome {
        Outcome::Works => match case.handshakes().find(|seen| seen.http_version == "1.0") {
            Some(handshake) => works_in_http10(handshake),
            None => works(tested),
        },
        Outcome::Unsupported => {
            Finding::note("websocket-unsupported", "This browser has no WebSocket")
                .what(
                    "The other ways to connect are used instead. A newer browser would be faster.",
                )
                .evidence(tested.error.as_deref().map(quote).unwrap_or_default())
        }
        // What a service answers that does not want WebSockets says nothing about the network.
        _ if case.report.info.as_ref()?.websocket == Some(false) => return None,
        // Explained on its own: the gateway said why.
        _ if super::refusals::is_refused(tested) || tested.cause == Some(Cause::Origin) => {
            return None;
        }
        Outcome::Dies | Outcome::Stalls => broken(case, tested),
        Outcome::Refused | Outcome::Timeout if !case.is_seen() => unseen(case, tested)
            .with(gateway(if case.seen.request.is_some() {
                "The requests of this check came to another gateway than the one that judges them, so it cannot say where the request is lost: `PREFIX/doctor` and everything below it must go to one gateway. `sockjs-gateway proxy-config` prints how."
            } else {
                "With `doctor = true` for the service, this check also learns what the server sees, and can say where the request is lost."
            })),
        // The handshake may have come to another one.
        Outcome::Refused | Outcome::Timeout if super::reachability::two_servers(case).is_some() => {
            unseen(case, tested)
        }
        Outcome::Refused | Outcome::Timeout => {
            let mut handshakes = case.handshakes();
            match handshakes.next() {
                Some(handshake) => arrived(case, tested, handshake)?,
                None => never_came(case, tested),
            }
        }
        Outcome::Skipped => return None,
    };
    Some(finding)
}

fn works(tested: &Tested) -> Finding {
    let opened = tested.opened_ms.map(ms).unwrap_or_default();
    let message = median(&tested.echo_ms).map(ms);
    let (then, figures) = match message {
        Some(message) => (
            format!(", and a message takes {message} there and back"),
            format!("open after {opened}, message {message}"),
        ),
        None => (String::new(), format!("open after {opened}")),
    };
    Finding::good("websocket-works", "WebSocket works")
        .what(format!(
            "WebSocket is the fastest way to connect, and nothing on the way stops it: it opened after {opened}{then}."
        ))
        .evidence(figures)
}

/// This gateway accepts such a handshake; others do not.
fn works_in_http10(handshake: &SeenRequest) -> Finding {
    Finding::note("websocket-http10", "WebSocket works, but a proxy asks for it in too old a language")
        .what("The request for a WebSocket reached the server as HTTP/1.0, and WebSocket exists from HTTP/1.1 on. This server accepts it all the same; others, and other proxies on the way, may not.")
        .evidence(arrival(handshake))
        .advise("nginx", HTTP11)
        .advise("another proxy", "Let it speak HTTP/1.1 to the gateway.")
}

/// How the attempt ended, as the browser saw it.
fn ending(tested: &Tested) -> String {
    let after = tested
        .close
        .as_ref()
        .and_then(|close| close.after_ms)
        .map(|after| format!(" after {}", ms(after)))
        .unwrap_or_default();
    match (&tested.status, &tested.close, &tested.error) {
        (Some(status), ..) => format!("answered {status}{after}"),
        (None, Some(close), _) if close.code.is_some() => {
            format!("closed with code {}{after}", close.code.unwrap_or_default())
        }
        (None, _, Some(error)) => format!("{}{after}", quote(error)),
        _ => format!("not open{after}"),
    }
}

/// How a handshake arrived, as the server saw it.
fn arrival(handshake: &SeenRequest) -> String {
    let field = |name: &str| {
        handshake.header(name).map_or_else(
            || format!("no {name}"),
            |value| format!("{name}: {}", quote(value)),
        )
    };
    let answered = handshake
        .status
        .map(|status| format!(", answered {status}"))
        .unwrap_or_default();
    format!(
        "the server saw HTTP/{} with {} and {}{answered}",
        handshake.http_version,
        field("upgrade"),
        field("connection"),
    )
}

fn asks_for_upgrade(handshake: &SeenRequest) -> bool {
    let has = |name: &str, token: &str| {
        handshake
            .header(name)
            .is_some_and(|value| value.to_ascii_lowercase().contains(token))
    };
    has("upgrade", "websocket") && has("connection", "upgrade")
}

/// The handshake came to the server, in one form or another.
fn arrived(case: &Case<'_>, tested: &Tested, handshake: &SeenRequest) -> Option<Finding> {
    let evidence = format!(
        "{}; {}: {}",
        arrival(handshake),
        case.asker(),
        ending(tested)
    );
    let asker = case.asker();
    // Explained on its own.
    if handshake.status == Some(403) {
        return None;
    }
    let finding = if handshake.status == Some(101) {
        let finding = Finding::problem("websocket-answer-lost", "Something on the way swallows the server's consent to WebSocket")
            .what(format!(
                "The server received the request for a WebSocket and agreed, but {asker} never got that answer. Something between them, often a web filter, an antivirus program or an old proxy, lets the question through and not the answer."
            ))
            .advice(about(Topic::Upgrade, case))
            ;
        with_https(case, finding).with(administrator("Ask that WebSocket to this site may pass the web filter or virus scanner unchanged. To find out whether it is a program on this computer, pause its web protection and run this check again."))
    } else if !asks_for_upgrade(handshake) {
        let mut finding = Finding::problem("websocket-stripped", "A proxy removes what asks for WebSocket")
            .what(format!(
                "{} asked for a WebSocket, but what reached the server was an ordinary request: the words that ask for a WebSocket (`Upgrade` and `Connection`) had been taken out on the way. Mostly this is the proxy in front of the server, which has not been told to pass them on.",
                upper_first(asker)
            ))
            .advice(about(Topic::Upgrade, case));
        if handshake.http_version == "1.0" && !case.proxies.contains(&Proxy::Nginx) {
            finding.what.push_str(
                " It speaks HTTP/1.0 to the server, as nginx does unless it is told otherwise.",
            );
        }
        let finding = with_https(case, finding);
        if can_be_the_users(case) {
            finding.with(administrator("If the site's own proxies are in order: ask that the network's proxy or web filter passes requests for WebSocket (`Upgrade: websocket`) on unchanged."))
        } else {
            finding
        }
    } else if handshake.http_version == "1.0" {
        Finding::problem("websocket-http10", "A proxy asks for WebSocket in too old a language")
            .what("The request for a WebSocket reached the server as HTTP/1.0, and WebSocket exists from HTTP/1.1 on. The proxy in front of the server passes the right words on, but in the old version.")
            .advise("nginx", HTTP11)
            .advise("another proxy", "Let it speak HTTP/1.1 to the gateway.")
    } else {
        Finding::problem("websocket-refused", "The server refuses this WebSocket")
            .what("The request for a WebSocket reached the server, but was changed on the way so that the server cannot accept it.")
            .advice(about(Topic::Upgrade, case))
    };
    Some(finding.evidence(evidence))
}

/// No handshake came to the server.
fn never_came(case: &Case<'_>, tested: &Tested) -> Finding {
    let asker = upper_first(case.asker());
    let evidence = format!(
        "no WebSocket request reached the server; {}: {}",
        case.asker(),
        ending(tested)
    );
    if tested.outcome == Outcome::Timeout {
        let finding = Finding::problem("websocket-swallowed", "Requests for WebSocket vanish on the way")
            .what(format!(
                "{asker} asked for a WebSocket and got no answer at all within the time limit; the server never saw the request. Something on the way swallows it. Applications lose several seconds with each new connection until they give up and go another way."
            ))
            .evidence(evidence);
        let mut finding = with_https(case, finding).with(administrator(
            "Ask that WebSocket (`Upgrade: websocket`) to this site may pass; where it must not, that it is refused at once instead of being dropped.",
        ));
        // A proxy that merely lacks a setting answers, so only those are named that show themselves.
        if !case.proxies.is_empty() {
            finding.advice.extend(about(Topic::Upgrade, case));
        }
        return finding;
    }
    let mut finding = Finding::problem("websocket-blocked", "WebSocket is refused on the way")
        .what(format!(
            "{asker} asked for a WebSocket and was refused at once, and the server never saw the request. Mostly this is a proxy of an organisation that allows tunnels to port 443 only, or a filter that refuses WebSocket."
        ))
        .evidence(evidence);
    let named = case.proxies.iter().any(|proxy| proxy.is_the_users());
    if named {
        finding = finding.advice(about(Topic::Connect, case));
    }
    if !case.is_https() {
        finding = finding.with(site(
            "Offer the site over https on port 443: nearly every proxy allows tunnels to that port, and WebSocket goes through them.",
        ));
    }
    let products = if named {
        ""
    } else {
        " Squid: `acl SSL_ports port NUMBER`; tinyproxy: `ConnectPort NUMBER`."
    };
    finding = finding.with(administrator(format!(
        "Ask that the proxy allows `CONNECT` to this site and its port: WebSocket needs such a tunnel.{products}"
    )));
    if !case.proxies.is_empty() && !named {
        finding.advice.extend(about(Topic::Upgrade, case));
    }
    finding
}

/// What the browser alone can tell.
fn unseen(case: &Case<'_>, tested: &Tested) -> Finding {
    let evidence = format!("{}: {}", case.asker(), ending(tested));
    if tested.outcome == Outcome::Timeout {
        return never_came(case, tested)
            .what(format!(
                "{} asked for a WebSocket and got no answer at all within the time limit. Something on the way swallows the request, or the answer. Applications lose several seconds with each new connection until they give up and go another way.",
                upper_first(case.asker())
            ))
            .evidence(evidence);
    }
    let what = match tested.status {
        Some(status @ 400..=499) => format!(
            "The request for a WebSocket was answered with status {status} instead. Where the service accepts WebSockets, a proxy on the way has taken the words that ask for one (`Upgrade` and `Connection`) out of the request, or does not allow it."
        ),
        Some(status) => format!("The request for a WebSocket was answered with status {status} instead."),
        None => "The WebSocket was refused. What the server saw of it is not known here, so it cannot be said where.".to_owned(),
    };
    let finding = Finding::problem("websocket-blocked", "WebSocket does not get through")
        .what(what)
        .evidence(evidence)
        .advice(about(Topic::Upgrade, case));
    with_https(case, finding).with(administrator(
        "Ask that WebSocket to this site may pass: a proxy must allow `CONNECT` to its port.",
    ))
}

/// It opened, and then ended or fell silent.
fn broken(case: &Case<'_>, tested: &Tested) -> Finding {
    let echoes = tested.echo_ms.len() + tested.paced_ms.len();
    let opened = tested.opened_ms.map(ms).unwrap_or_default();
    let evidence = format!(
        "open after {opened}, then {echoes} messages, then: {}",
        ending(tested)
    );
    let finding = if tested.outcome == Outcome::Dies {
        Finding::problem("websocket-killed", "WebSocket is cut right after it opens")
            .what("The WebSocket opened, and then something on the way ended it as soon as it was used. This is worse than a refusal: applications believe that they are connected, and lose the connection again and again.")
    } else {
        Finding::problem("websocket-stalls", "WebSocket opens, but messages get stuck")
            .what("The WebSocket opened, but messages on it did not arrive. Something on the way waits for more before it passes anything on, or looks into the connection and does not understand it.")
    };
    let mut finding = with_https(case, finding.evidence(evidence)).with(administrator(
        "Ask that WebSocket to this site is not inspected: web filters and virus scanners that look into it break it. If it is a program on this computer, make an exception for this site in its web protection.",
    ));
    finding.advice.push(gateway(
        "If many of your users are behind such a thing, `websocket = false` makes everybody use the next best way.",
    ));
    finding
}

/// The service itself has WebSocket off.
pub(super) fn off(case: &Case<'_>) -> Option<Finding> {
    let facts = case.service();
    let listed = facts
        .and_then(|facts| facts.transports.as_ref())
        .is_some_and(|list| !list.iter().any(|name| name == NAME));
    let off = match facts {
        Some(facts) => !facts.websocket || listed,
        None => case.report.info.as_ref()?.websocket == Some(false),
    };
    if !off {
        return None;
    }
    let tested_works = case.works(NAME);
    let mut finding = Finding::note("websocket-off", "The service does not offer WebSocket")
        .what(if tested_works {
            "WebSocket would work from your network, but the service has it switched off; applications use the next best way."
        } else {
            "The service has WebSocket switched off; applications use the next best way."
        })
        .evidence("websocket is off in the service's configuration, or missing in its list of transports");
    let key = if listed {
        "Add `\"websocket\"` to `transports` of the service to offer it."
    } else {
        "`websocket = true` for the service offers it."
    };
    if facts.is_some() {
        finding.advice.push(gateway(key));
    } else {
        finding.evidence = "/info says websocket: false".to_owned();
    }
    Some(finding)
}

/// Whether something on the user's side may have read the request, and no proxy of the service's shows itself.
fn can_be_the_users(case: &Case<'_>) -> bool {
    let services = case.proxies.iter().any(|proxy| !proxy.is_the_users());
    !case.is_https() && !services
}

fn with_https(case: &Case<'_>, finding: Finding) -> Finding {
    // Encryption does not help against a proxy that takes it off itself.
    if can_be_the_users(case) {
        finding.with(site(HTTPS))
    } else {
        finding
    }
}

pub(super) fn upper_first(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map(|letter| letter.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}
