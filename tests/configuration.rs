//! `check` and `config` as operators meet them, and the page that `config reference` prints.
//!
//! `UPDATE_DOCS=1 cargo test --test configuration` writes what is printed now into the page.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sockjs-gateway"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    command(arguments)
        .output()
        .expect("the shipped binary starts")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Standard output of a run that succeeds.
#[track_caller]
fn printed(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{arguments:?}: {}",
        err(&output)
    );
    out(&output)
}

/// A file that is removed when dropped.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let file = format!("configuration-{}-{name}.toml", std::process::id());
        let path = std::env::temp_dir().join(file);
        fs::write(&path, text).expect("the file can be written");
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("our path is text")
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// The page of all keys is what the program prints.
#[test]
fn page_of_all_keys_is_current() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let current = printed(&["config", "reference"]);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, current).expect("the page can be written");
    } else {
        let page = fs::read_to_string(&path).expect("the page can be read");
        assert!(
            page == current,
            "{} is stale; UPDATE_DOCS=1 rewrites it",
            path.display()
        );
    }
}

/// Whoever copies an example of a whole file gets one that is right.
#[test]
fn whole_files_in_the_docs_are_right() {
    let mut whole = 0;
    for page in [
        "README.md",
        "docs/configure.md",
        "docs/origins.md",
        "docs/doctor.md",
        "docs/drain.md",
    ] {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(page);
        let text = fs::read_to_string(path).expect("the page is there");
        let blocks = text.split("```toml\n").skip(1);
        let blocks = blocks.filter_map(|block| block.split("```").next());
        for block in
            blocks.filter(|block| block.contains("[[service]]") && block.contains("backend ="))
        {
            whole += 1;
            let file = File::new("example", block);
            printed(&["check", "--config", file.path()]);
        }
    }
    assert!(whole >= 2, "{whole}");
}

/// The file that `config default` prints is valid.
#[test]
fn default_file_is_valid() {
    let file = File::new("default", &printed(&["config", "default"]));
    let said = printed(&["check", "--config", file.path()]);
    assert!(
        said.contains("service \"/chat\" (chat) to ws://127.0.0.1:9000/socket"),
        "{said}"
    );
}

/// The schema is JSON, and says which keys a service needs.
#[test]
fn schema_is_json() {
    let schema: serde_json::Value =
        serde_json::from_str(&printed(&["config", "schema"])).expect("JSON");
    let service = &schema["properties"]["service"]["items"];
    assert_eq!(
        service["required"],
        serde_json::json!(["prefix", "backend"])
    );
    assert_eq!(service["properties"]["heartbeat_delay"]["default"], "25s");
}

/// `check` tells every mistake, and leaves with 64; as JSON with places that programs can use.
#[test]
fn check_tells_every_mistake() {
    let file = File::new(
        "mistakes",
        "listen = 1\n[[service]]\nprefix = \"/a\"\nbackend = \"echo:\"\nresum = true\n",
    );
    let output = run(&["check", "--config", file.path()]);
    assert_eq!(output.status.code(), Some(64));
    let (said, path) = (err(&output), file.path());
    assert!(
        said.contains(&format!(
            "{path}:1:10: listen: 1 is not a text; write an address"
        )),
        "{said}"
    );
    assert!(
        said.contains(&format!(
            "{path}:5:1: service \"/a\": there is no key \"resum\"; did you mean resume?"
        )),
        "{said}"
    );

    let output = run(&["check", "--config", path, "--json"]);
    assert_eq!(output.status.code(), Some(64));
    let told: serde_json::Value = serde_json::from_str(&out(&output)).expect("JSON");
    assert_eq!(told["valid"], false);
    assert_eq!(told["mistakes"][1]["line"], 5);
    assert_eq!(told["mistakes"][1]["file"], path);
    // Each line says who speaks, as those do that are one.
    assert!(
        said.lines()
            .all(|line| line.starts_with("sockjs-gateway: ")),
        "{said}"
    );
}

/// Arguments that are wrong are told as any mistake is: with `--json` to programs too, and without what may be secret.
#[test]
fn check_tells_wrong_arguments_as_json() {
    for (arguments, says) in [
        (
            &["check", "--json", "--bogus"][..],
            "unexpected argument '--bogus' found",
        ),
        (
            &["check", "--deeep", "--json"],
            "a similar argument exists: '--deep'",
        ),
        (
            &["check", "--json", "--listen", "ws://user:s3cret@host/"],
            "--listen",
        ),
        (&["check", "--config", "a", "--to", "b", "--json"], "--to"),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        let told: serde_json::Value = serde_json::from_str(&out(&output)).expect("JSON");
        assert_eq!(told["valid"], false, "{told}");
        assert_eq!(told["mistakes"][0]["origin"], "arguments", "{told}");
        let what = told["mistakes"][0]["what"].as_str().expect("a text");
        assert!(what.contains(says), "{told}");
        assert!(
            !what.contains("Usage:") && !what.contains("s3cret"),
            "{told}"
        );
    }
    // People are told in their words, and asking for help is no mistake.
    assert!(out(&run(&["check", "--bogus"])).is_empty());
    assert!(out(&run(&["check", "--json", "--help"])).contains("Usage:"));
}

