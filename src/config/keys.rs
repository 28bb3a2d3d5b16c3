//! Every key there is: one row each, with its documentation, from which `docs/configuration.md`, the annotated default file and
//! the schema are made.

use crate::auth::SubjectFrom;
use crate::backend::upstream::BinaryPolicy;
use crate::identity::SessionBinding;
use crate::network::{Pin, WebsocketProof};
use crate::server::CertificateFiles;
use crate::service::{CorsFields, UpstreamHealth};
use crate::session::{RateExceeded, SlowConsumer};
use crate::transport::Chunks;

use super::admin::UrlPath;
use super::auth::{AuthTable, Auths};
use super::auth_kinds::{AnswerField, HttpUrl, OneText, Sources, Texts, UpstreamFields};
use super::closing::{CloseCode, CloseText, Window};
use super::files::{File, Mode, Path};
use super::key::{Key, Root, Section, keys};
use super::kinds::{
    Address, Addresses, BackendUrl, Clients, Count, FieldNames, Flag, Name, Number, OneOf,
    Optional, OriginList, Prefix, Proxies, ScriptUrl, Size, SizeFrom, TransportNames,
};
use super::spans::{Beat, BeatOrOff, PauseOrOff, Span, SpanOrOff, SpanUpTo};
use super::tables::{Certificates, ListenerTable, Listeners, Pins};
use super::{Config, ServiceSettings};

