//! A session's WebSocket.

use std::time::Duration;

use ::http::Uri;
use ::http::header::{HeaderValue, ORIGIN, USER_AGENT};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::client::frames::ServerFrame;

use super::dial::Link;
use super::http::{Http, Problem};
use super::session::{Ended, Inbox, MAX_FRAME};

/// Time for the close handshake at the end of a test.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// Opens the WebSocket at `url`, which starts with http, and carries messages until either side ends it.
pub(super) async fn run(
    http: Http,
    url: String,
    inbox: Inbox,
    mut outgoing: mpsc::Receiver<String>,
) {
    let opening = async {
        // Given up when the test no longer waits.
        tokio::select! {
            opened = open(&http, &url) => Some(opened),
            () = closed(&mut outgoing) => None,
        }
    };
    let mut socket = match opening.await {
        Some(Ok(socket)) => socket,
        Some(Err(problem)) => return inbox.end(Ended::new(problem)).await,
        None => return,
    };
    inbox.received_bytes();
    loop {
        tokio::select! {
            message = outgoing.recv() => match message {
                Some(text) => {
                    if let Err(error) = socket.send(Message::text(text)).await {
                        return inbox.end(Ended::new(problem(error))).await;
                    }
                }
                None => {
                    let _ = tokio::time::timeout(CLOSE_LIMIT, socket.close(None)).await;
                    return;
                }
            },
            received = socket.next() => match received {
                Some(Ok(Message::Text(text))) => {
                    match ServerFrame::parse(&text) {
                        Ok(Some(frame)) => {
                            if !inbox.take(frame).await {
                                return;
                            }
                        }
                        Ok(None) => {}
                        Err(broken) => return inbox.end(Ended::new(Problem::new(broken.text()))).await,
                    }
                }
                Some(Ok(Message::Close(frame))) => {
                    let code = frame.map(|frame| (u16::from(frame.code), frame.reason.to_string()));
                    let mut ended = Ended::new(Problem::new("the WebSocket was closed by the other side"));
                    (ended.code, ended.clean) = (code, true);
                    return inbox.end(ended).await;
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return inbox.end(Ended::new(problem(error))).await,
                None => {
                    let cut = Problem::new("the connection was cut");
                    return inbox.end(Ended::new(cut)).await;
                }
            },
        }
    }
}

/// Waits until nobody can send any more; before the socket is open nobody does.
async fn closed(outgoing: &mut mpsc::Receiver<String>) {
    while outgoing.recv().await.is_some() {}
}

async fn open(http: &Http, url: &str) -> Result<WebSocketStream<Link>, Problem> {
    let uri: Uri = url
        .parse()
        .map_err(|error| Problem::new(format!("{url}: {error}")))?;
    let link = http.way.connect(&uri, true).await;
    let link = link.map_err(|error| Problem::of(&error))?;
    let websocket = url.replacen("http", "ws", 1);
    let mut request = websocket.into_client_request().map_err(problem)?;
    let headers = request.headers_mut();
    headers.insert(ORIGIN, http.origin.clone());
    headers.insert(
        USER_AGENT,
        HeaderValue::from_static(super::http::USER_AGENT),
    );
    headers.extend(http.fields.clone());
    let limits = WebSocketConfig::default()
        .max_message_size(Some(MAX_FRAME))
        .max_frame_size(Some(MAX_FRAME));
    let opening = client_async_with_config(request, link, Some(limits));
    let (socket, _) = opening.await.map_err(problem)?;
    Ok(socket)
}

fn problem(error: Error) -> Problem {
    match error {
        Error::Http(response) => Problem::answered(
            response.status(),
            response.headers(),
            response.body().as_deref().unwrap_or_default(),
        ),
        Error::ConnectionClosed | Error::Protocol(_) => {
            Problem::new(format!("the connection was cut ({error})"))
        }
        Error::Io(error) => Problem::of(&error),
        error => Problem::new(error.to_string()),
    }
}
