//! What packages have beside the program fits the program.

#![allow(clippy::unwrap_used, reason = "test code")]

use std::fs::read_to_string;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use sockjs_gateway::ServerConfig;

const UNIT: &str = "packaging/systemd/sockjs-gateway.service";
const SOCKET: &str = "packaging/systemd/sockjs-gateway.socket";
const FILE: &str = "/etc/sockjs-gateway/gateway.toml";

fn program(arguments: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_sockjs-gateway"))
        .args(arguments)
        .output()
        .unwrap()
}

/// Values of a key of the unit.
fn unit(key: &str) -> Vec<String> {
    values(UNIT, key)
}

fn values(unit: &str, key: &str) -> Vec<String> {
    let text = read_to_string(unit).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix(key));
    let values: Vec<_> = lines
        .filter_map(|line| line.strip_prefix('='))
        .map(str::to_owned)
        .collect();
    assert!(!values.is_empty(), "{key} is missing");
    values
}

fn manifest() -> toml::Table {
    read_to_string("Cargo.toml").unwrap().parse().unwrap()
}

/// A gateway that was just installed can be started, and is reached by its own machine only.
#[test]
fn installed_configuration_is_right() {
    let checked = program(&["check", "--config", "packaging/gateway.toml"]);
    assert!(checked.status.success(), "{checked:?}");
    let shown = program(&["config", "show", "--config", "packaging/gateway.toml"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains(r#"listen = "127.0.0.1:8081""#), "{shown}");
}

/// Nor does it reach further when systemd opens its socket.
#[test]
fn socket_is_where_the_installed_configuration_listens() {
    let file: toml::Table = read_to_string("packaging/gateway.toml")
        .unwrap()
        .parse()
        .unwrap();
    let listen = file["listen"].as_str().unwrap();
    assert_eq!(values(SOCKET, "ListenStream"), [listen]);
}

/// The unit's commands are understood, with the file where the package has it.
#[test]
fn commands_of_the_unit_are_understood() {
    let commands = [unit("ExecStart"), unit("ExecReload")].concat();
    let own: Vec<_> = commands
        .iter()
        .filter_map(|command| command.strip_prefix("/usr/bin/sockjs-gateway "))
        .collect();
    assert_eq!(own.len(), 2, "{commands:?}");
    for command in own {
        let installed = command.replace(FILE, "packaging/gateway.toml");
        assert_ne!(installed, command, "it names the file");
        // Without serving: `run` and `check` take the same arguments.
        let arguments: Vec<_> = installed
            .split(' ')
            .map(|word| if word == "run" { "check" } else { word })
            .collect();
        assert!(program(&arguments).status.success(), "{command}");
    }
}

/// The unit does not cut short what the program does by default when it stops, and does not start a wrong configuration again.
#[test]
fn unit_leaves_time_to_stop() {
    let ServerConfig {
        shutdown_grace,
        close_grace,
        ..
    } = ServerConfig::default();
    let [timeout] = &unit("TimeoutStopSec")[..] else {
        panic!("one value");
    };
    let seconds = timeout.strip_suffix('s').unwrap().parse().unwrap();
    assert!(Duration::from_secs(seconds) > shutdown_grace + close_grace);
    let wrong = program(&["run", "--config", "packaging/none.toml"]);
    let code = wrong.status.code().unwrap().to_string();
    assert_eq!(unit("RestartPreventExitStatus"), [code]);
}

/// What the Debian package is made of is there; packaging/build makes the rest.
#[test]
fn files_of_the_package_are_there() {
    let manifest = manifest();
    let deb = &manifest["package"]["metadata"]["deb"];
    let assets = deb["assets"].as_array().unwrap();
    for asset in assets {
        let path = asset[0].as_str().unwrap();
        let made = path.starts_with("target/");
        let fixed = path.split('*').next().unwrap();
        assert!(made || Path::new(fixed).exists(), "{path}");
    }
    let units = &deb["systemd-units"][0]["unit-scripts"];
    assert!(Path::new(UNIT).starts_with(units.as_str().unwrap()));
}

/// The image is built with a compiler that is new enough.
#[test]
fn image_is_built_with_the_oldest_compiler_that_works() {
    let manifest = manifest();
    let version = manifest["package"]["rust-version"].as_str().unwrap();
    let dockerfile = read_to_string("Dockerfile").unwrap();
    let from = format!("rust:{version}-alpine");
    assert!(dockerfile.contains(&from), "{from}");
}
