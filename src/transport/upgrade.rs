//! The WebSocket opening handshake, checked by hand. (RFC 6455 §4.2)

use http::header::{
    CONNECTION, HeaderName, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderValue, Response, StatusCode, Version};
use http_body::Body as _;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::fields::{FieldValue, Fields};
use crate::protocol::hixie;

use super::Exchange;
use super::body::Body;
use super::request::Request;
use super::response::{empty, text};

/// Which WebSocket the browser speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// RFC 6455, with the value for `Sec-WebSocket-Accept` and the sub-protocols offered.
    Rfc6455 {
        /// Proves to the browser that its handshake was understood; HTTP/2 has none. (RFC 8441 §5)
        accept: Option<String>,
        /// In the browser's order of preference.
        offered: Vec<String>,
    },
    /// The draft of 2010, with the numbers of its two keys.
    Hixie76 {
        /// Of `Sec-WebSocket-Key1` and `-Key2`.
        keys: (u32, u32),
    },
}

const KEY1: HeaderName = HeaderName::from_static("sec-websocket-key1");
const KEY2: HeaderName = HeaderName::from_static("sec-websocket-key2");

/// Most sub-protocols that are read from an offer.
const MAX_OFFERED: usize = 32;

/// Reads the handshake.
///
/// # Errors
/// The answer to give: 400 when it is not a WebSocket handshake, 426 with the version spoken here for another version.
///
/// Source: RFC 6455 §4.2.1; RFC 8441 §5; sockjs-protocol, `WebsocketHttpErrors`, `Websocket.test_haproxy`.
pub(super) fn check(request: &Request) -> Result<Dialect, Response<Body>> {
    let fields = &request.fields;
    if request.extended_connect {
        check_version(fields)?;
        return Ok(Dialect::Rfc6455 {
            accept: None,
            offered: offered(fields),
        });
    }
    let upgrades =
        has_token(fields, &UPGRADE, "websocket") && has_token(fields, &CONNECTION, "upgrade");
    if !upgrades || request.version < Version::HTTP_11 || !request.body.is_end_stream() {
        tracing::debug!(
            upgrade = fields.get(&UPGRADE).and_then(FieldValue::text),
            connection = fields.get(&CONNECTION).and_then(FieldValue::text),
            version = ?request.version,
            "not a WebSocket handshake; a proxy on the way may have dropped its Upgrade and Connection fields",
        );
        return Err(not_websocket());
    }
    if let (Some(key1), Some(key2), None) = (
        fields.get(&KEY1),
        fields.get(&KEY2),
        fields.get(&SEC_WEBSOCKET_VERSION),
    ) {
        let number = |key: FieldValue<'_>| key.text().and_then(hixie::key_number);
        let keys = number(key1).zip(number(key2)).ok_or_else(not_websocket)?;
        return Ok(Dialect::Hixie76 { keys });
    }
    check_version(fields)?;
    let mut keys = fields.get_all(&SEC_WEBSOCKET_KEY);
    let key = match (keys.next(), keys.next()) {
        (Some(key), None) if is_nonce(key.as_bytes()) => key.as_bytes(),
        _ => return Err(not_websocket()),
    };
    Ok(Dialect::Rfc6455 {
        accept: Some(derive_accept_key(key)),
        offered: offered(fields),
    })
}

/// Only version 13 is spoken. (RFC 6455 §4.4)
fn check_version(fields: &Fields) -> Result<(), Response<Body>> {
    if fields
        .get(&SEC_WEBSOCKET_VERSION)
        .is_none_or(|version| version.as_bytes() != b"13")
    {
        let mut response = text(
            StatusCode::UPGRADE_REQUIRED,
            "Only supported WebSocket protocol is RFC 6455.",
        );
        response
            .headers_mut()
            .insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        response
            .headers_mut()
            .insert(UPGRADE, HeaderValue::from_static("websocket"));
        return Err(response);
    }
    Ok(())
}

impl Exchange {
    /// Names the cause to the operator: it works here, but not everywhere.
    pub(super) fn warn_of_http10(&self) {
        if self.request.handshake10
            && let Some(held_back) = self.service.http10.admit()
        {
            tracing::warn!(
                service = %self.service.prefix,
                proxy = self.peer.address.map(tracing::field::display),
                held_back,
                "a proxy sends WebSocket handshakes in HTTP/1.0; they are accepted, but it should speak HTTP/1.1: in nginx, `proxy_http_version 1.1;`"
            );
        }
    }
}

/// `101` for RFC 6455, or `200` in HTTP/2, with the chosen sub-protocol. (sockjs-protocol, `Websocket.test_headersSanity`; RFC 8441 §5)
pub(super) fn accept(accept: Option<&str>, protocol: Option<&str>) -> Response<Body> {
    let mut response = match accept {
        Some(_) => switching("upgrade", "websocket"),
        None => empty(StatusCode::OK),
    };
    let headers = response.headers_mut();
    if let Some(accept) = accept {
        headers.insert(
            SEC_WEBSOCKET_ACCEPT,
            HeaderValue::from_str(accept).expect("base64 is a valid field value"),
        );
    }
    if let Some(protocol) = protocol.and_then(|protocol| HeaderValue::from_str(protocol).ok()) {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    response
}

/// `101` for Hixie-76. The scheme is `ws` unless a trusted proxy or TLS said otherwise.
pub(super) fn accept_hixie(
    request: &Fields,
    secure: bool,
    host: &str,
    target: &str,
) -> Option<Response<Body>> {
    let mut response = switching("Upgrade", "WebSocket");
    let scheme = if secure { "wss" } else { "ws" };
    let location = HeaderValue::from_str(&format!("{scheme}://{host}{target}")).ok()?;
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static("sec-websocket-location"), location);
    if let Some(origin) = request.get(&ORIGIN) {
        headers.insert(
            HeaderName::from_static("sec-websocket-origin"),
            origin.to_header_value(),
        );
    }
    Some(response)
}

/// sockjs-protocol, `WebsocketHttpErrors.test_httpMethod`
pub(super) fn not_websocket() -> Response<Body> {
    text(StatusCode::BAD_REQUEST, "Not a valid websocket request")
}

fn switching(connection: &'static str, upgrade: &'static str) -> Response<Body> {
    let mut response = empty(StatusCode::SWITCHING_PROTOCOLS);
    response
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static(connection));
    response
        .headers_mut()
        .insert(UPGRADE, HeaderValue::from_static(upgrade));
    response
}

/// Whether a list field holds `token`, in any case and in any of its lines. (RFC 9110 §5.6.1)
fn has_token(fields: &Fields, name: &HeaderName, token: &str) -> bool {
    let mut items = fields.items(name);
    items.any(|item| item.eq_ignore_ascii_case(token))
}

fn offered(fields: &Fields) -> Vec<String> {
    fields
        .items(&SEC_WEBSOCKET_PROTOCOL)
        .take(MAX_OFFERED)
        .map(str::to_owned)
        .collect()
}

/// Whether this is the base64 form of 16 bytes. (RFC 6455 §4.1)
fn is_nonce(key: &[u8]) -> bool {
    use base64::Engine as _;
    let mut decoded = [0; 18];
    base64::engine::general_purpose::STANDARD.decode_slice(key, &mut decoded) == Ok(16)
}