/// What is outside of services.
pub(super) const TOP: &[Section<Config>] = &[
    Section {
        name: "",
        about: &[],
        keys: keys! { Config:
            /// where to listen: an address and a port, `"unix:/run/gateway.sock"`, or `"systemd"` or `"systemd:NAME"` for a socket that
            /// systemd opened; or a list of them. Without TLS; for more there is `[[listener]]`
            listen: Addresses => listen;
            /// further listeners, with TLS or the PROXY protocol: tables. When there are any, `listen` has no default
            listener: Listeners => listeners;
            /// who finds out who opens sessions: tables, which services name in their `auth`; see [auth.md](auth.md)
            auth: Auths => auths;
            /// addresses and networks of proxies (`"10.0.0.0/8"`) whose `Forwarded` and `X-Forwarded-For/-Proto/-Host` are believed, and
            /// their PROXY headers where `proxy_protocol` is on; `"unix"` for whoever comes over a Unix socket
            trusted_proxies: Proxies => gateway.trusted_proxies;
            /// how often to look whether this file, or a certificate, key or token that it names, has changed; then it is reloaded, as at
            /// SIGHUP. `"off"` waits for SIGHUP; at least 100 ms
            watch: PauseOrOff => watch;
            /// sessions of all services together
            max_sessions: Count => gateway.max_sessions;
            /// bytes that all queues, request bodies and kept heads take together; a session's queues of up to 16 KiB do not count. With seven eighths in
            /// use, new sessions are refused and the slowest end
            queue_memory: Size => gateway.queue_memory;
        },
    },
    Section {
        name: "server",
        about: &["Limits of connections, and of stopping."],
        keys: keys! { Config:
            /// connections at a time, and requests that are open on HTTP/2; more are closed at once
            max_connections: Count => server.max_connections;
            /// connections at a time of one client network, by the peer's address, or that in its PROXY header; more are closed at once. Those of
            /// `trusted_proxies` are not counted, because proxies connect for many
            max_connections_per_client: Optional<Count> => server.max_connections_per_client, or "no limit", like "100";
            /// bits of an IPv4 address that tell client networks apart here
            client_ipv4_prefix: Number<u8, 8, 32> => server.clients.ipv4;
            /// bits of an IPv6 address that do
            client_ipv6_prefix: Number<u8, 16, 128> => server.clients.ipv6;
            /// time for a request's head; and for a TLS handshake and a PROXY header
            header_timeout: Span => server.header_timeout;
            /// idle time between requests of a connection; keep it above your proxy's
            idle_timeout: Span => server.idle_timeout;
            /// request head, at least 8 KiB; larger ones get 431
            max_header_size: SizeFrom<8192> => server.max_header_size;
            /// fields of a request; more get 431
            max_headers: Number<usize, 1, 4096> => server.max_headers;
            /// HTTP/2 is spoken, and WebSockets over it
            http2: Flag => server.http2;
            /// requests and WebSockets at a time on an HTTP/2 connection; proxies carry those of many browsers on one
            http2_max_streams: Number<u32, 100, 1_000_000> => server.http2_max_streams;
            /// a peer that acknowledges nothing for so long is given up (Linux); at most 596 hours
            tcp_user_timeout: SpanUpTo<2_147_483> => server.tcp_user_timeout;
            /// silence after which TCP, and HTTP/2 with a PING, asks whether the peer is still there; 1 s to 9 h
            tcp_keepalive: SpanUpTo<32_767> => server.tcp_keepalive;
            /// small writes leave at once (`TCP_NODELAY`)
            tcp_nodelay: Flag => server.tcp_nodelay;
            /// other processes may listen on the same ports (`SO_REUSEPORT`)
            reuse_port: Flag => server.reuse_port;
            /// connections waiting to be accepted
            backlog: Number<u16, 1, 65535> => server.backlog;
            /// time that sessions have to take what is queued when the program stops, after the drain's window
            shutdown_grace: Span => server.shutdown_grace;
            /// time that connections have after that
            close_grace: Span => server.close_grace;
        },
    },
    Section {
        name: "health",
        about: &[
            "What load balancers and orchestrators ask: whether the program lives, and whether it is ready for new sessions. See",
            "[admin.md](admin.md).",
        ],
        keys: keys! { Config:
            /// answer there on the listeners of the services too, and not only on the admin listener
            public: Flag => gateway.health.public;
            /// path that answers 200 as long as the program answers
            live_path: UrlPath => gateway.health.live_path;
            /// path that answers 200 when new sessions are served, and 503 while draining
            ready_path: UrlPath => gateway.health.ready_path;
            /// whether it is 503 too when upstreams cannot be reached: `"ignore"`; `"any"`, when none can; `"all"`, when one cannot. With
            /// `"any"` and `"all"` a WebSocket is opened to each upstream, and closed again, when somebody asks
            upstreams: OneOf<UpstreamHealth> => gateway.health.upstreams;
            /// how old what is known of an upstream may be before it is tried again
            upstream_interval: Span => gateway.health.upstream_interval;
        },
    },
    Section {
        name: "admin",
        about: &[
            "The operators' side: a page, a JSON API, and what the commands `status`, `sessions`, `drain`, `undrain` and `reload` talk",
            "to. See [admin.md](admin.md).",
        ],
        keys: keys! { Config:
            /// where it listens, as for the `listen` of services: `"unix:/run/sockjs-gateway/admin.sock"`, or `"127.0.0.1:8082"`. Where other
            /// machines can reach it, `token_file` is required
            listen: Optional<Address> => admin.listen, or "nowhere", like "127.0.0.1:8082";
            /// permissions of a Unix socket
            mode: Mode => admin.mode;
            /// file with a token of at least 16 bytes, which whoever asks must know (`Authorization: Bearer`); white space around it does
            /// not count. Read again at a reload
            token_file: File => admin.token_file, or "no token", like "/etc/sockjs-gateway/admin.token";
            /// let taps show what messages say, and not only their sizes
            tap_contents: Flag => admin.tap_contents;
        },
    },
    Section {
        name: "drain",
        about: &[
            "What SIGTERM does: new sessions are refused, living ones are ended after what is queued for them.",
        ],
        keys: keys! { Config:
            /// time over which sessions are ended, in random order, so that their browsers do not come back all at once; `"off"` ends
            /// all at once
            window: Window => server.drain_window;
            /// close code that browsers see
            code: CloseCode => server.drain_reason.code;
            /// reason that they see
            reason: CloseText => server.drain_reason.reason;
        },
    },
];

/// Keys that a service alone has; the others may stand in `[defaults]` too.
pub(super) const OWN: &[&str] = &["name", "prefix", "backend"];

