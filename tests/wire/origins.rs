//! Who may use a service. The default is its own origin.

use crate::fixture::{OPEN, service, upgrade};
use crate::support::{Head, Request, Response, Server, Session};

const EVIL: &str = "https://evil.example";

const ALL: &str = "transports = [\"websocket\", \"websocket-raw\", \"xhr-polling\", \"xhr-streaming\", \"eventsource\", \"htmlfile\", \"jsonp-polling\"]";

/// An echo service with all transports and these lines for `origins`, none for the default.
fn server(origins: &str) -> Server {
    plain_server(&format!("{ALL}\n{origins}"))
}

fn plain_server(lines: &str) -> Server {
    Server::with_config(&format!(
        "[[service]]\nprefix = \"/echo\"\nbackend = \"echo:\"\n{lines}\n"
    ))
}

fn own_origin(server: &Server) -> String {
    format!("http://{}", server.address.authority)
}

/// Every URL that does something, with a session id of its own.
fn requests() -> Vec<Request> {
    let session = |suffix: &str| format!("/echo/000/{}{suffix}", crate::support::random_id());
    let mut requests = vec![
        Request::get("/echo/info"),
        Request::options("/echo/info"),
        Request::get(session("/eventsource")),
        Request::get(session("/htmlfile?c=x")),
        Request::get(session("/jsonp?c=x")),
        Request::post(session("/jsonp_send")).body("d=[]"),
        upgrade(session("/websocket")),
        upgrade("/echo/websocket"),
    ];
    for suffix in ["/xhr", "/xhr_send", "/xhr_streaming"] {
        requests.push(Request::post(session(suffix)).body("[]"));
        requests.push(Request::options(session(suffix)));
    }
    requests
}

#[track_caller]
fn head(server: &Server, request: &Request) -> Head {
    server.connect().request(request)
}

/// 403 in one line, without the fields that would let the page read it.
#[track_caller]
fn assert_forbidden(response: &Response, what: &str) {
    response.assert_body("Forbidden origin.");
    assert_eq!(response.head.status, 403, "{what}");
    assert_eq!(
        response.head.header("Access-Control-Allow-Origin"),
        None,
        "{what}"
    );
    assert_eq!(
        response.head.header("Access-Control-Allow-Credentials"),
        None,
        "{what}"
    );
    assert_eq!(response.head.header("Vary"), Some("Origin"), "{what}");
    response.head.assert_no_cookie();
}

/// A page of another site is refused at every URL, before anything happens. (CVE-2026-59390, CVE-2026-41700)
#[test]
fn foreign_origin_is_refused_everywhere() {
    let server = server("cookie_needed = true");
    let authority = &server.address.authority;
    let (host, port) = authority.split_once(':').expect("host and port");
    let foreign = [
        EVIL.to_owned(),
        "null".to_owned(),
        String::new(),
        "file://".to_owned(),
        format!("https://{authority}.evil.example"),
        format!("http://{authority}.evil.example"),
        format!("http://evil.example/{authority}"),
        format!("http://{authority}@evil.example"),
        format!("http://x.{authority}"),
        format!("http://{host}"),
        format!("http://{host}:1{port}"),
        format!("http://{authority} ").replace(' ', "%20"),
        format!("http://{authority}\u{e9}"),
        format!("http://{authority}/"),
        format!("http://{authority},http://evil.example"),
    ];
    for origin in &foreign {
        for request in requests() {
            let what = format!("{request:?} from {origin:?}");
            let response = server.request(&request.header("Origin", origin.as_str()));
            assert_forbidden(&response, &what);
        }
    }
}

/// The service's own pages are let in, and see their origin reflected.
#[test]
fn own_origin_is_admitted_everywhere() {
    let server = server("");
    let own = own_origin(&server);
    for request in requests() {
        let head = head(&server, &request.clone().header("Origin", own.as_str()));
        assert_ne!(head.status, 403, "{request:?}");
        if let Some(allowed) = head.header("Access-Control-Allow-Origin") {
            assert_eq!(allowed, own);
            head.assert_cors(Some(&own));
        }
    }
}

/// Without an `Origin` the request is no page's of another site: programs, and same-origin GET of older browsers. No wildcard is
/// announced then, since not everybody may read.
#[test]
fn absent_origin_is_admitted_without_a_wildcard() {
    let server = server("");
    for request in requests() {
        let head = head(&server, &request);
        assert_ne!(head.status, 403, "{request:?}");
        assert_eq!(
            head.header("Access-Control-Allow-Origin"),
            None,
            "{request:?}"
        );
    }
}

