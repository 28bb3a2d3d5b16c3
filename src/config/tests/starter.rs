//! The file that `config default` prints: it can be filled in by taking away `#`.

use super::super::starter::EXAMPLE;
use super::super::*;
use super::{load, parsed};

/// A line of the file that can be taken out of its comment: a key, or the name of a table.
#[derive(Debug)]
struct Line<'a> {
    at: usize,
    /// The table that it stands in, as its name is written there; empty above all tables.
    table: &'a str,
    key: &'a str,
    is_example: bool,
}

/// Whether a commented line is the name of a table.
fn commented_table(line: &str) -> Option<&str> {
    line.strip_prefix("#[[")
        .and_then(|rest| rest.strip_suffix("]]"))
}

fn lines(file: &str) -> Vec<Line<'_>> {
    let (mut all, mut table, mut before) = (Vec::new(), "", "");
    for (at, line) in file.lines().enumerate() {
        if let Some(name) = commented_table(line) {
            table = name;
        } else if line.starts_with('[') {
            table = line.trim_matches(['[', ']']);
        } else if let Some((key, _)) = line
            .strip_prefix('#')
            .and_then(|rest| rest.split_once(" = "))
            && key
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || b"_0123456789".contains(&byte))
        {
            let is_example = before == EXAMPLE;
            all.push(Line {
                at,
                table,
                key,
                is_example,
            });
        }
        before = line;
    }
    all
}

/// The file with these lines taken out of their comments.
fn uncommented(file: &str, taken: impl Fn(usize, &str) -> bool) -> String {
    let lines = file.lines().enumerate();
    let lines = lines.map(|(at, line)| match line.strip_prefix('#') {
        Some(rest) if taken(at, line) => rest,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// It runs as it is, and says the defaults.
#[test]
fn it_says_the_defaults() {
    let file = default_file();
    let plain = parsed(&file);
    let lines = lines(&file);
    let is_default = |line: &&Line<'_>| {
        let of_list = ["auth", "listener"]
            .iter()
            .any(|list| line.table.starts_with(list));
        !line.is_example && !of_list && !line.table.ends_with("pin")
    };
    let defaults: Vec<_> = lines
        .iter()
        .filter(is_default)
        .map(|line| line.at)
        .collect();
    let said = parsed(&uncommented(&file, |at, _| defaults.contains(&at)));
    assert_eq!(
        format!("{:?}", plain.services),
        format!("{:?}", said.services)
    );
    assert_eq!(
        (&plain.listen, &plain.server, &plain.gateway),
        (&said.listen, &said.server, &said.gateway)
    );
    assert!(defaults.len() > 50, "{}", defaults.len());
    assert_eq!(
        said.show_json(true).as_array().map(Vec::len),
        Some(defaults.len() + 2)
    );
}

/// Each key can be set alone, with the name of its table where that is commented too: it is accepted, or the message names what else it
/// needs. Nothing else can be wrong with an example, and no key ends up in another table than the one that it is of.
#[test]
fn every_key_can_be_set_by_taking_away_its_comment() {
    /// Ends of what is said of keys that are right but for what is not there.
    const NEEDS: [&str; 12] = [
        "is missing",
        "has no effect without",
        "means nothing beside",
        "cannot read /",
        "cannot be read",
        "says nothing",
        "there is no authenticator \"users\"; write [[auth]]",
        "is for wss:// backends only",
        "clients are not asked for a certificate; write client_ca",
        "clients show certificates over TLS only; write [[listener.tls]]",
        "no listener asks clients for certificates; write client_ca",
        "is for Unix sockets only",
    ];
    let file = default_file();
    let lines = lines(&file);
    // What a table must have.
    let must = |table: &str, key: &str, of: &str| match of {
        "auth" => key == "name" && table == of,
        "listener" => key == "address" && table == of,
        "listener.tls" => table == of || (key == "address" && table == "listener"),
        _ => key == "clients" && table == of && of.ends_with("pin"),
    };
    let mut accepted = 0;
    for line in &lines {
        let also = lines
            .iter()
            .filter(|other| must(other.table, other.key, line.table));
        let also: Vec<_> = also.map(|other| other.at).collect();
        let text = uncommented(&file, |at, text| {
            let is_table = commented_table(text).is_some_and(|name| {
                line.table == name || line.table.starts_with(&format!("{name}."))
            });
            at == line.at || is_table || also.contains(&at)
        });
        match load(&text, &[], &[]) {
            Ok(_) => accepted += 1,
            Err(message) => {
                for said in message.lines() {
                    assert!(
                        NEEDS.iter().any(|needs| said.contains(needs)),
                        "{line:?}: {said}"
                    );
                }
            }
        }
    }
    assert!(accepted > 95, "{accepted} of {}", lines.len());
}

/// With a key set in every table, those at the top are still at the top: a table that is used takes no key of another.
#[test]
fn keys_at_the_top_are_above_all_tables() {
    let file = default_file();
    let first_table = file
        .lines()
        .position(|line| line.starts_with("#[[") || line.starts_with('['));
    let first_table = first_table.expect("there are tables");
    let lines = lines(&file);
    let top = lines.iter().filter(|line| line.table.is_empty());
    assert!(top.clone().count() >= 5);
    assert!(top.into_iter().all(|line| line.at < first_table));
}

/// What excludes each other, and what is of use only beside something else, is marked.
#[test]
fn what_needs_or_excludes_something_else_is_marked() {
    let file = default_file();
    let joined = file.replace("\n# ", " ");
    for marked in [
        "exactly one of `jwks_file`, `jwks_url`, `secret_file`, `client_certificate` and `forward_url` must be there",
        "Only with jwks_url.",
        "Only with jwks_url or forward_url.",
        "Only with secret_file, jwks_file or jwks_url, and \"message\" in from.",
        "Only with client_ca.",
        "Only with sessions_per_second.",
    ] {
        assert!(joined.contains(marked), "{marked}");
    }
}

/// A key at the wrong place is told where it belongs, in tables of lists too.
#[test]
fn keys_in_tables_of_lists_are_told_where_they_belong() {
    for (text, expected) in [
        (
            "[[listener]]\naddress = \"127.0.0.1:1\"\ntrusted_proxies = []\n",
            "FILE:3:1: listener 127.0.0.1:1: there is no key \"trusted_proxies\" here; it belongs into the top of the file, above all tables",
        ),
        (
            "[[auth]]\nname = \"a\"\nmax_sessions = 5\n",
            "FILE:3:1: auth \"a\": there is no key \"max_sessions\" here; it belongs into the top of the file, above all tables",
        ),
        (
            "[[listener]]\naddress = \"127.0.0.1:1\"\nbacklog = 5\n",
            "it belongs into [server]",
        ),
        (
            "[[auth]]\nname = \"a\"\nheartbeat_delay = \"5s\"\n",
            "it belongs into [[service]] or [defaults]",
        ),
    ] {
        let message = super::error(&format!("{text}{}", super::SERVICE));
        assert!(message.contains(expected), "{message}");
    }
}
