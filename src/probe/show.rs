//! What a person sees: progress while it runs, then a short report.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};

use crate::doctor::{Finding, Outcome, Severity, Tested};

use super::Examination;
use super::idle::seconds_text;

/// One line on standard error that changes, where somebody looks at it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    shown: bool,
}

impl Progress {
    /// Shown when standard error is a terminal.
    pub(super) fn new() -> Self {
        Self {
            shown: std::io::stderr().is_terminal(),
        }
    }

    pub(super) fn step(self, what: &str) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K{what} …");
        }
    }

    /// Takes the line away.
    pub(super) fn done(self) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

/// How the report is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    colours: bool,
    /// Columns of a line.
    width: usize,
}

const PLAIN: Style = Style {
    colours: false,
    width: 96,
};

impl Style {
    /// With colours when standard output is a terminal and `NO_COLOR` is not set.
    pub(super) fn of_stdout() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self {
            colours: wanted && std::io::stdout().is_terminal(),
            ..PLAIN
        }
    }

    fn paint(self, code: &str, text: &str) -> String {
        let text = &plain(text);
        if self.colours {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    fn bold_lines(self, text: &str) -> String {
        let lines = text.lines().map(|line| self.paint("1", line) + "\n");
        lines.collect()
    }

    fn mark(self, good: bool) -> String {
        if good {
            self.paint("32", "✔")
        } else {
            self.paint("31", "✘")
        }
    }

    /// `text` in lines that begin with `first` or as many blanks.
    fn wrapped(self, first: &str, text: &str) -> String {
        let indent = first.chars().count();
        let mut lines = first.to_owned();
        let mut column = indent;
        for (index, word) in plain(text).split_whitespace().enumerate() {
            let length = word.chars().count();
            if index > 0 && column + 1 + length > self.width {
                lines.push('\n');
                lines.extend(std::iter::repeat_n(' ', indent));
                column = indent;
            } else if index > 0 {
                lines.push(' ');
                column += 1;
            }
            lines.push_str(word);
            column += length;
        }
        lines.push('\n');
        lines
    }
}

/// The report: figures, the verdict, what to change, the code.
pub(super) fn report(done: &Examination, style: Style) -> String {
    defended(&rendered(done, style), style)
}

fn rendered(done: &Examination, style: Style) -> String {
    let mut text = String::new();
    let url = &plain(done.report.url.as_deref().unwrap_or_default());
    let proxy = done.report.proxy.as_deref().map(plain);
    let through = proxy.map(|proxy| format!(", through the proxy {proxy}"));
    let _ = writeln!(
        text,
        "{}{}\n",
        style.paint("1", url),
        through.unwrap_or_default()
    );
    figures(&mut text, done, style);
    text.push_str(&style.bold_lines(&style.wrapped("", &done.verdict.summary)));
    for finding in &done.verdict.findings {
        text.push('\n');
        show(&mut text, finding, style);
    }
    if let Some(code) = done.code.as_deref().map(plain) {
        let _ = writeln!(
            text,
            "\nThe result is kept for a day: {url}/doctor?result={code}\nTell the code {} to whoever runs the service.",
            style.paint("1", &code)
        );
    }
    text
}

fn show(text: &mut String, finding: &Finding, style: Style) {
    let (colour, word) = match finding.severity {
        Severity::Problem => ("31", "PROBLEM"),
        Severity::Note => ("33", "NOTE"),
        Severity::Good => ("32", "GOOD"),
    };
    let _ = writeln!(
        text,
        "{}  {}",
        style.paint(colour, &format!("{word:<7}")),
        style.paint("1", &finding.title)
    );
    text.push_str(&style.wrapped("         ", &finding.what));
    if finding.severity == Severity::Good {
        return;
    }
    if !finding.evidence.is_empty() {
        text.push_str(&style.wrapped("         Measured: ", &finding.evidence));
    }
    for advice in &finding.advice {
        let how = format!("{}: {}", advice.place, advice.how);
        text.push_str(&style.wrapped("         → ", &how));
    }
}

/// A line per test.
fn figures(text: &mut String, done: &Examination, style: Style) {
    let report = &done.report;
    if let Some(info) = &report.info {
        let middle = middle(&info.round_trips_ms);
        let what = match (middle, &info.error) {
            (Some(trip), _) => format!("answers in {}", ms(trip)),
            (None, Some(error)) => clean(error),
            (None, None) => "no answer".to_owned(),
        };
        row(text, &style.mark(middle.is_some()), "/info", &what);
    }
    for tested in &report.transports {
        let good = tested.outcome == Outcome::Works;
        row(text, &style.mark(good), &tested.name, &outcome(tested));
    }
    sizes(text, done, style);
    for idle in &report.idle {
        let what = match (idle.lost_after_s, idle.survived_s) {
            (Some(lost), _) => format!("cut in a silence of {}", seconds_text(lost)),
            (None, Some(survived)) => format!("survives a silence of {}", seconds_text(survived)),
            (None, None) => continue,
        };
        let name = format!("{} idle", idle.transport);
        row(text, &style.mark(idle.lost_after_s.is_none()), &name, &what);
    }
    if let Some(busy) = &report.busy {
        let (good, what) = match (busy.lost_after_s, busy.survived_s) {
            (Some(lost), _) => (false, format!("cut after {}", seconds_text(lost))),
            (None, Some(survived)) => (true, format!("alive after {}", seconds_text(survived))),
            (None, None) => return text.push('\n'),
        };
        row(text, &style.mark(good), "websocket busy", &what);
    }
    text.push('\n');
}

fn sizes(text: &mut String, done: &Examination, style: Style) {
    let upload = done
        .report
        .upload
        .iter()
        .map(|upload| (upload.bytes, upload.ok));
    let download = done
        .report
        .download
        .iter()
        .map(|download| (download.bytes, download.ok));
    let ways: [(&str, Vec<(f64, bool)>); 2] = [
        ("sending", upload.collect()),
        ("receiving", download.collect()),
    ];
    for (name, sizes) in ways {
        let Some((last, good)) = sizes.last() else {
            continue;
        };
        let size = format!("{:.0} KiB", last / 1024.0);
        let what = if *good {
            format!("messages up to {size}")
        } else {
            format!("not messages of {size}")
        };
        row(text, &style.mark(*good), name, &what);
    }
}

fn row(text: &mut String, mark: &str, name: &str, what: &str) {
    let (name, what) = (plain(name), plain(what));
    let _ = writeln!(text, "  {mark} {name:<20} {what}");
}

fn outcome(tested: &Tested) -> String {
    let opened = tested.opened_ms.map(ms).unwrap_or_default();
    let error = tested.error.as_deref().map(clean).unwrap_or_default();
    match tested.outcome {
        Outcome::Works => match middle(&tested.echo_ms) {
            Some(echo) => format!("open after {opened}, a message takes {}", ms(echo)),
            None => format!("open after {opened}"),
        },
        Outcome::Refused => format!("does not open: {error}"),
        Outcome::Timeout => format!("does not open: {error}"),
        Outcome::Dies => format!("open after {opened}, then lost: {error}"),
        Outcome::Stalls => format!("open after {opened}, then stuck: {error}"),
        Outcome::Unsupported | Outcome::Skipped => "not tested".to_owned(),
    }
}

fn middle(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().checked_sub(1)? / 2).copied()
}

