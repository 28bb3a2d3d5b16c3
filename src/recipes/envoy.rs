//! Envoy: a bootstrap file with a listener, the routes and a cluster.

use super::site::{Limit, Node, Route, Site, literal};
use super::{Proxy, each, fill};

const PLACE: &str = "\
# Start it with: envoy -c sockjs.yaml (--mode validate checks it only). Or take the listener and the cluster.
";

const FILE: &str = r#"
static_resources:
  listeners:
    - name: sockjs
      address:
        socket_address: { address: "«address»", port_value: «port» }
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: sockjs
                # This proxy meets the browsers: it takes off the x-envoy-* fields with which they could set timeouts
                # and retries, and says itself what the scheme is (X-Forwarded-Proto).
                use_remote_address: true
                # X-Forwarded-For is set below instead.
                skip_xff_append: true
                # WebSockets
                upgrade_configs:
                  - upgrade_type: websocket
                http2_protocol_options:
                  allow_connect: true
                # Silence between two heartbeats is no failure.
                stream_idle_timeout: «silence»s
                request_headers_timeout: 10s
                route_config:
                  name: sockjs
                  # Who the browser is and what it asked for; not what it says about itself.
                  request_headers_to_remove:
                    - forwarded
                  request_headers_to_add:
                    - header: { key: x-forwarded-for, value: "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%" }
                      append_action: OVERWRITE_IF_EXISTS_OR_ADD
                    - header: { key: x-forwarded-host, value: "%REQ(:AUTHORITY)%" }
                      append_action: OVERWRITE_IF_EXISTS_OR_ADD
                  virtual_hosts:
                    - name: sockjs
                      domains: [«domains»]
                      routes:
«routes»                        # Your own site.
                        #- match: { prefix: "/" }
                        #  route: { cluster: site }
                # Neither a compressor nor a buffer here: they hold frames back.
                http_filters:
                  - name: envoy.filters.http.router
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
          # TLS, and HTTP/2 for the browsers:
          #transport_socket:
          #  name: envoy.transport_sockets.tls
          #  typed_config:
          #    "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          #    common_tls_context:
          #      alpn_protocols: [h2, http/1.1]
          #      tls_certificates:
          #        - certificate_chain: { filename: /etc/ssl/«example».pem }
          #          private_key: { filename: /etc/ssl/private/«example».key }

  clusters:
    - name: sockjs_gateway
      type: «discovery»
      connect_timeout: 5s
«balance»      load_assignment:
        cluster_name: sockjs_gateway
        endpoints:
          - lb_endpoints:
«nodes»      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          # Below the gateway's idle_timeout: whoever sends a request must be the one who closes.
          common_http_protocol_options: { idle_timeout: «keep_alive»s }
          explicit_http_config: { http_protocol_options: {} }
      # The default allows 1024 connections and requests at a time: a WebSocket, a stream and a poll are one each.
      circuit_breakers:
        thresholds:
          - { max_connections: 100000, max_pending_requests: 100000, max_requests: 100000 }
"#;

/// Without a `retry_policy`, which would send messages twice.
const ROUTE: &str = r#"                        - match: { safe_regex: { regex: "«regex»" } }
                          route:
                            cluster: sockjs_gateway
                            # The default, 15 s, ends every stream and poll that is older.
                            timeout: 0s
                            idle_timeout: «silence»s
«hash»"#;

const HASH: &str = r#"                            # All requests of a session go to one gateway: the one its /prefix/server/session gives.
                            hash_policy:
                              - header:
                                  header_name: ":path"
                                  regex_rewrite: { pattern: { regex: "«regex»" }, substitution: "\\1" }
"#;

const DOCTOR: &str = r#"                            # All of the doctor is in one.
                            hash_policy:
                              - header:
                                  header_name: ":path"
                                  regex_rewrite: { pattern: { regex: "«regex»" }, substitution: "\\1" }
"#;

const BALANCE: &str = "      lb_policy: RING_HASH\n";

const NODE: &str = r#"              - endpoint: { address: { socket_address: { address: "«host»", port_value: «port» } } }
"#;

pub(super) fn configuration(site: &Site) -> String {
    let silence = site.silence().to_string();
    let route = |regex: &str, hash: &str| {
        let values = [("regex", regex), ("silence", &*silence), ("hash", hash)];
        fill(ROUTE, &values)
    };
    let mut routes = String::new();
    if site.is_shared() {
        routes += &each(&site.deepest_first(), |service| {
            let pattern = service.session_pattern();
            let session = format!("^({pattern})/.*");
            let hash = fill(HASH, &[("regex", &session)]);
            let sessions = route(&format!("{pattern}/.*"), &hash);
            let doctor = service.doctor_path().map(|path| {
                let path = literal(&path);
                let hash = fill(DOCTOR, &[("regex", &format!("^({path}).*"))]);
                route(&format!("{path}(/.*)?"), &hash)
            });
            doctor.unwrap_or_default() + &sessions
        });
    }
    routes += &each(&site.services, |service: &Route| {
        // A pattern has to match the whole path.
        let regex = match &*service.prefix {
            "" => "/.*".to_owned(),
            prefix => format!("{}(/.*)?", literal(prefix)),
        };
        route(&regex, "")
    });
    let nodes = each(&site.gateways, |node: &Node| {
        fill(
            NODE,
            &[("host", &node.host), ("port", &node.port.to_string())],
        )
    });
    let domains = match &site.server_name {
        Some(name) => format!("\"{name}\", \"{name}:*\""),
        None => "\"*\"".to_owned(),
    };
    let is_address = |node: &Node| {
        node.host.contains(':') || node.host.bytes().all(|byte| b".0123456789".contains(&byte))
    };
    let discovery = if site.gateways.iter().all(is_address) {
        "STATIC"
    } else {
        "STRICT_DNS"
    };
    let file = fill(
        FILE,
        &[
            (
                "address",
                site.public_address.as_deref().unwrap_or("0.0.0.0"),
            ),
            ("port", &site.public_port.to_string()),
            ("silence", &silence),
            ("domains", &domains),
            ("routes", &routes),
            ("example", site.example_name()),
            ("discovery", discovery),
            ("balance", if site.is_shared() { BALANCE } else { "" }),
            ("nodes", &nodes),
            ("keep_alive", &site.keep_alive().to_string()),
        ],
    );
    site.head(Proxy::Envoy, &[Limit::Silence], PLACE) + &file
}
