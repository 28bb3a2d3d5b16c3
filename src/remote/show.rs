//! Answers of the API as people read them in a terminal.

use std::fmt::Write as _;

use serde_json::Value;

/// A text on one line, without what would control a terminal: users and backends choose some of it.
pub(crate) fn plain(text: &str) -> String {
    let plain = |character: char| {
        let unsafe_ = character.is_control() || is_direction(character);
        if unsafe_ { '\u{fffd}' } else { character }
    };
    text.chars().map(plain).collect()
}

/// Characters that turn the direction of text around.
fn is_direction(character: char) -> bool {
    matches!(character, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => plain(text),
        other => other.to_string(),
    }
}

/// `1d 4h`, `4h 12m`, `12m 7s`, `7s`
pub(crate) fn age(seconds: u64) -> String {
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{rest}s"),
        (0, 0, _) => format!("{minutes}m {rest}s"),
        (0, ..) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

/// `17 B`, `1.5 KiB`
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut size = bytes as f64 / 1024.0;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
}

/// Rows under a heading, each column as wide as it must be; the columns of `right` are numbers.
fn table(heading: &[&str], rows: &[Vec<String>], right: &[usize]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([heading[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..heading.len()).map(width).collect();
    let mut text = String::new();
    let heading = heading.iter().map(|name| (*name).to_owned()).collect();
    for row in std::iter::once(&heading).chain(rows) {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let pad = " ".repeat(width - cell.chars().count());
            let gap = if column == 0 { "" } else { "  " };
            let _ = if right.contains(&column) {
                write!(line, "{gap}{pad}{cell}")
            } else {
                write!(line, "{gap}{cell}{pad}")
            };
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// How the gateway is.
pub(crate) fn status(status: &Value) -> String {
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let mut text = String::new();
    let _ = writeln!(
        text,
        "sockjs-gateway {}, process {}, up {}: {}{}",
        self::text(&status["version"]),
        self::text(&status["pid"]),
        age(number(&status["uptime_seconds"])),
        self::text(&status["readiness"]),
        if status["stopping"] == true {
            ", stopping"
        } else {
            ""
        }
    );
    let memory = &status["queue_memory"];
    let _ = writeln!(
        text,
        "sessions {} of {}, queues {} of {}",
        self::text(&status["sessions"]),
        self::text(&status["max_sessions"]),
        size(number(&memory["used"])),
        size(number(&memory["limit"])),
    );
    for listener in status["listeners"].as_array().into_iter().flatten() {
        let tls = if listener["tls"] == true {
            " (TLS)"
        } else {
            ""
        };
        let _ = writeln!(
            text,
            "listening on {}{tls}",
            self::text(&listener["address"])
        );
    }
    let totals = &status["totals"];
    let ended = totals["ended"].as_object().into_iter().flatten();
    let ended: u64 = ended.map(|(_, count)| number(count)).sum();
    let _ = writeln!(
        text,
        "since the start: {} opened, {ended} ended, {} messages in, {} out",
        number(&totals["opened"]),
        number(&totals["received"]["messages"]),
        number(&totals["sent"]["messages"]),
    );
    let transports = status["transports"].as_object().into_iter().flatten();
    let transports: Vec<_> = transports
        .map(|(name, count)| format!("{} {count}", plain(name)))
        .collect();
    if !transports.is_empty() {
        let _ = writeln!(text, "transports: {}", transports.join(", "));
    }
    let services = status["services"].as_array().into_iter().flatten();
    let rows: Vec<_> = services.map(service).collect();
    if !rows.is_empty() {
        let heading = [
            "SERVICE", "SESSIONS", "LIMIT", "QUEUES", "BACKEND", "UPSTREAM",
        ];
        let _ = write!(text, "\n{}", table(&heading, &rows, &[1, 2, 3]));
    }
    text
}

fn service(service: &Value) -> Vec<String> {
    let upstream = &service["upstream"];
    let health = match upstream["up"].as_bool() {
        None if upstream.is_null() => "-".to_owned(),
        None => "not tried yet".to_owned(),
        Some(true) => format!("up, {}", dials(&upstream["succeeded"])),
        Some(false) => {
            let failed = dials(&upstream["failed_in_a_row"]);
            match upstream["refuses"].as_u64() {
                Some(status) => format!("reached, refuses: {status}, {failed} in a row"),
                None => format!("DOWN, {failed} in a row: {}", text(&upstream["problem"])),
            }
        }
    };
    let prefix = text(&service["prefix"]);
    let leaving = if service["leaving"] == true {
        " (leaving)"
    } else {
        ""
    };
    vec![
        format!("{prefix}{leaving}"),
        text(&service["sessions"]),
        text(&service["max_sessions"]),
        size(service["queue_memory"]["used"].as_u64().unwrap_or(0)),
        text(&service["backend"]),
        health,
    ]
}

/// So many dials.
fn dials(count: &Value) -> String {
    let what = if *count == 1 { "dial" } else { "dials" };
    format!("{} {what}", text(count))
}

/// A list of sessions.
pub(crate) fn sessions(list: &Value) -> String {
    let all = list["sessions"].as_array().map_or(&[][..], Vec::as_slice);
    let row = |session: &Value| {
        let queued = ["to_browser", "to_backend"].map(|way| {
            let bytes = session["queued"][way]["bytes"].as_u64();
            bytes.unwrap_or(0)
        });
        let id = text(&session["id"]);
        vec![
            id.get(..8).unwrap_or(&id).to_owned(),
            text(&session["service"]),
            text(&session["transport"]),
            text(&session["state"]),
            age(session["age_seconds"].as_u64().unwrap_or(0)),
            text(&session["received"]["messages"]),
            text(&session["sent"]["messages"]),
            size(queued.iter().sum()),
            text(&session["address"]),
            text(&session["user"]),
        ]
    };
    let rows: Vec<_> = all.iter().map(row).collect();
    let heading = [
        "ID",
        "SERVICE",
        "TRANSPORT",
        "STATE",
        "AGE",
        "IN",
        "OUT",
        "QUEUED",
        "ADDRESS",
        "USER",
    ];
    let mut text = table(&heading, &rows, &[4, 5, 6, 7]);
    let total = list["total"].as_u64().unwrap_or(0);
    if total > rows.len() as u64 {
        let _ = writeln!(text, "{} of {total} sessions", rows.len());
    }
    text
}

/// Every value of an object, a line each; what is within one, with a dot.
pub(crate) fn fields(value: &Value) -> String {
    fn lines(text: &mut Vec<(String, String)>, before: &str, value: &Value) {
        for (key, value) in value.as_object().into_iter().flatten() {
            let key = format!("{before}{key}");
            if value.is_object() {
                lines(text, &format!("{key}."), value);
            } else {
                text.push((key, self::text(value)));
            }
        }
    }
    let mut all = Vec::new();
    lines(&mut all, "", value);
    let width = all.iter().map(|(key, _)| key.len()).max().unwrap_or(0);
    let line = |(key, value): &(String, String)| format!("{key:<width$}  {value}\n");
    all.iter().map(line).collect()
}

/// An event of a tap: `→` went to the browser, `←` came from it.
pub(crate) fn tapped(event: &Value) -> String {
    let seconds = event["age_ms"].as_f64().unwrap_or(0.0) / 1000.0;
    let mut text = String::new();
    if let Some(missed) = event["missed"].as_u64() {
        let _ = writeln!(text, "{:>11}  {missed} events missed", "");
    }
    let arrow = if event["direction"] == "in" {
        '←'
    } else {
        '→'
    };
    let _ = write!(
        text,
        "{seconds:>10.3}s  {arrow} {}",
        self::text(&event["frame"])
    );
    match event["frame"].as_str() {
        Some("messages") => {
            let (messages, bytes) = (&event["messages"], event["bytes"].as_u64());
            let _ = write!(text, "  {messages}, {}", size(bytes.unwrap_or(0)));
        }
        Some("close") => {
            let _ = write!(text, "  {} {}", event["code"], self::text(&event["reason"]));
        }
        _ => {}
    }
    text.push('\n');
    for content in event["contents"].as_array().into_iter().flatten() {
        let shown = match (&content["text"], &content["binary"]) {
            (Value::String(shown), _) if content["bytes"].is_null() => plain(shown),
            (Value::String(shown), _) => format!("{}… ({} B)", plain(shown), content["bytes"]),
            (_, bytes) => format!("({bytes} B of binary)"),
        };
        let _ = writeln!(text, "{:>11}    {shown}", "");
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A user's name cannot write to the operator's terminal.
    #[test]
    fn nothing_of_users_controls_the_terminal() {
        let list = json!({ "total": 1, "sessions": [{ "id": "3f2a9c1d-8b7e", "user": "\u{1b}[2Ja\nb\u{202e}" }] });
        let shown = sessions(&list);
        assert_eq!(shown.lines().count(), 2, "{shown}");
        assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown}");
        assert!(shown.contains("3f2a9c1d"), "{shown}");
    }

    /// Whether an upstream is reached, and whether it lets anybody in, are told apart.
    #[test]
    fn upstreams_are_up_or_down_or_refuse() {
        let shown = |upstream: Value| {
            let row = service(&json!({ "prefix": "/a", "upstream": upstream }));
            row.last().cloned().unwrap()
        };
        let up = json!({ "up": true, "succeeded": 1, "refuses": null });
        assert_eq!(shown(up), "up, 1 dial");
        let refuses =
            json!({ "up": false, "failed_in_a_row": 7, "refuses": 403, "problem": "answered 403" });
        assert_eq!(shown(refuses), "reached, refuses: 403, 7 dials in a row");
        let down = json!({ "up": false, "failed_in_a_row": 1, "refuses": null, "problem": "cannot connect" });
        assert_eq!(shown(down), "DOWN, 1 dial in a row: cannot connect");
        assert_eq!(shown(json!({ "up": null })), "not tried yet");
        assert_eq!(shown(Value::Null), "-");
    }

    #[test]
    fn ages_and_sizes_are_short() {
        for (seconds, shown) in [(0, "0s"), (67, "1m 7s"), (4000, "1h 6m"), (90_000, "1d 1h")] {
            assert_eq!(age(seconds), shown);
        }
        for (bytes, shown) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (3 << 30, "3.0 GiB"),
        ] {
            assert_eq!(size(bytes), shown);
        }
    }

    #[test]
    fn events_of_a_tap_are_lines() {
        let event = json!({
            "age_ms": 1234, "direction": "in", "frame": "messages", "messages": 1, "bytes": 5,
            "contents": [{ "text": "hello" }], "missed": 3,
        });
        let lines: Vec<_> = tapped(&event)
            .lines()
            .map(str::trim)
            .map(str::to_owned)
            .collect();
        assert_eq!(
            lines,
            ["3 events missed", "1.234s  ← messages  1, 5 B", "hello"]
        );
    }
}
