//! Another configuration for a gateway that runs, and SIGHUP for the program.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use sockjs_gateway::client::{Builder, Client, Event, Transport};
use sockjs_gateway::{
    CloseReason, ConfigError, Connection, Gateway, GatewayBuilder, Origins, Server, ServerConfig,
    ServiceConfig,
};
use tokio::net::TcpStream;

use super::program::Program;
use super::support::{Folder, ask, poll, status, within};

/// A service whose backend answers each message with this word.
fn answering(builder: GatewayBuilder, config: ServiceConfig, word: &'static str) -> GatewayBuilder {
    builder.service(config, move |mut connection: Connection| async move {
        while connection.recv().await.is_some() {
            if connection.send(word).await.is_err() {
                break;
            }
        }
    })
}

fn one_service(prefix: &str, word: &'static str) -> GatewayBuilder {
    answering(Gateway::builder(), ServiceConfig::new(prefix), word)
}

/// Serves a gateway; its port.
fn serve(gateway: &Gateway) -> u16 {
    let address = "127.0.0.1:0".parse().unwrap();
    let server = Server::bind(address, gateway.clone(), ServerConfig::default()).unwrap();
    let port = server.local_address().unwrap().port();
    tokio::spawn(server.serve(std::future::pending()));
    port
}

async fn open(port: u16, prefix: &str, transport: Transport) -> Result<Client, String> {
    let builder = Builder::new(&format!("http://127.0.0.1:{port}{prefix}")).unwrap();
    let builder = builder.transports([transport]).unwrap();
    within("a session", builder.connect())
        .await
        .map_err(|error| error.to_string())
}

async fn answer(client: &mut Client) -> String {
    client.send("?").await.unwrap();
    match within("an answer", client.recv()).await {
        Some(Event::Message(message)) => message.as_text().unwrap().to_owned(),
        other => panic!("{other:?} instead of an answer"),
    }
}

const TRANSPORTS: [Transport; 3] = [
    Transport::Websocket,
    Transport::XhrStreaming,
    Transport::XhrPolling,
];

/// Who has a session keeps it, with the backend that it began with; new sessions have the new one.
#[tokio::test]
async fn living_sessions_go_on() {
    let gateway = one_service("/s", "old").build().unwrap();
    let port = serve(&gateway);
    for transport in TRANSPORTS {
        gateway.reload(one_service("/s", "old")).unwrap();
        let mut before = open(port, "/s", transport).await.unwrap();
        assert_eq!(answer(&mut before).await, "old");
        let mut config = ServiceConfig::new("/s");
        config.session.disconnect_delay *= 2;
        let reloaded = gateway
            .reload(answering(Gateway::builder(), config, "new"))
            .unwrap();
        assert!(reloaded.added.is_empty() && reloaded.removed.is_empty());
        assert_eq!(answer(&mut before).await, "old", "{transport}");
        let mut after = open(port, "/s", transport).await.unwrap();
        assert_eq!(answer(&mut after).await, "new", "{transport}");
    }
}

/// A new service is there at once. One that is left out tells its sessions, answers until they are gone, and is not found then.
#[tokio::test]
async fn services_come_and_go() {
    let mut config = ServiceConfig::new("/goes");
    config.session.disconnect_delay = std::time::Duration::from_millis(100);
    let gateway = answering(Gateway::builder(), config, "bye")
        .build()
        .unwrap();
    let port = serve(&gateway);
    let mut sessions = Vec::new();
    for transport in TRANSPORTS {
        sessions.push(open(port, "/goes", transport).await.unwrap());
    }
    let reloaded = gateway.reload(one_service("/comes", "hello")).unwrap();
    assert_eq!(reloaded.added, ["/comes".into()]);
    assert_eq!(reloaded.removed, ["/goes".into()]);
    for mut session in sessions {
        assert!(within("the end", session.recv()).await.is_none());
        let reason = session.closed().unwrap();
        assert_eq!(
            (reason.code, reason.reason.as_ref()),
            (1001, "Service removed")
        );
    }
    let mut comes = open(port, "/comes", Transport::Websocket).await.unwrap();
    assert_eq!(answer(&mut comes).await, "hello");
    let gone = async { while !status(port, "/goes/info").await.contains("404") {} };
    within("the service to be gone", gone).await;
}