/// `check --deep` opens a WebSocket to each upstream, and leaves with 1 when one cannot be reached.
#[test]
fn deep_check_dials_the_upstreams() {
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = nobody.local_addr().expect("a bound port");
    drop(nobody);
    let file = File::new(
        "deep",
        &format!(
            "[[service]]\nprefix = \"/a\"\nbackend = \"echo:\"\n[[service]]\nprefix = \"/b\"\nbackend = \"ws://{address}/\"\n"
        ),
    );
    assert!(printed(&["check", "--config", file.path()]).contains("is valid"));
    let output = run(&["check", "--config", file.path(), "--deep"]);
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    let said = out(&output);
    assert!(
        said.contains("service \"/a\" (a) to echo:: reachable"),
        "{said}"
    );
    assert!(said.contains("NOT reachable: cannot connect"), "{said}");
    let output = run(&["check", "--config", file.path(), "--deep", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&out(&output)).expect("JSON");
    assert_eq!(told["services"][0]["reachable"], true);
    assert_eq!(told["services"][1]["reachable"], false);
    assert_eq!(output.status.code(), Some(1));
}

/// `check --deep` also asks whom authenticators ask, and names the one that gets no answer.
#[test]
fn deep_check_asks_whom_authenticators_ask() {
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = nobody.local_addr().expect("a bound port");
    drop(nobody);
    let service = "[[service]]\nprefix = \"/a\"\nbackend = \"echo:\"\nauth = \"users\"\n";
    for key in ["jwks_url", "forward_url"] {
        let auth = format!("[[auth]]\nname = \"users\"\n{key} = \"http://{address}/?secret\"\n");
        let file = File::new(key, &format!("{auth}{service}"));
        assert!(printed(&["check", "--config", file.path()]).contains("is valid"));
        let output = run(&["check", "--config", file.path(), "--deep"]);
        assert_eq!(output.status.code(), Some(1), "{}", err(&output));
        let said = err(&output);
        assert!(
            said.contains("auth \"users\": NOT working: cannot connect"),
            "{said}"
        );
        let output = run(&["check", "--config", file.path(), "--deep", "--json"]);
        let told: serde_json::Value = serde_json::from_str(&out(&output)).expect("JSON");
        assert_eq!(told["auth_problems"][0]["name"], "users");
        assert_eq!(output.status.code(), Some(1));
        let shown = printed(&["config", "show", "--config", file.path()]);
        assert!(!shown.contains("secret\""), "{shown}");
    }
}

/// Arguments are over variables, and those over the file; `config show` says so.
#[test]
fn show_says_where_values_come_from() {
    let file = File::new(
        "show",
        "listen = \"127.0.0.1:1\"\n[server]\nbacklog = 5\n[[service]]\nprefix = \"/a\"\nbackend = \"echo:\"\n",
    );
    let output = command(&["config", "show", "--changed", "--listen", "127.0.0.1:3"])
        .env("SOCKJS_GATEWAY_CONFIG", file.path())
        .env("SOCKJS_GATEWAY_LISTEN", "127.0.0.1:2")
        .env("SOCKJS_GATEWAY_DEFAULTS__RESUME", "false")
        .output()
        .expect("the shipped binary starts");
    let said = out(&output);
    let lines: Vec<_> = said
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    let path = file.path();
    assert_eq!(
        lines,
        [
            "listen = \"127.0.0.1:3\" # --listen".to_owned(),
            String::new(),
            "[server]".to_owned(),
            format!("backlog = 5 # {path}:3:11"),
            String::new(),
            "[[service]]".to_owned(),
            format!("prefix = \"/a\" # {path}:5:10"),
            format!("backend = \"echo:\" # {path}:6:11"),
            "resume = false # environment variable SOCKJS_GATEWAY_DEFAULTS__RESUME".to_owned(),
        ],
        "{said}"
    );
}

/// A service can come from variables alone, as in a container.
#[test]
fn variables_are_enough() {
    let output = command(&["check"])
        .env("SOCKJS_GATEWAY_SERVICE__LIVE__PREFIX", "/live")
        .env(
            "SOCKJS_GATEWAY_SERVICE__LIVE__BACKEND",
            "ws://127.0.0.1:9000/socket",
        )
        .output()
        .expect("the shipped binary starts");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(out(&output).contains("service \"/live\" (live)"));
}

/// What belongs to the service of `--to` is of no use to a file.
#[test]
fn prefix_without_a_service_is_refused() {
    let file = File::new(
        "prefix",
        "[[service]]\nprefix = \"/a\"\nbackend = \"echo:\"\n",
    );
    for (arguments, expected) in [
        (
            &["check", "--config", file.path(), "--prefix", "/b"][..],
            "--prefix",
        ),
        (&["check"], "say what to serve"),
        (
            &["check", "--config", file.path(), "--set", "server.backlog"],
            "there is no equals sign",
        ),
        (
            &["check", "--config", file.path(), "--set", "servr.backlog=1"],
            "did you mean server?",
        ),
        (
            &["check", "--config", file.path(), "--set", "backlog=1"],
            "it belongs into [server]",
        ),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        assert!(
            err(&output).contains(expected),
            "{arguments:?}: {}",
            err(&output)
        );
    }
}

/// Shells get completions that name the commands; there is a manual page for each.
#[test]
fn completions_and_manual_pages_name_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let script = printed(&["completion", shell]);
        assert!(
            script.contains("proxy-config") && script.contains("deep"),
            "{shell}"
        );
    }
    // Bash finds what comes behind a command, as it does when a person asks.
    let script = "source <(\"$0\" completion bash)
        ask() { COMP_WORDS=(sockjs-gateway \"$@\"); COMP_CWORD=$#; COMPREPLY=(); _sockjs__gateway sockjs-gateway \"${@: -1}\" \"${@: -2:1}\"; echo \"${COMPREPLY[*]}\"; }
        ask ''; ask config ''; ask check --d; ask proxy-config --pub; ask man ''; ask sessions list --state ''; ask sessions list --sort ''";
    let output = Command::new("bash")
        .args(["-c", script, env!("CARGO_BIN_EXE_sockjs-gateway")])
        .output()
        .expect("bash starts");
    let said = out(&output);
    let answers: Vec<_> = said.lines().collect();
    for (answer, expected) in answers.iter().zip([
        "proxy-config",
        "default show",
        "--deep",
        "--public-port",
        "config-show",
        "opening receiving waiting closing",
        "newest oldest queued",
    ]) {
        assert!(answer.contains(expected), "{answers:?} {}", err(&output));
    }
    assert_eq!(answers.len(), 7);
    let fish = printed(&["completion", "fish"]);
    for (command, value) in [
        ("proxy-config", "nginx"),
        ("man", "config-show"),
        ("completion", "zsh"),
    ] {
        let line = format!("__fish_seen_subcommand_from {command}\" -f -a \"{value}\"");
        assert!(fish.contains(&line), "{line}");
    }
    for command in ["", "check", "config-show", "proxy-config"] {
        let arguments = ["man", command];
        let page = printed(&arguments[..if command.is_empty() { 1 } else { 2 }]);
        assert!(
            page.contains(".SH SYNOPSIS") || page.contains(".SH NAME"),
            "{command}: {page}"
        );
        assert!(
            page.contains(&command.replace('-', "\\-")),
            "{command}: {page}"
        );
    }
    // The foot of each names the program and its version.
    let foot = format!("\"sockjs-gateway {}\"", env!("CARGO_PKG_VERSION"));
    for page in [printed(&["man"]), printed(&["man", "config", "show"])] {
        assert!(page.contains(&foot), "{page}");
    }
    let output = run(&["man", "nonsense"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(err(&output).contains("there is no command \"nonsense\"; there are"));

    let folder = std::env::temp_dir().join(format!("configuration-{}-man", std::process::id()));
    printed(&["man", "--write", folder.to_str().expect("our path is text")]);
    for page in [
        "sockjs-gateway.1",
        "sockjs-gateway-check.1",
        "sockjs-gateway-config-show.1",
    ] {
        assert!(folder.join(page).is_file(), "{page}");
    }
    fs::remove_dir_all(&folder).expect("the folder can be removed");
}

/// A secret that stands where none belongs is not repeated.
#[test]
fn secrets_in_arguments_are_not_repeated() {
    for arguments in [
        &["ws://user:s3cret@host/"][..],
        &[
            "--to",
            "ws://user:s3cret@host/",
            "--listen",
            "ws://user:s3cret@host/",
        ],
        &[
            "--to",
            "echo:",
            "--set",
            "server.backlog:ws://user:s3cret@host/",
        ],
        &["--to", "ws://user:s3cret@host/?token=s3cret"],
        &[
            "--to",
            "echo:",
            "--set",
            "listen=ws://user:s3cret@host/?s3cret",
        ],
        &["check", "--config", "ws://user:s3cret@host/"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        assert!(
            !err(&output).contains("s3cret"),
            "{arguments:?}: {}",
            err(&output)
        );
        // What is hidden takes no quote with it.
        let quotes = err(&output).matches('"').count();
        assert!(quotes.is_multiple_of(2), "{}", err(&output));
    }
    let output = run(&["check", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&out(&output)).expect("JSON");
    assert!(
        told["mistakes"][0]["what"]
            .as_str()
            .expect("a text")
            .contains("say what to serve")
    );
}