/// A service.
pub(super) const SERVICE: &[Section<ServiceSettings>] = &[
    Section {
        name: "",
        about: &[],
        keys: keys! { ServiceSettings:
            /// name in variables of the environment, on the command line and in messages: letters, digits, and `-` or `_` between them
            name: Optional<Name> => name, or "the prefix, with `-` for what is neither letter nor digit; `root` for the empty one";
            /// path of the service: starts with `/`, does not end with it; or `""` for all paths
            prefix: Prefix => config.prefix;
            /// what sessions talk to: `ws://…`, `wss://…`, `echo:`, `close:`, `broadcast:`, `amplify:`
            backend: BackendUrl => backend;
            /// whose pages may use it: `"same"`, `"*"`, or a list such as `["https://app.example.com", "https://*.example.org",
            /// "http://localhost:[3000,8080]", "http://localhost:*"]` (the own origin is always allowed)
            origins: OriginList => config.origins;
            /// let requests without `Origin` in. With `false`, something else has to say that a page that is allowed made them
            /// (`Sec-Fetch-Site`, `Referer`); programs are kept out
            allow_missing_origin: Flag => config.allow_missing_origin;
            /// fields that say which pages may read answers: `"auto"`, or `"off"` where what stands in front of the gateway adds them
            cors: OneOf<CorsFields> => config.cors;
            /// name of the `[[auth]]` that says who may open sessions; `"none"` where `[defaults]` names one and this service has none
            auth: Optional<Name> => auth, or "everybody whose origin is allowed", like "users";
            /// what ties further requests to a session: `"identity"`, who opened it; `"cookie"`, a random cookie that is set when it is
            /// opened; or `"none"`, the session's id alone. Others get 404
            session_binding: Optional<OneOf<SessionBinding>> => config.session_binding, or "`\"identity\"` with `auth`, else `\"none\"`", like "cookie";
            /// accept WebSockets, raw ones too, and announce them in `/info`; `false` wins over `transports`
            websocket: Flag => config.websocket;
            /// set the JSESSIONID cookie, for load balancers that go by it
            cookie_needed: Flag => config.cookie_needed;
            /// URL of the script that the iframe page loads
            sockjs_url: ScriptUrl => config.sockjs_url, or "our own script";
            /// names of the transports that are on: `websocket`, `websocket-raw`, `xhr-polling`, `xhr-streaming`, `eventsource`,
            /// `htmlfile`, `jsonp-polling`
            transports: TransportNames => config.transports, or "all with `origins = \"*\"`; else without `htmlfile` and `jsonp-polling`, which browsers ask for without `Origin`, and with `session_binding = \"cookie\"` and other origins without `eventsource` too", like "websocket, xhr-streaming, xhr-polling";
            /// `PREFIX/doctor` is a page that tests what a user's network does to SockJS; see [doctor.md](doctor.md)
            doctor: Flag => config.doctor;
            /// results of the doctor that are kept, under a code, for a day; each takes up to 200 KiB of memory
            doctor_results: Number<usize, 0, { i64::MAX }> => config.doctor_results;
            /// sessions at a time; more get close code 1013
            max_sessions: Count => config.max_sessions;
            /// sessions at a time of one client network, by the browser's address after `trusted_proxies`; more get close code 1013. Many
            /// users may share an address: leave room for an office or a mobile carrier
            max_sessions_per_client: Optional<Count> => config.clients.sessions, or "no limit", like "500";
            /// sessions at a time of one user, by issuer and subject; more get close code 1013. Only with `auth`
            max_sessions_per_user: Optional<Count> => config.clients.sessions_of_user, or "no limit", like "5";
            /// sessions opened in a second, in the long run; more get close code 1013
            sessions_per_second: Optional<Count> => config.openings.per_second, or "no limit", like "200";
            /// sessions opened at once, after a pause
            sessions_burst: Optional<Count> => config.openings.burst, or "what may be opened in a second, at least 10", like "500";
            /// sessions that one client network opens in a second, in the long run; more get close code 1013. A browser that falls back opens
            /// one for each transport that it tries
            sessions_per_second_per_client: Optional<Count> => config.clients.openings.per_second, or "no limit", like "20";
            /// sessions that one client network opens at once, after a pause
            sessions_burst_per_client: Optional<Count> => config.clients.openings.burst, or "what may be opened in a second, at least 10", like "50";
            /// bits of an IPv4 address that tell client networks apart
            client_ipv4_prefix: Number<u8, 8, 32> => config.clients.prefixes.ipv4;
            /// bits of an IPv6 address that do; a household is given 56 and has as many addresses as it likes in them
            client_ipv6_prefix: Number<u8, 16, 128> => config.clients.prefixes.ipv6;
            /// bytes that this service's queues and bodies take together
            queue_memory: Size => config.queue_memory;
            /// silence after which `h` or a Ping is sent, the first time after 50 to 100 % of it, so that sessions do not beat in
            /// phase; below 35 s for jsonp
            heartbeat_delay: BeatOrOff => config.session.heartbeat_delay;
            /// time for the answer to a Ping
            pong_timeout: Span => config.session.pong_timeout;
            /// time without a receiver after which a session has ended
            disconnect_delay: Span => config.session.disconnect_delay;
            /// least time that a poll without messages takes when the one before had none either: polls of an ended session, of one that another
            /// connection reads, or that are pipelined. Others are never held
            poll_spacing: SpanOrOff => config.session.poll_spacing;
            /// time a first stream must stay open before an upstream is dialled, when nothing shows earlier that the browser
            /// receives
            proof_delay: Span => config.session.proof_delay;
            /// bytes of frames after which a streaming response ends and the browser reconnects
            response_limit: Size => config.transport.response_limit;
            /// age at which a streaming response ends and the browser reconnects, so that a proxy's limit on whole responses does
            /// not cut it. Costs a request each time, and on eventsource a pause of 200 ms that the browser makes
            response_max_age: SpanOrOff => config.transport.response_max_age;
            /// HTTP chunks of streamed frames: `"whole"`, one per frame; `"small"`, at most 1 KiB, which nginx with buffering
            /// passes on at once; `"auto"`, small where the request shows signs of a proxy. Small ones cost 7 bytes per KiB
            chunks: OneOf<Chunks> => config.transport.chunks;
            /// streams say `Content-Encoding: identity`, so that proxies that compress (Caddy's `encode`, nginx's `gzip`) do not
            /// hold them back
            identity_encoding: Flag => config.transport.identity_encoding;
            /// streams are sent as HTTP/1.0 has it, without chunks, and the connection ends with them: HAProxy then adds no 200
            /// ms to each frame, even without `option http-no-delay`. An nginx that buffers passes nothing on then
            close_delimited: Flag => config.transport.close_delimited;
            /// sessions of eventsource and jsonp-polling outlive a receiver that was cut off, for `disconnect_delay`; their
            /// browsers come back by themselves. Not when messages may have been under way
            resume: Flag => config.transport.resume;
            /// time `/info` takes at least. sockjs-client gives each transport a multiple of it before it falls back: 150 to 300
            /// ms help users far away, and cost every session that time
            info_min_delay: SpanOrOff => config.info_min_delay;
            /// bytes in the queue towards the browser; when it is full the upstream is not read
            outbound_bytes: Size => config.session.outbound.bytes;
            /// messages in it
            outbound_messages: Count => config.session.outbound.messages;
            /// what happens when the queue towards the browser is full: `"pause"`, the upstream is not read; `"close"`, that too, and when
            /// nothing has left the queue for `slow_consumer_timeout` the session ends with 1013 `Reads too slowly`; `"drop-oldest"`,
            /// the oldest messages that wait make room for new ones
            slow_consumer: OneOf<SlowConsumer> => config.session.slow_consumer;
            /// time for that; set it above what a slow line needs for `outbound_bytes`
            slow_consumer_timeout: Span => config.session.slow_consumer_timeout;
            /// bytes in the queue towards the backend; when it is full the browser's sends wait
            inbound_bytes: Size => config.session.inbound.bytes;
            /// messages in it
            inbound_messages: Count => config.session.inbound.messages;
            /// time from its opening within which a session's browser must send a first message, or the session ends with 1008 `No first message`;
            /// for services whose clients speak first, as in STOMP
            first_message_timeout: Optional<Span> => config.session.first_message_timeout, or "no limit";
            /// messages of a session in a second from its browser, in the long run
            messages_per_second: Optional<Count> => config.session.inbound_rate.messages.per_second, or "no limit", like "50";
            /// messages of a session at once, after a pause
            messages_burst: Optional<Count> => config.session.inbound_rate.messages.burst, or "what may come in a second, at least 10", like "100";
            /// bytes of a session's messages in a second from its browser, in the long run
            bytes_per_second: Optional<Size> => config.session.inbound_rate.bytes.per_second, or "no limit", like "64KiB";
            /// bytes of a session's messages at once, after a pause; a larger message comes when it is due and is waited for afterwards
            bytes_burst: Optional<Size> => config.session.inbound_rate.bytes.burst, or "what may come in a second", like "256KiB";
            /// what happens to what comes faster: `"wait"`, a WebSocket is not read, and a send waits, for `deliver_timeout`, then 429; `"close"`,
            /// the session ends with 1008 `Too many messages a second` or `Too many bytes a second`
            rate_exceeded: OneOf<RateExceeded> => config.session.inbound_rate.exceeded;
            /// request body, and WebSocket message from the browser; more gets 413 or close code 1009. sockjs-client sends
            /// everything that queued up during a request in the next one, so leave room for several messages
            max_body_size: Size => config.transport.max_body_size;
            /// one message after decoding; more gets 413 or close code 1009
            max_message_size: Size => config.transport.messages.max_message_size;
            /// messages in one array; more get 413 or close code 1009
            max_messages: Count => config.transport.messages.max_messages;
            /// time for a request body; then 408
            body_timeout: Span => config.transport.body_timeout;
            /// time a send waits for room in the inbound queue, then 503; or for the rate, then 429
            deliver_timeout: Span => config.transport.deliver_timeout;
            /// time for a WebSocket's close handshake
            close_timeout: Span => config.transport.close_timeout;
        },
    },
    Section {
        name: "network",
        about: &[
            "What client networks let through. The gateway remembers what the sessions of browsers showed about their network:",
            "the address (after `trusted_proxies`), what proxies added (the number of hops in `Via`, forwarding fields they are",
            "not trusted for) and the browser's family, hashed together. It is forgotten at the end of the program.",
            "[measures.md](measures.md) says what is learnt from what, and what it costs.",
        ],
        keys: keys! { ServiceSettings:
            /// whether anything is learnt; without, only pins apply
            learn: Flag => config.network.learn;
            /// most networks remembered, about 1.6 KiB each; those not seen for longest are forgotten first. Half are for
            /// networks told apart by forwarding fields of proxies that are not in `trusted_proxies`, which anybody can make up
            capacity: Count => config.network.capacity;
            /// the first session of a network gets heartbeats after `first_heartbeat`, then after longer and longer silences, up
            /// to `heartbeat_delay`: about 60 heartbeats more in its first ten minutes. When connections keep dying after the same
            /// silence (three that agree, and no longer one that lived), heartbeats come at 0.6 of it
            adaptive_heartbeat: Flag => config.network.adaptive_heartbeat;
            /// where that begins
            first_heartbeat: Beat => config.network.first_heartbeat;
            /// shortest heartbeat ever learnt
            heartbeat_floor: Beat => config.network.heartbeat_floor;
            /// how long a learnt timer holds
            remember: Span => config.network.remember;
            /// a SockJS WebSocket answers a Ping before it gets its `o`, so that a network that kills WebSockets is noticed in
            /// time to fall back: `"always"` (one round trip), `"never"`, or `"auto"`: on networks where that happened, and for at
            /// most 100 ms on those of which nothing is known
            prove_websocket: OneOf<WebsocketProof> => config.network.prove_websocket;
            /// what is known of networks beforehand: tables, of which the first that matches decides instead of what is learnt
            pin: Pins => config.network.pins;
        },
    },
    Section {
        name: "upstream",
        about: &["For `ws://` and `wss://` backends."],
        keys: keys! { ServiceSettings:
            /// name, TCP, TLS and handshake; then close code 1014
            dial_timeout: Span => upstream.dial_timeout;
            /// fields of the browser's request that are passed on; the `x-forwarded-` ones are made here
            headers: FieldNames => upstream.headers;
            /// binary from the upstream for a browser on SockJS: `"close"` with 1003, or `"base64"`
            binary: OneOf<BinaryPolicy> => upstream.binary;
            /// silence of the upstream after which it is pinged
            ping_delay: SpanOrOff => upstream.ping_delay;
            /// time for its answer, and for the close handshake
            pong_timeout: Span => upstream.pong_timeout;
            /// message from the upstream; more ends the session with 1009
            max_message_size: Size => upstream.max_message_size;
            /// certificates (PEM) that `wss://` upstreams may be signed by
            ca_file: File => upstream.ca_file, or "the system's";
        },
    },
];