/// What is wrong changes nothing.
#[tokio::test]
async fn wrong_services_change_nothing() {
    let gateway = one_service("/s", "old").build().unwrap();
    let port = serve(&gateway);
    let twice = answering(one_service("/s", "new"), ServiceConfig::new("/s"), "new");
    assert_eq!(
        gateway.reload(twice),
        Err(ConfigError::PrefixTwice("/s".to_owned()))
    );
    assert!(gateway.reload(one_service("no prefix", "new")).is_err());
    let mut session = open(port, "/s", Transport::Websocket).await.unwrap();
    assert_eq!(answer(&mut session).await, "old");
}

/// Limits and origins hold from then on, for sessions that come.
#[tokio::test]
async fn limits_and_origins_are_replaced() {
    let gateway = one_service("/s", "x").build().unwrap();
    let port = serve(&gateway);
    let first = open(port, "/s", Transport::Websocket).await.unwrap();
    let mut config = ServiceConfig::new("/s");
    config.max_sessions = 1;
    gateway
        .reload(answering(Gateway::builder(), config.clone(), "x"))
        .unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    assert!(
        ask(&mut stream, &poll("full", ""))
            .await
            .unwrap()
            .contains("c[1013,")
    );
    config.max_sessions = 2;
    config.origins = Origins::from_list(&["https://friend.example"]).unwrap();
    gateway
        .reload(answering(Gateway::builder(), config, "x"))
        .unwrap();
    let friend = "Origin: https://friend.example\r\n";
    assert!(
        ask(&mut stream, &poll("friend", friend))
            .await
            .unwrap()
            .ends_with("o\n")
    );
    drop(first);
}

/// A poll of a session below a prefix.
fn poll_at(prefix: &str, session: &str) -> String {
    let path = format!("{prefix}/000/{session}/xhr");
    format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
}

async fn asked(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    ask(&mut stream, request).await.unwrap()
}

/// A service whose sessions have a message in their queue from the beginning.
fn greeting(builder: GatewayBuilder, prefix: &str) -> GatewayBuilder {
    let greet = |mut connection: Connection| async move {
        connection.send("hello").await.unwrap();
        while connection.recv().await.is_some() {}
    };
    builder.service(ServiceConfig::new(prefix), greet)
}

/// Sessions of a service that is left out get what is queued and the end, also where another service has their path by then.
#[tokio::test]
async fn leaving_sessions_are_answered_by_their_service() {
    for (goes, stays) in [
        (&["/s"][..], &["/s"][..]),
        (&["/s/deep"], &["/s"]),
        (&["/s"], &[""]),
    ] {
        let build = |prefixes: &[&str]| {
            prefixes.iter().fold(Gateway::builder(), |builder, prefix| {
                greeting(builder, prefix)
            })
        };
        let gateway = build(goes).build().unwrap();
        let port = serve(&gateway);
        assert!(asked(port, &poll_at(goes[0], "a")).await.ends_with("o\n"));
        gateway.reload(Gateway::builder()).unwrap();
        gateway.reload(build(stays)).unwrap();
        let next = asked(port, &poll_at(goes[0], "a")).await;
        assert!(
            next.ends_with("a[\"hello\"]\n"),
            "{goes:?} {stays:?}: {next}"
        );
        let last = asked(port, &poll_at(goes[0], "a")).await;
        assert!(last.contains("c[1001,"), "{goes:?} {stays:?}: {last}");
    }
}

