//! Opening a session: `/info`, then one transport after the other. Source: sockjs-client 1.6.1, `lib/main.js`.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Error as WsError};

use crate::protocol::CloseReason;

use super::builder::Config;
use super::error::{Error, Kind, Unanswered, Unusable};
use super::frames::ServerFrame;
use super::inbox::{HttpInbox, Inbox, SocketInbox, lost, refusal};
use super::info::Info;
use super::outbox::{HttpOutbox, Outbox};
use super::receiver::Receiver;
use super::sender::Sender;
use super::shared::{Place, Shared};
use super::transport::{Transport, attempt_timeout, falls_back};
use super::{Client, Opened};
use crate::outward::Address;
use crate::outward::Connection;
use crate::outward::dial;

/// Time for `/info`. (sockjs-client, `InfoAjax.timeout`)
const INFO_TIMEOUT: Duration = Duration::from_secs(8);
/// Time for a transport when `/info` was not asked.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// What the gateway says with 403 to pages that a service's `origins` do not let in.
const FORBIDDEN_ORIGIN: &[u8] = b"Forbidden origin.";
/// Bytes of `/info`.
const MAX_INFO: usize = 64 * 1024;

/// A session that is open.
pub(super) struct Session {
    pub(super) inbox: Inbox,
    pub(super) outbox: Outbox,
    pub(super) opened: Opened,
}

pub(super) async fn connect(config: Arc<Config>) -> Result<Client, Error> {
    let chosen = config.session.clone();
    let shared = Arc::new(Shared::new(config));
    let session = establish(&shared, chosen).await?;
    let inbox = shared.install(session);
    Ok(Client {
        sender: Sender::new(Arc::clone(&shared)),
        receiver: Receiver::new(shared, inbox),
    })
}

impl Shared {
    /// Makes `session` the one that is sent to, and gives the end that receives.
    pub(super) fn install(&self, session: Session) -> Inbox {
        let mut state = self.state.lock();
        state.is_open = true;
        state.failed = None;
        state.session += 1;
        state.outbox = Some(session.outbox);
        state.opened = session.opened;
        session.inbox
    }
}

/// Opens a session. `chosen`: its server and session ids.
///
/// # Errors
/// Why there is none.
pub(super) async fn establish(
    shared: &Arc<Shared>,
    chosen: Option<(String, String)>,
) -> Result<Session, Error> {
    let config = &shared.config;
    let began = Instant::now();
    let mut address = Arc::clone(&config.address);
    let mut websocket = true;
    let (mut round_trip, mut connection) = (None, None);
    if config.info && config.transports != [Transport::RawWebsocket] {
        let asking = timeout(INFO_TIMEOUT, ask_info(shared, None));
        let asked = match asking.await {
            Ok(asked) => asked,
            Err(_) => Err(Unanswered::answer(format_args!(
                "no answer in {} s",
                INFO_TIMEOUT.as_secs()
            ))),
        };
        let unusable = |refusal: Unanswered| Kind::Info {
            url: without_query(&config.url).to_owned(),
            refusal,
        };
        let (info, idle) = asked.map_err(unusable)?;
        round_trip = Some(began.elapsed());
        websocket = info.websocket;
        if let Some(base_url) = &info.base_url {
            let joined = address.join(base_url).map_err(|why| {
                let why = format!("its base_url {base_url:?} cannot be used: {why}");
                unusable(Unanswered::answer(why))
            })?;
            connection = idle.filter(|_| joined.same_server(&address));
            address = Arc::new(joined);
        } else {
            connection = idle;
        }
    }
    let mut failed = Vec::new();
    for &transport in &config.transports {
        if transport.is_websocket() && !websocket {
            let forbidden = CloseReason::new(1006, "the server's /info says websocket: false");
            failed.push((transport, forbidden));
            continue;
        }
        let place = Place {
            address: Arc::clone(&address),
            session: match &chosen {
                Some((server, session)) => format!("{server}/{session}"),
                None => random_session(),
            },
        };
        let began_attempt = Instant::now();
        let limit = attempt_timeout(transport, config.timeout, round_trip);
        let limit = if limit.is_zero() {
            ATTEMPT_TIMEOUT
        } else {
            limit
        };
        let outcome = match timeout(limit, attempt(shared, transport, place, &mut connection)).await
        {
            Ok(outcome) => outcome,
            Err(_) => Err(CloseReason::new(
                2007,
                format!("Transport timed out after {} ms", limit.as_millis()),
            )),
        };
        match outcome {
            Ok((inbox, outbox)) => {
                let opened = Opened {
                    transport,
                    round_trip,
                    attempt: began_attempt.elapsed(),
                    total: began.elapsed(),
                    failed,
                };
                return Ok(Session {
                    inbox,
                    outbox,
                    opened,
                });
            }
            Err(reason) => {
                let over = !falls_back(reason.code);
                failed.push((transport, reason.clone()));
                if over {
                    return Err(Kind::Transports { reason, failed }.into());
                }
            }
        }
    }
    let reason = CloseReason::new(2000, "All transports failed");
    Err(Kind::Transports { reason, failed }.into())
}

