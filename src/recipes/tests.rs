//! What holds for every recipe.

use std::time::Duration;

use super::site::{Node, Route, Site, SiteError, literal};
use super::{Proxy, fill};

fn route(prefix: &str) -> Route {
    Route {
        prefix: prefix.to_owned(),
        heartbeat_delay: Some(Duration::from_secs(25)),
        max_body_size: 4 << 20,
        doctor: true,
    }
}

fn node(host: &str) -> Node {
    Node {
        host: host.to_owned(),
        port: 8081,
    }
}

fn site() -> Site {
    Site {
        services: vec![route("/sockjs")],
        gateways: vec![node("127.0.0.1")],
        server_name: None,
        public_address: None,
        public_port: 80,
        idle_timeout: Duration::from_secs(75),
    }
}

/// One of everything that changes a recipe's shape.
fn sites() -> Vec<Site> {
    let shared = Site {
        services: vec![route("/live"), route("/live/feed.v1"), route("")],
        gateways: vec![node("10.0.0.1"), node("::1"), node("gateway.example.com")],
        server_name: Some("example.com".to_owned()),
        public_address: Some("::1".to_owned()),
        public_port: 8080,
        ..site()
    };
    let root = Site {
        services: vec![route("")],
        ..site()
    };
    vec![site(), root, shared]
}

#[test]
fn every_place_of_a_template_is_filled_and_nothing_is_left_behind() {
    for site in sites() {
        for proxy in Proxy::ALL {
            let text = proxy.configuration(&site).expect("a plain site");
            assert!(!text.contains(['«', '»']), "{}:\n{text}", proxy.name());
            assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{text}");
            assert!(!text.contains("\n\n\n"), "{}:\n{text}", proxy.name());
            for line in text.lines() {
                assert_eq!(line, line.trim_end(), "{}", proxy.name());
            }
            assert_eq!(proxy.configuration(&site).as_ref(), Ok(&text));
        }
    }
}

#[test]
fn every_recipe_says_services_gateways_and_port() {
    for site in sites() {
        for proxy in Proxy::ALL {
            let text = proxy.configuration(&site).expect("a plain site");
            let is_directive = |line: &&str| !line.trim_start().starts_with('#');
            let directives: Vec<_> = text.lines().filter(is_directive).collect();
            let says = |what: &str| directives.iter().any(|line| line.contains(what));
            for node in &site.gateways {
                assert!(says(&node.host), "{}: {node}", proxy.name());
            }
            for route in &site.services {
                let pattern = literal(&route.prefix);
                assert!(says(&route.prefix) || says(&pattern), "{}", proxy.name());
            }
            // Traefik's is in another file, and Debian's Apache listens on 80.
            let port = site.public_port.to_string();
            assert!(says(&port) || proxy == Proxy::Traefik && text.contains(&port));
        }
    }
}

#[test]
fn proxies_stand_four_heartbeats_of_silence_and_a_minute() {
    let silence = |delays: &[Option<u64>]| {
        let services = delays.iter().map(|delay| Route {
            heartbeat_delay: delay.map(Duration::from_millis),
            ..route("/sockjs")
        });
        let services = services.collect();
        Site { services, ..site() }.silence()
    };
    assert_eq!(silence(&[Some(25_000)]), 100);
    assert_eq!(silence(&[Some(25_001)]), 101);
    assert_eq!(silence(&[Some(1)]), 60);
    assert_eq!(silence(&[Some(1_000), Some(30_000)]), 120);
    assert_eq!(silence(&[None]), 86_400);
    assert_eq!(silence(&[None, Some(25_000)]), 86_400);
    // HAProxy refuses what does not fit into 31 bits of milliseconds.
    assert!(silence(&[Some(366 * 86_400_000)]) * 1000 < 1 << 31);
}

#[test]
fn proxies_close_idle_connections_before_the_gateway_does() {
    for seconds in [2, 5, 60, 75, 76, 3600] {
        let idle_timeout = Duration::from_secs(seconds);
        let site = Site {
            idle_timeout,
            ..site()
        };
        let kept = Duration::from_secs(site.keep_alive());
        assert!(kept < idle_timeout && !kept.is_zero(), "{seconds}");
    }
    let short = Site {
        idle_timeout: Duration::from_millis(1500),
        ..site()
    };
    let refused = Proxy::Nginx.configuration(&short);
    assert!(refused.is_err_and(|error| error.to_string().contains("1500 ms")));
}

