//! The shape of the source tree: who may import whom, how long files may get. CONTRIBUTING.md explains the layout.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// What a module may import from this crate, and which crates and words it must not name.
struct Rule {
    module: &'static str,
    may_import: &'static [&'static str],
    must_not_name: &'static [&'static str],
}

/// No runtime, HTTP, locks, sockets or logging, and neither clock nor randomness: input in, output out.
const IMPURE: &[&str] = &[
    "tokio",
    "hyper",
    "hyper_util",
    "parking_lot",
    "tungstenite",
    "tokio_tungstenite",
    "futures_util",
    "tracing",
    "rand",
    "SystemTime",
    "Instant::now",
    "Mutex",
    "RwLock",
    // Addresses are values.
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "std::fs",
    "std::thread",
];

const RULES: &[Rule] = &[
    Rule {
        module: "protocol",
        may_import: &["protocol"],
        must_not_name: IMPURE,
    },
    Rule {
        module: "session",
        may_import: &["moment", "protocol", "session"],
        must_not_name: IMPURE,
    },
    Rule {
        module: "closes",
        may_import: &["protocol"],
        must_not_name: IMPURE,
    },
    Rule {
        module: "moment",
        may_import: &[],
        must_not_name: IMPURE,
    },
    Rule {
        module: "fields",
        may_import: &["fields"],
        must_not_name: IMPURE,
    },
    Rule {
        module: "identity",
        may_import: &["fields", "identity", "moment", "protocol", "secret"],
        must_not_name: IMPURE,
    },
    Rule {
        module: "secret",
        may_import: &[],
        must_not_name: IMPURE,
    },
    Rule {
        module: "auth",
        may_import: &[
            "auth", "fields", "identity", "outward", "protocol", "registry",
        ],
        must_not_name: &["hyper", "hyper_util", "tungstenite"],
    },
    Rule {
        module: "throttle",
        may_import: &[],
        must_not_name: &["hyper"],
    },
    Rule {
        module: "procfs",
        may_import: &[],
        must_not_name: &["tokio", "hyper"],
    },
    Rule {
        module: "network",
        may_import: &["fields", "moment", "network", "throttle"],
        must_not_name: &[
            "tokio",
            "hyper",
            "hyper_util",
            "tungstenite",
            "tokio_tungstenite",
            "rand",
            "Instant::now",
        ],
    },
    Rule {
        module: "registry",
        may_import: &[
            "fields", "identity", "moment", "network", "protocol", "session", "registry",
            "throttle",
        ],
        must_not_name: &["hyper", "hyper_util", "tungstenite", "tokio_tungstenite"],
    },
    Rule {
        module: "websocket",
        may_import: &["protocol", "websocket"],
        must_not_name: &["hyper", "hyper_util", "parking_lot"],
    },
    Rule {
        module: "backend",
        may_import: &["protocol", "session", "registry", "websocket", "backend"],
        must_not_name: &["hyper", "hyper_util"],
    },
    Rule {
        module: "transport",
        may_import: &[
            "fields",
            "identity",
            "network",
            "protocol",
            "session",
            "registry",
            "websocket",
            "transport",
        ],
        must_not_name: &["parking_lot"],
    },
    Rule {
        module: "doctor",
        may_import: &[
            "closes",
            "fields",
            "protocol",
            "session",
            "registry",
            "transport",
            "doctor",
        ],
        must_not_name: &["hyper", "hyper_util", "tungstenite", "tokio_tungstenite"],
    },
    Rule {
        module: "metrics",
        may_import: &["metrics", "network", "procfs", "registry", "session"],
        must_not_name: &[
            "tokio",
            "hyper",
            "hyper_util",
            "tungstenite",
            "tokio_tungstenite",
        ],
    },
    Rule {
        module: "service",
        may_import: &[
            "fields",
            "identity",
            "metrics",
            "network",
            "protocol",
            "session",
            "registry",
            "transport",
            "doctor",
            "service",
        ],
        must_not_name: &["tokio_tungstenite"],
    },
    Rule {
        module: "server",
        may_import: &[
            "fields",
            "metrics",
            "protocol",
            "registry",
            "transport",
            "service",
            "server",
        ],
        must_not_name: &["parking_lot", "tokio_tungstenite"],
    },
    Rule {
        module: "admin",
        may_import: &[
            "admin",
            "fields",
            "metrics",
            "moment",
            "protocol",
            "registry",
            "secret",
            "server",
            "service",
            "session",
            "transport",
        ],
        must_not_name: &["hyper", "hyper_util", "tokio_tungstenite"],
    },
    Rule {
        module: "remote",
        may_import: &["remote", "server"],
        must_not_name: &["parking_lot", "tokio_tungstenite"],
    },
    Rule {
        module: "config",
        may_import: &[
            "admin",
            "auth",
            "backend",
            "config",
            "identity",
            "network",
            "protocol",
            "registry",
            "server",
            "service",
            "session",
            "transport",
        ],
        must_not_name: &["hyper", "parking_lot"],
    },
    Rule {
        module: "client",
        may_import: &["client", "outward", "protocol"],
        must_not_name: &["hyper", "hyper_util", "SystemTime::now", "spawn"],
    },
    Rule {
        module: "outward",
        may_import: &["backend", "outward"],
        must_not_name: &["hyper", "hyper_util", "SystemTime::now", "spawn"],
    },
    Rule {
        module: "arguments",
        may_import: &["client"],
        must_not_name: &["tokio", "hyper", "parking_lot"],
    },
    Rule {
        module: "bench",
        may_import: &["arguments", "bench", "client", "procfs", "protocol"],
        must_not_name: &["hyper", "hyper_util", "tokio_tungstenite"],
    },
    Rule {
        module: "probe",
        may_import: &[
            "arguments",
            "backend",
            "client",
            "closes",
            "doctor",
            "outward",
            "probe",
            "transport",
        ],
        must_not_name: &["parking_lot"],
    },
    Rule {
        module: "recipes",
        may_import: &["recipes"],
        must_not_name: IMPURE,
    },
    Rule {
        module: "cli",
        may_import: &[
            "admin",
            "arguments",
            "backend",
            "bench",
            "cli",
            "client",
            "closes",
            "config",
            "probe",
            "protocol",
            "recipes",
            "remote",
            "server",
            "service",
        ],
        must_not_name: &["hyper", "parking_lot"],
    },
];

