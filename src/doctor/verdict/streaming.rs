//! Whether what the server sends piece by piece arrives piece by piece.

use crate::doctor::report::{Outcome, Tested};

use super::Finding;
use super::advice::{Topic, about, administrator, site};
use super::case::{Case, STREAMING, bytes, list, median, ms};

/// What is sent: 32 chunks of 1 KiB, one each 50 ms.
const CHUNK: f64 = 1024.0;
const CHUNKS: usize = 32;
const GAP: f64 = 50.0;
/// And: 6 KiB, the end 2 s later.
const TAIL: f64 = 6144.0;

/// Lateness of a piece that cannot be an accident.
const LATE: f64 = 150.0;
const VERY_LATE: f64 = 1000.0;

/// How a steady flow arrived.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Flow {
    /// As it was sent.
    Steady,
    /// In blocks of about so many bytes.
    Blocks(f64),
    /// All at once.
    AtOnce,
}

/// `None` when the flow did not arrive whole.
fn flow(arrivals: &[(f64, f64)]) -> Option<Flow> {
    let total = arrivals.last()?.1;
    if total < CHUNK * CHUNKS as f64 {
        return None;
    }
    // When each chunk was there, against when it was sent; the fastest shows what the way itself takes.
    let late: Vec<f64> = (0..CHUNKS)
        .filter_map(|index| {
            let needed = CHUNK * (index + 1) as f64;
            let arrived = arrivals.iter().find(|(_, so_far)| *so_far >= needed)?;
            Some(arrived.0 - GAP * index as f64)
        })
        .collect();
    let fastest = late.iter().copied().fold(f64::INFINITY, f64::min);
    let first = late.first()? - fastest;
    let worst = late.iter().copied().fold(0.0, f64::max) - fastest;
    // Nothing came before everything was sent; a busy browser may read that in several pieces.
    if first >= GAP * (CHUNKS - 1) as f64 * 0.9 {
        return Some(Flow::AtOnce);
    }
    if worst < LATE {
        return Some(Flow::Steady);
    }
    // What came within half a gap is one block.
    let mut blocks: Vec<f64> = Vec::new();
    let mut block_began = f64::NEG_INFINITY;
    let mut before = 0.0;
    for (at, so_far) in arrivals {
        let size = so_far - before;
        before = *so_far;
        match blocks.last_mut() {
            Some(last) if at - block_began < GAP / 2.0 => *last += size,
            _ => {
                blocks.push(size);
                block_began = *at;
            }
        }
    }
    let typical = median(&blocks)?;
    Some(if typical >= 3.0 * CHUNK {
        Flow::Blocks(typical)
    } else {
        Flow::Steady
    })
}

fn drip_flow(case: &Case<'_>) -> Option<Flow> {
    flow(&case.drip()?.arrivals)
}

/// How much later than on the fastest other way a message on a streaming transport arrives.
fn streamed_delay(case: &Case<'_>) -> Option<(&'static str, f64)> {
    let delays = case.streams().filter_map(|tested| {
        let paced = paced_delay(tested)?;
        let name = STREAMING.into_iter().find(|name| *name == tested.name)?;
        Some((name, paced))
    });
    delays.min_by(|one, other| one.1.total_cmp(&other.1))
}

/// How long after it was due a paced message arrives, in the middle.
fn paced_delay(tested: &Tested) -> Option<f64> {
    if tested.paced_ms.len() < 3 {
        return None;
    }
    let delays: Vec<_> = tested
        .paced_ms
        .iter()
        .enumerate()
        .map(|(index, arrived)| arrived - 300.0 * index as f64)
        .collect();
    median(&delays)
}

/// HAProxy's way: every piece comes, about 200 ms late. In a steady flow this looks like blocks.
pub(super) fn delayed(case: &Case<'_>) -> Option<Finding> {
    let (name, delay) = case.streams().next().and_then(|_| streamed_delay(case))?;
    let usual = case
        .working()
        .filter(|tested| !STREAMING.contains(&tested.name.as_str()))
        .filter_map(paced_delay)
        .reduce(f64::min)
        .or_else(|| round_trip(case))?;
    let added = delay - usual;
    if !(LATE..600.0).contains(&added) {
        return None;
    }
    Some(
        Finding::problem("stream-delayed", format!("On streaming connections each message is held back by {}", ms(added)))
            .what(format!(
                "Over a streaming connection every message arrives about {} later than it could. Something on the way waits a moment for more data before it passes a piece on. Nothing is lost, but conversations feel slow.",
                ms(added)
            ))
            .evidence(format!("{name}: messages {} after they were due; {} on other ways", ms(delay), ms(usual)))
            .advise("HAProxy", "In `defaults`, or in the `frontend` and the `backend`: `option http-no-delay` (without it, HAProxy waits about 200 ms)")
            .advice_from(about(Topic::Delay, case)),
    )
}

