//! Caddy: a Caddyfile, or a file that one imports.

use super::site::{Limit, Node, Route, Site, bracketed};
use super::{Proxy, each, fill};

const PLACE: &str = "\
# Place this in /etc/caddy/Caddyfile, or import it there; then: caddy validate --config /etc/caddy/Caddyfile
";

const FILE: &str = r#"
# TLS and HTTP/2 for the browsers come by themselves with a name and no scheme:
#«example» {
«address» {
«bind»	@sockjs path «paths»
	handle @sockjs {
		# Not `encode` here, and not outside of handle: it would hold frames back.
		request_body {
			max_size «body»MiB
		}
«session»		reverse_proxy «nodes» {
			# Frames leave at once by themselves. Not `flush_interval -1`: with it, the gateway is not told that a browser is
			# gone.
			# Who the browser is, its host and scheme: Caddy sets X-Forwarded-*, and removes what the browser says about
			# itself there, but not here.
			header_up -Forwarded
«balance»			# Before Caddy loads another configuration, WebSockets get this long to end. (2.7 and later)
			#stream_close_delay 5m
			# Neither read_timeout nor response_header_timeout: silence between two heartbeats is no failure.
			transport http {
				versions 1.1
				dial_timeout 5s
				# Below the gateway's idle_timeout: whoever sends a request must be the one who closes.
				keepalive «keep_alive»s
			}
		}
	}
«rest»}
"#;

const SESSION: &str = r#"
		# All requests of a session go to one gateway: the one its /prefix/server/session gives. The rest may go anywhere.
		@session path_regexp session ^(«patterns»)/
«doctors»		route {
			request_header -X-Sockjs-Session
			request_header @session X-Sockjs-Session {re.session.1}
«doctor»		}
"#;

const DOCTOR: &str = "\t\t\t# All of the doctor is in one.
\t\t\trequest_header @doctor X-Sockjs-Session doctor
";

const BALANCE: &str = "\t\t\tlb_policy header X-Sockjs-Session
\t\t\theader_up -X-Sockjs-Session
";

const REST: &str = "
	# Your own site; `encode gzip` is good here.
	handle {
		respond 404
	}
";

pub(super) fn configuration(site: &Site) -> String {
    let paths = each(&site.services, |route: &Route| match &*route.prefix {
        "" => "/* ".to_owned(),
        prefix => format!("{prefix} {prefix}/* "),
    });
    let nodes = each(&site.gateways, |node: &Node| format!("{node} "));
    let (mut session, mut balance) = (String::new(), "");
    if site.is_shared() {
        let routes = site.deepest_first();
        let patterns: Vec<_> = routes.iter().map(|route| route.session_pattern()).collect();
        let patterns = patterns.join("|");
        let doctors: Vec<_> = routes
            .iter()
            .filter_map(|route| route.doctor_path())
            .map(|path| format!(" {path} {path}/*"))
            .collect();
        let (mut matcher, mut doctor) = (String::new(), "");
        if !doctors.is_empty() {
            matcher = format!("\t\t@doctor path{}\n", doctors.concat());
            doctor = DOCTOR;
        }
        let values = [
            ("patterns", &*patterns),
            ("doctors", &matcher),
            ("doctor", doctor),
        ];
        session = fill(SESSION, &values);
        balance = BALANCE;
    }
    let bind = site.public_address.as_ref();
    let bind = bind.map(|address| format!("\tbind {}\n", bracketed(address)));
    let address = format!(
        "http://{}:{}",
        site.server_name.as_deref().unwrap_or(""),
        site.public_port
    );
    let file = fill(
        FILE,
        &[
            ("example", site.example_name()),
            ("address", &address),
            ("bind", &bind.unwrap_or_default()),
            ("paths", paths.trim_end()),
            ("body", &site.body_mebibytes().to_string()),
            ("session", &session),
            ("nodes", nodes.trim_end()),
            ("balance", balance),
            ("keep_alive", &site.keep_alive().to_string()),
            ("rest", if site.is_root() { "" } else { REST }),
        ],
    );
    site.head(Proxy::Caddy, &[Limit::Body], PLACE) + &file
}