fn ms(milliseconds: f64) -> String {
    if milliseconds < 1000.0 {
        format!("{milliseconds} ms")
    } else {
        seconds_text(milliseconds / 1000.0)
    }
}

/// Text from the network: short, and [`plain`].
fn clean(text: &str) -> String {
    plain(text).chars().take(160).collect()
}

/// What stays where it is written: neither cursor nor colour, no line of its own, no other direction.
fn plain(text: &str) -> String {
    let blank = |character: char| if character == '\n' { ' ' } else { character };
    text.chars()
        .map(blank)
        .filter(|&character| stays(character))
        .collect()
}

fn stays(character: char) -> bool {
    let turns = matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !character.is_control() && !turns
}

/// Should a text from outside have come in on a way that was overlooked: what is left to it are line ends, and the colours of
/// [`Style::paint`] where there are colours.
fn defended(text: &str, style: Style) -> String {
    let painted = |rest: &str| {
        let codes = ["\x1b[0m", "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[33m"];
        style.colours && codes.iter().any(|code| rest.starts_with(code))
    };
    let kept = text.char_indices().filter(|&(index, character)| {
        stays(character) || character == '\n' || painted(&text[index..])
    });
    kept.map(|(_, character)| character).collect()
}

#[cfg(test)]
mod tests {
    use crate::doctor::verdict::judge;
    use crate::doctor::{Report, Seen};

