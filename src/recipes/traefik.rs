//! Traefik: a file for its file provider, and the entry point it needs as a comment.

use super::site::{Node, Route, Site, SiteError, bracketed, literal};
use super::{Proxy, each, fill};

const PLACE: &str = r#"# Place this in /etc/traefik/dynamic/sockjs.yml, and have the static configuration, /etc/traefik/traefik.yml, say:
#
#   entryPoints:
#     web:
#       address: "«address»:«port»"
#       transport:
#         respondingTimeouts:
#           readTimeout: 0s   # its default, 60 s, ends every stream and poll that is older
#   providers:
#     file:
#       directory: /etc/traefik/dynamic
"#;

const FILE: &str = r#"
http:
  routers:
«routers»
  middlewares:
    # Traefik sets X-Forwarded-For, -Proto and -Host, and removes what the browser says about itself there, but not here.
    sockjs-forwarded:
      headers:
        customRequestHeaders:
          Forwarded: ""

  services:
«services»
  serversTransports:
    sockjs:
      maxIdleConnsPerHost: 64
      forwardingTimeouts:
        dialTimeout: 5s
        # Silence between two heartbeats is no failure: no limit.
        responseHeaderTimeout: 0s
        # Below the gateway's idle_timeout: whoever sends a request must be the one who closes.
        idleConnTimeout: «keep_alive»s
"#;

const ROUTER: &str = r#"    «router»:
      rule: "«rule»"
«priority»      service: «service»
      # Neither `compress` nor `buffering` (they hold frames back) nor `retry` (messages would come twice).
      middlewares:
        - sockjs-forwarded
      entryPoints:
        - web
      # TLS, and HTTP/2 for the browsers:
      #entryPoints:
      #  - websecure
      #tls:
      #  certResolver: «example»
"#;

const SERVICE: &str = r#"    «service»:
      loadBalancer:
        # Origins are compared with the host that the browser asked for.
        passHostHeader: true
        serversTransport: sockjs
        responseForwarding:
          # Frames leave at once.
          flushInterval: -1ms
        servers:
«nodes»"#;

const NODE: &str = "          - url: \"http://«node»\"\n";

const SHARED: &str = "    # All requests of a session go to one gateway: the last digit of the server part in /prefix/server/session says which.
    # (Traefik cannot hash a part of a URL.) The rest may go anywhere.
";

const DOCTOR: &str = "    # All of the doctor is in one.\n";

pub(super) fn configuration(site: &Site) -> Result<String, SiteError> {
    let example = site.example_name().replace('.', "-");
    let host = site.server_name.as_ref();
    let host = host
        .map(|name| format!("Host(`{name}`) && "))
        .unwrap_or_default();
    let router = |name: &str, service: &str, paths: &[String], priority: &str| {
        let rule = match paths {
            [path] => format!("{host}{path}"),
            _ => format!("{host}({})", paths.join(" || ")),
        };
        let values = [
            ("router", name),
            ("rule", &*rule),
            ("priority", priority),
            ("service", service),
            ("example", &example),
        ];
        fill(ROUTER, &values)
    };
    let service = |name: &str, nodes: &[Node]| {
        let nodes = each(nodes, |node: &Node| {
            fill(NODE, &[("node", &node.to_string())])
        });
        fill(SERVICE, &[("service", name), ("nodes", &nodes)])
    };

    let paths: Vec<_> = site.services.iter().flat_map(paths).collect();
    let mut routers = String::new();
    let mut services = service("sockjs", &site.gateways);
    if site.is_shared() {
        site.check_digits()?;
        routers.push_str(SHARED);
        for (number, route) in site.services.iter().enumerate() {
            if let Some(path) = route.doctor_path() {
                routers.push_str(DOCTOR);
                // Before the sessions of its service, whose pattern matches below it too.
                let priority = format!("      priority: {}\n", 2000 + path.len());
                let rule = below(&path);
                let name = format!("sockjs-doctor-{}", number + 1);
                routers += &router(&name, "sockjs-1", &[rule], &priority);
            }
        }
        for (index, node) in site.gateways.iter().enumerate() {
            let name = format!("sockjs-{}", index + 1);
            services += &service(&name, std::slice::from_ref(node));
            for (number, route) in site.services.iter().enumerate() {
                // The longest prefix first, since the pattern of a shorter one may match below it too.
                let priority = format!("      priority: {}\n", 2000 + route.prefix.len());
                let path = format!("PathRegexp(`^{}`)", site.server_pattern(route, index));
                let router_name = format!("{name}-{}", number + 1);
                routers += &router(&router_name, &name, &[path], &priority);
            }
        }
        routers += &router("sockjs", "sockjs", &paths, "      priority: 1000\n");
    } else {
        routers += &router("sockjs", "sockjs", &paths, "");
    }

    let address = site.public_address.as_deref().map(bracketed);
    let place = fill(
        PLACE,
        &[
            ("address", &address.unwrap_or_default()),
            ("port", &site.public_port.to_string()),
        ],
    );
    let values = [
        ("routers", &*routers),
        ("services", &services),
        ("keep_alive", &site.keep_alive().to_string()),
    ];
    Ok(site.head(Proxy::Traefik, &[], &place) + &fill(FILE, &values))
}

fn paths(route: &Route) -> Vec<String> {
    match &*route.prefix {
        "" => vec!["PathPrefix(`/`)".to_owned()],
        prefix => vec![below(prefix)],
    }
}

/// At and below `path`: PathPrefix compares text, not segments.
fn below(path: &str) -> String {
    format!("PathRegexp(`^{}(/|$)`)", literal(path))
}
