//! `proxy-config`: prints what a proxy in front of the gateway has to be told.

use std::net::IpAddr;
use std::num::NonZeroU16;
use std::process::ExitCode;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};

use super::output::print;
use super::settings::Settings;
use crate::recipes::{Node, Proxy, Route, Site};
use crate::server::{ListenAddress, ListenerConfig};

const EXAMPLES: &str = "\
Examples:
  sockjs-gateway proxy-config nginx --config gateway.toml --server-name example.com
      For the services of a configuration file.
  sockjs-gateway proxy-config caddy --to ws://127.0.0.1:9000/socket --prefix /chat
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
    #[command(flatten)]
    settings: Settings,
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
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, String> {
    configuration(arguments).map(|text| print(&text))
}

fn configuration(arguments: &Arguments) -> Result<String, String> {
    // What sessions talk to is of no concern to the proxy, but a mistake in it should not wait.
    let config = arguments.settings.load(Some("echo:"))?;
    let gateways = if arguments.gateway.is_empty() {
        vec![reachable(&config.all_listeners())?]
    } else {
        arguments.gateway.clone()
    };
    let services = config.services.iter().map(|service| {
        let config = &service.settings.config;
        Route {
            prefix: config.prefix.to_string(),
            heartbeat_delay: config.session.heartbeat_delay,
            max_body_size: config.transport.max_body_size,
            doctor: config.doctor,
        }
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

/// Where a proxy on the same machine reaches the gateway: at the first listener that speaks plain HTTP on a port.
fn reachable(listeners: &[ListenerConfig]) -> Result<Node, String> {
    let plain = listeners
        .iter()
        .find_map(|listener| match listener.address {
            ListenAddress::Tcp(address) if listener.tls.is_none() => Some(address),
            _ => None,
        });
    let address = match plain {
        Some(address) if address.port() != 0 => address,
        Some(_) => {
            return Err(
                "the gateway listens on a port that is not known yet, 0; --gateway HOST:PORT says where the proxy reaches it"
                    .to_owned(),
            );
        }
        None => {
            return Err(
                "the gateway listens on no port without TLS; --gateway HOST:PORT says where the proxy reaches it"
                    .to_owned(),
            );
        }
    };
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