/// Two `Origin` fields are nobody's: whichever is looked at, the other one is not vouched for.
#[test]
fn second_foreign_origin_field_is_not_overlooked() {
    let server = server("");
    let own = own_origin(&server);
    for pair in [[own.as_str(), EVIL], [EVIL, own.as_str()]] {
        for request in requests() {
            let request = request.header("Origin", pair[0]).header("Origin", pair[1]);
            assert_eq!(head(&server, &request).status, 403, "{request:?}");
        }
    }
}

/// A refused poll opens no session, and a refused message is not delivered.
#[test]
fn refused_requests_leave_no_trace() {
    let server = server("");
    let session = Session::new(&server, "/echo");
    let foreign = |request: Request| server.request(&request.header("Origin", EVIL));
    assert_forbidden(&foreign(Request::post(session.url("/xhr"))), "xhr");
    session.post("/xhr_send", "[\"x\"]").assert_not_found();

    session.poll().assert_is(200, OPEN);
    let request = Request::post(session.url("/xhr_send")).body("[\"injected\"]");
    assert_forbidden(&foreign(request), "xhr_send");
    let request = Request::post(session.url("/jsonp_send"))
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body("d=[\"injected\"]");
    assert_forbidden(&foreign(request), "jsonp_send");
    session.send("[\"own\"]");
    session.poll().assert_is(200, "a[\"own\"]\n");
}

/// A list admits what it names, by scheme, host and port, with sub-domains where it says so, and the service's own origin.
#[test]
fn list_admits_what_it_names() {
    let server = server(
        "origins = [\"https://app.example.com\", \"https://*.example.org\", \"http://localhost:3000\"]",
    );
    let own = own_origin(&server);
    for origin in [
        own.as_str(),
        "https://app.example.com",
        "https://app.example.com:443",
        "https://APP.example.com",
        "https://a.example.org",
        "https://a.b.example.org",
        "http://localhost:3000",
    ] {
        for request in requests() {
            let status = head(&server, &request.clone().header("Origin", origin)).status;
            assert_ne!(status, 403, "{request:?} from {origin}");
        }
    }
    for origin in [
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://app.example.com.evil.example",
        "https://xapp.example.com",
        "https://example.org",
        "https://xexample.org",
        "https://.example.org.evil.example",
        "https://evil.example#.example.org",
        "https://evil.example?.example.org",
        "https://evil.example/.example.org",
        "https://evil.example\\.example.org",
        "https://evil@.example.org",
        "http://localhost:30000",
        "http://localhost",
        "null",
    ] {
        for request in requests() {
            let status = head(&server, &request.clone().header("Origin", origin)).status;
            assert_eq!(status, 403, "{request:?} from {origin}");
        }
    }
}

/// Script and frame elements send no `Origin`, but browsers say where they come from. (Fetch Metadata; CVE-2018-11040)
#[test]
fn cross_site_scripts_and_frames_are_refused() {
    let server = server("origins = [\"https://app.example.com\"]");
    for suffix in ["/jsonp?c=x", "/htmlfile?c=x", "/eventsource"] {
        let status = |site: &'static str, referer: Option<&'static str>| {
            let session = Session::new(&server, "/echo");
            let mut request = Request::get(session.url(suffix)).header("Sec-Fetch-Site", site);
            if let Some(referer) = referer {
                request = request.header("Referer", referer);
            }
            head(&server, &request).status
        };
        assert_eq!(status("same-origin", None), 200, "{suffix}");
        assert_eq!(status("none", None), 200, "{suffix}");
        assert_eq!(status("cross-site", None), 403, "{suffix}");
        assert_eq!(status("same-site", None), 403, "{suffix}");
        assert_eq!(
            status("cross-site", Some("https://evil.example/")),
            403,
            "{suffix}"
        );
        assert_eq!(
            status(
                "cross-site",
                Some("https://evil.example/?https://app.example.com/")
            ),
            403,
            "{suffix}"
        );
        assert_eq!(
            status("cross-site", Some("https://app.example.com/page")),
            200,
            "{suffix}"
        );
    }
}

/// Whoever sends the request cannot say what the host was; a trusted proxy can.
#[test]
fn forwarded_host_is_believed_from_trusted_proxies_only() {
    for (trusted, status) in [("", 403), ("trusted_proxies = [\"127.0.0.0/8\"]\n", 200)] {
        let server = Server::with_config(&format!(
            "{trusted}[[service]]\nprefix = \"/echo\"\nbackend = \"echo:\"\n"
        ));
        for (name, value) in [
            ("X-Forwarded-Host", "app.example.com"),
            ("Forwarded", "for=1.2.3.4;host=app.example.com;proto=https"),
        ] {
            let request = Request::get("/echo/info")
                .header(name, value)
                .header("X-Forwarded-Proto", "https")
                .header("Origin", "https://app.example.com");
            assert_eq!(
                head(&server, &request).status,
                status,
                "{name}, {trusted:?}"
            );
        }
    }
}

