//! What must hold for the pages, whatever was measured.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::registry::{Budget, Connection};
use crate::{Gateway, ServiceConfig};

use super::labels::LABELS;
use super::table::{TABLE, Type};
use super::*;

async fn quiet(_: Connection) {}

/// Of a gateway with two services, of which one has a prefix that has to be escaped.
fn reading() -> Reading {
    let gateway = Gateway::builder()
        .service(ServiceConfig::new("/odd"), quiet)
        .service(ServiceConfig::new("/plain"), quiet)
        .build()
        .expect("a gateway");
    let places = Budget::new(10);
    gateway.connections().serve(&places);
    let mut reading = gateway.reading();
    reading.services[0].service = "/a\"b\\c".into();
    reading
}

/// Names are unique and as both formats want them: the unit at the end, the type's ending from the type alone.
#[test]
fn names_are_those_of_the_formats() {
    let mut seen = HashSet::new();
    for family in TABLE {
        let name = family.name;
        assert!(seen.insert(name), "{name} is there twice");
        assert!(
            name.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
            "{name}"
        );
        let reserved = ["_total", "_count", "_sum", "_bucket", "_info", "_created"];
        assert!(
            !reserved.iter().any(|ending| name.ends_with(ending)),
            "{name}"
        );
        assert!(
            family.unit.is_empty() || name.ends_with(&format!("_{}", family.unit)),
            "{name} does not end with its unit"
        );
        let has_unit = name.ends_with("_seconds") || name.ends_with("_bytes");
        assert_eq!(has_unit, !family.unit.is_empty(), "{name}");
        assert!(
            family.kind != Type::Histogram || family.unit == "seconds",
            "{name}"
        );
        assert!(
            !family.help.contains(['\n', '|']) && family.help.ends_with('.'),
            "{name}"
        );
        for label in family.labels {
            assert!(LABELS.iter().any(|known| known.name == *label), "{label}");
        }
    }
}

/// Both formats say the same, each in its own way.
#[test]
fn both_formats_have_the_same_samples() {
    let reading = reading();
    let samples = |format| -> Vec<String> {
        let page = render(&reading, format);
        let lines = page.lines().filter(|line| !line.starts_with('#'));
        lines.map(str::to_owned).collect()
    };
    let prometheus = samples(Format::Prometheus);
    assert_eq!(prometheus, samples(Format::OpenMetrics));
    let text = prometheus.join("\n");
    for line in [
        "sockjs_all_session_places 0",
        "sockjs_session_places{service=\"/a\\\"b\\\\c\"} 0",
        "sockjs_limit_hits_total{service=\"/plain\",limit=\"max_sessions\"} 0",
        "sockjs_receiver_wait_seconds_bucket{service=\"/plain\",le=\"1.0\"} 0",
        "sockjs_receiver_wait_seconds_bucket{service=\"/plain\",le=\"+Inf\"} 0",
        "sockjs_receiver_wait_seconds_sum{service=\"/plain\"} 0.0",
        "sockjs_connections_limit 10",
    ] {
        assert!(
            text.lines().any(|known| known == line),
            "no {line} in\n{text}"
        );
    }
    let ends = |format| render(&reading, format).ends_with("\n# EOF\n");
    assert!(ends(Format::OpenMetrics) && !ends(Format::Prometheus));
}

/// Prometheus names a family like its samples, OpenMetrics without the ending of the type.
#[test]
fn families_are_announced_as_the_format_wants() {
    let reading = reading();
    let has = |format, line: &str| render(&reading, format).lines().any(|known| known == line);
    for line in [
        "# TYPE sockjs_limit_hits_total counter",
        "# TYPE sockjs_build_info gauge",
        "# TYPE sockjs_receiver_wait_seconds histogram",
    ] {
        assert!(has(Format::Prometheus, line), "{line}");
    }
    for line in [
        "# TYPE sockjs_limit_hits counter",
        "# TYPE sockjs_build info",
        "# UNIT sockjs_receiver_wait_seconds seconds",
    ] {
        assert!(has(Format::OpenMetrics, line), "{line}");
    }
}

/// Buckets are cumulative, and the last has all. (OpenMetrics 1.0.0, Histogram)
#[test]
fn buckets_add_up() {
    let mut reading = reading();
    let waits = &mut reading.services[0].census.receiver_waits;
    for (place, (_, count)) in waits.within.iter_mut().enumerate() {
        *count = place as u64;
    }
    (waits.beyond, waits.sum) = (100, Duration::from_millis(1500));
    let expected = waits.count();
    let page = render(&reading, Format::OpenMetrics);
    let mut values = HashMap::new();
    let mut before = 0;
    for line in page.lines() {
        let Some((name, value)) = line.rsplit_once(' ') else {
            continue;
        };
        if !name.starts_with("sockjs_receiver_wait_seconds") || name.contains("plain") {
            continue;
        }
        if name.contains("_bucket") {
            let value = value.parse().expect("a number");
            assert!(value >= before, "{line}");
            before = value;
        }
        values.insert(name.split('{').next().unwrap_or_default(), value);
    }
    assert_eq!(before, expected);
    assert_eq!(
        values["sockjs_receiver_wait_seconds_count"],
        expected.to_string()
    );
    assert_eq!(values["sockjs_receiver_wait_seconds_sum"], "1.5");
}

/// Two services of one prefix, of which one is on its way out, are one series: no sample is there twice.
#[test]
fn services_of_one_prefix_are_told_together() {
    let mut all = reading();
    let again = reading().services;
    for service in &mut all.services {
        service.limits[0].hits = 1;
    }
    for mut service in again {
        service.limits[0].hits = 2;
        all.add(service);
    }
    let page = render(&all, Format::Prometheus);
    let mut seen = HashSet::new();
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let name = line.rsplit_once(' ').map(|(name, _)| name);
        assert!(seen.insert(name), "{line} is there twice");
    }
    assert!(
        page.contains("sockjs_limit_hits_total{service=\"/plain\",limit=\"max_sessions\"} 3\n")
    );
}