/// Most lines of code (tests, comments and blank lines excluded) of a file, and of a `mod.rs`.
const FILE_BUDGET: usize = 600;
const MOD_BUDGET: usize = 350;
const FEATURE_BUDGET: usize = 44;

struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// Path below `src`, e.g. `transport/xhr.rs`.
    fn name(&self) -> String {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        self.path
            .strip_prefix(root)
            .expect("every source is below src")
            .display()
            .to_string()
    }

    /// Whether this is a file of unit tests.
    fn is_test(&self) -> bool {
        self.name().contains("tests/") || self.name().ends_with("tests.rs")
    }

    fn module(&self) -> String {
        let name = self.name();
        name.split('/')
            .next()
            .unwrap_or_default()
            .trim_end_matches(".rs")
            .to_owned()
    }

    /// Numbered lines that are code: up to the unit tests, without comments and blank lines.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let tests = self
            .text
            .find("#[cfg(test)]\nmod tests {")
            .unwrap_or(self.text.len());
        let lines = self.text[..tests].lines().enumerate();
        lines
            .map(|(index, line)| (index + 1, line.trim()))
            .filter(|(_, line)| !line.is_empty() && !line.starts_with("//"))
    }
}

fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("src can be read") {
            let path = entry.expect("src can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source is text");
                found.push(Source { path, text });
            }
        }
    }
    assert!(
        found.len() > 40,
        "the walk over src found only {} files",
        found.len()
    );
    found
}

/// Whether `line` names `word` as a whole path segment or segments.
fn names(line: &str, word: &str) -> bool {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].ends_with(is_word) && !line[at + word.len()..].starts_with(is_word)
    })
}

fn assert_none(violations: &str) {
    assert!(violations.is_empty(), "\n{violations}");
}

/// Dependencies point one way: see the table in CONTRIBUTING.md.
#[test]
fn modules_import_only_what_they_may() {
    let mut violations = String::new();
    for source in sources() {
        let module = source.module();
        if ["lib", "main"].contains(&module.as_str()) || source.is_test() {
            continue;
        }
        let rule = RULES.iter().find(|rule| rule.module == module);
        let rule = rule.unwrap_or_else(|| {
            panic!(
                "{} belongs to a module without a rule; add one here",
                source.name()
            )
        });
        for (number, line) in source.code() {
            let imported = line.split("crate::").skip(1).map(|rest| {
                rest.split(|character: char| !character.is_alphanumeric() && character != '_')
                    .next()
                    .unwrap_or_default()
            });
            for import in
                imported.filter(|import| !import.is_empty() && !rule.may_import.contains(import))
            {
                let _ = writeln!(
                    violations,
                    "src/{}:{number}: {module} may not import crate::{import}",
                    source.name()
                );
            }
            for word in rule.must_not_name.iter().filter(|word| names(line, word)) {
                let _ = writeln!(
                    violations,
                    "src/{}:{number}: {module} may not name {word}",
                    source.name()
                );
            }
        }
    }
    assert_none(&violations);
}