/// `NNN/xxxxxxxxxxxxxxxx`
fn random_session() -> String {
    let server = rand::random_range(0..1000_u16);
    format!("{server:03}/{:016x}", rand::random::<u64>())
}

fn without_query(url: &str) -> &str {
    url.split('?').next().unwrap_or_default()
}

/// What `/info` says, and the connection when it can be used again. `idle`: one that was used before.
pub(super) async fn ask_info(
    shared: &Shared,
    mut idle: Option<Connection>,
) -> Result<(Info, Option<Connection>), Unanswered> {
    let address = &shared.config.address;
    let target = address.target("info");
    let mut connection = match idle.take_if(|idle| idle.is_ready()) {
        Some(idle) => idle,
        None => {
            let link = dial(Arc::clone(address), shared.config.tls.clone()).await;
            Connection::new(link.map_err(|error| Unanswered::connection(&error))?)
        }
    };
    connection.start(shared.request(address, "GET", &target, &[], ""));
    let head = poll_fn(|context| connection.poll_head(context)).await;
    let head = head.map_err(Unanswered::answer)?;
    shared.take_cookies(address, &target, head.kept);
    let mut content = Vec::new();
    while poll_fn(|context| connection.poll_body(context, &mut content))
        .await
        .map_err(Unanswered::answer)?
    {
        if content.len() > MAX_INFO {
            let why = format_args!("/info is larger than {MAX_INFO} bytes");
            return Err(Unanswered::answer(why));
        }
    }
    let status = head.status.as_u16();
    if status != 200 {
        let why = refusal("/info", status, &content).reason.to_string();
        let kind = if status == 403 && content == FORBIDDEN_ORIGIN {
            Unusable::Origin
        } else {
            Unusable::Answer
        };
        return Err(Unanswered { kind, why });
    }
    let idle = connection.is_ready().then_some(connection);
    Ok((Info::parse(&content), idle))
}

/// Opens a session on one transport.
async fn attempt(
    shared: &Shared,
    transport: Transport,
    place: Place,
    idle: &mut Option<Connection>,
) -> Result<(Inbox, Outbox), CloseReason> {
    let (mut inbox, outbox) = if transport.is_websocket() {
        open_socket(shared, transport, &place).await?
    } else {
        let max_frame_size = shared.config.max_frame_size;
        let outbox = HttpOutbox::new(place.clone());
        let inbox = HttpInbox::new(transport, place, idle.take(), max_frame_size);
        (Inbox::Http(Box::new(inbox)), Outbox::Http(Box::new(outbox)))
    };
    loop {
        match poll_fn(|context| inbox.poll_frame(context, shared)).await? {
            ServerFrame::Open => return Ok((inbox, outbox)),
            ServerFrame::Heartbeat => {}
            ServerFrame::Close(reason) => return Err(reason),
            ServerFrame::Messages(_) => {
                // The id belongs to a session that somebody opened before.
                return Err(lost("messages came before the session was open"));
            }
        }
    }
}

async fn open_socket(
    shared: &Shared,
    transport: Transport,
    place: &Place,
) -> Result<(Inbox, Outbox), CloseReason> {
    let raw = transport == Transport::RawWebsocket;
    let address: &Arc<Address> = &place.address;
    let target = if raw {
        address.target(transport.segment())
    } else {
        place.target(transport.segment())
    };
    let mut request = address
        .websocket_url(&target)
        .into_client_request()
        .map_err(lost)?;
    request
        .headers_mut()
        .extend(shared.fields(address, &target));
    let link = dial(Arc::clone(address), shared.config.tls.clone()).await;
    let link = link.map_err(lost)?;
    let size = shared.config.max_frame_size;
    let config = WebSocketConfig::default()
        .read_buffer_size(4096)
        .write_buffer_size(0)
        .max_write_buffer_size(usize::MAX)
        .max_message_size(Some(size))
        .max_frame_size(Some(size));
    let (socket, answer) = client_async_with_config(request, link, Some(config))
        .await
        .map_err(|error| refused(&error))?;
    shared.take_handshake_cookies(address, &target, answer.headers());
    let (sink, stream) = socket.split::<tungstenite::Message>();
    let inbox = Inbox::Socket(SocketInbox::new(stream, raw));
    Ok((
        inbox,
        if raw {
            Outbox::Raw(sink)
        } else {
            Outbox::Socket(sink)
        },
    ))
}

fn refused(error: &WsError) -> CloseReason {
    match error {
        WsError::Http(answer) => {
            let content = answer.body().as_deref().unwrap_or_default();
            refusal("the WebSocket handshake", answer.status().as_u16(), content)
        }
        error => lost(format_args!("the WebSocket handshake failed: {error}")),
    }
}
