//! The tables of `docs/performance.md`, and its charts.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;

use super::chart;
use super::figures::{Measured, Row, Shape, median};
use super::scenarios::{SCENARIOS, Scenario};

const BEGIN: &str = "<!-- begin measured -->";
const END: &str = "<!-- end measured -->";
const FLOOR: &str = "floor";
const GATEWAY: &str = "sockjs-gateway";

/// All tables.
pub(crate) fn markdown(measured: &Measured) -> String {
    let mut out = String::new();
    let machine = &measured.machine;
    let _ = writeln!(
        out,
        "Measured on {} processors of type {}, {} GiB, Linux {}, server and load on one each; medians of {} turns of {} s, in \
         brackets the ratio to the floor.\n",
        machine.processors,
        machine.processor,
        machine.memory_gib,
        machine.kernel,
        measured.rounds,
        measured.seconds
    );
    for (name, version) in &measured.versions {
        let _ = writeln!(out, "- {name} {version}");
    }
    for scenario in SCENARIOS {
        let rows: Vec<_> = measured
            .rows
            .iter()
            .filter(|row| row.scenario == scenario.name)
            .collect();
        if !rows.is_empty() {
            let _ = write!(
                out,
                "\n### {}\n\n{}",
                scenario.title,
                table(&rows, scenario)
            );
        }
    }
    out
}

fn peers<'a>(rows: &[&'a Row]) -> Vec<&'a str> {
    let mut peers: Vec<&str> = Vec::new();
    for row in rows {
        if !peers.contains(&row.peer.as_str()) {
            peers.push(&row.peer);
        }
    }
    peers
}

fn cases<'a>(rows: &[&'a Row]) -> Vec<(&'a str, Shape)> {
    let mut cases: Vec<(&str, Shape)> = Vec::new();
    for row in rows {
        let case = (row.transport.as_str(), row.shape);
        if !cases.contains(&case) {
            cases.push(case);
        }
    }
    cases
}

fn find<'a>(rows: &[&'a Row], case: (&str, Shape), peer: &str) -> Option<&'a Row> {
    rows.iter()
        .copied()
        .find(|row| row.transport == case.0 && row.shape == case.1 && row.peer == peer)
}

fn table(rows: &[&Row], scenario: &Scenario) -> String {
    let peers = peers(rows);
    let mut out = format!(
        "{}\n\n| transport | bytes | sessions | {} | load |\n",
        scenario.unit,
        peers.join(" | ")
    );
    let _ = writeln!(out, "|---|---|---|{}---|", "---|".repeat(peers.len()));
    let scale = scenario.scale;
    for case in cases(rows) {
        let (transport, shape) = case;
        let _ = write!(out, "| {transport} | {} | {} |", shape.size, shape.sessions);
        let floor = find(rows, case, FLOOR).and_then(Row::median);
        for peer in &peers {
            let row = find(rows, case, peer);
            let cell = match (row.and_then(Row::median), floor) {
                (None, _) => " – |".to_owned(),
                (Some(value), Some(floor)) if scenario.name != "idle" => {
                    format!(" {:.1} ({:.2}) |", value / scale, value / floor)
                }
                (Some(value), _) => format!(" {:.1} |", value / scale),
            };
            let wrong = row.map_or(0, |row| row.wrong);
            out.push_str(&if wrong > 0 {
                cell.replace(" |", &format!(", {wrong} lost |"))
            } else {
                cell
            });
        }
        let load = find(rows, case, GATEWAY).and_then(|row| median(&row.load));
        let _ = writeln!(
            out,
            " {} |",
            load.map_or_else(|| "–".to_owned(), |load| format!("{load:.1}"))
        );
    }
    out
}

/// Replaces what is between the markers of `page`, and draws the charts beside it.
///
/// # Errors
/// When the page cannot be read or written, or has no markers.
pub(crate) fn write(page: &Path, tables: &str, measured: &Measured) -> Result<(), Box<dyn Error>> {
    let text = std::fs::read_to_string(page)?;
    let begin = text.find(BEGIN).map(|at| at + BEGIN.len());
    let (Some(begin), Some(end)) = (begin, text.find(END)) else {
        return Err(format!("{} has no lines {BEGIN} and {END}", page.display()).into());
    };
    let folder = page
        .parent()
        .unwrap_or_else(|| Path::new("."))
        .join("performance");
    std::fs::create_dir_all(&folder)?;
    let echoes: Vec<_> = measured
        .rows
        .iter()
        .filter(|row| row.scenario == "echo")
        .collect();
    let mut charts = String::new();
    let mut shapes: Vec<Shape> = Vec::new();
    for (_, shape) in cases(&echoes) {
        if !shapes.contains(&shape) {
            shapes.push(shape);
        }
    }
    for shape in shapes {
        let name = format!("echo-{}x{}.svg", shape.size, shape.sessions);
        let title = format!(
            "Processor time per message: {} bytes, {} sessions",
            shape.size, shape.sessions
        );
        draw(&folder.join(&name), &title, &echoes, shape)?;
        let _ = writeln!(charts, "![{title}](performance/{name})\n");
    }
    let page_text = format!("{}\n\n{charts}{tables}\n{}", &text[..begin], &text[end..]);
    std::fs::write(page, page_text)?;
    Ok(())
}

fn draw(path: &Path, title: &str, rows: &[&Row], shape: Shape) -> Result<(), Box<dyn Error>> {
    let peers = peers(rows);
    let cases: Vec<_> = cases(rows)
        .into_iter()
        .filter(|(_, of)| *of == shape)
        .collect();
    let groups: Vec<&str> = cases.iter().map(|(transport, _)| *transport).collect();
    let ratio = |case: (&str, Shape), peer: &str| {
        let floor = find(rows, case, FLOOR)?.median()?;
        Some(find(rows, case, peer)?.median()? / floor)
    };
    let values: Vec<Vec<Option<f64>>> = cases
        .iter()
        .map(|case| peers.iter().map(|peer| ratio(*case, peer)).collect())
        .collect();
    chart::draw(path, title, &groups, &peers, &values)
}
