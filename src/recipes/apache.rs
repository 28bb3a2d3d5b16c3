//! Apache httpd: a virtual host.

use super::site::{Limit, Node, Route, Site, SiteError, bracketed};
use super::{Proxy, each, fill};

const PLACE: &str = "\
# Place this in /etc/apache2/sites-available/sockjs.conf; then:
# a2enmod «modules» && a2ensite sockjs && apache2ctl configtest
#
# A stream or a WebSocket takes a worker thread as long as it is open: raise MaxRequestWorkers (150 by default) above the
# number of browsers that you expect.
";

const NAMELESS: &str = "\
#
# Another <VirtualHost> of this port may get the requests first, such as 000-default: --server-name HOST gives this one a
# name of its own.
";

const FILE: &str = r#"
«listen»<VirtualHost «address»:«port»>
«server_name»    # TLS, and HTTP/2 for the browsers (a2enmod ssl http2), in a <VirtualHost «address»:443>:
    #Protocols h2 http/1.1
    #SSLEngine on
    #SSLCertificateFile    /etc/ssl/«example».pem
    #SSLCertificateKeyFile /etc/ssl/private/«example».key

    # Origins are compared with the host that the browser asked for.
    ProxyPreserveHost On

    # upgrade       WebSockets
    # flushpackets  frames leave at once
    # timeout       silence between two heartbeats is no failure
    # ttl           below the gateway's idle_timeout: whoever sends a request must be the one who closes
    # retry=0       a gateway that was down is asked again at once, not after a minute of 503
«passes»«locations»</VirtualHost>
"#;

const OPTIONS: &str = "upgrade=websocket flushpackets=on timeout=«silence» connectiontimeout=5 ttl=«keep_alive» retry=0";

const LOCATION: &str = r#"
    <Location "«path»">
        # Frames leave as they are.
        SetEnv no-gzip 1
        SetEnv no-brotli 1

        # Who the browser is and what it asked for; not what it says about itself. Apache adds X-Forwarded-For and -Host.
        RequestHeader unset Forwarded
        RequestHeader unset X-Forwarded-For
        RequestHeader unset X-Forwarded-Host
        RequestHeader set X-Forwarded-Proto expr=%{REQUEST_SCHEME}
    </Location>
"#;

const PASS: &str = "    ProxyPass \"«path»\" \"http://«node»«path»\" «options»\n";

const SHARED: &str = r#"    #
    # All requests of a session go to one gateway: the last digit of the server part in /prefix/server/session says which.
    # (Apache cannot hash a part of a URL.)
«matches»    # The rest may go anywhere.
    <Proxy "balancer://sockjs">
«members»    </Proxy>
«passes»"#;

const DOCTOR: &str = "    # All of the doctor is in one.
    ProxyPass \"«path»\" \"http://«node»«path»\" «options»
";

const MATCH: &str = "    ProxyPassMatch \"^(«pattern».*)$\" \"http://«node»$1\" «options»\n";

const MEMBER: &str = "        BalancerMember \"http://«node»\" «options»\n";

const BALANCED: &str = "    ProxyPass \"«path»\" \"balancer://sockjs«path»\"\n";

pub(super) fn configuration(site: &Site) -> Result<String, SiteError> {
    let (silence, keep_alive) = (site.silence().to_string(), site.keep_alive().to_string());
    let options = fill(
        OPTIONS,
        &[("silence", &silence), ("keep_alive", &keep_alive)],
    );
    let mut modules = "proxy proxy_http headers env".to_owned();
    let passes = if site.is_shared() {
        site.check_digits()?;
        modules.push_str(" proxy_balancer lbmethod_byrequests");
        shared(site, &options)
    } else {
        let node = site.gateways[0].to_string();
        each(&site.services, |route: &Route| {
            let values = [
                ("path", path(route)),
                ("node", &node),
                ("options", &options),
            ];
            fill(PASS, &values)
        })
    };
    let locations = each(&site.services, |route: &Route| {
        fill(LOCATION, &[("path", path(route))])
    });
    let address = match &site.public_address {
        Some(address) => bracketed(address),
        None => "*".to_owned(),
    };
    let port = site.public_port;
    let listen = match (port, &site.public_address) {
        // Debian's ports.conf has these, and Apache refuses to listen twice.
        (80 | 443, _) => String::new(),
        (_, None) => format!("Listen {port}\n"),
        (_, Some(_)) => format!("Listen {address}:{port}\n"),
    };
    let server_name = site.server_name.as_ref();
    let server_name = server_name.map(|name| format!("    ServerName {name}\n\n"));
    let file = fill(
        FILE,
        &[
            ("listen", &listen),
            ("address", &address),
            ("port", &port.to_string()),
            ("server_name", &server_name.unwrap_or_default()),
            ("example", site.example_name()),
            ("passes", &passes),
            ("locations", &locations),
        ],
    );
    let mut place = fill(PLACE, &[("modules", &modules)]);
    if site.server_name.is_none() {
        place.push_str(NAMELESS);
    }
    Ok(site.head(Proxy::Apache, &[Limit::Silence], &place) + &file)
}

fn path(route: &Route) -> &str {
    if route.prefix.is_empty() {
        "/"
    } else {
        &route.prefix
    }
}

fn shared(site: &Site, options: &str) -> String {
    let matches = each(&site.deepest_first(), |route| {
        let doctor = route.doctor_path().map(|path| {
            let node = site.gateways[0].to_string();
            let values = [("path", &*path), ("node", &node), ("options", options)];
            fill(DOCTOR, &values)
        });
        let mut index = 0..;
        let sessions = each(&site.gateways, |node| {
            let pattern = site.server_pattern(route, index.next().unwrap_or_default());
            let values = [
                ("pattern", &*pattern),
                ("node", &node.to_string()),
                ("options", options),
            ];
            fill(MATCH, &values)
        });
        doctor.unwrap_or_default() + &sessions
    });
    let members = each(&site.gateways, |node: &Node| {
        fill(MEMBER, &[("node", &node.to_string()), ("options", options)])
    });
    let passes = each(&site.services, |route: &Route| {
        fill(BALANCED, &[("path", path(route))])
    });
    let values = [
        ("matches", &*matches),
        ("members", &members),
        ("passes", &passes),
    ];
    fill(SHARED, &values)
}
