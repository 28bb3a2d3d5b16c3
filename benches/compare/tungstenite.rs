//! A minimal echo on tokio-tungstenite, with buffers as small as the gateway's: raw WebSockets and nothing else.

use std::io;
use std::net::SocketAddr;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpListener;
use tokio_tungstenite::accept_async_with_config;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// Serves on `address` for ever, after it has told `bound` where.
pub(crate) async fn serve(address: SocketAddr, bound: impl FnOnce(SocketAddr)) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    bound(listener.local_addr()?);
    let config = WebSocketConfig::default()
        .read_buffer_size(4096)
        .write_buffer_size(4096);
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            stream.set_nodelay(true)?;
            let socket = accept_async_with_config(stream, Some(config)).await;
            let (mut sink, mut messages) = socket.map_err(io::Error::other)?.split();
            while let Some(Ok(message)) = messages.next().await {
                if (message.is_text() || message.is_binary()) && sink.send(message).await.is_err() {
                    break;
                }
            }
            Ok::<_, io::Error>(())
        });
    }
}