const ONE_WAY: &str = "exactly one of `jwks_file`, `jwks_url`, `secret_file`, `client_certificate` and `forward_url` must be there";

/// An entry of `auth`.
pub(super) const AUTH: &[Key<AuthTable>] = keys! { AuthTable:
    /// what services call it by
    name: Optional<Name> => name, or "none; it must have one", like "users";
    /// JSON Web Key Set with the public keys that tokens are verified with (RS256 to PS512, ES256, ES384, EdDSA); read again at SIGHUP
    jwks_file: File => jwks_file, or ONE_WAY, like "/etc/sockjs-gateway/jwks.json";
    /// the same at a URL, `https://…`, read again every `jwks_refresh` and when a token comes with a key that is not known (at most every 10 s)
    jwks_url: Optional<HttpUrl> => jwks_url, or ONE_WAY;
    /// how often `jwks_url` is read
    jwks_refresh: Span => jwks.refresh;
    /// how long its keys hold while it cannot be read; no shorter than `jwks_refresh`
    jwks_keep: Span => jwks.keep;
    /// file with a shared secret of at least 32 bytes, for tokens with HS256, HS384, HS512; white space at its end does not count
    secret_file: File => secret_file, or ONE_WAY, like "/etc/sockjs-gateway/token.secret";
    /// what of the certificate that a client shows to a listener with `client_ca` is its subject: `"cn"`, or the first of its alternative
    /// names that is a `"dns"`, `"email"` or `"uri"`
    client_certificate: Optional<OneOf<SubjectFrom>> => client_certificate, or ONE_WAY;
    /// a server, `http://…` or `https://…`, that is asked whether to let somebody in, with GET: 2xx says yes
    forward_url: Optional<HttpUrl> => forward_url, or ONE_WAY, like "http://127.0.0.1:9091/api/verify";
    /// field of its answer that has the subject
    subject_field: Optional<AnswerField> => forward.subject_field, or "what it is shown tells people apart";
    /// ask it for each request, and not only when a session opens or comes with something else than then
    each_request: Flag => forward.each_request;
    /// how long it is not asked again about the same; up to 10 000 answers are kept
    cache: SpanOrOff => forward.cache;
    /// time for an answer of `jwks_url` or `forward_url`
    timeout: Span => timeout;
    /// certificates (PEM) that `jwks_url` or `forward_url` may be signed by
    ca_file: File => ca_file, or "the system's", like "/etc/ssl/login-ca.pem";
    /// where tokens are, the first place that has one: `"header"` (`Authorization: Bearer`), `"header:NAME"`, `"query:NAME"`,
    /// `"cookie:NAME"`, `"message"` (the first message of the session); with `forward_url`, what the server is shown
    from: Optional<Sources> => sources, or "`[\"header\"]`; with `forward_url` `[\"header:cookie\", \"header\"]`", like "cookie:session, query:token";
    /// time for the first message to come, where `from` has `"message"`
    message_timeout: Span => jwt.message_timeout;
    /// one of these must be in `aud`; empty for any
    audience: Texts => jwt.audience, like "chat";
    /// one of these must be `iss`; empty for any
    issuer: Texts => jwt.issuer;
    /// what `typ` of a token's header must be, like `"at+jwt"`
    token_type: Optional<OneText> => jwt.token_type, or "anything";
    /// how far clocks may be apart
    leeway: Span => jwt.leeway;
    /// refuse tokens without `exp`
    require_expiry: Flag => jwt.require_expiry;
    /// fields that upstreams get, and the claims that are their values, with `forward_url` the fields of the answer; a browser's own
    /// fields of these names are taken out
    upstream_fields: UpstreamFields => terms.upstream_fields;
    /// let upstreams see the token
    pass_token: Flag => pass_token;
    /// close code of refusals; from 3000 on, so that sockjs-client does not try the next transport
    refused_code: Number<u16, 3000, 4999> => terms.refused.code;
    /// reason of refusals
    refused_reason: CloseText => terms.refused.reason;
    /// close code of sessions whose token or certificate expires, and of who comes with an expired one
    expired_code: Number<u16, 3000, 4999> => terms.expired.code;
    /// reason of those
    expired_reason: CloseText => terms.expired.reason;
    /// close code while `forward_url` does not answer, or no keys have come from `jwks_url`
    unavailable_code: Number<u16, 3000, 4999> => terms.unavailable.code;
    /// reason of that
    unavailable_reason: CloseText => terms.unavailable.reason;
};

