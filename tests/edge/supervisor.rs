//! What a supervisor is told. (sd_notify(3), sd_watchdog_enabled(3))

use std::ffi::OsStr;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use super::program::Program;
use super::support::{Folder, status};

/// The socket of a supervisor.
struct Supervisor(UnixDatagram);

impl Supervisor {
    fn bind(path: &std::path::Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        let patience = Some(Duration::from_secs(20));
        socket.set_read_timeout(patience).unwrap();
        Self(socket)
    }

    /// The next that is told.
    fn hears(&self) -> String {
        let mut buffer = [0; 4096];
        let length = self.0.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    /// The next that is no sign of life.
    fn hears_news(&self) -> String {
        loop {
            let told = self.hears();
            if !told.starts_with("WATCHDOG=1\n") {
                return told;
            }
        }
    }
}

/// Units that come after it are started once it serves, reloads have a beginning and an end, a wrong file too, and a stop has time.
#[tokio::test]
async fn supervisors_know_what_the_program_does() {
    let folder = Folder::new();
    let write = |rest: &str| {
        let service = "[[service]]\nprefix = \"/s\"\nbackend = \"echo:\"\n";
        let text = format!("listen = \"127.0.0.1:0\"\n{rest}{service}");
        folder.write("gateway.toml", &text)
    };
    let file = write("");
    let path = folder.file("notify");
    let supervisor = Supervisor::bind(&path);
    let mut program = Program::run_in(
        &["run", "--config", file.to_str().unwrap()],
        &[("NOTIFY_SOCKET", path.as_os_str())],
    );
    assert_eq!(supervisor.hears(), "READY=1\n");
    let port = program.port();
    assert!(status(port, "/s/info").await.contains("200"));

    for rest in ["watch = \"1h\"\n", "nonsense = 1\n"] {
        write(rest);
        program.signal("HUP");
        let told = supervisor.hears();
        let begins = told.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
        let at: u64 = begins.expect(&told).trim().parse().unwrap();
        assert!(at > 0);
        assert_eq!(supervisor.hears(), "READY=1\n");
    }

    program.signal("TERM");
    let told = supervisor.hears();
    assert_eq!(told, "STOPPING=1\nSTATUS=stopping, 0 sessions left\n");
    assert!(program.wait().success());
}

/// Signs of life come as often as the unit's `WatchdogSec=` asks, and also while the program stops.
#[tokio::test]
async fn supervisors_see_signs_of_life() {
    let folder = Folder::new();
    let path = folder.file("notify");
    let supervisor = Supervisor::bind(&path);
    let _program = Program::run_in(
        &["--to", "echo:", "--listen", "127.0.0.1:0"],
        &[
            ("NOTIFY_SOCKET", path.as_os_str()),
            ("WATCHDOG_USEC", OsStr::new("100000")),
        ],
    );
    assert_eq!(supervisor.hears_news(), "READY=1\n");
    for _ in 0..3 {
        assert_eq!(supervisor.hears(), "WATCHDOG=1\nSTATUS=0 sessions\n");
    }
}

/// A limit on open files that cannot hold all connections is told at the start, with both numbers.
#[test]
fn too_few_open_files_are_told() {
    let gateway = env!("CARGO_BIN_EXE_sockjs-gateway");
    for (most, expected) in [("1000", true), ("100", false)] {
        let mut program = Program::spawn(Command::new("sh").args([
            "-c",
            &format!("ulimit -n 300; exec {gateway} --to echo: --listen 127.0.0.1:0 --set server.max_connections={most}"),
        ]));
        let said = program.says("listening on http://");
        let told = said.contains("fewer files may be open than there may be connections");
        assert_eq!(told, expected, "{said}");
        assert!(
            !expected || said.contains(r#""files":300,"max_connections":1000"#),
            "{said}"
        );
    }
}
