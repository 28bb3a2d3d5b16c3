//! How many instructions the paths take that every message goes through, counted by valgrind's callgrind: a regression check
//! that nothing else on the machine can disturb.
//!
//! `cargo bench --bench instructions` compares with `benches/instructions.tsv` and leaves with 1 when a path takes more than
//! 5 % more; `-- --update` writes that file.

mod paths;

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use paths::{Echo, SocketEcho, Text, decode, framings, wrap};
use sockjs_gateway::Message;

/// Runs of a path that are counted; twice as many are counted too, so that what comes before and after cancels out.
const RUNS: u64 = 500;
/// More than that is a regression.
const TOLERANCE: f64 = 1.05;

/// Name, and what to do so many times.
fn cases() -> Vec<(String, Box<dyn FnMut()>)> {
    let mut cases: Vec<(String, Box<dyn FnMut()>)> = Vec::new();
    for (name, text) in [
        ("ascii", Text::Ascii),
        ("letters", Text::Letters),
        ("quotes", Text::Quotes),
    ] {
        for size in [64, 4096] {
            let body = text.body(size);
            let name = format!("decode {name} {size}");
            cases.push((name, Box::new(move || drop(decode(&body)))));
        }
    }
    for size in [64, 4096] {
        for (carrier, framing) in framings() {
            let message = [Message::from(Text::Ascii.of(size))];
            let name = format!("wrap {carrier} ascii {size}");
            cases.push((name, Box::new(move || drop(wrap(&*framing, &message)))));
        }
    }
    let message = Message::from(Text::Ascii.of(64));
    let mut echo = Echo::new();
    cases.push((
        "session echo".to_owned(),
        Box::new(move || echo.round(&message)),
    ));
    let mut raw = None;
    cases.push((
        "raw echo".to_owned(),
        Box::new(move || raw.get_or_insert_with(SocketEcho::raw).round()),
    ));
    let mut sockjs = None;
    cases.push((
        "websocket echo".to_owned(),
        Box::new(move || sockjs.get_or_insert_with(SocketEcho::sockjs).round()),
    ));
    cases
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        [] => compare(false),
        ["--update"] => compare(true),
        ["--case", name, count] => run(name, count),
        _ => Err("usage: cargo bench --bench instructions [-- --update]".into()),
    };
    outcome.unwrap_or_else(|error| {
        let _ = writeln!(std::io::stderr(), "instructions: {error}");
        ExitCode::FAILURE
    })
}

fn run(name: &str, count: &str) -> Result<ExitCode, Box<dyn Error>> {
    let mut cases = cases();
    let case = cases.iter_mut().find(|(known, _)| known == name);
    let (_, path) = case.ok_or("there is no such case")?;
    for _ in 0..count.parse::<u64>()? {
        path();
    }
    Ok(ExitCode::SUCCESS)
}

/// Instructions of one run of a path.
fn count(name: &str) -> Result<u64, Box<dyn Error>> {
    let collect = |runs: u64| -> Result<u64, Box<dyn Error>> {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(std::env::current_exe()?)
            .args(["--case", name, &runs.to_string()])
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("valgrind does not start: {error}"))?;
        let said = String::from_utf8_lossy(&output.stderr);
        let collected = said
            .lines()
            .find_map(|line| line.split_once("Collected : "));
        let (_, collected) =
            collected.ok_or_else(|| format!("valgrind counted nothing: {said}"))?;
        Ok(collected.trim().parse()?)
    };
    Ok(collect(2 * RUNS)?.saturating_sub(collect(RUNS)?) / RUNS)
}

fn compare(update: bool) -> Result<ExitCode, Box<dyn Error>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.tsv");
    let known = std::fs::read_to_string(&file).unwrap_or_default();
    let before = |name: &str| {
        let line = known.lines().filter_map(|line| line.split_once('\t'));
        line.filter(|(known, _)| *known == name)
            .find_map(|(_, count)| count.parse::<u64>().ok())
    };
    let mut counted = String::new();
    let mut worse = 0;
    for (name, _) in cases() {
        let now = count(&name)?;
        writeln!(counted, "{name}\t{now}")?;
        let change = before(&name).map(|before| now as f64 / before.max(1) as f64);
        let mark = match change {
            Some(change) if change > TOLERANCE => {
                worse += 1;
                "  WORSE"
            }
            _ => "",
        };
        let change = change.map_or_else(|| "new".to_owned(), |change| format!("{change:.3}"));
        writeln!(std::io::stdout(), "{name:<32} {now:>8} {change:>8}{mark}")?;
    }
    if update {
        std::fs::write(&file, counted)?;
    } else if worse > 0 {
        return Err(format!(
            "{worse} paths take more instructions than before; --update accepts that"
        )
        .into());
    }
    Ok(ExitCode::SUCCESS)
}