/// Behind a trusted proxy that says `https`, a plain `http` page of the same host is another origin. (RFC 6454 §5)
#[test]
fn forwarded_scheme_counts() {
    let server = Server::with_config(
        "trusted_proxies = [\"127.0.0.1\"]\n[[service]]\nprefix = \"/echo\"\nbackend = \"echo:\"\n",
    );
    for (origin, status) in [
        ("https://app.example.com", 200),
        ("http://app.example.com", 403),
    ] {
        let request = Request::get("/echo/info")
            .header("X-Forwarded-Host", "app.example.com")
            .header("X-Forwarded-Proto", "https")
            .header("Origin", origin);
        assert_eq!(head(&server, &request).status, status, "{origin}");
    }
}

/// Only names of header fields are reflected to a preflight. (RFC 9110 §5.1)
#[test]
fn preflight_reflects_field_names_only() {
    let server = Server::with_config(&service("/echo", "echo:", ""));
    for (asked, reflected) in [
        ("content-type, x-a", true),
        ("x y", false),
        ("<script>", false),
        ("a\"b", false),
        ("a;b", false),
    ] {
        let request = Request::options("/echo/000/s/xhr")
            .header("Origin", EVIL)
            .header("Access-Control-Request-Headers", asked);
        let head = head(&server, &request);
        let sent = head.header("Access-Control-Allow-Headers");
        assert_eq!(sent, reflected.then_some(asked));
    }
}

/// A page that may be framed by anybody only where anybody may use the service.
#[test]
fn iframe_page_may_be_framed_by_admitted_origins_only() {
    let policy = |origins: &str| {
        let page = server(origins).get("/echo/iframe.html");
        page.head
            .header("Content-Security-Policy")
            .map(str::to_owned)
    };
    assert_eq!(policy("").as_deref(), Some("frame-ancestors 'self'"));
    assert_eq!(policy("origins = \"*\""), None);
    assert_eq!(
        policy("origins = [\"https://app.example.com\"]").as_deref(),
        Some("frame-ancestors 'self' https://app.example.com")
    );
}

/// Transports that any page can use without telling its origin are on where every page is let in, or where they are asked for.
#[test]
fn unchecked_transports_are_off_for_restricted_origins() {
    for (lines, status) in [
        ("", 404),
        ("origins = [\"https://app.example.com\"]", 404),
        ("origins = \"*\"", 200),
        ("transports = [\"htmlfile\", \"jsonp-polling\"]", 200),
    ] {
        let server = plain_server(lines);
        for suffix in ["/jsonp?c=x", "/htmlfile?c=x"] {
            let session = Session::new(&server, "/echo");
            let got = head(&server, &Request::get(session.url(suffix))).status;
            assert_eq!(got, status, "{suffix} with {lines:?}");
        }
    }
    let server = plain_server("");
    let session = Session::new(&server, "/echo");
    assert_eq!(
        head(&server, &Request::post(session.url("/xhr"))).status,
        200
    );
}

/// Where something in front adds the fields, the gateway adds none: browsers refuse answers that have them twice.
#[test]
fn cors_fields_can_be_left_to_others() {
    let server = server("cors = \"off\"");
    let own = own_origin(&server);
    for request in requests() {
        let head = head(&server, &request.clone().header("Origin", own.as_str()));
        assert_ne!(head.status, 403, "{request:?}");
        for field in [
            "Access-Control-Allow-Origin",
            "Access-Control-Allow-Credentials",
            "Access-Control-Allow-Headers",
        ] {
            assert_eq!(head.header(field), None, "{request:?}");
        }
    }
    let info = Request::get("/echo/info").header("Origin", own.as_str());
    assert_eq!(
        head(&server, &info).header("Vary"),
        Some("Origin"),
        "caches still have to know"
    );
    let foreign = Request::get("/echo/info").header("Origin", EVIL);
    assert_eq!(
        head(&server, &foreign).status,
        403,
        "who is let in is another matter"
    );
}

/// `*` is no page's origin: it is never said beside credentials, also to who sends it.
#[test]
fn credentials_are_not_for_a_star() {
    let server = server("origins = \"*\"");
    for (origin, credentials) in [("*", None), (EVIL, Some("true"))] {
        let response = server.request(&Request::get("/echo/info").header("Origin", origin));
        assert_eq!(
            response.head.header("Access-Control-Allow-Origin"),
            Some(origin)
        );
        assert_eq!(
            response.head.header("Access-Control-Allow-Credentials"),
            credentials
        );
    }
}