/// What the client reads from a server is decided without a runtime, so that garbage can be tried on it in thousands.
#[test]
fn the_clients_decoding_is_pure() {
    let mut violations = String::new();
    let pure = [
        "outward/address",
        "outward/answer",
        "client/cookies",
        "client/frames",
        "client/info",
        "client/transport",
    ];
    let pure = pure.map(|name| format!("{name}.rs"));
    let sources = sources();
    let found: Vec<_> = sources
        .iter()
        .filter(|source| pure.contains(&source.name()))
        .collect();
    assert_eq!(found.len(), pure.len(), "the client's files have moved");
    for source in found {
        for (number, line) in source.code() {
            let impure = IMPURE.iter().filter(|&&word| word != "SystemTime");
            for word in impure.filter(|word| names(line, word)) {
                let _ = writeln!(
                    violations,
                    "src/{}:{number}: this part of the client may not name {word}",
                    source.name()
                );
            }
        }
    }
    assert_none(&violations);
}

/// What the bench counts does not depend on how it was measured.
#[test]
fn the_benchs_figures_are_pure() {
    let mut violations = String::new();
    let pure = ["payload", "plan", "tally"].map(|name| format!("bench/{name}.rs"));
    let sources = sources();
    let found = sources
        .iter()
        .filter(|source| pure.contains(&source.name()));
    let mut count = 0;
    for source in found {
        count += 1;
        for (number, line) in source.code() {
            for word in IMPURE.iter().filter(|word| names(line, word)) {
                let _ = writeln!(
                    violations,
                    "src/{}:{number}: figures may not name {word}",
                    source.name()
                );
            }
        }
    }
    assert_eq!(count, pure.len(), "the bench's files have moved");
    assert_none(&violations);
}

/// A verdict depends on nothing but the report and what was seen: the page and the terminal get the same.
#[test]
fn verdicts_are_pure() {
    let mut violations = String::new();
    let pure = |name: &str| name.starts_with("doctor/verdict/") || name == "doctor/report.rs";
    let sources = sources();
    let pure: Vec<_> = sources
        .iter()
        .filter(|source| pure(&source.name()))
        .collect();
    assert!(pure.len() > 2, "the verdict's files have moved");
    for source in pure {
        for (number, line) in source.code() {
            for word in IMPURE.iter().filter(|word| names(line, word)) {
                let _ = writeln!(
                    violations,
                    "src/{}:{number}: a verdict may not name {word}",
                    source.name()
                );
            }
        }
    }
    assert_none(&violations);
}

/// Only the session's handle opens its lock.
#[test]
fn sessions_are_locked_in_one_file() {
    let mut violations = String::new();
    for source in sources() {
        let holds_session =
            |line: &str| names(line, "Mutex") && (names(line, "Session") || names(line, "Locked"));
        for (number, _) in source.code().filter(|(_, line)| holds_session(line)) {
            if source.name() != "registry/handle.rs" {
                let _ = writeln!(
                    violations,
                    "src/{}:{number}: a session is locked outside registry/handle.rs",
                    source.name()
                );
            }
        }
    }
    assert_none(&violations);
}

/// Small files with one idea each.
#[test]
fn files_stay_within_their_budgets() {
    let mut violations = String::new();
    let mut features = 0;
    for source in sources() {
        let lines = source.code().count();
        let budget = if source.name().ends_with("mod.rs") {
            MOD_BUDGET
        } else {
            FILE_BUDGET
        };
        if lines > budget {
            let _ = writeln!(
                violations,
                "src/{}: {lines} lines of code, more than {budget}",
                source.name()
            );
        }
        if !source.text.starts_with("//!") {
            let _ = writeln!(
                violations,
                "src/{}: does not begin with //! and what lives here",
                source.name()
            );
        }
        features += source
            .code()
            .filter(|(_, line)| line.contains("cfg(feature"))
            .count();
    }
    if features > FEATURE_BUDGET {
        let _ = writeln!(
            violations,
            "{features} cfg(feature …) lines, more than {FEATURE_BUDGET}"
        );
    }
    assert_none(&violations);
}

/// A transport is one file and one row: nothing else in the source knows the name of its last URL segment.
#[test]
fn transports_are_known_to_their_file_and_the_table_only() {
    let mut violations = String::new();
    let segments = [
        "xhr_send",
        "xhr_streaming",
        "eventsource",
        "htmlfile",
        "jsonp",
        "jsonp_send",
    ];
    for source in sources() {
        for (number, line) in source.code() {
            for segment in segments
                .iter()
                .filter(|segment| line.contains(&format!("\"{segment}\"")))
            {
                let own = source.module() == "transport" && line.contains("Address::Session(");
                // The other side of the wire has a table of its own.
                let own = own || source.name() == "client/transport.rs";
                // A report has the transports by their names, and some are named like their segment.
                let named = line.contains("name: \"") || source.module() == "doctor";
                if !own && !named {
                    let _ = writeln!(
                        violations,
                        "src/{}:{number}: names the segment {segment:?}",
                        source.name()
                    );
                }
            }
        }
    }
    assert_none(&violations);
}
