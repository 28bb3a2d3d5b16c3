//! `proxy-config` as operators meet it, and the pages of `docs/proxies`, which show what it prints.
//!
//! `UPDATE_DOCS=1 cargo test --test proxy_config` writes what is printed now into the pages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const PROXIES: [&str; 6] = ["nginx", "haproxy", "caddy", "apache", "traefik", "envoy"];

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sockjs-gateway"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the shipped binary starts")
}

/// Standard output of a run that succeeds and says nothing else.
#[track_caller]
fn printed(arguments: &[&str]) -> String {
    let output = run(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
    assert_eq!(said, "", "{arguments:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[track_caller]
fn assert_usage_error(arguments: &[&str], expected: &str) {
    let output = run(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{arguments:?}: {said}");
    assert!(said.contains(expected), "{said:?} lacks {expected:?}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A file that is removed when dropped.
struct Configuration(PathBuf);

impl Configuration {
    fn new(name: &str, text: &str) -> Self {
        let file = format!("proxy-config-{}-{name}.toml", std::process::id());
        let path = std::env::temp_dir().join(file);
        fs::write(&path, text).expect("the file can be written");
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("our path is text")
    }
}

impl Drop for Configuration {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Lines that are not comments.
fn directives(text: &str) -> Vec<&str> {
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect()
}

/// Same arguments, same text: it can be kept under version control and compared.
#[test]
fn every_proxy_has_a_configuration_that_stays_the_same() {
    for proxy in PROXIES {
        let text = printed(&["proxy-config", proxy]);
        assert!(directives(&text).len() > 10, "{proxy}: {text}");
        assert!(text.is_ascii(), "{proxy}");
        assert_eq!(text, printed(&["proxy-config", proxy]));
        let same = ["--to", "ws://127.0.0.1:9000/socket", "--prefix", "/sockjs"];
        assert_eq!(
            text,
            printed(&[&["proxy-config", proxy][..], &same].concat())
        );
    }
}

/// The arguments that run one service give its proxy too.
#[test]
fn arguments_of_the_one_service_form_are_taken() {
    let text = printed(&[
        "proxy-config",
        "nginx",
        "--to",
        "ws://127.0.0.1:9000/socket",
        "--prefix",
        "/live",
        "--listen",
        "0.0.0.0:8090",
        "--origin",
        "https://app.example.com",
    ]);
    let lines = directives(&text);
    assert!(lines.contains(&"location ^~ /live/ {"), "{text}");
    // Who listens everywhere is reached on the own machine.
    assert!(lines.contains(&"server 127.0.0.1:8090;"), "{text}");
}

/// Prefixes, heartbeats, body sizes, the address and the idle timeout are those of the file.
#[test]
fn the_configuration_file_counts() {
    let file = Configuration::new(
        "counts",
        "listen = \"[::]:8090\"\n[server]\nidle_timeout = \"20s\"\n\
         [[service]]\nprefix = \"/a\"\nbackend = \"echo:\"\nheartbeat_delay = \"40s\"\n\
         [[service]]\nprefix = \"/b/c\"\nbackend = \"echo:\"\nmax_body_size = \"9MiB\"\n",
    );
    let arguments = ["proxy-config", "nginx", "--config", file.path()];
    let text = printed(&arguments);
    let lines = directives(&text);
    for line in [
        "server [::1]:8090;",
        "keepalive_timeout 16s;",
        "location ^~ /a/ {",
        "location ^~ /b/c/ {",
        "proxy_read_timeout 160s;",
        "client_max_body_size 10m;",
        "listen 80;",
    ] {
        assert!(lines.contains(&line), "{line}: {text}");
    }
    let more = [
        "--listen",
        "10.0.0.9:1",
        "--public-address",
        "::1",
        "--public-port",
        "8080",
    ];
    let text = printed(&[&arguments[..], &more].concat());
    let lines = directives(&text);
    assert!(lines.contains(&"server 10.0.0.9:1;"), "{text}");
    assert!(lines.contains(&"listen [::1]:8080;"), "{text}");
}

#[test]
fn mistakes_are_usage_errors() {
    let broken = Configuration::new(
        "broken",
        "[[service]]\nprefix = \"/a\"\nbackend = \"ftp:\"\n",
    );
    let plain = Configuration::new(
        "plain",
        "[[service]]\nprefix = \"/a b\"\nbackend = \"echo:\"\n",
    );
    let strange = Configuration::new(
        "strange",
        "[[service]]\nprefix = \"/a;b\"\nbackend = \"echo:\"\n",
    );
    for (arguments, expected) in [
        (&[][..], "<PROXY>"),
        (&["squid"], "nginx, haproxy, caddy, apache, traefik, envoy"),
        (
            &["nginx", "--config", "/nonexistent.toml"],
            "cannot read /nonexistent.toml",
        ),
        (&["nginx", "--config", broken.path()], "ftp:"),
        (&["nginx", "--config", plain.path()], "/a b"),
        (
            &["nginx", "--config", strange.path()],
            "letters, digits and - . _ ~",
        ),
        (&["nginx", "--config", "x.toml", "--to", "echo:"], "--to"),
        (&["nginx", "--to", "ftp://x"], "ftp://x"),
        (&["nginx", "--prefix", "/a/"], "/a/"),
        (&["nginx", "--prefix", "/a$(id)"], "/a$(id)"),
        (&["nginx", "--origin", "x"], "\"x\" is not an origin"),
        (&["nginx", "--listen", "x"], "127.0.0.1:8081"),
        (&["nginx", "--listen", "127.0.0.1:0"], "--gateway HOST:PORT"),
        (&["nginx", "--gateway", "10.0.0.1"], "10.0.0.1:8081"),
        (&["nginx", "--gateway", "::1:8081"], "[::1]:8081"),
        (&["nginx", "--gateway", "a b:8081"], "\"a b\""),
        (
            &["nginx", "--server-name", "https://example.com"],
            "example.com",
        ),
        (&["nginx", "--server-name", "a;b"], "\"a;b\""),
        (
            &["nginx", "--public-address", "example.com"],
            "--public-address",
        ),
        (&["nginx", "--public-port", "0"], "--public-port"),
        (&["nginx", "--public-port", "65536"], "--public-port"),
        (&["nginx", "--nonsense"], "--nonsense"),
    ] {
        assert_usage_error(&[&["proxy-config"][..], arguments].concat(), expected);
    }
}

#[test]
fn help_tells_about_trusted_proxies() {
    let help = printed(&["proxy-config", "--help"]);
    for word in [
        "trusted_proxies",
        "nginx",
        "--config",
        "--gateway",
        "--server-name",
        "--public-port",
    ] {
        assert!(help.contains(word), "{word}");
    }
    assert!(printed(&["--help"]).contains("proxy-config"));
}

/// Whoever reads the output may have enough of it, as `head` has.
#[test]
fn a_reader_that_stops_early_is_no_failure() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = Command::new(env!("CARGO_BIN_EXE_sockjs-gateway"))
        .args(["proxy-config", "envoy"])
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .expect("the shipped binary starts");
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty());
}

const BEGIN: &str = "<!-- printed by: proxy-config ";
const END: &str = "<!-- end -->\n";

/// The page with every marked place filled with what is printed now.
fn updated(page: &str) -> (String, usize) {
    let (mut text, mut count, mut rest) = (String::new(), 0, page);
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let (arguments, after) = after.split_once(" -->\n").expect("a mark ends");
        let (_, after) = after.split_once(END).expect("a marked place ends");
        let mut command = vec!["proxy-config"];
        command.extend(arguments.split(' '));
        let language = match command[1] {
            "traefik" | "envoy" => "yaml",
            proxy => proxy,
        };
        let recipe = printed(&command);
        text += &format!("{before}{BEGIN}{arguments} -->\n```{language}\n{recipe}```\n{END}");
        (count, rest) = (count + 1, after);
    }
    (text + rest, count)
}

#[test]
fn pages_show_what_is_printed() {
    for proxy in PROXIES {
        let path = root().join("docs/proxies").join(format!("{proxy}.md"));
        let page = fs::read_to_string(&path).expect("every proxy has a page");
        let (text, count) = updated(&page);
        assert_eq!(count, 2, "{proxy}: one gateway, and several");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            fs::write(&path, text).expect("the page can be written");
        } else {
            let stale = format!("{} is stale; UPDATE_DOCS=1 rewrites it", path.display());
            assert!(page == text, "{stale}");
        }
    }
}

/// Every page is linked, and every link leads to a page.
#[test]
fn pages_are_linked() {
    let folder = root().join("docs/proxies");
    let index = fs::read_to_string(folder.join("README.md")).expect("there is an index");
    let mut pages = 0;
    for entry in fs::read_dir(&folder).expect("the folder can be read") {
        let name = entry.expect("an entry").file_name();
        let name = name.to_str().expect("a plain name");
        if name != "README.md" {
            assert!(index.contains(&format!("({name})")), "{name} is not linked");
            pages += 1;
        }
    }
    assert!(pages >= PROXIES.len());
    for link in index.split("](").skip(1) {
        let target = link.split(')').next().expect("a link ends");
        assert!(Path::new(&folder).join(target).exists(), "{target}");
    }
}
