//! Compares the gateway with other servers and with the floor: `cargo bench --bench compare -- --help`.
//!
//! All servers of a comparison run at once and are measured in turns, so that what else the machine does meets all of them.
//! What counts is the processor time that a server spends on a message, and the ratio between servers in one run.

mod chart;
mod figures;
mod floor;
mod frames;
mod machine;
mod measure;
mod peer;
mod relay;
mod report;
mod scenarios;
mod special;
mod tables;
mod targets;
mod tungstenite;

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::Parser;
use tokio::runtime::{Builder, Runtime};

use figures::{Measured, Shape};
use measure::Suite;
use peer::Peer;
use scenarios::{SCENARIOS, Scenario};

/// Compare sockjs-gateway with other servers, by the processor time they spend on a message
#[derive(Debug, Parser)]
struct Arguments {
    /// Turns of each server
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of a turn
    #[arg(long, default_value_t = 3)]
    seconds: u32,
    /// Servers, with commas: floor, floor-tokio, sockjs-gateway, tokio-tungstenite, sockjs-node, ws, aiohttp
    #[arg(long, value_delimiter = ',', value_parser = parse_peer)]
    peers: Vec<Peer>,
    /// Transports, with commas
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "raw-websocket,websocket,xhr-streaming,eventsource,xhr-polling"
    )]
    transports: Vec<String>,
    /// What is measured, with commas; without it, everything: echo, upstream, connect, fan-out, idle, idle-upstream,
    /// idle-unpolled, workers, workers-throughput, heartbeats, churn, info
    #[arg(long, value_delimiter = ',', value_parser = parse_scenario)]
    scenarios: Vec<&'static Scenario>,
    /// Sizes and sessions of echo, with commas: BYTESxSESSIONS, and *MESSAGES for more than one of each session in flight
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "64x100,64x1000,4096x100,65536x100,64x10000,64x100*16"
    )]
    shapes: Vec<Shape>,
    /// Sessions that idle
    #[arg(long, default_value_t = 10_000)]
    idle: usize,
    /// Write the tables into this page, between its markers, and the charts beside it
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Write all that was measured
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Take what was written with --json instead of measuring
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Be that server
    #[arg(long, hide = true, value_parser = parse_peer)]
    serve: Option<Peer>,
    /// With that, pass messages on to the floor on this port
    #[arg(long, hide = true, default_value_t = 0)]
    upstream: u16,
    /// Cargo says so
    #[arg(long, hide = true)]
    bench: bool,
}

fn parse_peer(name: &str) -> Result<Peer, String> {
    let mut all = Peer::ALL.into_iter().chain([Peer::Relay]);
    let known = all.find(|peer| peer.name().split(' ').next() == Some(name));
    known.ok_or_else(|| {
        let names: Vec<_> = Peer::ALL.iter().map(|peer| peer.name()).collect();
        format!("there are {}", names.join(", "))
    })
}

fn parse_scenario(name: &str) -> Result<&'static Scenario, String> {
    let known = SCENARIOS.iter().find(|scenario| scenario.name == name);
    known.ok_or_else(|| {
        let names: Vec<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        format!("there are {}", names.join(", "))
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    if let Some(peer) = arguments.serve {
        return serve(peer, arguments.upstream);
    }
    let measured = match &arguments.from {
        Some(path) => serde_json::from_reader(std::fs::File::open(path)?)?,
        None => run(&arguments)?,
    };
    if let Some(path) = &arguments.json {
        serde_json::to_writer_pretty(std::fs::File::create(path)?, &measured)?;
    }
    let tables = tables::markdown(&measured);
    if let Some(page) = &arguments.markdown {
        report::write(page, &tables, &measured)?;
    }
    std::io::Write::write_all(&mut std::io::stdout(), tables.as_bytes())?;
    let failures = measured.failures();
    if failures.is_empty() {
        return Ok(());
    }
    Err(format!("these have no figures:\n{}", failures.join("\n")).into())
}

fn serve(peer: Peer, upstream: u16) -> Result<(), Box<dyn Error>> {
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let tell = |address: SocketAddr| {
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), "{}", address.port());
    };
    match peer {
        Peer::Floor => floor::epoll::serve(anywhere, tell)?,
        Peer::Relay => relay::serve(anywhere, upstream, tell)?,
        Peer::FloorTokio => {
            let runtime = runtime()?;
            // On a worker, like the gateway.
            runtime.block_on(runtime.spawn(floor::tasks::serve(anywhere, tell)))??;
        }
        Peer::Tungstenite => runtime()?.block_on(tungstenite::serve(anywhere, tell))?,
        _ => return Err(format!("{} is another program", peer.name()).into()),
    }
    Ok(())
}

/// Built as the gateway's is.
fn runtime() -> std::io::Result<Runtime> {
    Builder::new_multi_thread().enable_all().build()
}

fn run(arguments: &Arguments) -> Result<Measured, Box<dyn Error>> {
    let peers = if arguments.peers.is_empty() {
        Peer::ALL.to_vec()
    } else {
        arguments.peers.clone()
    };
    let scenarios = if arguments.scenarios.is_empty() {
        SCENARIOS.iter().collect()
    } else {
        arguments.scenarios.clone()
    };
    let folder = peer::prepare(&peers)?;
    // Servers and load inherit it.
    let files = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(1024);
    let suite = Suite {
        peers,
        folder,
        rounds: arguments.rounds.max(1),
        seconds: arguments.seconds.max(1),
        transports: arguments.transports.clone(),
        shapes: arguments.shapes.clone(),
        idle: arguments.idle,
        files: usize::try_from(files).unwrap_or(usize::MAX),
    };
    suite.measure(&scenarios)
}