fn round_trip(case: &Case<'_>) -> Option<f64> {
    median(&case.report.info.as_ref()?.round_trips_ms)
}

/// A steady flow was held back.
pub(super) fn held(case: &Case<'_>) -> Option<Finding> {
    let drip = case.drip()?;
    let streams = case.streams().next().is_some();
    let first = drip.arrivals.first().map(|arrival| arrival.0)?;
    let consequence = if streams {
        "Short messages still got through in this check, but do not rely on it."
    } else {
        "So the streaming ways to connect cannot be used, and polling has to do: it works, with more requests and a little slower."
    };
    let base = match drip_flow(case)? {
        Flow::Steady => return None,
        _ if spares_sessions(case) => return None,
        Flow::AtOnce => Finding::problem("stream-held-until-end", "A proxy holds answers back until they are complete")
            .what(format!(
                "The server sent an answer in small pieces over one and a half seconds; {} got all of it at once, at the end. Something on the way collects answers before it passes them on. {consequence}",
                case.asker()
            ))
            .evidence(format!("32 pieces of 1 KiB sent over 1.6 s: all arrived together after {}", ms(first))),
        // Explained by the delay: in 200 ms four pieces gather.
        Flow::Blocks(size)
            if size <= 8192.0 && (delayed(case).is_some() || keeps_no_rest(case, rounded(size))) =>
        {
            return None;
        }
        Flow::Blocks(size) => Finding::problem("stream-held-until-size", format!("A proxy collects {} before it passes anything on", bytes(rounded(size))))
            .what(format!(
                "The server sent an answer in pieces of 1 KiB, one each 50 ms; they arrived in blocks of about {}. Something on the way waits until that much has gathered. A short message is stuck until more follows. {consequence}",
                bytes(rounded(size))
            ))
            .evidence(format!("32 pieces of 1 KiB: first data after {}, in blocks of {}", ms(first), bytes(rounded(size)))),
    };
    let mut finding = base
        .advice(about(Topic::Buffering, case))
        .advice_from(compression(case).map_or_else(Vec::new, |_| about(Topic::Compression, case)));
    if !case.is_https() && case.proxies.iter().all(|proxy| proxy.is_the_users()) {
        finding = finding.with(site(
            "Offer the site over https: unless the network opens encrypted connections, nothing on the way can then collect answers.",
        ));
    }
    Some(finding.with(administrator("If the site's own proxies are in order: ask that answers of this site are not scanned as a whole before they are passed on.")))
}

/// Whether a piece that does not fill blocks of this size arrived whole and soon: then a time is waited for, not a size.
fn keeps_no_rest(case: &Case<'_>, size: f64) -> bool {
    let whole = case
        .tail()
        .and_then(|tail| tail.arrivals.iter().find(|(_, so_far)| *so_far >= TAIL));
    TAIL % size != 0.0 && whole.is_some_and(|(at, _)| *at < VERY_LATE)
}

/// To whole KiB.
fn rounded(size: f64) -> f64 {
    (size / CHUNK).round() * CHUNK
}

/// The end of a piece stays behind until more comes.
pub(super) fn tail_held(case: &Case<'_>) -> Option<Finding> {
    let arrivals = &case.tail()?.arrivals;
    let (first, last) = (arrivals.first()?, arrivals.last()?);
    if last.1 < TAIL || drip_flow(case) == Some(Flow::AtOnce) {
        return None;
    }
    let early = arrivals
        .iter()
        .take_while(|(at, _)| *at < first.0 + VERY_LATE);
    let early = early.last()?.1;
    if early >= TAIL || last.0 - first.0 < VERY_LATE {
        return None;
    }
    let missing = TAIL - early;
    let stuck = case.report.download.iter().find(|download| !download.ok);
    let stuck = stuck.map_or_else(String::new, |download| {
        format!(
            " In this check a message of {} did not arrive in time.",
            bytes(download.bytes)
        )
    });
    Some(
        Finding::problem("stream-tail-held", "The end of larger messages gets stuck on the way")
            .what(format!(
                "The server sent one piece of 6 KiB. {} of it arrived at once, and the last {} only when more followed, {} later. A larger message can so be stuck until the next one, up to the heartbeat.{stuck}",
                bytes(early),
                bytes(missing),
                ms(last.0 - first.0)
            ))
            .evidence(format!("{} bytes after {}, all {TAIL} after {}", early, ms(first.0), ms(last.0)))
            .advise("nginx", "This is what nginx does with `proxy_buffering on` towards a server that speaks HTTP/1.1. In the `location`: `proxy_buffering off;`, or remove `proxy_ignore_headers X-Accel-Buffering`. A second nginx in front of the first needs it too.")
            .advice_from(about(Topic::Buffering, case)),
    )
}

