//! What stands between the browser and the server, by the marks it leaves in requests and answers.

use crate::doctor::report::Report;
use crate::doctor::seen::Seen;

/// A product, or a kind of product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proxy {
    Nginx,
    Haproxy,
    Apache,
    Caddy,
    Varnish,
    Traefik,
    Envoy,
    Cloudflare,
    CloudFront,
    AwsLoadBalancer,
    GoogleLoadBalancer,
    Squid,
    Tinyproxy,
    /// A web gateway of an organisation: Zscaler, Blue Coat, …
    Corporate,
}

impl Proxy {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
            Self::Apache => "Apache",
            Self::Caddy => "Caddy",
            Self::Varnish => "Varnish",
            Self::Traefik => "Traefik",
            Self::Envoy => "Envoy",
            Self::Cloudflare => "Cloudflare",
            Self::CloudFront => "Amazon CloudFront",
            Self::AwsLoadBalancer => "AWS load balancer",
            Self::GoogleLoadBalancer => "Google Cloud load balancer",
            Self::Squid => "Squid",
            Self::Tinyproxy => "tinyproxy",
            Self::Corporate => "a web filter of your organisation",
        }
    }

    /// Whether it belongs to the user's side rather than to the service's.
    pub(super) const fn is_the_users(self) -> bool {
        matches!(self, Self::Squid | Self::Tinyproxy | Self::Corporate)
    }
}

/// A field, what its value contains (lower case), and who writes so.
type Mark = (&'static str, &'static str, Proxy);

/// Of requests, as they reach the server. An empty value: the field alone says it.
const IN_REQUESTS: &[Mark] = &[
    ("via", "squid", Proxy::Squid),
    ("via", "tinyproxy", Proxy::Tinyproxy),
    ("via", "varnish", Proxy::Varnish),
    ("via", "caddy", Proxy::Caddy),
    ("via", "cloudfront", Proxy::CloudFront),
    ("via", "google", Proxy::GoogleLoadBalancer),
    ("via", "nginx", Proxy::Nginx),
    ("via", "haproxy", Proxy::Haproxy),
    ("via", "zscaler", Proxy::Corporate),
    ("via", "bluecoat", Proxy::Corporate),
    ("via", "proxysg", Proxy::Corporate),
    ("via", "mcafee", Proxy::Corporate),
    ("via", "ironport", Proxy::Corporate),
    ("via", "forcepoint", Proxy::Corporate),
    ("via", "fortinet", Proxy::Corporate),
    ("via", "sophos", Proxy::Corporate),
    ("x-bluecoat-via", "", Proxy::Corporate),
    ("x-imforwards", "", Proxy::Corporate),
    ("cf-ray", "", Proxy::Cloudflare),
    ("x-amz-cf-id", "", Proxy::CloudFront),
    ("x-amzn-trace-id", "", Proxy::AwsLoadBalancer),
    ("x-cloud-trace-context", "", Proxy::GoogleLoadBalancer),
    ("x-envoy-external-address", "", Proxy::Envoy),
    ("x-envoy-expected-rq-timeout-ms", "", Proxy::Envoy),
    ("x-varnish", "", Proxy::Varnish),
];

/// Of answers, as they reach the browser. The gateway itself writes neither field.
const IN_ANSWERS: &[Mark] = &[
    ("server", "nginx", Proxy::Nginx),
    ("server", "openresty", Proxy::Nginx),
    ("server", "apache/", Proxy::Apache),
    ("server", "caddy", Proxy::Caddy),
    ("server", "cloudflare", Proxy::Cloudflare),
    ("server", "envoy", Proxy::Envoy),
    ("server", "awselb", Proxy::AwsLoadBalancer),
    ("via", "squid", Proxy::Squid),
    ("via", "tinyproxy", Proxy::Tinyproxy),
    ("via", "varnish", Proxy::Varnish),
    ("via", "caddy", Proxy::Caddy),
    ("via", "cloudfront", Proxy::CloudFront),
    ("via", "google", Proxy::GoogleLoadBalancer),
    ("x-cache", "cloudfront", Proxy::CloudFront),
    ("x-varnish", "", Proxy::Varnish),
    ("cf-ray", "", Proxy::Cloudflare),
    ("x-amz-cf-id", "", Proxy::CloudFront),
];

/// Those that can be named for certain, each once.
pub(super) fn identify(report: &Report, seen: &Seen) -> Vec<Proxy> {
    let answer = report
        .stream
        .as_ref()
        .and_then(|stream| stream.drip.as_ref());
    let answer = |name: &str| answer.and_then(|drip| drip.headers.get(name).map(String::as_str));
    let request = |name: &str| {
        seen.request
            .iter()
            .chain(seen.requests.first())
            .find_map(|request| request.header(name))
    };
    let mut found = Vec::new();
    let mut add = |proxy| {
        if !found.contains(&proxy) {
            found.push(proxy);
        }
    };
    let has = |value: Option<&str>, part: &str| {
        value.is_some_and(|value| value.to_ascii_lowercase().contains(part))
    };
    for &(field, part, proxy) in IN_REQUESTS {
        if has(request(field), part) {
            add(proxy);
        }
    }
    for &(field, part, proxy) in IN_ANSWERS {
        if has(answer(field), part) {
            add(proxy);
        }
    }
    // Both write this field; only Traefik writes the port and the real address as well.
    if request("x-forwarded-server").is_some() {
        let traefik = request("x-forwarded-port").is_some() && request("x-real-ip").is_some();
        add(if traefik {
            Proxy::Traefik
        } else {
            Proxy::Apache
        });
    }
    found
}
