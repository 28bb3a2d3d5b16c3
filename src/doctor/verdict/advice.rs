//! What to change in which proxy: one table of topics and products. Every line must be true of the product it names.

use super::Advice;
use super::case::{Case, bytes};
use super::proxies::Proxy;

/// What has to be changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Topic {
    /// Requests for WebSocket must pass.
    Upgrade,
    /// A tunnel to the server's port must be allowed.
    Connect,
    /// Parts of an answer must be passed on when they come.
    Buffering,
    /// Each part at once, not only within 200 ms.
    Delay,
    /// Answers must not be compressed on the way.
    Compression,
    /// A silence of so many seconds must be allowed: WebSockets, HTTP transports, or both.
    Idle {
        /// A WebSocket was cut.
        websocket: bool,
        /// A streaming or polling request was cut.
        http: bool,
    },
    /// Long answers and connections must be allowed.
    Age,
    /// Requests of more than so many bytes must be allowed.
    Upload(f64),
    /// Answers must not be kept.
    Cache,
    /// All requests of a session must go to one server.
    Sticky,
    /// Who asks must be told, and be believed.
    Forward,
    /// The name that the browser asked for must be passed on.
    Host,
    /// Only one of the two may add the field.
    Cors,
}

/// Products that are advised about when none can be named: the most common ones.
const COMMON: [Proxy; 4] = [Proxy::Nginx, Proxy::Haproxy, Proxy::Apache, Proxy::Caddy];

/// Advice for the products that were recognised, else for the common ones; at most one each.
pub(super) fn about(topic: Topic, case: &Case<'_>) -> Vec<Advice> {
    let line = |proxy: Proxy| {
        how(proxy, topic).map(|how| Advice {
            place: proxy.name().to_owned(),
            how,
        })
    };
    let mut lines: Vec<_> = case.proxies.iter().copied().filter_map(line).collect();
    if lines.is_empty() {
        lines.extend(COMMON.into_iter().filter_map(line));
    }
    // A proxy that only passes a tunnel on leaves no mark, but the terminal knows that it is there.
    if case.report.proxy.is_some() && !case.proxies.iter().any(|proxy| proxy.is_the_users()) {
        lines.extend(
            [Proxy::Squid, Proxy::Tinyproxy]
                .into_iter()
                .filter_map(line),
        );
    }
    lines
}

/// For people who cannot change the service's proxy.
pub(super) fn administrator(how: impl Into<String>) -> Advice {
    Advice {
        place: "your network's administrator".to_owned(),
        how: how.into(),
    }
}

/// For the operator of the gateway.
pub(super) fn gateway(how: impl Into<String>) -> Advice {
    Advice {
        place: "sockjs-gateway".to_owned(),
        how: how.into(),
    }
}

/// For whoever runs the site.
pub(super) fn site(how: impl Into<String>) -> Advice {
    Advice {
        place: "whoever runs the site".to_owned(),
        how: how.into(),
    }
}

