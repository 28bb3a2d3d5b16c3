//! `proxy-config`: prints what a proxy in front of the gateway has to be told.

use std::io::{ErrorKind, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};

use super::{USAGE, say};
use crate::config::{Config, parse_listen};
use crate::recipes::{Node, Proxy, Route, Site};

const EXAMPLES: &str = "\
Examples:
  sockjs-gateway proxy-config nginx --config gateway.toml --server-name example.com
      For the services of a configuration file.
  sockjs-gateway proxy-config caddy --to ws://127.0.0.1:9000/socket --prefix /live
      For the one service that these arguments run.
  sockjs-gateway proxy-config haproxy --gateway 10.0.0.1:8081 --gateway 10.0.0.2:8081
      For two gateways: every session stays with one of them.

The proxy is believed about browsers' addresses, hosts and scheme when the gateway's configuration names it in
trusted_proxies; what is printed says how. docs/proxies explains every line of it.";

/// Print the configuration of a proxy in front of the gateway
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Program to configure
    #[arg(value_name = "PROXY", value_parser = proxy_parser())]
    proxy: Proxy,
    /// TOML file with the gateway's services
    #[arg(long, value_name = "FILE", conflicts_with_all = ["to", "prefix", "origin"])]
    config: Option<PathBuf>,
    /// What sessions talk to, of a gateway without a configuration file
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// Path of its service
    #[arg(long, default_value = "/sockjs")]
    prefix: String,
    /// Other site whose pages may use the service; of no concern to the proxy
    #[arg(long, value_name = "ORIGIN")]
    origin: Vec<String>,
    /// Address that the gateway listens on [default: the file's, or 127.0.0.1:8081]
    #[arg(long, value_name = "ADDRESS", value_parser = parse_listen)]
    listen: Option<SocketAddr>,
    /// Address at which the proxy reaches a gateway, when it is not where that listens; several share the sessions
    #[arg(long, value_name = "HOST:PORT", value_parser = parse_node)]
    gateway: Vec<Node>,
    /// Host name that browsers use [default: any]
    #[arg(long, value_name = "HOST")]
    server_name: Option<String>,
    /// Address of the proxy that browsers connect to [default: all]
    #[arg(long, value_name = "ADDRESS")]
    public_address: Option<IpAddr>,
    /// Port of the proxy that browsers connect to, without TLS
    #[arg(long, value_name = "PORT", default_value = "80")]
    public_port: NonZeroU16,
}

fn proxy_parser() -> impl clap::builder::TypedValueParser<Value = Proxy> {
    PossibleValuesParser::new(Proxy::ALL.map(Proxy::name)).try_map(|name| name.parse::<Proxy>())
}

/// `gateway.example.com:8081`, `[::1]:8081`
fn parse_node(text: &str) -> Result<Node, String> {
    let parse = || {
        let (host, port) = text.rsplit_once(':')?;
        let in_brackets = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        // Without brackets it would be anybody's guess which colon is the port's.
        let host = in_brackets.or_else(|| (!host.contains(':')).then_some(host))?;
        let port: NonZeroU16 = port.parse().ok()?;
        (!host.is_empty()).then(|| Node {
            host: host.to_owned(),
            port: port.get(),
        })
    };
    parse().ok_or_else(|| {
        format!("{text:?} is not a host and a port, like \"10.0.0.1:8081\" or \"[::1]:8081\"")
    })
}

/// Prints the configuration on standard output.
pub(super) fn print(arguments: &Arguments) -> ExitCode {
    let text = match configuration(arguments) {
        Ok(text) => text,
        Err(message) => {
            say(&message);
            return ExitCode::from(USAGE);
        }
    };
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Who reads it may stop early.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            say(&format!("cannot write the configuration: {error}"));
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

fn configuration(arguments: &Arguments) -> Result<String, String> {
    let config = match &arguments.config {
        Some(path) => Config::from_file(path),
        None => {
            // What sessions talk to is of no concern to the proxy, but a mistake in it should not wait.
            let backend = arguments.to.as_deref().unwrap_or("echo:");
            Config::for_backend(backend, &arguments.prefix, &arguments.origin)
        }
    };
    let config = config.map_err(|error| error.to_string())?;
    let gateways = if arguments.gateway.is_empty() {
        vec![reachable(arguments.listen.unwrap_or(config.listen))?]
    } else {
        arguments.gateway.clone()
    };
    let services = config.services.iter().map(|service| Route {
        prefix: service.config.prefix.to_string(),
        heartbeat_delay: service.config.session.heartbeat_delay,
        max_body_size: service.config.transport.max_body_size,
        doctor: service.config.doctor,
    });
    let site = Site {
        services: services.collect(),
        gateways,
        server_name: arguments.server_name.clone(),
        public_address: arguments.public_address.map(|address| address.to_string()),
        public_port: arguments.public_port.get(),
        idle_timeout: config.server.idle_timeout,
    };
    arguments
        .proxy
        .configuration(&site)
        .map_err(|error| error.to_string())
}

/// Where a proxy on the same machine reaches who listens on `address`.
fn reachable(address: SocketAddr) -> Result<Node, String> {
    if address.port() == 0 {
        return Err(
            "the gateway listens on a port that is not known yet, 0; --gateway HOST:PORT says where the proxy reaches it"
                .to_owned(),
        );
    }
    let host = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => "127.0.0.1".to_owned(),
        IpAddr::V6(ip) if ip.is_unspecified() => "::1".to_owned(),
        ip => ip.to_string(),
    };
    Ok(Node {
        host,
        port: address.port(),
    })
}
