//! More connections than there may be, of all or of one client network.

use sockjs_gateway::ServerConfig;
use sockjs_gateway::metrics::ConnectionRefusal;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::support::{Running, ask, free_port, info, serve_with};

fn at_most(connections: usize) -> ServerConfig {
    ServerConfig {
        max_connections_per_client: Some(connections),
        ..ServerConfig::default()
    }
}

/// Whether a request on this connection is answered.
async fn is_served(stream: &mut TcpStream) -> bool {
    let answer = ask(stream, &info("")).await;
    answer.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 "))
}

const REFUSED: &str = "sockjs_connections_refused_total";

/// How many connections were refused because of their client network, which two readers tell alike; none was for another reason.
#[track_caller]
fn refused(running: &Running) -> u64 {
    let refused = running.counts.read().refused;
    let of_client = refused[ConnectionRefusal::TooManyOfClient as usize];
    assert_eq!(refused.iter().sum::<u64>(), of_client, "{refused:?}");
    assert_eq!(
        running.counted(REFUSED, "max_connections_per_client"),
        of_client
    );
    of_client
}

/// One network has so many connections at a time; who is over that is closed and counted, and a place that becomes free is given again.
#[tokio::test]
async fn connections_of_a_client_network_are_bounded() {
    let running = serve_with(free_port(), &[], at_most(2));
    let mut streams = [running.connect().await, running.connect().await];
    for stream in &mut streams {
        assert!(is_served(stream).await);
    }
    assert!(!is_served(&mut running.connect().await).await);
    assert_eq!(refused(&running), 1);
    drop(streams);
    // The server has to see the end of one first.
    while !is_served(&mut running.connect().await).await {
        tokio::task::yield_now().await;
    }
}

/// No more connections than there may be: each beyond is closed and counted, and none that is served is.
#[tokio::test]
async fn connections_beyond_all_places_are_counted() {
    let config = ServerConfig {
        max_connections: 2,
        ..ServerConfig::default()
    };
    let running = serve_with(free_port(), &[], config);
    let mut streams = [running.connect().await, running.connect().await];
    for stream in &mut streams {
        assert!(is_served(stream).await);
    }
    for times in 1..=3 {
        assert!(!is_served(&mut running.connect().await).await);
        let refused = running.counts.read().refused;
        assert_eq!(refused[ConnectionRefusal::TooMany as usize], times);
        assert_eq!(refused.iter().sum::<u64>(), times);
        assert_eq!(running.counted(REFUSED, "max_connections"), times);
    }
    assert_eq!(running.counted("sockjs_connections_accepted_total", ""), 2);
    assert_eq!(running.counted("sockjs_connections", ""), 2);
    assert_eq!(running.counted("sockjs_connections_limit", ""), 2);
}

/// Proxies that are trusted connect for many: they are not counted.
#[tokio::test]
async fn connections_of_trusted_proxies_are_not_counted() {
    let running = serve_with(free_port(), &["127.0.0.1"], at_most(1));
    let mut streams = [running.connect().await, running.connect().await];
    for stream in &mut streams {
        assert!(is_served(stream).await);
    }
    assert_eq!(refused(&running), 0);
}

/// Behind the PROXY protocol those are counted whom the header names.
#[tokio::test]
async fn connections_are_counted_by_the_proxy_header() {
    let mut listener = free_port();
    listener.proxy_protocol = true;
    let running = serve_with(listener, &["127.0.0.1"], at_most(1));
    let mut streams = Vec::new();
    for (header, served) in [
        ("PROXY TCP4 203.0.113.7 127.0.0.1 40000 443\r\n", true),
        ("PROXY TCP4 203.0.113.7 127.0.0.1 40001 443\r\n", false),
        ("PROXY TCP4 203.0.113.8 127.0.0.1 40000 443\r\n", true),
        ("PROXY UNKNOWN\r\n", true),
        ("PROXY UNKNOWN\r\n", true),
    ] {
        let mut stream = running.connect().await;
        stream.write_all(header.as_bytes()).await.unwrap();
        assert_eq!(is_served(&mut stream).await, served, "{header}");
        streams.push(stream);
    }
    assert_eq!(refused(&running), 1);
}