/// An entry of `listener`.
pub(super) const LISTENER: &[Key<ListenerTable>] = keys! { ListenerTable:
    /// where it is, as for `listen`
    address: Address => address, like "0.0.0.0:443";
    /// certificates and their keys: tables, the first for browsers that ask for another name, or none. Without, no TLS is spoken
    tls: Certificates => tls.certificates;
    /// certificates (PEM) of authorities that sign clients' certificates
    client_ca: File => tls.client_ca, or "clients are not asked", like "/etc/sockjs-gateway/people-ca.pem";
    /// let clients without a certificate in too
    client_optional: Flag => tls.client_optional;
    /// each connection begins with a header of the PROXY protocol, version 1 or 2; only proxies in `trusted_proxies` may connect
    proxy_protocol: Flag => proxy_protocol;
    /// permissions of a Unix socket
    mode: Mode => mode;
};

/// An entry of a listener's `tls`.
pub(super) const CERTIFICATE: &[Key<CertificateFiles>] = keys! { CertificateFiles:
    /// file with the certificate and those between it and the authority's (PEM), in this order
    certificate: Path => certificate, like "/etc/letsencrypt/live/example.com/fullchain.pem";
    /// file with its private key (PEM)
    key: Path => key, like "/etc/letsencrypt/live/example.com/privkey.pem";
};