    use super::*;

    fn rendered(json: &str) -> String {
        let report = Report::parse(json.as_bytes()).expect("a report");
        let done = Examination {
            verdict: judge(&report, &Seen::default()),
            report,
            seen: None,
            code: Some("K7QM-29XF".to_owned()),
        };
        super::report(&done, PLAIN)
    }

    /// A line for each transport, the verdict, and what to do.
    #[test]
    fn report_has_figures_verdict_and_code() {
        let text = rendered(
            r#"{"schema":1,"run":"0123456789abcdef","agent":"terminal","url":"http://a.example/echo","proxy":"http://proxy.example:3128",
               "info":{"round_trips_ms":[3,2,4],"websocket":true},
               "transports":[{"name":"websocket","outcome":"refused","status":400,"error":"http status 400"},
                             {"name":"xhr-polling","outcome":"works","opened_ms":2.5,"echo_ms":[1,2,3]}],
               "upload":[{"bytes":4096,"ok":true}],"idle":[{"transport":"xhr-polling","lost_after_s":3.0}]}"#,
        );
        for expected in [
            "http://a.example/echo, through the proxy http://proxy.example:3128",
            "✔ /info                answers in 3 ms",
            "✘ websocket            does not open: http status 400",
            "✔ xhr-polling          open after 2.5 ms, a message takes 2 ms",
            "✔ sending              messages up to 4 KiB",
            "✘ xhr-polling idle     cut in a silence of 3 s",
            "PROBLEM  ",
            "→ the SockJS server: A heartbeat every 1 s",
            "Tell the code K7QM-29XF",
        ] {
            assert!(
                text.contains(expected),
                "{expected:?} is missing in\n{text}"
            );
        }
        assert!(
            text.lines().all(|line| line.chars().count() <= 110),
            "{text}"
        );
    }

    /// What a hostile server says cannot write on the terminal.
    #[test]
    fn control_characters_are_not_shown() {
        let text = rendered(
            r#"{"schema":1,"run":"0123456789abcdef","agent":"terminal",
               "info":{"error":"\u001b[2Jgone"},"transports":[{"name":"websocket","outcome":"dies","error":"\u001b]0;x\u0007"}]}"#,
        );
        assert!(!text.contains(['\u{1b}', '\u{7}']), "{text:?}");
    }

    /// Whatever field it comes in, and with colours too.
    #[test]
    fn no_field_writes_on_the_terminal() {
        let evil = "x\u{1b}[2J\u{9b}31m\u{7}\u{202e}\n\nPROBLEM  forged";
        let report = Report {
            url: Some(evil.into()),
            proxy: Some(evil.into()),
            transports: vec![Tested {
                name: evil.into(),
                ..Tested::default()
            }],
            ..Report::default()
        };
        let mut verdict = judge(&report, &Seen::default());
        verdict.summary = evil.into();
        for finding in &mut verdict.findings {
            (finding.title, finding.what, finding.evidence) =
                (evil.into(), evil.into(), evil.into());
            for advice in &mut finding.advice {
                (advice.place, advice.how) = (evil.into(), evil.into());
            }
        }
        assert!(!verdict.findings.is_empty());
        let done = Examination {
            report,
            seen: None,
            verdict,
            code: Some(evil.into()),
        };
        for colours in [false, true] {
            let style = Style { colours, ..PLAIN };
            let mut text = super::report(&done, style);
            assert_eq!(text.contains("\u{1b}[1m"), colours, "{text:?}");
            for code in ["0", "1", "31", "32", "33"] {
                text = text.replace(&format!("\u{1b}[{code}m"), "");
            }
            let writes = |character: char| !stays(character) && character != '\n';
            assert!(!text.contains(writes), "{text:?}");
            let forged = |line: &str| line.starts_with("PROBLEM  forged");
            assert!(!text.lines().any(forged), "{text}");
        }
        let style = Style {
            colours: true,
            ..PLAIN
        };
        assert_eq!(
            defended("a\u{1b}[31mb\u{1b}[2Jc\u{9b}\n", style),
            "a\u{1b}[31mb[2Jc\n"
        );
        assert_eq!(defended("a\u{1b}[31mb", PLAIN), "a[31mb");
    }
}
