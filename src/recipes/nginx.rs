//! nginx: a file for its `http` context.

use super::site::{Limit, Node, Route, Site, bracketed, literal};
use super::{Proxy, each, fill};

const PLACE: &str = "\
# Place this in /etc/nginx/conf.d/sockjs.conf, or wherever your http { } includes files from; then: nginx -t
";

const NAMELESS: &str = "\
# Another server { } of this port may get the requests first, such as a distribution's default site: --server-name HOST
# gives this one a name of its own.
";

const FILE: &str = r#"
# A WebSocket handshake goes on as one; every other request keeps its connection to the gateway open.
map $http_upgrade $sockjs_connection {
    ""      "";
    default upgrade;
}
«sessions»
upstream sockjs_gateway {
«nodes»    keepalive 64;
    # Below the gateway's idle_timeout: whoever sends a request must be the one who closes.
    keepalive_timeout «keep_alive»s;
}

server {
    listen «listen»;
    server_name «server_name»;

    # TLS, and HTTP/2 for the browsers. nginx before 1.25.1 has `listen 443 ssl http2;` instead of `http2 on;`.
    #listen 443 ssl;
    #http2 on;
    #ssl_certificate     /etc/ssl/«example».pem;
    #ssl_certificate_key /etc/ssl/private/«example».key;
«services»«rest»}
"#;

const SESSIONS: &str = r#"
# All requests of a session go to one gateway: the one its /prefix/server/session gives. The rest may go anywhere.
map $uri $sockjs_session {
    default $request_id;
«patterns»}
"#;

const DOCTOR: &str = "    # All of the doctor is in one.
    \"~^«pattern»(/|$)\" \"«path»\";
";

const BALANCE: &str = "    hash $sockjs_session consistent;\n";

const NODE: &str = "    server «node»;\n";

const SERVICE: &str = r#"
    location «path» {
        proxy_pass http://sockjs_gateway;

        # WebSockets, and streams whose frames are passed on one by one, need HTTP/1.1.
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $sockjs_connection;

        # Frames leave at once, and as they are.
        proxy_buffering off;
        gzip off;

        # Silence between two heartbeats is no failure.
        proxy_read_timeout «silence»s;
        proxy_send_timeout «silence»s;
        proxy_connect_timeout 5s;

        client_max_body_size «body»m;

        # Who the browser is and what it asked for; not what it says about itself.
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_set_header X-Forwarded-Host $http_host;
        proxy_set_header Forwarded "";

        # Tried again only when the connection failed, and never what carries messages, POST, once it was sent: they would
        # come twice. Do not add non_idempotent.
        proxy_next_upstream error;
    }
"#;

const GREETING: &str = r#"
    # What a person sees who opens the address of «prefix».
    location = «prefix» {
        proxy_pass http://sockjs_gateway;
    }
"#;

const REST: &str = r#"
    # Your own site.
    location / {
        return 404;
    }
"#;

pub(super) fn configuration(site: &Site) -> String {
    let silence = site.silence().to_string();
    let body = site.body_mebibytes().to_string();
    let service = |route: &Route| {
        let prefix = &*route.prefix;
        let path = match prefix {
            "" => "/".to_owned(),
            // No regular expression of another location takes it away, such as one for every .js.
            prefix => format!("^~ {prefix}/"),
        };
        let values = [("path", &*path), ("silence", &silence), ("body", &body)];
        let mut text = fill(SERVICE, &values);
        if !prefix.is_empty() {
            text.push_str(&fill(GREETING, &[("prefix", prefix)]));
        }
        text
    };
    let node = |node: &Node| fill(NODE, &[("node", &node.to_string())]);
    let mut nodes = each(&site.gateways, node);
    let mut sessions = String::new();
    if site.is_shared() {
        nodes.insert_str(0, BALANCE);
        let patterns = each(&site.deepest_first(), |route| {
            let doctor = route.doctor_path().map(|path| {
                let values = [("pattern", &*literal(&path)), ("path", &path)];
                fill(DOCTOR, &values)
            });
            let pattern = route.session_pattern();
            let session = format!("    \"~^(?<sockjs_url>{pattern})/\" $sockjs_url;\n");
            doctor.unwrap_or_default() + &session
        });
        sessions = fill(SESSIONS, &[("patterns", &patterns)]);
    }
    let port = site.public_port;
    let listen = match &site.public_address {
        Some(address) => format!("{}:{port}", bracketed(address)),
        None => port.to_string(),
    };
    let file = fill(
        FILE,
        &[
            ("sessions", &sessions),
            ("nodes", &nodes),
            ("keep_alive", &site.keep_alive().to_string()),
            ("listen", &listen),
            ("server_name", site.server_name.as_deref().unwrap_or("_")),
            ("example", site.example_name()),
            ("services", &each(&site.services, service)),
            ("rest", if site.is_root() { "" } else { REST }),
        ],
    );
    let nameless = if site.server_name.is_none() {
        NAMELESS
    } else {
        ""
    };
    site.head(
        Proxy::Nginx,
        &[Limit::Silence, Limit::Body],
        &format!("{PLACE}{nameless}"),
    ) + &file
}