#[test]
fn the_gateway_refuses_bodies_before_proxies_do() {
    // nginx refuses what does not fit into 63 bits of bytes, and Caddy would take it for a negative number.
    let most = (1 << 43) - 1;
    for (bytes, mebibytes) in [
        (1, 2),
        (1 << 20, 2),
        ((1 << 20) + 1, 3),
        (4 << 20, 5),
        ((most - 2) << 20, most - 1),
        (usize::MAX, most),
    ] {
        let large = Route {
            max_body_size: bytes,
            ..route("/large")
        };
        let site = Site {
            services: vec![large],
            ..site()
        };
        assert_eq!(site.body_mebibytes(), mebibytes);
    }
}

/// Nothing of a configuration file or of the command line is taken for syntax.
#[test]
fn what_proxies_would_change_or_take_for_syntax_is_refused() {
    for prefix in [
        "/a;b", "/a{b}", "/a$b", "/a%20b", "/a*", "/a'b", "/a`b", "/a(b)", "/a/../b", "/./a",
        "/a@b", "/a,b", "/a|b", "/a+b", "/«a»",
    ] {
        let site = Site {
            services: vec![route(prefix)],
            ..site()
        };
        for proxy in Proxy::ALL {
            let refused = proxy.configuration(&site);
            assert_eq!(refused, Err(SiteError::Prefix(prefix.to_owned())));
        }
    }
    for name in [
        "",
        "a b",
        "a;b",
        "https://a",
        "a:80",
        "a\nb",
        "-a",
        "a..b",
        "*.a",
        "a{",
        "a`b",
        "a/b",
    ] {
        let named = Site {
            server_name: Some(name.to_owned()),
            ..site()
        };
        let refused = Proxy::Nginx.configuration(&named);
        assert_eq!(refused, Err(SiteError::ServerName(name.to_owned())));
        let hosted = Site {
            gateways: vec![node(name)],
            ..site()
        };
        let refused = Proxy::Nginx.configuration(&hosted);
        assert_eq!(refused, Err(SiteError::Host(name.to_owned())));
    }
    let nothing = Site {
        services: Vec::new(),
        ..site()
    };
    assert_eq!(Proxy::Caddy.configuration(&nothing), Err(SiteError::Empty));
}

#[test]
fn a_proxy_that_deals_sessions_out_by_a_digit_has_ten_gateways_at_most() {
    let many = |count| Site {
        gateways: vec![node("10.0.0.1"); count],
        ..site()
    };
    for proxy in Proxy::ALL {
        let by_digit = [Proxy::Apache, Proxy::Traefik].contains(&proxy);
        assert!(proxy.configuration(&many(10)).is_ok());
        assert_eq!(proxy.configuration(&many(11)).is_err(), by_digit);
    }
}

/// What it sees of a run is in one gateway, and so are the results that it keeps.
#[test]
fn everything_of_a_doctor_goes_to_one_of_several_gateways() {
    let services = |doctor| {
        ["/live", "/live/feed.v1"].map(|prefix| Route {
            doctor,
            ..route(prefix)
        })
    };
    let shared = |doctor| Site {
        services: services(doctor).into(),
        gateways: vec![node("10.0.0.1"), node("10.0.0.2")],
        ..site()
    };
    for proxy in Proxy::ALL {
        let text = |site: &Site| proxy.configuration(site).expect("a plain site");
        let with = text(&shared(true));
        for path in ["/live/doctor", "/live/feed.v1/doctor"] {
            assert!(
                with.contains(path) || with.contains(&literal(path)),
                "{}: {with}",
                proxy.name()
            );
        }
        // A session of another service may be called so, and one gateway needs no rule.
        let one = Site {
            gateways: vec![node("10.0.0.1")],
            ..shared(true)
        };
        for without in [shared(false), one] {
            let text = text(&without);
            assert!(!text.contains("doctor"), "{}: {text}", proxy.name());
        }
    }
}

#[test]
fn values_are_not_looked_into() {
    let values = [("a", "«b»"), ("b", "x")];
    assert_eq!(fill("1«a»2«b»3«c»4", &values), "1«b»2x34");
    assert_eq!(fill("no end «a", &values), "no end a");
}

#[test]
fn names_are_what_the_command_line_takes() {
    for proxy in Proxy::ALL {
        assert_eq!(proxy.name().parse(), Ok(proxy));
    }
    let unknown = "squid".parse::<Proxy>().expect_err("no recipe");
    assert!(unknown.to_string().contains("nginx, haproxy, caddy"));
}