/// A service that is back has new sessions at once; those of before are still told that theirs ended.
#[tokio::test]
async fn services_that_are_back_open_sessions() {
    let gateway = one_service("/s", "old").build().unwrap();
    let port = serve(&gateway);
    assert!(asked(port, &poll_at("/s", "old")).await.ends_with("o\n"));
    gateway.reload(Gateway::builder()).unwrap();
    gateway.reload(one_service("/s", "new")).unwrap();
    let mut session = open(port, "/s", Transport::XhrPolling).await.unwrap();
    assert_eq!(answer(&mut session).await, "new");
    assert!(asked(port, &poll_at("/s", "old")).await.contains("c[1001,"));
}

/// What a session began with holds to its end: its transport may be off by now, and its page's origin not be let in any more.
#[tokio::test]
async fn living_sessions_keep_their_transport_and_origin() {
    let with = |change: fn(&mut ServiceConfig)| {
        let mut config = ServiceConfig::new("/s");
        config.origins = Origins::from_list(&["https://friend.example"]).unwrap();
        change(&mut config);
        answering(Gateway::builder(), config, "x")
    };
    let friend = "Origin: https://friend.example\r\n";
    let gateway = with(|_| {}).build().unwrap();
    let port = serve(&gateway);
    assert!(asked(port, &poll("a", friend)).await.ends_with("o\n"));
    gateway
        .reload(with(|config| {
            config.transports = Some(vec!["websocket".to_owned()])
        }))
        .unwrap();
    gateway
        .reload(with(|config| config.origins = Origins::Same))
        .unwrap();
    gateway
        .reload(with(|config| {
            config.transports = Some(vec!["websocket".to_owned()]);
            config.origins = Origins::Same;
        }))
        .unwrap();
    let body = "[\"?\"]";
    let send = format!(
        "POST /s/000/a/xhr_send HTTP/1.1\r\nHost: localhost\r\n{friend}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    assert!(asked(port, &send).await.contains(" 204 "));
    let answer = asked(port, &poll("a", friend)).await;
    assert!(answer.ends_with("a[\"x\"]\n"), "{answer}");
    assert!(
        answer.contains("access-control-allow-origin: https://friend.example"),
        "{answer}"
    );
    for (what, session, field, status) in [
        ("another session", "b", friend, " 404 "),
        (
            "another origin",
            "a",
            "Origin: https://stranger.example\r\n",
            " 403 ",
        ),
    ] {
        let refused = asked(port, &poll(session, field)).await;
        assert!(refused.contains(status), "{what}: {refused}");
    }
}

/// While the gateway drains, a reload neither opens a way around it, nor changes what sessions are told.
#[tokio::test]
async fn reloads_do_not_undo_a_drain() {
    let gateway = one_service("/s", "x").build().unwrap();
    let port = serve(&gateway);
    assert!(asked(port, &poll("a", "")).await.ends_with("o\n"));
    let reason = CloseReason::new(4100, "moving");
    gateway.stop(&reason);
    gateway.reload(one_service("/new", "x")).unwrap();
    assert!(asked(port, &poll_at("/new", "b")).await.contains("c[4100,"));
    assert!(asked(port, &poll("a", "")).await.contains("c[4100,"));
}

/// SIGHUP reads the file again; a wrong one changes nothing and is told.
#[tokio::test]
async fn hang_up_reloads_the_file() {
    let folder = Folder::new();
    let service =
        |prefix: &str| format!("[[service]]\nprefix = \"{prefix}\"\nbackend = \"echo:\"\n");
    let write =
        |rest: &str| folder.write("gateway.toml", &format!("listen = \"127.0.0.1:0\"\n{rest}"));
    let file = write(&service("/a"));
    let mut program = Program::start(&file);
    let port = program.port();
    assert!(status(port, "/a/info").await.contains("200"));

    write(&format!("{}{}", service("/a"), service("/b")));
    program.signal("HUP");
    program.says("configuration reloaded");
    assert!(status(port, "/b/info").await.contains("200"));

    write("nonsense = 1\n");
    program.signal("HUP");
    let said = program.says("what was in force stays");
    assert!(said.contains("gateway.toml:2:1: there is no key"), "{said}");
    assert!(status(port, "/b/info").await.contains("200"));

    write(&format!("[server]\nbacklog = 7\n{}", service("/a")));
    program.signal("HUP");
    let said = program.says("need a restart");
    assert!(said.contains("server.backlog: as when"), "{said}");
    program.says("configuration reloaded");
    assert!(status(port, "/a/info").await.contains("200"));

    // What runs counts, not what was read last.
    write(&format!(
        "[drain]\ncode = 4000\n[server]\nbacklog = 7\n{}",
        service("/a")
    ));
    program.signal("HUP");
    let said = program.says("need a restart");
    assert!(
        said.contains("server.backlog, drain.code: as when"),
        "{said}"
    );
    program.says("configuration reloaded");
    write(&service("/a"));
    program.signal("HUP");
    let said = program.says("configuration reloaded");
    assert!(!said.contains("restart"), "{said}");
}

/// Files that are watched are reloaded when they change, or when others take their place, and not otherwise.
#[tokio::test]
async fn watched_files_are_reloaded() {
    let folder = Folder::new();
    let write = |name: &str, services: &[&str]| {
        let mut text = "listen = \"127.0.0.1:0\"\nwatch = \"100ms\"\n".to_owned();
        for prefix in services {
            text += &format!("[[service]]\nprefix = \"{prefix}\"\nbackend = \"echo:\"\n");
        }
        folder.write(name, &text)
    };
    let file = write("gateway.toml", &["/a"]);
    let mut program = Program::start(&file);
    program.says("listening on http://");
    write("gateway.toml", &["/a", "/b"]);
    program.says("files have changed");
    let said = program.says("configuration reloaded");
    assert!(said.contains(r#""added":"/b""#), "{said}");
    folder.write("gateway.toml", "nonsense = 1");
    program.says("what was in force stays");
    // As editors and configuration management do it.
    let next = write("next.toml", &["/b"]);
    std::fs::rename(next, &file).unwrap();
    program.says("files have changed");
    let said = program.says("configuration reloaded");
    assert!(said.contains(r#""removed":"/a""#), "{said}");
    assert!(!said.contains("files have changed"), "{said}");
}

fn make_fifo(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

/// Where a FIFO took the place of the configuration, nobody waits for what comes through it: the reload is refused, and the next is
/// not.
#[tokio::test]
async fn configurations_that_are_no_files_are_refused() {
    let folder = Folder::new();
    let text = "listen = \"127.0.0.1:0\"\n[[service]]\nprefix = \"/a\"\nbackend = \"echo:\"\n";
    let file = folder.write("gateway.toml", text);
    let mut program = Program::start(&file);
    let port = program.port();
    std::fs::remove_file(&file).unwrap();
    make_fifo(&file);
    program.signal("HUP");
    let said = program.says("what was in force stays");
    assert!(said.contains("it is a FIFO, not a file"), "{said}");
    assert!(status(port, "/a/info").await.contains("200"));
    std::fs::remove_file(&file).unwrap();
    folder.write("gateway.toml", text);
    program.signal("HUP");
    program.says("configuration reloaded");
}

/// The same holds for every file that a configuration names, and the key that names it is told.
#[tokio::test]
async fn named_files_that_are_no_files_are_refused() {
    let folder = Folder::new();
    let fifo = folder.file("fifo");
    make_fifo(&fifo);
    let listener = "[[listener]]\naddress = \"127.0.0.1:0\"\n[[listener.tls]]\n";
    let auth = "[[auth]]\nname = \"a\"\n";
    let service = "[[service]]\nprefix = \"/a\"\nbackend = \"echo:\"\n";
    let file = folder.write(
        "gateway.toml",
        &format!("listen = \"127.0.0.1:0\"\n{service}"),
    );
    let mut program = Program::start(&file);
    program.says("listening on http://");
    for (key, text) in [
        (
            "certificate",
            format!("{service}{listener}key = \"gateway.toml\"\n"),
        ),
        (
            "key",
            format!("{service}{listener}certificate = \"gateway.toml\"\n"),
        ),
        ("secret_file", format!("{service}{auth}")),
        ("jwks_file", format!("{service}{auth}")),
        (
            "token_file",
            format!("{service}[admin]\nlisten = \"127.0.0.1:0\"\n"),
        ),
        ("ca_file", format!("{service}[service.upstream]\n")),
    ] {
        folder.write("gateway.toml", &format!("{text}{key} = \"fifo\"\n"));
        program.signal("HUP");
        let said = program.says("what was in force stays");
        let line = said.lines().find(|line| line.contains("is a FIFO"));
        let line = line.unwrap_or_else(|| panic!("{key}: {said}"));
        assert!(line.contains(key), "{line}");
    }
}

/// SIGHUP that comes while the program starts, long before it serves, is a reload too.
#[tokio::test]
async fn hang_up_while_it_starts_is_survived() {
    let mut program = Program::run(&["--to", "echo:", "--listen", "127.0.0.1:0"]);
    program.catches_hang_up().await;
    program.signal("HUP");
    program.says("configuration reloaded");
}

/// The service of all paths, whose prefix is empty, is seen in the log as `/`, and where there is none nothing is.
#[tokio::test]
async fn services_that_come_and_go_are_named_in_the_log() {
    let folder = Folder::new();
    let write = |prefixes: &[&str]| {
        let mut text = "listen = \"127.0.0.1:0\"\n".to_owned();
        for prefix in prefixes {
            text += &format!("[[service]]\nprefix = \"{prefix}\"\nbackend = \"echo:\"\n");
        }
        folder.write("gateway.toml", &text)
    };
    let mut program = Program::start(&write(&["/a"]));
    program.says("listening on http://");
    for (prefixes, expected, absent) in [
        (&["/a", ""][..], r#""added":"/""#, "removed"),
        (&["/a"], r#""removed":"/""#, "added"),
    ] {
        write(prefixes);
        program.signal("HUP");
        let said = program.says("configuration reloaded");
        let line = said.lines().last().unwrap();
        assert!(line.contains(expected) && !line.contains(absent), "{line}");
    }
}

/// SIGHUP ends no program, whether it has a file or not.
#[tokio::test]
async fn hang_up_without_a_file_is_survived() {
    for (arguments, says) in [
        (
            &["--to", "echo:", "--listen", "127.0.0.1:0"][..],
            "configuration reloaded",
        ),
        (
            &["demo", "--listen", "127.0.0.1:0"],
            "no configuration to reload",
        ),
    ] {
        let mut program = Program::run(arguments);
        program.says("listening on http://");
        for _ in 0..2 {
            program.signal("HUP");
            program.says(says);
        }
    }
}

/// A program whose terminal is closed stops in order, instead of staying without anybody.
#[tokio::test]
async fn a_closed_terminal_stops_the_program() {
    let folder = Folder::new();
    let process = folder.file("pid");
    let program = env!("CARGO_BIN_EXE_sockjs-gateway");
    let shell = format!(
        "echo $$ > {0}.new; mv {0}.new {0}; exec {program} --to echo: --listen 127.0.0.1:0",
        process.display()
    );
    let mut terminal = Command::new("script")
        .args(["-qefc", &shell, "/dev/null"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(terminal.stdout.take().unwrap());
    let mut said = String::new();
    while !said.contains("listening on") {
        assert!(output.read_line(&mut said).unwrap() > 0, "{said}");
    }
    let process = std::fs::read_to_string(process).unwrap();
    let status = format!("/proc/{}/stat", process.trim());
    // Whoever inherits it may leave it as a zombie for a while.
    let lives = || std::fs::read_to_string(&status).is_ok_and(|status| !status.contains(") Z "));
    assert!(lives());
    terminal.kill().unwrap();
    terminal.wait().unwrap();
    let gone = async {
        while lives() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    within("the end of the program", gone).await;
}
