//! The documentation of all metrics.

use std::fmt::Write as _;

use super::labels::LABELS;
use super::table::{Family, TABLE};

const HEAD: &str = include_str!("reference/head.md");
const FOOT: &str = include_str!("reference/foot.md");

/// The page `docs/metrics.md`.
pub fn reference() -> String {
    let mut page = HEAD.to_owned();
    page.push_str("\n## Metrics\n\n| name | type | labels | meaning |\n|---|---|---|---|\n");
    for Family {
        name,
        kind,
        labels,
        help,
        ..
    } in TABLE
    {
        let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {help} |",
            kind.sample(name),
            kind.name(),
            labels.join(", ")
        );
    }
    page.push_str("\n## Labels\n\n");
    for label in LABELS {
        let _ = writeln!(page, "`{}`: {}.\n", label.name, label.about);
        let values = (label.values)();
        if values.is_empty() {
            continue;
        }
        page.push_str("| value | meaning |\n|---|---|\n");
        for (value, about) in values {
            let _ = writeln!(page, "| `{value}` | {about} |");
        }
        page.push('\n');
    }
    page.push_str(FOOT);
    page
}
