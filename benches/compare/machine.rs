//! What a comparison was run on.

use std::path::Path;
use std::process::Command;

use super::figures::Machine;
use super::peer::Peer;

pub(crate) fn this_machine() -> Machine {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let value = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let memory = value(&read("/proc/meminfo"), "MemTotal");
    let kib = memory.and_then(|memory| memory.split(' ').next()?.parse::<u64>().ok());
    Machine {
        processor: value(&read("/proc/cpuinfo"), "model name")
            .unwrap_or_else(|| "unknown".to_owned()),
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        memory_gib: kib.unwrap_or_default().div_ceil(1 << 20),
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
    }
}

/// The version of a server, where it has one.
pub(crate) fn version_of(peer: Peer, folder: &Path) -> Option<String> {
    let said = |command: &mut Command| {
        let output = command.output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    let package = |name: &str| {
        let manifest = folder.join("node_modules").join(name).join("package.json");
        let manifest: serde_json::Value =
            serde_json::from_slice(&std::fs::read(manifest).ok()?).ok()?;
        let node = said(Command::new("node").arg("--version"))?;
        Some(format!("{} on Node {node}", manifest["version"].as_str()?))
    };
    match peer {
        Peer::Floor | Peer::FloorTokio | Peer::Relay => None,
        Peer::Gateway => Some(env!("CARGO_PKG_VERSION").to_owned()),
        Peer::Tungstenite => None,
        Peer::SockjsNode => package("sockjs"),
        Peer::Ws => package("ws"),
        Peer::Aiohttp => {
            let versions = "import sys, importlib.metadata as m; print(m.version('sockjs'), 'on aiohttp', m.version('aiohttp'), 'and Python', sys.version.split()[0])";
            said(Command::new(folder.join("venv/bin/python")).args(["-c", versions]))
        }
    }
}
