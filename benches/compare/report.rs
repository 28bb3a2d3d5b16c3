//! The measured part of `docs/performance.md`, and its charts.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;

use super::chart;
use super::figures::{Measured, Row, Shape};
use super::tables::{cases, find, peers};
use super::targets::FLOOR;

const BEGIN: &str = "<!-- begin measured -->";
const END: &str = "<!-- end measured -->";

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
        // The others are not of all servers.
        let is_usual = shape.size <= 4096 && shape.sessions <= 1000 && shape.in_flight == 1;
        if is_usual && !shapes.contains(&shape) {
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
        find(rows, case, peer)?.ratio_to(find(rows, case, FLOOR)?)
    };
    let values: Vec<Vec<Option<f64>>> = cases
        .iter()
        .map(|case| peers.iter().map(|peer| ratio(*case, peer)).collect())
        .collect();
    chart::draw(path, title, &groups, &peers, &values)
}