/// Where `allow_missing_origin` is off, programs are kept out and a page's own requests are not.
#[test]
fn missing_origins_are_refused_when_asked_for() {
    let server = server("allow_missing_origin = false");
    let own = own_origin(&server);
    for request in requests() {
        assert_forbidden(&server.request(&request), &format!("{request:?}"));
    }
    for (name, value) in [
        ("Sec-Fetch-Site", "same-origin".to_owned()),
        ("Referer", format!("{own}/page.html")),
    ] {
        for request in requests() {
            let request = request.header(name, value.as_str());
            assert_ne!(head(&server, &request).status, 403, "{request:?}");
        }
    }
}

/// What a page's origin is compared with: the host and scheme that the browser used, as far as a proxy that is believed says so.
#[test]
fn own_origin_is_judged_as_trusted_proxies_report_it() {
    /// Everything that could be taken for the own origin.
    const ORIGINS: [&str; 8] = [
        "http://gw.example",
        "https://gw.example",
        "http://gw.example:8081",
        "http://public.example",
        "https://public.example",
        "https://public.example:8443",
        "wss://public.example",
        "https://evil.example",
    ];
    // Trusted, Host, what the proxy says, and who is let in.
    type Row = (
        bool,
        &'static str,
        &'static [(&'static str, &'static str)],
        &'static [&'static str],
    );
    const HTTP: (&str, &str) = ("X-Forwarded-Proto", "http");
    const HTTPS: (&str, &str) = ("X-Forwarded-Proto", "https");
    const HOST: (&str, &str) = ("X-Forwarded-Host", "public.example");
    let rows: [Row; 16] = [
        // Nobody vouches for the scheme: either default port of the host it was sent to.
        (
            false,
            "gw.example",
            &[],
            &["http://gw.example", "https://gw.example"],
        ),
        (false, "gw.example:8081", &[], &["http://gw.example:8081"]),
        (
            false,
            "gw.example",
            &[HTTPS],
            &["http://gw.example", "https://gw.example"],
        ),
        (
            false,
            "gw.example",
            &[HOST, HTTPS],
            &["http://gw.example", "https://gw.example"],
        ),
        (
            false,
            "gw.example",
            &[("Forwarded", "host=public.example;proto=https")],
            &["http://gw.example", "https://gw.example"],
        ),
        (
            false,
            "public.example",
            &[],
            &[
                "http://public.example",
                "https://public.example",
                "wss://public.example",
            ],
        ),
        (
            false,
            "public.example:8443",
            &[HTTP],
            &["https://public.example:8443"],
        ),
        (
            true,
            "gw.example",
            &[],
            &["http://gw.example", "https://gw.example"],
        ),
        (true, "gw.example", &[HTTP], &["http://gw.example"]),
        (true, "gw.example", &[HTTPS], &["https://gw.example"]),
        (
            true,
            "gw.example",
            &[HOST],
            &[
                "http://public.example",
                "https://public.example",
                "wss://public.example",
            ],
        ),
        (
            true,
            "gw.example",
            &[HOST, HTTP],
            &["http://public.example"],
        ),
        (
            true,
            "gw.example:8081",
            &[HOST, HTTPS],
            &["https://public.example", "wss://public.example"],
        ),
        (
            true,
            "gw.example",
            &[("X-Forwarded-Host", "public.example:8443"), HTTPS],
            &["https://public.example:8443"],
        ),
        (
            true,
            "gw.example",
            &[("Forwarded", "host=public.example;proto=https")],
            &["https://public.example", "wss://public.example"],
        ),
        // RFC 7239 goes before the older fields, which a browser may have sent.
        (
            true,
            "gw.example",
            &[
                ("Forwarded", "host=public.example;proto=http"),
                ("X-Forwarded-Host", "evil.example"),
                HTTPS,
            ],
            &["http://public.example"],
        ),
    ];
    let [distrusting, trusting] = [false, true].map(|trusted| {
        let proxies = if trusted {
            "trusted_proxies = [\"127.0.0.1\"]\n"
        } else {
            ""
        };
        Server::with_config(&format!(
            "{proxies}[[service]]\nprefix = \"/echo\"\nbackend = \"echo:\"\n"
        ))
    });
    for (trusted, host, fields, admitted) in rows {
        let server = if trusted { &trusting } else { &distrusting };
        for origin in ORIGINS {
            let lines = fields
                .iter()
                .map(|(name, value)| format!("{name}: {value}\r\n"));
            let mut connection = server.connect();
            connection.send_raw(
                format!(
                    "GET /echo/info HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\n{}\r\n",
                    lines.collect::<String>()
                )
                .as_bytes(),
            );
            let status = connection.read_head().status;
            let expected = if admitted.contains(&origin) { 200 } else { 403 };
            assert_eq!(
                status, expected,
                "{origin} to {host} with {fields:?}, trusted: {trusted}"
            );
        }
    }
}
