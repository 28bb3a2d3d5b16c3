//! The bytes of a WebSocket, both ways: a FIN is END_STREAM, a reset is RST_STREAM. (RFC 8441 §5)

use std::future::poll_fn;

use bytes::{Bytes, BytesMut};
use h2::{RecvStream, SendStream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};

use super::answer::Ended;
use super::exchange::next;

/// Carries until both sides have ended. `received` came from the client already.
pub(super) async fn carry(
    client: &mut TcpStream,
    received: &mut BytesMut,
    output: SendStream<Bytes>,
    input: RecvStream,
) -> Result<(), Ended> {
    let (read, write) = client.split();
    tokio::try_join!(to_server(read, received, output), to_client(input, write))?;
    Ok(())
}

async fn to_server(
    mut client: ReadHalf<'_>,
    received: &mut BytesMut,
    mut output: SendStream<Bytes>,
) -> Result<(), Ended> {
    loop {
        while !received.is_empty() {
            output.reserve_capacity(received.len());
            let room = poll_fn(|context| output.poll_capacity(context)).await;
            let room = room.ok_or(Ended)??;
            let piece = received.split_to(room.min(received.len())).freeze();
            output.send_data(piece, false)?;
        }
        if client.read_buf(received).await? == 0 {
            // The server may have ended the stream already.
            let _ = output.send_data(Bytes::new(), true);
            return Ok(());
        }
    }
}

async fn to_client(mut input: RecvStream, mut client: WriteHalf<'_>) -> Result<(), Ended> {
    while let Some(data) = next(&mut input).await? {
        client.write_all(&data).await?;
    }
    client.shutdown().await?;
    Ok(())
}
