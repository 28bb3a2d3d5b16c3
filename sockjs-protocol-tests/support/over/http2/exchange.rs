//! A client's connection: its requests, one by one, and what is answered.

use bytes::{Bytes, BytesMut};
use h2::client::SendRequest;
use h2::{Reason, RecvStream};
use http::Response;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use super::answer::{self, Ended, Framing};
use super::request::Request;
use super::tunnel;

/// Most bytes that are kept of what a client sends while it is answered.
const MOST_AHEAD: usize = 64 * 1024;

/// Serves a client until it has closed, or is closed. A stream that broke breaks its connection.
pub(super) async fn serve(mut client: TcpStream, mut requests: SendRequest<Bytes>) {
    let mut received = BytesMut::new();
    while let Some(request) = Request::read(&mut client, &mut received).await {
        let closes = request.closes;
        match answer(&mut client, &mut received, &mut requests, request).await {
            Ok(()) if closes => return,
            Ok(()) => {}
            Err(Ended) => {
                // Fails when the client was first.
                let _ = client.set_zero_linger();
                return;
            }
        }
    }
}

/// Hands a request on, and its answer back. What the client sends meanwhile is kept in `received`.
async fn answer(
    client: &mut TcpStream,
    received: &mut BytesMut,
    requests: &mut SendRequest<Bytes>,
    request: Request,
) -> Result<(), Ended> {
    let is_tunnel = request.accept.is_some();
    let mut requests = requests.clone().ready().await?;
    assert!(
        !is_tunnel || requests.is_extended_connect_protocol_enabled(),
        "the server does not take WebSockets over HTTP/2 (RFC 8441 §3)"
    );
    ends_first().await;
    let ends = request.body.is_empty() && !is_tunnel;
    let (answer, mut output) = requests.send_request(request.head, ends)?;
    if !request.body.is_empty() {
        output.send_data(request.body, true)?;
    }
    // What is dropped before its end is reset, with CANCEL.
    let answer = tokio::select! {
        biased;
        () = closed(client, received) => return Err(Ended),
        answer = answer => answer?,
    };
    let (head, body) = answer.into_parts();
    let head = Response::from_parts(head, ());
    match request.accept {
        Some(accept) if head.status().is_success() => {
            answer::switch(client, head, &accept).await?;
            tunnel::carry(client, received, output, body).await
        }
        _ => {
            let framing = answer::begin(client, head, &body, request.closes).await?;
            carry(client, received, body, framing).await
        }
    }
}

/// A client that closed before this request was made has reset its stream before the request is sent, as the server would see
/// it on connections: h2 lets requests overtake resets that wait with them.
async fn ends_first() {
    // Tasks run in turn on the relay's one thread: those whose client has closed in the first, and the connection, which writes,
    // in the second.
    for _ in 0..2 {
        tokio::task::yield_now().await;
    }
}

/// Hands a body back, frame by frame.
async fn carry(
    client: &mut TcpStream,
    received: &mut BytesMut,
    mut body: RecvStream,
    framing: Framing,
) -> Result<(), Ended> {
    loop {
        let data = tokio::select! {
            biased;
            () = closed(client, received) => return Err(Ended),
            data = next(&mut body) => data?,
        };
        let Some(data) = data else {
            return framing.end(client).await;
        };
        framing.send(client, &data).await?;
    }
}

/// The next DATA frame; `None` at the end of the stream.
pub(super) async fn next(body: &mut RecvStream) -> Result<Option<Bytes>, Ended> {
    match body.data().await {
        None => Ok(None),
        Some(Ok(data)) => {
            body.flow_control().release_capacity(data.len())?;
            Ok(Some(data))
        }
        // RFC 9113 §8.1: the answer is complete, and no more of the request is wanted.
        Some(Err(error)) if error.is_reset() && error.reason() == Some(Reason::NO_ERROR) => {
            Ok(None)
        }
        Some(Err(_)) => Err(Ended),
    }
}

/// Ready when the client has closed its connection.
async fn closed(client: &mut TcpStream, received: &mut BytesMut) {
    while received.len() < MOST_AHEAD {
        if !matches!(client.read_buf(received).await, Ok(1..)) {
            return;
        }
    }
    std::future::pending().await
}