fn compression<'a>(case: &Case<'a>) -> Option<&'a str> {
    let encoding = case.drip()?.headers.get("content-encoding")?;
    (!encoding.eq_ignore_ascii_case("identity")).then_some(encoding)
}

/// Whether a proxy compresses the test's answer, but passes on at once what says that it must stay as it is: the answers of
/// sessions say `Content-Encoding: identity`.
fn spares_sessions(case: &Case<'_>) -> bool {
    let steady = |tested: &Tested| paced_delay(tested).is_some_and(|delay| delay < LATE);
    compression(case).is_some() && case.streams().next().is_some() && case.streams().all(steady)
}

/// Something compresses.
pub(super) fn compressed(case: &Case<'_>) -> Option<Finding> {
    let encoding = super::case::quote(compression(case)?);
    let steady = drip_flow(case) == Some(Flow::Steady);
    let what = if steady {
        "A proxy compresses the answers on the way. It passes each piece on at once, so nothing is lost but some computing time; a later version or another setting may hold pieces back."
    } else if spares_sessions(case) {
        "A proxy compresses answers on the way, although the server asks not to change them, and holds them back to do it. Live connections are spared here: their answers say that they must stay as they are (`Content-Encoding: identity`), and arrived at once. Other servers may not say so."
    } else {
        "A proxy compresses the answers on the way, although the server asks not to change them, and holds pieces back to do it."
    };
    Some(
        Finding::note("compressed", "A proxy compresses the answers")
            .what(what)
            .evidence(format!("content-encoding: {encoding}"))
            .advice(about(Topic::Compression, case)),
    )
}

/// Streaming transports fail although nothing else explains it.
pub(super) fn fails(case: &Case<'_>) -> Option<Finding> {
    if held(case).is_some()
        || !case
            .report
            .transports
            .iter()
            .any(|tested| tested.outcome == Outcome::Works)
    {
        return None;
    }
    let tested: Vec<_> = STREAMING
        .iter()
        .filter_map(|name| case.report.transport(name))
        .filter(|tested| tested.outcome != Outcome::Unsupported)
        .collect();
    let failed: Vec<_> = tested
        .iter()
        .filter(|tested| {
            matches!(
                tested.outcome,
                Outcome::Timeout | Outcome::Stalls | Outcome::Dies
            )
        })
        .map(|tested| tested.name.as_str())
        .collect();
    if failed.is_empty() || failed.len() < tested.len() {
        return None;
    }
    let refused: Vec<_> = case
        .statuses()
        .filter(|(_, status)| *status == 404)
        .collect();
    if !refused.is_empty() {
        return None;
    }
    Some(
        Finding::problem("streaming-fails", "Streaming connections do not get through")
            .what("Answers that stay open, in which the server sends one message after the other, do not get through to you. Something on the way wants an answer to be complete before it passes it on, or ends it. Polling has to do: it works, with more requests and a little slower.")
            .evidence(format!("{} did not work", list(&failed)))
            .advice(about(Topic::Buffering, case))
            .with(administrator("Ask that answers of this site are not scanned as a whole before they are passed on.")),
    )
}

/// Everything flows.
pub(super) fn flows(case: &Case<'_>) -> Option<Finding> {
    let steady = drip_flow(case)? == Flow::Steady;
    if !steady || delayed(case).is_some() || tail_held(case).is_some() {
        return None;
    }
    let names: Vec<_> = case.streams().map(|tested| tested.name.as_str()).collect();
    if names.is_empty() {
        return None;
    }
    let first = case.drip()?.arrivals.first()?.0;
    Some(
        Finding::good("stream-flows", "Nothing holds answers back")
            .what("What the server sends in pieces arrives in pieces, at once.")
            .evidence(format!(
                "first piece after {}; {} work",
                ms(first),
                list(&names)
            )),
    )
}
