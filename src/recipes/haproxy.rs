//! HAProxy: sections for a file of its own, or for the end of an existing one.

use super::site::{Limit, Node, Route, Site};
use super::{Proxy, each, fill};

const PLACE: &str = "\
# Place this at the end of /etc/haproxy/haproxy.cfg, or in a file of its own (haproxy takes several -f); then:
# haproxy -c -f /etc/haproxy/haproxy.cfg
";

const FILE: &str = r#"
# Begins anew: nothing of an earlier `defaults` counts here.
defaults sockjs
    mode http
    # Without it, every frame of a stream waits 200 ms for a second one.
    option http-no-delay
    # Without it, the gateway is not told that a browser is gone as long as it waits for a message.
    option abortonclose
    timeout connect 5s
    timeout queue 10s
    timeout http-request 10s
    timeout http-keep-alive 60s
    # Silence between two heartbeats is no failure; `tunnel` is for WebSockets.
    timeout client «silence»s
    timeout server «silence»s
    timeout tunnel «silence»s
    # Tried again only when the connection failed, so that nothing was received. Others would send messages twice.
    retry-on conn-failure
    retries 1

frontend sockjs
    bind «address»:«port»
    # TLS, and HTTP/2 for the browsers; the file has certificate and key.
    #bind «address»:443 ssl crt /etc/ssl/private/«example».pem alpn h2,http/1.1

«services»    use_backend sockjs_gateway if «condition»
    # Your own site; without one, the answer is 503.
    #default_backend site

backend sockjs_gateway
    # Who the browser is and what it asked for; not what it says about itself.
    http-request del-header Forwarded
    http-request set-header X-Forwarded-For %[src]
    http-request set-header X-Forwarded-Proto http
    http-request set-header X-Forwarded-Proto https if { ssl_fc }
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    # Connections to the gateway are kept for some seconds and shared; a browser's first request gets a new one or one that
    # has proved good.
    http-reuse safe
«balance»«nodes»"#;

const SERVICE: &str = "    acl sockjs path_beg «prefix»/\n";

const GREETING: &str = "    acl sockjs path «prefix»\n";

const HOST: &str = "    acl sockjs_host req.hdr(host),field(1,:) -i «name»\n";

const NODE: &str = "    server gateway«number» «node»«check»\n";

const BALANCE: &str = r#"    # All requests of a session go to one gateway: the one its /prefix/server/session gives. The rest may go anywhere.
    http-request set-var(txn.sockjs_session) uuid()
«patterns»    balance hash var(txn.sockjs_session)
    hash-type consistent
    # A gateway that is down gets no new sessions.
    option httpchk GET «probe»
"#;

const PATTERN: &str = "    http-request set-var(txn.sockjs_session) path,field(2,/,«fields») if { path -m reg ^«pattern»/ }\n";

const DOCTOR: &str = "    # All of the doctor is in one.
    http-request set-var(txn.sockjs_session) str(«path») if { path «path» } || { path_beg «path»/ }
";

pub(super) fn configuration(site: &Site) -> String {
    let silence = site.silence().to_string();
    let mut services = each(&site.services, |route: &Route| {
        let mut lines = fill(SERVICE, &[("prefix", &route.prefix)]);
        if !route.prefix.is_empty() {
            lines.push_str(&fill(GREETING, &[("prefix", &route.prefix)]));
        }
        lines
    });
    let mut condition = "sockjs".to_owned();
    if let Some(name) = &site.server_name {
        services.push_str(&fill(HOST, &[("name", name)]));
        condition.push_str(" sockjs_host");
    }
    let check = if site.is_shared() { " check" } else { "" };
    let mut number = 0;
    let nodes = each(&site.gateways, |node: &Node| {
        number += 1;
        let values = [
            ("number", &*number.to_string()),
            ("node", &node.to_string()),
            ("check", check),
        ];
        fill(NODE, &values)
    });
    let balance = if site.is_shared() {
        balance(site)
    } else {
        String::new()
    };
    let file = fill(
        FILE,
        &[
            ("silence", &silence),
            ("address", site.public_address.as_deref().unwrap_or("")),
            ("port", &site.public_port.to_string()),
            ("example", site.example_name()),
            ("services", &services),
            ("condition", &condition),
            ("balance", &balance),
            ("nodes", &nodes),
        ],
    );
    site.head(Proxy::Haproxy, &[Limit::Silence], PLACE) + &file
}

fn balance(site: &Site) -> String {
    // The last one that matches counts here.
    let mut routes = site.deepest_first();
    routes.reverse();
    let patterns = each(&routes, |route| {
        let fields = route.prefix.matches('/').count() + 2;
        let values = [
            ("pattern", &*route.session_pattern()),
            ("fields", &fields.to_string()),
        ];
        let doctor = route
            .doctor_path()
            .map(|path| fill(DOCTOR, &[("path", &path)]));
        fill(PATTERN, &values) + &doctor.unwrap_or_default()
    });
    let probe = format!("{}/info", site.services[0].prefix);
    fill(BALANCE, &[("patterns", &patterns), ("probe", &probe)])
}