fn how(proxy: Proxy, topic: Topic) -> Option<String> {
    let text = match (topic, proxy) {
        (Topic::Upgrade, Proxy::Nginx) => {
            "In the `location` with the `proxy_pass` to the gateway: `proxy_http_version 1.1;` `proxy_set_header Upgrade $http_upgrade;` `proxy_set_header Connection $connection_upgrade;`, and in the `http` block: `map $http_upgrade $connection_upgrade { default upgrade; '' close; }`"
        }
        (Topic::Upgrade, Proxy::Haproxy) => {
            "HAProxy passes WebSocket in `mode http` by itself. Look for rules that delete the fields `Upgrade` or `Connection` (`http-request del-header`)."
        }
        (Topic::Upgrade, Proxy::Apache) => {
            "From 2.4.47 on: `ProxyPass /PREFIX http://GATEWAY:PORT/PREFIX upgrade=websocket`. Before that, load `mod_proxy_wstunnel`."
        }
        (Topic::Upgrade, Proxy::Caddy) => {
            "`reverse_proxy` passes WebSocket by itself. Look for `header_up -Upgrade` or `header_up -Connection`."
        }
        (Topic::Upgrade, Proxy::Varnish) => {
            "In `vcl_recv`: `if (req.http.Upgrade ~ \"(?i)websocket\") { return (pipe); }`, and in `vcl_pipe`: `if (req.http.Upgrade) { set bereq.http.Upgrade = req.http.Upgrade; set bereq.http.Connection = req.http.Connection; }`"
        }
        (Topic::Upgrade, Proxy::Traefik) => {
            "Traefik passes WebSocket by itself. Look for a `headers` middleware that removes `Upgrade` or `Connection`."
        }
        (Topic::Upgrade, Proxy::Envoy) => {
            "In the HTTP connection manager: `upgrade_configs: [{ upgrade_type: websocket }]`"
        }
        (Topic::Upgrade, Proxy::Cloudflare) => {
            "Switch on WebSockets in the zone's Network settings."
        }
        (Topic::Upgrade, Proxy::CloudFront) => {
            "Give the behaviour an origin request policy that forwards the `Sec-WebSocket-*` fields, such as `AllViewer`."
        }
        (Topic::Upgrade, Proxy::Squid) => {
            "From version 5 on: `http_upgrade_request_protocols websocket allow all` (for plain http; https needs nothing, since it goes through a tunnel)."
        }
        (Topic::Upgrade | Topic::Connect, Proxy::Corporate) => {
            "Ask for an exception: WebSocket to this site must not be filtered, or the site must be taken out of the inspection of encrypted traffic."
        }
        (Topic::Connect, Proxy::Squid) => {
            "Its rule `http_access deny CONNECT !SSL_ports` refuses tunnels to other ports than 443. Use https on port 443, or add the port: `acl SSL_ports port NUMBER`."
        }
        (Topic::Connect, Proxy::Tinyproxy) => {
            "`ConnectPort 443` allows tunnels to that port only. Use https on port 443, or add a line `ConnectPort NUMBER`."
        }
        (Topic::Buffering, Proxy::Nginx) => {
            "In the `location`: `proxy_http_version 1.1;` `proxy_buffering off;` `gzip off;`. If that has been done already, look for `proxy_ignore_headers X-Accel-Buffering`, and for a second nginx in front of the first: set it there too."
        }
        (Topic::Buffering, Proxy::Haproxy) => {
            "HAProxy does not hold answers back unless it compresses them: leave `compression` out for this path. Look at what stands before and behind it."
        }
        (Topic::Buffering, Proxy::Apache) => {
            "Do not filter these answers with `mod_buffer`, and switch compression off: `SetEnvIf Request_URI \"^/PREFIX\" no-gzip no-brotli`."
        }
        (Topic::Buffering | Topic::Compression, Proxy::Caddy) => {
            "Keep the path out of `encode`: `@other not path /PREFIX/*` and `encode @other gzip`. In `reverse_proxy`: `flush_interval -1`."
        }
        (Topic::Buffering, Proxy::Varnish) => {
            "In `vcl_backend_response`, for this path: `set beresp.do_stream = true; set beresp.do_gzip = false; set beresp.do_esi = false;`"
        }
        (Topic::Buffering, Proxy::Traefik) => {
            "Take the middlewares `buffering` and `compress` off the router of this path."
        }
        (Topic::Buffering, Proxy::Envoy) => {
            "Take the `buffer` and `compressor` filters off the route of this path."
        }
        (Topic::Buffering, Proxy::Squid) => {
            "Take this site out of content scanning (`adaptation_access`, ICAP or eCAP services): a scanner wants the whole answer before it passes anything on."
        }
        (Topic::Buffering | Topic::Compression, Proxy::Corporate) => {
            "Ask for an exception: answers of this site must not be scanned before they are passed on."
        }
        (Topic::Delay, Proxy::Haproxy) => {
            "In `defaults`, or in the `frontend` and the `backend`: `option http-no-delay`"
        }
        (Topic::Compression, Proxy::Nginx) => "In the `location`: `gzip off;`",
        (Topic::Compression, Proxy::Haproxy) => "Leave `compression algo` out for this path.",
        (Topic::Compression, Proxy::Apache) => {
            "`SetEnvIf Request_URI \"^/PREFIX\" no-gzip no-brotli`"
        }
        (Topic::Compression, Proxy::Varnish) => {
            "In `vcl_backend_response`, for this path: `set beresp.do_gzip = false;`"
        }
        (Topic::Compression, Proxy::Traefik) => {
            "Take the middleware `compress` off the router of this path."
        }
        (Topic::Compression, Proxy::Envoy) => {
            "Take the `compressor` filter off the route of this path."
        }
        (Topic::Compression, Proxy::Cloudflare) => {
            "With a compression rule, switch compression off for this path."
        }
        (Topic::Idle { .. }, Proxy::Nginx) => {
            "In the `location`: `proxy_read_timeout 3600s;` (60 s when it is not there)"
        }
        (Topic::Idle { websocket, http }, Proxy::Haproxy) => match (websocket, http) {
            (true, false) => {
                "`timeout tunnel 1h` in `defaults` or in the `backend`: it is for WebSocket."
            }
            (false, true) => {
                "`timeout server 60s` in `defaults` or in the `backend`, or longer: it is for streaming and polling."
            }
            _ => {
                "`timeout tunnel 1h` for WebSocket, and `timeout server` and `timeout client` of 60 s or longer for the other ways."
            }
        },
        (Topic::Idle { websocket, http }, Proxy::Apache) => match (websocket, http) {
            (true, false) => return None,
            _ => "`ProxyTimeout 3600`, or `timeout=3600` at the end of the `ProxyPass` line",
        },
        (Topic::Idle { .. }, Proxy::Varnish) => {
            "Start `varnishd` with `-p pipe_timeout=3600` for WebSocket, and `-p first_byte_timeout=3600 -p between_bytes_timeout=3600` for the other ways."
        }
        (Topic::Idle { .. }, Proxy::Caddy) => {
            "Look for `read_timeout` and `write_timeout` in the `transport http` block and for `stream_timeout`; without them Caddy has no such limit."
        }
        (Topic::Idle { .. }, Proxy::Traefik) => {
            "Look at `respondingTimeouts` of the entry point, and at what stands before Traefik."
        }
        (Topic::Idle { .. }, Proxy::Envoy) => {
            "`stream_idle_timeout` of the HTTP connection manager, or `idle_timeout` of the route (5 minutes when neither is there)"
        }
        (Topic::Idle { .. }, Proxy::AwsLoadBalancer) => {
            "The attribute `idle_timeout.timeout_seconds` of the load balancer (60 s unless changed)"
        }
        (Topic::Idle { .. } | Topic::Age, Proxy::GoogleLoadBalancer) => {
            "The timeout of the backend service (30 s unless changed)"
        }
        (Topic::Idle { .. }, Proxy::Squid) => {
            "`read_timeout 15 minutes` (that is also its default)"
        }
        (Topic::Idle { .. }, Proxy::Tinyproxy) => "`Timeout 600` (that is also its default)",
        (Topic::Age, Proxy::Nginx) => {
            "nginx has no limit of this kind; look at what stands before it, and whether it is reloaded often (`worker_shutdown_timeout` then ends connections)."
        }
        (Topic::Age, Proxy::Haproxy) => {
            "HAProxy has no limit of this kind, unless it is reloaded often (`hard-stop-after` then ends connections)."
        }
        (Topic::Age, Proxy::Caddy) => {
            "Look for `stream_timeout` in `reverse_proxy`, and for `write` below `timeouts` in the global `servers` options."
        }
        (Topic::Age, Proxy::Envoy) => {
            "On the route: `timeout: 0s` (15 s when it is not there). Look also for `max_stream_duration`."
        }
        (Topic::Age, Proxy::Traefik) => {
            "`respondingTimeouts.writeTimeout` of the entry point must be 0, its default."
        }
        (Topic::Age, Proxy::Squid) => "`client_lifetime 1 day` (that is also its default)",
        (Topic::Upload(size), Proxy::Nginx) => {
            return Some(format!(
                "In the `location`: `client_max_body_size 4m;` (1 MiB when it is not there). If it is large enough for {}, look for a web application firewall.",
                bytes(size)
            ));
        }
        (Topic::Upload(_), Proxy::Apache) => {
            "`LimitRequestBody 4194304`; with ModSecurity also `SecRequestBodyLimit` and `SecRequestBodyNoFilesLimit` (128 KiB in its recommended configuration); with `mod_reqtimeout` a slow upload needs `RequestReadTimeout body=0`."
        }
        (Topic::Upload(_), Proxy::Caddy) => "`request_body { max_size 4MB }`",
        (Topic::Upload(_), Proxy::Traefik) => "`maxRequestBodyBytes` of the `buffering` middleware",
        (Topic::Upload(_), Proxy::Envoy) => "`max_request_bytes` of the `buffer` filter",
        (Topic::Upload(_), Proxy::Squid) => "`request_body_max_size 0`, its default: no limit",
        (Topic::Upload(_), Proxy::Corporate) => {
            "Ask for an exception for this site from the limit on uploads."
        }
        (Topic::Cache, Proxy::Nginx) => {
            "In the `location`: `proxy_cache off;`. Look also for `proxy_ignore_headers Cache-Control`."
        }
        (Topic::Cache, Proxy::Apache) => "`CacheDisable /PREFIX`, and no `CacheStoreNoStore On`",
        (Topic::Cache, Proxy::Varnish) => {
            "In `vcl_recv`: `if (req.url ~ \"^/PREFIX/\") { return (pass); }`"
        }
        (Topic::Cache, Proxy::Cloudflare) => "With a cache rule, bypass the cache for this path.",
        (Topic::Cache, Proxy::CloudFront) => {
            "Give the behaviour of this path the cache policy `CachingDisabled`."
        }
        (Topic::Cache, Proxy::Squid) => {
            "Look for a `refresh_pattern` with `ignore-no-store`, or: `acl live urlpath_regex ^/PREFIX/` and `cache deny live`."
        }
        (Topic::Sticky, Proxy::Nginx) => {
            "In the `upstream` block: `ip_hash;`, or `hash` by the session in the path: `map $uri $session { \"~^/PREFIX/[^/]+/(?<id>[^/]+)/\" $id; default $remote_addr; }` and `hash $session consistent;`"
        }
        (Topic::Sticky, Proxy::Haproxy) => {
            "In the `backend`: `balance uri depth 3` for a prefix of one segment (one more for each further segment): all requests of a session have the first three in common."
        }
        (Topic::Sticky, Proxy::Apache) => {
            "`ProxySet stickysession=JSESSIONID` in the balancer, a `route` for each member, and in the gateway `cookie_needed = true`"
        }
        (Topic::Sticky, Proxy::Caddy) => {
            "In `reverse_proxy`: `lb_policy ip_hash` or `lb_policy cookie`"
        }
        (Topic::Sticky, Proxy::Traefik) => "`sticky.cookie` of the service's load balancer",
        (Topic::Sticky, Proxy::Envoy) => {
            "`lb_policy: RING_HASH` of the cluster, and a `hash_policy` of the route by cookie or by source address"
        }
        (Topic::Sticky, Proxy::AwsLoadBalancer) => {
            "Switch on stickiness (`stickiness.enabled`) in the target group."
        }
        (Topic::Sticky, Proxy::GoogleLoadBalancer) => {
            "Set session affinity of the backend service to a generated cookie."
        }
        (Topic::Forward, Proxy::Nginx) => {
            "`proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;` `proxy_set_header X-Forwarded-Proto $scheme;` `proxy_set_header X-Forwarded-Host $http_host;`"
        }
        (Topic::Forward, Proxy::Haproxy) => {
            "`option forwardfor`, and where it takes TLS: `http-request set-header X-Forwarded-Proto https if { ssl_fc }`"
        }
        (Topic::Forward, Proxy::Apache) => {
            "`RequestHeader set X-Forwarded-Proto \"https\"` in the virtual host that takes TLS (`mod_headers`); it sends `X-Forwarded-For` and `X-Forwarded-Host` by itself."
        }
        (Topic::Forward, Proxy::Caddy) => "`reverse_proxy` sends these fields by itself.",
        (Topic::Host, Proxy::Nginx) => "In the `location`: `proxy_set_header Host $http_host;`",
        (Topic::Host, Proxy::Apache) => "`ProxyPreserveHost On`",
        (Topic::Host, Proxy::Haproxy) => {
            "HAProxy passes `Host` on by itself. Look for `http-request set-header Host`."
        }
        (Topic::Host, Proxy::Caddy) => {
            "`reverse_proxy` passes `Host` on by itself. Look for `header_up Host`."
        }
        (Topic::Cors, Proxy::Nginx) => {
            "Take `add_header Access-Control-Allow-Origin` out of the `location`: the gateway sends it already."
        }
        (Topic::Cors, Proxy::Haproxy) => {
            "Take the `http-response` rules for `Access-Control-Allow-Origin` out: the gateway sends it already."
        }
        (Topic::Cors, Proxy::Apache) => {
            "Take `Header set Access-Control-Allow-Origin` (or `Header add`, `Header unset`) out: the gateway sends it already."
        }
        (Topic::Cors, Proxy::Caddy) => {
            "Take `header Access-Control-Allow-Origin` out: the gateway sends it already."
        }
        (Topic::Cors, Proxy::Traefik) => {
            "Take `accessControlAllowOriginList` out of the `headers` middleware: the gateway sends it already."
        }
        _ => return None,
    };
    Some(text.to_owned())
}