/// An entry of `network.pin`.
pub(super) const PIN: &[Key<Pin>] = keys! { Pin:
    /// networks of the browsers
    clients: Clients => clients;
    /// silence after which a heartbeat is sent, at most the service's
    heartbeat_delay: Optional<Beat> => heartbeat_delay, or "as learnt";
    /// whether `/info` offers WebSocket
    websocket: Optional<Flag> => websocket, or "as learnt";
    /// whether streaming responses end after each frame
    one_frame: Optional<Flag> => one_frame, or "as learnt", like "true";
};

/// Into what table a key belongs that is not known where it stands.
pub(super) fn home(name: &str, root: Root) -> Option<String> {
    fn has<C>(section: &Section<C>, name: &str) -> bool {
        section.keys.iter().any(|key| key.field.name == name)
    }
    let top = TOP.iter().find(|section| has(section, name));
    let service = SERVICE.iter().find(|section| has(section, name));
    let top = top.map(|section| section.name);
    let service = service.map(|section| section.name);
    match (root, top, service) {
        (_, None, None) => None,
        (Root::Defaults, _, Some(_)) if OWN.contains(&name) => Some("[[service]]".to_owned()),
        (Root::Defaults, _, Some("")) => Some("[defaults]".to_owned()),
        (Root::Defaults, _, Some(section)) => Some(format!("[defaults.{section}]")),
        (_, Some(""), _) => Some("the top of the file, above all tables".to_owned()),
        (_, Some(section), _) => Some(format!("[{section}]")),
        (Root::Top, None, Some("")) if OWN.contains(&name) => Some("[[service]]".to_owned()),
        (Root::Top, None, Some("")) => Some("[[service]] or [defaults]".to_owned()),
        (Root::Item, None, Some("")) if !OWN.contains(&name) => {
            Some("[[service]] or [defaults]".to_owned())
        }
        (_, None, Some("")) => Some("[[service]]".to_owned()),
        (_, None, Some(section)) => Some(format!("[service.{section}]")),
    }
}
